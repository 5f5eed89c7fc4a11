"""The arguments of lists and aggregates, as Strawberry reads them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from gql.kit.aggregates import DEFAULT_GROUPS
from gql.kit.naming import camel
from gql.kit.type_registry import Address
from models.base import Base

LIST_ARGUMENTS = {
    "first": (
        int | None,
        "How many rows, from the start of the list or after `after`; 20 if neither is given, 100 at most.",
    ),
    "after": (str | None, "Only rows after this cursor."),
    "last": (int | None, "How many rows, from the end of the list or before `before`."),
    "before": (str | None, "Only rows before this cursor."),
}


def list_arguments(target: type[Base]) -> dict[str, tuple[Any, str, Any]]:
    """The arguments of a list: their types, docs and defaults."""
    arguments: dict[str, tuple[Any, str, Any]] = {
        key: (kind, doc, strawberry.UNSET) for key, (kind, doc) in LIST_ARGUMENTS.items()
    }
    arguments["where"] = (
        Address(f"{target.__name__}Where") | None,
        "Which rows; all that may be seen without it.",
        strawberry.UNSET,
    )
    arguments["order_by"] = (
        list[Address(f"{target.__name__}Order")] | None,  # type: ignore[misc]
        "The order, first key first; the newest come first without it.",
        strawberry.UNSET,
    )
    return arguments


def group_arguments(target: type[Base]) -> dict[str, tuple[Any, str, Any]]:
    """The arguments of an aggregate: their types, docs and defaults."""
    return {
        "where": (
            Address(f"{target.__name__}Where") | None,
            "Which rows; all that may be seen without it.",
            strawberry.UNSET,
        ),
        "group_by": (
            list[Address(f"{target.__name__}GroupBy")] | None,  # type: ignore[misc]
            "The keys; one group of all rows without them.",
            strawberry.UNSET,
        ),
        "time_zone": (str, "The time zone in which days and months begin.", "UTC"),
        "first": (int, "How many groups, in the order of their keys; 1000 at most.", DEFAULT_GROUPS),
    }


def with_arguments(
    resolve: Callable[..., Any], arguments: dict[str, tuple[Any, str, Any]], returns: Any, *, rooted: bool = True
) -> Any:
    """Give a resolver that takes `**arguments` a signature that Strawberry can read."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotations: dict[str, Any] = ({"root": Any} if rooted else {}) | {"info": Info}
    parameters = [inspect.Parameter(name, kind, annotation=given) for name, given in annotations.items()]
    for name, (annotation, doc, default) in arguments.items():
        annotations[name] = Annotated[annotation, strawberry.argument(description=doc, name=camel(name))]
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotations[name]))
    resolve.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    resolve.__annotations__ = annotations | {"return": returns}
    return resolve
