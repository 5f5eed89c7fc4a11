"""What has changed in the database: a refusal leaves every row as it was, and adds none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from models.admin import AuditLog
from models.base import Base, models
from models.platform import IdempotencyKey, ScheduledRun
from models.usage import ApiUsage

# The audit log is looked at by itself. The others are written whatever comes of a call.
LEFT_OUT: tuple[type[Base], ...] = (AuditLog, IdempotencyKey, ScheduledRun, ApiUsage)
# The changes of all other tables are in the audit log.
TABLES = (
    *(f"{model.table().schema}.{model.table().name}" for model in models() if model.__unaudited__ and model not in LEFT_OUT),
    "jobs.pgqueuer",
)  # fmt: skip
# A row's version is younger than the mark when the transaction that wrote it began after it.
YOUNGER = "age({}.xmin) <= age($1::text::xid)"
MARK = "SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text"
# Where the day's partitions have many rows, only the last ones are looked at.
AUDITED = f"""
    SELECT action, coalesce(resource_id::text, metadata ->> 'pk') AS key, old_values, new_values
    FROM admin.audit_logs a WHERE created_at > $2::timestamptz - interval '1 minute' AND {YOUNGER.format("a")}
    ORDER BY created_at, action
"""
WRITTEN = " UNION ALL ".join(
    f"SELECT '{table}' AS table, to_jsonb(t)::text AS row FROM {table} t WHERE {YOUNGER.format('t')}"
    for table in TABLES
)
COUNTED = " UNION ALL ".join(f"SELECT '{table}' AS table, count(*) AS rows FROM {table}" for table in TABLES)


@dataclass(frozen=True)
class Mark:
    """A moment of the database: its next transaction, its time, and how many rows there were."""

    xid: str
    at: Any
    counted: dict[str, int]


class Changes:
    """`before = await changes.mark()`, and later `assert await changes.since(before) == []`."""

    def __init__(self, owner: asyncpg.Pool[Any]) -> None:
        self.owner = owner

    async def mark(self) -> Mark:
        row = await self.owner.fetchrow(f"SELECT ({MARK}) AS xid, clock_timestamp() AS at")
        return Mark(row["xid"], row["at"], await self._counted())

    async def _counted(self) -> dict[str, int]:
        return {row["table"]: row["rows"] for row in await self.owner.fetch(COUNTED)}

    async def since(self, mark: Mark, *, but: tuple[str, ...] = ()) -> list[str]:
        """Every row that was written or deleted, in words; but for those of tables that a test names."""
        audited = await self.owner.fetch(AUDITED, mark.xid, mark.at)
        written = [row for row in await self.owner.fetch(WRITTEN, mark.xid) if row["table"] not in but]
        fewer = {table: mark.counted[table] - rows for table, rows in (await self._counted()).items()}
        return [
            *(f"{row['action']} {row['key']}: {row['old_values']} -> {row['new_values']}" for row in audited),
            *(f"{row['table']} has {row['row']}" for row in written),
            *(f"{table} has {rows} fewer" for table, rows in fewer.items() if rows > 0 and table not in but),
        ]
