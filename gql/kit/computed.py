"""Fields that are computed from a row: an object, or several, whose parts a subquery over the row's columns gives.

The subquery is written once, over an alias. The planner puts it into the statement of the root field; for the ordinary
executor, one statement reads it for all rows of a level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode
from sqlalchemy import ARRAY, Column, Select, any_, literal, select, true
from sqlalchemy.orm import aliased

from gql.kit.aliases import Row
from gql.kit.deferred_values import changed
from gql.kit.kinds import kind_of, longest_of
from gql.kit.mirror import directives
from gql.kit.naming import camel
from gql.kit.node import key_columns
from gql.kit.planner.builder import Builder
from gql.kit.planner.fields import planned
from gql.kit.planner.members import object_over
from gql.kit.planner.text import Parts, or_null, plain_value, rows_of, text_of
from gql.kit.types import Field, argument, object_type
from lango.graphql.cost import LONGEST
from lango.graphql.permissions import FOR_EVERY_KEY
from lango.names import snake
from models.base import Base


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a computed field, as the subquery gets it: a parameter of `column`'s type. `check` raises
    BadUserInput for a value that the field does not take."""

    column: Column[Any]
    check: Callable[[Any], Any] = lambda value: value

    def literal(self, given: Any) -> Any:
        return literal(changed(given, self.check), self.column.type)


# Over a row and the arguments, by name: a subquery with the parts of the object as its columns.
Subquery = Callable[..., Select[Any]]


@dataclass(frozen=True, slots=True)
class Computed:
    """An object that is computed from a row of `model`: its type outside, what it is made of, and the subquery.

    Of `many`, the subquery's column `place` says in which order; a single one is null where it gives no row.
    """

    model: type[Base]
    name: str
    doc: str
    parts: Sequence[Column[Any]]
    subquery: Subquery
    arguments: Sequence[Argument] = ()
    many: bool = False

    def field(self, attribute: str, *, doc: str) -> Field:
        """The field of the model's type that gives it."""
        shown = object_type(self.name, [_part(column) for column in self.parts], description=self.doc)
        given = [
            argument(each.column.name, kind_of(each.column).annotation, name=camel(each.column.name),
                     description=each.column.doc or "")
            for each in self.arguments
        ]  # fmt: skip
        return Field(
            attribute, list[shown] if self.many else shown | None, name=camel(attribute), description=doc,  # type: ignore[valid-type]
            arguments=given, resolve=self._resolve, metadata={**planned(self._plan), FOR_EVERY_KEY: True},
        )  # fmt: skip

    async def _resolve(self, row: Base, info: Any, **given: Any) -> Any:
        """What the executor answers: rows of the same level are read by one statement."""
        arguments = self._literals(given)

        async def batch(keys: list[Any]) -> list[Any]:
            return await self._read(info.context, arguments, keys)

        loader = info.context.loader(("computed", self.model, self.name, repr(sorted(given.items()))), batch)
        return await loader.load(row.__dict__[self._key])

    async def _read(self, context: Any, arguments: Mapping[str, Any], keys: list[Any]) -> list[Any]:
        above: Any = aliased(self.model)
        key = getattr(above, self._key)
        found = self.subquery(above, **arguments).correlate(above).lateral(snake(self.name))
        statement = select(key.label("row_key"), found).join_from(above, found, true())
        statement = statement.where(key == any_(literal(keys, ARRAY(key.type))))
        statement = statement.order_by(found.c.place) if self.many else statement
        by_key: dict[Any, list[Any]] = {each: [] for each in keys}
        for each in await context.reads.rows(statement):
            by_key[each.row_key].append(each)
        return [by_key[each] if self.many else next(iter(by_key[each]), None) for each in keys]

    def _plan(self, builder: Builder, row: Row, nodes: Sequence[FieldNode]) -> Parts:
        """The same as a part of the statement above it."""
        arguments = builder.arguments(builder.selections.type(row.row_model.__name__), nodes[0])
        found = self.subquery(row, **self._literals(arguments)).correlate(row).subquery(snake(self.name))
        below = builder.selections.below(builder.selections.type(self.name), nodes)
        text = text_of(object_over(found, below, lambda inner: self._member(found, inner)))
        if self.many:
            text = text_of(rows_of(text, order=found.c.place))
        return or_null(select(text).select_from(found).correlate(row.row_source).scalar_subquery())

    def _member(self, found: Any, nodes: Sequence[FieldNode]) -> Parts:
        name = nodes[0].name.value
        if name == "__typename":
            return [f'"{self.name}"']
        column = next(each for each in self.parts if camel(each.name) == name)
        return plain_value(found.c[column.name], column, nullable=bool(column.nullable))

    def _literals(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {each.column.name: each.literal(given[each.column.name]) for each in self.arguments}

    @property
    def _key(self) -> str:
        (column,) = key_columns(self.model)
        return self.model.__mapper__.get_property_by_column(column).key


def _part(column: Column[Any]) -> Field:
    kind = kind_of(column).annotation
    return Field(
        column.name, kind | None if column.nullable else kind, name=camel(column.name), description=column.doc,
        directives=directives(column), metadata={LONGEST: longest_of(column)},
    )  # fmt: skip
