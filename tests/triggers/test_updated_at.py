"""`updated_at` is the database's: it moves with every change, whatever the statement says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from models.base import Base, models
from tests.factories import Factory

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
TOUCHED = [model for model in models() if model.__face__ is None and "updated_at" in model.table().c]


@pytest.mark.parametrize("model", TOUCHED, ids=lambda model: model.__name__)
async def test_a_change_moves_it(model: type[Base], db: asyncpg.Connection[Any], make: Factory) -> None:
    await make(model, updated_at=LONG_AGO)
    column = "updated_at" if "created_at" not in model.table().c else "created_at"

    moved = await db.fetch(
        f"UPDATE {model.table()} SET {column} = {column} - interval '1 hour' WHERE updated_at = $1"
        " RETURNING updated_at = now()",
        LONG_AGO,
    )

    assert [tuple(row) for row in moved] == [(True,)]


async def test_an_update_that_changes_nothing_leaves_it(db: asyncpg.Connection[Any], make: Factory) -> None:
    from models.pots import Pot

    pot = await make(Pot, updated_at=LONG_AGO)

    await db.execute("UPDATE pots.pots SET title = title WHERE id = $1", pot.id)

    assert await db.fetchval("SELECT updated_at FROM pots.pots WHERE id = $1", pot.id) == LONG_AGO
