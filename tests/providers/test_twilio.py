"""Twilio's adapter against a server on loopback: what it sends, what it makes of each answer, and its signatures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest

from lango.observability.finding import Level
from lango.providers import BadProvider, ProviderRefused, ProviderUnavailable
from lango.providers.messages import Sms, Taken
from lango.providers.twilio import TWILIO
from lango.providers.twilio.client import HttpTwilio
from lango.providers.twilio.settings import TwilioSettings
from lango.providers.twilio.signature import sign, verify
from lango.settings import Settings
from tests.providers.conftest import FakeServer, Settled

REFERENCE = UUID("0199f3a0-0000-7000-8000-000000000001")
SMS = Sms("+221771234567", "lango : 482913", reference=REFERENCE, valid_for=280)
MADE = {"sid": "SM90c6fc909d8504d45ecdb3a3d5b3556e", "status": "queued", "price": None, "price_unit": "USD"}
LIVE = {"account_sid": "AC1", "auth_tokens": "new-token, old-token", "sender": "+15005550006"}


def twilio_of(settled: Settled, **values: Any) -> Settings:
    return settled().with_section(TwilioSettings(_env_file=None, **values))


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as closing:
        yield closing


@pytest.fixture
def twilio(server: FakeServer, settled: Settled, closing: AsyncExitStack) -> HttpTwilio:
    server.will((201, MADE))
    made = TWILIO.make(twilio_of(settled, **LIVE, api_url=server.url, timeout=5), closing)
    assert isinstance(made, HttpTwilio)
    return made


async def test_an_sms_is_sent_in_the_form_twilio_takes(twilio: HttpTwilio, server: FakeServer) -> None:
    taken = await twilio.send(SMS)

    assert taken == Taken(MADE["sid"], None, "USD")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/2010-04-01/Accounts/AC1/Messages.json")
    assert request.headers["authorization"] == "Basic QUMxOm5ldy10b2tlbg=="
    assert dict(parse_qsl(request.body.decode())) == {
        "To": "+221771234567",
        "From": "+15005550006",
        "Body": "lango : 482913",
        "ValidityPeriod": "280",
        "StatusCallback": f"https://lango.test/webhooks/twilio?delivery={REFERENCE}",
    }


async def test_a_messaging_service_sends_too(server: FakeServer, settled: Settled, closing: AsyncExitStack) -> None:
    server.will((201, MADE | {"price": "-0.00750"}))
    settings = twilio_of(settled, **{**LIVE, "sender": "MG1"}, api_url=server.url)

    taken = await TWILIO.make(settings, closing).send(Sms("+221771234567", "x", reference=REFERENCE))

    assert taken.cost == Decimal("0.00750")
    fields = dict(parse_qsl(server.requests[0].body.decode()))
    assert fields["MessagingServiceSid"] == "MG1"
    assert "From" not in fields
    assert "ValidityPeriod" not in fields


async def test_no_report_is_wanted_where_twilio_cannot_bring_it(
    server: FakeServer, settled: Settled, closing: AsyncExitStack
) -> None:
    server.will((201, MADE))
    settings = settled(public_url="http://10.0.0.1").with_section(
        TwilioSettings(_env_file=None, **LIVE, api_url=server.url)
    )

    await TWILIO.make(settings, closing).send(SMS)

    assert b"StatusCallback" not in server.requests[0].body


@pytest.mark.parametrize("code", [21211, 21610, 21614])
async def test_a_number_that_nobody_reaches_is_refused(twilio: HttpTwilio, server: FakeServer, code: int) -> None:
    server.will((400, {"code": code, "message": "The 'To' number +221771234567 is not valid", "status": 400}))

    with pytest.raises(ProviderRefused, match=rf"twilio refused \({code}\): The 'To' number \+… is not valid"):
        await twilio.send(SMS)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"code": 21408, "message": "Permission to send to this region is not enabled"}),
        (400, {"code": 21606, "message": "The 'From' number cannot send"}),
        (401, {"code": 20003, "message": "Authenticate"}),
        (429, {"code": 20429, "message": "Too Many Requests"}),
        (500, b"<html>"),
        (201, b"<html>"),
        (201, {"status": "queued"}),
        (201, MADE | {"status": "failed", "error_code": 30001, "error_message": "Queue overflow"}),
    ],
)
async def test_what_is_not_about_the_number_may_go_by_another(
    twilio: HttpTwilio, server: FakeServer, status: int, body: Any
) -> None:
    server.will((status, body))

    with pytest.raises(ProviderUnavailable, match="twilio: "):
        await twilio.send(SMS)


async def test_silence_is_no_answer(twilio: HttpTwilio, server: FakeServer) -> None:
    server.delay, twilio.timeout = 1.0, 0.2

    with pytest.raises(ProviderUnavailable, match=r"no answer within 0\.2 s"):
        await twilio.send(SMS)


@pytest.mark.parametrize(
    ("price", "unit", "known"),
    [("-0.00750", "USD", (Decimal("0.00750"), "USD")), (None, "USD", None), ("free", "USD", None), ("1", None, None)],
)
async def test_what_it_cost_is_known_later(
    twilio: HttpTwilio, server: FakeServer, price: str | None, unit: str | None, known: Any
) -> None:
    server.will((200, MADE | {"price": price, "price_unit": unit}))

    assert await twilio.cost("SM1/../x") == known

    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/2010-04-01/Accounts/AC1/Messages/SM1%2F..%2Fx.json")
    assert request.body == b""


@pytest.mark.parametrize("missing", LIVE)
async def test_live_needs_all_of_it(settled: Settled, closing: AsyncExitStack, missing: str) -> None:
    given = {**LIVE, missing: None}

    with pytest.raises(BadProvider, match="LANGO_TWILIO is live"):
        TWILIO.make(twilio_of(settled, chosen="live", **given), closing)


async def test_the_token_is_sent_by_https_alone(settled: Settled, closing: AsyncExitStack) -> None:
    with pytest.raises(BadProvider, match="https"):
        TWILIO.make(twilio_of(settled, **LIVE, api_url="http://api.twilio.test"), closing)


async def test_switched_off_nothing_is_sent(settled: Settled, closing: AsyncExitStack) -> None:
    with pytest.raises(ProviderUnavailable, match="LANGO_TWILIO is off"):
        await TWILIO.make(twilio_of(settled), closing).send(SMS)


URL = "https://mycompany.com/myapp.php?foo=1&bar=2"


@pytest.mark.parametrize(
    ("number", "signature"),
    [("+14158675309", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), ("+12349013030", "0/KCTR6DLpKmkAf8muzZqo1nDgQ=")],
)
def test_the_signature_is_twilios(number: str, signature: str) -> None:
    fields = [
        ("Digits", "1234"), ("To", "+18005551212"), ("CallSid", "CA1234567890ABCDE"), ("From", number), ("Caller", number),
    ]  # fmt: skip
    assert sign("12345", URL, fields) == signature
    body = b"Digits=1234&To=%2B18005551212&CallSid=CA1234567890ABCDE&From=%2B" + number[1:].encode()
    body += b"&Caller=%2B" + number[1:].encode()
    assert verify(["other", "12345"], signature, URL, body)
    assert not verify(["other"], signature, URL, body)
    assert not verify([], signature, URL, body)
    assert not verify(["12345"], signature, URL + "x", body)
    assert not verify(["12345"], signature, URL, body + b"&x=")
    assert not verify(["12345"], "é", URL, body)


def test_values_that_come_twice_are_signed_once() -> None:
    fields = [("a", "2"), ("a", "1"), ("a", "2"), ("B", "x")]

    assert sign("t", URL, fields) == sign("t", URL, [("B", "x"), ("a", "1"), ("a", "2")])


@pytest.mark.parametrize(
    ("values", "findings"),
    [
        ({}, []),
        (LIVE, []),
        ({"chosen": "sandbox", "host": "0.0.0.0"}, [(Level.ERROR, "nobody gets an SMS")]),  # noqa: S104
        ({"chosen": "live"}, [(Level.ERROR, "LANGO_TWILIO_SENDER")]),
        ({**LIVE, "public_url": None}, [(Level.WARNING, "https addresses only")]),
    ],
)
def test_the_doctor_looks_at_it(settled: Settled, values: dict[str, Any], findings: list[tuple[Level, str]]) -> None:
    own = {name: values[name] for name in values if name in TwilioSettings.model_fields}
    general = {name: values[name] for name in values if name not in own}
    settings = settled(**general).with_section(TwilioSettings(_env_file=None, **own))

    found = list(TWILIO.checks(settings))

    assert [each.level for each in found] == [level for level, _ in findings]
    for each, (_, part) in zip(found, findings, strict=True):
        assert part in each.says
        assert each.remedy
