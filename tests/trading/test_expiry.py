"""What the worker ends: escrows not funded or not paid in time, and what is done to them meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from resolvers.trading.escrows import end_due_escrows
from tests.books import Books
from tests.changes import Changes
from tests.trading.conftest import Desk


@pytest.mark.parametrize("side", ["SELL", "BUY"])
async def test_an_escrow_not_funded_in_time_expires_and_its_trade_is_open_again(
    desk: Desk, services: Services, books: Books, side: str
) -> None:
    deal = await desk.taken(side=side)
    await desk.late(deal)

    await end_due_escrows(services)

    trade = await desk.trade(deal)
    assert (await desk.escrow(deal))["status"] == "expired"
    assert (trade["status"], trade["escrow_id"]) == ("open", None)
    assert {trade["seller_id"], trade["buyer_id"]} == {deal.maker.id, None}
    assert (await books.events(deal.escrow))[-1] == "escrow.expired"
    assert (await books.events(deal.trade))[-1] == "trade.reopened"
    again = await desk.call("takeTrade", await desk.person(), tradeId=deal.trade)
    assert again.refusals("takeTrade") == []


async def test_a_funded_escrow_is_refunded_when_it_was_not_marked_paid_in_time(desk: Desk, services: Services) -> None:
    late, paid, early = await desk.funded(), await desk.funded(), await desk.funded()
    await desk.call("markTradePaid", paid.buyer, tradeId=paid.trade)
    for deal in (late, paid):
        await desk.late(deal)

    await asyncio.gather(*(end_due_escrows(services) for _ in range(4)))

    states = [(await desk.escrow(deal))["status"] for deal in (late, paid, early)]
    assert states == ["refunded", "funded", "funded"]
    assert (await desk.trade(late))["status"] == "cancelled"
    assert await desk.holds(late.seller, late.coin) == ("100", "0")


async def test_what_is_disputed_or_over_the_worker_leaves_alone(
    desk: Desk, services: Services, changes: Changes
) -> None:
    disputed, released = await desk.disputed(), await desk.completed()
    for deal in (disputed, released):
        await desk.late(deal)
    before = await changes.mark()

    await end_due_escrows(services)

    assert await changes.since(before) == []


async def test_expiry_and_funding_at_once_end_in_one_of_the_two(
    desk: Desk, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    ends = set()
    # The last one has time enough on any machine.
    for milliseconds in (*range(0, 44, 4), 10_000):
        deal = await desk.taken()
        await owner.execute(
            "UPDATE trading.crypto_escrows SET expires_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE id = $1",
            deal.escrow, milliseconds,
        )  # fmt: skip

        _, _, answer = await asyncio.gather(
            end_due_escrows(services),
            end_due_escrows(services),
            desk.call("fundEscrow", deal.seller, escrowId=deal.escrow),
        )
        await end_due_escrows(services)

        refusals, state = answer.refusals("fundEscrow"), (await desk.escrow(deal))["status"]
        assert (refusals, state) in (([], "funded"), (["ESCROW_EXPIRED"], "expired"), (["ESCROW_EXPIRED"], "pending"))
        ends.add(state)
        assert (await desk.holds(deal.seller, deal.coin)) == (("0", "100") if state == "funded" else ("100", "0"))
    assert "funded" in ends


async def test_expiry_and_marking_paid_at_once_end_in_one_of_the_two(desk: Desk, services: Services) -> None:
    for _ in range(8):
        deal = await desk.funded()
        await desk.late(deal)

        _, answer = await asyncio.gather(
            end_due_escrows(services), desk.call("markTradePaid", deal.buyer, tradeId=deal.trade)
        )

        state = (await desk.escrow(deal))["status"]
        assert (answer.refusals("markTradePaid"), state) in (([], "funded"), (["ALREADY_REFUNDED"], "refunded"))
