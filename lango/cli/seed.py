"""`lango seed`: demo data."""

from __future__ import annotations

import asyncio

from lango.cli.console import Counting, err, fail
from lango.cli.database import as_owner, database, owner_url
from lango.cli.sizes import Size
from lango.settings import Settings


def seed(size: Size) -> None:
    with database(serving=False) as current:
        if not asyncio.run(is_empty(current)):
            fail("There are users in this database already: demo data is only loaded into an empty one.")
        asyncio.run(load(current, size))
    err.print(f"[green]✓[/] {size} demo data loaded; its people, staff too, sign in by a password that is no secret")


async def is_empty(current: Settings) -> bool:
    async with as_owner(current) as connection:
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM identity.users)")


async def load(current: Settings, size: Size) -> None:
    import seeds

    await seeds.load(owner_url(current), size.value, Counting())
