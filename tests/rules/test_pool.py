"""Turns and connections under rules: nobody holds one longer than a rule runs, and who gets none says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from lango.actor import Actor
from lango.db.fair_queue import NoConnectionFree
from lango.db.transaction import OpenTransaction, acting_as
from models.identity import User
from tests.factories import Factory
from tests.reads.conftest import Pool, assert_clean
from tests.rules.conftest import Titles, runs
from tests.rules.trials import plan


@pytest.mark.parametrize("key", [False, True])
async def test_no_connection_is_free(
    make_pool: Callable[..., Pool], owner: Any, caller: Actor, titles: Titles, key: bool
) -> None:
    pool = make_pool(1, pool_timeout=0.3)
    do, keyed = runs(pool, caller), str(uuid4()) if key else None
    reading = asyncio.create_task(pool.ask("SELECT pg_sleep(1)::text"))
    await asyncio.sleep(0.2)
    with pytest.raises(NoConnectionFree):
        await do(plan, title="A", ending="well", key=keyed)
    assert pool.busy == 1
    await reading

    assert await titles() == []
    assert (await do(plan, title="A", ending="well", key=keyed)).refusals == []
    await assert_clean(pool, owner)


async def test_whoever_is_cancelled_while_waiting_for_a_turn_takes_none(
    make_pool: Callable[..., Pool], owner: Any, caller: Actor, titles: Titles
) -> None:
    pool = make_pool(1)
    reading = asyncio.create_task(pool.ask("SELECT pg_sleep(0.3)::text"))
    await asyncio.sleep(0.1)
    waiting = [asyncio.create_task(runs(pool, caller)(plan, title="A", ending="well")) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert pool.shares.waiting() == 5
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await reading

    assert await titles() == []
    await assert_clean(pool, owner)


async def test_a_transaction_takes_no_connection_before_its_first_look_up(
    pool: Pool, owner: Any, caller: Actor
) -> None:
    async with acting_as(pool, caller) as tx:
        assert (pool.busy, len(pool._open)) == (0, 0)
        await tx.texts([("SELECT 'x'", ())])
        assert (pool.busy, len(pool._open)) == (1, 1)

    await assert_clean(pool, owner)


async def test_one_that_has_ended_gives_nothing_back_twice(pool: Pool, owner: Any, caller: Actor) -> None:
    tx = OpenTransaction(pool, caller)
    await tx.texts([("SELECT 'x'", ())])
    for _ in range(2):
        await tx.rollback()
    for _ in range(2):
        await tx.rollback(asyncio.CancelledError())

    assert pool.busy == 0
    await assert_clean(pool, owner)


async def test_more_rules_than_connections_all_get_their_turn(
    make_pool: Callable[..., Pool], owner: Any, make: Factory
) -> None:
    pool = make_pool(3, caller_share=0.5, pool_timeout=60.0)
    people = [Actor((await make(User)).id) for _ in range(5)]
    outcomes = await asyncio.gather(
        *(runs(pool, people[number % 5])(plan, title=f"{number}", ending="well") for number in range(60))
    )

    assert all(outcome.refusals == [] for outcome in outcomes)
    assert len(pool._open) <= 3
    await assert_clean(pool, owner)


async def test_a_connection_that_an_open_transaction_holds_is_nobody_elses(
    pool: Pool, owner: Any, caller: Actor
) -> None:
    """A read that comes meanwhile waits for its turn."""
    tx = OpenTransaction(pool, caller)
    await tx.texts([("SELECT 'x'", ())])
    reading = asyncio.create_task(pool.ask("SELECT 'read'"))
    await asyncio.sleep(0.1)
    assert not reading.done()
    await tx.commit()

    assert await asyncio.wait_for(reading, 2) == b"read"
    await assert_clean(pool, owner)
