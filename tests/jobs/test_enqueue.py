"""A job is part of the transaction that enqueues it, and only the rules' role may enqueue."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from lango.actor import NOBODY, DatabaseRole
from lango.db.pipeline import Pipeline
from lango.db.transaction import acting_as
from lango.jobs.job import enqueue, job, job_named, jobs_of, scheduled
from lango.rules.services import Services
from tests.jobs import trials
from tests.jobs.conftest import Done, Enqueue, MakeWorker


async def names(owner: asyncpg.Pool[Any]) -> list[str]:
    return [row["entrypoint"] for row in await owner.fetch("SELECT entrypoint FROM jobs.pgqueuer ORDER BY id")]


async def test_what_is_rolled_back_enqueues_nothing(pipeline: Pipeline, owner: asyncpg.Pool[Any]) -> None:
    async def a_rule_that_fails() -> None:
        async with acting_as(pipeline, NOBODY, role=DatabaseRole.RULES) as tx:
            enqueue(tx, trials.greet, who="nobody")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await a_rule_that_fails()

    assert await names(owner) == []


async def test_what_is_committed_is_run(put: Enqueue, make_worker: MakeWorker, done: Done, owner: Any) -> None:
    await put(trials.greet, who="Amina")
    assert await names(owner) == ["trials.greet"]

    await make_worker().run(once=True)

    assert await done("greet") == ["Amina"]
    assert await names(owner) == []


async def test_a_job_may_enqueue_another(services: Services, make_worker: MakeWorker, done: Done) -> None:
    async with services.work() as tx:
        enqueue(tx, trials.greet, who="from a job")

    await make_worker().run(once=True)

    assert await done("greet") == ["from a job"]


async def test_arguments_come_as_they_were_given(put: Enqueue, make_worker: MakeWorker, done: Done) -> None:
    given = {
        "id": UUID("0b9d4bd0-6f2c-4c1e-8b77-0d6b7a2a4a11"), "whole": 2**60, "exact": Decimal("12345678901234567890.10"),
        "day": date(2024, 2, 29), "moment": datetime(2024, 2, 29, 23, 59, 59, 123456, UTC), "sure": True, "words": "ça ☃",
    }  # fmt: skip
    await put(trials.remember, **given)
    await put(trials.remember)

    await make_worker().run(once=True)

    wanted = repr(tuple((given | {"moment": "2024-02-29T23:59:59.123456+00:00"}).values()))
    assert sorted(await done("remember")) == sorted([wanted, repr((None, 0, Decimal(0), None, None, False, None))])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"who": 7}, ValueError), ({}, TypeError), ({"who": "Amina", "why": "?"}, TypeError)],
)
async def test_other_arguments_are_refused_at_once(
    put: Enqueue, owner: Any, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await put(trials.greet, **arguments)

    assert await names(owner) == []


async def test_a_key_is_queued_once(put: Enqueue, make_worker: MakeWorker, done: Done) -> None:
    for who in ("first", "second"):
        await put(trials.greet, key="Amina", who=who)
    await put(trials.greet, key="Kofi", who="third")

    await make_worker().run(once=True)
    await put(trials.greet, key="Amina", who="later")
    await make_worker().run(once=True)

    assert sorted(await done("greet")) == ["first", "later", "third"]


async def test_a_key_that_is_taken_does_not_end_the_transaction(pipeline: Pipeline, owner: asyncpg.Pool[Any]) -> None:
    async with acting_as(pipeline, NOBODY, role=DatabaseRole.RULES) as tx:
        for _ in range(2):
            enqueue(tx, trials.greet, key="Amina", who="Amina")
        enqueue(tx, trials.fail, times_over=0)

    assert await names(owner) == ["trials.greet", "trials.fail"]


async def test_one_for_later_waits(put: Enqueue, make_worker: MakeWorker, done: Done, owner: Any) -> None:
    await put(trials.greet, after=timedelta(hours=1), who="Amina")

    await make_worker().run(once=True)
    assert (await done("greet"), await names(owner)) == ([], ["trials.greet"])

    await owner.execute("UPDATE jobs.pgqueuer SET execute_after = now()")
    await make_worker().run(once=True)
    assert await done("greet") == ["Amina"]


@pytest.mark.parametrize("role", [DatabaseRole.ANONYMOUS, DatabaseRole.MEMBER, DatabaseRole.STAFF])
async def test_a_request_enqueues_nothing_and_sees_nothing(pipeline: Pipeline, role: DatabaseRole) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acting_as(pipeline, NOBODY, role=role) as tx:
            enqueue(tx, trials.greet, who="Amina")


@pytest.mark.parametrize(
    "command",
    [
        "SELECT payload FROM jobs.pgqueuer",
        "UPDATE jobs.pgqueuer SET attempts = 0",
        "DELETE FROM jobs.pgqueuer",
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, attempts) VALUES (0, 'queued', 'x', 9)",
        "SELECT FROM jobs.pgqueuer_log",
        "SELECT FROM jobs.pgqueuer_schedules",
        "SELECT FROM jobs.pgqueuer_statistics",
    ],
)
async def test_the_rules_role_only_enqueues(gateway_url: str, command: str) -> None:
    connection = await asyncpg.connect(gateway_url)
    try:
        await connection.execute("SET ROLE lango_rules")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(command)
    finally:
        await connection.close()


async def test_a_job_that_is_called_runs_here(services: Services, done: Done) -> None:
    assert await trials.take_long(services, seconds=0.0) == {"seconds": 0.0}

    assert await done("ended") == [""]


def test_jobs_are_found_by_name() -> None:
    assert job_named("trials.greet") is trials.greet
    assert job_named("trials.nothing") is None


def test_job_names_are_unique() -> None:
    async def another(services: Services) -> None: ...

    with pytest.raises(TypeError, match=r"There are two jobs trials\.greet"):
        job("trials.greet")(another)
    assert {"trials.greet", "trials.sweep"} <= {each.name for each in jobs_of()}
    assert (trials.sweep.cron, trials.greet.cron) == ("* * * * *", None)


def test_an_argument_of_enqueues_own_is_refused() -> None:
    async def clashes(services: Services, *, after: UUID) -> None: ...

    with pytest.raises(TypeError, match="after"):
        job("trials.clashes")(clashes)


def test_one_that_is_due_by_itself_takes_no_arguments() -> None:
    async def wants(services: Services, *, what: UUID = uuid4()) -> None: ...  # noqa: B008

    with pytest.raises(TypeError, match="is scheduled"):
        scheduled("trials.wants", "* * * * *")(wants)
