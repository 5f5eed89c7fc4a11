"""The connections of the planned reads: never too many, none lost or used twice at once."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import uvloop
from sqlalchemy import URL

from lango.actor import Actor
from lango.db.connection import Connection, ConnectionLost
from lango.db.fair_queue import Caller, NoConnectionFree
from lango.db.pipeline import Pipeline
from lango.settings import Settings
from tests.reads.conftest import BROKEN, WHO, Pool, assert_clean, staff


@pytest.mark.usefixtures("directly")
async def test_connections_are_opened_when_they_are_wanted_and_never_too_many(
    make_pool: Callable[..., Pool], owner: Any
) -> None:
    pool = make_pool(3)
    assert pool.pids == []

    await pool.ask(WHO)
    assert len(pool.pids) == 1
    outcomes = await asyncio.gather(
        *(pool.ask("SELECT pg_backend_pid()::text || pg_sleep(0.01)::text") for _ in range(20))
    )

    assert {int(each) for each in outcomes if isinstance(each, bytes)} == set(pool.pids)
    assert len(pool.pids) == 3
    await assert_clean(pool, owner)


async def test_waiters_get_their_turn_in_order(pool: Pool) -> None:
    order: list[int] = []

    async def read(number: int) -> None:
        await pool.ask("SELECT pg_sleep(0.001)::text")
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(read(number))

    assert order == list(range(30))


async def test_one_that_waits_too_long_gives_up_and_is_forgotten(make_pool: Callable[..., Pool], owner: Any) -> None:
    pool = make_pool(1, pool_timeout=0.5)
    busy = asyncio.create_task(pool.ask("SELECT pg_sleep(0.8)::text"))
    await asyncio.sleep(0.05)

    started = time.monotonic()
    with pytest.raises(NoConnectionFree):
        await pool.ask(WHO)

    assert 0.45 < time.monotonic() - started < 0.7
    assert await busy == b""
    await assert_clean(pool, owner)


async def test_a_turn_is_not_lost_with_the_one_who_got_it(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks, the first who waits gets the turn, and goes away in that very moment."""
    await pool.ask(WHO)
    busy = asyncio.create_task(pool.ask("SELECT pg_sleep(10)::text"))
    await asyncio.sleep(0.02)
    first, second = asyncio.create_task(pool.ask(WHO)), asyncio.create_task(pool.ask(WHO))
    await asyncio.sleep(0.02)
    give_back = pool.shares.give_back

    def given(caller: Caller) -> None:
        give_back(caller)
        first.cancel()

    monkeypatch.setattr(pool.shares, "give_back", given)
    busy.cancel()

    outcomes = await asyncio.wait_for(asyncio.gather(busy, first, return_exceptions=True), 2)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError] * 2
    # Nothing is open and somebody waits: that one must not wait for its time to run out.
    assert isinstance(await asyncio.wait_for(second, 1), bytes)


async def test_a_connection_that_ends_while_it_changes_hands_is_not_flown(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline is closed between an answer's arrival and the turn of the one who waits for its connection."""
    await pool.ask(WHO)
    received, loop = Connection.data_received, asyncio.get_running_loop()

    def closing(self: Connection, data: bytes) -> None:
        monkeypatch.undo()
        loop.call_soon(pool.close)
        received(self, data)

    monkeypatch.setattr(Connection, "data_received", closing)
    outcomes = await asyncio.wait_for(asyncio.gather(pool.ask(WHO), pool.ask(WHO), return_exceptions=True), 1)

    assert isinstance(outcomes[0], bytes)


async def test_hundreds_of_failures_lose_no_connection(
    make_pool: Callable[..., Pool], owner: Any, end: Callable[[int], Any]
) -> None:
    """Errors, cancellations, servers that end and waiters that give up, as they come; then all connections serve."""
    pool, chance = make_pool(3, pool_timeout=2.0), random.Random(5)
    most, counted = 0, 0

    async def one() -> None:
        nonlocal most, counted
        await asyncio.sleep(chance.random() * 0.3)
        sql = chance.choice([WHO, WHO, BROKEN, "SELEKT", "SELECT pg_sleep(0.002)::text"])
        task = asyncio.create_task(pool.ask(sql, as_=staff()))
        if chance.random() < 0.3:
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)
            task.cancel()
        elif chance.random() < 0.1:
            for pid in pool.pids[:1]:
                await end(pid)
        await asyncio.gather(task, return_exceptions=True)
        most = max(most, len(pool._open))
        counted += 1

    await asyncio.wait_for(asyncio.gather(*(one() for _ in range(300))), 20)

    assert (counted, most <= 3, pool.busy) == (300, True, 0)
    await pool.connections()
    outcomes = await asyncio.wait_for(
        asyncio.gather(*(pool.ask("SELECT pg_backend_pid()::text || pg_sleep(0.05)::text") for _ in range(3))), 3
    )
    assert len({bytes(each) for each in outcomes if isinstance(each, bytes)}) == 3
    await assert_clean(pool, owner)


async def test_a_connection_is_used_by_one_at_a_time(make_pool: Callable[..., Pool], monkeypatch: Any) -> None:
    pool, busy = make_pool(4), 0
    send = Connection.send

    def watched(self: Connection, *given: Any, **options: Any) -> Any:
        nonlocal busy
        assert self._batch is None
        assert not self.is_lost
        busy += 1
        return send(self, *given, **options)

    monkeypatch.setattr(Connection, "send", watched)
    await asyncio.gather(*(pool.ask(WHO) for _ in range(200)))

    assert busy == 200


@pytest.mark.usefixtures("directly")
async def test_an_idle_connection_that_the_server_ended_is_replaced_unnoticed(
    make_pool: Callable[..., Pool], owner: Any, end: Callable[[int], Any]
) -> None:
    pool = make_pool(2)
    await asyncio.gather(*(pool.ask("SELECT pg_sleep(0.02)::text") for _ in range(2)))
    before = pool.pids
    for pid in before:
        await end(pid)

    outcomes = await asyncio.gather(*(pool.ask("SELECT 'ok' || pg_sleep(0.02)::text") for _ in range(2)))

    assert outcomes == [b"ok", b"ok"]
    assert not set(pool.pids) & set(before)
    await assert_clean(pool, owner)


@pytest.mark.usefixtures("directly")
async def test_an_idle_connection_whose_end_has_not_been_noticed_is_replaced_too(
    pool: Pool, owner: Any, end: Callable[[int], Any]
) -> None:
    """The news is still on its way when the next statement is written."""
    pid = await pool.pid()
    (connection,) = await pool.connections()
    transport: Any = connection._transport
    transport.pause_reading()
    await end(pid)
    task = asyncio.create_task(pool.ask("SELECT 'ok'"))
    await asyncio.sleep(0)
    transport.resume_reading()

    assert await asyncio.wait_for(task, 3) == b"ok"
    await assert_clean(pool, owner)


@pytest.mark.usefixtures("directly")
async def test_a_new_connection_that_breaks_raises_its_error(pool: Pool, end: Callable[[int], Any]) -> None:
    """It was not stale, so asking again could go on for ever."""
    task = asyncio.create_task(pool.ask("SELECT pg_sleep(10)::text"))
    await asyncio.sleep(0.1)
    await end(pool.pids[0])

    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(task, 3)
    assert isinstance(await pool.ask(WHO), bytes)


@pytest.mark.usefixtures("directly")
async def test_a_connection_that_the_server_ended_is_closed_for_asyncpg_too(
    address: URL, settings: Settings, end: Callable[[int], Any]
) -> None:
    pipeline = Pipeline(address, settings)
    await pipeline.fetch(Actor(), [(WHO, ())])
    (connection,) = pipeline._open
    await end(connection.server_pid)
    await asyncio.sleep(0.05)
    assert connection.is_lost

    try:
        assert connection._opened.is_closed()
    finally:
        connection._opened.terminate()


async def test_what_cannot_be_sent_costs_no_connection(pool: Pool, owner: Any) -> None:
    """A text without a form in UTF-8."""
    before = await pool.pid()
    with pytest.raises(UnicodeEncodeError):
        await pool.ask("SELECT $1::text", "\ud800")

    assert isinstance(await asyncio.wait_for(pool.ask(WHO), 2), bytes)
    await assert_clean(pool, owner)
    assert before


async def test_closing_ends_all_and_a_read_afterwards_opens_anew(make_pool: Callable[..., Pool], owner: Any) -> None:
    pool = make_pool(2)
    await asyncio.gather(*(pool.ask("SELECT pg_sleep(0.02)::text") for _ in range(2)))
    busy = asyncio.create_task(pool.ask("SELECT pg_sleep(5)::text"))
    await asyncio.sleep(0.02)

    pool.close()
    await asyncio.sleep(0.02)

    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    assert not pool._idle


async def test_a_database_that_is_down(settings: Settings) -> None:
    pool = Pool(
        URL.create("postgresql", "lango_gateway", host="127.0.0.1", port=1, database="x"),
        settings.model_copy(update={"pool_size": 1}),
    )
    outcomes = await asyncio.gather(*(pool.ask(WHO) for _ in range(20)), return_exceptions=True)

    assert {type(each) for each in outcomes} == {ConnectionRefusedError}
    assert (pool.busy, len(pool._open), pool.shares.waiting()) == (0, 0, 0)


def test_it_serves_on_uvloop_too(address: URL, settings: Settings) -> None:
    """As it is served: other transports, other times at which they tell of their end."""

    async def all_of_it() -> None:
        pool, chance = (
            Pool(address, settings.model_copy(update={"pool_size": 2, "pool_timeout": 2.0})),
            random.Random(2),
        )

        async def one() -> None:
            await asyncio.sleep(chance.random() * 0.1)
            caller = Actor(uuid4())
            task = asyncio.create_task(pool.ask(WHO, as_=caller))
            if chance.random() < 0.3:
                for _ in range(chance.randrange(8)):
                    await asyncio.sleep(0)
                task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(outcome, bytes):
                assert json.loads(outcome) == ["lango_member", str(caller.user_id)]
            else:
                assert isinstance(outcome, asyncio.CancelledError)

        await asyncio.wait_for(asyncio.gather(*(one() for _ in range(200))), 15)
        for _ in range(5):
            await pool.ask("SELECT repeat('x', 3000000)")
        await pool.connections()
        pool.close()
        await asyncio.sleep(0.02)
        assert len(pool._open) == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_of_it())
