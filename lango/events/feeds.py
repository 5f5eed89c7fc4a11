"""What a subscription watches, and the subscribers that watch it in the same way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from lango.errors import CallerError, is_passing
from lango.events.outbox import Event, Position

T = TypeVar("T")
# Events that wait to be read for a group, or to be sent to one who is still receiving what it missed.
MAX_WAITING = 1_000
# Seconds for which a read is retried while the database cannot be reached; and the pauses, the first and the longest.
RETRY_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


@dataclass(frozen=True, slots=True)
class Feed:
    """The events of some topics (`pot.*` names a family) that are about one object, from now on or from a position.

    The resolver of a subscription gives it; the library that calls the resolver wants something to iterate over.
    """

    topics: tuple[str, ...]
    by: str
    value: str
    after: Position | None = None
    kept_hours: float = 0
    # Whether events that are hidden for a while wait for that while, and all that follows with them.
    waits: bool = False

    def __aiter__(self) -> AsyncIterator[Event]:
        raise TypeError("A feed is followed by the hub.")

    @property
    def prefixes(self) -> list[str]:
        return [topic.removesuffix("*") for topic in self.topics]

    def holds(self, event: Event) -> bool:
        named = any(
            event.topic.startswith(topic[:-1]) if topic.endswith("*") else event.topic == topic for topic in self.topics
        )
        return named and event.about(self.by) == self.value


class Subscriber(Protocol):
    """Somebody at the other end of a connection."""

    def send(self, event: Event, text: bytes, /) -> None:
        """Send it soon. Does not wait, and drops the connection of one who reads too slowly."""

    def end(self, errors: list[dict[str, Any]]) -> None:
        """Nothing more will come, and why: it leaves."""

    def interrupt(self) -> None:
        """Nothing more will come on this connection, because of a passing error: it leaves, and its client is to
        reconnect and resume after the last event that it has seen."""

    async def drain(self) -> None:
        """Wait until something more can be taken."""


class TooSlow(CallerError):
    """More has happened than could be sent in time: subscribe again, with `after` the last cursor you have seen."""

    code = "TOO_SLOW"


# Returns the answer to an event as finished JSON; None where its readers may not see it.
Read = Callable[[Event], Awaitable[bytes | None]]
# The errors that subscribers are sent whose events cannot be read.
Explain = Callable[[Exception], list[dict[str, Any]]]
Missed = Callable[[Position], Awaitable[tuple[list[Event], Position | None]]]


async def with_retries(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` returns; it is retried for some seconds while it fails with a passing error."""
    clock = asyncio.get_running_loop().time
    deadline, pause = clock() + RETRY_SECONDS, FIRST_PAUSE
    while True:
        try:
            return await read()
        except Exception as error:
            if not is_passing(error) or clock() + pause > deadline:
                raise
        # Not all groups at once, when the database is back.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        pause = min(pause * 2, LONGEST_PAUSE)


class Member:
    """A subscriber in its group. While it receives what it missed, new events wait."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.sent: set[int] = set()
        self.waiting: list[tuple[Event, bytes]] | None = None
        self.replay: asyncio.Task[None] | None = None

    def send(self, event: Event, text: bytes) -> None:
        """Raises TooSlow."""
        if self.waiting is None:
            self.subscriber.send(event, text)
        elif len(self.waiting) < MAX_WAITING:
            self.waiting.append((event, text))
        else:
            raise TooSlow

    async def resume(self) -> None:
        """Send what waited, without what was sent already."""
        while self.waiting:
            await self.subscriber.drain()
            event, text = self.waiting.pop(0)
            if event.id not in self.sent:
                self.subscriber.send(event, text)
        self.waiting = None
        self.sent.clear()


class Group:
    """The subscribers whose subscriptions and rights are the same: all are sent the same, by one read."""

    def __init__(self, feed: Feed, read: Read, missed: Missed, explain: Explain) -> None:
        self.feed = feed
        self.members: dict[Hashable, Member] = {}
        self._read = read
        self._missed = missed
        self._explain = explain
        self._events: asyncio.Queue[Event] = asyncio.Queue(MAX_WAITING)
        # Many come back from the same position when a server has been restarted: its pages are read once for all.
        self._pages: dict[Position, asyncio.Task[tuple[list[tuple[Event, bytes]], Position | None]]] = {}
        # What happened before this moment is no longer held.
        self._sent_until = datetime.min.replace(tzinfo=UTC)
        self._task = asyncio.create_task(self._run())

    def put(self, event: Event) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            self._fail(list(self.members), TooSlow())

    def join(self, key: Hashable, subscriber: Subscriber, after: Position | None) -> None:
        member = self.members[key] = Member(subscriber)
        if after is not None:
            member.waiting = []
            member.replay = asyncio.create_task(self._replay(key, member, after))

    def leave(self, key: Hashable) -> None:
        member = self.members.pop(key, None)
        if member is not None and member.replay is not None:
            member.replay.cancel()

    def close(self) -> None:
        self._task.cancel()
        for page in self._pages.values():
            page.cancel()

    async def _hold(self, event: Event) -> None:
        """Wait while the event is hidden. What happened until then is sent at once with it, hidden or not: what is read
        is the sum of all."""
        until = event.hidden_until
        if not self.feed.waits or until is None or event.at <= self._sent_until:
            return
        # No longer than it was hidden for, should the clock of the database be another.
        await asyncio.sleep(min(until - datetime.now(UTC), until - event.at).total_seconds())
        self._sent_until = max(self._sent_until, until)

    async def _run(self) -> None:
        while True:
            event = await self._events.get()
            await self._hold(event)
            try:
                text = await with_retries(partial(self._read, event))
            except Exception as error:
                # Those who are still receiving what they missed would miss this one, unless they reconnect.
                ended = [key for key, member in self.members.items() if member.waiting is None or is_passing(error)]
                self._fail(ended, error)
                continue
            if text is not None:
                self._send_all(event, text)

    def _send_all(self, event: Event, text: bytes) -> None:
        for key, member in list(self.members.items()):
            try:
                member.send(event, text)
            except TooSlow as error:
                self._fail([key], error)

    def _fail(self, keys: Sequence[Hashable], error: Exception) -> None:
        """End these: they may reconnect, and resume after the last event they have seen."""
        errors = self._explain(error)
        for key in keys:
            member = self.members.get(key)
            if member is None:
                # It has left with another one of its connection.
                continue
            if is_passing(error):
                member.subscriber.interrupt()
            else:
                member.subscriber.end(errors)

    async def _replay(self, key: Hashable, member: Member, after: Position) -> None:
        try:
            position: Position | None = Position(after.xid, 0)
            while position is not None:
                page, position = await self._page(position)
                for event, text in page:
                    await member.subscriber.drain()
                    if event.id != after.id:
                        member.sent.add(event.id)
                        member.subscriber.send(event, text)
            await member.resume()
        except Exception as error:
            member.replay = None
            if key in self.members:
                self._fail([key], error)

    async def _page(self, position: Position) -> tuple[list[tuple[Event, bytes]], Position | None]:
        page = self._pages.get(position)
        if page is None:
            page = self._pages[position] = asyncio.create_task(self._read_page(position))
            page.add_done_callback(lambda done: self._forget(position, done))
        # One who leaves does not take the page from the others.
        return await asyncio.shield(page)

    def _forget(self, position: Position, page: asyncio.Task[Any]) -> None:
        self._pages.pop(position, None)
        if not page.cancelled():
            # Those who wait for it raise it; where they have left, nobody does.
            page.exception()

    async def _read_page(self, position: Position) -> tuple[list[tuple[Event, bytes]], Position | None]:
        events, more = await with_retries(partial(self._missed, position))
        held = [event for event in events if self.feed.holds(event)]
        for event in held:
            await self._hold(event)
        texts = [(event, await with_retries(partial(self._read, event))) for event in held]
        return [(event, text) for event, text in texts if text is not None], more
