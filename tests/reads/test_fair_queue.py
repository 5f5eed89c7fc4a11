"""No caller holds more than a share of the connections, and those who wait take turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from uuid import uuid4

import pytest
from sqlalchemy import text

from lango.actor import Actor, DatabaseRole
from lango.db.fair_queue import SYSTEM, Caller, NoConnectionFree, Shares, caller_of
from lango.db.pipeline import Pipeline, make_pipeline
from lango.db.transaction import acting_as
from lango.settings import Settings
from tests.reads.conftest import WHO, Pool

SLOW = "SELECT pg_sleep(0.6)::text"


def from_address(address: str) -> Actor:
    return Actor(ip=ip_address(address))


async def test_one_caller_leaves_half_of_the_connections_to_others(make_pool: Callable[..., Pool]) -> None:
    pool, greedy, other = make_pool(4, caller_share=0.5), Actor(uuid4()), Actor(uuid4())
    slow = [asyncio.create_task(pool.ask(SLOW, as_=greedy)) for _ in range(12)]
    await asyncio.sleep(0.1)

    assert len(pool.pids) == 2
    await asyncio.wait_for(asyncio.gather(*(pool.ask(WHO, as_=other) for _ in range(50))), 0.4)

    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_all_who_have_not_signed_in_have_one_share_together(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(4, caller_share=0.5)
    slow = [asyncio.create_task(pool.ask(SLOW, as_=from_address(f"192.0.2.{number}"))) for number in range(1, 13)]
    await asyncio.sleep(0.1)

    assert len(pool.pids) == 2
    await asyncio.wait_for(pool.ask(WHO, as_=Actor(uuid4())), 0.4)

    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_one_address_leaves_a_turn_to_another(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(4, caller_share=0.5)
    slow = [asyncio.create_task(pool.ask(SLOW, as_=from_address("192.0.2.1"))) for _ in range(12)]
    await asyncio.sleep(0.1)

    await asyncio.wait_for(pool.ask(WHO, as_=from_address("192.0.2.2")), 0.4)

    assert len(pool.pids) == 2
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_what_the_gateway_itself_must_know_waits_for_no_share(make_pool: Callable[..., Pool]) -> None:
    pool, greedy = make_pool(2, caller_share=0.5), Actor(uuid4())
    slow = [asyncio.create_task(pool.ask(SLOW, as_=greedy)) for _ in range(5)]
    await asyncio.sleep(0.1)

    await asyncio.wait_for(pool.run(greedy, WHO, (), role=DatabaseRole.RULES), 0.4)

    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_callers_take_turns_however_many_requests_each_has() -> None:
    shares, order = Shares(1, 1.0, 5.0), []
    await shares.take(SYSTEM)

    async def turn(name: str) -> None:
        await shares.take(Caller(name))
        order.append(name)
        await asyncio.sleep(0)
        shares.give_back(Caller(name))

    tasks = [asyncio.create_task(turn(name)) for name in "aaaaaabbc"]
    await asyncio.sleep(0)
    shares.give_back(SYSTEM)
    await asyncio.gather(*tasks)

    assert "".join(order) == "abcabaaaa"


async def test_the_gateway_itself_is_next() -> None:
    shares, order = Shares(1, 1.0, 5.0), []
    await shares.take(Caller("a"))

    async def turn(caller: Caller) -> None:
        await shares.take(caller)
        order.append(caller)
        shares.give_back(caller)

    tasks = [asyncio.create_task(turn(caller)) for caller in (Caller("b"), Caller("c"), SYSTEM)]
    await asyncio.sleep(0)
    shares.give_back(Caller("a"))
    await asyncio.gather(*tasks)

    assert order == [SYSTEM, Caller("b"), Caller("c")]


async def test_a_turn_that_does_not_come_is_given_up() -> None:
    shares = Shares(1, 0.5, 0.05)
    await shares.take(Caller("a"))

    with pytest.raises(NoConnectionFree):
        await shares.take(Caller("b"))

    assert shares.waiting() == 0
    shares.give_back(Caller("a"))
    await asyncio.wait_for(shares.take(Caller("b")), 1)


async def test_whoever_is_cancelled_while_waiting_takes_no_turn() -> None:
    shares = Shares(1, 0.5, 5.0)
    await shares.take(Caller("a"))
    cancelled, kept = asyncio.create_task(shares.take(Caller("b"))), asyncio.create_task(shares.take(Caller("c")))
    await asyncio.sleep(0)

    # The turn comes in the very moment in which the one who waits is cancelled.
    cancelled.cancel()
    shares.give_back(Caller("a"))

    await asyncio.wait_for(kept, 1)
    assert cancelled.cancelled()
    assert shares.waiting() == 0


def test_an_ipv6_address_stands_for_its_network() -> None:
    one, same, other = (
        caller_of(from_address(each)) for each in ("2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8:0:1::1")
    )

    assert one == same
    assert one != other
    assert one.group == other.group


async def test_a_member_whose_rules_are_slow_leaves_connections_to_others(
    pipeline: Pipeline, settings: Settings
) -> None:
    """The rules' connections are shared as those of the reads are."""
    greedy, other = Actor(uuid4()), Actor(uuid4())
    narrow = make_pipeline(pipeline.url.render_as_string(hide_password=False), settings, pool_size=4)

    async def slow() -> None:
        async with acting_as(narrow, greedy) as session:
            await session.execute(text("SELECT pg_sleep(0.6)"))

    tasks = [asyncio.create_task(slow()) for _ in range(8)]
    await asyncio.sleep(0.1)
    try:
        async with asyncio.timeout(0.4), acting_as(narrow, other) as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        narrow.close()
