"""Relay connections: a page of a model's rows, alone or under each of many parents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import strawberry
from sqlalchemy import ARRAY, Select, any_, column, func, literal, select, true
from sqlalchemy.orm import RelationshipProperty, aliased

from gql.kit.filters import predicate
from gql.kit.naming import plural, words
from gql.kit.narrowing import check_narrow, check_size
from gql.kit.ordering import Key, backwards, beyond, cursor, keys_of, page_limit, position, terms
from gql.kit.relations import attributes, ends, is_staff_only, undeferred
from gql.kit.type_registry import TypeReference, register
from gql.kit.types import Field, object_type
from lango.errors import BadUserInput
from lango.graphql.cost import DEFAULT_PAGE
from models.base import Base

MAX_PAGE = 100


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether rows follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether rows precede this page.")
    start_cursor: str | None = strawberry.field(description="The first row's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The last row's cursor; null on an empty page.")


@dataclass(frozen=True, slots=True)
class Edge:
    """A row and its place."""

    node: Base
    cursor: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `count` asks for the number of rows in the whole list, and only when it is wanted."""

    edges: list[Edge]
    more: bool
    arguments: ConnectionArguments
    count: Callable[[], Awaitable[int]]

    @property
    def nodes(self) -> list[Base]:
        return [edge.node for edge in self.edges]

    @property
    def page_info(self) -> PageInfo:
        first, last = (self.edges[0].cursor, self.edges[-1].cursor) if self.edges else (None, None)
        # The row of a cursor lies beyond the page, on the side of that cursor.
        ahead, behind = self.arguments.before is not None, self.arguments.after is not None
        if self.arguments.is_backward:
            behind = behind or self.more
        else:
            ahead = ahead or self.more
        return PageInfo(has_next_page=ahead, has_previous_page=behind, start_cursor=first, end_cursor=last)


@dataclass(frozen=True, slots=True)
class ConnectionArguments:
    """The arguments of a list."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    where: Any = None
    order_by: list[Any] | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None:
            raise BadUserInput("Ask for `first` or for `last`, not for both.")
        for name, size in (("first", self.first), ("last", self.last)):
            if size is not None and not 0 <= size <= MAX_PAGE:
                raise BadUserInput(f"`{name}` is from 0 to {MAX_PAGE}, not {size}: page on with a cursor.")

    @property
    def size(self) -> int:
        size = self.first if self.last is None else self.last
        return DEFAULT_PAGE if size is None else size

    @property
    def is_backward(self) -> bool:
        return self.last is not None


def connection_of(model: type[Base]) -> type[Any]:
    """The connection type of a model, and its edge."""
    name, listed = model.__name__, words(plural(model))
    edge = object_type(
        f"{name}Edge",
        [
            Field("node", TypeReference(name), name="node", description="The row."),
            Field("cursor", str, name="cursor", description="Its place in the list, for `after` and `before`."),
        ],
        description=f"A {words(name)} in a list.",
    )
    register(f"{name}Edge", edge)
    edges, nodes = list[TypeReference(f"{name}Edge")], list[TypeReference(name)]  # type: ignore[misc]
    connection = object_type(
        f"{name}Connection",
        [
            Field("edges", edges, name="edges", description="The rows of this page, each with its cursor."),
            Field("nodes", nodes, name="nodes", description="The rows of this page."),
            Field("page_info", PageInfo, name="pageInfo", description="Where the page stands in the list."),
            Field(
                "total_count", int, name="totalCount", description="How many rows the list has; counted when asked.",
                resolve=_total_count,
            ),
        ],
        description=f"A page of {listed}.",
    )  # fmt: skip
    return register(f"{name}Connection", connection)


async def _total_count(page: Page, _: Any) -> int:
    return await page.count()


def page(
    row: Any, model: type[Base], arguments: ConnectionArguments, *conditions: Any, one_more: bool = True
) -> tuple[Select[Any], tuple[Key, ...]]:
    """The rows of one page over an alias, by default one more than asked for, and the ordering's keys."""
    keys = keys_of(model, arguments.order_by)
    towards = backwards(keys) if arguments.is_backward else keys
    statement = select(row).where(*conditions)
    if arguments.where is not None:
        statement = statement.where(predicate(row, model, arguments.where))
    if arguments.after is not None:
        statement = statement.where(beyond(row, keys, position(model, keys, arguments.after)))
    if arguments.before is not None:
        statement = statement.where(beyond(row, backwards(keys), position(model, keys, arguments.before)))
    return statement.order_by(*terms(row, towards)).limit(page_limit(arguments.size + one_more)), keys


def _page(
    found: Sequence[tuple[Base, str]], arguments: ConnectionArguments, count: Callable[[], Awaitable[int]]
) -> Page:
    edges = [Edge(node, place) for node, place in found[: arguments.size]]
    if arguments.is_backward:
        edges.reverse()
    return Page(edges, len(found) > arguments.size, arguments, count)


async def read_list(context: Any, model: type[Base], arguments: ConnectionArguments) -> Page:
    """A page of all the rows the caller may see: one statement, and one more if the total is asked for."""
    staff = context.actor.is_staff
    check_narrow(model, arguments.where, staff=staff)
    row = aliased(model)
    statement, keys = page(row, model, arguments)
    found = await context.reads.rows(statement.add_columns(cursor(row, model, keys)), undeferred(model, staff=staff))

    async def count() -> int:
        other = aliased(model)
        counted = select(func.count()).select_from(other)
        if arguments.where is not None:
            counted = counted.where(predicate(other, model, arguments.where))
        return int((await context.reads.scalars(counted))[0])

    return _page([(node, place) for node, place in found], arguments, count)


async def read_children(
    context: Any, parent: Base, relation: RelationshipProperty[Any], arguments: ConnectionArguments
) -> Page:
    """A page of one parent's rows. Parents of the same level are read by one statement, each with its own page."""
    local, _ = ends(relation)
    key = parent.__dict__.get(local)
    if key is None:
        return _page([], arguments, _none)
    loader_key = (relation, repr(arguments))
    count_loader = context.loader(("count", *loader_key), partial(_count_children, context, relation, arguments))

    async def count() -> int:
        return int(await count_loader.load(key))

    loader = context.loader(("page", *loader_key), partial(_read_pages, context, relation, arguments))
    return _page(await loader.load(key), arguments, count)


async def _none() -> int:
    return 0


async def _read_pages(
    context: Any, relation: RelationshipProperty[Any], arguments: ConnectionArguments, keys: list[Any]
) -> list[list[tuple[Base, str]]]:
    model: type[Base] = relation.mapper.class_
    staff = context.actor.is_staff
    check_size(arguments.where)
    _, remote = ends(relation)
    parents = parents_of(keys, relation)
    child = aliased(model)
    statement, order = page(child, model, arguments, getattr(child, remote) == parents.c.key)
    shown = [getattr(child, key) for key, shown in attributes(model).items() if staff or not is_staff_only(shown)]
    ranked = func.row_number().over(order_by=terms(child, backwards(order) if arguments.is_backward else order))
    place = cursor(child, model, order).label("place")
    inner = statement.with_only_columns(*shown, place, ranked.label("rank")).correlate(parents).lateral()
    entity = aliased(model, inner)
    found = await context.reads.rows(
        select(entity, inner.c.place, parents.c.key)
        .select_from(parents.join(inner, true()))
        .order_by(parents.c.key, inner.c.rank),
        undeferred(model, staff=staff),
    )
    by_parent: dict[Any, list[tuple[Base, str]]] = {key: [] for key in keys}
    for node, where, key in found:
        by_parent[key].append((node, where))
    return [by_parent[key] for key in keys]


async def _count_children(
    context: Any, relation: RelationshipProperty[Any], arguments: ConnectionArguments, keys: list[Any]
) -> list[int]:
    model: type[Base] = relation.mapper.class_
    _, remote = ends(relation)
    child = aliased(model)
    owner = getattr(child, remote)
    counted = select(owner, func.count()).where(owner == any_(literal(keys, ARRAY(owner.type)))).group_by(owner)
    if arguments.where is not None:
        counted = counted.where(predicate(child, model, arguments.where))
    found: dict[Any, int] = dict(tuple(row) for row in await context.reads.rows(counted))
    return [found.get(key, 0) for key in keys]


def parents_of(keys: list[Any], relation: RelationshipProperty[Any]) -> Any:
    """The parents' keys as rows, for a LATERAL join."""
    local = relation.parent.columns[ends(relation)[0]]
    return (
        func.unnest(literal(keys, ARRAY(local.type))).table_valued(column("key", local.type)).render_derived("parents")
    )
