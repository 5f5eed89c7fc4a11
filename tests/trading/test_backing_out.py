"""A taker who backs out before the escrow is funded: the offer is open again, and nobody does so all day."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.books import Books
from tests.trading.conftest import Desk


@pytest.mark.parametrize("side", ["SELL", "BUY"])
async def test_a_taker_backs_out_before_the_escrow_is_funded_and_the_offer_is_open_again(
    desk: Desk, books: Books, side: str
) -> None:
    deal, other = await desk.taken(side=side), await desk.person()

    answer = await desk.call("cancelTrade", deal.taker, tradeId=deal.trade)

    trade, escrow = await desk.trade(deal), await desk.escrow(deal)
    assert answer.refusals("cancelTrade") == []
    # It is an offer again, which its taker sees as everybody does.
    assert answer["cancelTrade"]["trade"] is None
    assert (trade["status"], trade["escrow_id"], trade["cancelled_at"]) == ("open", None, None)
    assert {trade["buyer_id"], trade["seller_id"]} == {deal.maker.id, None}
    assert (escrow["status"], escrow["cancelled_by"]) == ("expired", deal.taker.id)
    assert (await books.events(deal.trade))[-1] == "trade.reopened"
    assert (await desk.call("takeTrade", other, tradeId=deal.trade)).refusals("takeTrade") == []


async def test_a_taker_backs_out_a_few_times_a_day(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.placed()

    async def take_and_back_out() -> list[str]:
        assert (await desk.call("takeTrade", deal.taker, tradeId=deal.trade)).refusals("takeTrade") == []
        return (await desk.call("cancelTrade", deal.taker, tradeId=deal.trade)).refusals("cancelTrade")

    assert [await take_and_back_out() for _ in range(4)] == [[], [], [], ["BACKED_OUT_TOO_OFTEN"]]
    assert (await desk.trade(deal))["status"] == "matched"
    await owner.execute(
        "UPDATE trading.crypto_escrows SET cancelled_at = now() - interval '25 hours' WHERE cancelled_by = $1",
        deal.taker.id,
    )
    again = await desk.call("cancelTrade", deal.taker, tradeId=deal.trade)
    assert again.refusals("cancelTrade") == []


async def test_who_called_off_their_own_offers_has_backed_out_of_none(desk: Desk) -> None:
    deal = await desk.taken()
    for _ in range(4):
        own = await desk.person()
        placed = await desk.call("placeTrade", deal.taker, side="BUY", pair=f"{deal.coin}/KES", price="1", amount="1")
        trade = placed["placeTrade"]["trade"]["rowId"]
        await desk.call("takeTrade", own, tradeId=trade)
        assert (await desk.call("cancelTrade", deal.taker, tradeId=trade)).refusals("cancelTrade") == []

    assert (await desk.call("cancelTrade", deal.taker, tradeId=deal.trade)).refusals("cancelTrade") == []


async def test_of_a_taker_who_backs_out_and_a_seller_who_funds_at_once_one_wins(desk: Desk) -> None:
    for _ in range(5):
        deal = await desk.taken()

        funded, cancelled = await asyncio.gather(
            desk.call("fundEscrow", deal.seller, escrowId=deal.escrow),
            desk.call("cancelTrade", deal.buyer, tradeId=deal.trade),
        )

        refusals = [funded.refusals("fundEscrow"), cancelled.refusals("cancelTrade")]
        assert refusals in ([[], ["INVALID_STATE"]], [["ESCROW_EXPIRED"], []])
        state = (await desk.trade(deal))["status"]
        assert state == ("in_escrow" if refusals[0] == [] else "open")
