"""What a worker counts in the database besides its queue, and which jobs it knows."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lango.cli.work import modules_with_jobs
from lango.jobs import gauges, worker
from lango.jobs.job import jobs_of
from resolvers.donations.wave_events import unprocessed
from tests.jobs.conftest import Working, until

ROOT = Path(__file__).resolve().parents[2]
GAUGE = "lango_wave_events_unprocessed"


@pytest.fixture
async def events(owner: Any) -> AsyncIterator[Any]:
    """Stores events of Wave, and forgets them."""

    async def store(number: int, error: str | None, *, processed: bool = False) -> None:
        await owner.execute(
            "INSERT INTO donations.wave_webhook_events (wave_event_id, event_type, raw_payload, processing_error, processed_at)"
            " SELECT 'EV_' || gen_random_uuid(), 'checkout.session.completed', '{}', $2, CASE WHEN $3 THEN now() END"
            " FROM generate_series(1, $1)",
            number, error, processed,
        )  # fmt: skip

    await owner.execute("DELETE FROM donations.wave_webhook_events")
    yield store
    await owner.execute("DELETE FROM donations.wave_webhook_events")


def shown(running: Any, error: str) -> float | None:
    value: float | None = running.metrics.registry.get_sample_value(GAUGE, {"error": error})
    return value


async def test_unprocessed_events_are_counted(services: Any, events: Any) -> None:
    assert await unprocessed(services) == {"true": 0, "false": 0}

    await events(3, "It names no checkout.")
    await events(2, None)
    await events(4, None, processed=True)

    assert await unprocessed(services) == {"true": 3, "false": 2}


async def test_it_is_counted_by_an_index_alone_of_those(owner: Any, events: Any) -> None:
    await events(3000, None, processed=True)
    await events(3, "It names no checkout.")
    await owner.execute("ANALYZE donations.wave_webhook_events")

    plan = await owner.fetch(
        "EXPLAIN SELECT processing_error IS NOT NULL, count(*) FROM donations.wave_webhook_events"
        " WHERE processed_at IS NULL GROUP BY 1"
    )

    assert "ix_wave_webhook_events_unprocessed" in "".join(row[0] for row in plan)


async def test_a_worker_shows_it_and_again_when_it_has_changed(
    working: Working, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "GAUGE_INTERVAL", 0.2)
    await events(2, "It names no checkout.")

    # The port is opened by the command alone.
    async with working(worker_metrics_port=1) as running:

        async def shows(count: int) -> bool:
            return shown(running, "true") == count

        await until(lambda: shows(2))
        assert shown(running, "false") == 0
        await events(1, "It names no checkout.")
        await until(lambda: shows(3))


async def test_what_cannot_be_counted_is_not_shown(
    working: Working, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "GAUGE_INTERVAL", 0.2)
    called = []

    async def broken(services: Any) -> dict[str, int]:
        called.append(services)
        raise ConnectionError("away")

    async with working(worker_metrics_port=1) as running:

        async def shows(value: float | None) -> bool:
            return shown(running, "true") == value

        await until(lambda: shows(0))
        (counted,) = [each for each in gauges.gauge_definitions() if each.name == GAUGE]
        monkeypatch.setitem(
            gauges._known, GAUGE, gauges.GaugeDefinition(GAUGE, counted.label, counted.description, broken)
        )
        await until(lambda: shows(None))

    assert called


def test_the_worker_knows_the_jobs_of_all_rules() -> None:
    written = {
        mark.args[0].value
        for path in (ROOT / "resolvers").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") in ("job", "scheduled")
        if isinstance(mark.args[0], ast.Constant)
    }
    for module in modules_with_jobs():
        import_module(module)

    assert "refunds.send_refund" in written
    assert written - {job.name for job in jobs_of()} == set()
