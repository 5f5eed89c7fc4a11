"""One person's movements of coins: a table with a column of almost every kind, of which each caller sees their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from hypothesis import strategies as st

from models.identity import User
from tests.factories import Factory

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = (
    "id", "user_id", "amount", "currency", "transaction_type", "status", "timestamp", "confirmations", "block_number",
    "gas_price", "category", "metadata", "created_at",
)  # fmt: skip

amounts = st.decimals("-1000", "1000", places=8) | st.sampled_from([Decimal(0), Decimal("0.00000001"), Decimal(7)])
coins = st.fixed_dictionaries(
    {
        "amount": amounts,
        "currency": st.sampled_from(["BTC", "ETH", "USDC"]),
        "status": st.sampled_from(["pending", "confirmed", "failed"]),
        "timestamp": st.integers(0, 5).map(lambda micros: START + timedelta(microseconds=micros)),
        "confirmations": st.integers(0, 3),
        "block_number": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2),
        "gas_price": st.none() | amounts | st.just(Decimal(1)),
        "category": st.none() | st.text("ab%_\\", max_size=3),
    }
)


async def with_coins(make: Factory, owner: asyncpg.Pool[Any], rows: list[dict[str, Any]]) -> SimpleNamespace:
    """Somebody new, `.coins` being the rows as they are stored."""
    somebody = await make(User)
    usual = {
        "amount": Decimal(1), "currency": "BTC", "transaction_type": "deposit", "status": "pending", "timestamp": START,
        "confirmations": 0, "block_number": None, "gas_price": None, "category": None, "metadata": None,
        "created_at": START,
    }  # fmt: skip
    stored = [{"id": uuid4(), "user_id": somebody.id} | usual | row for row in rows]
    places = ", ".join(f"${index + 1}" for index in range(len(COLUMNS)))
    await owner.executemany(
        f"INSERT INTO trading.crypto_transactions ({', '.join(COLUMNS)}) VALUES ({places})",
        [tuple(row[name] for name in COLUMNS) for row in stored],
    )
    somebody.coins = stored
    return somebody


def ordered(rows: list[dict[str, Any]], order: list[tuple[str, str]]) -> list[UUID]:
    """The ids in an order of (column, SortDirection), as the API promises it: null last unless the order says otherwise, the id at the end."""
    descending = order[-1][1].startswith("DESC") if order else True
    keys = [*(order or [("created_at", "DESC")]), ("id", "DESC" if descending else "ASC")]
    listed = list(rows)
    for column, direction in reversed(keys):
        nulls = [row for row in listed if row[column] is None]
        values = [row for row in listed if row[column] is not None]
        values.sort(key=lambda row, column=column: row[column], reverse=direction.startswith("DESC"))
        listed = nulls + values if direction.endswith("NULLS_FIRST") else values + nulls
    return [row["id"] for row in listed]
