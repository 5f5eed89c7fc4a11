"""Idempotency keys go when their day is over; those of calls that still run stay."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from resolvers.kernel import idempotency
from resolvers.kernel.idempotency import delete_expired_keys

PUT = (
    "INSERT INTO platform.idempotency_keys (scope, operation, key, request_hash, expires_at)"
    " SELECT 'test', 'op', $1 || n, '', now() + $2::interval FROM generate_series(1, $3::int) n"
)


async def left(owner: asyncpg.Pool[Any]) -> list[str]:
    rows = await owner.fetch("SELECT key FROM platform.idempotency_keys WHERE scope = 'test' ORDER BY key")
    return [row["key"] for row in rows]


async def test_keys_are_deleted_after_their_time(
    services: Services, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    monkeypatch.setattr(idempotency, "AT_ONCE", 4)
    for key, age, count in (("old", -25, 3), ("claimed", -25, 1), ("margin", -0.5, 1), ("living", 5, 1)):
        await owner.execute(PUT, key, timedelta(hours=age), count)
    try:
        async with owner.acquire() as connection, connection.transaction():
            # A call that has claimed an expired key anew is still running.
            await connection.execute("UPDATE platform.idempotency_keys SET created_at = now() WHERE key = 'claimed1'")
            await delete_expired_keys(services)

            assert await left(owner) == ["claimed1", "living1", "margin1"]
    finally:
        await owner.execute("DELETE FROM platform.idempotency_keys WHERE scope = 'test'")
