"""A part of a donation goes back to the donor's phone: Wave gives a checkout back whole or not at all."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from models.identity import User
from resolvers.donations.refunds import send_pending_refunds, send_refund
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.donations.conftest import a_phone
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory


async def test_a_part_goes_to_the_phone_and_what_is_left_too(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books
) -> None:
    at_wave, suspense = await books.owed("provider:wave:XOF"), await books.owed("platform:suspense:XOF")
    given = await giving.given(pot, 5000, donor)

    part = (await giving.refund(donor, donationId=given.id, amountCfa=2000))["refundDonation"]["refund"]
    rest = (await giving.refund(donor, donationId=given.id))["refundDonation"]["refund"]

    assert (part["waveRefundStatus"], rest["waveRefundStatus"]) == ("SUCCEEDED", "SUCCEEDED")
    assert wave.paid_out(donor.phone) == [2000, 3000]
    assert wave.given_back(given.checkout) == []
    kept = "SELECT wave_refund_id FROM donations.refunds WHERE id = $1"
    assert await giving.owner.fetchval(kept, part["rowId"]) == f"pt-{part['rowId'][:8]}"
    assert await books.owed("provider:wave:XOF") == at_wave
    assert await books.owed("platform:suspense:XOF") == suspense
    assert await giving.money(pot) == (0, 0)


async def test_the_phone_that_paid_comes_before_the_accounts(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    phone = a_phone()
    given = await giving.given(pot, 5000, donor, phone=phone)

    await giving.refund(donor, donationId=given.id, amountCfa=700)

    assert (wave.paid_out(phone), wave.paid_out(donor.phone)) == ([700], [])


async def test_a_receipt_takes_a_part_back_to_the_phone_that_was_given(
    giving: Giving, wave: FakeWave, pot: Any
) -> None:
    phone = a_phone()
    given = await giving.given(pot, 5000, phone=phone)

    answer = await giving.refund(None, receiptToken=given.token, amountCfa=700)

    assert answer.refusals("refundDonation") == []
    assert wave.paid_out(phone) == [700]


async def test_a_part_without_a_known_phone_is_refused_and_the_whole_is_not(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any, changes: Changes
) -> None:
    by_mail = await make(User)
    given, nobodys = await giving.given(pot, 5000, by_mail), await giving.given(pot, 5000)
    before, calls_before = await changes.mark(), len(wave.calls)

    part = await giving.refund(by_mail, donationId=given.id, amountCfa=4999)
    by_receipt = await giving.refund(None, receiptToken=nobodys.token, amountCfa=1)

    assert part.refusals("refundDonation") == by_receipt.refusals("refundDonation") == ["PHONE_UNKNOWN"]
    assert part["refundDonation"]["userErrors"][0]["field"] == ["amountCfa"]
    assert await changes.since(before) == []
    assert len(wave.calls) == calls_before
    assert (await giving.refund(by_mail, donationId=given.id, amountCfa=5000)).refusals("refundDonation") == []
    assert wave.given_back(given.checkout) == [5000]


async def test_staff_give_a_part_back_by_hand_where_no_phone_is_known(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any, staff: Any, books: Books
) -> None:
    suspense = await books.owed("platform:suspense:XOF")
    given = await giving.given(pot, 5000)

    answer = await giving.refund(staff, STAFF, donationId=given.id, amountCfa=2000)
    refund = answer["refundDonation"]["refund"]
    rest = await giving.refund(None, receiptToken=given.token)
    paid = await giving.as_staff("markRefundPaid", refundId=refund["rowId"], reference="T-1")

    assert answer["refundDonation"]["warnings"] == [{"code": "PAYMENT_PROVIDER_REFUSED"}]
    assert refund["waveRefundStatus"] == "FAILED"
    # What is left is a part as well.
    assert rest.refusals("refundDonation") == ["PHONE_UNKNOWN"]
    assert paid["markRefundPaid"]["refund"] == {"waveRefundStatus": "SUCCEEDED", "waveRefundId": "T-1"}
    assert not [call for call in wave.calls if call[0] in ("refund", "pay_out")]
    assert await giving.money(pot) == (3000, 3000)
    assert await books.owed("platform:suspense:XOF") == suspense


async def test_a_failed_part_is_sent_again_once_the_phone_is_known(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any, staff: Any
) -> None:
    by_mail, phone = await make(User), a_phone()
    given = await giving.given(pot, 5000, by_mail)
    answer = await giving.refund(staff, STAFF, donationId=given.id, amountCfa=2000)
    await giving.owner.execute("UPDATE identity.users SET phone = $2 WHERE id = $1", by_mail.id, phone)

    again = await giving.as_staff("retryRefund", refundId=answer["refundDonation"]["refund"]["rowId"])

    assert again["retryRefund"]["refund"] == {"waveRefundStatus": "SUCCEEDED"}
    assert wave.paid_out(phone) == [2000]


async def test_a_lost_answer_pays_a_part_once_to_the_same_phone(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    given = await giving.given(pot, 5000, donor)
    wave.deaf = True
    answer = await giving.refund(donor, donationId=given.id, amountCfa=2000)
    wave.deaf = False
    await giving.owner.execute("UPDATE identity.users SET phone = $2 WHERE id = $1", donor.id, a_phone())

    key = answer["refundDonation"]["refund"]["rowId"]
    await asyncio.gather(*(send_refund(giving.services, refund_id=UUID(key)) for _ in range(5)))

    assert answer["refundDonation"]["warnings"] == [{"code": "PAYMENT_PROVIDER_UNAVAILABLE"}]
    assert wave.paid_out(donor.phone) == [2000]
    assert sum(amount for _, amount, reference in wave.payouts.values() if reference == key) == 2000
    assert await giving.refunds(given.id) == [(2000, "succeeded", "user_request")]


async def test_a_payout_under_way_waits_without_a_warning_and_holds_up_no_other(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    first, second = await giving.given(pot, 5000, donor), await giving.given(pot, 5000, donor)
    wave.slow = True
    slow = await giving.refund(donor, donationId=first.id, amountCfa=2000)
    wave.down = True
    await giving.refund(donor, donationId=second.id)
    wave.down = False
    await giving.owner.execute(
        "UPDATE donations.refunds SET created_at = created_at - interval '6 minutes' WHERE donation_id = ANY ($1)",
        [first.id, second.id],
    )

    await send_pending_refunds(giving.services)
    meanwhile = [await giving.refunds(each.id) for each in (first, second)]
    wave.slow = False
    await send_pending_refunds(giving.services)

    assert slow["refundDonation"]["warnings"] == []
    assert slow["refundDonation"]["refund"]["waveRefundStatus"] == "PENDING"
    assert meanwhile == [[(2000, "pending", "user_request")], [(5000, "succeeded", "user_request")]]
    assert await giving.refunds(first.id) == [(2000, "succeeded", "user_request")]
    assert wave.paid_out(donor.phone) == [2000]


async def test_of_a_cancelled_pot_what_is_left_waits_for_staff_where_no_phone_is_known(
    giving: Giving, wave: FakeWave, pot: Any, staff: Any, books: Books
) -> None:
    suspense = await books.owed("platform:suspense:XOF")
    given, other = await giving.given(pot, 5000), await giving.given(pot, 3000)
    part = await giving.refund(staff, STAFF, donationId=given.id, amountCfa=2000)

    cancelled = await giving.api.mutate("cancelPot", await giving.owner_of(pot), potId=pot)
    for each in (given, other):
        await giving.send_refunds(each.id)

    assert cancelled.refusals("cancelPot") == []
    assert await giving.refunds(given.id) == [(2000, "failed", "admin_action"), (3000, "failed", "failed_pot")]
    assert await giving.refunds(other.id) == [(3000, "succeeded", "failed_pot")]
    assert (wave.given_back(given.checkout), wave.given_back(other.checkout)) == ([], [3000])
    rows = await giving.owner.fetch("SELECT id FROM donations.refunds WHERE donation_id = $1", given.id)
    assert part["refundDonation"]["refund"]["rowId"] in {str(row["id"]) for row in rows}
    for row in rows:
        paid = await giving.as_staff("markRefundPaid", refundId=str(row["id"]), reference=f"T-{row['id']}")
        assert paid.refusals("markRefundPaid") == []
    assert await books.owed("platform:suspense:XOF") == suspense
