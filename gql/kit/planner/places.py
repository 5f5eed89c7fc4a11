"""Places in a statement: where the columns of a row are read, and how rows hang on the row above them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import RelationshipProperty, aliased

from gql.kit.node import key_columns
from gql.kit.relations import ends
from models.base import Base


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a model in a statement: `row.title` is its column there, as it would be of an alias of the model.

    What is not a column begins with `row_`, because tables have columns like `source` and `key`.
    """

    row_model: type[Base]
    row_source: Any
    row_column: Callable[[str], Any] = field(repr=False)

    def __getattr__(self, attribute: str) -> Any:
        return self.row_column(attribute)

    @classmethod
    def of(cls, model: type[Base]) -> Row:
        """A row of the model's own table."""
        alias = aliased(model)
        return cls(model, alias, partial(getattr, alias))

    @property
    def row_key(self) -> list[Any]:
        mapper = self.row_model.__mapper__
        return [self.row_column(mapper.get_property_by_column(column).key) for column in key_columns(self.row_model)]


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
    """The rows of a subquery, which in the end has only the columns that were read; numbered where that is wanted."""

    def __init__(self, statement: Select[Any], columns: dict[str, Any], name: str, *, numbered: bool) -> None:
        self._statement = statement
        self._columns = columns
        self._inner = statement.with_only_columns(*columns.values()).subquery(name)
        self._inner_columns = dict(zip(columns, self._inner.c, strict=True))
        self._numbers = {"place": func.row_number().over(), "found": func.count().over()} if numbered else {}
        self.source = self._inner
        self._outer_columns = self._inner_columns
        if numbered:
            self.source = self._numbered(self._inner_columns, self._numbers).subquery(f"{name}_numbered")
            names = [*columns, *self._numbers]
            self._outer_columns = dict(zip(names, self.source.c, strict=True))
        self._read: set[str] = set()

    def __call__(self, name: str) -> Any:
        """A column by its attribute; `place` is the row's number from 1, `found` how many rows there are."""
        self._read.add(name)
        return self._outer_columns[name]

    def leave_out_unread(self) -> None:
        kept = [name for name in self._columns if name in self._read] or list(self._columns)[:1]
        self._inner.element = self._statement.with_only_columns(*[self._columns[name] for name in kept])
        if self._numbers:
            columns = {name: self._inner_columns[name] for name in kept}
            numbers = {name: number for name, number in self._numbers.items() if name in self._read}
            self.source.element = self._numbered(columns, numbers)

    @staticmethod
    def _numbered(columns: dict[str, Any], numbers: dict[str, Any]) -> Select[Any]:
        return select(*columns.values(), *[number.label(name) for name, number in numbers.items()])
