"""`lango ledger`: whether the money adds up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from lango.cli.console import err, fail, out, step
from lango.cli.database import as_owner, database
from lango.db.roles import OWNER
from lango.settings import Settings

if TYPE_CHECKING:
    from resolvers.ledger.ledger import Difference


def verify() -> None:
    with database(serving=False) as current, step("ledger"):
        differences = asyncio.run(differences_in(current))
    for each in differences:
        out.print(f"[red]✗[/] {escape(f'{each.what} {each.key}')}: {each.stored}, but the entries make {each.proved}")
    if differences:
        fail(f"The ledger does not add up in {len(differences)} places.")
    err.print("[green]✓[/] the ledger adds up")


async def differences_in(current: Settings) -> Sequence[Difference]:
    """Over one snapshot, as the owner, without a limit of time: the rules may go on meanwhile."""
    from resolvers.ledger.ledger import verify

    async with as_owner(current) as connection:
        # Reported in a line where there are no tables yet.
        await connection.fetchval("SELECT 1 FROM ledger.ledger_entries LIMIT 1")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(f"SET LOCAL ROLE {OWNER}; SET LOCAL statement_timeout = 0")
            return await verify(connection)
