"""Timers of which the event loop has one for all."""

from __future__ import annotations

import asyncio

import pytest

from lango.http.timers import Deadline, EqualTimers


async def test_each_goes_off_after_its_time_and_in_order() -> None:
    timers, loop = EqualTimers(0.1), asyncio.get_running_loop()
    gone_off: list[tuple[str, float]] = []
    begun = {}
    for name in ("first", "second", "third"):
        begun[name] = loop.time()
        timers.start(name, lambda name=name: gone_off.append((name, loop.time() - begun[name])))  # type: ignore[misc]
        await asyncio.sleep(0.04)

    await asyncio.sleep(0.2)

    assert [name for name, _ in gone_off] == ["first", "second", "third"]
    assert all(seconds >= 0.099 for _, seconds in gone_off)


async def test_one_that_is_stopped_does_not_go_off_and_the_next_does() -> None:
    timers = EqualTimers(1)
    gone_off: list[str] = []
    for name in ("first", "second"):
        timers.start(name, lambda name=name: gone_off.append(name))  # type: ignore[misc]
    timers.stop("first")

    await asyncio.sleep(1.2)

    assert gone_off == ["second"]


async def test_they_go_off_again_after_a_time_without_any() -> None:
    timers = EqualTimers(0.02)
    gone_off: list[str] = []
    for name in ("first", "second"):
        timers.start(name, lambda name=name: gone_off.append(name))  # type: ignore[misc]
        await asyncio.sleep(0.1)

    assert gone_off == ["first", "second"]


def test_they_go_off_in_another_event_loop() -> None:
    timers = EqualTimers(0.02)

    async def late() -> None:
        with pytest.raises(TimeoutError):
            async with Deadline(timers):
                await asyncio.sleep(1)

    for _ in range(2):
        asyncio.run(late())


async def test_a_block_that_ends_in_time_has_no_deadline_afterwards() -> None:
    timers = EqualTimers(0.05)
    async with Deadline(timers):
        await asyncio.sleep(0)

    await asyncio.sleep(0.1)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_of_the_block_is_its_own() -> None:
    with pytest.raises(KeyError):
        async with Deadline(EqualTimers(0.05)):
            raise KeyError


async def test_who_is_cancelled_from_outside_is_cancelled_though_it_is_late() -> None:
    timers = EqualTimers(0.02)

    async def block() -> None:
        async with Deadline(timers):
            try:
                await asyncio.sleep(1)
            finally:
                outside.cancel()

    outside = asyncio.create_task(block())
    done, _ = await asyncio.wait([outside])

    assert outside in done
    assert outside.cancelled()


async def test_of_two_deadlines_the_one_that_passed_says_so() -> None:
    long, short = EqualTimers(1), EqualTimers(0.02)

    async with Deadline(long):
        with pytest.raises(TimeoutError):
            async with Deadline(short):
                await asyncio.sleep(1)
        await asyncio.sleep(0)
