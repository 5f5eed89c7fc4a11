"""A release, a refund and a dispute at once: one wins, and the others say why."""

from __future__ import annotations

import asyncio

import pytest

from lango.rules.services import Services
from resolvers.trading.escrows import end_due_escrows
from tests.trading.conftest import Desk

STATES = {"releaseEscrow": "released", "refundEscrow": "refunded", "openDispute": "disputed"}
REASONS = {"released": "ALREADY_RELEASED", "refunded": "ALREADY_REFUNDED", "disputed": "DISPUTED"}


@pytest.mark.parametrize(
    "names",
    [
        ("releaseEscrow", "refundEscrow"),
        ("releaseEscrow", "openDispute"),
        ("refundEscrow", "openDispute"),
        ("releaseEscrow", "releaseEscrow"),
        ("releaseEscrow", "refundEscrow", "openDispute") * 3,
    ],
    ids=lambda names: "-".join(names[:3]),
)
async def test_of_a_release_a_refund_and_a_dispute_at_once_one_wins(desk: Desk, names: tuple[str, ...]) -> None:
    for turn in range(10):
        deal = await desk.funded()
        calls = {
            "releaseEscrow": lambda deal=deal: desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow),
            "refundEscrow": lambda deal=deal: desk.call("refundEscrow", deal.buyer, escrowId=deal.escrow),
            "openDispute": lambda deal=deal: desk.call("openDispute", deal.buyer, tradeId=deal.trade, reason="late"),
        }
        order = names if turn % 2 else names[::-1]

        answers = await asyncio.gather(*(calls[name]() for name in order))

        refusals = [(name, answer.refusals(name)) for name, answer in zip(order, answers, strict=True)]
        (winner,) = (name for name, codes in refusals if codes == [])
        state = (await desk.escrow(deal))["status"]
        assert state == STATES[winner]
        assert [codes for _, codes in refusals if codes] == [[REASONS[state]]] * (len(names) - 1)
        held = {"released": ("0", "0"), "refunded": ("100", "0"), "disputed": ("0", "100")}
        assert await desk.holds(deal.seller, deal.coin) == held[state]
        assert await desk.holds(deal.buyer, deal.coin) == (("99.5", "0") if state == "released" else ("0", "0"))


async def test_two_who_sell_to_each_other_release_at_once_without_a_deadlock(desk: Desk) -> None:
    for _ in range(5):
        coin = await desk.coin()
        one, other = await desk.person(coin, "100"), await desk.person(coin, "100")
        escrows = []
        for seller, buyer in ((one, other), (other, one)):
            placed = await desk.call("placeTrade", seller, side="SELL", pair=f"{coin}/KES", price="1", amount="100")
            taken = await desk.call("takeTrade", buyer, tradeId=placed["placeTrade"]["trade"]["rowId"])
            escrows.append((seller, taken["takeTrade"]["trade"]["escrow"]["rowId"]))
            await desk.call("fundEscrow", seller, escrowId=escrows[-1][1])

        answers = await asyncio.gather(*(desk.call("releaseEscrow", seller, escrowId=key) for seller, key in escrows))

        assert [answer.refusals("releaseEscrow") for answer in answers] == [[], []]
        assert [await desk.holds(user, coin) for user in (one, other)] == [("99.5", "0"), ("99.5", "0")]


async def test_the_worker_too_is_one_of_those_of_whom_one_wins(desk: Desk, services: Services) -> None:
    for turn in range(10):
        deal = await desk.funded()
        await desk.late(deal)
        requests = [
            desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow),
            desk.call("openDispute", deal.seller, tradeId=deal.trade, reason="late"),
        ]

        _, release, dispute, _ = await asyncio.gather(
            *([end_due_escrows(services), *requests, end_due_escrows(services)] if turn % 2 else
              [ended_after(services, 0.01 * turn), *requests, ended_after(services, 0.005 * turn)])
        )  # fmt: skip

        state = (await desk.escrow(deal))["status"]
        won = {"releaseEscrow": release.refusals("releaseEscrow"), "openDispute": dispute.refusals("openDispute")}
        assert [STATES[name] for name, codes in won.items() if not codes] == [state] * (state != "refunded")
        assert all(codes == [REASONS[state]] for codes in won.values() if codes)


async def ended_after(services: Services, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await end_due_escrows(services)
