"""The arguments of lists and aggregates, as Strawberry reads them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from gql.kit.aggregates import DEFAULT_GROUPS
from gql.kit.naming import camel
from gql.kit.type_registry import TypeReference
from gql.kit.types import argument
from lango.libraries.strawberry import StrawberryArgument
from models.base import Base

PAGE_ARGUMENTS = (
    argument(
        "first", int | None, name="first",
        description="How many rows, from the start of the list or after `after`; 20 if neither is given, 100 at most.",
    ),
    argument("after", str | None, name="after", description="Only rows after this cursor."),
    argument(
        "last", int | None, name="last",
        description="How many rows, from the end of the list or before `before`.",
    ),
    argument("before", str | None, name="before", description="Only rows before this cursor."),
)  # fmt: skip
GROUP_ARGUMENTS = (
    argument(
        "time_zone", str, name="timeZone", description="The time zone in which days and months begin.", default="UTC"
    ),
    argument(
        "first", int, name="first", description="How many groups, in the order of their keys; 1000 at most.",
        default=DEFAULT_GROUPS,
    ),
)  # fmt: skip


@cache
def list_arguments(target: type[Base]) -> tuple[StrawberryArgument, ...]:
    """The arguments of a list of the model's rows."""
    order: Any = list[TypeReference(f"{target.__name__}Order")] | None  # type: ignore[misc]
    doc = "The order, first key first; the newest come first without it."
    return *PAGE_ARGUMENTS, _where(target), argument("order_by", order, name="orderBy", description=doc)


@cache
def group_arguments(target: type[Base]) -> tuple[StrawberryArgument, ...]:
    """The arguments of an aggregate over the model's rows."""
    keys: Any = list[TypeReference(f"{target.__name__}GroupBy")] | None  # type: ignore[misc]
    doc = "The keys; one group of all rows without them."
    return _where(target), argument("group_by", keys, name="groupBy", description=doc), *GROUP_ARGUMENTS


def _where(target: type[Base]) -> StrawberryArgument:
    kind = TypeReference(f"{target.__name__}Where") | None
    return argument("where", kind, name="where", description="Which rows; all that may be seen without it.")


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
