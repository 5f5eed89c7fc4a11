"""A queue that is empty before and after, a table for what jobs do, and workers over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from lango.db.pipeline import Pipeline, make_pipeline
from lango.jobs.job import Job, enqueue
from lango.jobs.worker import Worker
from lango.rules.services import Services
from lango.settings import Settings
from tests.books import balanced, owner_engine  # noqa: F401 - fixtures
from tests.jobs import trials

TRIALS = (trials.greet, trials.remember, trials.fail, trials.dawdle, trials.take_long)
MADE = """
    CREATE TABLE jobs.trial (what text, value text, at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE TABLE jobs.trial_unique (value text UNIQUE);
    GRANT SELECT, INSERT ON jobs.trial, jobs.trial_unique TO lango_rules;
"""
EMPTIED = "TRUNCATE jobs.pgqueuer, jobs.pgqueuer_log, jobs.pgqueuer_schedules, jobs.pgqueuer_statistics"

MakeWorker = Callable[..., Worker]
Working = Callable[..., AbstractAsyncContextManager[Worker]]
Enqueue = Callable[..., Coroutine[Any, Any, None]]
Done = Callable[[str], Coroutine[Any, Any, list[str]]]


@pytest.fixture(autouse=True)
async def _queue(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    await owner.execute(EMPTIED + ";" + MADE)
    yield
    await owner.execute(EMPTIED + "; DROP TABLE jobs.trial, jobs.trial_unique; DELETE FROM platform.scheduled_runs")


@pytest.fixture(scope="session")
def worker_url(owner_url: str) -> str:
    return make_url(owner_url).set(username="lango_worker").render_as_string(hide_password=False)


@pytest.fixture
async def worker_engine(worker_url: str, settings: Settings) -> AsyncIterator[Pipeline]:
    pipeline = make_pipeline(worker_url, settings, pool_size=20)
    yield pipeline
    pipeline.close()


@pytest.fixture
def services(worker_engine: Pipeline, settings: Settings) -> Services:
    quick = settings.model_copy(update={"worker_heartbeat": 1.0, "shutdown_timeout": 5, "worker_concurrency": 4})
    return Services(worker_engine, quick)


@pytest.fixture
def make_worker(services: Services, worker_url: str) -> MakeWorker:
    def make(jobs: Sequence[Job[..., Any]] = TRIALS, **changed: Any) -> Worker:
        changed_settings = services.settings.model_copy(update=changed)
        return Worker(Services(services.pipeline, changed_settings, services.clients), worker_url, jobs)

    return make


@pytest.fixture
def working(make_worker: MakeWorker) -> Working:
    """A worker that works in the meantime, and is stopped as SIGTERM stops it."""

    @asynccontextmanager
    async def work(*arguments: Any, **changed: Any) -> AsyncIterator[Worker]:
        worker = make_worker(*arguments, **changed)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running

    return work


@pytest.fixture
def put(pipeline: Pipeline, settings: Settings) -> Enqueue:
    """Enqueue a job as a rule of the gateway does, in a transaction of its own."""
    services = Services(pipeline, settings)

    async def put(job: Job[..., Any], **arguments: Any) -> None:
        async with services.work() as tx:
            enqueue(tx, job, **arguments)

    return put


@pytest.fixture
def done(owner: asyncpg.Pool[Any]) -> Done:
    """What the jobs of a kind did, in order."""

    async def done(what: str) -> list[str]:
        rows = await owner.fetch("SELECT value FROM jobs.trial WHERE what = $1 ORDER BY at", what)
        return [row["value"] for row in rows]

    return done


async def until(condition: Callable[[], Coroutine[Any, Any, Any]], seconds: float = 20.0) -> Any:
    """Wait until the condition is true; gives what it gave."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return found
