"""Whoever comes again gets what happened meanwhile: no event is lost, and by its id none is delivered twice."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from lango.db.pipeline import Pipeline
from lango.events.outbox import LOCK, Position
from lango.settings import Settings
from models.admin import SystemConfig
from models.identity import User
from models.pots import Pot
from tests.factories import Factory
from tests.subscriptions.conftest import POT_UPDATED, Client, Served, World, serving, until

Serve = Callable[..., Awaitable[Served]]
WRITERS = 8
HELD = (
    f"l.locktype = 'advisory' AND l.classid = {LOCK >> 32} AND l.objid = {LOCK & (2**32 - 1)}"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
BRIEF = "subscription ($id: ID!, $after: String) { potUpdated(potId: $id, after: $after) { id: eventId cursor } }"


@pytest.fixture
async def pot(make: Factory) -> Any:
    return await make(Pot, visibility="public")


async def test_what_was_missed_comes_first(served: Served, pot: Any, world: World) -> None:
    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        first = await world.happen("pot.updated", pot.id)
        seen = await client.event()
        assert seen["id"] == first
    missed = [await world.happen(topic, pot.id) for topic in ("pot.funded", "pot.closed")]
    await world.happen("pot.updated", UUID(int=1))
    await world.happen("donation.failed", pot.id)

    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id), after=seen["cursor"])
        assert [(await client.event())["id"] for _ in missed] == missed
        live = await world.happen("pot.updated", pot.id)
        assert (await client.event())["id"] == live
        await client.nothing()


async def test_many_pages_of_it(served: Served, pot: Any, world: World) -> None:
    first = await world.happen("pot.updated", pot.id)
    horizon = await world.owner.fetchval(
        "SELECT xid::text::bigint FROM platform.outbox_events WHERE id = $1", int(first)
    )
    await world.run(
        "INSERT INTO platform.outbox_events (topic, key, payload) SELECT 'pot.updated', $1, '{}' FROM generate_series(1, 350)",
        str(pot.id),
    )
    async with served.socket() as client:
        await client.subscribe(BRIEF, id=str(pot.id), after=str(Position(horizon, int(first))))
        ids = [int((await client.event())["id"]) for _ in range(350)]
        assert ids == sorted(set(ids))
        await client.nothing()


async def test_a_permission_holds_for_what_was_missed(served: Served, make: Factory, world: World) -> None:
    owner, friend = await make(User), await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="public")
    async with served.socket(as_=friend) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        seen = await client.event()
    await world.happen("pot.updated", pot.id)
    await world.run("UPDATE pots.pots SET visibility = 'private' WHERE id = $1", pot.id)

    async with served.socket(as_=friend) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id), after=seen["cursor"])
        await client.nothing()


async def test_an_event_that_is_no_longer_kept(served: Served, pot: Any, make: Factory, world: World) -> None:
    id_ = int(await world.happen("pot.updated", pot.id))
    xid = await world.owner.fetchval("SELECT xid::text::bigint FROM platform.outbox_events WHERE id = $1", id_)
    cursor = str(Position(xid, id_))

    async def codes(after: str) -> list[str]:
        async with served.socket() as client:
            await client.subscribe(BRIEF, id=str(pot.id), after=after)
            if not client.came:
                return []
            return [error["extensions"]["code"] for error in (await client.message())["payload"]]

    assert await codes(cursor) == []
    await world.run("UPDATE platform.outbox_events SET created_at = now() - interval '71 hours' WHERE id = $1", id_)
    assert await codes(cursor) == []
    config = await make(SystemConfig, config_key="events.retention_hours", config_value="70", data_type="number")
    assert await codes(cursor) == ["REPLAY_EXPIRED"]
    await world.run("DELETE FROM admin.system_config WHERE id = $1", config.id)
    await world.run("UPDATE platform.outbox_events SET created_at = now() - interval '73 hours' WHERE id = $1", id_)
    assert await codes(cursor) == ["REPLAY_EXPIRED"]
    assert await codes(str(Position(1, 2**62))) == ["REPLAY_EXPIRED"]
    for wrong in ("x", "é", "MTIz", str(Position(2**70, 1)), "A" * 10_000):
        assert await codes(wrong) == ["BAD_USER_INPUT"]


class Reader:
    """A client that keeps what it sees, drops what it has seen, and comes again whenever it is cut off."""

    def __init__(self, pot: Any) -> None:
        self.pot = pot
        self.seen: list[str] = []
        self.again = 0
        self.cursor: str | None = None

    async def take(self, client: Client, seconds: float = 5) -> None:
        event = await client.event(seconds)
        self.cursor = event["cursor"]
        if event["id"] in self.seen:
            self.again += 1
        else:
            self.seen.append(event["id"])

    async def follow(self, served: Served, number: int = sys.maxsize, silence: float = 60) -> None:
        """Take so many events, or those that come until there is silence for so many seconds."""
        async with served.socket() as client:
            await client.subscribe(BRIEF, id=str(self.pot.id), **({"after": self.cursor} if self.cursor else {}))
            with suppress(TimeoutError):
                for _ in range(number):
                    await self.take(client, silence)

    async def see(self, ids: set[str], following: asyncio.Task[None]) -> None:
        """Follow until these have been seen, and a moment longer."""
        await until(lambda: following.done() or ids <= set(self.seen), 60)
        await asyncio.sleep(0.3)
        following.cancel()
        await asyncio.wait([following])


async def write(owner_url: str, pot: Any, seconds: float) -> None:
    """Transactions that end in another order than they began."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute("SET ROLE lango_owner")
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO platform.outbox_events (topic, key, payload) VALUES ('pot.updated', $1, '{}')", str(pot.id)
            )
            await asyncio.sleep(random.random() * 0.02 if random.random() < 0.9 else 0.15)
    await connection.close()


async def test_nothing_is_lost_while_eight_write_out_of_order(
    served: Served, pot: Any, world: World, owner_url: str
) -> None:
    """Live, and cut off and resumed again and again."""
    steady, restless = Reader(pot), Reader(pot)
    first = await world.happen("pot.opened", UUID(int=2))
    xid = await world.owner.fetchval("SELECT xid::text::bigint FROM platform.outbox_events WHERE id = $1", int(first))
    steady.cursor = restless.cursor = str(Position(xid, int(first)))
    writing = asyncio.gather(*(write(owner_url, pot, 4) for _ in range(WRITERS)))
    listening = asyncio.create_task(steady.follow(served))
    while not writing.done():
        await restless.follow(served, random.randint(1, 40), silence=2)
    await writing
    rows = await world.owner.fetch("SELECT id FROM platform.outbox_events WHERE key = $1", str(pot.id))
    written = {str(row["id"]) for row in rows}
    await restless.see(written, asyncio.create_task(restless.follow(served)))
    await steady.see(written, listening)

    assert len(written) > 500
    assert set(steady.seen) == written
    assert set(restless.seen) == written
    # Whoever stays gets everything once.
    assert steady.again < 20
    out_of_order = sum(left > right for left, right in zip(steady.seen, steady.seen[1:], strict=False))
    assert out_of_order > 0


async def test_a_server_that_was_restarted_is_come_back_to(
    pipeline: Pipeline, settings: Settings, pot: Any, world: World
) -> None:
    reader = Reader(pot)
    async with serving(pipeline, settings) as served, served.socket() as client:
        await client.subscribe(BRIEF, id=str(pot.id))
        before = await world.happen("pot.updated", pot.id)
        await reader.take(client)
        assert reader.seen == [before]
        # As if killed: nothing is said to anybody.
        client.connection.transport.abort()
    meanwhile = [await world.happen("pot.updated", pot.id) for _ in range(3)]

    async with serving(pipeline, settings, port=served.port) as again:
        await reader.follow(again, 3)

    assert reader.seen == [before, *meanwhile]


async def test_another_publishes_when_the_publisher_is_cut_off(serve: Serve, pot: Any, world: World) -> None:
    one, two = await serve(), await serve()
    async with one.socket() as first, two.socket() as second:
        await first.subscribe(BRIEF, id=str(pot.id))
        await until(lambda: one.app.state.hub.outbox.publishes)
        await second.subscribe(BRIEF, id=str(pot.id))
        assert not two.app.state.hub.outbox.publishes
        ids = [await world.happen("pot.updated", pot.id)]
        assert (await first.event())["id"] == (await second.event())["id"] == ids[0]

        # The connection that holds the lock; the other gateway's stays.
        assert await world.cut_off(f"a.pid IN (SELECT l.pid FROM pg_locks l WHERE {HELD})") == 1
        ids += [await world.happen("pot.updated", pot.id) for _ in range(20)]

        assert [(await first.event())["id"] for _ in ids[1:]] == ids[1:]
        assert [(await second.event())["id"] for _ in ids[1:]] == ids[1:]
        await until(lambda: one.app.state.hub.outbox.publishes or two.app.state.hub.outbox.publishes)
        assert not (one.app.state.hub.outbox.publishes and two.app.state.hub.outbox.publishes)
        last = await world.happen("pot.updated", pot.id)
        assert (await first.event())["id"] == (await second.event())["id"] == last
        await first.nothing(0.1)


async def test_a_lost_connection_loses_no_event(served: Served, pot: Any, world: World) -> None:
    async with served.socket() as client:
        await client.subscribe(BRIEF, id=str(pot.id))
        ids = []
        for _ in range(5):
            ids += [await world.happen("pot.updated", pot.id) for _ in range(10)]
            await until(lambda: served.app.state.hub.outbox.publishes)
            assert await world.cut_off(f"a.pid IN (SELECT l.pid FROM pg_locks l WHERE {HELD})") == 1
            ids += [await world.happen("pot.updated", pot.id) for _ in range(10)]
        assert [(await client.event())["id"] for _ in ids] == ids
        await client.nothing()


async def test_nobody_publishes_where_nobody_subscribes(served: Served, pot: Any, world: World) -> None:
    count = f"SELECT count(*) FROM pg_locks l WHERE {HELD}"
    async with served.socket() as client:
        await client.subscribe(BRIEF, id=str(pot.id))
        await until(lambda: served.app.state.hub.outbox.publishes)
        assert await world.owner.fetchval(count) == 1
    async with asyncio.timeout(5):
        while await world.owner.fetchval(count):  # noqa: ASYNC110 - there is no signal
            await asyncio.sleep(0.02)
