"""Subscriptions: which events one tells of, and how an event looks from outside."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import strawberry

from gql.kit.arguments import with_arguments
from gql.kit.naming import camel, singular
from gql.kit.node import key_from, parse_id
from gql.kit.planner.answers import RowReference
from gql.kit.type_registry import TypeReference, register
from lango.actor import NOBODY, DatabaseRole
from lango.db.fair_queue import SYSTEM
from lango.db.transaction import acting_as
from lango.events.feeds import Feed
from lango.events.outbox import Event, Position
from models.base import Base
from resolvers.kernel.outbox import RETENTION_HOURS
from resolvers.kernel.system_config import number

# What a subscription's metadata holds: what its events are about.
ABOUT = "lango.about"

# Whether a caller (by the context) waits for what is hidden of the object of that key.
Waits = Callable[[Any, Any], Awaitable[bool]]

AFTER = (
    "The `cursor` of the last event you have seen: first comes what happened since. Some events may come again, so "
    "drop those whose `eventId` you have seen. `REPLAY_EXPIRED` where they are no longer kept."
)


@dataclass(frozen=True, slots=True)
class About:
    """The row that an event is about: the one that is watched, or the one that the event happened to."""

    model: type[Base]
    watched_by: str | None

    def of(self, event: Event) -> RowReference:
        key = event.key if self.watched_by is None else event.about(self.watched_by)
        return RowReference(self.model, key_from(self.model, [key]))


@strawberry.type
class EventFields:
    """What every event tells; the fields' source is an `Event`."""

    @strawberry.field(description="The same whenever the event is sent again; it is no node.")
    def event_id(self: Any) -> strawberry.ID:
        return strawberry.ID(str(self.id))

    @strawberry.field(description="Where to go on after this event: `after` takes it.")
    def cursor(self: Any) -> str:
        return str(self.cursor)

    @strawberry.field(description="What happened, such as `pot.funded`.")
    def topic(self: Any) -> str:
        return str(self.topic)

    @strawberry.field(description="When it happened.")
    def at(self: Any) -> datetime:
        happened: datetime = self.at
        return happened


def subscription(
    model: type[Base],
    *,
    name: str,
    topics: tuple[str, ...],
    by: str,
    doc: str,
    of: type[Base] | None = None,
    waits: Waits | None = None,
) -> Any:
    """The field of a subscription to the events of some topics (`pot.*` is a family of them).

    `by` names the argument, and in the events' payloads the id that must be equal to it; an event without it is about
    its own key. The argument is the id of the object itself; with `of`, of the parent of the rows that the events
    happened to. `waits` says of a caller and that id whether events that are hidden for a while reach them after it.
    """
    about = About(model, None if of else by)
    event = _event_type(name, model, about)
    watched = of or model

    async def resolve(info: Any, after: str | None = None, **ids: Any) -> Feed:
        (key,) = parse_id(watched, ids[by])
        given = after or info.context.last_event_id
        position = Position.of(given) if given else None
        hours = await _kept_hours(info.context) if position else 0
        held = waits is not None and await waits(info.context, key)
        return Feed(topics, by, str(key), position, hours, held)

    arguments = {
        by: (strawberry.ID, "Its id, or its `rowId`.", inspect.Parameter.empty),
        "after": (str | None, AFTER, strawberry.UNSET),
    }
    with_arguments(resolve, arguments, AsyncGenerator[event, None], rooted=False)  # type: ignore[valid-type]
    return strawberry.subscription(resolve, name=name, description=doc, metadata={ABOUT: about})


async def _kept_hours(context: Any) -> int:
    async with acting_as(context.pipeline, NOBODY, read_only=True, role=DatabaseRole.RULES, caller=SYSTEM) as tx:
        return await number(tx, RETENTION_HOURS)


def _event_type(name: str, model: type[Base], about: About) -> Any:
    title = f"{name[:1].upper()}{name[1:]}Event"
    field = singular(model)

    def resolve(root: Any) -> Any:
        return about.of(root)

    resolve.__annotations__ = {"root": Any, "return": TypeReference(model.__name__) | None}
    doc = f"{' '.join((model.__doc__ or '').split())} As it is when the event is sent; null only beside an error."
    shown = {field: strawberry.field(resolve, name=camel(field), description=doc)}
    made = strawberry.type(type(title, (EventFields,), shown), name=title, description=f"An event of `{name}`.")
    return register(title, made)
