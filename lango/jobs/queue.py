"""The queue as pgqueuer keeps it: what its tables are called here, and the worker's own queries of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from lango.libraries.pgqueuer import (
    Channel,
    DBSettings,
    Driver,
    Durability,
    FailingListenerError,
    Job,
    Queries,
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
    TracebackRecord,
)

# Every name is given: what is left out pgqueuer reads from the environment, where CHANNEL may mean anything.
NAMES = DBSettings(
    prefix="",
    db_schema="jobs",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)
# The database restarts, has no connection to give or takes no writes for the moment, or the network broke.
LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    FailingListenerError,
)
PAUSE = 1.0
DUE = """
SELECT EXISTS (
  SELECT FROM jobs.pgqueuer WHERE entrypoint = ANY ($1) AND (
    status = 'queued' AND execute_after < now()
    OR status = 'picked' AND (queue_manager_id = $2 OR heartbeat < now() - $3::interval)
  )
) OR EXISTS (
  -- One that is being enqueued says each second that it is.
  SELECT FROM jobs.pgqueuer_schedules WHERE entrypoint = ANY ($1) AND (
    status = 'queued' AND next_run <= now() OR status = 'picked' AND heartbeat > now() - interval '3 seconds'
  )
) AS due
"""
# A job whose times have changed would run at the old ones as well. A job that this release does not have is removed
# once nobody has begun it for an hour after its time: until then it may be that of a newer worker, which makes its
# schedules only when it starts.
FORGET_TIMES = """
DELETE FROM jobs.pgqueuer_schedules s
WHERE CASE WHEN entrypoint = ANY ($1)
           THEN NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS kept (name, cron)
                            WHERE kept.name = s.entrypoint AND kept.cron = s.expression)
           ELSE next_run < now() - interval '1 hour' AND heartbeat < now() - interval '1 hour' END
"""
# How often a job was begun since it was last put into the queue: more than once where a worker died with it.
BEGUN = """
SELECT count(*) FROM jobs.pgqueuer_log l WHERE job_id = $1 AND status = 'picked' AND id > coalesce(
  (SELECT max(id) FROM jobs.pgqueuer_log WHERE job_id = $1 AND status = 'queued'), 0)
"""
RAN = """
INSERT INTO platform.scheduled_runs AS r (job, succeeded_at, failures, last_error)
VALUES ($1, CASE WHEN $2::text IS NULL THEN now() END, CASE WHEN $2 IS NULL THEN 0 ELSE 1 END, $2)
ON CONFLICT (job) DO UPDATE SET
  ran_at = now(), succeeded_at = coalesce(EXCLUDED.succeeded_at, r.succeeded_at), last_error = EXCLUDED.last_error,
  failures = CASE WHEN $2 IS NULL THEN 0 ELSE r.failures + 1 END
"""


class JobQueue(Queries):
    """The worker's queries of the queue's tables."""

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver, QueryBuilderEnvironment(NAMES), QueryQueueBuilder(NAMES), QuerySchedulerBuilder(NAMES))

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        """Put a job back into the queue; wait while the database cannot be reached: pgqueuer would drop the job."""
        while True:
            try:
                return await super().retry_job(job, delay, traceback_record)
            except LOST:
                await asyncio.sleep(PAUSE)

    async def due(self, names: Collection[str], worker: UUID, silence: timedelta) -> bool:
        """Whether any of these jobs is due, or runs in this worker; or in one that has been silent for so long."""
        (row,) = await self.driver.fetch(DUE, list(names), worker, silence)
        return bool(row["due"])

    async def begun(self, job: Job) -> int:
        """How often this job was begun since it was last put into the queue; 1 where all went well."""
        (row,) = await self.driver.fetch(BEGUN, job.id)
        count: Any = row["count"]
        return int(count)

    async def ran(self, name: str, error: str | None) -> None:
        """Record that a scheduled job was run, and what kind of error it ended with."""
        await self.driver.execute(RAN, name, error)

    async def forget_other_times(self, times: Collection[tuple[str, str]]) -> None:
        """Of the scheduled jobs keep these times alone, and those of a newer worker's jobs."""
        await self.driver.execute(FORGET_TIMES, [name for name, _ in times], [cron for _, cron in times])
