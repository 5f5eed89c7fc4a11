"""Disputes, a sentence of the rules a test: either party opens one, staff who are no party decide."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.trading.conftest import Desk, plain

# openDispute, resolveDispute


@pytest.mark.parametrize("who", ["buyer", "seller"])
async def test_either_party_disputes_a_funded_trade(
    desk: Desk, books: Books, owner: asyncpg.Pool[Any], who: str
) -> None:
    deal = await desk.funded()
    party, other = (deal.buyer, deal.seller) if who == "buyer" else (deal.seller, deal.buyer)

    answer = await desk.call(
        "openDispute",
        party,
        tradeId=deal.trade,
        reason="payment",
        description="J'ai payé.",
        evidence={"receipt": "QGN7"},
    )

    trade, dispute = await desk.trade(deal), answer["openDispute"]["dispute"]
    row = await owner.fetchrow("SELECT * FROM trading.crypto_disputes WHERE id = $1::uuid", dispute["rowId"])
    assert (row["raised_by"], row["against_user_id"], row["escrow_id"]) == (party.id, other.id, deal.escrow)
    assert (trade["status"], trade["dispute_reason"], trade["dispute_status"]) == ("disputed", "payment", "pending")
    assert dispute["escrow"]["status"] == "DISPUTED"
    assert [(await desk.profile(user))["disputed_trades"] for user in (deal.buyer, deal.seller)] == [1, 1]
    assert (await books.events(deal.trade))[-1] == "trade.disputed"
    assert (await books.events(deal.escrow))[-1] == "escrow.disputed"


async def test_disputing_is_for_the_parties_of_a_funded_trade(desk: Desk, changes: Changes) -> None:
    placed, taken, funded, disputed, stranger, staff = (
        await desk.placed(), await desk.taken(), await desk.funded(), await desk.disputed(), await desk.person(),
        await desk.staff(),
    )  # fmt: skip
    before = await changes.mark()

    async def dispute(user: Any, deal: Any, reason: str = "late", roles: tuple[str, ...] = ()) -> list[str]:
        return (await desk.call("openDispute", user, roles, tradeId=deal.trade, reason=reason)).refusals("openDispute")

    assert await dispute(placed.seller, placed) == ["INVALID_STATE"]
    assert await dispute(taken.buyer, taken) == ["NOT_FUNDED"]
    assert await dispute(disputed.seller, disputed) == ["DISPUTED"]
    assert await dispute(funded.buyer, funded, "  ") == ["TEXT_MISSING"]
    assert await dispute(stranger, funded) == ["NOT_FOUND"]
    assert await dispute(staff, funded, roles=STAFF) == ["NOT_INVOLVED"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("outcome", "share", "state", "buyer", "seller", "fee", "trade", "won"),
    [
        ("RELEASE", None, "released", "99.5", "0", "0.5", "completed", (1, 0)),
        ("REFUND", None, "refunded", "0", "100", "0", "cancelled", (0, 0)),
        ("SPLIT", "0.5", "split", "49.75", "50", "0.25", "completed", (0, 0)),
        ("SPLIT", "0.33333333", "split", "33.16666634", "66.666667", "0.16666666", "completed", (0, 0)),
    ],
)
async def test_staff_decide_and_what_each_got_is_kept(
    desk: Desk, books: Books, outcome: str, share: str | None, state: str, buyer: str, seller: str, fee: str, trade: str,
    won: tuple[int, int],
) -> None:  # fmt: skip
    deal, staff = await desk.disputed(), await desk.staff()
    given = {} if share is None else {"buyerShare": share}

    answer = await desk.call(
        "resolveDispute", staff, STAFF, disputeId=deal.dispute, outcome=outcome, resolution="so", **given
    )

    escrow, row = await desk.escrow(deal), await desk.trade(deal)
    assert answer["resolveDispute"]["dispute"]["status"] == "RESOLVED"
    assert answer["resolveDispute"]["dispute"]["resolution"] == "so"
    assert (escrow["status"], plain(escrow["buyer_amount"]), plain(escrow["seller_amount"])) == (state, buyer, seller)
    assert (row["status"], row["dispute_status"]) == (trade, "resolved")
    assert await desk.holds(deal.buyer, deal.coin) == (buyer, "0")
    assert await desk.holds(deal.seller, deal.coin) == (seller, "0")
    assert await desk.charged(deal.coin) == fee
    counts = [(await desk.profile(user))["successful_escrows"] for user in (deal.buyer, deal.seller)]
    assert tuple(counts) == won
    assert (await books.events(deal.escrow))[-1] == "escrow.resolved"


@pytest.mark.parametrize(
    ("outcome", "share"),
    [
        ("SPLIT", None),
        ("SPLIT", "0"),
        ("SPLIT", "1"),
        ("SPLIT", "-0.5"),
        ("SPLIT", "50"),
        ("RELEASE", "0.5"),
        ("REFUND", "0.5"),
    ],
)
async def test_a_split_and_nothing_else_takes_a_share(
    desk: Desk, outcome: str, share: str | None, changes: Changes
) -> None:
    deal, staff = await desk.disputed(), await desk.staff()
    before = await changes.mark()
    given = {} if share is None else {"buyerShare": share}

    answer = await desk.call("resolveDispute", staff, STAFF, disputeId=deal.dispute, outcome=outcome, **given)

    assert answer.refusals("resolveDispute") == ["SHARE_NOT_VALID"]
    assert await changes.since(before) == []


async def test_only_staff_who_are_no_party_decide(desk: Desk, owner: asyncpg.Pool[Any], changes: Changes) -> None:
    deal, stranger = await desk.disputed(), await desk.person()
    await owner.execute("UPDATE identity.users SET roles = '{user,admin}' WHERE id = $1", deal.seller.id)
    before = await changes.mark()

    for user in (deal.buyer, stranger):
        assert (await desk.call("resolveDispute", user, disputeId=deal.dispute, outcome="REFUND")).codes == [
            "FORBIDDEN"
        ]
    own = await desk.call("resolveDispute", deal.seller, STAFF, disputeId=deal.dispute, outcome="REFUND")

    assert own.refusals("resolveDispute") == ["OWN_MATTER"]
    assert await changes.since(before) == []


async def test_of_ten_decisions_at_once_one_counts(desk: Desk) -> None:
    for _ in range(4):
        deal = await desk.disputed()
        staff = [await desk.staff() for _ in range(3)]
        outcomes = [("RELEASE", {}), ("REFUND", {}), ("SPLIT", {"buyerShare": "0.25"})] * 3

        answers = await asyncio.gather(
            *(
                desk.call("resolveDispute", staff[turn % 3], STAFF, disputeId=deal.dispute, outcome=outcome, **share)
                for turn, (outcome, share) in enumerate(outcomes)
            )
        )

        refusals = [answer.refusals("resolveDispute") for answer in answers]
        assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 8


async def test_a_replayed_decision_answers_as_the_first_did(desk: Desk) -> None:
    deal, staff, key = await desk.disputed(), await desk.staff(), str(uuid4())
    given = {"disputeId": deal.dispute, "outcome": "SPLIT", "buyerShare": "0.5", "idempotencyKey": key}

    first, again = [await desk.call("resolveDispute", staff, STAFF, **given) for _ in range(2)]
    other = await desk.call("resolveDispute", staff, STAFF, **given | {"buyerShare": "0.6"})

    assert first.refusals("resolveDispute") == []
    assert again.data == first.data
    assert other.refusals("resolveDispute") == ["IDEMPOTENCY_KEY_REUSED"]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("openDispute", {"reason": "x" * 201}),
        ("openDispute", {"reason": "nul\u0000"}),
        ("openDispute", {"reason": "late", "evidence": {"text": "x" * 4001}}),
        ("openDispute", {"reason": "late", "tradeId": "' OR 1=1 --"}),
        ("openDispute", {"reason": None}),
    ],
)
async def test_hostile_input_is_bad_input(desk: Desk, name: str, given: dict[str, Any], changes: Changes) -> None:
    deal = await desk.funded()
    before = await changes.mark()

    answer = await desk.call(name, deal.buyer, **{"tradeId": deal.trade, **given})

    assert answer.codes in (["BAD_USER_INPUT"], ["GRAPHQL_VALIDATION_FAILED"])
    assert await changes.since(before) == []


async def test_texts_of_any_script_are_kept_as_they_are(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal, text = await desk.funded(), "لم يصل 🎂 '; DROP TABLE x --"

    answer = await desk.call("openDispute", deal.buyer, tradeId=deal.trade, reason=text, description=text)

    assert answer["openDispute"]["dispute"]["reason"] == text
    assert (await desk.trade(deal))["dispute_reason"] == text
