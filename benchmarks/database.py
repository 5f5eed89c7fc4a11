"""The database that all peers share: an embedded server of its own with demo data, and codes to redeem."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

import seeds
from benchmarks.places import WORK, say
from lango.db import migrate, roles
from lango.db.postgres import connect
from lango.embedded import Server, embedded

FIRST_CODE = 1_000_000_000
CODES = 20_000
# How many pots the codes are spread over: as in life, few are redeemed of one pot at once.
POTS_OF_CODES = 200
LAST_CODE = FIRST_CODE + CODES - 1
OURS = f"code BETWEEN '{FIRST_CODE}' AND '{LAST_CODE}' AND length(code) = 10"
CASHIER = "cashier"

# The demo data leaves the wish empty; without one a pot has no pack that a member may see.
WISHES = """
    WITH offered AS (
        SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS many
        FROM packs.packs WHERE is_active AND deleted_at IS NULL
    )
    UPDATE pots.pots p SET preferred_pack_id = o.id FROM offered o
    WHERE o.place = (hashtext(p.id::text) & 2147483647) % o.many
"""
ISSUE = """
    INSERT INTO redemption.qr_codes (pot_id, pack_id, code, redeemable_from, expires_at, status, price_cfa, created_at)
    SELECT pot.id, pack.id, ($1::bigint + n)::text, now() - interval '1 day', now() + interval '10 years', 'issued',
           pack.base_price_cfa, now() - interval '2 days'
    FROM generate_series(0, $2::int - 1) n
    JOIN (SELECT id, row_number() OVER (ORDER BY created_at, id) - 1 AS place FROM pots.pots
          WHERE status = 'closed' ORDER BY created_at, id LIMIT $3::int) pot ON pot.place = n % $3::int
    CROSS JOIN (
        SELECT k.id, k.base_price_cfa FROM packs.packs k JOIN packs.partner_members m ON m.partner_id = k.partner_id
        WHERE m.user_id = $4 AND k.venue_restrictions IS NULL AND k.is_active ORDER BY k.base_price_cfa LIMIT 1
    ) pack
"""
# Undone with the triggers off: what is redeemed stays redeemed, and logs and ledger are append-only.
RESET = f"""
    SET LOCAL session_replication_role = replica;
    CREATE TEMP TABLE ours ON COMMIT DROP AS SELECT id FROM redemption.qr_codes WHERE {OURS};
    DELETE FROM ledger.ledger_entries e USING ledger.ledger_transactions t, ours
    WHERE e.transaction_id = t.id AND t.reference_id = ours.id AND t.kind = 'qr_redeem';
    DELETE FROM ledger.ledger_transactions t USING ours WHERE t.reference_id = ours.id AND t.kind = 'qr_redeem';
    DELETE FROM redemption.qr_redemption_logs l USING ours WHERE l.qr_code_id = ours.id;
    DELETE FROM platform.outbox_events o USING ours WHERE o.key = ours.id::text;
    DELETE FROM admin.audit_logs a USING ours WHERE a.resource_id = ours.id;
    DELETE FROM admin.audit_logs WHERE action = 'staff_read';
    DELETE FROM platform.idempotency_keys WHERE operation = 'redeemQrCode';
    UPDATE redemption.qr_codes SET status = 'issued', redeemed_at = NULL, redeemed_by_partner_id = NULL,
        redeemed_at_venue = NULL, partner_notes = NULL, partner_share_cfa = NULL
    WHERE {OURS} AND status <> 'issued';
"""
TOUCHED = (
    "platform.idempotency_keys", "redemption.qr_codes",
    "redemption.qr_redemption_logs", "ledger.ledger_transactions", "ledger.ledger_entries",
    "platform.outbox_events", "admin.audit_logs",
)  # fmt: skip


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

    def reset(self) -> None:
        """Issue the redeemed codes again and take away what their redemption left, rows and dead rows."""
        asyncio.run(_reset(self.owner_url))


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
        if not await connection.fetchval(f"SELECT EXISTS (SELECT FROM redemption.qr_codes WHERE {OURS})"):
            say(f"{CODES} codes to redeem (once)")
            callers = await _callers(connection)
            async with connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")
                await connection.execute(WISHES)
                await connection.execute(ISSUE, FIRST_CODE, CODES, POTS_OF_CODES, callers[CASHIER])
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
    await _reset(url)


async def _reset(url: str) -> None:
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.execute(RESET)
        for table in TOUCHED:
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        # What one slice wrote is not to be flushed to disk in the next one.
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _callers(connection: asyncpg.Connection[Any]) -> dict[str, UUID]:
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
