"""`lango reconcile`: our books against a provider's statement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from lango.cli.console import err, fail, out, step
from lango.cli.database import as_owner, database
from lango.db.roles import OWNER
from lango.providers.errors import BadProvider, ProviderError
from lango.providers.mpesa import MPESA, MpesaSettings
from lango.providers.mpesa.client import StatementLine
from lango.providers.mpesa.statements import exported
from lango.providers.payloads import BadPayload
from lango.settings import Settings

if TYPE_CHECKING:
    from resolvers.treasury.reconciliation import Finding


def mpesa(day: date, files: Sequence[Path]) -> None:
    with database(serving=False) as current:
        begin, end = bounds(current, day)
        with step(f"M-Pesa on {day}"):
            lines = [line for file in files for line in lines_in(current, file)]
            found = asyncio.run(findings(current, lines if files else None, begin, end))
    zone = current.section(MpesaSettings).time_zone
    for each in found:
        amounts = " / ".join(f"{amount:f}" for amount in (each.ours, each.theirs) if amount is not None)
        at = f"{each.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        out.print(escape(f"{each.difference.value:<14} {each.receipt:<12} {amounts:>14} {at}  {each.way}"))
    if found:
        fail(f"{len(found)} receipts do not agree.")
    err.print("[green]✓[/] our books and M-Pesa's statement agree")


def bounds(current: Settings, day: date) -> tuple[datetime, datetime]:
    """A day of M-Pesa's zone."""
    zone = current.section(MpesaSettings).time_zone
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


def lines_in(current: Settings, file: Path) -> list[StatementLine]:
    """The lines of a statement that M-Pesa's portal has exported."""
    try:
        return exported(file.read_text(encoding="utf-8"), current.section(MpesaSettings).time_zone)
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    except (BadPayload, UnicodeDecodeError) as error:
        fail(f"{file} is no statement of M-Pesa: {error}")


async def findings(
    current: Settings, lines: list[StatementLine] | None, begin: datetime, end: datetime
) -> Sequence[Finding]:
    """Over one snapshot, as the owner; the rules may go on meanwhile. Without lines M-Pesa gives them."""
    from resolvers.treasury.reconciliation import reconcile

    # Its own interface tells only what came.
    what_went = lines is not None
    if lines is None:
        lines = await pulled(current, begin, end)
    async with as_owner(current) as connection:
        # Reported in a line where there are no tables yet.
        await connection.fetchval("SELECT 1 FROM treasury.mpesa_receipts LIMIT 1")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(f"SET LOCAL ROLE {OWNER}; SET LOCAL statement_timeout = 0")
            return await reconcile(connection, lines, begin, end, what_went=what_went)


async def pulled(current: Settings, begin: datetime, end: datetime) -> list[StatementLine]:
    async with AsyncExitStack() as closing:
        try:
            return await MPESA.make(current, closing).statement(begin, end)
        except (BadProvider, ProviderError) as error:
            fail(f"There is no statement: {error}. Give a file that M-Pesa's portal has exported with --statement.")
