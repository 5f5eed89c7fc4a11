"""A row that was written, changed or deleted is named, and nothing else is."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from models.base import models
from models.platform import DueFailure
from models.pots import Pot
from tests.changes import LEFT_OUT, TABLES, Changes
from tests.factories import Factory

EVENT = "INSERT INTO platform.outbox_events (topic, key, payload) VALUES ('pot.updated', 'K', '{}')"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        # In a table that is audited: the sum of the table is what it was.
        ("UPDATE pots.pots SET status = 'closed' WHERE id = $1", "pot_updated"),
        ("UPDATE pots.pots SET title = 'Another' WHERE id = $1", "pot_updated"),
        ("DELETE FROM pots.pots WHERE id = $1", "pot_deleted"),
        # In tables that are not.
        (EVENT, "pot.updated"),
        ("UPDATE platform.due_failures SET attempts = attempts + 1", "platform.due_failures has {"),
        ("DELETE FROM platform.due_failures", "platform.due_failures has 1 fewer"),
    ],
)
async def test_what_has_changed_is_named(
    owner: asyncpg.Pool[Any], make: Factory, changes: Changes, statement: str, named: str
) -> None:
    pot = await make(Pot)
    await owner.execute("DELETE FROM platform.due_failures")
    await make(DueFailure)
    before = await changes.mark()

    await owner.execute(statement, *([pot.id] if "$1" in statement else []))

    (change,) = await changes.since(before)
    assert named in change


async def test_what_was_looked_at_locked_or_rolled_back_has_not_changed(
    owner: asyncpg.Pool[Any], make: Factory, changes: Changes
) -> None:
    pot = await make(Pot)
    before = await changes.mark()

    async with owner.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetch("SELECT FROM pots.pots WHERE id = $1 FOR UPDATE", pot.id)
        await connection.execute(EVENT)
        await transaction.rollback()
    async with owner.acquire() as connection, connection.transaction():
        await connection.fetch("SELECT FROM pots.pots WHERE id = $1 FOR UPDATE", pot.id)
        await connection.execute("UPDATE pots.pots SET title = title WHERE id = $1", pot.id)

    assert await changes.since(before) == []


async def test_a_test_may_name_what_a_refusal_does_write(
    owner: asyncpg.Pool[Any], make: Factory, changes: Changes
) -> None:
    before = await changes.mark()

    await owner.execute(EVENT)

    assert await changes.since(before, but=("platform.outbox_events",)) == []


def test_every_table_is_audited_or_looked_at() -> None:
    unaudited = {f"{model.table().schema}.{model.table().name}" for model in models() if model.__unaudited__}

    left_out = unaudited - set(TABLES)

    assert left_out == {f"{model.table().schema}.{model.table().name}" for model in LEFT_OUT}
