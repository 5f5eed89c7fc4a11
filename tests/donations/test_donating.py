"""Giving to a pot: who may, how much, and what the donor gets back."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.identity import User
from models.pots import Pot
from resolvers.donations.checkouts import open_checkout
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory

DONATION = "query ($id: ID!) { donation(id: $id) { status } }"


async def test_a_donation_waits_to_be_paid_at_wave(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books
) -> None:
    answer = await giving.donate(
        pot, 5000, donor, phone="77 123 45 67", message="Joyeux anniversaire 🎂", donorName=" Awa "
    )

    given = answer["donate"]
    assert given["userErrors"] == given["warnings"] == []
    assert given["donation"] == {
        "rowId": given["reference"], "status": "PENDING", "amountCfa": 5000, "donorPhone": "+221771234567",
        "donorName": "Awa", "riskScore": given["donation"]["riskScore"], "pot": {"raisedCfa": 0},
    }  # fmt: skip
    assert given["receiptToken"] is None
    assert wave.calls == [("open_checkout", 5000, given["reference"], given["reference"])]
    (checkout,) = await wave.checkouts(given["reference"])
    assert given["paymentUrl"] == checkout.url
    assert (await giving.row(given["reference"]))["wave_checkout_session_id"] == checkout.id
    assert await books.events(given["reference"]) == ["donation.begun", "donation.payable"]


async def test_a_donation_counts_once_wave_reports_it_as_paid(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any, books: Books
) -> None:
    at_wave = await books.owed("provider:wave:XOF")
    begun = await giving.begun(pot, 5000, donor)

    await giving.hear(wave.paid(begun.checkout))

    row = await giving.row(begun.id)
    assert (row["status"], row["wave_transaction_id"]) == ("succeeded", f"T-{begun.checkout}")
    assert row["confirmed_at"] is not None
    assert await giving.money(pot) == (5000, 5000)
    assert await books.owed(f"pot:{pot.id}:balance") == 5000
    assert await books.owed("provider:wave:XOF") == at_wave - 5000
    assert await books.events(begun.id) == ["donation.begun", "donation.payable", "donation.succeeded"]


async def test_at_its_target_a_pot_is_funded_and_takes_more(
    giving: Giving, make: Factory, donor: Any, books: Books
) -> None:
    pot = await make(Pot, visibility="public", target_amount_cfa=8000)

    await giving.given(pot, 7999, donor)
    before = (await giving.pot(pot))["status"]
    await giving.given(pot, 100, donor)
    await giving.given(pot, 500, donor)

    assert (before, (await giving.pot(pot))["status"]) == ("open", "funded")
    assert await giving.money(pot) == (8599, 8599)
    assert await books.events(pot.id) == ["pot.funded"]


async def test_the_owner_is_notified_of_a_donation(
    giving: Giving, make: Factory, pot: Any, donor: Any, templates: Any
) -> None:
    await templates("donation_received", "{user_name}: {amount} pour {pot_title}")

    await giving.given(pot, 2500, donor)

    body = await giving.owner.fetchval(
        "SELECT body FROM notifications.notifications WHERE user_id = $1", pot.owner_user_id
    )
    assert body == f": 2500 pour {pot.title}"


async def test_nobody_signed_in_gives_too_and_gets_a_receipt(giving: Giving, wave: FakeWave, pot: Any) -> None:
    answer = await giving.donate(pot, 1000, None)

    given = answer["donate"]
    assert given["userErrors"] == []
    seen = given["donation"]
    assert (seen["rowId"], seen["status"], seen["donorPhone"]) == (given["reference"], "PENDING", None)
    # It is shown with the payload alone: afterwards the receipt's token shows what it shows.
    assert (await giving.api(DONATION, {"id": given["reference"]}))["donation"] is None
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", given["receiptToken"])
    assert (await giving.row(given["reference"]))["receipt_token_hash"] != given["receiptToken"]
    waiting = await giving.receipt(given["receiptToken"])
    assert await giving.receipt(f" {given['receiptToken'].lower()}") == waiting
    assert waiting == {
        "reference": given["reference"], "status": "PENDING", "amountCfa": 1000, "refundedCfa": 0, "confirmedAt": None,
        "paymentUrl": given["paymentUrl"],
    }  # fmt: skip
    await giving.hear(wave.paid(given["paymentUrl"].rpartition("/")[2]))
    paid = await giving.receipt(given["receiptToken"])
    assert (paid["status"], paid["paymentUrl"]) == ("SUCCEEDED", None)
    assert paid["confirmedAt"] is not None


@pytest.mark.parametrize("token", ["", "x" * 32, "' OR 1=1 --", "كود" * 10, "a" * 65])
async def test_a_token_of_no_receipt_opens_none(giving: Giving, token: str) -> None:
    assert await giving.receipt(token) is None


async def test_a_pot_may_want_donors_to_sign_in(giving: Giving, make: Factory, donor: Any, changes: Changes) -> None:
    pot = await make(Pot, visibility="public", allow_anonymous_donations=False)
    before = await changes.mark()

    refused = await giving.donate(pot, 1000, None)

    assert refused.refusals("donate") == ["NOT_ANONYMOUS"]
    assert await changes.since(before) == []
    assert (await giving.donate(pot, 1000, donor)).refusals("donate") == []


async def test_a_private_pot_is_given_to_by_its_share_token_alone(giving: Giving, make: Factory, donor: Any) -> None:
    pot = await make(Pot, share_token=uuid4().hex)

    by_id = await giving.donate(pot, 1000, donor)
    by_token = await giving.donate(pot, 1000, None, shareToken=pot.share_token)
    both = await giving.api.mutate("donate", donor, amountCfa=1000, potId=pot, shareToken=pot.share_token)

    assert by_id.refusals("donate") == ["NOT_FOUND"]
    assert by_token.refusals("donate") == both.refusals("donate") == []


@pytest.mark.parametrize("token", ["x" * 32, "", "' OR 1=1 --", "a,b" * 8, "🎂" * 20])
async def test_a_wrong_share_token_opens_nothing(giving: Giving, make: Factory, donor: Any, token: str) -> None:
    pot = await make(Pot, share_token=uuid4().hex)
    other = await make(Pot, visibility="public")

    answer = await giving.donate(pot, 1000, donor, shareToken=token)
    mixed = await giving.api.mutate("donate", donor, amountCfa=1000, potId=other, shareToken=pot.share_token)

    assert answer.refusals("donate") == mixed.refusals("donate") == ["NOT_FOUND"]


async def test_some_pot_must_be_named(giving: Giving, donor: Any) -> None:
    answer = await giving.api.mutate("donate", donor, amountCfa=1000)

    assert answer.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("status", ["scheduled", "closed", "expired", "cancelled"])
async def test_only_a_pot_that_is_open_or_funded_takes_donations(
    giving: Giving, make: Factory, donor: Any, changes: Changes, status: str
) -> None:
    pot = await make(Pot, visibility="public", status=status)
    before = await changes.mark()

    answer = await giving.donate(pot, 1000, donor)

    assert answer.refusals("donate") == ["POT_NOT_OPEN"]
    assert answer["donate"]["userErrors"][0]["details"] == {"state": status}
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [(0, "AMOUNT_NOT_POSITIVE"), (-1, "AMOUNT_NOT_POSITIVE"), (99, "BELOW_MINIMUM"), (2_000_001, "ABOVE_MAXIMUM"),
     (2_147_483_647, "ABOVE_MAXIMUM")],
)  # fmt: skip
async def test_an_amount_has_its_bounds(
    giving: Giving, pot: Any, donor: Any, changes: Changes, amount: int, refusal: str
) -> None:
    before = await changes.mark()

    answer = await giving.donate(pot, amount, donor)

    assert answer.refusals("donate") == [refusal]
    assert answer["donate"]["userErrors"][0]["field"] == ["amountCfa"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("amount", [10**30, 2**31, "NaN", "5000", 100.5, True, None, [100], {"a": 1}])
async def test_an_amount_that_is_not_a_whole_number_is_bad_input(
    giving: Giving, pot: Any, donor: Any, changes: Changes, amount: Any
) -> None:
    before = await changes.mark()

    answer = await giving.donate(pot, amount, donor)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("amount", [100, 2_000_000])
async def test_the_bounds_themselves_are_allowed(giving: Giving, pot: Any, donor: Any, amount: int) -> None:
    assert (await giving.donate(pot, amount, donor)).refusals("donate") == []


async def test_staff_may_move_the_bounds(giving: Giving, pot: Any, donor: Any, configure: Any) -> None:
    await configure("donations.minimum_cfa", 500)
    await configure("donations.maximum_cfa", 600)

    answers = [await giving.donate(pot, amount, donor) for amount in (499, 500, 600, 601)]

    assert [answer.refusals("donate") for answer in answers] == [["BELOW_MINIMUM"], [], [], ["ABOVE_MAXIMUM"]]
    assert answers[0]["donate"]["userErrors"][0]["details"] == {"minimumCfa": 500}


@pytest.mark.parametrize("phone", ["12", "not a phone", "+221", "+1", "🎂", "' OR 1=1"])
async def test_a_phone_must_be_one(giving: Giving, pot: Any, donor: Any, changes: Changes, phone: str) -> None:
    before = await changes.mark()

    assert (await giving.donate(pot, 1000, donor, phone=phone)).refusals("donate") == ["PHONE_NOT_VALID"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    "text", ["🎂🎉", "<script>alert(1)</script>", "كل عام وأنتم بخير", "👩\u200d👧", "'; DROP TABLE x"]
)
async def test_any_text_that_is_seen_is_kept_as_it_is(giving: Giving, pot: Any, donor: Any, text: str) -> None:
    begun = await giving.begun(pot, 1000, donor, message=text, donorName=text)

    row = await giving.row(begun.id)
    assert (row["donation_message"], row["donor_name"]) == (text, text)


@pytest.mark.parametrize(
    ("text", "message", "name"), [("\u202eevil", "evil", "evil"), ("a\nb", "a\nb", "a b"), (" a\r\nb ", "a\nb", "a b")]
)
async def test_a_message_has_lines_and_a_name_has_one(
    giving: Giving, pot: Any, donor: Any, text: str, message: str, name: str
) -> None:
    begun = await giving.begun(pot, 1000, donor, message=text, donorName=text)

    row = await giving.row(begun.id)
    assert (row["donation_message"], row["donor_name"]) == (message, name)


@pytest.mark.parametrize("given", [{"message": "nul\0"}, {"message": "x" * 1001}, {"donorName": "x" * 256}])
async def test_hostile_texts_are_bad_input(giving: Giving, pot: Any, donor: Any, given: dict[str, str]) -> None:
    assert (await giving.donate(pot, 1000, donor, **given)).codes == ["BAD_USER_INPUT"]


async def test_wave_being_down_is_a_warning_and_the_worker_opens_the_checkout(
    giving: Giving, wave: FakeWave, pot: Any
) -> None:
    wave.down = True
    answer = await giving.donate(pot, 1000, None)
    begun = answer["donate"]
    assert begun["userErrors"] == []
    assert begun["warnings"] == [{"code": "PAYMENT_PROVIDER_UNAVAILABLE"}]
    assert begun["paymentUrl"] is None
    assert begun["receiptToken"] is not None
    queued = await giving.owner.fetchval(
        "SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = 'donations.open_checkout'"
        " AND position($1 IN convert_from(payload, 'UTF8')) > 0",
        begun["reference"],
    )
    assert queued == 1

    wave.down = False
    opened = await open_checkout(giving.services, donation_id=UUID(begun["reference"]))

    assert opened is not None
    assert (await giving.receipt(begun["receiptToken"]))["paymentUrl"] == opened["payment_url"]


async def test_a_refusal_by_wave_is_another_warning_and_is_not_retried(
    giving: Giving, wave: FakeWave, pot: Any
) -> None:
    wave.refuses.add("open_checkout")

    answer = await giving.donate(pot, 1000, show="paymentUrl reference receiptToken warnings { message }")

    begun = answer["donate"]
    assert begun["userErrors"] == []
    assert begun["warnings"] == [
        {
            "code": "PAYMENT_PROVIDER_REFUSED",
            "message": "wave has answered that it will not do this; to ask the same again does not help.",
        }
    ]
    assert begun["paymentUrl"] is None
    assert (await giving.receipt(begun["receiptToken"]))["status"] == "FAILED"
    calls_before = len(wave.calls)
    assert await open_checkout(giving.services, donation_id=UUID(begun["reference"])) is None
    assert len(wave.calls) == calls_before


async def test_the_same_key_gives_once_and_shows_the_receipt_token_once(
    giving: Giving, wave: FakeWave, pot: Any
) -> None:
    key = str(uuid4())

    first = await giving.donate(pot, 1000, None, idempotencyKey=key)
    again = await giving.donate(pot, 1000, None, idempotencyKey=key)
    other = await giving.donate(pot, 2000, None, idempotencyKey=key)

    assert first["donate"]["receiptToken"] is not None
    assert again["donate"] == first["donate"] | {"receiptToken": None}
    assert other.refusals("donate") == ["IDEMPOTENCY_KEY_REUSED"]
    assert len(await wave.checkouts(first["donate"]["reference"])) == 1


async def test_twenty_at_once_with_one_key_are_one_donation(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    key = str(uuid4())

    answers = await asyncio.gather(*(giving.donate(pot, 1000, donor, idempotencyKey=key) for _ in range(20)))

    references = {answer["donate"]["reference"] for answer in answers}
    assert len(references) == 1
    assert len(await wave.checkouts(references.pop())) == 1
    assert await giving.owner.fetchval("SELECT count(*) FROM donations.donations WHERE pot_id = $1", pot.id) == 1


# retryDonation


async def test_a_retry_expires_the_old_checkout_so_that_two_cannot_be_paid(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)

    answer = await giving.retry(donor, donationId=begun.id)

    renewed = answer["retryDonation"]
    assert renewed["userErrors"] == []
    assert renewed["reference"] == begun.id
    assert renewed["paymentUrl"] not in (None, begun.url)
    assert wave.sessions[begun.checkout].status == "expired"
    await giving.hear(wave.paid(renewed["paymentUrl"].rpartition("/")[2]))
    assert await giving.money(pot) == (1000, 1000)


async def test_a_retry_finds_that_the_old_checkout_was_paid(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    event = wave.paid(begun.checkout)

    renewed = (await giving.retry(donor, donationId=begun.id))["retryDonation"]

    assert (renewed["paymentUrl"], renewed["donation"]) == (None, {"status": "SUCCEEDED"})
    await giving.hear(event)
    assert await giving.money(pot) == (1000, 1000)


async def test_many_retries_at_once_leave_one_checkout_to_be_paid(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)

    await asyncio.gather(*(giving.retry(donor, donationId=begun.id) for _ in range(10)))

    open_ones = [found for found in await wave.checkouts(begun.id) if found.status == "open"]
    row = await giving.row(begun.id)
    assert [found.id for found in open_ones] == [row["wave_checkout_session_id"]]


async def test_an_anonymous_donor_retries_by_the_receipt(giving: Giving, pot: Any, donor: Any) -> None:
    begun = await giving.begun(pot, 1000)

    stranger = await giving.retry(donor, donationId=begun.id)
    wrong = await giving.retry(None, receiptToken="x" * 32)
    answer = await giving.retry(None, receiptToken=begun.token)

    assert stranger.refusals("retryDonation") == wrong.refusals("retryDonation") == ["NOT_FOUND"]
    assert answer.refusals("retryDonation") == []
    assert answer["retryDonation"]["paymentUrl"] not in (None, begun.url)


async def test_a_failed_donation_may_be_tried_again(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    begun = await giving.begun(pot, 1000, donor)
    await giving.hear(wave.failed(begun.checkout))
    failed = await giving.status(begun.id)

    answer = await giving.retry(donor, donationId=begun.id)

    assert failed == "failed"
    assert answer["retryDonation"]["donation"] == {"status": "PENDING"}
    assert answer["retryDonation"]["paymentUrl"] != begun.url


async def test_a_paid_donation_or_one_without_an_open_pot_is_not_retried(
    giving: Giving, make: Factory, pot: Any, donor: Any, changes: Changes
) -> None:
    paid = await giving.given(pot, 1000, donor)
    late = await giving.begun(pot, 1000, donor)
    await giving.owner.execute("UPDATE pots.pots SET status = 'closed' WHERE id = $1", pot.id)
    before = await changes.mark()

    assert (await giving.retry(donor, donationId=paid.id)).refusals("retryDonation") == ["INVALID_STATE"]
    assert (await giving.retry(donor, donationId=late.id)).refusals("retryDonation") == ["POT_NOT_OPEN"]
    assert (await giving.retry(donor)).codes == ["BAD_USER_INPUT"]
    assert await changes.since(before) == []


async def test_with_wave_down_a_retry_warns_and_the_old_url_is_shown_no_more(
    giving: Giving, wave: FakeWave, pot: Any, donor: Any
) -> None:
    begun = await giving.begun(pot, 1000, donor)
    wave.down = True

    answer = await giving.retry(donor, donationId=begun.id)

    assert answer["retryDonation"]["warnings"] == [{"code": "PAYMENT_PROVIDER_UNAVAILABLE"}]
    assert answer["retryDonation"]["paymentUrl"] is None


# Who sees a donation


async def test_a_donation_is_seen_by_its_donor_and_staff_alone(
    giving: Giving, api: Api, make: Factory, pot: Any, donor: Any
) -> None:
    begun = await giving.given(pot, 1000, donor)
    stranger, staff = await make(User), await make.staff()
    query = "query ($id: ID!) { donation(id: $id) { amountCfa } }"

    seen = [
        (await api(query, {"id": begun.id}, as_=who, roles=roles))["donation"]
        for who, roles in (
            (donor, ()),
            (staff, STAFF),
            (stranger, ()),
            (await giving.owner_of(pot), ()),
            (None, ()),
        )
    ]

    assert seen == [{"amountCfa": 1000}, {"amountCfa": 1000}, None, None, None]


async def test_fifty_donations_and_their_events_in_any_order_doubled_and_delayed_at_once(
    giving: Giving, wave: FakeWave, make: Factory, pot: Any, books: Books
) -> None:
    donors = [await make(User) for _ in range(10)]
    amounts = [100 + 10 * number for number in range(50)]

    async def all_of_it(number: int) -> str:
        begun = await giving.begun(pot, amounts[number], donors[number % 10])
        failing, paying = wave.failed(begun.checkout), wave.paid(begun.checkout)
        twin = {**paying, "id": f"{paying['id']}-twin"}
        events = [failing, paying, paying, twin]
        if number % 2:
            events.reverse()
        await asyncio.sleep(0.001 * (number % 7))
        await asyncio.gather(*(giving.hear(event) for event in events))
        return str(begun.id)

    references = await asyncio.gather(*(all_of_it(number) for number in range(50)))

    statuses = [await giving.status(key) for key in references]
    assert statuses == ["succeeded"] * 50
    assert await giving.money(pot) == (sum(amounts), sum(amounts))
    posted = await giving.owner.fetchval(
        "SELECT count(*) FROM ledger.ledger_transactions WHERE kind = 'donation' AND reference_id = ANY ($1)",
        [*map(str, references)],
    )
    assert posted == 50


async def test_a_payload_of_rows_alone_is_read_after_the_call_outside(giving: Giving, pot: Any, donor: Any) -> None:
    answer = await giving.api.mutate(
        "donate", donor, show="donation { status wavePaymentUrl }", amountCfa=1000, potId=pot.id
    )

    assert answer["donate"]["donation"]["status"] == "PENDING"
    assert answer["donate"]["donation"]["wavePaymentUrl"]
