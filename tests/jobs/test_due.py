"""A row that fails stops none of the others: it is counted, shown, and tried again later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import Uuid, bindparam, column, func, table, text

from lango.db.prepared import Prepared
from lango.jobs.job import scheduled
from lango.observability.metrics import JobMetrics
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from resolvers.kernel import due
from tests.pauses import end_pauses

ROWS = table("trial_due", column("id", Uuid), column("done"), schema="jobs")
TO_DO = due.Due(ROWS.c.id, lambda rows: rows.where(text("NOT done")).order_by(ROWS.c.id))
NAME = "trials.chores"


@scheduled(NAME, "* * * * *", timeout=20)
async def chores(services: Services) -> None:
    await due.each(services, chores, TO_DO, do)


async def do(tx: RuleTransaction, key: UUID) -> None:
    # The table refuses the broken rows.
    await tx.execute(text("UPDATE jobs.trial_due SET done = true WHERE id = :id"), {"id": key})


@pytest.fixture(autouse=True)
async def _rows(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    await owner.execute(
        "CREATE TABLE jobs.trial_due (id uuid PRIMARY KEY, broken bool NOT NULL, done bool NOT NULL DEFAULT false,"
        " CONSTRAINT fails CHECK (NOT (broken AND done))); GRANT SELECT, UPDATE ON jobs.trial_due TO lango_rules"
    )
    yield
    await owner.execute("DROP TABLE jobs.trial_due; DELETE FROM platform.due_failures")


@pytest.fixture
def services(services: Services) -> Services:
    return Services(services.pipeline, services.settings, services.clients, metrics=JobMetrics())


async def put(owner: asyncpg.Pool[Any], count: int, *, broken: bool) -> list[UUID]:
    """Rows; the broken ones come first in their order."""
    keys = [UUID(int=(place if broken else 2**64 + place)) for place in range(1, count + 1)]
    await owner.executemany("INSERT INTO jobs.trial_due VALUES ($1, $2)", [(key, broken) for key in keys])
    return keys


async def left(owner: asyncpg.Pool[Any]) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM jobs.trial_due WHERE NOT done AND NOT broken"))


async def failures(owner: asyncpg.Pool[Any]) -> list[Any]:
    return list(await owner.fetch("SELECT * FROM platform.due_failures WHERE job = $1 ORDER BY row_key", NAME))


async def test_one_that_fails_stops_none_of_those_after_it(services: Services, owner: asyncpg.Pool[Any]) -> None:
    (bad,) = await put(owner, 1, broken=True)
    await put(owner, 5, broken=False)

    await chores(services)

    assert await left(owner) == 0
    (failure,) = await failures(owner)
    assert (failure["row_key"], failure["attempts"]) == (bad, 1)
    assert failure["last_error"] == "CheckViolationError"


async def test_more_that_fail_than_are_looked_at_at_once_stop_none(
    services: Services, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(owner, due.PAGE + 5, broken=True)
    await put(owner, due.PAGE + 5, broken=False)

    await chores(services)

    assert await left(owner) == 0
    assert len(await failures(owner)) == due.PAGE + 5


async def test_it_is_tried_again_later_and_later(services: Services, owner: asyncpg.Pool[Any]) -> None:
    await put(owner, 1, broken=True)
    pauses = []
    for _ in range(8):
        await end_pauses(owner)
        await chores(services)
        await chores(services)
        (failure,) = await failures(owner)
        pauses.append((failure["next_try_at"] - failure["failed_at"]).total_seconds())

    assert failure["attempts"] == 8
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_those_that_failed_come_after_those_that_did_not(
    services: Services, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[UUID] = []
    bad = await put(owner, 2, broken=True)
    await chores(services)
    good = await put(owner, 2, broken=False)
    await end_pauses(owner)
    failing = do

    async def noted(tx: RuleTransaction, key: UUID) -> None:
        order.append(key)
        await failing(tx, key)

    await due.each(services, chores, TO_DO, noted)

    assert order == [*good, *bad]


async def test_one_that_is_mended_is_done_and_forgotten(services: Services, owner: asyncpg.Pool[Any]) -> None:
    mended, gone = await put(owner, 2, broken=True)
    await chores(services)
    await owner.execute("UPDATE jobs.trial_due SET broken = false WHERE id = $1", mended)
    await owner.execute("DELETE FROM jobs.trial_due WHERE id = $1", gone)

    await chores(services)
    assert len(await failures(owner)) == 2
    await end_pauses(owner)
    await chores(services)

    assert await left(owner) == 0
    assert await failures(owner) == []


async def test_one_that_takes_too_long_stops_none(
    services: Services, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "ROW_TIMEOUT", 0.5)
    first, *_ = await put(owner, 3, broken=False)
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM jobs.trial_due WHERE id = $1 FOR UPDATE", first)

        await chores(services)

    assert await left(owner) == 1
    assert [row["last_error"] for row in await failures(owner)] == ["TimeoutError"]


async def test_slow_calls_of_outside_services_are_made_some_at_once(
    services: Services, owner: asyncpg.Pool[Any]
) -> None:
    await put(owner, 16, broken=False)
    under_way, most = 0, 0

    async def call(services: Services, key: UUID) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        under_way -= 1

    await due.each_apart(services, chores, TO_DO, call, at_once=due.CALLS_AT_ONCE)

    assert most == due.CALLS_AT_ONCE


async def test_a_run_ends_in_its_time(services: Services, owner: asyncpg.Pool[Any]) -> None:
    at_once = services.settings.worker_concurrency // 2
    await put(owner, 3 * at_once, broken=False)
    acted: list[UUID] = []

    async def slow(tx: RuleTransaction, key: UUID) -> None:
        acted.append(key)
        await asyncio.sleep(0.2)

    @scheduled("trials.short", "* * * * *", timeout=0.2)
    async def short(services: Services) -> None:
        await due.each(services, short, TO_DO, slow)

    await short(services)

    assert len(acted) == at_once


async def test_a_row_that_takes_longer_than_its_job_has_is_not_met_first_again(
    services: Services, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sooner than in earnest, so that a busy machine has the time to note it.
    monkeypatch.setattr(due, "SPENT", 0.05)
    monkeypatch.setattr(due, "ENDED", 0.1)
    first, *_ = await put(owner, 3, broken=False)

    @scheduled("trials.endless", "* * * * *", timeout=15.0)
    async def endless(services: Services) -> None:
        await due.each(services, endless, TO_DO, stuck)

    async def stuck(tx: RuleTransaction, key: UUID) -> None:
        if key == first:
            await asyncio.sleep(60)
        await do(tx, key)

    async with asyncio.timeout(endless.timeout):
        await endless(services)
    await endless(services)

    assert await left(owner) == 1
    ((failed, error),) = await owner.fetch("SELECT row_key, last_error FROM platform.due_failures")
    assert (failed, error) == (first, "TimeoutError")


async def test_failures_are_counted_and_those_that_stand_are_shown(
    services: Services, owner: asyncpg.Pool[Any]
) -> None:
    await put(owner, 2, broken=True)

    await chores(services)
    await end_pauses(owner)
    await chores(services)

    assert services.metrics is not None
    counted = services.metrics.registry.get_sample_value("lango_due_rows_failed_total", {"job": NAME})
    assert counted == 4
    assert (await due.standing(services))[NAME] == 2


async def test_rows_are_done_at_once_and_leave_half_of_the_connections_to_other_jobs(
    services: Services, owner: asyncpg.Pool[Any]
) -> None:
    await put(owner, 20, broken=False)
    under_way, most = 0, 0

    async def slow(tx: RuleTransaction, key: UUID) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        await do(tx, key)
        under_way -= 1

    half = [ROWS.c.id < UUID(int=2**64 + 11), ROWS.c.id >= UUID(int=2**64 + 11)]
    jobs = [due.Due(ROWS.c.id, lambda rows, part=part: rows.where(text("NOT done"), part)) for part in half]
    await asyncio.gather(*(due.each(services, chores, each, slow) for each in jobs))

    assert await left(owner) == 0
    assert most == services.settings.worker_concurrency // 2 > 1


async def test_rows_that_wait_for_the_same_lock_are_done_one_after_the_other(
    services: Services, owner: asyncpg.Pool[Any]
) -> None:
    keys = await put(owner, 12, broken=False)
    beside = due.Due(
        ROWS.c.id,
        lambda rows: rows.where(text("NOT done")).order_by(ROWS.c.id),
        beside=func.mod(func.get_byte(func.uuid_send(ROWS.c.id), 15), 3),
    )
    under_way: list[int] = []
    order: list[UUID] = []

    async def slow(tx: RuleTransaction, key: UUID, group: int) -> None:
        assert group == key.bytes[15] % 3
        assert group not in under_way
        under_way.append(group)
        order.append(key)
        await asyncio.sleep(0.01)
        await do(tx, key)
        under_way.remove(group)

    await due.each(services, chores, beside, slow)

    assert await left(owner) == 0
    assert await failures(owner) == []
    assert [[key for key in order if key.bytes[15] % 3 == group] for group in range(3)] == [
        [key for key in keys if key.bytes[15] % 3 == group] for group in range(3)
    ]


async def test_what_met_another_transaction_is_done_again_at_once(services: Services, owner: asyncpg.Pool[Any]) -> None:
    await put(owner, 2, broken=False)
    begun: list[UUID] = []

    async def crossed(tx: RuleTransaction, key: UUID) -> None:
        await do(tx, key)
        begun.append(key)
        if begun.count(key) == 1:
            await tx.execute(text("SELECT lango.fail('40001', 'Crossed.', 0)"))

    await due.each(services, chores, TO_DO, crossed)

    assert await left(owner) == 0
    assert await failures(owner) == []


async def test_where_a_failure_cannot_be_noted_no_row_goes_on_behind_the_job(
    services: Services, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(owner, 1, broken=True)
    await put(owner, 20, broken=False)
    monkeypatch.setattr(due, "FAILED", Prepared(text("SELECT 1 / 0")))

    async def slow(tx: RuleTransaction, key: UUID) -> None:
        if key.int > 2**64:
            await asyncio.sleep(0.2)
        await do(tx, key)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await due.each(services, chores, TO_DO, slow)

    before = await left(owner)
    await asyncio.sleep(0.4)
    assert await left(owner) == before == 20


async def test_given_values_reach_the_choice(services: Services, owner: asyncpg.Pool[Any]) -> None:
    await put(owner, 3, broken=False)
    one = due.Due(ROWS.c.id, lambda rows: rows.where(text("NOT done"), ROWS.c.id == bindparam("only")))

    await due.each(services, chores, one, do, only=UUID(int=2**64 + 2))
    await due.each(services, chores, one, do, only=uuid4())

    assert await left(owner) == 2


@pytest.mark.parametrize("together", [1, 4])
async def test_rows_that_stay_due_are_acted_on_once_a_run(
    services: Services, owner: asyncpg.Pool[Any], together: int
) -> None:
    keys = await put(owner, 12, broken=False)
    acted: list[UUID] = []

    async def pass_over(_: RuleTransaction, key: UUID) -> None:
        acted.append(key)

    await due.each(services, chores, TO_DO, pass_over, together=together)

    assert sorted(acted) == sorted(keys)
    assert await failures(owner) == []


async def test_one_that_hangs_is_left_and_those_that_began_with_it_are_done(
    services: Services, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "TOGETHER_TIMEOUT", 0.5)
    monkeypatch.setattr(due, "ROW_TIMEOUT", 1.0)
    _, stuck, *_ = await put(owner, 6, broken=False)

    async def hang(tx: RuleTransaction, key: UUID) -> None:
        if key == stuck:
            await asyncio.sleep(60)
        await do(tx, key)

    await due.each(services, chores, TO_DO, hang, together=6)

    assert await left(owner) == 1
    assert [(row["row_key"], row["last_error"]) for row in await failures(owner)] == [(stuck, "TimeoutError")]


async def test_what_has_failed_before_is_done_by_itself(services: Services, owner: asyncpg.Pool[Any]) -> None:
    bad = await put(owner, 3, broken=True)
    await due.each(services, chores, TO_DO, do, together=10)
    assert [row["row_key"] for row in await failures(owner)] == bad
    await end_pauses(owner)
    shared: set[UUID] = set()
    under_way: set[UUID] = set()

    async def noted(tx: RuleTransaction, key: UUID) -> None:
        under_way.add(key)
        await asyncio.sleep(0.05)
        if type(tx) is not RuleTransaction:
            shared.add(key)
        await do(tx, key)

    good = await put(owner, 3, broken=False)
    await due.each(services, chores, TO_DO, noted, together=10)

    assert under_way == {*bad, *good}
    assert shared == {*good}
    assert await left(owner) == 0
