"""Whatever happens to workers, each job is done: once where nothing went wrong, again where something did."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from lango.db.pipeline import make_pipeline
from lango.db.postgres import connect
from lango.jobs import worker
from lango.jobs.worker import delay_after
from lango.rules.services import Services
from lango.settings import Settings
from tests.jobs import trials
from tests.jobs.conftest import Done, Enqueue, MakeWorker, Working, until

ROOT = Path(__file__).resolve().parents[2]
ALONE = "from lango.cli.work import run; from lango.settings import settings; run(settings(), ['tests.jobs.trials'])"


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FIRST_DELAY", 0.1)


async def status(owner: asyncpg.Pool[Any]) -> list[tuple[str, int]]:
    rows = await owner.fetch("SELECT status::text, attempts FROM jobs.pgqueuer ORDER BY id")
    return [(row["status"], row["attempts"]) for row in rows]


async def test_three_workers_run_each_job_once(put: Enqueue, working: Working, done: Done, owner: Any) -> None:
    wanted = sorted(f"{number:02}" for number in range(60))
    async with working(), working(), working():
        for who in wanted:
            await put(trials.greet, who=who)
        await until(lambda: _empty(owner))

    assert sorted(await done("greet")) == wanted


async def _empty(owner: asyncpg.Pool[Any]) -> bool:
    return await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer") == 0


async def test_a_job_is_begun_soon(put: Enqueue, working: Working, done: Done) -> None:
    await put(trials.greet, who="Amina")
    async with working(worker_heartbeat=60.0):
        await until(lambda: done("greet"))
        await asyncio.sleep(0.5)
        await put(trials.greet, who="Kofi")
        await until(lambda: _both(done), seconds=3)


async def _both(done: Done) -> bool:
    return await done("greet") == ["Amina", "Kofi"]


async def test_what_comes_due_is_run_once_among_workers(make_worker: MakeWorker, done: Done, owner: Any) -> None:
    # It comes due again with the next minute, which is not to begin meanwhile.
    seconds = await owner.fetchval("SELECT extract(second FROM clock_timestamp())::float8")
    if seconds > 40:
        await asyncio.sleep(60.5 - seconds)
    await _schedule(owner, last_run="now() - interval '5 minutes'", next_run="now() - interval '4 minutes'")

    await asyncio.gather(*(make_worker([trials.sweep]).run(once=True) for _ in range(3)))
    await make_worker([trials.sweep]).run(once=True)

    assert await done("sweep") == [""]
    assert await owner.fetchval("SELECT next_run > now() FROM jobs.pgqueuer_schedules")


async def test_a_worker_whose_clock_is_ahead_does_not_run_it_twice(
    make_worker: MakeWorker, done: Done, owner: Any
) -> None:
    await _schedule(owner, last_run="date_trunc('minute', now()) + interval '1 microsecond'", next_run="now()")

    await make_worker([trials.sweep]).run(once=True)

    assert await done("sweep") == []


async def test_a_new_time_replaces_the_old(make_worker: MakeWorker, done: Done, owner: Any) -> None:
    await _schedule(owner, last_run="NULL", next_run="now() - interval '1 day'", cron="0 0 1 1 *")

    await make_worker([trials.sweep]).run(once=True)

    assert [row["expression"] for row in await owner.fetch("SELECT expression FROM jobs.pgqueuer_schedules")] in (
        [], ["* * * * *"],
    )  # fmt: skip
    assert await done("sweep") == []


async def test_the_schedule_of_a_job_that_is_gone_is_removed(make_worker: MakeWorker, owner: Any) -> None:
    await _schedule(owner, last_run="NULL", next_run="now() - interval '2 hours'", name="trials.gone")
    # What a newer worker has brought is begun by it when its time comes.
    await _schedule(owner, last_run="NULL", next_run="now() + interval '1 minute'", name="trials.newer")

    await make_worker([trials.sweep]).run(once=True)

    kept = {row["entrypoint"] for row in await owner.fetch("SELECT entrypoint FROM jobs.pgqueuer_schedules")}
    assert kept - {"trials.sweep"} == {"trials.newer"}


async def _schedule(
    owner: asyncpg.Pool[Any], last_run: str, next_run: str, cron: str = "* * * * *", name: str = "trials.sweep"
) -> None:
    await owner.execute(
        "INSERT INTO jobs.pgqueuer_schedules (expression, entrypoint, created, heartbeat, last_run, next_run)"
        f" VALUES ('{cron}', '{name}', now() - interval '1 day', now() - interval '1 day', {last_run}, {next_run})"
    )


@pytest.mark.usefixtures("_soon")
async def test_a_job_that_fails_is_tried_again(put: Enqueue, working: Working, done: Done, owner: Any) -> None:
    await put(trials.fail, times_over=2)
    async with working() as running:
        await until(lambda: _empty(owner))

    assert len(await done("fail")) == 3
    assert _count(running, "trials.fail", "retried") == 2
    assert _count(running, "trials.fail", "done") == 1


@pytest.mark.usefixtures("_soon")
async def test_one_that_goes_on_failing_is_kept(put: Enqueue, working: Working, done: Done, owner: Any) -> None:
    await put(trials.fail, times_over=99)
    async with working() as running:
        await until(lambda: owner.fetchval("SELECT true FROM jobs.pgqueuer WHERE status = 'failed'"))

    assert len(await done("fail")) == 3
    assert await status(owner) == [("failed", 2)]
    assert _count(running, "trials.fail", "failed") == 1
    log = [row["traceback"] for row in await owner.fetch("SELECT traceback FROM jobs.pgqueuer_log ORDER BY id")]
    messages = [orjson.loads(traceback)["exception_message"] for traceback in log if traceback]
    assert len(messages) == 3
    assert all("UniqueViolation" in message for message in messages)
    assert trials.QUOTED not in str(log)


def _count(running: Any, job: str, outcome: str) -> float:
    return float(running.metrics.registry.get_sample_value("lango_jobs_total", {"job": job, "outcome": outcome}) or 0)


async def test_one_that_takes_too_long_fails(put: Enqueue, make_worker: MakeWorker, owner: Any) -> None:
    await put(trials.dawdle)

    await make_worker().run(once=True)

    assert await status(owner) == [("failed", 0)]
    assert "TimeoutError" in str(
        await owner.fetchval("SELECT traceback FROM jobs.pgqueuer_log WHERE status = 'failed'")
    )


def test_it_waits_longer_each_time_and_never_long() -> None:
    waits = [delay.total_seconds() for attempts in range(12) if (delay := delay_after(attempts))]

    assert all(2 * 4**attempts / 2 <= waits[attempts] <= 2 * 4**attempts for attempts in range(5))
    assert max(waits) <= 900


def test_one_that_comes_by_itself_waits_no_longer_than_its_period() -> None:
    for cron, period in (("* * * * *", 60), ("*/5 * * * *", 300)):
        waits = [delay.total_seconds() for attempts in range(12) if (delay := delay_after(attempts, cron))]
        assert all(wait < period for wait in waits)
        assert [delay_after(attempts, cron) for attempts in (6, 7)] == [None, None]


async def test_one_that_comes_by_itself_and_fails_comes_again_on_time(
    make_worker: MakeWorker, done: Done, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It has been put back as often as fits into its minute.
    await owner.execute(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, dedupe_key, attempts)"
        " VALUES (0, 'queued', 'trials.falter', 'scheduled trials.falter', 4)"
    )
    await make_worker([trials.falter]).run(once=True)
    assert await status(owner) == []

    await owner.execute(
        "UPDATE jobs.pgqueuer_schedules SET created = now() - interval '1 hour', updated = now() - interval '5 minutes',"
        " last_run = now() - interval '5 minutes', next_run = now() - interval '4 minutes'"
    )
    monkeypatch.setattr(worker, "FIRST_DELAY", 1000.0)
    await make_worker([trials.falter]).run(once=True)

    assert len(await done("falter")) == 2
    row = await owner.fetchrow("SELECT * FROM platform.scheduled_runs WHERE job = 'trials.falter'")
    assert (row["failures"], row["last_error"], row["succeeded_at"]) == (2, "ZeroDivisionError", None)


async def test_when_a_job_that_comes_by_itself_was_run_is_known(make_worker: MakeWorker, owner: Any) -> None:
    await _schedule(owner, last_run="now() - interval '5 minutes'", next_run="now() - interval '4 minutes'")

    await make_worker([trials.sweep]).run(once=True)

    row = await owner.fetchrow(
        "SELECT *, now() - ran_at AS ago FROM platform.scheduled_runs WHERE job = 'trials.sweep'"
    )
    assert row["ago"].total_seconds() < 60
    assert (row["failures"], row["last_error"], row["succeeded_at"]) == (0, None, row["ran_at"])


async def test_one_that_kills_its_worker_each_time_is_not_taken_over_without_end(
    put: Enqueue, make_worker: MakeWorker, done: Done, owner: Any
) -> None:
    await put(trials.greet, who="Amina")
    for _ in range(worker.MAX_BEGUN):
        # What a worker leaves that dies with it.
        await owner.execute(
            "UPDATE jobs.pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),"
            " heartbeat = now() - interval '1 hour'"
        )
        await owner.execute(
            "INSERT INTO jobs.pgqueuer_log (job_id, status, priority, entrypoint)"
            " SELECT id, 'picked', 0, entrypoint FROM jobs.pgqueuer"
        )

    await make_worker().run(once=True)

    assert await done("greet") == []
    assert await status(owner) == [("failed", 0)]
    assert "Its worker died" in str(
        await owner.fetchval("SELECT traceback FROM jobs.pgqueuer_log WHERE status = 'failed'")
    )


async def test_a_job_that_nobody_knows_waits_for_a_newer_worker(
    put: Enqueue, make_worker: MakeWorker, done: Done, owner: Any
) -> None:
    await put(trials.greet, who="Amina")

    await make_worker([trials.fail]).run(once=True)
    assert await status(owner) == [("queued", 0)]

    await make_worker().run(once=True)
    assert await done("greet") == ["Amina"]


@pytest.mark.usefixtures("_soon")
async def test_arguments_of_another_release_are_kept(working: Working, owner: Any) -> None:
    await owner.execute(
        "INSERT INTO jobs.pgqueuer (priority, status, entrypoint, payload, attempts)"
        " VALUES (0, 'queued', 'trials.greet', '{\"whom\": 1}', 5)"
    )
    async with working():
        await until(lambda: owner.fetchval("SELECT true FROM jobs.pgqueuer WHERE status = 'failed'"))


async def test_what_runs_may_finish_when_the_worker_stops(
    put: Enqueue, make_worker: MakeWorker, done: Done, owner: Any
) -> None:
    await put(trials.take_long, seconds=1.0)
    stopped = make_worker()
    running = asyncio.create_task(stopped.run())
    await until(lambda: done("begun"))

    stopped.stop()
    await put(trials.greet, who="too late")
    await running

    assert await done("ended") == [""]
    assert (await done("greet"), await status(owner)) == ([], [("queued", 0)])


async def test_what_does_not_finish_goes_back(put: Enqueue, make_worker: MakeWorker, done: Done, owner: Any) -> None:
    await put(trials.take_long, seconds=50.0)
    stopped = make_worker(shutdown_timeout=1)
    running = asyncio.create_task(stopped.run())
    await until(lambda: done("begun"))

    stopped.stop()
    await asyncio.wait_for(running, 10)
    assert (await done("ended"), await status(owner)) == ([], [("queued", 1)])

    await make_worker().run(once=True)
    assert (len(await done("begun")), await done("ended"), await status(owner)) == (2, [""], [])


async def test_a_worker_that_loses_its_database_goes_on(
    put: Enqueue, working: Working, done: Done, owner: Any, owner_url: str
) -> None:
    administrator = await connect(owner_url)
    try:
        async with working():
            await put(trials.take_long, seconds=2.0)
            await until(lambda: done("begun"))
            await administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'lango_worker' AND datname = current_database()"
            )
            await put(trials.greet, who="Amina")
            await until(lambda: done("greet"))
            await until(lambda: _empty(owner))
    finally:
        await administrator.close()

    assert await done("ended") != []


async def test_a_killed_workers_jobs_are_taken_over(
    put: Enqueue, make_worker: MakeWorker, done: Done, owner: Any, worker_url: str
) -> None:
    await put(trials.take_long, seconds=50.0)
    killed = _alone(worker_url)
    try:
        await until(lambda: done("begun"), seconds=60)
    finally:
        killed.kill()
        killed.wait(30)
    assert [name for name, _ in await status(owner)] == ["picked"]
    await put(trials.greet, who="Amina")
    await asyncio.sleep(1.2)

    await make_worker().run(once=True)

    assert (len(await done("begun")), await done("ended")) == (2, [""])
    assert (await done("greet"), await status(owner)) == (["Amina"], [])


async def test_sigterm_lets_a_process_finish_its_jobs(put: Enqueue, done: Done, owner: Any, worker_url: str) -> None:
    await put(trials.take_long, seconds=1.0)
    process = _alone(worker_url)
    try:
        await until(lambda: done("begun"), seconds=60)
        process.send_signal(signal.SIGTERM)
        ended = await asyncio.to_thread(process.wait, 30)
    finally:
        process.kill()

    assert (ended, await done("ended"), await status(owner)) == (0, [""], [])


def _alone(worker_url: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """A worker in a process of its own."""
    command = [sys.executable, *(arguments or ("-c", ALONE))]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    given = {"DATABASE_WORKER_URL": worker_url, "LANGO_WORKER_HEARTBEAT": "1", "LANGO_LOG_LEVEL": "error"}
    return subprocess.Popen(command, cwd=ROOT, env=clean | given | environment)


async def test_lango_work_once_runs_what_is_due_and_ends(owner: Any, worker_url: str) -> None:
    """The job is the worker's own: it forgets what became of jobs long ago, but not of those that are still there."""
    await owner.execute("""
        INSERT INTO jobs.pgqueuer (id, priority, status, entrypoint) VALUES
          (1, 0, 'failed', 'trials.greet'), (2, 0, 'queued', 'worker.forget_old_log'), (3, 0, 'queued', 'trials.later');
        INSERT INTO jobs.pgqueuer_log (job_id, status, priority, entrypoint, created) VALUES
          (1, 'failed', 0, 'trials.greet', now() - interval '1 year'), (99, 'successful', 0, 'gone', now() - interval '1 year')
    """)
    begun = time.monotonic()
    process = _alone(worker_url, "-m", "lango", "work", "--once")

    assert await asyncio.to_thread(process.wait, 60) == 0

    assert time.monotonic() - begun < 30
    assert [row["id"] for row in await owner.fetch("SELECT id FROM jobs.pgqueuer ORDER BY id")] == [1, 3]
    left = await owner.fetch("SELECT job_id FROM jobs.pgqueuer_log WHERE created < now() - interval '1 day'")
    assert [row["job_id"] for row in left] == [1]


def test_without_an_address_lango_work_names_the_missing_setting(gateway_url: str, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "lango", "work"], cwd=tmp_path, env=clean | {"DATABASE_URL": gateway_url, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "DATABASE_WORKER_URL" in ended.stderr


@pytest.mark.usefixtures("_soon")
async def test_a_job_that_waits_too_long_for_a_lock_is_tried_again(
    put: Enqueue, worker_url: str, settings: Settings, done: Done, owner: asyncpg.Pool[Any]
) -> None:
    impatient = settings.model_copy(update={"lock_timeout": 0.2, "worker_heartbeat": 1.0})
    pipeline = make_pipeline(worker_url, impatient)
    working = worker.Worker(Services(pipeline, impatient), worker_url, [trials.greet])
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE jobs.trial IN ACCESS EXCLUSIVE MODE")
        await put(trials.greet, who="Amina")
        running = asyncio.create_task(working.run())
        await until(lambda: _tried_again(owner))
    await until(lambda: done("greet"))
    working.stop()
    await running
    pipeline.close()

    assert await done("greet") == ["Amina"]


async def _tried_again(owner: asyncpg.Pool[Any]) -> bool:
    return bool(await owner.fetchval("SELECT max(attempts) > 0 FROM jobs.pgqueuer"))
