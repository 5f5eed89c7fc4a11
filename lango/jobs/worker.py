"""The worker: takes jobs out of the queue, runs them, and puts back what it could not finish."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pgqueuer
import structlog
from croniter import croniter  # type: ignore[import-untyped]
from structlog.contextvars import bound_contextvars

from lango.db.driver import DriverConnection
from lango.db.postgres import open_session, secure_url
from lango.jobs.gauges import update_gauges
from lango.jobs.job import Job
from lango.jobs.queue import LOST, NAMES, PAUSE, JobQueue
from lango.libraries.pgqueuer import AsyncpgPoolDriver, OnFailure, RetryRequested, Schedule
from lango.libraries.pgqueuer import Job as Taken
from lango.observability.logs import format_without_values
from lango.observability.metrics import JobMetrics
from lango.rules.services import Services

log = structlog.get_logger("lango.jobs.worker")

# Seconds before a job is tried again: the first time, each time so many times longer, and at most.
FIRST_DELAY, GROWTH, LONGEST_DELAY = 2.0, 4, 900.0
# How often a job is begun whose worker dies with it. Others that ran beside it in that worker are counted as well.
MAX_BEGUN = 5
CONNECTIONS = 4
CLOSE_TIMEOUT = 5.0
POLL_INTERVAL = 0.1
GAUGE_INTERVAL = 15.0


class JobFailed(Exception):
    """A job has failed as often as it may. The message is its last error, without values."""


class Worker:
    """Runs jobs until it is stopped."""

    def __init__(
        self, services: Services, address: str, jobs: Sequence[Job[..., Any]], metrics: JobMetrics | None = None
    ) -> None:
        """The address is that of `lango_worker`, and no pooler's: the worker listens."""
        self.services = services
        self.address = address
        self.jobs = jobs
        self.metrics = metrics or JobMetrics()
        self._silence = timedelta(seconds=services.settings.worker_heartbeat)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more jobs. Those that run may finish, for as long as `shutdown_timeout`; then they are put back."""
        self._stopping.set()

    async def run(self, *, once: bool = False) -> None:
        """Work until `stop`, also after the database could not be reached; or `once`, until nothing is due."""
        while True:
            try:
                async with self._queue() as queue:
                    await self._work(queue, once=once)
            except LOST as error:
                if once:
                    raise
                log.warning("the database is away", exc_info=error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), PAUSE)
            else:
                return
            if self._stopping.is_set():
                return

    @asynccontextmanager
    async def _queue(self) -> AsyncIterator[JobQueue]:
        settings = self.services.settings
        url = secure_url(self.address, settings)

        async def connect(*_: Any, **__: Any) -> DriverConnection:
            return await open_session(url, settings, {})

        pool = await asyncpg.create_pool(
            connect=connect, connection_class=DriverConnection, min_size=1, max_size=CONNECTIONS
        )
        try:
            yield JobQueue(AsyncpgPoolDriver(pool))
        finally:
            # A connection that broke is not given back, and closing waits for it.
            with suppress(*LOST):
                await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT)

    async def _work(self, queue: JobQueue, *, once: bool) -> None:
        settings = self.services.settings
        library = self._registered(queue)
        await queue.forget_other_times(list(library.sm.registry))
        running = asyncio.create_task(
            library.run(
                dequeue_timeout=self._silence / 3,
                batch_size=settings.worker_concurrency // 2,
                max_concurrent_tasks=settings.worker_concurrency,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=self._silence,
                # Prometheus counts already.
                log_aggregation_interval=timedelta(0),
            )
        )
        ending = asyncio.create_task(self._until(library, queue, once=once))
        gauging = asyncio.create_task(self._update_gauges(queue))
        try:
            await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
            library.shutdown.set()
            await asyncio.wait({running}, timeout=settings.shutdown_timeout)
        finally:
            for task in (running, ending, gauging):
                task.cancel()
            await asyncio.wait({running, ending, gauging})
        for task in (running, ending):
            if not task.cancelled():
                task.result()

    def _registered(self, queue: JobQueue) -> pgqueuer.PgQueuer:
        library = pgqueuer.PgQueuer(queue.driver, NAMES.channel, queries=queue)
        for job in self.jobs:
            # One that is scheduled again need not be kept when it failed.
            on_failure: OnFailure = "delete" if job.cron else "hold"
            library.entrypoint(job.name, accepts_context=False, on_failure=on_failure)(partial(self._run, queue, job))
            if job.cron:
                library.schedule(job.name, job.cron, accepts_context=False)(partial(self._come_due, queue))
        return library

    async def _until(self, library: pgqueuer.PgQueuer, queue: JobQueue, *, once: bool) -> None:
        if not once:
            await self._stopping.wait()
            return
        names, worker = [job.name for job in self.jobs], library.qm.queue_manager_id
        # There is no event for it.
        while not self._stopping.is_set() and await queue.due(names, worker, self._silence):  # noqa: ASYNC110
            await asyncio.sleep(POLL_INTERVAL)

    async def _update_gauges(self, queue: JobQueue) -> None:
        while self.services.settings.worker_metrics_port:
            with suppress(*LOST):
                sizes = await queue.queue_size()
                self.metrics.queue.clear()
                for size in sizes:
                    self.metrics.queue.labels(size.entrypoint, size.status).set(size.count)
            await update_gauges(self.services, self.metrics.gauges)
            await asyncio.sleep(GAUGE_INTERVAL)

    @staticmethod
    async def _come_due(queue: JobQueue, schedule: Schedule) -> None:
        """Enqueue a job whose time has come.

        A worker whose clock is ahead comes a little early and again on time: only if the time has come by the
        database's clock, and since it came last, is it due.
        """
        came = croniter(schedule.expression, schedule.updated + timedelta(microseconds=1)).get_prev(datetime)
        if came > (schedule.last_run or schedule.created):
            key = f"scheduled {schedule.entrypoint}"
            await queue.enqueue(schedule.entrypoint, None, dedupe_key=key, on_conflict="skip")

    async def _run(self, queue: JobQueue, job: Job[..., Any], taken: Taken) -> None:
        begun, outcome = time.perf_counter(), "failed"
        failed: Exception | None = None
        with bound_contextvars(job=job.name, job_id=taken.id):
            try:
                if await queue.begun(taken) > MAX_BEGUN:
                    raise JobFailed(f"Its worker died each of {MAX_BEGUN} times.")
                async with asyncio.timeout(job.timeout):
                    await job.function(self.services, **job.unpack(taken.payload))
                outcome = "done"
            except asyncio.CancelledError:
                # What is cancelled pgqueuer takes out of the queue: this goes back into it.
                outcome = "returned"
                raise RetryRequested(reason="The worker was stopped.") from None
            except JobFailed as error:
                failed = error
                raise
            except Exception as error:
                failed = error
                delay = delay_after(taken.attempts, job.cron)
                if taken.attempts >= job.retries or delay is None:
                    raise JobFailed(format_without_values(error)) from None
                outcome = "retried"
                log.warning("a job will be tried again", attempt=taken.attempts + 1, after=delay, exc_info=error)
                raise RetryRequested(delay, format_without_values(error)) from None
            finally:
                self.metrics.ended(job.name, outcome, time.perf_counter() - begun)
                if job.cron and outcome != "returned":
                    await self._note_run(queue, job.name, failed)

    @staticmethod
    async def _note_run(queue: JobQueue, name: str, failed: Exception | None) -> None:
        with suppress(*LOST):
            await queue.ran(name, type(failed).__name__ if failed else None)


def delay_after(attempts: int, cron: str | None = None) -> timedelta | None:
    """How long a job waits that has been put back so often: longer each time, and not all that failed at once alike.

    None where it is scheduled before that: while it waited, it would block the scheduled run.
    """
    longest = min(FIRST_DELAY * GROWTH**attempts, LONGEST_DELAY)
    delay = timedelta(seconds=longest * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
    if cron is not None:
        now = datetime.now(UTC)
        if now + delay >= croniter(cron, now).get_next(datetime):
            return None
    return delay
