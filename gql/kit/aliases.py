"""Rows of a model in a statement, whose columns are made when they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, FromClause

from gql.kit.node import key_columns
from models.base import Base


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a model in a statement: `row.title` is its column there, as it would be of an alias of the model.

    What is not a column begins with `row_`, because tables have columns like `source` and `key`. SQLAlchemy's own
    alias makes every column of the table twice before the first is read, and most statements read few.
    """

    row_model: type[Base]
    row_source: FromClause
    row_column: Callable[[str], Any] = field(repr=False)

    def __getattr__(self, attribute: str) -> Any:
        return self.row_column(attribute)

    def __clause_element__(self) -> Any:
        """What stands for it where SQLAlchemy takes a table."""
        return self.row_source

    @classmethod
    def of(cls, model: type[Base]) -> Row:
        """A row of the model's own table."""
        source = model.table().alias()
        return cls(model, source, partial(column_of, source, model))

    @property
    def row_key(self) -> list[Any]:
        mapper = self.row_model.__mapper__
        return [self.row_column(mapper.get_property_by_column(column).key) for column in key_columns(self.row_model)]


def column_of(source: FromClause, model: type[Base], attribute: str) -> ColumnElement[Any]:
    """A column of the model, by its attribute, in something that has the table's columns. Raises AttributeError."""
    column = model.__mapper__.columns.get(attribute)
    if column is None:
        raise AttributeError(attribute)
    return ColumnClause(column.name, column.type, _selectable=source)
