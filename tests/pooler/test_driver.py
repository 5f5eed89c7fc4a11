"""What statements are called, and which connections are not used."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text

from lango.actor import Actor
from lango.db.driver import digest
from lango.db.pipeline import make_pipeline
from lango.db.postgres import connect, open_connection, secure_url
from lango.db.transaction import acting_as
from lango.settings import Settings

NAMES = "SELECT name, statement FROM pg_prepared_statements WHERE statement LIKE '%named for this%'"


async def test_a_statement_is_called_after_its_text(gateway_url: str, settings: Settings) -> None:
    found: list[list[asyncpg.Record]] = []
    for _ in range(2):
        connection = await connect(gateway_url, settings)
        try:
            for sql in ("SELECT 'named for this'", "SELECT 'also named for this'"):
                await connection.fetchval(sql)
                # The same text twice on one connection, as SQLAlchemy and the driver's own cache have it.
                kept = await connection.prepare(sql)
                await kept.fetchval()
                await connection.fetchval(f"{sql} /* {'x' * 20_000} */")
            found.append(await connection.fetch(NAMES))
        finally:
            await connection.close()

    names = [row["name"] for rows in found for row in rows]
    assert len(found[0]) == len(found[1]) >= 6
    assert len(set(names)) == len(names)
    assert all(row["name"].startswith(digest(row["statement"])) for rows in found for row in rows)
    # PostgreSQL cuts longer names off.
    assert max(map(len, names)) < 63


async def test_those_of_rules_are_too(gateway_url: str, settings: Settings) -> None:
    pipeline = make_pipeline(gateway_url, settings, pool_size=1)
    try:
        async with acting_as(pipeline, Actor()) as tx:
            await tx.execute(text("SELECT 'named for this', CAST(:x AS text)"), {"x": "y"})
            rows = (await tx.execute(text(NAMES))).all()
    finally:
        pipeline.close()

    assert rows
    assert all(name.startswith(digest(statement)) for name, statement in rows)


async def test_a_connection_that_cannot_be_pinned_is_closed(gateway_url: str, settings: Settings) -> None:
    with pytest.raises(asyncpg.UndefinedObjectError):
        await open_connection(secure_url(gateway_url, settings), settings, {"no_such_setting": "1"})
