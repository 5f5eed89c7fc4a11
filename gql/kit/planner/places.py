"""Places in a statement: where the columns of a row are read, and how rows hang on the row above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Select, func, select
from sqlalchemy.orm import RelationshipProperty

from gql.kit.aliases import Row, column_of
from gql.kit.relations import attributes, ends


@dataclass(frozen=True, slots=True)
class Link:
    """Ties rows to the row above them."""

    parent: Row
    local: str
    remote: str

    @classmethod
    def along(cls, relation: RelationshipProperty[Any], parent: Row) -> Link:
        return cls(parent, *ends(relation))

    def joins(self, row: Any) -> ColumnElement[bool]:
        joined: ColumnElement[bool] = getattr(row, self.remote) == getattr(self.parent, self.local)
        return joined


def under(statement: Select[Any], link: Link | None) -> Select[Any]:
    """The statement as a part of the one above it. Every select in between must say so: SQLAlchemy would bring the
    upper row in a second time, and the rows would be those of all parents."""
    return statement if link is None else statement.correlate(link.parent.row_source)


class Rows:
    """The rows of a subquery, which has only the columns that are read; numbered where that is wanted."""

    def __init__(self, statement: Select[Any], row: Row, name: str, *, numbered: bool) -> None:
        """`row` is that of the statement, whose columns are taken over."""
        self._statement = statement
        self._row = row
        self._inner = statement.subquery(name)
        # It gets its columns when all that are read are known.
        self.source = select(self._inner).subquery(f"{name}_numbered") if numbered else self._inner
        self._numbered = numbered
        self._read: set[str] = set()
        self._numbers: dict[str, ColumnElement[int]] = {}

    def __call__(self, attribute: str) -> ColumnElement[Any]:
        """A column by its attribute. Raises AttributeError."""
        column = column_of(self.source, self._row.row_model, attribute)
        self._read.add(attribute)
        return column

    @property
    def place(self) -> ColumnElement[int]:
        """The row's number, from 1."""
        return self._number("place", func.row_number().over())

    @property
    def found(self) -> ColumnElement[int]:
        """How many rows there are."""
        return self._number("found", func.count().over())

    def _number(self, name: str, number: ColumnElement[int]) -> ColumnElement[int]:
        self._numbers[name] = number
        return ColumnClause(name, number.type, _selectable=self.source)

    def finish(self) -> None:
        """Nothing more is read: now the subquery has its columns."""
        shown = list(attributes(self._row.row_model))
        names = sorted(self._read, key=shown.index) or shown[:1]
        self._inner.element = self._statement.with_only_columns(*(getattr(self._row, name) for name in names))
        if self._numbered:
            columns = [column_of(self._inner, self._row.row_model, attribute) for attribute in names]
            self.source.element = select(
                *columns, *(number.label(name) for name, number in self._numbers.items())
            ).select_from(self._inner)
