"""Calling a pot off: everything goes back, or nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from models.identity import User
from models.packs import Pack
from models.pots import Pot
from models.redemption import QrCode
from models.referrals import PointsLedgerEntry, Referral
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.donations.conftest import a_phone
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory, now
from tests.pots.planning import Planning


@pytest.fixture
async def pot(make: Factory, owner_of_pots: Any) -> Any:
    return await make(Pot, owner_user_id=owner_of_pots.id, visibility="public", target_amount_cfa=10_000_000)


async def cancel(planning: Planning, pot: Any, as_: Any, roles: tuple[str, ...] = ()) -> Any:
    return await planning("cancelPot", as_, roles, potId=str(pot.id))


async def test_donations_go_back_to_donors_and_conversions_to_promotion(
    planning: Planning, giving: Giving, wave: FakeWave, make: Factory, pot: Any, owner_of_pots: Any, books: Books
) -> None:
    donors = [await make(User, phone=a_phone()), await make(User), None]
    given = [await giving.given(pot, 1000 * number, who) for number, who in enumerate(donors, 1)]
    await giving.refund(donors[0], donationId=given[0].id, amountCfa=400)
    promotion, suspense = await books.owed("platform:promotion:XOF"), await books.owed("platform:suspense:XOF")
    await make.conversion(pot, 2500)

    answer = await cancel(planning, pot, owner_of_pots)

    cancelled = answer["cancelPot"]["pot"]
    assert answer.refusals("cancelPot") == []
    assert (cancelled["status"], cancelled["raisedCfa"], cancelled["balanceCfa"]) == ("CANCELLED", 0, 0)
    assert cancelled["closedAt"] is not None
    assert [await giving.status(each.id) for each in given] == ["refunded"] * 3
    assert await giving.refunds(given[0].id) == [(400, "succeeded", "user_request"), (600, "pending", "failed_pot")]
    assert await books.owed("platform:suspense:XOF") == suspense + 5600
    assert await books.owed("platform:promotion:XOF") == promotion
    assert await books.events(pot.id) == ["pot.cancelled"]
    for each in given:
        await giving.send_refunds(each.id)
    assert [wave.given_back(each.checkout) for each in given] == [[], [2000], [3000]]
    assert wave.paid_out(donors[0].phone) == [400, 600]
    assert await books.owed("platform:suspense:XOF") == suspense
    # Each refund has its job: the worker sends it, whoever asked.
    queued = await giving.owner.fetchval(
        "SELECT count(*) FROM jobs.pgqueuer q JOIN donations.refunds r"
        " ON position(r.id::text IN convert_from(q.payload, 'UTF8')) > 0"
        " WHERE q.entrypoint = 'refunds.send_refund' AND r.donation_id = ANY ($1) AND r.reason = 'failed_pot'",
        [each.id for each in given],
    )
    assert queued == 3


@pytest.mark.parametrize("status", ["scheduled", "open", "funded"])
async def test_an_empty_pot_is_just_called_off(
    planning: Planning, make: Factory, owner_of_pots: Any, status: str
) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id, status=status)

    assert (await cancel(planning, pot, owner_of_pots))["cancelPot"]["pot"]["status"] == "CANCELLED"


@pytest.mark.parametrize("status", ["closed", "expired", "cancelled"])
async def test_an_ended_pot_is_not_called_off(
    planning: Planning, make: Factory, owner_of_pots: Any, changes: Changes, status: str
) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id, status=status)
    before = await changes.mark()

    assert (await cancel(planning, pot, owner_of_pots)).refusals("cancelPot") == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_what_is_spent_cannot_go_back(
    planning: Planning, giving: Giving, make: Factory, pot: Any, owner_of_pots: Any, donor: Any, changes: Changes
) -> None:
    await giving.given(pot, 5000, donor)
    await make.move(f"pot:{pot.id}:balance", "platform:commission:XOF", 1, "qr_redeem")
    await giving.owner.execute("UPDATE pots.pots SET balance_cfa = balance_cfa - 1 WHERE id = $1", pot.id)
    before = await changes.mark()

    refused = await cancel(planning, pot, owner_of_pots)

    assert refused.refusals("cancelPot") == ["POT_FUNDS_SPENT"]
    assert refused["cancelPot"]["userErrors"][0]["details"] == {"balanceCfa": 4999}
    assert await changes.since(before) == []


async def test_codes_are_cancelled_first(
    planning: Planning, giving: Giving, make: Factory, pot: Any, owner_of_pots: Any, donor: Any, changes: Changes
) -> None:
    await giving.given(pot, 5000, donor)
    pack = await make(Pack, base_price_cfa=3000)
    code = await make(QrCode, pot_id=pot.id, pack_id=pack.id, price_cfa=3000)
    await make.issued(code)
    await giving.owner.execute("UPDATE pots.pots SET balance_cfa = balance_cfa - 3000 WHERE id = $1", pot.id)
    before = await changes.mark()

    refused = await cancel(planning, pot, owner_of_pots)

    assert refused.refusals("cancelPot") == ["CODES_OUTSTANDING"]
    assert await changes.since(before) == []
    await planning("cancelQrCode", owner_of_pots, qrCodeId=code)
    assert (await cancel(planning, pot, owner_of_pots)).refusals("cancelPot") == []


async def test_what_was_carried_over_goes_back_to_where_it_came_from(
    planning: Planning, giving: Giving, make: Factory, owner_of_pots: Any, donor: Any
) -> None:
    earlier = await make.funded_pot(3000, owner_user_id=owner_of_pots.id, status="closed", closed_at=now())
    key = (await planning.create(owner_of_pots, in_days=10, visibility="PUBLIC"))["createPot"]["pot"]["rowId"]
    pot = type("Row", (), {"id": key})
    await giving.given(pot, 1000, donor)
    before = await planning.money(earlier)

    answer = await cancel(planning, pot, owner_of_pots)

    assert answer.refusals("cancelPot") == []
    assert before == (3000, 0)
    assert await planning.money(earlier) == (3000, 3000)
    assert await planning.money(pot) == (0, 0)
    following = (await planning.create(owner_of_pots, in_days=10))["createPot"]["pot"]
    assert following["balanceCfa"] == 3000


async def test_donors_come_before_what_was_carried_over(
    planning: Planning, giving: Giving, make: Factory, owner_of_pots: Any, donor: Any
) -> None:
    earlier = await make.funded_pot(3000, owner_user_id=owner_of_pots.id, status="closed", closed_at=now())
    key = (await planning.create(owner_of_pots, in_days=10, visibility="PUBLIC"))["createPot"]["pot"]["rowId"]
    pot = type("Row", (), {"id": key})
    await giving.given(pot, 1000, donor)
    await make.move(f"pot:{key}:balance", "platform:commission:XOF", 2200, "qr_redeem")
    await giving.owner.execute("UPDATE pots.pots SET balance_cfa = balance_cfa - 2200 WHERE id = $1", key)

    assert (await cancel(planning, pot, owner_of_pots)).refusals("cancelPot") == []
    assert await planning.money(earlier) == (3000, 800)
    assert await planning.money(pot) == (0, 0)


async def test_of_ten_who_cancel_at_once_one_does(
    planning: Planning, giving: Giving, wave: FakeWave, pot: Any, owner_of_pots: Any, donor: Any
) -> None:
    given = await giving.given(pot, 1000, donor)

    answers = await asyncio.gather(*(cancel(planning, pot, owner_of_pots) for _ in range(10)))

    assert sorted(answer.refusals("cancelPot") for answer in answers) == [[]] + [["INVALID_STATE"]] * 9
    assert await giving.refunds(given.id) == [(1000, "pending", "failed_pot")]


async def test_cancelling_while_donations_and_refunds_arrive_loses_no_franc(
    planning: Planning, giving: Giving, wave: FakeWave, make: Factory, pot: Any, owner_of_pots: Any
) -> None:
    donors = [await make(User) for _ in range(8)]
    given = [await giving.given(pot, 1000, each) for each in donors[:4]]
    begun = [await giving.begun(pot, 500, each) for each in donors[4:]]

    await asyncio.gather(
        *(giving.hear(wave.paid(each.checkout)) for each in begun),
        cancel(planning, pot, owner_of_pots),
        *(giving.refund(who, donationId=each.id, amountCfa=100) for who, each in zip(donors, given, strict=False)),
    )

    for each in (*given, *begun):
        await giving.send_refunds(each.id)
    assert (await planning.row(pot.id))["status"] == "cancelled"
    assert await planning.money(pot) == (0, 0)
    assert [sum(wave.given_back(each.checkout)) for each in given] == [1000] * 4
    assert [sum(wave.given_back(each.checkout)) for each in begun] == [500] * 4


async def test_staff_may_cancel(planning: Planning, make: Factory, pot: Any) -> None:
    staff = await make.staff()

    assert (await cancel(planning, pot, staff, STAFF)).refusals("cancelPot") == []


async def test_money_that_comes_after_it_was_called_off_goes_back(
    planning: Planning, giving: Giving, wave: FakeWave, pot: Any, owner_of_pots: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await cancel(planning, pot, owner_of_pots)

    await giving.hear(wave.paid(begun.checkout))

    assert await giving.refunds(begun.id) == [(1000, "pending", "failed_pot")]
    assert await planning.money(pot) == (0, 0)
    assert timedelta(0) <= now() - (await giving.row(begun.id))["refunded_at"] < timedelta(minutes=1)


async def test_converted_points_come_back_to_whose_they_were(
    planning: Planning, make: Factory, pot: Any, owner_of_pots: Any, books: Books
) -> None:
    await make(
        PointsLedgerEntry, sponsor_user_id=owner_of_pots.id, event_type="referral_accepted", points_earned=500,
        status="matured", matured_at=now(),
    )  # fmt: skip
    promotion = await books.owed("platform:promotion:XOF")
    for points in (100, 150):
        await planning("convertPoints", owner_of_pots, potId=pot, points=points)
    following = (await planning.create(owner_of_pots, in_days=10))["createPot"]["pot"]["rowId"]
    before = await planning("convertPoints", owner_of_pots, potId=following, points=251)

    answer = await cancel(planning, pot, owner_of_pots)
    again = await cancel(planning, pot, owner_of_pots)
    after = await planning("convertPoints", owner_of_pots, potId=following, points=500)

    (error,) = before["convertPoints"]["userErrors"]
    assert (error["code"], error["details"]) == ("INSUFFICIENT_POINTS", {"available": 250})
    assert answer.refusals("cancelPot") == []
    assert again.refusals("cancelPot") == ["INVALID_STATE"]
    assert after.refusals("convertPoints") == []
    entries = await planning.owner.fetch(
        "SELECT event_type, points_earned, points_spent FROM referrals.points_ledger"
        " WHERE sponsor_user_id = $1 AND event_type = 'conversion_returned' ORDER BY points_earned",
        owner_of_pots.id,
    )
    assert [tuple(row) for row in entries] == [("conversion_returned", 100, 0), ("conversion_returned", 150, 0)]
    # Only the last conversion stands: 500 points at 5 francs.
    assert await books.owed("platform:promotion:XOF") == promotion - 2500


async def test_points_for_a_pot_go_back_when_it_is_called_off(
    planning: Planning, giving: Giving, make: Factory, owner_of_pots: Any, donor: Any
) -> None:
    sponsor = await make(User)
    await make(
        Referral, sponsor_user_id=sponsor.id, sponsored_user_id=owner_of_pots.id, status="accepted", accepted_at=now()
    )
    key = (await planning.create(owner_of_pots, in_days=10, visibility="PUBLIC"))["createPot"]["pot"]["rowId"]
    pot = type("Row", (), {"id": key})
    await giving.given(pot, 1000, donor)
    entries = "SELECT event_type, status FROM referrals.points_ledger WHERE sponsor_user_id = $1 ORDER BY event_type"
    before = [tuple(row) for row in await giving.owner.fetch(entries, sponsor.id)]

    await cancel(planning, pot, owner_of_pots)

    assert before == [("first_donation", "pending"), ("pot_opened", "pending")]
    after = [tuple(row) for row in await giving.owner.fetch(entries, sponsor.id)]
    assert after == [("first_donation", "revoked"), ("pot_opened", "revoked")]
