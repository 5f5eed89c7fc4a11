"""Staff in their own matter: they have the rights of everybody else, and decide on nothing."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from models.identity import User
from models.pots import Pot
from models.profiles import Profile
from tests.changes import Changes
from tests.client import STAFF
from tests.donations.conftest import a_phone
from tests.donations.giving import Giving
from tests.factories import Factory, now


@pytest.fixture
async def staff(make: Factory) -> SimpleNamespace:
    """One of the staff who has a phone."""
    return await make.staff(phone=a_phone())


async def long_ago(giving: Giving, key: Any) -> None:
    await giving.owner.execute(
        "UPDATE donations.donations SET confirmed_at = now() - interval '25 hours' WHERE id = $1", key
    )


async def held(giving: Giving, pot: Any, amount: int, as_: Any, **more: Any) -> SimpleNamespace:
    begun = await giving.begun(pot, amount, as_, **more)
    await giving.owner.execute("UPDATE donations.donations SET risk_score = 81 WHERE id = $1", begun.id)
    await giving.hear(giving.wave.paid(begun.checkout))
    return begun


async def test_a_donor_of_the_staff_has_the_donors_time_and_no_more(
    giving: Giving, pot: Any, staff: Any, changes: Changes
) -> None:
    early, late = await giving.given(pot, 5000, staff), await giving.given(pot, 3000, staff)
    await long_ago(giving, late.id)

    in_time = await giving.refund(staff, STAFF, donationId=early.id)
    before = await changes.mark()
    too_late = await giving.refund(staff, STAFF, donationId=late.id)
    by_another_reason = await giving.refund(staff, STAFF, donationId=late.id, reason="ADMIN_ACTION")

    assert in_time["refundDonation"]["refund"]["reason"] == "USER_REQUEST"
    assert too_late.refusals("refundDonation") == ["REFUND_WINDOW_OVER"]
    assert by_another_reason.refusals("refundDonation") == ["REASON_NOT_ALLOWED"]
    assert await changes.since(before) == []


async def test_the_holder_of_a_receipt_acts_as_its_donor_even_if_staff(
    giving: Giving, pot: Any, staff: Any, changes: Changes
) -> None:
    given = await giving.given(pot, 5000)
    await long_ago(giving, given.id)
    before = await changes.mark()

    answer = await giving.refund(staff, STAFF, receiptToken=given.token)

    assert answer.refusals("refundDonation") == ["REFUND_WINDOW_OVER"]
    assert await changes.since(before) == []


async def test_staff_give_nothing_back_that_their_own_phone_paid_for(
    giving: Giving, pot: Any, staff: Any, changes: Changes
) -> None:
    given = await giving.given(pot, 5000, phone=staff.phone)
    before = await changes.mark()

    answer = await giving.refund(staff, STAFF, donationId=given.id)

    assert answer.refusals("refundDonation") == ["OWN_MATTER"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("as_guardian", [False, True], ids=["own", "minor"])
async def test_staff_give_nothing_back_out_of_a_pot_of_their_own(
    giving: Giving, make: Factory, staff: Any, donor: Any, changes: Changes, as_guardian: bool
) -> None:
    whose = staff
    if as_guardian:
        whose = await make(User)
        child = {"date_of_birth": date.today() - timedelta(days=3_000), "guardian_accepted_at": now()}
        await make(Profile, user_id=whose.id, guardian_user_id=staff.id, relationship_type="parent", **child)
    pot = await make(Pot, owner_user_id=whose.id, visibility="public", target_amount_cfa=10_000_000)
    given = await giving.given(pot, 5000, donor)
    before = await changes.mark()

    answer = await giving.refund(staff, STAFF, donationId=given.id)

    assert answer.refusals("refundDonation") == ["OWN_MATTER"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("name", ["releaseHeldDonation", "rejectHeldDonation"])
async def test_staff_decide_on_no_held_donation_of_their_own(
    giving: Giving, make: Factory, pot: Any, staff: Any, donor: Any, changes: Changes, name: str
) -> None:
    own_pot = await make(Pot, owner_user_id=staff.id, visibility="public", target_amount_cfa=10_000_000)
    matters = [
        await held(giving, pot, 1000, staff),
        await held(giving, pot, 1100, None, phone=staff.phone),
        await held(giving, own_pot, 1200, donor),
    ]
    before = await changes.mark()

    answers = [await giving.api.mutate(name, staff, STAFF, donationId=each.id) for each in matters]

    assert [answer.refusals(name) for answer in answers] == [["OWN_MATTER"]] * 3
    assert await changes.since(before) == []
    assert (await giving.as_staff(name, donationId=matters[0].id)).refusals(name) == []


@pytest.mark.parametrize("name", ["retryRefund", "markRefundPaid"])
async def test_staff_send_no_refund_of_their_own(
    giving: Giving, make: Factory, pot: Any, staff: Any, changes: Changes, name: str
) -> None:
    given = await giving.given(pot, 5000, staff)
    giving.wave.refuses.add("refund")
    await giving.refund(staff, donationId=given.id)
    giving.wave.refuses.clear()
    (key,) = [row["id"] for row in await giving.owner.fetch(
        "SELECT id FROM donations.refunds WHERE donation_id = $1", given.id)]  # fmt: skip
    more = {"reference": "by hand"} if name == "markRefundPaid" else {}
    before = await changes.mark()

    answer = await giving.api.mutate(name, staff, STAFF, refundId=str(key), **more)

    assert answer.refusals(name) == ["OWN_MATTER"]
    assert await changes.since(before) == []
    assert (await giving.as_staff(name, refundId=str(key), **more)).refusals(name) == []


async def test_staff_replay_no_payment_of_their_own(giving: Giving, pot: Any, staff: Any, changes: Changes) -> None:
    begun = await giving.begun(pot, 5000, staff)
    event = giving.wave.paid(begun.checkout)
    await giving.hear(event)
    stored = await giving.event_of(event)
    before = await changes.mark()

    answer = await giving.api.mutate("replayWaveEvent", staff, STAFF, eventId=str(stored["id"]))

    assert answer.refusals("replayWaveEvent") == ["OWN_MATTER"]
    assert (await giving.event_of(event))["retry_count"] == stored["retry_count"]
    assert await changes.since(before) == []


async def test_staff_call_no_pot_off_that_they_gave_to(giving: Giving, pot: Any, staff: Any, changes: Changes) -> None:
    await giving.given(pot, 5000, staff)
    before = await changes.mark()

    answer = await giving.api.mutate("cancelPot", staff, STAFF, show="pot { status }", potId=pot)

    (error,) = answer["cancelPot"]["userErrors"]
    assert (error["code"], error["field"]) == ("OWN_MATTER", ["potId"])
    assert await changes.since(before) == []


async def test_staff_call_a_pot_of_their_own_off_as_any_owner_does(giving: Giving, make: Factory, staff: Any) -> None:
    pot = await make(Pot, owner_user_id=staff.id, visibility="public", target_amount_cfa=10_000_000)
    await giving.given(pot, 5000, staff)

    answer = await giving.api.mutate("cancelPot", staff, STAFF, show="pot { status }", potId=pot)

    assert answer["cancelPot"] == {"pot": {"status": "CANCELLED"}, "userErrors": []}
