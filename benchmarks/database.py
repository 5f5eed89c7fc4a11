"""The database that all peers share: an embedded server of its own with demo data, and what mutations spend."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import seeds
from benchmarks.places import WORK, say
from benchmarks.spending import BEGUN, CLEAR, CODES, ISSUE, TOUCHED, UNWATCHED, Call, Connection, Spending
from lango.db import migrate, roles
from lango.db.postgres import connect
from lango.embedded import Server, embedded
from lango.providers.wave.sandbox.sessions import FILE

# The demo data leaves the wish empty; without one a pot has no pack that a member may see.
WISHES = """
    WITH offered AS (
        SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS many
        FROM packs.packs WHERE is_active AND deleted_at IS NULL
    )
    UPDATE pots.pots p SET preferred_pack_id = o.id FROM offered o
    WHERE o.place = (hashtext(p.id::text) & 2147483647) % o.many
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the queries ask for: ids of callers by their demo name, of pots that everyone sees, and the days."""

    callers: dict[str, UUID]
    public_pots: list[UUID]
    last_donation: datetime


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is ready to be measured."""

    server: Server
    name: str

    @property
    def owner_url(self) -> str:
        return self.server.owner_url(self.name)

    @property
    def gateway_url(self) -> str:
        return self.server.gateway_url(self.name)

    @property
    def postmaster(self) -> int:
        """The server's process."""
        return int((self.server.home / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    def facts(self) -> Facts:
        return asyncio.run(_facts(self.owner_url))

    def clear(self) -> None:
        """Take away what mutations have spent and written, rows and dead rows; what is redeemed is issued again."""
        self.spend()

    def spend(self, *wanted: tuple[Spending, int]) -> list[list[Call]]:
        """Clear, and put there what so many calls of each spend: gives the calls of each."""
        (WORK / FILE).unlink(missing_ok=True)
        return asyncio.run(_spend(self.owner_url, wanted))


@contextmanager
def database(size: str) -> Iterator[Database]:
    """Join or start the benchmarks' own server; its data stays for the next run."""
    with embedded(WORK, "dev", 18, say) as server:
        found = Database(server, f"bench_{size}")
        asyncio.run(roles.create_database(server.owner_url("postgres"), found.name))
        asyncio.run(_prepare(found.owner_url, size))
        yield found


async def _prepare(url: str, size: str) -> None:
    """Roles, migrations, demo data, wishes and codes: each only as far as it is missing."""
    await roles.ensure(url)
    if names := await migrate.upgrade(url):
        say(f"{len(names)} migrations")
    connection = await connect(url)
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM identity.users)"):
            say(f"demo data, {size} (once)")
            await seeds.load(url, size, lambda *_: None)
        if not await connection.fetchval(f"SELECT {BEGUN} IS NOT NULL"):
            say(f"{CODES} codes to redeem (once)")
            cashier = next(caller.email for caller in seeds.DEMO_CALLERS if caller.name == "cashier")
            async with connection.transaction():
                await connection.execute(UNWATCHED)
                await connection.execute(WISHES)
                await connection.execute(ISSUE.format(cashier=cashier))
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
    await _spend(url)


async def _spend(url: str, wanted: Sequence[tuple[Spending, int]] = ()) -> list[list[Call]]:
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.execute(UNWATCHED)
            await connection.execute(CLEAR)
            calls = [await spending.prepare(connection, many) for spending, many in wanted]
        # What one slice wrote is not to be vacuumed, or flushed to disk, in the next one.
        await connection.execute(f"VACUUM (ANALYZE) {', '.join(TOUCHED)}")
        await connection.execute("CHECKPOINT")
        return calls
    finally:
        await connection.close()


async def _callers(connection: Connection) -> dict[str, UUID]:
    rows = await connection.fetch("SELECT id, email FROM identity.users WHERE email IS NOT NULL")
    known = {row["email"]: row["id"] for row in rows}
    return {caller.name: known[caller.email] for caller in seeds.DEMO_CALLERS}


async def _facts(url: str) -> Facts:
    connection = await connect(url)
    try:
        pots = await connection.fetch("SELECT id FROM pots.pots WHERE visibility = 'public' ORDER BY id LIMIT 200")
        last: datetime = await connection.fetchval("SELECT max(created_at) FROM donations.donations")
        return Facts(await _callers(connection), [row["id"] for row in pots], last)
    finally:
        await connection.close()
