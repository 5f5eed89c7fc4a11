"""Each kind of row that moves money has its posting, and each posting its row: one that is missing is named."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from models.donations import Donation, Refund
from models.identity import User
from models.redemption import QrCode
from models.referrals import PointsConversion
from models.trading import CryptoEscrow, CryptoTrade, CryptoTransaction
from resolvers.ledger import ledger
from resolvers.ledger.proofs import POSTINGS, Posting
from tests.books import verified
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.settlements.calls import IN_JUNE, generate

# A row of each kind, which needs its posting.
ROWS: dict[str, tuple[Any, dict[str, Any]]] = {
    "donation": (Donation, {"status": "succeeded", "amount_cfa": 5000}),
    "donation_refund": (Refund, {"wave_refund_status": "succeeded", "amount_cfa": 5000}),
    "points_conversion": (PointsConversion, {"credits_issued": 5000}),
    "qr_issue": (QrCode, {"status": "issued"}),
    "qr_redeem": (QrCode, {"status": "redeemed"}),
    "qr_cancel": (QrCode, {"status": "cancelled"}),
    "qr_expire": (QrCode, {"status": "expired"}),
    "escrow_fund": (CryptoEscrow, {"status": "funded"}),
    "escrow_release": (CryptoEscrow, {"status": "released"}),
    "escrow_refund": (CryptoEscrow, {"status": "refunded"}),
    "escrow_split": (CryptoEscrow, {"status": "split"}),
}
NEEDED = [posting for posting in POSTINGS if posting.kind in ROWS and posting.needs != "false"]


async def differences(engine: AsyncEngine, *changes: tuple[str, dict[str, Any]]) -> list[ledger.Difference]:
    """What is found after these changes, none of which stays; the triggers that would refuse them are away."""
    async with AsyncSession(engine) as session:
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        for change, given in changes:
            changed = await session.execute(text(change), given)
            assert changed.rowcount  # type: ignore[attr-defined]
        found = await verified(session)
        await session.rollback()
    return found


POST = "INSERT INTO ledger.ledger_transactions (kind, reference_type, reference_id) VALUES (:kind, :reference, :key)"


# Without entries they are of no account.
OF_ANY_ACCOUNT = [(posting, kind) for posting in POSTINGS if posting.account is None for kind in posting.kinds]


@pytest.mark.parametrize(("posting", "kind"), OF_ANY_ACCOUNT, ids=[kind for _, kind in OF_ANY_ACCOUNT])
async def test_a_posting_without_its_row_is_named(owner_engine: AsyncEngine, posting: Posting, kind: str) -> None:
    key = uuid4()

    found = await differences(owner_engine, (POST, {"kind": kind, "reference": posting.reference, "key": key}))

    assert (f"{posting.kind} of {posting.table}", str(key)) in {(each.what, each.key) for each in found}


async def test_a_posting_of_nothing_is_named(owner_engine: AsyncEngine) -> None:
    found = await differences(owner_engine, ("INSERT INTO ledger.ledger_transactions (kind) VALUES ('donation')", {}))

    assert "ledger_transactions.reference_id" in {each.what for each in found}


@pytest.mark.parametrize("posting", NEEDED, ids=lambda posting: posting.kind)
async def test_a_row_without_its_posting_is_named(
    make: Factory, owner: asyncpg.Pool[Any], owner_engine: AsyncEngine, posting: Posting
) -> None:
    model, given = ROWS[posting.kind]
    if model is Refund:
        given = given | {"donation_id": (await make(Donation, status="pending")).id}
    if model is CryptoEscrow:
        given = given | {"trade_id": (await make(CryptoTrade)).id}
    row = await make(model, **given)
    try:
        found = await differences(owner_engine)
    finally:
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute("RESET ROLE; SET LOCAL session_replication_role = replica")
            await connection.execute(f"DELETE FROM {posting.table} WHERE id = $1", row.id)

    assert (f"{posting.kind} of {posting.table}", str(row.id)) in {(each.what, each.key) for each in found}


@pytest.mark.parametrize(
    "change",
    [
        (
            "UPDATE ledger.ledger_entries SET amount = amount * 2 FROM ledger.ledger_transactions t"
            " WHERE t.id = transaction_id AND t.kind = :kind AND t.reference_id = :key"
        ),
        "INSERT INTO ledger.ledger_transactions (kind, reference_type, reference_id) VALUES (:kind, 'qr_code', :key)",
        "DELETE FROM ledger.ledger_transactions WHERE kind = :kind AND reference_id = :key",
        "UPDATE ledger.ledger_transactions SET reference_id = gen_random_uuid() WHERE kind = :kind AND reference_id = :key",
    ],
    ids=["another amount", "twice", "none", "of another"],
)
@pytest.mark.parametrize("kind", ["qr_issue", "qr_redeem"])
async def test_a_posting_that_is_changed_is_named_by_its_row(
    make: Factory, shop: Any, owner_engine: AsyncEngine, kind: str, change: str
) -> None:
    code = await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)

    found = await differences(owner_engine, (change, {"kind": kind, "key": code.id}))

    assert (f"{kind} of redemption.qr_codes", str(code.id)) in {(each.what, each.key) for each in found}


REVERSE = """
    WITH made AS (
        INSERT INTO ledger.ledger_transactions (kind, reference_type, reference_id)
        VALUES ('qr_redeem_reversal', 'qr_code', :key) RETURNING id
    )
    INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount)
    SELECT made.id, e.account_id, -e.amount * :parts FROM made, ledger.ledger_entries e
    JOIN ledger.ledger_transactions t ON t.id = e.transaction_id AND t.kind = 'qr_redeem' AND t.reference_id = :key
"""
BACK = "UPDATE redemption.qr_codes SET status = 'issued' WHERE id = :key"


@pytest.mark.parametrize(
    ("changes", "is_named"),
    [
        ([(REVERSE, 1), (BACK, None)], False),
        ([(BACK, None)], True),
        ([(REVERSE, 1)], True),
        ([(REVERSE, 2), (BACK, None)], True),
        ([(REVERSE, 1), (REVERSE, 1), (BACK, None)], True),
    ],
    ids=["taken back", "not posted", "still redeemed", "another amount", "twice"],
)
async def test_a_redemption_that_is_taken_back_is_posted_once(
    make: Factory, shop: Any, owner_engine: AsyncEngine, changes: list[tuple[str, int | None]], is_named: bool
) -> None:
    code = await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)
    given = [(sql, {"key": code.id} | ({} if parts is None else {"parts": parts})) for sql, parts in changes]

    found = await differences(owner_engine, *given)

    named = ("qr_redeem of redemption.qr_codes", str(code.id)) in {(each.what, each.key) for each in found}
    assert named == is_named


async def test_a_settlement_that_is_paid_and_not_posted_is_named(
    api: Api, make: Factory, staff: Any, shop: Any, owner_engine: AsyncEngine
) -> None:
    await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=IN_JUNE)
    made = await generate(api, staff, shop.partner, date(2026, 6, 1), date(2026, 6, 30))
    key = made["generateSettlement"]["settlement"]["rowId"]
    await api.mutate("approveSettlement", staff, STAFF, settlementId=key)
    await api.mutate("markSettlementPaid", staff, STAFF, settlementId=key, reference="VIR-1")
    gone = "DELETE FROM ledger.ledger_transactions WHERE kind = 'settlement_paid' AND reference_id = CAST(:key AS uuid)"

    found = await differences(owner_engine, (gone, {"key": key}))

    assert ("settlement_paid of redemption.partner_settlements", key) in {(each.what, each.key) for each in found}


async def test_a_withdrawal_that_failed_and_was_not_given_back_is_named(
    make: Factory, owner: asyncpg.Pool[Any], owner_engine: AsyncEngine
) -> None:
    user = await make(User)
    sent = await make(CryptoTransaction, user_id=user.id, transaction_type="withdrawal", status="failed")
    post = {"kind": "crypto_withdrawal", "reference": "crypto_transaction", "key": sent.id}

    found = await differences(owner_engine, (POST, post))

    assert ("crypto_withdrawal_reversal of trading.crypto_transactions", str(sent.id)) in {
        (each.what, each.key) for each in found
    }
