"""What rules of money cost: many callers at once, each on rows of its own, and all on the same rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from rich.table import Table

from benchmarks.clients import request
from benchmarks.database import Database
from benchmarks.load import Generator, Job, Slice
from benchmarks.measure import ERRORS, MESSAGE
from benchmarks.node import Node
from benchmarks.places import WORK, say, stop
from benchmarks.servers import LANGO, Running, Setup, running
from benchmarks.tokens import Tokens
from lango.db import migrate, roles
from lango.db.postgres import connect
from lango.embedded import embedded

CONNECTIONS = (1, 8, 32)
# How many calls a slice makes; each call spends what was put there for it.
CALLS = {1: 400, 8: 1_500, 32: 1_500}
POINTS = 100
# The rules' own checks are what is measured: what they check is put there without its history.
UNWATCHED = "SET LOCAL session_replication_role = replica"
PEOPLE = """
    INSERT INTO identity.users (id, email, auth_provider)
    SELECT gen_random_uuid(), gen_random_uuid() || '@bench.example', 'phone' FROM generate_series(1, $1) RETURNING id
"""
POINTS_OF = """
    INSERT INTO referrals.points_ledger (sponsor_user_id, event_type, points_earned, status, matured_at)
    SELECT u, 'referral_accepted', $2, 'matured', now() FROM unnest($1::uuid[]) u
"""
POTS_OF = """
    INSERT INTO pots.pots (owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, status)
    SELECT u, 'Bench', 2000000000, current_date + 20, now() - interval '1 day', 'open' FROM unnest($1::uuid[]) u
    RETURNING id
"""
TRADERS = "INSERT INTO trading.crypto_profiles (user_id) SELECT unnest($1::uuid[])"
LOCKED = """
    INSERT INTO treasury.user_balances (user_id, currency, locked_balance, total_balance)
    SELECT u, 'USDC', $2, $2 FROM unnest($1::uuid[]) u
"""
DEALS = """
    WITH parties AS (
        SELECT gen_random_uuid() AS trade, gen_random_uuid() AS escrow, seller, buyer
        FROM unnest($1::uuid[], $2::uuid[]) AS given (seller, buyer)
    ), trades AS (
        INSERT INTO trading.crypto_trades (id, user_id, pair, side, price, amount, total_value, status, order_type,
                                           buyer_id, seller_id, escrow_id)
        SELECT trade, seller, 'USDC/XOF', 'sell', 600, 1, 600, 'in_escrow', 'p2p', buyer, seller, escrow FROM parties
    )
    INSERT INTO trading.crypto_escrows (id, trade_id, seller_id, buyer_id, amount, currency, status, funded_at,
                                        expires_at)
    SELECT escrow, trade, seller, buyer, 1, 'USDC', 'funded', now(), now() + interval '1 day' FROM parties
    RETURNING id, seller_id
"""
CONVERT = (
    "mutation ($input: ConvertPointsInput!) { convertPoints(input: $input)"
    " { pointsConversion { rowId creditsIssued } userErrors { code message } } }"
)
RELEASE = (
    "mutation ($input: ReleaseEscrowInput!) { releaseEscrow(input: $input)"
    " { escrow { rowId status buyerAmount } userErrors { code message } } }"
)

# Who calls, and with which input.
Calls = list[tuple[UUID, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is measured, and what puts there what so many calls of it need."""

    name: str
    document: str
    prepare: Callable[[asyncpg.Connection[Any], int, bool], Any]


async def conversions(connection: asyncpg.Connection[Any], many: int, same: bool) -> Calls:
    """Each sponsor has just enough points, and a pot; or one has them all, for one pot."""
    people = [row["id"] for row in await connection.fetch(PEOPLE, 1 if same else many)]
    await connection.execute(POINTS_OF, people, POINTS * many if same else POINTS)
    pots = [row["id"] for row in await connection.fetch(POTS_OF, people)]
    calls = [(person, {"points": POINTS, "potId": str(pot)}) for person, pot in zip(people, pots, strict=True)]
    return calls * many if same else calls


async def releases(connection: asyncpg.Connection[Any], many: int, same: bool) -> Calls:
    """Each escrow is released once; on the same rows, all are between one seller and one buyer."""
    people = [row["id"] for row in await connection.fetch(PEOPLE, 2 if same else 2 * many)]
    sellers, buyers = people[::2], people[1::2]
    await connection.execute(TRADERS, people)
    await connection.execute(LOCKED, sellers, many if same else 1)
    deals = await connection.fetch(DEALS, sellers * many if same else sellers, buyers * many if same else buyers)
    return [(deal["seller_id"], {"escrowId": str(deal["id"])}) for deal in deals]


RULES = (Rule("convertPoints", CONVERT, conversions), Rule("releaseEscrow", RELEASE, releases))


@dataclass(frozen=True, slots=True)
class Measured:
    """One slice."""

    rule: str
    same: bool
    connections: int
    slice: Slice


def measure_rules(generator: Generator, tools: Node, pool: int) -> Table:
    """Each rule at each number of callers, on different rows and on the same."""
    with embedded(WORK, "dev", 18, say) as server:
        database = Database(server, "bench_rules")
        asyncio.run(roles.create_database(server.owner_url("postgres"), database.name))
        asyncio.run(roles.ensure(database.owner_url))
        asyncio.run(migrate.upgrade(database.owner_url))
        tokens = Tokens.fresh({})
        with running([LANGO], Setup(database.gateway_url, tokens, tools, 1, pool)) as (gateway,):
            found = [
                Measured(rule.name, same, many, one_slice(database, gateway, tokens, generator, rule, many, same))
                for rule in RULES
                for same in (False, True)
                for many in CONNECTIONS
            ]
    return table_of(found)


def one_slice(
    database: Database, gateway: Running, tokens: Tokens, generator: Generator, rule: Rule, connections: int, same: bool
) -> Slice:
    calls = asyncio.run(prepared(database.owner_url, rule, CALLS[connections], same))
    callers = Tokens(tokens.jwk, {str(person): person for person, _ in calls})
    known = {person: callers.of(str(person)) for person in {person for person, _ in calls}}
    sent = [
        request(gateway, known[person], orjson.dumps({"query": rule.document, "variables": {"input": given}})).decode()
        for person, given in calls
    ]
    groups = {"server": [gateway.process.pid], "postgres": [database.postmaster]}
    job = Job(gateway.port, sent, connections, 0.0, 0.0, [ERRORS, MESSAGE], None, groups, many=len(sent))
    part = generator.run(job)
    if part.errors:
        stop(f"{rule.name}: {part.errors} calls failed. The first:\n{part.example}")
    say(f"{rule.name}, {connections} callers, {'the same' if same else 'different'} rows: {part.rate:,.0f}/s")
    return part


async def prepared(url: str, rule: Rule, many: int, same: bool) -> Calls:
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.execute(UNWATCHED)
            calls: Calls = await rule.prepare(connection, many, same)
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
        return calls
    finally:
        await connection.close()


def table_of(found: list[Measured]) -> Table:
    table = Table(title="rules of money", title_justify="left", box=None)
    for name in ("rule", "rows", "callers", "calls/s", "p50 ms", "p99 ms", "gateway CPU ms", "PostgreSQL CPU ms"):
        table.add_column(name, justify="left" if name in ("rule", "rows") else "right")
    for each in found:
        part = each.slice
        cpu = {group: seconds / max(1, part.requests) * 1000 for group, seconds in part.cpu.items()}
        table.add_row(
            each.rule, "the same" if each.same else "different", str(each.connections), f"{part.rate:,.0f}",
            f"{part.p50:.1f}", f"{part.p99:.1f}", f"{cpu.get('server', 0):.2f}", f"{cpu.get('postgres', 0):.2f}",
        )  # fmt: skip
    return table
