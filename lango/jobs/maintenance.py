"""Maintenance: the workers' schedule, partitions for the months to come, the queue's own log, and old counters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text

from lango.actor import NOBODY, DatabaseRole
from lango.db.migrate import month
from lango.db.pipeline import Pipeline
from lango.db.roles import OWNER
from lango.db.transaction import OpenTransaction, acting_as
from lango.jobs.gauges import gauge
from lango.jobs.job import scheduled
from lango.rules.services import Services

# Jobs come each minute: after so long without any, no worker is there.
SILENCE = timedelta(minutes=3)
# The worker makes the partitions of so many months to come; with fewer than that many left, something is wrong.
MONTHS_MADE, MONTHS_NEEDED = 3, 2
# Whoever writes waits for a partition that is being made: it is made another time where others are in its way.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"
LAST_RUNS = "SELECT job, ran_at FROM platform.scheduled_runs ORDER BY job"
LAST_RUN = "SELECT max(ran_at) FROM platform.scheduled_runs"
FORGET = """
DELETE FROM jobs.pgqueuer_log WHERE created < now() - CAST(:kept AS interval)
  AND job_id NOT IN (SELECT id FROM jobs.pgqueuer)
"""
WINDOWS_AT_ONCE = 5_000
# A minute later than need be: whoever counts looks at its clock first, and at the row then.
FORGET_WINDOWS = f"""
DELETE FROM security.rate_limits WHERE key IN (
    SELECT key FROM security.rate_limits WHERE ends_at < now() - interval '1 minute'
    LIMIT {WINDOWS_AT_ONCE} FOR UPDATE SKIP LOCKED
) RETURNING true
"""
# The first day that no partition of a table has a place for; of the tables that are partitioned by month.
LAST_PARTITIONS = rf"""
SELECT n.nspname || '.' || p.relname AS name,
       max((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''(\d{{4}}-\d\d-\d\d)'))[1])::date AS until
FROM pg_class AS p
JOIN pg_namespace AS n ON n.oid = p.relnamespace
JOIN pg_roles AS o ON o.oid = n.nspowner AND o.rolname = '{OWNER}'
JOIN pg_partitioned_table AS t ON t.partrelid = p.oid AND t.partstrat = 'r'
LEFT JOIN pg_inherits AS i ON i.inhparent = p.oid
LEFT JOIN pg_class AS c ON c.oid = i.inhrelid
GROUP BY 1 ORDER BY 1
"""


async def warnings(pipeline: Pipeline) -> list[str]:
    """What does not keep the gateway from serving, and wants somebody to look at it."""
    async with acting_as(pipeline, NOBODY, read_only=True, role=DatabaseRole.RULES) as tx:
        last = (await tx.execute(text(LAST_RUN))).scalar_one()
        until = await _last_partitions(tx)
    found = (silent(last, datetime.now(UTC)), short_of_months(until))
    return [each for each in found if each is not None]


def silent(last_run: datetime | None, now: datetime) -> str | None:
    """That no worker is there, if so."""
    if last_run is None:
        return "No worker has run scheduled jobs yet."
    if now - last_run > SILENCE:
        return f"No worker has run scheduled jobs since {last_run.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."
    return None


def short_of_months(until: Mapping[str, date | None]) -> str | None:
    """The tables whose partitions are about to end, if there are any."""
    short = [name for name, day in until.items() if months_ahead(day) < MONTHS_NEEDED]
    return f"Fewer than {MONTHS_NEEDED} months to come have a partition in {', '.join(short)}." if short else None


def months_ahead(until: date | None) -> int:
    """How many months after this one end before that day; 0 without one."""
    today = datetime.now(UTC).date()
    if until is None:
        return 0
    return max(0, (until.year - today.year) * 12 + until.month - today.month - 1)


@scheduled("upkeep.make_partitions", "43 * * * *", timeout=120.0)
async def make_partitions(services: Services) -> None:
    """Make the partitions of this month and the next ones, where they are missing."""
    today = datetime.now(UTC).date()
    async with acting_as(services.pipeline, NOBODY, role=DatabaseRole.WORKER) as tx:
        await tx.execute(text(LOCK_TIMEOUT))
        await tx.execute(
            text("SELECT lango.make_partitions(:first, :last)"),
            {"first": month(today, 0), "last": month(today, MONTHS_MADE)},
        )


@scheduled("worker.forget_old_log", "17 3 * * *", timeout=600.0)
async def forget_old_log(services: Services) -> None:
    """Delete what became of jobs long ago; of those that are still there, it is kept."""
    kept = timedelta(days=services.settings.job_log_days)
    async with acting_as(services.pipeline, NOBODY, role=DatabaseRole.WORKER) as tx:
        await tx.execute(text(FORGET), {"kept": kept})


@scheduled("rate_limits.forget_old_windows", "*/10 * * * *", timeout=300.0)
async def forget_old_windows(services: Services) -> None:
    """Delete the counts of rate limits whose windows have ended."""
    deleted = WINDOWS_AT_ONCE
    while deleted == WINDOWS_AT_ONCE:
        async with acting_as(services.pipeline, NOBODY, role=DatabaseRole.WORKER) as tx:
            deleted = len((await tx.execute(text(FORGET_WINDOWS))).all())


@gauge("lango_partitions_ahead", label="table")
async def partitions_ahead(services: Services) -> dict[str, int]:
    """Months after this one that have a partition, by table."""
    async with services.work() as tx:
        until = await _last_partitions(tx)
    return {name: months_ahead(day) for name, day in until.items()}


@gauge("lango_schedule_last_run_timestamp_seconds", label="job")
async def last_runs(services: Services) -> dict[str, int]:
    """When a worker last ran each scheduled job, in seconds since 1970."""
    async with services.work() as tx:
        return {job: int(at.timestamp()) for job, at in (await tx.execute(text(LAST_RUNS))).all()}


async def _last_partitions(tx: OpenTransaction) -> dict[str, date | None]:
    return {name: until for name, until in (await tx.execute(text(LAST_PARTITIONS.replace(":", r"\:")))).all()}  # noqa: C416
