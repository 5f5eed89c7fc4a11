"""The fields of Query that a model has: one row, a list, and an aggregate of the list."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from gql.kit.aggregates import AskedGroups, read_groups, wanted
from gql.kit.arguments import group_arguments, list_arguments, with_arguments
from gql.kit.connection import Asked, read_list
from gql.kit.loaders import read_node
from gql.kit.naming import camel, plural, singular, words
from gql.kit.node import parse_id
from gql.kit.planner import fields as planner
from gql.kit.type_registry import Address
from models.base import Base


def root_fields(*listed: type[Base], unlisted: tuple[type[Base], ...] = ()) -> type[Any]:
    """A Query with three fields for each model: one row by its id, a list, and an aggregate of the list.

    They are nullable, so that one that fails does not take the others along. `unlisted` have only the row by its id:
    faces whose rows nobody may go through without a parent.
    """
    namespace: dict[str, Any] = {}
    for model in (*listed, *unlisted):
        namespace[singular(model)] = _root_one(model)
        if model not in unlisted:
            namespace[plural(model)] = _root_list(model)
            namespace[f"{plural(model)}_aggregate"] = _root_aggregate(model)
    return strawberry.type(type("Query", (), namespace), name="Query")


def _root_one(model: type[Base]) -> Any:
    async def resolve(info: Any, id: str) -> Any:
        return await read_node(info.context, model, parse_id(model, id))

    resolve.__annotations__ = {
        "info": Info,
        "id": Annotated[strawberry.ID, strawberry.argument(description="Its id, or its `rowId`.")],
        "return": Address(model.__name__) | None,
    }
    doc = f"One {words(singular(model))} by its id; null where there is none that you may see."
    return strawberry.field(resolve, name=camel(singular(model)), description=doc, metadata=planner.root_one(model))


def _root_list(model: type[Base]) -> Any:
    async def resolve(info: Any, **arguments: Any) -> Any:
        return await read_list(info.context, model, Asked(**arguments))

    with_arguments(resolve, list_arguments(model), Address(f"{model.__name__}Connection") | None, rooted=False)
    doc = f"The {words(plural(model))} that you may see."
    return strawberry.field(resolve, name=camel(plural(model)), description=doc, metadata=planner.root_list(model))


def _root_aggregate(model: type[Base]) -> Any:
    async def resolve(info: Any, **arguments: Any) -> Any:
        return await read_groups(info.context, model, AskedGroups(**arguments, wanted=wanted(info.selected_fields)))

    with_arguments(resolve, group_arguments(model), list[Address(f"{model.__name__}Aggregate")] | None, rooted=False)  # type: ignore[misc]
    doc = f"Counts, sums and extremes of the {words(plural(model))} that you may see."
    return strawberry.field(
        resolve, name=f"{camel(plural(model))}Aggregate", description=doc, metadata=planner.root_groups(model)
    )
