"""Checkouts between the three steps: what a crash, a lost answer or silence leaves, the worker finishes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog.testing

from lango.providers import ProviderRefused, ProviderUnavailable
from lango.providers.wave.client import Checkout
from models.donations import Donation
from resolvers.donations.checkouts import ask_about_checkouts, open_checkout
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory, now
from tests.pauses import end_pauses


@pytest.fixture(autouse=True)
async def nothing_waits(giving: Giving) -> None:
    """What another test left waiting is not asked about here."""
    await giving.owner.execute("UPDATE donations.donations SET status = 'failed' WHERE status = 'pending'")


async def long_ago(giving: Giving, key: Any) -> None:
    await giving.owner.execute(
        "UPDATE donations.donations SET initiated_at = now() - interval '31 minutes' WHERE id = $1", key
    )


async def test_a_crash_before_the_call_leaves_a_pending_row_that_the_worker_finishes(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any
) -> None:
    donation = await make(Donation, pot_id=pot.id, status="pending", amount_cfa=1000)

    opened = await open_checkout(giving.services, donation_id=donation.id)

    (checkout,) = await wave.checkouts(str(donation.id))
    assert opened == {"payment_url": checkout.url}
    assert (await giving.row(donation.id))["wave_checkout_session_id"] == checkout.id


@pytest.mark.parametrize("error", [RuntimeError("the secret inside"), OSError("no memory"), TypeError("unexpected")])
async def test_whatever_fails_in_the_call_the_donation_is_made_and_the_worker_has_it(
    giving: Giving, wave: FakeWave, pot: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def broken(**_: Any) -> Checkout:
        raise error

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as lines:
        patched.setattr(wave, "open_checkout", broken)
        answer = await giving.donate(pot, 1000)

    given = answer["donate"]
    assert given["warnings"] == [{"code": "NOT_YET_FINISHED"}]
    assert (given["userErrors"], given["paymentUrl"]) == ([], None)
    assert "secret" not in answer.response.text
    (line,) = [line for line in lines if line["event"] == "outside call failed"]
    assert line["exc_info"] is error
    assert line["request_id"] == answer.response.headers["x-request-id"]
    waiting = "SELECT count(*) FROM jobs.pgqueuer WHERE position($1 IN convert_from(payload, 'UTF8')) > 0"
    assert await giving.owner.fetchval(waiting, given["reference"]) == 1
    await open_checkout(giving.services, donation_id=UUID(given["reference"]))
    assert (await giving.receipt(given["receiptToken"]))["paymentUrl"]


async def test_a_crash_after_the_call_opens_no_second_checkout(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any
) -> None:
    donation = await make(Donation, pot_id=pot.id, status="pending", amount_cfa=1000)
    wave.deaf = True
    with pytest.raises(ProviderUnavailable):
        await open_checkout(giving.services, donation_id=donation.id)
    wave.deaf = False

    first = await open_checkout(giving.services, donation_id=donation.id)
    again = await open_checkout(giving.services, donation_id=donation.id)

    assert first == again is not None
    assert len(await wave.checkouts(str(donation.id))) == 1


async def test_the_request_and_the_worker_at_once_open_one_checkout(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any
) -> None:
    donation = await make(Donation, pot_id=pot.id, status="pending", amount_cfa=1000)

    opened = await asyncio.gather(*(open_checkout(giving.services, donation_id=donation.id) for _ in range(10)))

    assert len(await wave.checkouts(str(donation.id))) == 1
    assert len({str(each) for each in opened}) == 1


async def test_a_donation_whose_checkout_wave_refuses_fails(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any
) -> None:
    donation = await make(Donation, pot_id=pot.id, status="pending", amount_cfa=1000)
    wave.refuses.add("open_checkout")

    with pytest.raises(ProviderRefused):
        await open_checkout(giving.services, donation_id=donation.id)

    assert await giving.status(donation.id) == "failed"
    assert await open_checkout(giving.services, donation_id=donation.id) is None


@pytest.mark.parametrize("status", ["processing", "succeeded", "failed", "refunded"])
async def test_only_a_pending_donation_gets_a_checkout(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any, status: str
) -> None:
    donation = await make.donation(pot_id=pot.id, status=status, amount_cfa=1000)

    assert await open_checkout(giving.services, donation_id=donation.id) is None
    assert await wave.checkouts(str(donation.id)) == []


# Silence


async def test_a_checkout_that_expired_unpaid_fails_its_donation(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    wave.change(begun.checkout, status="expired")
    await long_ago(giving, begun.id)

    await ask_about_checkouts(giving.services)

    row = await giving.row(begun.id)
    assert (row["status"], row["wave_payment_url"]) == ("failed", None)
    assert row["failed_at"] is not None


async def test_wave_is_called_first_and_a_paid_checkout_counts(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout)
    await long_ago(giving, begun.id)

    await asyncio.gather(*(ask_about_checkouts(giving.services) for _ in range(4)), giving.hear(event))

    assert await giving.status(begun.id) == "succeeded"
    assert await giving.money(pot) == (1000, 1000)


async def test_a_checkout_whose_answer_was_lost_is_found_by_its_reference(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    wave.deaf = True
    reference = (await giving.donate(pot, 1000, donor))["donate"]["reference"]
    wave.deaf = False
    (checkout,) = await wave.checkouts(reference)
    await long_ago(giving, reference)

    await ask_about_checkouts(giving.services)
    found = await giving.row(reference)
    wave.paid(checkout.id)
    await ask_about_checkouts(giving.services)

    assert (found["status"], found["wave_payment_url"]) == ("pending", checkout.url)
    assert await giving.status(reference) == "succeeded"


async def test_a_donation_without_a_checkout_fails_in_the_end(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    wave.down = True
    reference = (await giving.donate(pot, 1000, donor))["donate"]["reference"]
    await long_ago(giving, reference)

    await ask_about_checkouts(giving.services)
    while_down = await giving.status(reference)
    wave.down = False
    await end_pauses(giving.owner)
    await ask_about_checkouts(giving.services)

    assert (while_down, await giving.status(reference)) == ("pending", "failed")


async def test_one_that_wave_never_answers_for_holds_up_no_other(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    stuck, others = await giving.begun(pot, 1000, donor), [await giving.begun(pot, 1000, donor) for _ in range(3)]
    for begun in (stuck, *others):
        wave.change(begun.checkout, status="expired")
        await long_ago(giving, begun.id)
    wave.fails.add(stuck.checkout)

    await ask_about_checkouts(giving.services)

    assert await giving.status(stuck.id) == "pending"
    assert [await giving.status(begun.id) for begun in others] == ["failed"] * 3
    wave.fails.clear()
    await end_pauses(giving.owner)
    await ask_about_checkouts(giving.services)
    assert await giving.status(stuck.id) == "failed"


async def test_wave_is_not_called_before_a_checkout_is_due(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    wave.calls.clear()

    await ask_about_checkouts(giving.services)

    assert wave.calls == []
    assert await giving.status(begun.id) == "pending"


async def test_one_that_is_open_still_is_left_to_its_donor(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    wave.change(begun.checkout, expires_at=now() + timedelta(minutes=5))
    await long_ago(giving, begun.id)

    await ask_about_checkouts(giving.services)

    assert await giving.status(begun.id) == "pending"
    assert (await giving.row(begun.id))["wave_payment_url"] == begun.url


async def test_a_differing_paid_amount_is_held_also_when_read_from_wave(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    wave.paid(begun.checkout)
    wave.change(begun.checkout, amount=900)
    await long_ago(giving, begun.id)

    await ask_about_checkouts(giving.services)

    assert await giving.status(begun.id) == "processing"
    assert await giving.money(pot) == (0, 0)


async def test_a_renewed_checkout_starts_its_time_anew(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await long_ago(giving, begun.id)
    await giving.retry(donor, donationId=begun.id)
    wave.calls.clear()

    await ask_about_checkouts(giving.services)

    assert wave.calls == []
    assert UUID(begun.id) == (await giving.row(begun.id))["id"]
