"""Escrows, a sentence of the rules a test: funded, released, refunded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.admin import SystemConfig
from resolvers.trading.deals import shares_of
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory
from tests.trading.conftest import Desk, plain

# fundEscrow


async def test_funding_moves_the_coins_from_available_to_locked(desk: Desk, books: Books) -> None:
    deal = await desk.taken("40", holds="100")

    answer = await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow)

    assert answer["fundEscrow"]["escrow"]["status"] == "FUNDED"
    assert answer["fundEscrow"]["escrow"]["trade"] == {"status": "IN_ESCROW"}
    assert await desk.holds(deal.seller, deal.coin) == ("60", "40")
    assert await books.owed(f"user:{deal.seller.id}:locked:{deal.coin}") == 40
    assert await desk.movements(deal.seller) == [("escrow_fund", "40")]
    assert await books.events(deal.escrow) == ["escrow.created", "escrow.funded"]


async def test_once_funded_the_buyer_has_an_hour_to_pay(desk: Desk) -> None:
    escrow = await desk.escrow(await desk.funded())

    assert escrow["expires_at"] - escrow["funded_at"] == timedelta(minutes=60)


@pytest.mark.parametrize(("holds", "left"), [("0.00000001", "0.00000001"), ("99.99999999", "99.99999999")])
async def test_what_is_not_there_cannot_be_locked(desk: Desk, holds: str, left: str, changes: Changes) -> None:
    deal = await desk.taken("100", holds=holds)
    before = await changes.mark()

    (error,) = (await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow))["fundEscrow"]["userErrors"]

    assert (error["code"], error["details"]) == ("INSUFFICIENT_FUNDS", {"needed": "100.00000000", "available": left})
    assert await changes.since(before) == []


async def test_who_never_had_a_coin_cannot_fund(desk: Desk) -> None:
    deal = await desk.taken("100", holds="0")

    assert (await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow)).refusals("fundEscrow") == [
        "INSUFFICIENT_FUNDS"
    ]


async def test_funding_is_for_the_seller_in_time_and_once(desk: Desk, changes: Changes) -> None:
    late, funded, taken, stranger, staff = (
        await desk.taken(), await desk.funded(), await desk.taken(), await desk.person(), await desk.staff(),
    )  # fmt: skip
    await desk.late(late)
    before = await changes.mark()

    async def fund(user: Any, deal: Any, roles: tuple[str, ...] = ()) -> list[str]:
        return (await desk.call("fundEscrow", user, roles, escrowId=deal.escrow)).refusals("fundEscrow")

    assert await fund(late.seller, late) == ["ESCROW_EXPIRED"]
    assert await fund(funded.seller, funded) == ["INVALID_STATE"]
    assert await fund(taken.buyer, taken) == ["NOT_THE_SELLER"]
    assert await fund(staff, taken, STAFF) == ["NOT_THE_SELLER"]
    assert await fund(stranger, taken) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_a_balance_for_one_funds_one_of_two_at_once(desk: Desk) -> None:
    for _ in range(5):
        coin = await desk.coin()
        seller, buyer = await desk.person(coin, "100"), await desk.person()
        escrows = []
        for _ in range(2):
            placed = await desk.call("placeTrade", seller, side="SELL", pair=f"{coin}/KES", price="1", amount="100")
            taken = await desk.call("takeTrade", buyer, tradeId=placed["placeTrade"]["trade"]["rowId"])
            escrows.append(taken["takeTrade"]["trade"]["escrow"]["rowId"])

        answers = await asyncio.gather(*(desk.call("fundEscrow", seller, escrowId=key) for key in escrows))

        refusals = [answer.refusals("fundEscrow") for answer in answers]
        assert sorted(refusals) == [[], ["INSUFFICIENT_FUNDS"]]
        assert await desk.holds(seller, coin) == ("0", "100")


async def test_funding_twenty_times_at_once_locks_once(desk: Desk) -> None:
    deal = await desk.taken("10", holds="1000")

    answers = await asyncio.gather(*(desk.call("fundEscrow", deal.seller, escrowId=deal.escrow) for _ in range(20)))

    assert sorted(answer.refusals("fundEscrow") for answer in answers) == [[]] + [["INVALID_STATE"]] * 19
    assert await desk.holds(deal.seller, deal.coin) == ("990", "10")


# releaseEscrow


async def test_releasing_gives_the_coins_to_the_buyer_less_the_fee(desk: Desk, books: Books) -> None:
    deal = await desk.funded("40", holds="100")

    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow)

    escrow = answer["releaseEscrow"]["escrow"]
    assert (escrow["status"], escrow["buyerAmount"], escrow["sellerAmount"]) == (
        "RELEASED",
        "39.80000000",
        "0.00000000",
    )
    assert escrow["trade"] == {"status": "COMPLETED"}
    assert await desk.holds(deal.seller, deal.coin) == ("60", "0")
    assert await desk.holds(deal.buyer, deal.coin) == ("39.8", "0")
    assert await desk.charged(deal.coin) == "0.2"
    assert (await books.events(deal.escrow))[-1] == "escrow.released"
    assert (await books.events(deal.trade))[-1] == "trade.completed"


async def test_a_release_takes_three_round_trips_and_a_code_or_staff_one_more(desk: Desk) -> None:
    by_seller, with_code, by_staff = await desk.funded(), await desk.funded(), await desk.funded()
    app, staff = await desk.second_factor(with_code.seller), await desk.staff()

    async def taken(deal: Any, *as_: Any, **given: Any) -> int:
        async with desk.api.sending() as batches:
            answer = await desk.call("releaseEscrow", *as_, escrowId=deal.escrow, **given)
        assert answer.refusals("releaseEscrow") == []
        return len(batches)

    assert await taken(by_seller, by_seller.seller) == 3
    assert await taken(with_code, with_code.seller, twoFactorCode=app.now()) == 4
    assert await taken(by_staff, staff, STAFF) == 4


async def test_the_trade_completes_and_volumes_and_counts_grow(desk: Desk) -> None:
    deal = await desk.completed("40")

    trade, seller, buyer = await desk.trade(deal), await desk.profile(deal.seller), await desk.profile(deal.buyer)
    assert (trade["status"], plain(trade["fee"]), trade["fee_currency"]) == ("completed", "0.2", deal.coin)
    assert trade["completed_at"] is not None
    for trader in (seller, buyer):
        volumes = [trader[name] for name in ("trading_volume", "current_daily_volume", "current_monthly_volume")]
        assert volumes == [40, 40, 40]
        assert (trader["total_trades"], trader["successful_escrows"]) == (1, 1)


async def test_each_side_gets_a_row_of_what_moved(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.completed("40")

    trade = await desk.trade(deal)
    received = await owner.fetchrow("SELECT * FROM trading.crypto_transactions WHERE id = $1", trade["transaction_id"])
    assert await desk.movements(deal.buyer) == [("escrow_release", "39.8")]
    assert await desk.movements(deal.seller) == [("escrow_fund", "40"), ("escrow_release", "40")]
    assert (received["user_id"], plain(received["platform_fee"]), plain(received["fiat_value"])) == (
        deal.buyer.id,
        "0.2",
        "39.8",
    )


@pytest.mark.parametrize(
    ("amount", "gross", "buyer", "seller", "fee"),
    [
        ("100", "100", "99.50000000", "0", "0.50000000"),
        ("0.00000001", "0.00000001", "0.00000001", "0", "0E-8"),
        # Halves go to the even neighbour: 0.000000005, 0.000000015.
        ("0.000001", "0.000001", "0.00000100", "0.000000", "0E-8"),
        ("0.000003", "0.000003", "0.00000298", "0.000000", "2E-8"),
        ("999999999999.99999999", "999999999999.99999999", "994999999999.99999999", "0E-8", "5000000000.00000000"),
        ("3", "1", "0.99500000", "2", "0.00500000"),
    ],
)
def test_the_fee_is_rounded_half_even_and_nothing_is_lost(
    amount: str, gross: str, buyer: str, seller: str, fee: str
) -> None:
    parts = shares_of(Decimal(amount), Decimal(gross), Decimal("0.005"))

    assert (parts.buyer, parts.seller, parts.fee) == (Decimal(buyer), Decimal(seller), Decimal(fee))
    assert parts.buyer + parts.seller + parts.fee == Decimal(amount)


def test_a_rate_above_one_takes_no_more_than_there_is() -> None:
    assert shares_of(Decimal(10), Decimal(4), Decimal(2)).buyer == 0


@pytest.mark.parametrize("amount", ["0.00000001", "0.00000199", "123456789.12345678", "999999999999.99999999"])
async def test_whatever_the_amount_no_coin_is_made_or_lost(desk: Desk, amount: str) -> None:
    coin = await desk.coin("0.00000001")
    seller, buyer = await desk.person(coin, amount), await desk.person()
    placed = await desk.call("placeTrade", seller, side="SELL", pair=f"{coin}/KES", price="1", amount=amount)
    taken = await desk.call("takeTrade", buyer, tradeId=placed["placeTrade"]["trade"]["rowId"])
    escrow = taken["takeTrade"]["trade"]["escrow"]["rowId"]
    await desk.call("fundEscrow", seller, escrowId=escrow)

    assert (await desk.call("releaseEscrow", seller, escrowId=escrow)).refusals("releaseEscrow") == []

    got, fee = (await desk.holds(buyer, coin))[0], await desk.charged(coin)
    assert Decimal(got) + Decimal(fee) == Decimal(amount)


async def test_the_fee_rate_takes_effect_without_a_restart(desk: Desk, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.funded("100")
    await make(SystemConfig, config_key="trading.fee_rate", config_value="0.02", data_type="number")

    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow)
    await owner.execute("DELETE FROM admin.system_config WHERE config_key = 'trading.fee_rate'")

    assert answer["releaseEscrow"]["escrow"]["buyerAmount"] == "98.00000000"


async def test_staff_release_for_a_seller_without_their_code(desk: Desk) -> None:
    deal, staff = await desk.funded(), await desk.staff()
    await desk.second_factor(deal.seller)

    assert (await desk.call("releaseEscrow", staff, STAFF, escrowId=deal.escrow)).refusals("releaseEscrow") == []


async def test_staff_who_buy_do_not_release_to_themselves(
    desk: Desk, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    deal = await desk.funded()
    await owner.execute("UPDATE identity.users SET roles = '{user,admin}' WHERE id = $1", deal.buyer.id)
    before = await changes.mark()

    assert (await desk.call("releaseEscrow", deal.buyer, STAFF, escrowId=deal.escrow)).refusals("releaseEscrow") == [
        "OWN_MATTER"
    ]
    assert await changes.since(before) == []


async def test_releasing_and_refunding_are_refused_with_what_became_of_it(desk: Desk, changes: Changes) -> None:
    taken, expired, released, refunded, disputed, split = (
        await desk.taken(), await desk.taken(), await desk.completed(), await desk.funded(), await desk.disputed(),
        await desk.disputed(),
    )  # fmt: skip
    await desk.call("cancelTrade", expired.maker, tradeId=expired.trade)
    await desk.call("refundEscrow", refunded.buyer, escrowId=refunded.escrow)
    await desk.call(
        "resolveDispute", await desk.staff(), STAFF, disputeId=split.dispute, outcome="SPLIT", buyerShare="0.5"
    )
    before = await changes.mark()

    for deal, code in (
        (taken, "NOT_FUNDED"), (expired, "NOT_FUNDED"), (released, "ALREADY_RELEASED"),
        (refunded, "ALREADY_REFUNDED"), (disputed, "DISPUTED"), (split, "INVALID_STATE"),
    ):  # fmt: skip
        release = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow)
        refund = await desk.call("refundEscrow", deal.buyer, escrowId=deal.escrow)
        assert (release.refusals("releaseEscrow"), refund.refusals("refundEscrow")) == ([code], [code])
    assert await changes.since(before) == []


async def test_only_the_seller_releases_and_only_the_buyer_refunds(desk: Desk, changes: Changes) -> None:
    deal, stranger, staff = await desk.funded(), await desk.person(), await desk.staff()
    before = await changes.mark()

    async def ask(name: str, user: Any, roles: tuple[str, ...] = ()) -> list[str]:
        return (await desk.call(name, user, roles, escrowId=deal.escrow)).refusals(name)

    assert await ask("releaseEscrow", deal.buyer) == ["NOT_THE_SELLER"]
    assert await ask("releaseEscrow", stranger) == ["NOT_FOUND"]
    assert await ask("refundEscrow", deal.seller) == ["NOT_THE_BUYER"]
    assert await ask("refundEscrow", staff, STAFF) == ["NOT_THE_BUYER"]
    assert await ask("refundEscrow", stranger) == ["NOT_FOUND"]
    assert (await desk.call("releaseEscrow", None, escrowId=deal.escrow)).codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []


async def test_a_replayed_release_answers_the_same_and_moves_nothing(desk: Desk) -> None:
    deal, key = await desk.funded(), str(uuid4())

    answers = [
        await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, idempotencyKey=key) for _ in range(3)
    ]

    assert answers[0].refusals("releaseEscrow") == []
    assert answers[0].data == answers[1].data == answers[2].data
    assert await desk.holds(deal.buyer, deal.coin) == ("99.5", "0")


# refundEscrow


async def test_the_buyer_gives_the_coins_back_before_release(desk: Desk, books: Books) -> None:
    deal = await desk.funded("40", holds="100")
    await desk.call("markTradePaid", deal.buyer, tradeId=deal.trade)

    answer = await desk.call("refundEscrow", deal.buyer, escrowId=deal.escrow)

    escrow = answer["refundEscrow"]["escrow"]
    assert (escrow["status"], escrow["buyerAmount"], escrow["sellerAmount"]) == (
        "REFUNDED",
        "0.00000000",
        "40.00000000",
    )
    assert escrow["trade"] == {"status": "CANCELLED"}
    assert await desk.holds(deal.seller, deal.coin) == ("100", "0")
    assert await desk.charged(deal.coin) == "0"
    assert await desk.movements(deal.seller) == [("escrow_fund", "40"), ("escrow_refund", "40")]
    assert (await books.events(deal.escrow))[-1] == "escrow.refunded"
    assert (await books.events(deal.trade))[-1] == "trade.cancelled"
