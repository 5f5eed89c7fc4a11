"""What the till does at every scan is planned once."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from resolvers.redemption import till

CODES = """
    INSERT INTO redemption.qr_codes (pot_id, pack_id, code, redeemable_from, expires_at, price_cfa)
    SELECT gen_random_uuid(), gen_random_uuid(), 'planned ' || n, now(), now() + interval '1 day', 1
    FROM generate_series(1, 5000) n
"""
# PostgreSQL plans anew for the values of the first five, and compares.
SCANS = 8


@pytest.mark.parametrize("lookup", [till.CODE, till.LOCKED_CODE], ids=["looked at", "redeemed"])
async def test_a_code_is_looked_up_by_a_plan_that_is_kept(lookup: Any, owner: asyncpg.Pool[Any]) -> None:
    async with owner.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("RESET ROLE; SET LOCAL session_replication_role = replica")
        await connection.execute(CODES)
        await connection.execute("ANALYZE redemption.qr_codes; SET LOCAL ROLE lango_rules")
        statement = await connection.prepare(lookup._statement.sql)
        for n in range(SCANS):
            await statement.fetch(f"planned {n + 1}", f"planned {n + 1}")

        kept = await connection.fetchval(
            "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1", lookup._statement.sql
        )

        await transaction.rollback()
    assert kept == SCANS - 5
