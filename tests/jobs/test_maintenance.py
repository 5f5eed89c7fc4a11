"""What must go on by itself is looked at: by `/readyz`, by the doctor and by metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lango.db.migrate import month
from lango.db.pipeline import Pipeline, make_pipeline
from lango.db.postgres import connect
from lango.doctor import Level
from lango.doctor.server import partitions, schedule
from lango.http.app import create_app
from lango.jobs import maintenance
from lango.jobs.gauges import Gauges
from lango.jobs.maintenance import make_partitions, months_ahead, silent, warnings
from lango.rules.services import Services
from lango.settings import Settings
from tests import databases

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
async def database(template_url: str) -> AsyncIterator[str]:
    """A database of its own: what is asked here is of the whole of it."""
    async with databases.database(template_url, "maintenance") as address:
        yield address


@pytest.fixture
async def pipeline(database: str) -> AsyncIterator[Pipeline]:
    pipeline = make_pipeline(database, Settings(), pool_size=2)
    yield pipeline
    pipeline.close()


async def execute(url: str, statements: str) -> None:
    connection = await connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


RAN = "INSERT INTO platform.scheduled_runs (job, ran_at) VALUES ('points.mature_points', now() - interval '{}')"
LAST_THREE = """
DO $$DECLARE part regclass; BEGIN
  FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'platform.outbox_events'::regclass
    AND inhrelid::regclass::text > 'platform.outbox_events_{:y%Ym%m}'
  LOOP EXECUTE 'DROP TABLE ' || part; END LOOP;
END$$
"""


def next_month() -> date:
    return month(datetime.now(UTC).date(), 1)


def test_a_worker_that_has_been_silent_too_long_is_reported() -> None:
    assert silent(None, NOW) == "No worker has run scheduled jobs yet."
    assert silent(NOW - timedelta(minutes=2), NOW) is None
    assert silent(NOW - timedelta(minutes=4), NOW) == "No worker has run scheduled jobs since 2026-11-30 11:56:00 UTC."


def test_months_to_come_are_counted_over_the_year() -> None:
    today = datetime.now(UTC).date()
    assert [months_ahead(month(today, offset)) for offset in (0, 1, 2, 3, 14)] == [0, 0, 1, 2, 13]
    assert months_ahead(None) == 0


async def test_a_gateway_is_ready_and_warns(database: str, pipeline: Pipeline) -> None:
    assert await warnings(pipeline) == ["No worker has run scheduled jobs yet."]

    await execute(database, RAN.format("1 hour"))
    (silence,) = await warnings(pipeline)
    assert silence.startswith("No worker has run scheduled jobs since ")

    await execute(database, RAN.replace("mature_points", "others").format("1 second"))
    assert await warnings(pipeline) == []

    await execute(database, LAST_THREE.format(next_month()))
    assert await warnings(pipeline) == ["Fewer than 2 months to come have a partition in platform.outbox_events."]


async def test_the_worker_makes_what_is_missing(database: str, pipeline: Pipeline) -> None:
    await execute(database, LAST_THREE.format(next_month()))
    services = Services(pipeline, Settings())
    before = await maintenance.partitions_ahead(services)

    await make_partitions(services)
    await make_partitions(services)

    after = await maintenance.partitions_ahead(services)
    assert before["platform.outbox_events"] == 1
    assert after["platform.outbox_events"] == maintenance.MONTHS_MADE
    assert set(after) == {
        "admin.audit_logs", "analytics.analytics_events", "platform.outbox_events", "usage.api_usage",
    }  # fmt: skip


async def test_the_doctor_reports_it(database: str) -> None:
    connection = await connect(database)
    try:
        (silence,) = await schedule(connection)
        assert (silence.level, silence.says) == (Level.WARNING, "No worker has run scheduled jobs yet.")

        await connection.execute(RAN.format("1 second"))
        assert [each.level for each in await schedule(connection)] == [Level.OK]

        await connection.execute(
            "INSERT INTO platform.due_failures (job, row_key, attempts, last_error, next_try_at)"
            " SELECT 'redemption.expire_due_codes', gen_random_uuid(), 1, 'DataError', now() FROM generate_series(1, 3);"
            "UPDATE platform.scheduled_runs SET failures = 2, last_error = 'TimeoutError'"
        )
        said = [each.says for each in await schedule(connection)]
        assert said == [
            "points.mature_points has failed 2 times in a row: TimeoutError.",
            f"redemption.expire_due_codes cannot do 3 rows, at first {datetime.now(UTC):%Y-%m-%d}: DataError.",
        ]

        await connection.execute(LAST_THREE.format(next_month()))
        (short,) = await partitions(connection)
        assert short.level is Level.WARNING
    finally:
        await connection.close()


async def test_a_gateway_shows_what_is_counted_in_the_database_and_keeps_it_some_seconds(
    database: str, pipeline: Pipeline
) -> None:
    gauges = Gauges(Services(pipeline, Settings()))
    await execute(database, RAN.format("1 second"))

    first = (await gauges.text()).decode()
    await execute(database, RAN.replace("mature_points", "others").format("1 second"))
    kept = (await gauges.text()).decode()

    assert 'lango_partitions_ahead{table="platform.outbox_events"} 12.0' in first
    assert 'lango_schedule_last_run_timestamp_seconds{job="points.mature_points"}' in first
    assert kept == first


async def test_over_http(database: str, pipeline: Pipeline) -> None:
    import httpx
    import strawberry

    @strawberry.type
    class Query:
        hello: str = "hello"

    settings = Settings(database_url=database, allow_dev_key=True)  # type: ignore[arg-type]
    app = create_app(strawberry.Schema(Query), settings, pipeline)
    transport: Any = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        ready = await client.get("/readyz")
        metrics = await client.get("/metrics")

    assert (ready.status_code, ready.json()) == (
        200, {"status": "ready", "warnings": ["No worker has run scheduled jobs yet."]},
    )  # fmt: skip
    assert "lango_partitions_ahead" in metrics.text
    assert "lango_requests_total" in metrics.text or "lango_requests" in metrics.text
