"""Postings of the past: entries bear the time at which their transaction began, and nothing changes them later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg

COLUMNS = {"user": ("treasury.user_balances", "user_id"), "dao": ("treasury.dao_treasuries", "dao_id")}


@dataclass
class Past:
    """Posts as rules would have, at another time."""

    owner: asyncpg.Pool[Any]

    async def moves(
        self, at: datetime, debit: str, credit: str, amount: str, currency: str = "KES", *, kind: str = "gift",
        of: tuple[str, UUID] | None = None,
    ) -> UUID:  # fmt: skip
        """So much from one account to another: `moves(at, "provider:bank", f"user:{id}:available", "100")`.

        The columns of users' balances and of treasuries follow. Gives the id of the ledger transaction.
        """
        about, about_id = of or ("test", uuid4())
        async with self.owner.acquire() as connection, connection.transaction():
            made: UUID = await connection.fetchval(
                "INSERT INTO ledger.ledger_transactions (kind, reference_type, reference_id, created_at)"
                " VALUES ($1, $2, $3, $4) RETURNING id",
                kind, about, about_id, at,
            )  # fmt: skip
            for code, signed in ((debit, Decimal(amount)), (credit, -Decimal(amount))):
                account = await self._account(connection, code, currency)
                await connection.execute(
                    "INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount, created_at)"
                    " VALUES ($1, $2, $3, $4)",
                    made, account, signed, at,
                )  # fmt: skip
        return made

    async def _account(self, connection: Any, code: str, currency: str) -> Any:
        owner_type, _, rest = code.partition(":")
        owner_id = UUID(rest.partition(":")[0]) if owner_type in COLUMNS else None
        kind = "asset" if owner_type == "provider" else "liability"
        return await connection.fetchval(
            "INSERT INTO ledger.ledger_accounts (code, kind, owner_type, owner_id, currency)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (code) DO UPDATE SET code = excluded.code RETURNING id",
            f"{code}:{currency}", kind, owner_type, owner_id, currency,
        )  # fmt: skip

    async def proves(self, owner: Any, *, is_dao: bool = False) -> None:
        """Have the columns of somebody's balances, or of a DAO's treasury, say what was posted."""
        table, column = COLUMNS["dao" if is_dao else "user"]
        parts = ("available", "allocated", "reserve") if is_dao else ("available", "pending", "locked")
        word = "dao" if is_dao else "user"
        held = {
            part: "coalesce((SELECT -sum(e.amount) FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a"
            f" ON a.id = e.account_id WHERE a.code = '{word}:' || r.{column} || ':{part}:' || r.currency), 0)"
            for part in parts
        }
        sets = ", ".join(f"{part}_balance = {sql}" for part, sql in held.items())
        await self.owner.execute(
            f"UPDATE {table} r SET {sets}, total_balance = {' + '.join(held.values())} WHERE r.{column} = $1", owner.id
        )
