"""Events from Wave: processed once, in any order, and kept where nothing can be done with them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from models.identity import User
from models.pots import Pot
from models.referrals import Referral
from resolvers.donations.wave_events import process_wave_event
from tests.books import Books
from tests.changes import Changes
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory

# What is always written of an event: itself, and the job that tries it again if need be.
KEPT = ("donations.wave_webhook_events", "jobs.pgqueuer")


async def test_an_event_is_stored_whole_before_anything_is_done(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout, business_name="Lango", last_payment_error=None)

    finish = await giving.store(event)

    stored = await giving.event_of(event)
    assert orjson.loads(stored["raw_payload"]) == event
    assert (stored["event_type"], stored["processed_at"]) == ("checkout.session.completed", None)
    assert await giving.status(begun.id) == "pending"
    queued = await giving.owner.fetchval(
        "SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = 'wave_events.process_wave_event'"
        " AND position($1 IN convert_from(payload, 'UTF8')) > 0",
        str(stored["id"]),
    )
    assert queued == 1
    assert finish is not None
    await finish()
    processed = await giving.event_of(event)
    assert processed["processed_at"] is not None
    assert processed["donation_id"] == UUID(begun.id)


async def test_the_same_event_twice_changes_nothing(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, changes: Changes
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout)
    await giving.hear(event)
    before = await changes.mark()

    again = await giving.store(event)
    stored = await giving.event_of(event)
    await process_wave_event(giving.services, event_id=stored["id"])

    assert again is None
    assert await changes.since(before) == []


async def test_of_twenty_deliveries_at_once_one_counts(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout)

    await asyncio.gather(*(giving.hear(event) for _ in range(20)))

    assert await giving.money(pot) == (1000, 1000)


async def test_the_route_and_the_worker_at_once_count_it_once(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout)
    await giving.store(event)
    stored = await giving.event_of(event)

    await asyncio.gather(*(process_wave_event(giving.services, event_id=stored["id"]) for _ in range(5)))

    assert await giving.money(pot) == (1000, 1000)


async def test_a_late_success_after_a_failure_still_counts(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.hear(wave.failed(begun.checkout))
    failed = await giving.row(begun.id)

    await giving.hear(wave.paid(begun.checkout))

    assert (failed["status"], failed["failed_at"] is None) == ("failed", False)
    assert await giving.status(begun.id) == "succeeded"
    assert await giving.money(pot) == (1000, 1000)


async def test_a_failure_that_arrives_after_the_success_changes_nothing(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    failing = wave.failed(begun.checkout)
    await giving.hear(wave.paid(begun.checkout))

    await giving.hear(failing)

    assert await giving.status(begun.id) == "succeeded"
    assert (await giving.event_of(failing))["processing_error"] is None


async def test_a_failure_of_an_earlier_checkout_leaves_the_donation_to_the_later(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.retry(donor, donationId=begun.id)

    await giving.hear(wave.failed(begun.checkout))

    assert await giving.status(begun.id) == "pending"


@pytest.mark.parametrize(
    "kind", ["test.test_event", "b2b.payment_received", "merchant.payment_received", "no.such.type", ""]
)
async def test_events_of_unknown_types_are_kept_and_change_nothing(giving: Giving, changes: Changes, kind: str) -> None:
    before = await changes.mark()
    event = {"id": f"EV_{uuid4().hex}", "type": kind, "data": {"amount": "1"}}

    await giving.hear(event)

    stored = await giving.event_of(event)
    assert (stored["event_type"], stored["processing_error"]) == (kind, None)
    assert stored["processed_at"] is not None
    assert await changes.since(before, but=KEPT) == []


@pytest.mark.parametrize(
    "changes",
    [{"amount": "999"}, {"amount": "1001"}, {"amount": "1000.50"}, {"amount": "-1000"}, {"amount": 1000}, {"amount": None},
     {"amount": "1e3"}, {"amount": "NaN"}, {"amount": "9" * 30}, {"amount": "١٠٠٠"}, {"currency": "EUR"}, {"currency": None},
     {"client_reference": str(uuid4())}, {"client_reference": ""}, {"client_reference": None}, {"client_reference": ["x"]}],
)  # fmt: skip
async def test_a_payment_that_does_not_match_is_held_and_never_credited(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, changes: dict[str, Any]
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout, **changes)

    await giving.hear(event)

    stored = await giving.event_of(event)
    assert await giving.status(begun.id) == "processing"
    assert await giving.money(pot) == (0, 0)
    assert stored["processed_at"] is None
    assert stored["processing_error"]
    released = await giving.as_staff("releaseHeldDonation", donationId=begun.id)
    assert released.refusals("releaseHeldDonation") == ["PAYMENT_DIFFERS"]
    replayed = await giving.as_staff("replayWaveEvent", eventId=str(stored["id"]))
    assert replayed["replayWaveEvent"]["waveWebhookEvent"]["processingError"] == stored["processing_error"]
    assert await giving.money(pot) == (0, 0)


async def test_an_amount_in_whole_francs_with_decimals_is_the_same(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)

    await giving.hear(wave.paid(begun.checkout, amount="1000.00"))

    assert await giving.money(pot) == (1000, 1000)


@pytest.mark.parametrize(
    "data",
    [None, [], "x", 7, {}, {"id": 7}, {"id": "cos-unknown", "client_reference": "x", "payment_status": "succeeded"}],
)
async def test_an_event_that_cannot_be_processed_is_kept_with_its_error(
    giving: Giving, changes: Changes, data: Any
) -> None:
    before = await changes.mark()
    event = {"id": f"EV_{uuid4().hex}", "type": "checkout.session.completed", "data": data}

    await giving.hear(event)

    stored = await giving.event_of(event)
    assert stored["processed_at"] is None
    assert stored["processing_error"]
    assert await changes.since(before, but=(*KEPT, "platform.outbox_events")) == []


@pytest.mark.parametrize("key", [None, 7, "", "x" * 101, "nul\0"])
async def test_an_event_without_a_valid_id_is_kept_once(giving: Giving, key: Any) -> None:
    event = {"id": key, "type": "test.test_event", "data": {"note": f"nul\0 and \\u0000 {uuid4()}"}}

    first = await giving.store(event)
    again = await giving.store(event)

    assert first is not None
    assert again is None


async def test_a_payment_that_was_counted_for_another_donation_is_held(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    first, second = await giving.begun(pot, 1000, donor), await giving.begun(pot, 1000, donor)
    await giving.hear(wave.paid(first.checkout))

    await giving.hear(wave.paid(second.checkout, transaction_id=f"T-{first.checkout}"))

    assert await giving.status(second.id) == "processing"
    assert await giving.money(pot) == (1000, 1000)


async def test_a_checkout_whose_key_never_reached_us_is_known_by_its_reference(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    wave.deaf = True
    answer = await giving.donate(pot, 1000, donor)
    wave.deaf = False
    (checkout,) = await wave.checkouts(answer["donate"]["reference"])

    await giving.hear(wave.paid(checkout.id))

    assert answer["donate"]["warnings"] == [{"code": "PAYMENT_PROVIDER_UNAVAILABLE"}]
    assert await giving.money(pot) == (1000, 1000)


async def test_a_second_checkout_of_a_paid_donation_is_left_to_staff(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    given = await giving.given(pot, 1000, donor)
    other = await wave.open_checkout(amount=1000, reference=given.id, key="another")

    await giving.hear(event := wave.paid(other.id))

    assert (await giving.event_of(event))["processing_error"] == "The donation was paid already, by another checkout."
    assert await giving.money(pot) == (1000, 1000)


@pytest.mark.parametrize("status", ["closed", "expired", "cancelled"])
async def test_money_for_a_pot_that_takes_none_any_more_goes_through_suspense_back(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books, status: str
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.owner.execute("UPDATE pots.pots SET status = $2 WHERE id = $1", pot.id, status)
    suspense, at_wave = await books.owed("platform:suspense:XOF"), await books.owed("provider:wave:XOF")

    await giving.hear(wave.paid(begun.checkout))

    assert await giving.status(begun.id) == "refunded"
    assert await giving.refunds(begun.id) == [(1000, "pending", "failed_pot")]
    assert await giving.money(pot) == (0, 0)
    assert await books.owed("platform:suspense:XOF") == suspense + 1000
    await giving.send_refunds(begun.id)
    assert await giving.refunds(begun.id) == [(1000, "succeeded", "failed_pot")]
    assert wave.given_back(begun.checkout) == [1000]
    assert await books.owed("platform:suspense:XOF") == suspense
    assert await books.owed("provider:wave:XOF") == at_wave


async def test_money_that_a_pot_cannot_hold_goes_back(
    giving: Giving, wave: FakeWave, make: Factory, donor: Any
) -> None:
    most = 2_147_483_600
    pot = await make.funded_pot(most, visibility="public", target_amount_cfa=2_147_483_647)
    await make.move(f"pot:{pot.id}:balance", "platform:commission:XOF", most, "qr_redeem")
    await giving.owner.execute("UPDATE pots.pots SET balance_cfa = 0 WHERE id = $1", pot.id)
    begun = await giving.begun(pot, 1000, donor)

    await giving.hear(wave.paid(begun.checkout))

    assert await giving.status(begun.id) == "refunded"
    assert await giving.money(pot) == (most, 0)


async def test_the_first_donation_earns_the_sponsor_points_once(giving: Giving, make: Factory, donor: Any) -> None:
    sponsor, owner = await make(User), await make(User)
    await make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=owner.id, status="accepted")
    pot = await make(Pot, owner_user_id=owner.id, visibility="public", target_amount_cfa=1_000_000)

    await asyncio.gather(*(giving.given(pot, 1000, donor) for _ in range(3)))

    rows = await giving.owner.fetch(
        "SELECT event_type, points_earned, status FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id
    )
    assert [tuple(row) for row in rows] == [("first_donation", 50, "pending")]


# replayWaveEvent


async def test_a_failed_event_is_counted_and_processed_by_a_replay(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout)

    async def broken(*_: Any) -> None:
        raise RuntimeError("a secret of the house")

    with monkeypatch.context() as patched:
        patched.setattr("resolvers.donations.wave_events.settle", broken)
        with pytest.raises(RuntimeError):
            await giving.hear(event)
    stored = await giving.event_of(event)
    answer = await giving.as_staff("replayWaveEvent", eventId=str(stored["id"]))

    assert (stored["retry_count"], stored["processing_error"]) == (1, "It could not be processed: RuntimeError.")
    replayed = answer["replayWaveEvent"]["waveWebhookEvent"]
    assert (replayed["processingError"], replayed["retryCount"]) == (None, 2)
    assert replayed["processedAt"] is not None
    assert await giving.money(pot) == (1000, 1000)


async def test_replaying_a_processed_event_changes_no_money(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.hear(event := wave.paid(begun.checkout))
    stored = await giving.event_of(event)

    await asyncio.gather(*(giving.as_staff("replayWaveEvent", eventId=str(stored["id"])) for _ in range(5)))

    assert await giving.money(pot) == (1000, 1000)


async def test_only_staff_replay(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.hear(event := wave.paid(begun.checkout))
    stored = await giving.event_of(event)

    assert (await giving.api.mutate("replayWaveEvent", donor, eventId=str(stored["id"]))).codes == ["FORBIDDEN"]
    assert (await giving.api.mutate("replayWaveEvent", None, eventId=str(stored["id"]))).codes == ["UNAUTHENTICATED"]
    unknown = await giving.as_staff("replayWaveEvent", eventId=str(uuid4()))
    assert unknown.refusals("replayWaveEvent") == ["NOT_FOUND"]
