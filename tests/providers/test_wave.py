"""The adapter against a server on loopback: what it asks, and what it makes of each answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lango.providers import BadProvider, ProviderRefused, ProviderUnavailable, ProviderUndecided
from lango.providers.wave.client import Checkout, HttpWave, NoWave, Wave
from lango.rules.services import try_clients
from tests.providers.conftest import SESSION, FakeServer, Settled, wave_of

REFERENCE = "0199f3a0-0000-7000-8000-000000000001"
OPEN = Checkout(
    id="cos-18qq25rgr100a",
    url="https://pay.wave.com/c/cos-18qq25rgr100a",
    expires_at=datetime(2026, 3, 1, 10, 30, tzinfo=UTC),
    status="open",
    payment_status="processing",
    amount=1000,
    reference=REFERENCE,
)
PAID = SESSION | {"checkout_status": "complete", "payment_status": "succeeded", "transaction_id": "TCN4Y4ZC3FM"}
CONFLICT = {"code": "checkout-session-not-open", "message": "Too late"}

CALLS: dict[str, Callable[[Wave], Awaitable[Any]]] = {
    "open": lambda wave: wave.open_checkout(amount=1000, reference=REFERENCE, key="k"),
    "checkout": lambda wave: wave.checkout("cos-1"),
    "checkouts": lambda wave: wave.checkouts(REFERENCE),
    "expire": lambda wave: wave.expire("cos-1"),
    "refund": lambda wave: wave.refund("cos-1", amount=1000, key="k"),
    "pay_out": lambda wave: pay_out(wave),
}


PAYOUT = {
    "id": "pt-185b5e4b8100c",
    "client_reference": REFERENCE,
    "currency": "XOF",
    "fee": "5",
    "mobile": "+221761110000",
    "name": None,
    "payout_error": None,
    "receive_amount": "400",
    "status": "succeeded",
    "timestamp": "2026-03-01T10:00:00Z",
}


async def pay_out(wave: Wave) -> str:
    return await wave.pay_out(amount=400, mobile="+221761110000", reference=REFERENCE, key="refund-1:1")


async def opened(wave: Wave) -> Checkout:
    return await wave.open_checkout(amount=1000, reference=REFERENCE, key="donation-1")


async def test_a_checkout_is_opened_in_the_form_wave_takes(wave: Wave, server: FakeServer) -> None:
    checkout = await opened(wave)

    assert checkout == OPEN
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/checkout/sessions")
    assert request.headers["authorization"] == "Bearer wave_sn_key"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "donation-1"
    assert request.json == {
        "amount": "1000",
        "currency": "XOF",
        "client_reference": REFERENCE,
        "success_url": f"https://lango.test/payments/return?payment=success&reference={REFERENCE}",
        "error_url": f"https://lango.test/payments/return?payment=error&reference={REFERENCE}",
    }


async def test_donors_come_back_to_a_page_of_the_site(server: FakeServer, settled: Settled) -> None:
    given = settled(wave={"api_url": server.url, "api_key": "k"}, payment_return_url="https://site.test/thanks?lang=fr")

    async with wave_of(given) as wave:
        await opened(wave)

    place = server.requests[0].json["success_url"]
    assert place == f"https://site.test/thanks?lang=fr&payment=success&reference={REFERENCE}"


async def test_a_checkout_is_looked_up(wave: Wave, server: FakeServer) -> None:
    server.will((200, PAID))

    checkout = await wave.checkout("cos-18qq25rgr100a")

    assert (checkout.status, checkout.payment_status, checkout.transaction_id) == (
        "complete",
        "succeeded",
        "TCN4Y4ZC3FM",
    )
    assert (server.requests[0].method, server.requests[0].path) == ("GET", "/v1/checkout/sessions/cos-18qq25rgr100a")


async def test_an_id_stays_one_part_of_the_path(wave: Wave, server: FakeServer) -> None:
    await wave.checkout("../x?y")

    assert server.requests[0].path == "/v1/checkout/sessions/..%2Fx%3Fy"


async def test_checkouts_are_found_by_our_reference(wave: Wave, server: FakeServer) -> None:
    server.will((200, {"result": [SESSION, PAID]}))

    found = await wave.checkouts(REFERENCE)

    assert [checkout.status for checkout in found] == ["open", "complete"]
    assert server.requests[0].path == f"/v1/checkout/sessions/search?client_reference={REFERENCE}"


async def test_a_checkout_is_expired(wave: Wave, server: FakeServer) -> None:
    server.will((200, b""))

    await wave.expire("cos-1")

    assert [(request.method, request.path) for request in server.requests] == [
        ("POST", "/v1/checkout/sessions/cos-1/expire")
    ]


async def test_one_that_has_expired_is_expired(wave: Wave, server: FakeServer) -> None:
    server.will((409, CONFLICT), (200, SESSION | {"checkout_status": "expired", "payment_status": "cancelled"}))

    await wave.expire("cos-1")

    assert len(server.requests) == 2


async def test_one_that_is_paid_is_not_expired(wave: Wave, server: FakeServer) -> None:
    server.will((409, CONFLICT), (200, PAID))

    with pytest.raises(ProviderRefused) as refused:
        await wave.expire("cos-1")

    assert refused.value.code == "checkout-session-not-open"


async def test_a_payment_is_given_back(wave: Wave, server: FakeServer) -> None:
    server.will((200, PAID), (200, b""))

    refund = await wave.refund("cos-1", amount=1000, key="refund-1")

    assert refund == "TCN4Y4ZC3FM"
    request = server.requests[1]
    assert (request.method, request.path, request.body) == ("POST", "/v1/checkout/sessions/cos-1/refund", b"")
    assert request.headers["idempotency-key"] == "refund-1"


async def test_a_partial_refund_is_not_requested_because_wave_would_give_back_everything(
    wave: Wave, server: FakeServer
) -> None:
    server.will((200, PAID))

    with pytest.raises(ProviderRefused) as refused:
        await wave.refund("cos-1", amount=400, key="refund-1")

    assert refused.value.code == "partial-refund"
    assert [request.method for request in server.requests] == ["GET"]


async def test_money_is_sent_to_a_phone(wave: Wave, server: FakeServer) -> None:
    server.will((200, PAYOUT))

    assert await pay_out(wave) == "pt-185b5e4b8100c"

    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/payout")
    assert request.headers["authorization"] == "Bearer wave_sn_key"
    assert request.headers["idempotency-key"] == "refund-1:1"
    assert request.json == {
        "currency": "XOF",
        "receive_amount": "400",
        "mobile": "+221761110000",
        "client_reference": REFERENCE,
    }


async def test_a_payout_under_way_is_looked_up_once(wave: Wave, server: FakeServer) -> None:
    server.will((200, PAYOUT | {"status": "processing"}), (200, PAYOUT))

    assert await pay_out(wave) == "pt-185b5e4b8100c"
    assert (server.requests[1].method, server.requests[1].path) == ("GET", "/v1/payout/pt-185b5e4b8100c")


@pytest.mark.parametrize(
    "later",
    [
        (200, PAYOUT | {"status": "processing"}),
        (200, PAYOUT | {"status": "thought-about"}),
        (404, {"code": "not-found", "message": "Not yet"}),
        (422, {"code": "no-such", "message": "No"}),
    ],
)
async def test_what_is_not_known_to_have_failed_has_not(wave: Wave, server: FakeServer, later: tuple[int, Any]) -> None:
    server.will((200, PAYOUT | {"status": "processing"}), later)

    with pytest.raises(ProviderUndecided):
        await pay_out(wave)


async def test_a_key_that_came_with_another_payout_may_have_been_paid(wave: Wave, server: FakeServer) -> None:
    server.will((409, {"code": "idempotency-mismatch", "message": "Another body"}))

    with pytest.raises(ProviderUndecided):
        await pay_out(wave)


@pytest.mark.parametrize("status", ["failed", "reversed"])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("error", "code"),
    [({"error_code": "recipient-minor", "error_message": "No"}, "recipient-minor"), (None, None), ({}, None)],
)
async def test_a_payout_that_failed_is_refused(
    wave: Wave, server: FakeServer, status: str, at_once: bool, error: Any, code: str | None
) -> None:
    failed = PAYOUT | {"status": status, "payout_error": error}
    server.will(*([] if at_once else [(200, PAYOUT | {"status": "processing"})]), (200, failed))

    with pytest.raises(ProviderRefused) as refused:
        await pay_out(wave)

    assert refused.value.code == (code or f"payout-{status}")


@pytest.mark.parametrize("body", [b"", b"[]", {}, PAYOUT | {"id": None}, PAYOUT | {"status": 1}])
async def test_a_payout_of_another_form_is_no_answer(wave: Wave, server: FakeServer, body: Any) -> None:
    server.will((200, body))

    with pytest.raises(ProviderUnavailable, match="cannot be understood"):
        await pay_out(wave)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [301, 401, 403, 408, 429, 500, 502, 503])
async def test_wave_is_unavailable(wave: Wave, server: FakeServer, call: str, status: int) -> None:
    server.will((status, {"code": "some-code", "message": "Not now"}))

    with pytest.raises(ProviderUnavailable, match=f"wave: {status} some-code: Not now"):
        await CALLS[call](wave)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "body", [{"code": "no-such", "message": "No"}, {"error": {"code": "no-such", "message": "No"}}]
)
@pytest.mark.parametrize("status", [400, 404, 422])
async def test_wave_refuses(wave: Wave, server: FakeServer, call: str, body: Any, status: int) -> None:
    server.will((status, body))

    with pytest.raises(ProviderRefused) as refused:
        # Of a checkout that is refused twice the first reason is not lost.
        await CALLS[call](wave)

    assert (refused.value.code, str(refused.value)) == ("no-such", "wave refused (no-such): No")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"code": 1, "message": {}}', b'{"error": "x"}'])
async def test_a_refusal_without_a_code_is_one_too(wave: Wave, server: FakeServer, body: bytes) -> None:
    server.will((404, body))

    with pytest.raises(ProviderRefused) as refused:
        await wave.checkout("cos-1")

    assert refused.value.code == "http-404"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"\xff",
        {},
        SESSION | {"amount": "10.50"},
        SESSION | {"amount": "NaN"},
        SESSION | {"amount": None},
        SESSION | {"currency": "EUR"},
        SESSION | {"when_expires": "2026-03-01T10:30:00"},
        SESSION | {"wave_launch_url": None},
    ],
)
async def test_an_answer_of_another_form_is_no_answer(wave: Wave, server: FakeServer, body: Any) -> None:
    server.will((200, body))

    with pytest.raises(ProviderUnavailable, match="cannot be understood"):
        await opened(wave)


async def test_neither_a_phone_nor_the_key_is_repeated(wave: Wave, server: FakeServer) -> None:
    server.will((400, {"code": "bad", "message": "The payer +221 77 123 45 67 is unknown"}))

    with pytest.raises(ProviderRefused) as refused:
        await opened(wave)

    assert str(refused.value) == "wave refused (bad): The payer +… is unknown"


async def test_a_slow_answer_is_none(wave: Wave, server: FakeServer) -> None:
    server.delay = 1.0
    began = time.monotonic()

    with pytest.raises(ProviderUnavailable, match=r"no answer within 0\.5 s"):
        await opened(wave)

    assert time.monotonic() - began < 0.9


async def test_nothing_listens(settled: Settled) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with wave_of(settled(wave={"api_url": f"http://127.0.0.1:{port}", "api_key": "k"})) as wave:
        with pytest.raises(ProviderUnavailable, match="cannot be reached"):
            await opened(wave)


@pytest.mark.parametrize("call", CALLS)
async def test_switched_off_no_call_can_be_made(settled: Settled, call: str) -> None:
    async with wave_of(settled()) as wave:
        with pytest.raises(ProviderUnavailable, match="LANGO_WAVE is off"):
            await CALLS[call](wave)


@pytest.mark.parametrize(("wave", "kind"), [({"api_key": "k"}, HttpWave), ({"api_key": "k", "chosen": "off"}, NoWave)])
async def test_a_key_alone_makes_it_live(settled: Settled, wave: dict[str, Any], kind: type) -> None:
    async with wave_of(settled(wave=wave)) as made:
        assert isinstance(made, kind)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chosen": "live"}, "set LANGO_WAVE_API_KEY"),
        ({"api_key": "k", "api_url": "http://api.wave.com"}, "must be an https address"),
    ],
)
async def test_settings_that_cannot_be(settled: Settled, values: dict[str, Any], message: str) -> None:
    with pytest.raises(BadProvider, match=message):
        await try_clients(settled(wave=values))
