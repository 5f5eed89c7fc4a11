"""The second factor of a seller: a code of it is asked for, and works once."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from lango.rules.transaction import RuleTransaction
from models.security import TwoFactorAuth
from tests.changes import Changes
from tests.client import STAFF
from tests.trading.conftest import Desk

WAITING = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
)


async def test_a_seller_with_a_second_factor_must_show_a_code_of_it(desk: Desk, changes: Changes) -> None:
    deal = await desk.funded()
    app = await desk.second_factor(deal.seller)
    before = await changes.mark()

    without = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow)
    changed = await changes.since(before)
    right = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode=app.now())

    assert without.refusals("releaseEscrow") == ["TWO_FACTOR_REQUIRED"]
    assert changed == []
    assert right.refusals("releaseEscrow") == []


async def test_with_the_second_factor_on_but_no_app_a_release_is_refused(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.funded()
    await owner.execute(
        "UPDATE trading.crypto_profiles SET two_factor_enabled = true WHERE user_id = $1", deal.seller.id
    )

    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode="123456")

    assert answer.refusals("releaseEscrow") == ["TWO_FACTOR_REQUIRED"]


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_a_code_of_one_step_on_either_side_is_accepted(desk: Desk, owner: asyncpg.Pool[Any], steps: int) -> None:
    deal = await desk.funded()
    app = await desk.second_factor(deal.seller)
    moment = await owner.fetchval("SELECT now()")

    code = app.at(moment, counter_offset=steps)
    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode=f"{code[:3]} {code[3:]}")

    assert answer.refusals("releaseEscrow") == []


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "●●●●●●", "١٢٣٤٥٦", "' OR 1=1"])
async def test_a_wrong_code_is_refused_and_leaves_an_event_alone(
    desk: Desk, owner: asyncpg.Pool[Any], code: str, changes: Changes
) -> None:
    deal = await desk.funded()
    await desk.second_factor(deal.seller)
    before = await changes.mark()

    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode=code)

    assert answer.refusals("releaseEscrow") == ["TWO_FACTOR_INVALID"]
    assert await changes.since(before, but=("security.security_events",)) == []
    events = await owner.fetch("SELECT event_type FROM security.security_events WHERE user_id = $1", deal.seller.id)
    assert [event["event_type"] for event in events] == ["two_factor_failed"]


async def test_a_code_of_two_steps_ago_is_refused(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.funded()
    app = await desk.second_factor(deal.seller)
    code = app.at(await owner.fetchval("SELECT now()"), counter_offset=-3)

    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode=code)

    assert answer.refusals("releaseEscrow") == ["TWO_FACTOR_INVALID"]


async def test_after_five_wrong_codes_the_right_one_does_not_help(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.funded()
    app = await desk.second_factor(deal.seller)

    async def release(code: str) -> list[str]:
        answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode=code)
        return answer.refusals("releaseEscrow")

    assert [await release("x") for _ in range(5)] == [["TWO_FACTOR_INVALID"]] * 5
    assert await release(app.now()) == ["TWO_FACTOR_LOCKED"]
    await owner.execute(
        "UPDATE security.security_events SET created_at = now() - interval '16 minutes' WHERE user_id = $1",
        deal.seller.id,
    )
    assert await release(app.now()) == []


async def test_a_secret_that_cannot_be_read_releases_nothing(
    desk: Desk, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    deal, staff = await desk.funded(), await desk.staff()
    app = await desk.second_factor(deal.seller)
    await owner.execute("UPDATE security.two_factor_auth SET secret = 'ZGVtbw==' WHERE user_id = $1", deal.seller.id)
    before = await changes.mark()

    with capture_logs() as lines:
        answers = [
            await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode=code)
            for code in (app.now(), "wrong")
        ]

    assert [answer.refusals("releaseEscrow") for answer in answers] == [["TWO_FACTOR_UNREADABLE"]] * 2
    assert answers[0]["releaseEscrow"]["userErrors"][0]["field"] == ["twoFactorCode"]
    reasons = [line["reason"] for line in lines if line["event"] == "an encrypted value cannot be read"]
    assert reasons == ["A value of security.two_factor_auth.secret was not encrypted here."] * 2
    assert "ZGVtbw" not in str(lines)
    assert await changes.since(before) == []
    by_staff = await desk.call("releaseEscrow", staff, STAFF, escrowId=deal.escrow)
    assert by_staff.refusals("releaseEscrow") == []


@pytest.mark.usefixtures("keyless")
async def test_without_a_key_no_code_can_be_checked_and_nothing_is_released(
    desk: Desk, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    deal = await desk.funded()
    await desk.make(TwoFactorAuth, user_id=deal.seller.id, method="totp", enabled=True, secret="v1:tests:AAAA")
    await owner.execute(
        "UPDATE trading.crypto_profiles SET two_factor_enabled = true WHERE user_id = $1", deal.seller.id
    )
    before = await changes.mark()

    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow, twoFactorCode="123456")

    assert answer.codes == ["SERVICE_UNAVAILABLE"]
    assert await changes.since(before) == []


async def test_a_code_works_once_also_for_two_releases_at_once(desk: Desk) -> None:
    for _ in range(5):
        first, second = await two_of_one_seller(desk)
        code = (await desk.second_factor(first.seller)).now()

        answers = await asyncio.gather(
            *(
                desk.call("releaseEscrow", first.seller, escrowId=key, twoFactorCode=code)
                for key in (first.escrow, second)
            )
        )

        assert sorted(answer.refusals("releaseEscrow") for answer in answers) == [[], ["TWO_FACTOR_INVALID"]]
        assert await desk.holds(first.seller, first.coin) == ("0", "10")


async def test_wrong_codes_at_once_are_not_more_than_are_allowed(
    desk: Desk, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fifth is written, and not committed before the sixth waits for it."""
    first, second = await two_of_one_seller(desk)
    await desk.second_factor(first.seller)
    for _ in range(4):
        await desk.call("releaseEscrow", first.seller, escrowId=first.escrow, twoFactorCode="x")
    finish, finishing = RuleTransaction.finish, []

    async def finish_late(tx: RuleTransaction, *payload: Any, **options: Any) -> Any:
        finishing.append(tx)
        await tx.flush()
        async with asyncio.timeout(10):
            while len(finishing) < 2 and not await owner.fetchval(WAITING):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return await finish(tx, *payload, **options)

    monkeypatch.setattr(RuleTransaction, "finish", finish_late)
    answers = await asyncio.gather(
        *(desk.call("releaseEscrow", first.seller, escrowId=key, twoFactorCode="x") for key in (first.escrow, second))
    )

    assert sorted(answer.refusals("releaseEscrow") for answer in answers) == [
        ["TWO_FACTOR_INVALID"],
        ["TWO_FACTOR_LOCKED"],
    ]


async def two_of_one_seller(desk: Desk) -> tuple[Any, str]:
    """A funded escrow of ten coins, and the id of another one of the same seller and buyer."""
    first = await desk.funded("10", holds="20")
    placed = await desk.call("placeTrade", first.seller, side="SELL", pair=f"{first.coin}/KES", price="1", amount="10")
    taken = await desk.call("takeTrade", first.buyer, tradeId=placed["placeTrade"]["trade"]["rowId"])
    second = taken["takeTrade"]["trade"]["escrow"]["rowId"]
    await desk.call("fundEscrow", first.seller, escrowId=second)
    return first, second
