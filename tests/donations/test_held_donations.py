"""Donations that staff look at before they count, and the score that decides about it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import pytest

from models.donations import Donation
from models.pots import Pot
from resolvers.donations import risk
from tests.books import Books
from tests.changes import Changes
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory, now


@pytest.fixture
async def held(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> Any:
    """A donation that is paid, and whose score is above the limit."""
    begun = await giving.begun(pot, 1000, donor)
    await giving.owner.execute("UPDATE donations.donations SET risk_score = 81 WHERE id = $1", begun.id)
    await giving.hear(wave.paid(begun.checkout))
    return begun


async def test_above_the_limit_a_paid_donation_waits_for_staff(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.owner.execute("UPDATE donations.donations SET risk_score = 81 WHERE id = $1", begun.id)
    suspense = await books.owed("platform:suspense:XOF")

    await giving.hear(event := wave.paid(begun.checkout))

    assert await giving.status(begun.id) == "processing"
    assert await giving.money(pot) == (0, 0)
    assert await books.owed("platform:suspense:XOF") == suspense + 1000
    assert (await giving.event_of(event))["processing_error"] is None
    assert (await books.events(begun.id))[-1] == "donation.held"


async def test_at_the_limit_it_counts(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.owner.execute("UPDATE donations.donations SET risk_score = 80 WHERE id = $1", begun.id)

    await giving.hear(wave.paid(begun.checkout))

    assert await giving.status(begun.id) == "succeeded"


async def test_staff_may_move_the_limit(giving: Giving, wave: FakeWave, pot: Any, donor: Any, configure: Any) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.owner.execute("UPDATE donations.donations SET risk_score = 10 WHERE id = $1", begun.id)
    await configure("donations.hold_score", 9)

    await giving.hear(wave.paid(begun.checkout))

    assert await giving.status(begun.id) == "processing"


async def test_a_failed_donation_that_is_paid_late_is_held_too(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.owner.execute("UPDATE donations.donations SET risk_score = 100 WHERE id = $1", begun.id)
    await giving.hear(wave.failed(begun.checkout))

    await giving.hear(wave.paid(begun.checkout))

    assert await giving.status(begun.id) == "processing"


async def test_released_it_counts_once(giving: Giving, pot: Any, held: Any, books: Books) -> None:
    suspense = await books.owed("platform:suspense:XOF")

    answers = await asyncio.gather(*(giving.as_staff("releaseHeldDonation", donationId=held.id) for _ in range(5)))

    refusals = sorted(answer.refusals("releaseHeldDonation") for answer in answers)
    assert refusals == [[]] + [["INVALID_STATE"]] * 4
    assert await giving.status(held.id) == "succeeded"
    assert await giving.money(pot) == (1000, 1000)
    assert await books.owed("platform:suspense:XOF") == suspense - 1000


async def test_released_for_a_pot_that_takes_no_money_it_goes_back(
    giving: Giving, wave: FakeWave, pot: Any, held: Any
) -> None:
    await giving.owner.execute("UPDATE pots.pots SET status = 'closed' WHERE id = $1", pot.id)

    answer = await giving.as_staff("releaseHeldDonation", donationId=held.id)

    assert answer["releaseHeldDonation"]["donation"] == {"status": "REFUNDED"}
    await giving.send_refunds(held.id)
    assert wave.given_back(held.checkout) == [1000]


async def test_a_rejected_donation_goes_back_to_its_payer(
    giving: Giving, wave: FakeWave, pot: Any, held: Any, books: Books
) -> None:
    suspense = await books.owed("platform:suspense:XOF")

    answer = await giving.as_staff("rejectHeldDonation", donationId=held.id, description="stolen phone")

    assert answer["rejectHeldDonation"]["donation"] == {"status": "REFUNDED"}
    assert await giving.refunds(held.id) == [(1000, "pending", "fraud")]
    await giving.send_refunds(held.id)
    assert wave.given_back(held.checkout) == [1000]
    assert await books.owed("platform:suspense:XOF") == suspense - 1000
    assert await giving.money(pot) == (0, 0)


async def test_a_payment_of_another_amount_goes_back_as_it_was_paid(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    suspense = await books.owed("platform:suspense:XOF")
    wave.change(begun.checkout, amount=700)
    await giving.hear(wave.paid(begun.checkout))

    await giving.as_staff("rejectHeldDonation", donationId=begun.id)

    assert await giving.refunds(begun.id) == [(700, "pending", "fraud")]
    await giving.send_refunds(begun.id)
    assert wave.given_back(begun.checkout) == [700]
    assert await books.owed("platform:suspense:XOF") == suspense


async def test_a_payment_in_another_currency_fails_and_staff_return_it(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.hear(wave.paid(begun.checkout, currency="EUR"))

    answer = await giving.as_staff("rejectHeldDonation", donationId=begun.id)

    assert answer["rejectHeldDonation"]["donation"] == {"status": "FAILED"}
    assert await giving.refunds(begun.id) == []


@pytest.mark.parametrize("name", ["releaseHeldDonation", "rejectHeldDonation"])
async def test_only_staff_decide_about_it(giving: Giving, donor: Any, held: Any, changes: Changes, name: str) -> None:
    before = await changes.mark()

    assert (await giving.api.mutate(name, donor, donationId=held.id)).codes == ["FORBIDDEN"]
    assert (await giving.api.mutate(name, None, donationId=held.id)).codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []
    assert (await giving.as_staff(name, donationId=str(uuid4()))).refusals(name) == ["NOT_FOUND"]


@pytest.mark.parametrize("name", ["releaseHeldDonation", "rejectHeldDonation"])
async def test_a_donation_that_is_not_held_stays_as_it_is(giving: Giving, pot: Any, donor: Any, name: str) -> None:
    given = await giving.given(pot, 1000, donor)

    assert (await giving.as_staff(name, donationId=given.id)).refusals(name) == ["INVALID_STATE"]
    assert await giving.money(pot) == (1000, 1000)


async def test_releasing_and_rejecting_at_once_one_wins(giving: Giving, pot: Any, held: Any) -> None:
    released, rejected = await asyncio.gather(
        giving.as_staff("releaseHeldDonation", donationId=held.id),
        giving.as_staff("rejectHeldDonation", donationId=held.id),
    )

    outcome = [*released.refusals("releaseHeldDonation"), *rejected.refusals("rejectHeldDonation")]
    assert outcome == ["INVALID_STATE"]
    expected = (1000, 1000) if await giving.status(held.id) == "succeeded" else (0, 0)
    assert await giving.money(pot) == expected


# The score


@pytest.mark.parametrize(
    ("count", "usual", "each", "most", "adds"),
    [(0, 3, 10, 30, 0), (3, 3, 10, 30, 0), (4, 3, 10, 30, 10), (6, 3, 10, 30, 30), (600, 3, 10, 30, 30)],
)
def test_a_count_adds_what_is_above_the_usual_up_to_a_limit(
    count: int, usual: int, each: int, most: int, adds: int
) -> None:
    assert risk.above(count, usual, each, most) == adds


@pytest.mark.parametrize(("amount", "adds"), [(1, 0), (10_000, 0), (10_001, 25), (50_000, 25), (50_001, 40)])
def test_an_amount_far_from_the_usual_adds(amount: int, adds: int) -> None:
    assert risk.far(amount, 1000.0) == adds


def test_by_its_pace_alone_no_donation_is_held() -> None:
    together = risk.MOST_BY_PHONE + risk.MOST_BY_ADDRESS + risk.MOST_BY_POT

    assert together < risk.HOLD_SCORE.default


async def scored(giving: Giving, pot: Any, **given: Any) -> int:
    amount = given.pop("amount_cfa", 1000)
    wanted = {"phone": None, "ip": None} | given
    async with giving.services.work() as tx:
        (tried,) = await tx.fetch(risk.tries(pot_id=pot.id, **wanted))
    return risk.score(tried, amount)


async def test_an_ordinary_donation_scores_nothing(giving: Giving, pot: Any) -> None:
    assert await scored(giving, pot, phone="+221771112233", ip=ip_address("198.51.100.7")) == 0


async def test_many_from_one_phone_score(giving: Giving, make: Factory, pot: Any) -> None:
    for _ in range(5):
        await make.donation(donor_phone="+221771110001", amount_cfa=1000)

    assert await scored(giving, pot, phone="+221771110001") == 20
    assert await scored(giving, pot, phone="+221771110002") == 0


async def test_many_from_one_address_score(giving: Giving, make: Factory, pot: Any) -> None:
    for _ in range(13):
        await make.donation(ip_address="198.51.100.99", amount_cfa=1000)

    assert await scored(giving, pot, ip=ip_address("198.51.100.99")) == 6


async def test_donations_older_than_an_hour_do_not_score(giving: Giving, make: Factory, pot: Any) -> None:
    for _ in range(9):
        await make.donation(donor_phone="+221771110003", amount_cfa=1000, created_at=now() - timedelta(minutes=61))

    assert await scored(giving, pot, phone="+221771110003") == 0


async def test_failed_tries_score(giving: Giving, make: Factory, pot: Any) -> None:
    for _ in range(4):
        await make(Donation, status="failed", failed_at=now(), donor_phone="+221771110004", amount_cfa=1000)

    # Four tries by one phone, of which two are more than usual: one above the pace, two above the failures.
    assert await scored(giving, pot, phone="+221771110004") == 10 + 20


async def test_amounts_far_from_the_pots_usual_ones_score(giving: Giving, make: Factory) -> None:
    pot = await make(Pot)
    for amount in (500, 1000, 1000):
        await make.donation(pot_id=pot.id, amount_cfa=amount)

    assert await scored(giving, pot, amount_cfa=10_000) == 0
    assert await scored(giving, pot, amount_cfa=11_000) == 25
    assert await scored(giving, pot, amount_cfa=60_000) == 40


async def test_all_together_the_score_stays_at_100(giving: Giving, make: Factory) -> None:
    pot, phone, address = await make(Pot), "+221771110005", "198.51.100.55"
    for _ in range(60):
        await make.donation(pot_id=pot.id, donor_phone=phone, ip_address=address, amount_cfa=100)
    for _ in range(9):
        await make(Donation, status="failed", failed_at=now(), donor_phone=phone, amount_cfa=100)

    assert await scored(giving, pot, phone=phone, ip=ip_address(address), amount_cfa=2_000_000) == 100
