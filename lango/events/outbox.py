"""The outbox as it is read: each event once when it has been committed, although ids commit out of order.

A reader that remembers the last id loses what commits late with a smaller one. This one remembers a horizon: the
oldest transaction that was still running when it read. Below it everything has been read; at and above it, it reads
again and drops what it knows (docs/adr/0015).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

import asyncpg
import orjson
import structlog
from sqlalchemy import URL

from lango.actor import Actor, DatabaseRole
from lango.db.pipeline import Pipeline
from lango.db.postgres import open_session
from lango.errors import BadUserInput
from lango.settings import Settings

log = structlog.get_logger("lango.events.outbox")

LOCK = 7_265_461_003
CHANNEL = "lango_outbox"
# Seconds between two reads of the one that publishes; of the others, should its notice not come; and after a failure.
PUBLISH_INTERVAL, READ_INTERVAL, RETRY_INTERVAL = 0.02, 1.0, 0.25
MAX_AT_ONCE = 1_000
PAGE = 100
TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
# The horizon is that of the statement's own snapshot: what it does not see is above it.
NEW = f"""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon, e.*
    FROM (SELECT) AS once LEFT JOIN LATERAL (
        SELECT o.id, o.xid::text AS xid, o.topic, o.key, o.payload::text AS payload, o.created_at
        FROM platform.outbox_events o
        WHERE o.xid >= $1::text::xid8 AND o.id <> ALL ($2::bigint[])
        ORDER BY o.xid, o.id LIMIT {MAX_AT_ONCE}
    ) AS e ON true
"""
KEPT = """
    SELECT (EXISTS (
        SELECT FROM platform.outbox_events o WHERE o.id = $1::bigint AND o.created_at > now() - $2::interval
    ))::text
"""
MISSED = f"""
    SELECT json_build_object(
        'horizon', pg_snapshot_xmin(pg_current_snapshot())::text,
        'events', coalesce(json_agg(json_build_array(e.id, e.xid::text, e.topic, e.key, e.payload, e.created_at)
                                    ORDER BY e.xid, e.id), '[]')
    )::text
    FROM (
        SELECT o.id, o.xid, o.topic, o.key, o.payload, o.created_at
        FROM platform.outbox_events o
        WHERE (o.xid, o.id) > ($1::text::xid8, $2::bigint) AND o.topic ^@ ANY ($3::text[])
          AND (o.key = $4::text OR o.payload ->> $5::text = $4::text)
        ORDER BY o.xid, o.id LIMIT {PAGE}
    ) AS e
"""
POSITION = re.compile(r"([0-9]{1,20})\.([0-9]{1,19})")


class ReplayExpired(BadUserInput):
    """The events after this cursor are no longer kept: read what you show again, and subscribe without `after`."""

    code = "REPLAY_EXPIRED"


class Position(NamedTuple):
    """How far a reader has come: every event of a transaction before `xid`, and the event `id`."""

    xid: int
    id: int

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{self.xid}.{self.id}".encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> Self:
        """Raises BadUserInput for a text that is no cursor of ours."""
        with suppress(binascii.Error, ValueError):
            found = POSITION.fullmatch(base64.urlsafe_b64decode(cursor[:80] + "=" * (-len(cursor[:80]) % 4)).decode())
            if found and int(found[1]) < 2**64 and int(found[2]) < 2**63:
                return cls(int(found[1]), int(found[2]))
        raise BadUserInput(f"“{cursor[:80]}” is no cursor of an event.")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: ids only. `horizon` is the xid below which its reader has read everything."""

    id: int
    xid: int
    topic: str
    key: str
    payload: Mapping[str, str]
    at: datetime
    horizon: int

    @property
    def cursor(self) -> str:
        """Where somebody who has seen this event resumes; what others committed meanwhile may come again."""
        return str(Position(self.horizon, self.id))

    @property
    def hidden_until(self) -> datetime | None:
        """Until when a feed that waits holds it back; None where it may be sent at once."""
        until = self.payload.get("hidden_until")
        return None if until is None else datetime.fromisoformat(until)

    def about(self, name: str) -> str:
        """The id under that name in the payload, or where it has none, the key: then it is about that itself."""
        return self.payload.get(name, self.key)


class Outbox:
    """Follows the outbox over a connection of its own, and hands over each new event once.

    One process of all holds the lock: it reads often, and notifies the others. When it is gone another gets the lock;
    until then, and whenever a notice is lost, each reads once a second by itself.
    """

    def __init__(self, url: URL, settings: Settings, take: Callable[[Sequence[Event]], None]) -> None:
        """The address is past a pooler in transaction mode."""
        self._url = url
        self._settings = settings
        self._take = take
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._woken = asyncio.Event()
        self._horizon: int | None = None
        # What has been read at or above the horizon, with its transaction.
        self._seen: dict[int, int] = {}
        self.publishes = False

    async def start(self) -> None:
        """Follow from now on. Raises TimeoutError while the database cannot be reached."""
        if self._task is None or self._task.done():
            self._ready.clear()
            self._horizon = None
            self._seen.clear()
            self._task = asyncio.create_task(self._run())
        async with asyncio.timeout(self._settings.pool_timeout):
            await self._ready.wait()

    def stop(self) -> None:
        """Let another process publish, while nobody here wants to know."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._connected()
            except Exception as error:
                # Whatever it was: as long as there are subscribers, the outbox must be followed.
                log.warning("the outbox is followed anew", error=type(error).__name__, exc_info=error)
            await asyncio.sleep(RETRY_INTERVAL)

    async def _connected(self) -> None:
        # A connection that broke silently must not be waited for.
        timeout = self._settings.statement_timeout + 1
        connection = await open_session(self._url, self._settings, command_timeout=timeout)
        try:
            connection.add_termination_listener(lambda _: self._woken.set())
            await connection.execute(f"SET ROLE {DatabaseRole.RULES.value}")
            await connection.add_listener(CHANNEL, lambda *_: self._woken.set())
            if self._horizon is None:
                self._horizon = int(await connection.fetchval(HORIZON))
                # What was committed before the first subscriber came is no news to it.
                await self._read(connection)
            self._ready.set()
            await self._follow(connection)
        finally:
            self.publishes = False
            connection.terminate()

    async def _follow(self, connection: asyncpg.Connection[Any]) -> None:
        while True:
            self._woken.clear()
            self.publishes = self.publishes or bool(await connection.fetchval(TRY_LOCK, LOCK))
            while events := await self._read(connection):
                self._take(events)
                if self.publishes:
                    await connection.execute(f"NOTIFY {CHANNEL}")
            with suppress(TimeoutError):
                async with asyncio.timeout(PUBLISH_INTERVAL if self.publishes else READ_INTERVAL):
                    await self._woken.wait()

    async def _read(self, connection: asyncpg.Connection[Any]) -> list[Event]:
        """What has been committed since the last time."""
        assert self._horizon is not None
        rows = await connection.fetch(NEW, str(self._horizon), list(self._seen))
        events = [_event(row, self._horizon) for row in rows if row["id"] is not None]
        self._seen |= {event.id: event.xid for event in events}
        if len(events) < MAX_AT_ONCE:
            # Only a whole reading has seen everything below its horizon.
            self._horizon = horizon = int(rows[0]["horizon"])
            self._seen = {id_: xid for id_, xid in self._seen.items() if xid >= horizon}
        return events


def _event(row: Any, horizon: int) -> Event:
    return Event(
        row["id"], int(row["xid"]), row["topic"], row["key"], _ids(orjson.loads(row["payload"])), row["created_at"],
        horizon,
    )  # fmt: skip


def _ids(payload: Any) -> dict[str, str]:
    return {name: value for name, value in payload.items() if isinstance(value, str)}


async def check_kept(pipeline: Pipeline, position: Position, hours: float) -> None:
    """Raises ReplayExpired where what came after the position may be gone."""
    kept = await pipeline.run(Actor(), KEPT, [position.id, f"{hours} hours"], role=DatabaseRole.RULES)
    if kept != b"true":
        raise ReplayExpired


async def missed(
    pipeline: Pipeline, after: Position, prefixes: Iterable[str], by: str, value: str
) -> tuple[list[Event], Position | None]:
    """The next events after a position whose topics begin so and that are about `value`, in the order of their
    transactions, and from where to go on; None where that was all."""
    given = [after.xid, after.id, list(prefixes), value, by]
    found = orjson.loads(await pipeline.run(Actor(), MISSED, given, role=DatabaseRole.RULES))
    horizon = int(found["horizon"])
    events = [
        Event(id_, int(xid), topic, key, _ids(payload), datetime.fromisoformat(at), min(int(xid), horizon))
        for id_, xid, topic, key, payload, at in found["events"]
    ]
    return events, Position(events[-1].xid, events[-1].id) if len(events) == PAGE else None
