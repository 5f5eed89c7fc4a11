"""The big append-only tables lie in months, counted in UTC whatever the time zone of whoever makes or fills them."""

from __future__ import annotations

from datetime import date
from typing import Any

import asyncpg
import pytest

from models.base import models

PARENTS = [model.table() for model in models() if model.__partitioned_by__]
ZONES = ["UTC", "Africa/Nairobi", "America/Los_Angeles"]
SPRING = date(2031, 3, 1), date(2031, 5, 1)


async def partitions(db: asyncpg.Connection[Any]) -> list[tuple[str, str]]:
    rows = await db.fetch(
        "SELECT c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c"
        " WHERE c.relispartition AND c.relkind = 'r' AND c.relname LIKE '%_y2031m%' ORDER BY 1"
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("zone", ZONES)
async def test_made_once_and_for_the_months_of_utc(zone: str, db: asyncpg.Connection[Any]) -> None:
    await db.execute(f"SET LOCAL timezone = '{zone}'; SET LOCAL ROLE lango_worker")
    await db.execute("SELECT lango.make_partitions($1, $2)", *SPRING)
    await db.execute("SET LOCAL timezone = 'UTC'")
    made = await partitions(db)

    await db.execute("SELECT lango.make_partitions($1, $2)", *SPRING)

    bounds = {
        "03": "FOR VALUES FROM ('2031-03-01 00:00:00+00') TO ('2031-04-01 00:00:00+00')",
        "04": "FOR VALUES FROM ('2031-04-01 00:00:00+00') TO ('2031-05-01 00:00:00+00')",
        "05": "FOR VALUES FROM ('2031-05-01 00:00:00+00') TO ('2031-06-01 00:00:00+00')",
    }
    names = sorted(f"{table}_y2031m{month}" for table in map(str, PARENTS) for month in bounds)
    assert sorted(made) == [(name, bounds[name[-2:]]) for name in names]
    assert await partitions(db) == made


async def test_each_is_as_closed_as_its_parent(db: asyncpg.Connection[Any]) -> None:
    await db.execute("SELECT lango.make_partitions($1, $2)", *SPRING)

    open_ones = await db.fetch(
        "SELECT c.oid::regclass FROM pg_class c, unnest(ARRAY['lango_anonymous', 'lango_member', 'lango_staff',"
        " 'lango_rules', 'lango_worker']) role WHERE c.relispartition AND c.relkind = 'r'"
        " AND (NOT c.relrowsecurity OR has_any_column_privilege(role, c.oid, 'SELECT, INSERT, UPDATE')"
        " OR has_table_privilege(role, c.oid, 'DELETE, TRUNCATE'))"
    )

    assert open_ones == []


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("moment", "month"),
    [
        ("2031-03-31 23:59:59.999999+00", "m03"),
        ("2031-04-01 00:00:00+00", "m04"),
        ("2031-04-01 02:59:59+03", "m03"),
        ("2031-03-31 17:00:00-07", "m04"),
    ],
)
async def test_a_row_lies_in_its_month(zone: str, moment: str, month: str, db: asyncpg.Connection[Any]) -> None:
    await db.execute(f"SET LOCAL timezone = '{zone}'")
    await db.execute("SELECT lango.make_partitions($1, $2)", *SPRING)

    where = await db.fetchval(
        "INSERT INTO platform.outbox_events (topic, key, payload, created_at)"
        f" VALUES ('t', 'k', '{{}}', '{moment}') RETURNING tableoid::regclass::text"
    )

    assert where == f"platform.outbox_events_y2031{month}"


async def test_a_row_of_no_month_is_refused_and_keeps_no_month_from_being_made(db: asyncpg.Connection[Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="no partition"):
        async with db.transaction():
            await db.execute(
                "INSERT INTO platform.outbox_events (topic, key, payload, created_at) VALUES ('t', 'k', '{}', '2190-01-01')"
            )

    await db.execute("SELECT lango.make_partitions('2190-01-01', '2190-01-01')")
