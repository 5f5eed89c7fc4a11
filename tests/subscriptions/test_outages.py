"""The database is away while somebody watches: a passing error ends no subscription, and no event is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from models.pots import Pot
from tests.factories import Factory
from tests.subscriptions.conftest import POT_UPDATED, Served, World

TRY_AGAIN = 1013
NEW_CONNECTIONS = "pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT %s', current_database(), {})"
# Events are still taken from the outbox, whose connection stays; to read them another one is needed.
READERS = "a.usename = 'lango_gateway' AND NOT a.pid IN (SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory')"


@pytest.fixture
async def pot(make: Factory) -> Any:
    return await make(Pot, visibility="public")


@asynccontextmanager
async def away(world: World) -> AsyncIterator[None]:
    """Meanwhile the database takes no connections, and those that read are ended."""
    await limit(world, 0)
    try:
        await world.cut_off(READERS)
        yield
    finally:
        await limit(world, -1)


async def limit(world: World, connections: int) -> None:
    async with world.owner.acquire() as connection:
        await connection.execute("RESET ROLE")
        await connection.execute(await connection.fetchval(f"SELECT {NEW_CONNECTIONS.format(connections)}"))


async def test_an_event_is_read_when_the_database_is_back(served: Served, pot: Any, world: World) -> None:
    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        first = await world.happen("pot.updated", pot.id)
        assert (await client.event())["id"] == first
        async with away(world):
            ids = [await world.happen("pot.updated", pot.id) for _ in range(3)]
            await client.nothing(1)

        assert [(await client.event())["id"] for _ in ids] == ids
        await client.nothing(0.1)


async def test_when_it_stays_away_the_socket_is_closed_and_the_client_goes_on(
    served: Served, pot: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lango.events.feeds.RETRY_SECONDS", 0.5)
    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        seen = await client.event()
        async with away(world):
            missed = [await world.happen("pot.updated", pot.id) for _ in range(3)]
            code, _ = await client.closed()
            assert code == TRY_AGAIN
            async with served.socket() as early:
                # One that cannot even begin is closed so that it comes again, too.
                await early.send(id="1", type="subscribe", payload=subscription(pot, seen["cursor"]))
                assert (await early.closed())[0] == TRY_AGAIN
    async with served.socket() as again:
        await again.subscribe(POT_UPDATED, id=str(pot.id), after=seen["cursor"])

        assert [(await again.event())["id"] for _ in missed] == missed
        await again.nothing(0.1)


async def test_a_stream_ends_without_an_error_and_is_gone_on_with(
    served: Served, pot: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lango.events.feeds.RETRY_SECONDS", 0.5)
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}) as stream:
        await world.happen("pot.updated", pot.id)
        first = await stream.event()
        assert first is not None
        async with away(world):
            missed = [await world.happen("pot.updated", pot.id) for _ in range(2)]
            assert await stream.event() is None
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}, headers={"Last-Event-ID": first["id"]}) as again:
        assert [(await again.data())["id"] for _ in missed] == missed


async def test_a_replay_interrupted_by_an_outage_is_completed_later(served: Served, pot: Any, world: World) -> None:
    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        cursor = (await client.event())["cursor"]
    missed = [await world.happen("pot.updated", pot.id) for _ in range(40)]
    async with served.socket() as client:
        await client.send(id="1", type="subscribe", payload=subscription(pot, cursor))
        got = [(await client.event())["id"]]
        async with away(world):
            await asyncio.sleep(0.5)
        got += [(await client.event())["id"] for _ in missed[1:]]

    assert got == missed


def subscription(pot: Any, after: str) -> dict[str, Any]:
    return {"query": POT_UPDATED, "variables": {"id": str(pot.id), "after": after}}
