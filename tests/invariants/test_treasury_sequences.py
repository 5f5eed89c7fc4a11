"""The treasury's rules in any order, several at once, and with the database killed in their midst: money adds up, holds
and limits hold, and what was published stays.

For a long run: `LANGO_SEQUENCES=500 make test TESTS=tests/invariants`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from lango.settings import Settings
from tests.invariants.mobile_money import MobileMoney
from tests.invariants.story import wrong
from tests.invariants.worlds import of_its_own

SEQUENCES = int(os.environ.get("LANGO_SEQUENCES", "30"))
STEPS = 12
NUMBERS = st.integers(0, 2**20)
W = MobileMoney
SIGNING = (
    W.propose, W.propose, W.contribute, *[W.decide] * 8, W.propose_signers, *[W.decide_signers] * 3, W.belong, W.time_passes, W.worker,
)  # fmt: skip
PAYING = (W.transfer, W.transfer, W.contribute, W.contribute, W.report, W.on_a_report, *SIGNING)
PHONING = (
    W.deposit, W.deposit, *[W.phone] * 4, W.held, W.withdraw, W.withdraw, *[W.result] * 3, W.give_up, W.quote, W.quote,
    W.swap, W.swap, W.transfer, W.time_passes, W.worker,
)  # fmt: skip


@pytest.fixture(scope="module")
def treasury(template_url: str, settings: Settings, gateway_url: str) -> Iterator[MobileMoney]:
    with of_its_own(MobileMoney, template_url, gateway_url, settings) as world:
        yield world


def several(ways: tuple[object, ...]) -> st.SearchStrategy[list[tuple[object, int]]]:
    """Up to six callers at once."""
    return st.lists(st.tuples(st.sampled_from(ways), NUMBERS), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("ways", "movements"),
    [
        (SIGNING, {"treasury_transfer"}),
        (PAYING, {"treasury_transfer", "transfer", "dao_contribution"}),
        (PHONING, {"mpesa_deposit", "mpesa_held", "mpesa_withdrawal", "mpesa_withdrawal_paid", "swap"}),
        ((*PAYING, *PHONING), {"mpesa_withdrawal_reversal"}),
    ],
    ids=["signing", "paying", "phoning", "all"],
)
def test_whatever_is_done_at_once_the_treasury_holds(
    treasury: MobileMoney, ways: tuple[object, ...], movements: set[str]
) -> None:
    class Callers(RuleBasedStateMachine):
        @initialize()
        def something_to_begin_with(self) -> None:
            treasury.run(at_once(treasury, [(W.propose, 0), (W.propose, 31), (W.contribute, 500)]))
            treasury.run(treasury.publish())
            treasury.run(treasury.hold())

        @rule(calls=several(ways))
        def at_once(self, calls: list[tuple[object, int]]) -> None:
            treasury.run(at_once(treasury, calls))

        def teardown(self) -> None:
            assert treasury.run(treasury.wrong()) == {}
            assert treasury.run(wrong(treasury.owner)) == {}
            assert treasury.run(treasury.differences()) == []

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Callers,
        settings=settings(
            max_examples=SEQUENCES, stateful_step_count=STEPS, deadline=None,
            suppress_health_check=list(HealthCheck),
            # The world goes on from where it is: what failed once is not done again in the same world.
            phases=[Phase.generate], database=None,
        ),
    )  # fmt: skip
    assert movements <= treasury.run(treasury.movements())
    assert {"INVALID_STATE", "INSUFFICIENT_FUNDS", "NOT_A_SIGNER", "DAILY_LIMIT"} & treasury.codes


async def at_once(treasury: MobileMoney, calls: list[tuple[object, int]]) -> None:
    await asyncio.gather(*(way(treasury, number) for way, number in calls))  # type: ignore[operator]
