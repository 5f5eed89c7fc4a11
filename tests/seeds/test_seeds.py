"""The demo data: everything has rows, the ledger adds up, and it is the same each time."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from lango.security import passwords
from models.base import Base, models
from resolvers.ledger.ledger import PROOFS
from seeds import DEMO_CALLERS, DEMO_PASSWORD, DEMO_PASSWORD_HASH

TABLES = [model for model in models() if model.__face__ is None and model.__access__ is not None]


def name_of(model: type[Base]) -> str:
    return f"{model.table().schema}.{model.table().name}"


@pytest.mark.parametrize("model", TABLES, ids=name_of)
async def test_every_table_has_rows(connection: asyncpg.Connection[Any], model: type[Base]) -> None:
    assert await connection.fetchval(f"SELECT count(*) FROM {name_of(model)}") > 0


@pytest.mark.parametrize("proof", PROOFS)
async def test_the_ledger_adds_up(connection: asyncpg.Connection[Any], proof: str) -> None:
    assert await connection.fetch(PROOFS[proof]) == []


async def test_the_same_day_gives_the_same_rows(connection: asyncpg.Connection[Any], loaded_again: str) -> None:
    other = await asyncpg.connect(loaded_again)
    try:
        for model in TABLES:
            digest = f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name_of(model)} t"
            assert await connection.fetchrow(digest) == await other.fetchrow(digest), name_of(model)
    finally:
        await other.close()


async def test_nothing_is_from_the_future(connection: asyncpg.Connection[Any]) -> None:
    """Nothing was written after the load's midnight; what ends or falls due may."""
    for model in TABLES:
        if "created_at" in model.table().columns:
            newest = f"SELECT max(created_at) <= date_trunc('day', now(), 'UTC') FROM {name_of(model)}"
            assert await connection.fetchval(newest), name_of(model)


async def test_the_triggers_are_back(connection: asyncpg.Connection[Any]) -> None:
    disabled = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgenabled = 'D'"

    assert await connection.fetch(disabled) == []


@pytest.mark.parametrize("caller", DEMO_CALLERS, ids=lambda caller: caller.name)
async def test_the_callers_are_there(connection: asyncpg.Connection[Any], caller: Any) -> None:
    row = await connection.fetchrow("SELECT roles, is_active FROM identity.users WHERE email = $1", caller.email)

    assert row is not None
    assert (tuple(row["roles"]), row["is_active"]) == (caller.roles, True)


async def test_the_callers_have_the_password_that_is_printed(connection: asyncpg.Connection[Any]) -> None:
    rows = await connection.fetch(
        "SELECT email, phone_verified_at, email_verified_at FROM identity.users WHERE password_hash = $1",
        DEMO_PASSWORD_HASH,
    )

    assert {row["email"] for row in rows} == {caller.email for caller in DEMO_CALLERS}
    assert all(row["phone_verified_at"] and row["email_verified_at"] for row in rows)
    assert await passwords.matches(DEMO_PASSWORD, DEMO_PASSWORD_HASH)
    assert not passwords.is_outdated(DEMO_PASSWORD_HASH)


async def test_the_cashier_can_redeem_a_code_of_the_pot_owner_now(connection: asyncpg.Connection[Any]) -> None:
    redeemable = await connection.fetchval(
        """
        SELECT count(*) FROM redemption.qr_codes c
        JOIN pots.pots p ON p.id = c.pot_id JOIN identity.users o ON o.id = p.owner_user_id
        JOIN packs.packs k ON k.id = c.pack_id JOIN packs.partner_members m ON m.partner_id = k.partner_id
        JOIN packs.partners r ON r.id = k.partner_id JOIN identity.users u ON u.id = m.user_id
        WHERE c.status = 'issued' AND c.redeemable_from <= now() AND c.expires_at > now() AND r.status = 'active'
          AND o.email = 'moussa@demo.lango.example' AND u.email = 'fatou@demo.lango.example'
        """
    )

    assert redeemable >= 2


async def test_the_member_is_invited_and_has_given_and_has_points(connection: asyncpg.Connection[Any]) -> None:
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM pots.pot_invitations i JOIN pots.pots p ON p.id = i.pot_id
                WHERE i.invited_user_id = u.id AND p.visibility = 'friends_only' AND p.status = 'open') AS invited,
               (SELECT count(*) FROM donations.donations d WHERE d.donor_user_id = u.id AND d.status = 'succeeded') AS gave,
               (SELECT sum(points_earned) FROM referrals.points_ledger l
                WHERE l.sponsor_user_id = u.id AND l.status = 'matured') AS points,
               (SELECT count(*) FROM profiles.profiles w WHERE w.guardian_user_id = u.id
                AND w.guardian_accepted_at IS NOT NULL) AS wards
        FROM identity.users u WHERE u.email = 'awa@demo.lango.example'
        """
    )

    assert row is not None
    assert all(row[name] >= 1 for name in ("invited", "gave", "points", "wards"))


@pytest.mark.parametrize(
    ("table", "column", "wanted"),
    [
        ("pots.pots", "status", {"scheduled", "open", "funded", "expired", "closed", "cancelled"}),
        ("pots.pots", "visibility", {"private", "public", "friends_only"}),
        ("redemption.qr_codes", "status", {"issued", "redeemed", "expired", "cancelled"}),
        ("packs.partners", "status", {"pending", "active", "suspended"}),
        ("packs.sponsor_campaigns", "status", {"draft", "active", "paused", "completed"}),
        ("cards.account_members", "role", {"owner", "admin", "user", "analyst"}),
        ("treasury.daos", "access", {"public", "private"}),
        ("treasury.mpesa_transactions", "status", {"completed", "failed", "cancelled", "expired", "held"}),
        ("treasury.mpesa_receipts", "status", {"credited", "held"}),
        ("analytics.ab_tests", "status", {"draft", "running", "paused", "completed"}),
    ],
)
async def test_every_state_is_there(
    connection: asyncpg.Connection[Any], table: str, column: str, wanted: set[str]
) -> None:
    found = await connection.fetch(f"SELECT DISTINCT {column} AS state FROM {table}")

    assert {row["state"] for row in found} >= wanted


async def test_the_pot_owner_has_codes_in_every_state(connection: asyncpg.Connection[Any]) -> None:
    found = await connection.fetch(
        """
        SELECT DISTINCT c.status FROM redemption.qr_codes c JOIN pots.pots p ON p.id = c.pot_id
        JOIN identity.users u ON u.id = p.owner_user_id WHERE u.email = 'moussa@demo.lango.example'
        """
    )

    assert {row["status"] for row in found} == {"issued", "redeemed", "expired", "cancelled"}


@pytest.mark.parametrize(
    "table", ["identity.users", "pots.pots", "packs.packs", "cards.cards", "profiles.user_addresses"]
)
async def test_some_rows_are_deleted(connection: asyncpg.Connection[Any], table: str) -> None:
    assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL") > 0


async def test_codes_are_coherent(connection: asyncpg.Connection[Any]) -> None:
    wrong = await connection.fetch(
        """
        SELECT id, status FROM redemption.qr_codes
        WHERE (status = 'redeemed') <> (redeemed_at IS NOT NULL AND partner_share_cfa IS NOT NULL)
           OR redeemed_at < redeemable_from OR redeemed_at > expires_at OR redeemed_at < created_at
           OR (status = 'expired' AND expires_at > now()) OR (settlement_id IS NOT NULL AND status <> 'redeemed')
        """
    )

    assert wrong == []


async def test_settlements_are_the_sums_of_their_codes(connection: asyncpg.Connection[Any]) -> None:
    wrong = await connection.fetch(
        """
        SELECT s.id FROM redemption.partner_settlements s LEFT JOIN redemption.qr_codes c ON c.settlement_id = s.id
        GROUP BY s.id HAVING (count(c.id), sum(c.price_cfa), sum(c.partner_share_cfa), sum(c.price_cfa - c.partner_share_cfa))
            IS DISTINCT FROM
            (s.total_redemptions_count::bigint, s.total_revenue_cfa::bigint, s.partner_share_cfa::bigint,
             s.wolo_commission_cfa::bigint)
        """
    )

    assert wrong == []
