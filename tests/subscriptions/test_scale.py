"""Many subscribers on one worker: one read for those who are alike, and no memory for those who do not read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import orjson

from lango.security.account_status import STANDING, STANDINGS
from models.identity import User
from models.pots import Pot
from tests.factories import Factory
from tests.subscriptions.conftest import POT_UPDATED, Served, World, until

Serve = Callable[..., Awaitable[Served]]
MANY = 1_000


def reads_of(served: Served) -> list[str]:
    """The statements that run from now on, but for those that look at who the callers are."""
    statements: list[str] = []

    def note(sent: Sequence[str]) -> None:
        statements.extend(each for each in sent if each not in (STANDING, STANDINGS))

    served.app.state.pipeline.listeners.append(note)
    return statements


async def test_a_thousand_subscribers_are_served_by_one_read(serve: Serve, make: Factory, world: World) -> None:
    served = await serve(max_connections_per_address=MANY + 10)
    pot = await make(Pot, visibility="public", title="Awa is 30")
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(MANY // 50):
            opened = await asyncio.gather(*(stack.enter_async_context(served.socket()) for _ in range(50)))
            clients += opened
        await asyncio.gather(*(client.subscribe(POT_UPDATED, id=str(pot.id)) for client in clients))
        assert served.metric("lango_subscriptions") == MANY
        assert served.metric("lango_sockets") == MANY

        statements = reads_of(served)
        started = time.perf_counter()
        id_ = await world.happen("pot.updated", pot.id)
        events = await asyncio.gather(*(client.event(30) for client in clients))
        seconds = time.perf_counter() - started

        assert [event["id"] for event in events] == [id_] * MANY
        assert {event["pot"]["title"] for event in events} == {"Awa is 30"}
        assert len(statements) == 1
        assert served.metric("lango_event_reads_total") == 1
        await until(lambda: served.metric("lango_events_sent_total") == MANY)
        await clients[0].nothing()
        assert seconds < 10


async def test_those_who_are_not_alike_are_read_for_apart(served: Served, make: Factory, world: World) -> None:
    owner, friend = await make(User), await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="public")
    other = POT_UPDATED.replace("title", "status")
    async with (
        served.socket(as_=owner) as mine,
        served.socket(as_=owner) as mine_too,
        served.socket(as_=owner) as differently,
        served.socket(as_=friend) as theirs,
    ):
        for client, query in (
            (mine, POT_UPDATED),
            (mine_too, POT_UPDATED),
            (theirs, POT_UPDATED),
            (differently, other),
        ):
            await client.subscribe(query, id=str(pot.id))
        statements = reads_of(served)
        await world.happen("pot.updated", pot.id)
        assert await mine.event() == await mine_too.event()
        await theirs.event()
        assert "status" in (await differently.event())["pot"]
        assert len(statements) == 3


async def test_those_who_came_again_are_alike_too(served: Served, make: Factory, world: World) -> None:
    pot = await make(Pot, visibility="public")
    async with served.socket() as one, served.socket() as two:
        await one.subscribe(POT_UPDATED, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        await two.subscribe(POT_UPDATED, id=str(pot.id), after=(await one.event())["cursor"])
        await two.nothing(0.2)
        statements = reads_of(served)
        await world.happen("pot.updated", pot.id)
        assert await one.event() == await two.event()
        assert len(statements) == 1


async def test_who_reads_too_slowly_is_let_go(serve: Serve, make: Factory, world: World) -> None:
    served = await serve(stream_buffer=100, send_timeout=1)
    pot = await make(Pot, visibility="public", description="x" * 50_000)
    query = "subscription ($id: ID!) { potUpdated(potId: $id) { pot { description } } }"
    async with served.socket(max_queue=1) as slow, served.socket() as quick:
        await slow.subscribe(query, id=str(pot.id))
        await quick.subscribe(POT_UPDATED, id=str(pot.id))
        # The slow client's library stops reading from the network when its own queue is full.
        for _ in range(400):
            await world.happen("pot.updated", pot.id)
            assert (await quick.event())["pot"]["rowId"] == str(pot.id)
            if served.metric("lango_slow_clients_total"):
                break
        assert served.metric("lango_slow_clients_total") == 1
        await until(lambda: served.metric("lango_sockets") == 1)
        assert served.metric("lango_subscriptions") == 1
        await world.happen("pot.updated", pot.id)
        assert (await quick.event())["pot"]["rowId"] == str(pot.id)
        slow.connection.transport.abort()


async def test_a_slow_client_that_reads_again_in_time_gets_the_reason(
    serve: Serve, make: Factory, world: World
) -> None:
    served = await serve(stream_buffer=20, send_timeout=20)
    pot = await make(Pot, visibility="public", description="x" * 50_000)
    query = "subscription ($id: ID!) { potUpdated(potId: $id) { pot { description } } }"
    async with served.socket(max_queue=1) as slow:
        await slow.subscribe(query, id=str(pot.id))
        while not served.metric("lango_slow_clients_total"):
            await world.happen("pot.updated", pot.id)
            await asyncio.sleep(0.01)
        code, reason = await slow.closed()
    assert code == 1013
    assert reason.startswith("You read too slowly")


async def test_delay(served: Served, make: Factory, world: World) -> None:
    """From the commit to the client it takes milliseconds."""
    pot = await make(Pot, visibility="public")
    taken: list[float] = []
    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        for _ in range(30):
            started = time.perf_counter()
            await world.happen("pot.updated", pot.id)
            await client.event()
            taken.append(time.perf_counter() - started)
    assert sorted(taken)[15] < 0.25, orjson.dumps(taken)
