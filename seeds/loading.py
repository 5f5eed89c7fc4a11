"""One transaction that loads it all, proves the ledger, and commits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg

from lango.db.postgres import connect
from lango.db.roles import OWNER
from models.base import Base
from resolvers.ledger.ledger import PROOFS
from seeds.admin import load as load_admin
from seeds.analytics import load as load_analytics
from seeds.cards import load as load_cards
from seeds.copying import Rows, tables
from seeds.donations import load as load_donations
from seeds.identity import load as load_identity
from seeds.ledger import Books
from seeds.notifications import load as load_notifications
from seeds.packs import load as load_packs
from seeds.referrals import load as load_referrals
from seeds.rollups import load as load_rollups
from seeds.security import load as load_security
from seeds.trading import load as load_trading
from seeds.treasury import load as load_treasury
from seeds.treasury_reports import draw_up
from seeds.world import DAYS, SIZES, World, midnight

Progress = Callable[[str, int, int], None]


class LedgerDoesNotAddUp(Exception):
    """The demo data would not have been true to its own ledger; nothing was loaded."""


async def load(owner_url: str, size: str, progress: Progress) -> None:
    """Load demo data into an empty database, as the owner: all of it or nothing."""
    connection = await connect(owner_url)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {OWNER}")
            # Whole tables are sorted and joined to prove the ledger; nobody waits for this commit's fsync.
            await connection.execute("SET LOCAL work_mem = '256MB'; SET LOCAL synchronous_commit = off")
            await _fill(connection, size, progress)
    finally:
        await connection.close()


async def _fill(connection: asyncpg.Connection[Any], size: str, progress: Progress) -> None:
    today = midnight()
    await connection.execute(
        "SELECT lango.make_partitions($1, $2)",
        (today - timedelta(days=DAYS)).date(), (today + timedelta(days=62)).date(),
    )  # fmt: skip
    world = World(SIZES[size], today, Rows(connection, today))
    # The triggers check what rules do, row by row. The proofs below check it all at once, and an audit log in which
    # the owner made everything says nothing. Foreign keys and CHECKs stay.
    await _set_triggers(connection, "DISABLE")
    await _load_parts(world, progress)
    await _set_triggers(connection, "ENABLE")
    await connection.execute("; ".join(f"ANALYZE {_name(model)}" for model in tables()))
    await _prove(connection)
    progress("ledger proved", len(PROOFS), len(PROOFS))


async def _load_parts(world: World, progress: Progress) -> None:
    count = await load_identity(world)
    progress("users", count, count)
    shops = await load_packs(world)
    progress("partners", len(shops), len(shops))
    points = await load_referrals(world)
    progress("referrals", len(points.accepted), len(points.accepted))
    books = Books(world)
    pots, codes = await load_donations(world, books, shops, points)
    progress("pots and donations", pots, pots)
    progress("codes", codes, codes)
    daos = await load_treasury(world, books, points)
    progress("treasuries", daos, daos)
    trades = await load_trading(world, books)
    progress("trades", trades, trades)
    books.put_balances()
    accounts = await load_cards(world, books)
    progress("cards", accounts, accounts)
    for name, part in (
        ("security", load_security), ("notifications", load_notifications), ("analytics", load_analytics),
        ("admin", load_admin), ("rollups", load_rollups), ("reports", draw_up),
    ):  # fmt: skip
        before = world.rows.written
        await part(world)
        await world.rows.flush()
        progress(name, world.rows.written - before, world.rows.written - before)


async def _set_triggers(connection: asyncpg.Connection[Any], change: str) -> None:
    await connection.execute("; ".join(f"ALTER TABLE {_name(model)} {change} TRIGGER USER" for model in tables()))


async def _prove(connection: asyncpg.Connection[Any]) -> None:
    for what, proof in PROOFS.items():
        if wrong := await connection.fetch(f"{proof} LIMIT 5"):
            raise LedgerDoesNotAddUp(f"{what}: {[tuple(row) for row in wrong]}")


def _name(model: type[Base]) -> str:
    return f"{model.table().schema}.{model.table().name}"
