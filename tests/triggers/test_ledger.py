"""No ledger transaction is kept whose entries do not sum to zero in each currency."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.triggers.refusals import UNBALANCED

# The role may have changed any number of times by the time of COMMIT.
ROLES = ["lango_owner", "lango_rules", "lango_worker", "lango_staff", "lango_member", "lango_anonymous"]
POSTINGS = {
    "one side only": [("a:XOF", 100)],
    "a franc too little": [("a:XOF", 100), ("b:XOF", -99)],
    "the last of eight digits": [("a:XOF", Decimal("0.00000001")), ("b:XOF", Decimal("0.00000001"))],
    "zero only over both currencies": [("a:XOF", 100), ("b:KES", -100)],
    "one currency of two": [("a:XOF", 100), ("b:XOF", -100), ("a:KES", 5), ("b:KES", -4)],
    "no entries": [],
}


@pytest.fixture
async def poster(migrated: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection of its own, whose transactions do end."""
    connection = await asyncpg.connect(migrated)
    yield connection
    await connection.close()


async def post(
    connection: asyncpg.Connection[Any], entries: list[tuple[str, Any]], *, role: str = "lango_rules"
) -> UUID:
    """Write a ledger transaction of entries to accounts `<name>:<currency>`, inside the transaction that is open."""
    await connection.execute(f"SET LOCAL ROLE {role}")
    posted = await connection.fetchval("INSERT INTO ledger.ledger_transactions (kind) VALUES ('test') RETURNING id")
    for code, amount in entries:
        account = await connection.fetchval(
            "INSERT INTO ledger.ledger_accounts (code, kind, owner_type, currency) VALUES ($1, 'asset', 'platform', $2)"
            " RETURNING id",
            f"{code}:{uuid4()}", code.partition(":")[2],
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount) VALUES ($1, $2, $3)",
            posted, account, amount,
        )  # fmt: skip
    return UUID(str(posted))


async def kept(connection: asyncpg.Connection[Any]) -> int:
    await connection.execute("RESET ROLE")
    return int(await connection.fetchval("SELECT count(*) FROM ledger.ledger_transactions"))


@pytest.mark.parametrize("entries", POSTINGS.values(), ids=POSTINGS)
async def test_what_is_out_of_balance_is_refused_at_commit(
    entries: list[tuple[str, Any]], poster: asyncpg.Connection[Any]
) -> None:
    before = await kept(poster)
    await poster.execute("BEGIN")
    await post(poster, entries)

    with pytest.raises(asyncpg.PostgresError) as refused:
        await poster.execute("COMMIT")

    assert refused.value.sqlstate == UNBALANCED
    assert await kept(poster) == before


@pytest.mark.parametrize("entries", POSTINGS.values(), ids=POSTINGS)
async def test_and_at_once_when_the_kernel_asks(
    entries: list[tuple[str, Any]], poster: asyncpg.Connection[Any]
) -> None:
    await poster.execute("BEGIN")
    await post(poster, entries)

    with pytest.raises(asyncpg.PostgresError) as refused:
        await poster.execute("SET CONSTRAINTS ALL IMMEDIATE")

    assert refused.value.sqlstate == UNBALANCED


async def test_also_by_one_message_that_makes_them_immediate_and_commits(poster: asyncpg.Connection[Any]) -> None:
    before = await kept(poster)
    await poster.execute("BEGIN")
    await post(poster, [("a:XOF", 100), ("b:XOF", -99)])

    with pytest.raises(asyncpg.PostgresError) as refused:
        await poster.execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT")

    assert refused.value.sqlstate == UNBALANCED
    await poster.execute("ROLLBACK")
    assert await kept(poster) == before


async def test_also_after_a_posting_has_been_found_balanced(poster: asyncpg.Connection[Any]) -> None:
    await poster.execute("BEGIN")
    posted = await post(poster, [("a:XOF", 100), ("b:XOF", -100)])
    await poster.execute("SET CONSTRAINTS ALL IMMEDIATE")
    account = await poster.fetchval("SELECT account_id FROM ledger.ledger_entries WHERE transaction_id = $1", posted)

    with pytest.raises(asyncpg.PostgresError) as refused:
        await poster.execute(
            "INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount) VALUES ($1, $2, 1)", posted, account
        )

    assert refused.value.sqlstate == UNBALANCED
    await poster.execute("ROLLBACK")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("ending", ["COMMIT", "SET CONSTRAINTS ALL IMMEDIATE"])
async def test_whatever_role_the_transaction_ends_in(role: str, ending: str, poster: asyncpg.Connection[Any]) -> None:
    before = await kept(poster)
    await poster.execute("BEGIN")
    await post(poster, [("a:XOF", 100)])
    await poster.execute(f"SET LOCAL ROLE {role}")

    with pytest.raises(asyncpg.PostgresError) as refused:
        await poster.execute(ending)

    assert refused.value.sqlstate == UNBALANCED
    await poster.execute("ROLLBACK")
    assert await kept(poster) == before


async def test_also_for_the_gateways_login(migrated: str) -> None:
    gateway = await asyncpg.connect(make_url(migrated).set(username="lango_gateway").render_as_string(False))
    try:
        await gateway.execute("BEGIN")
        await post(gateway, [("a:XOF", 100)])
        await gateway.execute("SET LOCAL ROLE lango_member")
        with pytest.raises(asyncpg.PostgresError) as refused:
            await gateway.execute("COMMIT")
        assert refused.value.sqlstate == UNBALANCED
    finally:
        await gateway.close()


@pytest.mark.parametrize("role", ROLES)
async def test_a_balanced_posting_is_kept(role: str, poster: asyncpg.Connection[Any]) -> None:
    before = await kept(poster)
    async with poster.transaction():
        await post(poster, [("a:XOF", 100), ("b:XOF", -60), ("c:XOF", -40), ("a:KES", 1), ("b:KES", -1)])
        await poster.execute(f"SET LOCAL ROLE {role}")

    assert await kept(poster) == before + 1


async def test_an_old_transaction_is_not_unbalanced_later(poster: asyncpg.Connection[Any]) -> None:
    async with poster.transaction():
        posted = await post(poster, [("a:XOF", 100), ("b:XOF", -100)])
    account = await poster.fetchval("SELECT account_id FROM ledger.ledger_entries WHERE transaction_id = $1", posted)

    with pytest.raises(asyncpg.PostgresError) as refused:
        await poster.execute(
            "INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount) VALUES ($1, $2, 1)", posted, account
        )

    assert refused.value.sqlstate == UNBALANCED
