"""Under policies, as a member, the lists of the big tables are read by their indexes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.orm import aliased

from gql.kit.connection import ConnectionArguments, page
from gql.kit.node import MIRRORED
from gql.kit.ordering import SortDirection, cursor
from gql.kit.type_registry import TYPES
from lango.actor import Actor, DatabaseRole
from lango.db.pipeline import Pipeline, make_pipeline
from lango.db.prepared import DIALECT
from lango.db.transaction import acting_as
from lango.settings import Settings
from tests.databases import of_database

PEOPLE, ROWS = 200, 20_000
FILL = f"""
    INSERT INTO identity.users (id, email)
    SELECT lpad(n::text, 32, '0')::uuid, 'user' || n || '@test.example' FROM generate_series(1, {PEOPLE}) n;
    INSERT INTO packs.packs (id, name, description, category, base_price_cfa)
    VALUES (lpad('1', 32, '0')::uuid, 'A pack', 'A treat', 'cinema', 5000);
    INSERT INTO notifications.notification_templates (id, template_key, name, body_text)
    VALUES (lpad('1', 32, '0')::uuid, 'a', 'A', 'A');
    INSERT INTO pots.pots (id, owner_user_id, title, target_amount_cfa, birthday_date, scheduled_open_at, visibility,
                           status, created_at)
    SELECT lpad(n::text, 32, '0')::uuid, lpad((n % {PEOPLE} + 1)::text, 32, '0')::uuid, 'Pot ' || n, 1000,
           '2026-01-01'::date + n % 1000, '2025-12-01', CASE n % 3 WHEN 0 THEN 'public' ELSE 'private' END, 'open',
           '2025-01-01'::timestamptz + n * interval '1 minute'
    FROM generate_series(1, {ROWS}) n;
    INSERT INTO donations.donations (pot_id, donor_user_id, amount_cfa, status, created_at)
    SELECT lpad((n % {ROWS} + 1)::text, 32, '0')::uuid, lpad((n % {PEOPLE} + 1)::text, 32, '0')::uuid, 100, 'succeeded',
           '2025-01-01'::timestamptz + n * interval '1 minute'
    FROM generate_series(1, {ROWS}) n;
    INSERT INTO notifications.notifications (user_id, recipient_identifier, template_id, channel, body, created_at)
    SELECT lpad((n % {PEOPLE} + 1)::text, 32, '0')::uuid, 'x', lpad('1', 32, '0')::uuid, 'email', 'x',
           '2025-01-01'::timestamptz + n * interval '1 minute'
    FROM generate_series(1, {ROWS}) n;
    INSERT INTO redemption.qr_codes (pot_id, pack_id, code, redeemable_from, expires_at, price_cfa, created_at)
    SELECT lpad((n % {ROWS} + 1)::text, 32, '0')::uuid, lpad('1', 32, '0')::uuid, 'code' || n, '2025-01-01',
           '2027-01-01'::timestamptz + n * interval '1 minute', 100,
           '2025-01-01'::timestamptz + n * interval '1 minute'
    FROM generate_series(1, {ROWS}) n;
"""
CALLER, A_POT = UUID(int=7), UUID(int=0x4711)


@pytest.fixture(scope="module")
async def filled(
    own_database: Callable[[], Awaitable[str]], settings: Settings, gateway_url: str
) -> AsyncIterator[Pipeline]:
    owner_url = await own_database()
    connection = await asyncpg.connect(owner_url)
    # The audit would write as many rows again, and it is not what is looked at.
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(FILL)
    await connection.execute("RESET ROLE; ANALYZE")
    await connection.close()
    async with AsyncExitStack() as stack:
        pipeline = make_pipeline(of_database(gateway_url, str(make_url(owner_url).database)), settings, pool_size=1)
        stack.callback(pipeline.close)
        yield pipeline


def where(table: str, **conditions: Any) -> Any:
    """A filter as GraphQL would give it: `where("Pot", status={"eq": "open"})`."""
    filters = TYPES[f"{table}Where"]
    hints = filters.__strawberry_definition__.fields
    kinds = {field.python_name: field.type for field in hints}
    made = {}
    for name, operators in conditions.items():
        kind = kinds[name]
        while hasattr(kind, "of_type"):
            kind = kind.of_type
        made[name] = kind(**operators)
    return filters(**made)


def order(table: str, attribute: str, direction: str) -> Any:
    kind = TYPES[f"{table}Order"]
    others = {field.python_name: None for field in kind.__strawberry_definition__.fields}
    return kind(**others | {attribute: SortDirection(direction)})


async def plan(pipeline: Pipeline, table: str, asked: ConnectionArguments) -> list[dict[str, Any]]:
    """The nodes of the plan of one page, as a member gets it."""
    row = aliased(MIRRORED[table])
    statement, keys = page(row, MIRRORED[table], asked)
    compiled = statement.add_columns(cursor(row, MIRRORED[table], keys)).compile(
        dialect=DIALECT, compile_kwargs={"render_postcompile": True}
    )
    async with acting_as(pipeline, Actor(CALLER), read_only=True, role=DatabaseRole.MEMBER) as tx:
        values = [compiled.params[name] for name in compiled.positiontup or ()]
        (explained,) = await tx.texts([(f"EXPLAIN (FORMAT JSON) {compiled}", values)])
    assert explained is not None
    nodes: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        nodes.append(node)
        for inner in node.get("Plans", []):
            walk(inner)

    walk(json.loads(explained)[0]["Plan"])
    return nodes


CASES: dict[str, tuple[str, Callable[[], ConnectionArguments]]] = {
    "my donations": ("Donation", ConnectionArguments),
    "donations to a pot": ("Donation", lambda: ConnectionArguments(where=where("Donation", pot_id={"eq": str(A_POT)}))),
    "donations by a status": (
        "Donation",
        lambda: ConnectionArguments(where=where("Donation", status={"eq": "succeeded"})),
    ),
    "a donation": ("Donation", lambda: ConnectionArguments(where=where("Donation", id={"eq": str(A_POT)}))),
    "the newest pots": ("Pot", ConnectionArguments),
    "a pot": ("Pot", lambda: ConnectionArguments(where=where("Pot", id={"eq": str(A_POT)}))),
    "the pots of an owner": ("Pot", lambda: ConnectionArguments(where=where("Pot", owner_user_id={"eq": str(CALLER)}))),
    "my notifications": ("Notification", ConnectionArguments),
    "a notification": ("Notification", lambda: ConnectionArguments(where=where("Notification", id={"eq": str(A_POT)}))),
    "my codes": ("QrCode", ConnectionArguments),
    "the codes of a pot": ("QrCode", lambda: ConnectionArguments(where=where("QrCode", pot_id={"eq": str(A_POT)}))),
    "a code": ("QrCode", lambda: ConnectionArguments(where=where("QrCode", code={"eq": "code77"}))),
    "the codes that expire last": (
        "QrCode",
        lambda: ConnectionArguments(order_by=[order("QrCode", "expires_at", "desc")]),
    ),
}


@pytest.mark.parametrize("case", list(CASES))
async def test_a_member_reads_a_big_table_by_an_index(filled: Pipeline, case: str) -> None:
    table, asked = CASES[case]

    nodes = await plan(filled, table, asked())

    big = MIRRORED[table].__tablename__
    read = [node["Node Type"] for node in nodes if node.get("Relation Name") == big]
    assert read or any("Index" in node["Node Type"] for node in nodes)
    assert "Seq Scan" not in read, nodes
