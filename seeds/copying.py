"""Rows into tables by COPY: gathered by model, written parents first, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import asyncpg
import orjson
from sqlalchemy import ARRAY
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import sort_tables_and_constraints

from models.base import Base, models

WAYS_BACK = frozenset({"crypto_trades.escrow_id", "crypto_trades.dispute_id", "crypto_trades.transaction_id"})
# Rows kept in memory before they are written. A few kilobytes each at most.
ENOUGH = 60_000


class Rows:
    """Rows that wait to be written.

    A column that is not named gets its server default; `created_at`, where it is not given, the load's day, and
    `updated_at` what `created_at` got. `now()` is never used: the same day gives the same rows.
    """

    def __init__(self, connection: asyncpg.Connection[Any], today: datetime) -> None:
        self.connection = connection
        self.today = today
        self.written = 0
        self._waiting: dict[type[Base], list[tuple[Any, ...]]] = {}
        self._count = 0
        self._makers: dict[type[Base], Callable[[dict[str, Any]], tuple[Any, ...]]] = {}

    def put(self, model: type[Base], **values: Any) -> None:
        """Add a row, by the names of its columns in the database."""
        make = self._makers.get(model)
        if make is None:
            make = self._makers[model] = _maker(model, self.today)
        self._waiting.setdefault(model, []).append(make(values))
        self._count += 1

    async def flush_if_many(self) -> None:
        """To be called where no row waits for its parent."""
        if self._count >= ENOUGH:
            await self.flush()

    async def flush(self) -> None:
        """Write all that waits, parents before children."""
        for model in _in_order():
            if records := self._waiting.pop(model, None):
                await self._copy(model, records)
                self.written += len(records)
        self._count = 0

    async def _copy(self, model: type[Base], records: Iterable[tuple[Any, ...]]) -> None:
        table = model.table()
        await self.connection.copy_records_to_table(
            table.name,
            schema_name=table.schema,
            columns=[column.name for column in _columns(model)],
            records=records,
        )


def json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()


def tables() -> list[type[Base]]:
    """Every model that is a table."""
    return [model for model in models() if model.__face__ is None]


@cache
def _in_order() -> list[type[Base]]:
    """Parents before children. A trade names what names it; those columns of its own are filled in afterwards."""
    by_table = {model.table(): model for model in tables()}
    sort: Callable[..., Any] = sort_tables_and_constraints
    ordered = sort(
        by_table,
        filter_fn=lambda key: (
            True if WAYS_BACK.issuperset(f"{key.table.name}.{name}" for name in key.column_keys) else None
        ),
    )
    return [by_table[table] for table, _ in ordered if table is not None]


def _columns(model: type[Base]) -> list[Any]:
    return [column for column in model.table().columns if column.identity is None and column.computed is None]


def _maker(model: type[Base], today: datetime) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """What turns named values into a record. It refuses a name that is no column."""
    columns = _columns(model)
    names = [str(column.name) for column in columns]
    known = frozenset(names)
    defaults = {column.name: _default(column, today) for column in columns}
    json_names = [str(column.name) for column in columns if isinstance(column.type, JSONB)]
    touched = "updated_at" in known and "created_at" in known

    def make(values: dict[str, Any]) -> tuple[Any, ...]:
        if not known.issuperset(values):
            raise KeyError(f"{model.__name__} has no columns {sorted(values.keys() - known)}")
        whole = defaults | values
        for name in json_names:
            # A default is text already.
            if name in values:
                whole[name] = json(values[name])
        if touched and "updated_at" not in values:
            whole["updated_at"] = whole["created_at"]
        return tuple([whole[name] for name in names])

    return make


def _default(column: Any, today: datetime) -> Any:
    """The server default as a value."""
    default = column.server_default
    if default is None:
        return None
    written = str(default.arg.text)
    if isinstance(column.type, ARRAY):
        # ARRAY['a', 'b']::text[] or '{}'
        return [part.strip(" '") for part in written.partition("[")[2].partition("]")[0].split(",") if part.strip(" '")]
    kind = column.type.python_type
    if written.startswith("'"):
        text = written.strip("'")
        return kind.fromisoformat(text) if hasattr(kind, "fromisoformat") else text
    if written in ("true", "false"):
        return written == "true"
    if written.replace(".", "").isdigit():
        return Decimal(written) if kind is Decimal else int(written)
    if kind is datetime:
        return today
    # CURRENT_DATE; a key has to be given.
    return today.date() if "CURRENT_DATE" in written else None
