"""The sandbox from end to end: the adapter opens a checkout, somebody pays on the page, the webhook arrives."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lango.providers import ProviderRefused, ProviderUnavailable, ProviderUndecided
from lango.providers.wave import WAVE
from lango.providers.wave.client import Checkout
from lango.providers.wave.sandbox import api as sandbox
from lango.providers.wave.sandbox import page as wave_page
from lango.providers.wave.sandbox import sessions as kept_sessions
from tests.webhooks.conftest import Door, Open, Seen


@pytest.fixture
async def door(open_door: Open, seen: Seen) -> Door:
    return await open_door(seen.receive, wave={"chosen": "sandbox", "timeout": 0.5})


async def open_checkout(door: Door, amount: int = 1000, key: str = "k-1") -> Checkout:
    return await door.wave.open_checkout(amount=amount, reference="donation-1", key=key)


async def pay(door: Door, checkout: Checkout, query: str = "") -> int:
    return (await door.http.post(checkout.url + query)).status_code


async def test_the_whole_way(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)
    assert (checkout.status, checkout.payment_status, checkout.amount) == ("open", "processing", 1000)
    assert checkout.url == f"http://127.0.0.1:8000/sandbox/wave/{checkout.id}"

    page = await door.http.get(checkout.url)
    paid = await door.http.post(checkout.url)

    assert "1000 francs" in page.text
    assert "formaction=" in page.text
    assert paid.status_code == 303
    back = "http://127.0.0.1:8000/payments/return?payment=success&reference=donation-1"
    assert paid.headers["location"] == back
    assert "Thank you" in (await door.http.get(back)).text
    after = await door.wave.checkout(checkout.id)
    assert (after.status, after.payment_status) == ("complete", "succeeded")
    (event,) = seen.events
    assert event["type"] == "checkout.session.completed"
    assert event["data"]["client_reference"] == "donation-1"
    assert event["data"]["amount"] == "1000"
    assert event["data"]["payment_status"] == "succeeded"
    assert event["data"]["transaction_id"] == after.transaction_id
    assert (seen.finished, door.counted("accepted")) == (1, 1)


async def test_the_webhook_is_signed_without_a_secret_of_ones_own(open_door: Open, seen: Seen) -> None:
    door = await open_door(seen.receive, wave={"chosen": "sandbox", "webhook_secrets": ""})

    await pay(door, await open_checkout(door))

    assert len(seen.events) == 1


async def test_a_payment_that_fails_may_be_tried_again(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)

    failed = await door.http.post(f"{checkout.url}?outcome=fail")
    await pay(door, checkout)

    assert "payment=error" in failed.headers["location"]
    assert [event["type"] for event in seen.events] == [
        "checkout.session.payment_failed",
        "checkout.session.completed",
    ]
    assert seen.events[0]["data"]["last_payment_error"]["code"] == "insufficient-funds"
    assert seen.events[0]["data"]["checkout_status"] == "open"


async def test_who_goes_away_sends_no_webhook(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)

    assert await pay(door, checkout, "?outcome=cancel") == 303
    assert seen.events == []
    assert (await door.wave.checkout(checkout.id)).status == "open"


async def test_twice(door: Door, seen: Seen) -> None:
    await pay(door, await open_checkout(door), "?twice=1")

    first, second = seen.events
    assert first == second


async def test_late(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)
    began = time.monotonic()

    await pay(door, checkout, "?delay=0.3")

    assert time.monotonic() - began >= 0.3
    assert len(seen.events) == 1


async def test_never(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)

    await pay(door, checkout, "?lost=1")

    assert seen.events == []
    assert (await door.wave.checkout(checkout.id)).payment_status == "succeeded"


async def test_a_webhook_that_is_not_taken_comes_again(door: Door, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wave_page, "PAUSES", (0.0, 0.0))
    failures = [RuntimeError, RuntimeError]

    async def store() -> None:
        if failures:
            raise failures.pop()

    seen.store = store
    await pay(door, await open_checkout(door))

    assert (len(seen.events), door.counted("not_stored"), door.counted("accepted")) == (1, 2, 1)


async def test_what_is_paid_cannot_be_paid_again(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)
    await pay(door, checkout)

    assert await pay(door, checkout) == 409
    assert len(seen.events) == 1


async def test_of_many_who_pay_at_once_one_pays(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)

    statuses = await asyncio.gather(*(pay(door, checkout) for _ in range(20)))

    assert sorted(statuses) == [303] + [409] * 19
    assert len(seen.events) == 1


async def test_an_expired_checkout_cannot_be_paid(door: Door, seen: Seen) -> None:
    checkout = await open_checkout(door)

    await door.wave.expire(checkout.id)
    await door.wave.expire(checkout.id)

    assert await pay(door, checkout) == 409
    assert seen.events == []
    assert (await door.wave.checkout(checkout.id)).status == "expired"


async def test_it_expires_by_itself(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "LIFETIME", -sandbox.LIFETIME)
    checkout = await open_checkout(door)

    assert (await door.wave.checkout(checkout.id)).status == "expired"
    assert await pay(door, checkout) == 409


async def test_a_paid_one_is_not_expired(door: Door) -> None:
    checkout = await open_checkout(door)
    await pay(door, checkout)

    with pytest.raises(ProviderRefused) as refused:
        await door.wave.expire(checkout.id)

    assert refused.value.code == "checkout-session-not-open"


async def test_it_is_given_back_once(door: Door) -> None:
    checkout = await open_checkout(door)
    await pay(door, checkout)
    wave = door.wave

    first = await wave.refund(checkout.id, amount=1000, key="r-1")
    again = await wave.refund(checkout.id, amount=1000, key="r-1")
    other = await wave.refund(checkout.id, amount=1000, key="r-2")

    assert first == again == other == (await wave.checkout(checkout.id)).transaction_id
    assert "given back at" in (await door.http.get(checkout.url)).text


async def pay_out(door: Door, amount: int = 400, key: str = "r-1", mobile: str = "+221771234567") -> str:
    return await door.wave.pay_out(amount=amount, mobile=mobile, reference="refund-1", key=key)


async def test_a_part_is_paid_out_once(door: Door) -> None:
    first, again, other = await pay_out(door), await pay_out(door), await pay_out(door, key="r-2")

    assert first.startswith("pt-")
    assert first == again != other


async def test_another_payout_with_the_same_key_pays_nothing_more(door: Door) -> None:
    await pay_out(door)

    with pytest.raises(ProviderUndecided):
        await pay_out(door, 500)


async def test_a_slow_payout_is_under_way_and_then_done(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProviderUndecided):
        await pay_out(door, 202)

    monkeypatch.setattr(sandbox, "SLOWNESS", timedelta())
    assert (await pay_out(door, 202)).startswith("pt-")


@pytest.mark.parametrize(
    ("amount", "error", "message"),
    [
        (402, ProviderRefused, "insufficient-funds"),
        (409, ProviderRefused, "recipient-account-blocked"),
        (422, ProviderRefused, "request-validation-error"),
        (429, ProviderUnavailable, "429"),
        (503, ProviderUnavailable, "503"),
        (504, ProviderUnavailable, "no answer"),
    ],
)
async def test_some_payouts_fail_on_purpose(door: Door, amount: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await pay_out(door, amount)


@pytest.mark.parametrize("mobile", ["", "771234567", "+0771234567", "+22177123456x", "+2217712345671234567"])
async def test_a_payout_goes_to_a_phone_in_international_form(door: Door, mobile: str) -> None:
    with pytest.raises(ProviderRefused, match="request-validation-error"):
        await pay_out(door, mobile=mobile)


async def test_a_payout_that_nobody_made_is_not_shown(door: Door) -> None:
    wave: Any = door.wave

    with pytest.raises(ProviderUndecided, match="payout-not-found"):
        await wave.payout("pt-unknown")


@pytest.mark.parametrize("amount", [1000, 409])
async def test_what_was_not_paid_or_shall_not_be_is_not_given_back(door: Door, amount: int) -> None:
    checkout = await open_checkout(door, amount)
    if amount == 409:
        await pay(door, checkout)

    with pytest.raises(ProviderRefused) as refused:
        await door.wave.refund(checkout.id, amount=amount, key="r-1")

    assert refused.value.code == "checkout-refund-failed"


async def test_the_same_key_opens_one(door: Door) -> None:
    first, again = await open_checkout(door), await open_checkout(door)

    assert first == again
    assert await door.wave.checkouts("donation-1") == [first]


async def test_another_call_with_the_same_key_is_refused(door: Door) -> None:
    await open_checkout(door)

    with pytest.raises(ProviderRefused) as refused:
        await open_checkout(door, 2000)

    assert refused.value.code == "idempotency-mismatch"


async def test_all_of_a_reference_are_found(door: Door) -> None:
    first, second = await open_checkout(door), await open_checkout(door, key="k-2")

    assert await door.wave.checkouts("donation-1") == [first, second]
    assert await door.wave.checkouts("another") == []


@pytest.mark.parametrize(
    ("amount", "error", "message"),
    [
        (422, ProviderRefused, "request-validation-error"),
        (429, ProviderUnavailable, "429"),
        (503, ProviderUnavailable, "503"),
        (504, ProviderUnavailable, "no answer"),
    ],
)
async def test_some_amounts_fail_on_purpose(door: Door, amount: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await open_checkout(door, amount)

    assert await door.wave.checkouts("donation-1") == []


async def test_another_process_goes_on_with_it(door: Door, tmp_path: Path) -> None:
    checkout = await open_checkout(door)
    await pay(door, checkout)

    async with AsyncExitStack() as closing:
        wave = WAVE.make(door.services.settings, closing)
        assert (await wave.checkout(checkout.id)).payment_status == "succeeded"
    assert (tmp_path / kept_sessions.FILE).exists()


async def test_an_unknown_checkout_of_the_sandbox_is_a_clear_404(door: Door) -> None:
    with pytest.raises(ProviderRefused) as refused:
        await door.wave.checkout("cos-unknown")

    assert refused.value.code == "checkout-session-not-found"
    assert (await door.http.get("/sandbox/wave/cos-unknown")).status_code == 404
    assert (await door.http.post("/sandbox/wave/cos-unknown")).status_code == 404


@pytest.mark.parametrize("query", ["?outcome=steal", "?delay=-1", "?delay=x", "?delay=nan", "?delay=1000"])
async def test_a_query_that_is_not_understood_changes_nothing(door: Door, query: str) -> None:
    checkout = await open_checkout(door)

    assert await pay(door, checkout, query) == 400
    assert (await door.wave.checkout(checkout.id)).status == "open"


async def test_the_sandbox_requires_an_api_key(door: Door) -> None:
    wave: Any = door.wave
    wave.client.headers["authorization"] = "Bearer another"

    with pytest.raises(ProviderUnavailable, match="no-matching-api-key"):
        await open_checkout(door)


@pytest.mark.parametrize("mode", ["off", "live"])
async def test_there_is_no_page_outside_the_sandbox(open_door: Open, seen: Seen, mode: str) -> None:
    door = await open_door(seen.receive, wave={"chosen": mode, "api_key": "k"})

    assert (await door.http.get("/sandbox/wave/cos-1")).status_code == 404
    assert (await door.http.post("/sandbox/wave/cos-1")).status_code == 404


async def test_the_page_runs_nothing_that_a_reference_brings(door: Door) -> None:
    checkout = await door.wave.open_checkout(amount=1000, reference="<script>alert(1)</script>", key="k")

    page = await door.http.get(checkout.url)

    assert "<script>" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
