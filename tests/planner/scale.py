"""A database as large as it may become: the hot tables filled, its readers, and what their statements visit."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy import make_url

from gql.kit.node import MIRRORED, global_id
from gql.kit.planner.explain import Planned
from lango.actor import Actor, Role
from lango.db.pipeline import Pipeline
from lango.db.transaction import acting_as
from lango.db.wire import written
from tests.databases import of_database

# One at a time makes the database, or takes it away when nobody uses it.
MAKING, USING = 0x6C616E67, 0x6C616E68
PEOPLE, PARTNERS, PACKS = 50_000, 200, 1_000
POTS, DONATIONS, CODES, NOTIFICATIONS, POSTINGS = 100_000, 300_000, 100_000, 200_000, 50_000
STAFF, MANY, CASHIER, HOT_POT = 1, 2, 3, 3
# Most have few rows. One member has a twentieth of the pots and of the postings, a fifteenth of the donations and a
# tenth of the notifications; one partner redeems a tenth of the codes; one public pot gets a sixtieth of the donations.
FILL = f"""
    CREATE FUNCTION pg_temp.key(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
        AS 'SELECT md5(kind || n)::uuid';
    CREATE FUNCTION pg_temp.someone(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
        AS 'SELECT md5(''user'' || 4 + n % {PEOPLE - 4})::uuid';
    CREATE FUNCTION pg_temp.at(n bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE
        AS 'SELECT ''2025-01-01 00:00Z''::timestamptz + n * interval ''1 minute''';

    INSERT INTO identity.users (id, email, roles)
    SELECT pg_temp.key('user', n), 'user' || n || '@test.example',
           CASE n WHEN {STAFF} THEN '{{user,admin}}' WHEN {CASHIER} THEN '{{user,partner}}' ELSE '{{user}}' END::text[]
    FROM generate_series(1, {PEOPLE}) n;
    INSERT INTO profiles.profiles (user_id, full_name, date_of_birth, is_profile_public)
    SELECT pg_temp.key('user', n), 'Person ' || n, '1990-01-01'::date + n::int % 3000, n % 10 > 0
    FROM generate_series(1, {PEOPLE}) n;

    INSERT INTO packs.partners (id, name, type, revenue_split_percentage, status)
    SELECT pg_temp.key('partner', n), 'Partner ' || n, 'cinema', 80, 'active' FROM generate_series(1, {PARTNERS}) n;
    INSERT INTO packs.partner_members (partner_id, user_id, role)
    VALUES (pg_temp.key('partner', 1), pg_temp.key('user', {CASHIER}), 'cashier');
    INSERT INTO packs.packs (id, name, description, category, base_price_cfa, partner_id, is_active, created_at)
    SELECT pg_temp.key('pack', n), 'Pack ' || n, 'A treat', 'cinema', 5000, pg_temp.key('partner', 1 + n % {PARTNERS}),
           n % 10 > 0, pg_temp.at(n)
    FROM generate_series(1, {PACKS}) n;

    INSERT INTO pots.pots (id, owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, closed_at,
                           visibility, status, preferred_pack_id, raised_cfa, created_at)
    SELECT pg_temp.key('pot', n),
           CASE WHEN n % 20 = 0 THEN pg_temp.key('user', {MANY}) ELSE pg_temp.someone(n) END,
           'Pot ' || n, 50000, '2026-01-01'::date + n::int % 400, '2025-12-01',
           CASE n % 5 WHEN 0 THEN pg_temp.at(n * 3) END,
           (ARRAY['public', 'private', 'friends_only'])[1 + n % 3],
           (ARRAY['closed', 'scheduled', 'open', 'open', 'funded'])[1 + n % 5],
           CASE WHEN n % 4 > 0 THEN pg_temp.key('pack', 1 + n % {PACKS}) END, n % 50000, pg_temp.at(n * 3)
    FROM generate_series(1, {POTS}) n;
    INSERT INTO pots.pot_invitations (pot_id, invited_by_user_id, invited_user_id, invitation_method,
                                      recipient_identifier)
    SELECT pg_temp.key('pot', n), pg_temp.someone(n), pg_temp.someone(n * 17), 'email', 'x'
    FROM generate_series(2, {POTS}, 5) n;

    INSERT INTO donations.donations (id, pot_id, donor_user_id, donor_name, amount_cfa, status, confirmed_at,
                                     donation_message, is_anonymous, created_at)
    SELECT pg_temp.key('donation', n),
           pg_temp.key('pot', CASE WHEN n % 60 = 0 THEN {HOT_POT} ELSE 1 + n::bigint * 7919 % {POTS} END),
           CASE WHEN n % 15 = 1 THEN pg_temp.key('user', {MANY}) WHEN n % 10 > 0 THEN pg_temp.someone(n * 31) END,
           CASE WHEN n % 10 = 0 THEN 'A friend' END, 500 + n % 97 * 100,
           CASE n % 20 WHEN 17 THEN 'pending' WHEN 18 THEN 'failed' WHEN 19 THEN 'refunded' ELSE 'succeeded' END,
           CASE WHEN n % 20 < 17 THEN pg_temp.at(n) + interval '30 seconds' END, 'Joyeux anniversaire', n % 9 = 0,
           pg_temp.at(n)
    FROM generate_series(1, {DONATIONS}) n;

    INSERT INTO redemption.qr_codes (id, pot_id, pack_id, code, redeemable_from, expires_at, price_cfa, status,
                                     redeemed_at, redeemed_by_partner_id, partner_share_cfa, created_at)
    SELECT pg_temp.key('code', n), pg_temp.key('pot', 1 + n::bigint * 7919 % {POTS}), pg_temp.key('pack', 1 + n % {PACKS}),
           md5('code' || n), '2025-01-01', pg_temp.at(n * 3) + interval '2 years', 5000, s.status,
           CASE s.status WHEN 'redeemed' THEN pg_temp.at(n * 3 + 1) END,
           CASE s.status WHEN 'redeemed' THEN
               pg_temp.key('partner', CASE WHEN n % 10 = 1 THEN 1 ELSE 1 + n % {PARTNERS} END) END,
           CASE s.status WHEN 'redeemed' THEN 4000 END, pg_temp.at(n * 3)
    FROM generate_series(1, {CODES}) n,
         LATERAL (SELECT CASE WHEN n > {CODES} * 3 / 4 THEN 'issued' WHEN n % 3 = 2 THEN 'expired' ELSE 'redeemed' END AS status) s;

    INSERT INTO notifications.notification_templates (id, template_key, name, body_text)
    VALUES (pg_temp.key('template', 1), 'a', 'A', 'A');
    INSERT INTO notifications.notifications (id, user_id, recipient_identifier, template_id, channel, body, status,
                                             created_at)
    SELECT pg_temp.key('notification', n),
           CASE WHEN n % 10 = 0 THEN pg_temp.key('user', {MANY}) ELSE pg_temp.someone(n * 7) END,
           'x', pg_temp.key('template', 1), 'email', 'Somebody gave to your pot.', 'sent', pg_temp.at(n)
    FROM generate_series(1, {NOTIFICATIONS}) n;

    INSERT INTO ledger.ledger_accounts (id, code, kind, owner_type, owner_id, currency)
    SELECT pg_temp.key('account', n), 'user:' || n, 'liability', 'user', pg_temp.key('user', n), 'XOF'
    FROM generate_series(1, {PEOPLE // 5}) n;
    INSERT INTO ledger.ledger_accounts (id, code, kind, owner_type, currency)
    VALUES (pg_temp.key('account', 0), 'platform:promotion:XOF', 'expense', 'platform', 'XOF');
    INSERT INTO ledger.ledger_transactions (id, kind, created_at)
    SELECT pg_temp.key('transaction', n), 'points_conversion', pg_temp.at(n * 6) FROM generate_series(1, {POSTINGS}) n;
    INSERT INTO ledger.ledger_entries (id, transaction_id, account_id, amount, created_at)
    SELECT pg_temp.key('entry' || side || '-', n), pg_temp.key('transaction', n),
           pg_temp.key('account', CASE WHEN side = 1 THEN 0 WHEN n % 20 = 0 THEN {MANY}
                                       ELSE 4 + n % {PEOPLE // 5 - 4} END),
           CASE side WHEN 1 THEN 100 ELSE -100 END, pg_temp.at(n * 6)
    FROM generate_series(1, {POSTINGS}) n, generate_series(1, 2) side;
"""


@asynccontextmanager
async def filled(template_url: str) -> AsyncIterator[str]:
    """The owner's URL of a filled database. The workers of a run share one: the last one takes it away."""
    name = f"lango_scale_{os.environ.get('PYTEST_XDIST_TESTRUNUID', uuid4().hex)[:12]}"
    own = of_database(template_url, name)
    administrator = await asyncpg.connect(of_database(template_url, "postgres"))
    try:
        await administrator.execute("SELECT pg_advisory_lock($1), pg_advisory_lock_shared($2)", MAKING, USING)
        if not await administrator.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            await administrator.execute(f'CREATE DATABASE "{name}" TEMPLATE "{make_url(template_url).database}"')
            try:
                await fill(own)
            except BaseException:
                await administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
                raise
        await administrator.execute("SELECT pg_advisory_unlock($1)", MAKING)
        yield own
        await administrator.execute("SELECT pg_advisory_unlock_shared($2), pg_advisory_lock($1)", MAKING, USING)
        if await administrator.fetchval("SELECT pg_try_advisory_lock($1)", USING):
            await administrator.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await administrator.close()


async def fill(owner_url: str) -> None:
    """Write the rows. Triggers and foreign keys are left out: they would write as much again, and are not looked at."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(FILL)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


# Who reads, in a database of this module as in one of the seeds: few and many are what the member has given.
READERS = {
    "staff": "SELECT id FROM identity.users WHERE 'admin' = ANY (roles) ORDER BY id LIMIT 1",
    "many": "SELECT donor_user_id FROM donations.donations WHERE donor_user_id IS NOT NULL GROUP BY 1"
    " ORDER BY count(*) DESC, 1 LIMIT 1",
    "few": "SELECT p.owner_user_id FROM pots.pots p JOIN pots.pots o USING (owner_user_id)"
    " WHERE p.visibility = 'public' AND p.deleted_at IS NULL AND NOT EXISTS"
    "   (SELECT FROM packs.partner_members m WHERE m.user_id = p.owner_user_id)"
    " AND EXISTS (SELECT FROM redemption.qr_codes c WHERE c.pot_id = p.id)"
    " AND (SELECT count(*) FROM donations.donations d WHERE d.donor_user_id = p.owner_user_id) BETWEEN 3 AND 30"
    " GROUP BY 1 HAVING count(*) < 9 ORDER BY 1 LIMIT 1",
    "cashier": "SELECT m.user_id FROM packs.partner_members m"
    " JOIN redemption.qr_codes c ON c.redeemed_by_partner_id = m.partner_id GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
}
# What they read.
PLACES = {
    "Pot": "SELECT id FROM pots.pots WHERE owner_user_id = '{few}' AND visibility = 'public' AND deleted_at IS NULL"
    " ORDER BY id LIMIT 1",
    "User": "SELECT '{few}'::uuid",
    "Pack": "SELECT id FROM packs.packs WHERE is_active AND deleted_at IS NULL ORDER BY id LIMIT 1",
    "QrCode": "SELECT c.id FROM redemption.qr_codes c JOIN packs.partner_members m"
    " ON m.partner_id = c.redeemed_by_partner_id AND m.user_id = '{cashier}' ORDER BY 1 LIMIT 1",
    "hot Pot": "SELECT d.pot_id FROM donations.donations d JOIN pots.pots p ON p.id = d.pot_id"
    " WHERE p.visibility = 'public' AND p.deleted_at IS NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
}
DONATIONS_OF = "SELECT count(*) FROM donations.donations WHERE donor_user_id = '{caller}'"


@dataclass(frozen=True)
class Scale:
    """The filled database: who reads, what they read, and how many donations each may see."""

    pipeline: Pipeline
    callers: dict[str, Actor]
    ids: dict[str, str]
    # The key in the database of a code that a rule has redeemed.
    code: UUID
    donations: dict[str, int]

    @classmethod
    async def of(cls, owner_url: str, pipeline: Pipeline) -> Scale:
        connection = await asyncpg.connect(owner_url)
        try:
            people = {name: await connection.fetchval(query) for name, query in READERS.items()}
            keys = {name: await connection.fetchval(query.format(**people)) for name, query in PLACES.items()}
            assert None not in [*people.values(), *keys.values()], (people, keys)
            donations = {
                name: await connection.fetchval(DONATIONS_OF.format(caller=caller)) for name, caller in people.items()
            }
            donations["staff"] = await connection.fetchval("SELECT count(*) FROM donations.donations")
        finally:
            await connection.close()
        callers = {name: Actor(key, frozenset({Role.USER})) for name, key in people.items()}
        callers |= {"staff": Actor(people["staff"], frozenset({Role.USER, Role.ADMIN})), "nobody": Actor()}
        ids = {name: global_id(MIRRORED[name.split()[-1]], (key,)) for name, key in keys.items()}
        return cls(pipeline, callers, ids, keys["QrCode"], donations | {"nobody": 0})


@dataclass(frozen=True)
class Reading:
    """What PostgreSQL did for one statement."""

    visited: int
    # The tables that were read from one end to the other.
    scanned: frozenset[str]
    milliseconds: float
    blocks: int
    plan: dict[str, Any]


async def read(pipeline: Pipeline, actor: Actor, planned: Planned, mode: str) -> Reading:
    """Run a statement as the caller, prepared as the gateway prepares it; `mode` is a `plan_cache_mode`."""
    assert planned.sql is not None, planned.reason
    values = ", ".join(_literal(written(value)) for value in planned.values)
    name = f"asked_{uuid4().hex}"
    async with acting_as(pipeline, actor, read_only=True) as tx:
        await tx.run(f"SET LOCAL plan_cache_mode = {mode}", f"PREPARE {name} AS {planned.sql}")
        (explained,) = await tx.texts(
            [(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}{f'({values})' if values else ''}", ())]
        )
        await tx.run(f"DEALLOCATE {name}")
    assert explained is not None
    (found,) = json.loads(explained)
    nodes = list(_nodes(found["Plan"]))
    return Reading(
        round(sum(map(_visited, nodes))),
        frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan" and node["Actual Loops"]),
        found["Execution Time"],
        found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"],
        found["Plan"],
    )


async def result_of(pipeline: Pipeline, actor: Actor, planned: Planned) -> str:
    """The value that a statement returns."""
    assert planned.sql is not None, planned.reason
    async with acting_as(pipeline, actor, read_only=True) as tx:
        (text,) = await tx.texts([(planned.sql, planned.values)])
    return "None" if text is None else text.decode()


def _literal(value: bytes | None) -> str:
    return "NULL" if value is None else "'{}'".format(value.decode().replace("'", "''"))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", []):
        yield from _nodes(inner)


def _visited(node: dict[str, Any]) -> float:
    """The rows that a node gave, and those that it looked at in vain."""
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])
