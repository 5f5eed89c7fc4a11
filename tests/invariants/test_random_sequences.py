"""Rules in any order, several at once: money adds up, states follow their tables, audit and outbox tell one story.

For a long run: `LANGO_SEQUENCES=500 make test TESTS=tests/invariants`.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.invariants.story import wrong
from tests.invariants.world import World

SEQUENCES = int(os.environ.get("LANGO_SEQUENCES", "40"))
STEPS = 12
NUMBERS = st.integers(0, 2**20)
GIVING = (
    World.donate, World.donate, World.pay, World.pay, World.fail, World.refund_donation, World.hold_or_let_go,
    World.convert, World.close_pot, World.plan_pot,
)  # fmt: skip
REDEEMING = (
    World.donate, World.pay, World.issue, World.issue, World.redeem, World.redeem, World.reverse_redemption,
    World.cancel_code, World.settle, World.decide_settlement,
)  # fmt: skip
TRADING = (World.place, World.take, World.take, World.decide_dispute, *[World.on_a_deal] * 6, World.time_passes)
ALL = (*GIVING, *REDEEMING, *TRADING, World.worker, World.worker)


def several(ways: tuple[object, ...]) -> st.SearchStrategy[list[tuple[object, int]]]:
    """Up to six callers at once."""
    return st.lists(st.tuples(st.sampled_from(ways), NUMBERS), min_size=1, max_size=6)


# The movements that each kind of sequences must have made: otherwise it proves nothing.
GIVEN = {"donation", "donation_refund", "points_conversion"}
REDEEMED = {"donation", "qr_issue", "qr_redeem", "qr_redeem_reversal", "qr_cancel", "qr_expire"}
TRADED = {"escrow_fund", "escrow_release", "escrow_refund", "escrow_split"}


@pytest.mark.parametrize(
    ("ways", "movements"),
    [(ALL, GIVEN), (GIVING, GIVEN), (REDEEMING, REDEEMED - {"qr_expire"}), (TRADING, TRADED)],
    ids=["all", "giving", "redeeming", "trading"],
)
def test_whatever_is_done_at_once_the_books_add_up(world: World, ways: tuple[object, ...], movements: set[str]) -> None:
    class Callers(RuleBasedStateMachine):
        @initialize()
        def something_to_begin_with(self) -> None:
            world.run(at_once(world, [(World.donate, 6000), (World.donate, 6001), (World.place, 8)]))
            world.run(at_once(world, [(World.pay, 0), (World.pay, 1), (World.take, 1), (World.convert, 28)]))
            world.run(world.split())

        @rule(calls=several(ways))
        def at_once(self, calls: list[tuple[object, int]]) -> None:
            world.run(at_once(world, calls))

        def teardown(self) -> None:
            assert world.run(wrong(world.owner)) == {}
            assert world.run(world.differences()) == []

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Callers,
        settings=settings(
            max_examples=SEQUENCES, stateful_step_count=STEPS, deadline=None,
            suppress_health_check=list(HealthCheck),
            # The world goes on from where it is: what failed once is not done again in the same world.
            phases=[Phase.generate], database=None,
        ),
    )  # fmt: skip
    assert movements <= world.run(world.movements())
    assert {"INVALID_STATE", "INSUFFICIENT_FUNDS"} & world.codes


async def at_once(world: World, calls: list[tuple[object, int]]) -> None:
    await asyncio.gather(*(way(world, number) for way, number in calls))  # type: ignore[operator]
