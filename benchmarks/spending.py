"""What mutations spend: rows that are put there before each slice, some for each call, and cleared away after it.

All that is measured is newer than one person, who is put there first: what a mutation has written is known by that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

Variables = dict[str, Any]
Connection: TypeAlias = "asyncpg.Connection[Any]"

FIRST_CODE = 1_000_000_000
CODES = 40_000
# How many pots the codes are spread over: as in life, few are redeemed of one pot at once.
POTS_OF_CODES = 200
OURS = f"code BETWEEN '{FIRST_CODE}' AND '{FIRST_CODE + CODES - 1}' AND length(code) = 10"
POINTS = 100
# Nobody's and nothing's id.
NOTHING = str(UUID(int=9))
# The rules' own checks are what is measured: what they check is put there without its history, and taken away with it.
UNWATCHED = "SET LOCAL session_replication_role = replica"
FIRST_PERSON = "first@bench.example"
BEGUN = f"(SELECT created_at FROM identity.users WHERE email = '{FIRST_PERSON}')"
# What the measured mutations write, and the audit of what staff are shown.
WRITTEN = (
    "admin.audit_logs", "platform.idempotency_keys", "platform.outbox_events",
    "ledger.ledger_accounts", "ledger.ledger_transactions", "ledger.ledger_entries", "redemption.qr_redemption_logs",
    "referrals.points_ledger", "referrals.points_conversions", "donations.donations", "pots.pots",
    "trading.crypto_profiles", "trading.crypto_trades", "trading.crypto_escrows", "trading.crypto_transactions",
    "treasury.user_balances", "notifications.notifications", "identity.users",
)  # fmt: skip
# And what has its rows before, or no moment of its own.
TOUCHED = (*WRITTEN, "redemption.qr_codes", "jobs.pgqueuer")
CLEAR = "\n".join(
    [
        *(f"DELETE FROM {table} WHERE created_at > {BEGUN};" for table in WRITTEN),
        "DELETE FROM jobs.pgqueuer;",
        f"""UPDATE redemption.qr_codes SET status = 'issued', redeemed_at = NULL, redeemed_by_partner_id = NULL,
            redeemed_at_venue = NULL, partner_notes = NULL, partner_share_cfa = NULL
            WHERE {OURS} AND status <> 'issued';""",
    ]
)

# A code's id is its number, and so is that of its pot: pgbench knows them without looking.
ISSUE = f"""
    DELETE FROM redemption.qr_codes WHERE {OURS};
    INSERT INTO identity.users (id, email, auth_provider) VALUES (gen_random_uuid(), '{FIRST_PERSON}', 'phone');
    INSERT INTO pots.pots (id, owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, status,
                           created_at)
    SELECT lpad(n::text, 32, '0')::uuid, u.id, 'Bench', 1000000, current_date, '2000-01-01', 'closed', '2000-01-01'
    FROM generate_series(1, {POTS_OF_CODES}) n, identity.users u WHERE u.email = '{FIRST_PERSON}';
    INSERT INTO redemption.qr_codes (id, pot_id, pack_id, code, redeemable_from, expires_at, status, price_cfa,
                                     created_at)
    SELECT lpad(code, 32, '0')::uuid, lpad((n % {POTS_OF_CODES} + 1)::text, 32, '0')::uuid, pack.id, code,
           now() - interval '1 day', now() + interval '10 years', 'issued', pack.base_price_cfa,
           now() - interval '2 days'
    FROM (SELECT n, ({FIRST_CODE} + n)::text AS code FROM generate_series(0, {CODES - 1}) n) numbered
    CROSS JOIN (
        SELECT k.id, k.base_price_cfa FROM packs.packs k JOIN packs.partner_members m ON m.partner_id = k.partner_id
        JOIN identity.users u ON u.id = m.user_id
        WHERE u.email = '{{cashier}}' AND k.venue_restrictions IS NULL AND k.is_active
        ORDER BY k.base_price_cfa LIMIT 1
    ) pack;
    INSERT INTO ledger.ledger_accounts (code, kind, owner_type, owner_id, currency)
    SELECT 'pot:' || id || ':reserved', 'liability', 'pot', id, 'XOF' FROM pots.pots WHERE created_at = '2000-01-01'
    UNION ALL SELECT DISTINCT 'partner:' || k.partner_id || ':payable', 'liability', 'partner', k.partner_id, 'XOF'
    FROM packs.packs k JOIN redemption.qr_codes c ON c.pack_id = k.id WHERE {OURS.replace("code", "c.code")}
    UNION ALL VALUES ('platform:commission:XOF', 'income', 'platform', NULL::uuid, 'XOF'),
                     ('platform:promotion:XOF', 'expense', 'platform', NULL::uuid, 'XOF'),
                     ('platform:fees:USDC', 'income', 'platform', NULL::uuid, 'USDC')
    ON CONFLICT (code) DO NOTHING;
"""
PEOPLE = """
    INSERT INTO identity.users (id, email, auth_provider)
    SELECT gen_random_uuid(), gen_random_uuid() || '@bench.example', 'phone' FROM generate_series(1, $1) RETURNING id
"""
POINTS_OF = """
    INSERT INTO referrals.points_ledger (sponsor_user_id, event_type, points_earned, status, matured_at)
    SELECT u, 'referral_accepted', $2, 'matured', now() FROM unnest($1::uuid[]) u
"""
POTS_OF = """
    INSERT INTO pots.pots (owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, status,
                           visibility)
    SELECT u, 'Bench', 2000000000, current_date + 20, now() - interval '1 day', 'open', 'public'
    FROM unnest($1::uuid[]) u
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


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a mutation: by whom, as a demo name or an id, and with which variables."""

    caller: str | UUID
    variables: Variables
    # Whom the call comes from, as a proxy says it; nobody where none is in between.
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What the calls of a mutation spend."""

    # Puts there what so many calls need, and gives the calls.
    prepare: Callable[[Connection, int], Awaitable[list[Call]]]
    # What else the peers must answer alike, made of two calls: the same again, or what is not there.
    others: Callable[[Call, Call], list[Call]]
    # What pgbench writes for the values of a call; None where pgbench cannot know them.
    for_pgbench: Callable[[Call], dict[str, str]] | None = None


async def codes(_connection: Connection, many: int) -> list[Call]:
    """They have been issued once and for all."""
    return [code_call(FIRST_CODE + number) for number in range(min(many, CODES))]


def code_call(code: int, key: int | None = None) -> Call:
    return Call("cashier", {"code": str(code), "key": str(code if key is None else key)})


def other_codes(first: Call, second: Call) -> list[Call]:
    """The same again; a key with another code; a code that is not there, twice."""
    one, another = (int(call.variables["code"]) for call in (first, second))
    return [code_call(one), code_call(another, key=one), code_call(9), code_call(9)]


def code_for_pgbench(call: Call) -> dict[str, str]:
    """The expressions of `SET_CODE`'s variables for what a call holds."""
    code = int(call.variables["code"])
    pot = (code - FIRST_CODE) % POTS_OF_CODES + 1
    return {
        str(code): ":code::text",
        numbered(code): "lpad(:code, 32, '0')::uuid",
        numbered(pot): "lpad(:pot, 32, '0')::uuid",
    }


def numbered(number: int) -> str:
    """The id of digits that a row of this number has."""
    return str(UUID(f"{number:032d}"))


# Each of pgbench's clients counts its own codes.
SET_CODE = rf"""
\set i :i + 1
\set n :client_id * :step + :i
\set code {FIRST_CODE} + :n
\set pot :n % {POTS_OF_CODES} + 1
"""


def conversions(same: bool) -> Callable[[Connection, int], Awaitable[list[Call]]]:
    """Each sponsor has just enough points, and a pot; or one has them all, for one pot."""

    async def prepare(connection: Connection, many: int) -> list[Call]:
        people = await people_of(connection, 1 if same else many)
        await connection.execute(POINTS_OF, people, POINTS * many if same else POINTS)
        pots = await pots_of(connection, people)
        calls = [
            Call(person, {"input": {"points": POINTS, "potId": str(pot)}})
            for person, pot in zip(people, pots, strict=True)
        ]
        return calls * many if same else calls

    return prepare


def releases(same: bool) -> Callable[[Connection, int], Awaitable[list[Call]]]:
    """Each escrow is released once; on the same rows, all are between one seller and one buyer."""

    async def prepare(connection: Connection, many: int) -> list[Call]:
        people = await people_of(connection, 2 if same else 2 * many)
        sellers, buyers = people[::2], people[1::2]
        await connection.execute(TRADERS, people)
        await connection.execute(LOCKED, sellers, many if same else 1)
        deals = await connection.fetch(DEALS, sellers * many if same else sellers, buyers * many if same else buyers)
        return [Call(deal["seller_id"], {"input": {"escrowId": str(deal["id"])}}) for deal in deals]

    return prepare


def donations(same: bool) -> Callable[[Connection, int], Awaitable[list[Call]]]:
    """Each donor has an address of their own, and gives to a pot of its own; or all give to one pot."""

    async def prepare(connection: Connection, many: int) -> list[Call]:
        people = await people_of(connection, many)
        pots = await pots_of(connection, people[:1] if same else people)
        return [
            Call(
                person,
                {"input": {"amountCfa": 5000, "potId": str(pots[number % len(pots)])}},
                f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            )
            for number, person in enumerate(people)
        ]

    return prepare


async def people_of(connection: Connection, many: int) -> list[UUID]:
    return [row["id"] for row in await connection.fetch(PEOPLE, many)]


async def pots_of(connection: Connection, owners: list[UUID]) -> list[UUID]:
    return [row["id"] for row in await connection.fetch(POTS_OF, owners)]


def again_and_unknown(name: str) -> Callable[[Call, Call], list[Call]]:
    """The same again, and with an id of nothing under this name."""

    def others(first: Call, _: Call) -> list[Call]:
        unknown = {"input": {**first.variables["input"], name: NOTHING}}
        return [first, Call(first.caller, unknown, first.address)]

    return others


OF_CODES = Spending(codes, other_codes, code_for_pgbench)
OF_POINTS, OF_SAME_POINTS = (Spending(conversions(same), again_and_unknown("potId")) for same in (False, True))
OF_ESCROWS, OF_SAME_ESCROWS = (Spending(releases(same), again_and_unknown("escrowId")) for same in (False, True))
OF_GIFTS, OF_SAME_GIFTS = (Spending(donations(same), again_and_unknown("potId")) for same in (False, True))
