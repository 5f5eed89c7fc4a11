"""The fields of Query that a model has: one row, a list, and an aggregate of the list."""

from __future__ import annotations

from typing import Any

import strawberry

from gql.kit.aggregates import GroupArguments, read_groups, wanted
from gql.kit.arguments import group_arguments, list_arguments
from gql.kit.connection import ConnectionArguments, read_list
from gql.kit.loaders import read_node
from gql.kit.naming import camel, plural, singular, words
from gql.kit.node import parse_id
from gql.kit.planner import fields as planner
from gql.kit.type_registry import TypeReference
from gql.kit.types import Field, argument, object_type
from models.base import Base

ID = argument("id", strawberry.ID, name="id", description="Its id, or its `rowId`.")


def root_fields(*listed: type[Base], unlisted: tuple[type[Base], ...] = ()) -> type[Any]:
    """A Query with three fields for each model: one row by its id, a list, and an aggregate of the list.

    They are nullable, so that one that fails does not take the others along. `unlisted` have only the row by its id:
    faces whose rows nobody may go through without a parent.
    """
    fields = []
    for model in (*listed, *unlisted):
        fields.append(_root_one(model))
        if model not in unlisted:
            fields += [_root_list(model), _root_aggregate(model)]
    return object_type("Query", fields)


def _root_one(model: type[Base]) -> Field:
    async def resolve(_: Any, info: Any, id: str) -> Any:
        return await read_node(info.context, model, parse_id(model, id))

    return Field(
        singular(model), TypeReference(model.__name__) | None, name=camel(singular(model)),
        description=f"One {words(singular(model))} by its id; null where there is none that you may see.",
        resolve=resolve, arguments=[ID], metadata=planner.root_one(model),
    )  # fmt: skip


def _root_list(model: type[Base]) -> Field:
    async def resolve(_: Any, info: Any, **arguments: Any) -> Any:
        return await read_list(info.context, model, ConnectionArguments(**arguments))

    return Field(
        plural(model), TypeReference(f"{model.__name__}Connection") | None, name=camel(plural(model)),
        description=f"The {words(plural(model))} that you may see.",
        resolve=resolve, arguments=list_arguments(model), metadata=planner.root_list(model),
    )  # fmt: skip


def _root_aggregate(model: type[Base]) -> Field:
    async def resolve(_: Any, info: Any, **arguments: Any) -> Any:
        return await read_groups(info.context, model, GroupArguments(**arguments, wanted=wanted(info.selected_fields)))

    return Field(
        f"{plural(model)}_aggregate", list[TypeReference(f"{model.__name__}Aggregate")] | None,  # type: ignore[misc]
        name=f"{camel(plural(model))}Aggregate",
        description=f"Counts, sums and extremes of the {words(plural(model))} that you may see.",
        resolve=resolve, arguments=group_arguments(model), metadata=planner.root_groups(model),
    )  # fmt: skip
