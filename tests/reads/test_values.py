"""What a transaction reads: each value as the driver would read it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import RFC_4122, UUID, uuid4

import pytest
from sqlalchemy import URL

from lango.actor import Actor
from lango.db.ids import new_id
from lango.db.postgres import open_connection
from lango.db.prepared import Query, as_it_is
from lango.db.transaction import acting_as
from lango.settings import Settings
from models.redemption import QrCode, QrCodeStatus
from tests.reads.conftest import Pool
from tests.reads.test_pipeline import VALUES

WRITTEN = [
    "'infinity'::timestamp", "'-infinity'::timestamp", "'infinity'::date", "'-infinity'::date",
    "'2026-03-01 12:00:00.5+02'::timestamptz", "'2026-03-01 12:00'::timestamp", "'\\x00ff'::bytea", "1.5::float8",
    "'NaN'::numeric", "'x'::char(3)", "'x'::name", "7::oid", "7::int2", "ARRAY[]::text[]", "ARRAY[NULL, 'NULL', 'null']",
    "ARRAY['a,b', '{c}', 'd\"e', 'f\\g', '', ' ']", "ARRAY[ARRAY[1, 2], ARRAY[3, NULL]]", "ARRAY['a', 'b']",
    "ARRAY['2026-03-01 12:00+02'::timestamptz, NULL]", "ARRAY[true, false, NULL]", "'192.0.2.1'::inet", "'192.0.2.0/24'::cidr",
]  # fmt: skip


async def read(pool: Pool, *statements: tuple[str, list[Any]]) -> list[Any]:
    async with acting_as(pool, Actor(uuid4()), read_only=True) as tx:
        found = await tx.fetch(*(Query(sql, values, writes=False, read=as_it_is) for sql, values in statements))
    return [rows[0][0] for rows in found]


def shown(value: Any) -> str:
    """A value with its type; of a number its digits, and not with how many of them an exponent begins."""
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)


@pytest.mark.parametrize(("kind", "values"), [each for each in VALUES if "json" not in each[0]])
async def test_values_come_back_as_the_driver_reads_them(
    pool: Pool, address: URL, settings: Settings, kind: str, values: list[Any]
) -> None:
    sql = f"SELECT $1::{kind}"
    driver = await open_connection(address, settings)
    try:
        theirs = [await driver.fetchval(sql, value) for value in values]
    finally:
        await driver.close()

    ours = await read(pool, *((sql, [value]) for value in values))

    assert list(map(shown, ours)) == list(map(shown, theirs))
    # Again, now that it is known how the rows are read.
    assert await read(pool, (sql, values[:1])) == theirs[:1]


@pytest.mark.parametrize("written", WRITTEN)
async def test_what_sql_writes_is_read_as_the_driver_reads_it(
    pool: Pool, address: URL, settings: Settings, written: str
) -> None:
    driver = await open_connection(address, settings)
    try:
        theirs = await driver.fetchval(f"SELECT {written}")
    finally:
        await driver.close()

    assert list(map(repr, await read(pool, (f"SELECT {written}", [])))) == [repr(theirs)]


async def test_an_infinite_moment_has_a_zone_as_any_other(pool: Pool) -> None:
    moments = await read(pool, ("SELECT 'infinity'::timestamptz", []), ("SELECT '-infinity'::timestamptz", []))

    assert moments == [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)]


async def test_rows_of_several_columns_with_nulls(pool: Pool) -> None:
    async with acting_as(pool, Actor(uuid4()), read_only=True) as tx:
        sql = "SELECT n, nullif(n, 2), repeat('é', n), ARRAY[n] FROM generate_series(1, 3) AS n"
        (rows,) = await tx.fetch(Query(sql, [], writes=False, read=as_it_is))

    assert rows == [(1, 1, "é", [1]), (2, None, "éé", [2]), (3, 3, "ééé", [3])]


def test_a_new_id_is_a_random_uuid() -> None:
    ids = [UUID(str(new_id())) for _ in range(1_000)]

    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}
    assert len(set(ids)) == len(ids)
    # All other bits differ from one to the next.
    varied = 0
    for each in ids:
        varied |= each.int ^ ids[0].int
    assert varied == (2**128 - 1) & ~0xF000_C000_0000_0000_0000


def test_a_new_row_takes_its_columns_and_nothing_else() -> None:
    code = QrCode(id=(key := new_id()), status=QrCodeStatus.ISSUED)

    assert (code.id, code.status, code.redeemed_at) == (key, QrCodeStatus.ISSUED, None)
    with pytest.raises(TypeError, match="'colour'"):
        QrCode(colour="red")
