"""Single rows, by key: the dataloaders that batch them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, and_, any_, func, literal, select
from sqlalchemy import column as sql_column

from gql.kit.node import key_columns, key_of
from gql.kit.relations import undeferred
from models.base import Base


def by_key(context: Any, model: type[Base], attribute: str) -> Any:
    """The dataloader of a model's rows by one of its columns, where that is unique."""

    async def batch(keys: list[Any]) -> list[Any]:
        column = getattr(model, attribute)
        statement = select(model).where(column == any_(literal(keys, ARRAY(column.type))))
        found = await context.reads.scalars(statement, undeferred(model, staff=context.actor.is_staff))
        rows = {getattr(row, attribute): row for row in found}
        return [rows.get(key) for key in keys]

    return context.loader(("one", model, attribute), batch)


async def read_node(context: Any, model: type[Base], key: tuple[Any, ...]) -> Any:
    """The row of that key, if the caller may see it. Many asked for at once are read by one statement a type."""
    if len(key) == 1:
        (column,) = key_columns(model)
        return await by_key(context, model, model.__mapper__.get_property_by_column(column).key).load(key[0])
    return await by_whole_key(context, model).load(key)


def by_whole_key(context: Any, model: type[Base]) -> Any:
    """The dataloader of a model's rows by a key of several columns."""
    columns = [getattr(model, model.__mapper__.get_property_by_column(column).key) for column in key_columns(model)]

    async def batch(keys: list[tuple[Any, ...]]) -> list[Any]:
        listed = [
            literal(list(parts), ARRAY(own.type)) for own, parts in zip(columns, zip(*keys, strict=True), strict=True)
        ]
        parts = [sql_column(f"part{index}", own.type) for index, own in enumerate(columns)]
        wanted_ = func.unnest(*listed).table_valued(*parts).render_derived("wanted")
        same = [own == wanted_.c[part.name] for own, part in zip(columns, parts, strict=True)]
        statement = select(model).join_from(model, wanted_, and_(*same))
        found = await context.reads.scalars(statement, undeferred(model, staff=context.actor.is_staff))
        rows = {key_of(row): row for row in found}
        return [rows.get(key) for key in keys]

    return context.loader(("one", model), batch)
