"""What is written once stays as it was written, whoever asks."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from models.base import Base, models
from tests.factories import Factory
from tests.triggers.refusals import APPEND_ONLY, NOT_GRANTED, refusal

WRITTEN_ONCE = [model for model in models() if model.__append_only__]


def test_the_ledger_the_audit_log_and_the_redemption_log_are_written_once() -> None:
    assert {"LedgerTransaction", "LedgerEntry", "AuditLog", "QrRedemptionLog"} <= {m.__name__ for m in WRITTEN_ONCE}


@pytest.mark.parametrize("model", WRITTEN_ONCE, ids=lambda model: model.__name__)
async def test_no_row_is_changed_or_deleted(model: type[Base], db: asyncpg.Connection[Any], make: Factory) -> None:
    row, table = await make(model), model.table()
    column = next(column.name for column in table.columns if not column.primary_key and not column.identity)
    changes = f"UPDATE {table} SET {column} = {column} WHERE id = $1", f"DELETE FROM {table} WHERE id = $1"

    said = {
        role: [await as_role(db, role, change, row.id) for change in changes]
        for role in ("lango_owner", "lango_rules", "lango_worker", "lango_staff", "lango_member", "lango_anonymous")
    }

    assert said.pop("lango_owner") == [APPEND_ONLY] * 2
    assert {code for codes in said.values() for code in codes} == {NOT_GRANTED}


async def test_a_partition_is_no_way_around(db: asyncpg.Connection[Any], make: Factory) -> None:
    from models.admin import AuditLog

    row = await make(AuditLog)
    partition = await db.fetchval("SELECT tableoid::regclass::text FROM admin.audit_logs WHERE id = $1", row.id)

    assert partition != "admin.audit_logs"
    assert await refusal(db, f"DELETE FROM {partition} WHERE id = $1", row.id) == APPEND_ONLY
    assert await refusal(db, f"UPDATE {partition} SET reason = 'none' WHERE id = $1", row.id) == APPEND_ONLY
    assert await as_role(db, "lango_rules", f"DELETE FROM {partition} WHERE id = $1", row.id) == NOT_GRANTED


@pytest.mark.parametrize("role", ["lango_staff", "lango_member", "lango_anonymous"])
async def test_readers_write_no_audit_row(role: str, db: asyncpg.Connection[Any]) -> None:
    insert = "INSERT INTO admin.audit_logs (actor_type, action, resource_type) VALUES ('user', 'forged', 'user')"
    assert await as_role(db, role, insert) == NOT_GRANTED


async def as_role(db: asyncpg.Connection[Any], role: str, statement: str, *values: Any) -> str | None:
    savepoint = db.transaction()
    await savepoint.start()
    await db.execute(f"SET LOCAL ROLE {role}")
    said = await refusal(db, statement, *values)
    await savepoint.rollback()
    return said
