"""Giving donations back: who may, until when, how much, and how it reaches the donor."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from models.identity import User
from models.packs import Pack
from models.pots import Pot
from models.redemption import QrCode
from models.referrals import Referral
from resolvers.donations.refunds import send_pending_refunds, send_refund
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory, now
from tests.pauses import end_pauses


async def spend(giving: Giving, pot: Any, amount: int) -> None:
    """What the rules would have posted for a code that was redeemed."""
    await giving.make.move(f"pot:{pot.id}:balance", "platform:commission:XOF", amount, "qr_redeem")
    await giving.owner.execute("UPDATE pots.pots SET balance_cfa = balance_cfa - $2 WHERE id = $1", pot.id, amount)


async def reserve(giving: Giving, pot: Any, amount: int) -> None:
    pack = await giving.make(Pack, base_price_cfa=amount)
    await giving.make.issued(await giving.make(QrCode, pot_id=pot.id, pack_id=pack.id, price_cfa=amount))
    await giving.owner.execute("UPDATE pots.pots SET balance_cfa = balance_cfa - $2 WHERE id = $1", pot.id, amount)


async def test_the_donor_takes_a_donation_back(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books
) -> None:
    at_wave, suspense = await books.owed("provider:wave:XOF"), await books.owed("platform:suspense:XOF")
    given = await giving.given(pot, 5000, donor)

    answer = await giving.refund(donor, donationId=given.id)

    refund = answer["refundDonation"]["refund"]
    assert answer["refundDonation"]["userErrors"] == answer["refundDonation"]["warnings"] == []
    assert (refund["amountCfa"], refund["reason"], refund["waveRefundStatus"]) == (5000, "USER_REQUEST", "SUCCEEDED")
    assert refund["donation"] == {"status": "REFUNDED"}
    assert wave.given_back(given.checkout) == [5000]
    assert await giving.money(pot) == (0, 0)
    assert await books.owed("provider:wave:XOF") == at_wave
    assert await books.owed("platform:suspense:XOF") == suspense
    assert await books.events(refund["rowId"]) == ["refund.requested", "refund.succeeded"]


async def test_the_refunds_of_a_donation_never_exceed_it(
    giving: Giving, pot: Any, donor: Any, changes: Changes
) -> None:
    given = await giving.given(pot, 5000, donor)

    first = await giving.refund(donor, donationId=given.id, amountCfa=2000)
    before = await changes.mark()
    over = await giving.refund(donor, donationId=given.id, amountCfa=3001)
    changed = await changes.since(before)
    rest = await giving.refund(donor, donationId=given.id, amountCfa=3000)
    more = await giving.refund(donor, donationId=given.id, amountCfa=1)

    assert first["refundDonation"]["refund"]["donation"] == {"status": "SUCCEEDED"}
    assert over.refusals("refundDonation") == ["REFUND_EXCEEDS_DONATION"]
    assert over["refundDonation"]["userErrors"][0]["details"] == {"leftCfa": 3000}
    assert changed == []
    assert rest["refundDonation"]["refund"]["donation"] == {"status": "REFUNDED"}
    assert more.refusals("refundDonation") == ["INVALID_STATE"]
    assert await giving.money(pot) == (0, 0)


async def test_of_twenty_refunds_at_once_no_more_goes_back_than_was_given(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    await giving.given(pot, 50_000, donor)
    given = await giving.given(pot, 5000, donor)

    answers = await asyncio.gather(*(giving.refund(donor, donationId=given.id, amountCfa=1000) for _ in range(20)))

    refusals = [answer.refusals("refundDonation") for answer in answers]
    assert refusals.count([]) == 5
    assert refusals.count(["INVALID_STATE"]) == 15
    assert wave.paid_out(donor.phone) == [1000] * 5
    assert wave.given_back(given.checkout) == []
    assert await giving.money(pot) == (50_000, 50_000)


async def test_with_one_key_it_goes_back_once(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    given, key = await giving.given(pot, 5000, donor), str(uuid4())

    first = await giving.refund(donor, donationId=given.id, amountCfa=1000, idempotencyKey=key)
    again = await giving.refund(donor, donationId=given.id, amountCfa=1000, idempotencyKey=key)

    assert again["refundDonation"]["refund"] == first["refundDonation"]["refund"]
    assert wave.paid_out(donor.phone) == [1000]


@pytest.mark.parametrize(
    ("amount", "refusal"), [(0, "AMOUNT_NOT_POSITIVE"), (-1, "AMOUNT_NOT_POSITIVE"), (5001, "REFUND_EXCEEDS_DONATION")]
)
async def test_an_amount_has_its_bounds(
    giving: Giving, pot: Any, donor: Any, changes: Changes, amount: int, refusal: str
) -> None:
    given = await giving.given(pot, 5000, donor)
    before = await changes.mark()

    assert (await giving.refund(donor, donationId=given.id, amountCfa=amount)).refusals("refundDonation") == [refusal]
    assert await changes.since(before) == []


@pytest.mark.parametrize("amount", [10**30, "NaN", 100.5, "1"])
async def test_an_amount_that_is_not_a_whole_number_is_bad_input(
    giving: Giving, pot: Any, donor: Any, amount: Any
) -> None:
    given = await giving.given(pot, 5000, donor)

    assert (await giving.refund(donor, donationId=given.id, amountCfa=amount)).codes == ["BAD_USER_INPUT"]


async def test_the_donor_has_24_hours_and_staff_have_longer(
    giving: Giving, pot: Any, donor: Any, staff: Any, changes: Changes
) -> None:
    given = await giving.given(pot, 5000, donor)
    await giving.owner.execute(
        "UPDATE donations.donations SET confirmed_at = now() - $2::interval WHERE id = $1",
        given.id, timedelta(hours=24, seconds=1),
    )  # fmt: skip
    before = await changes.mark()

    late = await giving.refund(donor, donationId=given.id)

    assert late.refusals("refundDonation") == ["REFUND_WINDOW_OVER"]
    assert await changes.since(before) == []
    by_staff = await giving.refund(staff, STAFF, donationId=given.id, reason="FRAUD", description="a stolen phone")
    assert by_staff["refundDonation"]["refund"]["reason"] == "FRAUD"


async def test_a_minute_before_the_day_is_over_it_goes_back(giving: Giving, pot: Any, donor: Any) -> None:
    given = await giving.given(pot, 5000, donor)
    await giving.owner.execute(
        "UPDATE donations.donations SET confirmed_at = now() - interval '23 hours 59 minutes' WHERE id = $1", given.id
    )

    assert (await giving.refund(donor, donationId=given.id)).refusals("refundDonation") == []


@pytest.mark.parametrize("status", ["closed", "expired"])
async def test_of_an_ended_pot_only_staff_give_back(
    giving: Giving, pot: Any, donor: Any, staff: Any, changes: Changes, status: str
) -> None:
    given = await giving.given(pot, 5000, donor)
    await giving.owner.execute("UPDATE pots.pots SET status = $2 WHERE id = $1", pot.id, status)
    before = await changes.mark()

    assert (await giving.refund(donor, donationId=given.id)).refusals("refundDonation") == ["POT_NOT_OPEN"]
    assert await changes.since(before) == []
    assert (await giving.refund(staff, STAFF, donationId=given.id)).refusals("refundDonation") == []
    assert await giving.money(pot) == (0, 0)


async def test_money_the_pot_has_spent_does_not_go_back(
    giving: Giving, pot: Any, donor: Any, staff: Any, changes: Changes
) -> None:
    given = await giving.given(pot, 5000, donor)
    await spend(giving, pot, 4500)
    before = await changes.mark()

    for caller, roles in ((donor, ()), (staff, STAFF)):
        refused = await giving.refund(caller, roles, donationId=given.id)
        assert refused.refusals("refundDonation") == ["POT_FUNDS_SPENT"]
        assert refused["refundDonation"]["userErrors"][0]["details"] == {"balanceCfa": 500}
    assert await changes.since(before) == []
    assert (await giving.refund(donor, donationId=given.id, amountCfa=500)).refusals("refundDonation") == []
    assert await giving.money(pot) == (4500, 0)


async def test_money_set_aside_for_codes_does_not_go_back(
    giving: Giving, pot: Any, donor: Any, changes: Changes
) -> None:
    given = await giving.given(pot, 5000, donor)
    await reserve(giving, pot, 4500)
    before = await changes.mark()

    refused = await giving.refund(donor, donationId=given.id)

    assert refused.refusals("refundDonation") == ["CODES_OUTSTANDING"]
    assert refused["refundDonation"]["userErrors"][0]["details"] == {
        "codes": 1, "reservedCfa": 4500, "balanceCfa": 500,
    }  # fmt: skip
    assert await changes.since(before) == []


async def test_strangers_owners_and_nobody_give_nothing_back(
    giving: Giving, make: Factory, pot: Any, donor: Any, changes: Changes
) -> None:
    given = await giving.given(pot, 5000, donor)
    stranger, owner = await make(User), await giving.owner_of(pot)
    before = await changes.mark()

    for caller in (stranger, owner, None):
        assert (await giving.refund(caller, donationId=given.id)).refusals("refundDonation") == ["NOT_FOUND"]
    claimed = await giving.refund(stranger, STAFF, donationId=given.id)
    assert claimed.refusals("refundDonation") == ["NOT_FOUND"]
    assert (await giving.refund(donor)).codes == ["BAD_USER_INPUT"]
    assert await changes.since(before) == []


async def test_a_receipt_is_the_right_to_take_it_back(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    given = await giving.given(pot, 5000)
    other = await giving.given(pot, 5000, donor)

    mixed = await giving.refund(None, donationId=other.id, receiptToken=given.token)
    answer = await giving.refund(None, receiptToken=given.token)

    assert mixed.refusals("refundDonation") == ["NOT_FOUND"]
    assert answer.refusals("refundDonation") == []
    receipt = await giving.receipt(given.token)
    assert (receipt["status"], receipt["refundedCfa"]) == ("REFUNDED", 5000)
    assert wave.given_back(given.checkout) == [5000]


@pytest.mark.parametrize("reason", ["FRAUD", "FAILED_POT", "ADMIN_ACTION"])
async def test_the_other_reasons_are_staffs(giving: Giving, pot: Any, donor: Any, reason: str) -> None:
    given = await giving.given(pot, 5000, donor)

    refused = await giving.refund(donor, donationId=given.id, reason=reason)

    assert refused.refusals("refundDonation") == ["REASON_NOT_ALLOWED"]


async def test_an_unpaid_donation_does_not_go_back(giving: Giving, pot: Any, donor: Any) -> None:
    begun = await giving.begun(pot, 5000, donor)

    assert (await giving.refund(donor, donationId=begun.id)).refusals("refundDonation") == ["INVALID_STATE"]


# The way to the donor


async def test_with_wave_down_it_is_a_warning_and_the_worker_sends_it(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    given = await giving.given(pot, 5000, donor)
    wave.down = True
    answer = await giving.refund(donor, donationId=given.id)
    refund = answer["refundDonation"]["refund"]
    await giving.owner.execute(
        "UPDATE donations.refunds SET created_at = now() - interval '6 minutes' WHERE id = $1", refund["rowId"]
    )
    await send_pending_refunds(giving.services)
    waiting = await giving.refunds(given.id)
    wave.down = False
    await end_pauses(giving.owner)

    await asyncio.gather(*(send_pending_refunds(giving.services) for _ in range(3)))

    assert answer["refundDonation"]["warnings"] == [{"code": "PAYMENT_PROVIDER_UNAVAILABLE"}]
    assert refund["waveRefundStatus"] == "PENDING"
    assert waiting == [(5000, "pending", "user_request")]
    assert await giving.refunds(given.id) == [(5000, "succeeded", "user_request")]
    assert wave.given_back(given.checkout) == [5000]


async def test_a_lost_answer_gives_back_once(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    given = await giving.given(pot, 5000, donor)
    wave.deaf = True
    await giving.refund(donor, donationId=given.id)
    wave.deaf = False

    key = await giving.owner.fetchval("SELECT id FROM donations.refunds WHERE donation_id = $1", given.id)
    await asyncio.gather(*(send_refund(giving.services, refund_id=key) for _ in range(5)))

    assert wave.given_back(given.checkout) == [5000]
    assert await giving.refunds(given.id) == [(5000, "succeeded", "user_request")]


async def test_a_refund_that_wave_refuses_fails_and_staff_send_it_again(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books
) -> None:
    given = await giving.given(pot, 5000, donor)
    suspense = await books.owed("platform:suspense:XOF")
    wave.refuses.add("refund")
    refund = (await giving.refund(donor, donationId=given.id))["refundDonation"]["refund"]
    # The money has left the pot, and stands in suspense until the donor has it.
    assert refund["waveRefundStatus"] == "FAILED"
    assert await books.owed("platform:suspense:XOF") == suspense + 5000
    wave.refuses.clear()

    assert (await giving.api.mutate("retryRefund", donor, refundId=refund["rowId"])).codes == ["FORBIDDEN"]
    answer = await giving.as_staff("retryRefund", refundId=refund["rowId"])
    again = await giving.as_staff("retryRefund", refundId=refund["rowId"])

    assert answer["retryRefund"]["refund"] == {"waveRefundStatus": "SUCCEEDED"}
    assert again.refusals("retryRefund") == ["INVALID_STATE"]
    assert wave.given_back(given.checkout) == [5000]
    assert await books.owed("platform:suspense:XOF") == suspense


async def test_a_part_that_wave_will_not_pay_out_is_paid_by_hand_once(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, staff: Any, books: Books, changes: Changes
) -> None:
    given = await giving.given(pot, 5000, donor)
    suspense, at_wave = await books.owed("platform:suspense:XOF"), await books.owed("provider:wave:XOF")
    wave.refuses.add("pay_out")
    key = (await giving.refund(donor, donationId=given.id, amountCfa=2000))["refundDonation"]["refund"]["rowId"]
    before = await changes.mark()

    by_donor = await giving.api.mutate("markRefundPaid", donor, refundId=key, reference="T-1")
    unnamed = await giving.api.mutate("markRefundPaid", staff, STAFF, refundId=key, reference=" ")
    unknown = await giving.api.mutate("markRefundPaid", staff, STAFF, refundId=str(uuid4()), reference="T-1")
    changed = await changes.since(before)
    answers = await asyncio.gather(
        *(giving.api.mutate("markRefundPaid", staff, STAFF, refundId=key, reference=" T-1 ") for _ in range(5))
    )

    assert by_donor.codes == ["FORBIDDEN"]
    assert unnamed.refusals("markRefundPaid") == ["TEXT_MISSING"]
    assert unknown.refusals("markRefundPaid") == ["NOT_FOUND"]
    assert changed == []
    assert sorted(answer.refusals("markRefundPaid") for answer in answers) == [[]] + [["INVALID_STATE"]] * 4
    assert await giving.refunds(given.id) == [(2000, "succeeded", "user_request")]
    assert await giving.owner.fetchval("SELECT wave_refund_id FROM donations.refunds WHERE id = $1", key) == "T-1"
    assert await books.owed("platform:suspense:XOF") == suspense
    assert await books.owed("provider:wave:XOF") == at_wave + 2000
    assert await giving.money(pot) == (3000, 3000)


async def test_the_donor_is_notified_when_the_money_is_back(
    giving: Giving, pot: Any, donor: Any, templates: Any
) -> None:
    await templates("donation_refunded", "{amount} francs")
    given = await giving.given(pot, 5000, donor)

    await giving.refund(donor, donationId=given.id, amountCfa=700)

    body = await giving.owner.fetchval("SELECT body FROM notifications.notifications WHERE user_id = $1", donor.id)
    assert body == "700 francs"


async def test_refunds_and_donations_at_once_add_up(giving: Giving, make: Factory, pot: Any) -> None:
    donors = [await make(User) for _ in range(10)]
    given = [await giving.given(pot, 1000, each) for each in donors]

    await asyncio.gather(
        *(giving.refund(each, donationId=one.id) for each, one in zip(donors, given, strict=True)),
        *(giving.given(pot, 300, each) for each in donors),
    )

    assert await giving.money(pot) == (3000, 3000)


async def test_a_funded_pot_is_open_again_when_it_has_less_than_its_target(
    giving: Giving, make: Factory, donor: Any, books: Books
) -> None:
    pot = await make(Pot, visibility="public", target_amount_cfa=5000)
    first, second = await giving.given(pot, 4000, donor), await giving.given(pot, 2000, donor)
    assert (await giving.pot(pot))["status"] == "funded"

    await giving.refund(donor, donationId=second.id, amountCfa=1000)
    at_target = (await giving.pot(pot))["status"]
    await giving.refund(donor, donationId=second.id)
    below = (await giving.pot(pot))["status"]
    await giving.refund(donor, donationId=first.id)

    assert (at_target, below) == ("funded", "open")
    assert (await giving.pot(pot))["status"] == "open"
    assert await giving.money(pot) == (0, 0)
    assert (await books.events(pot.id)) == ["pot.funded", "pot.reopened"]
    await giving.given(pot, 5000, donor)
    assert (await giving.pot(pot))["status"] == "funded"


async def test_points_for_a_first_donation_go_back_with_it(giving: Giving, make: Factory, pot: Any, donor: Any) -> None:
    sponsor = await make(User)
    await make(
        Referral, sponsor_user_id=sponsor.id, sponsored_user_id=pot.owner_user_id, status="accepted", accepted_at=now()
    )
    count = "SELECT coalesce(sum(points_earned) FILTER (WHERE status = 'pending'), 0) FROM referrals.points_ledger WHERE sponsor_user_id = $1"
    given = await giving.given(pot, 100, donor)
    earned = await giving.owner.fetchval(count, sponsor.id)

    await giving.refund(donor, donationId=given.id)

    assert earned == 50
    assert await giving.owner.fetchval(count, sponsor.id) == 0
    await giving.given(pot, 100, donor)
    assert await giving.owner.fetchval(count, sponsor.id) == 50
