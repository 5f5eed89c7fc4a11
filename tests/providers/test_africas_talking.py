"""Africa's Talking's adapter against a server on loopback: what it sends, and what it makes of each answer."""

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
from lango.providers.africastalking import AFRICAS_TALKING
from lango.providers.africastalking.client import HttpAfricasTalking
from lango.providers.africastalking.settings import AfricasTalkingSettings
from lango.providers.messages import Sms, Taken
from tests.providers.conftest import FakeServer, Settled

REFERENCE = UUID("0199f3a0-0000-7000-8000-000000000001")
SMS = Sms("+254711000111", "lango: 482913", reference=REFERENCE, valid_for=280)
LIVE = {"username": "lango", "api_key": "atsk_1", "report_secret": "a-long-enough-secret"}


def answer(code: int = 101, status: str = "Success", message_id: str = "ATXid_1", cost: str = "KES 0.8000") -> Any:
    recipient = {"statusCode": code, "number": SMS.to, "status": status, "cost": cost, "messageId": message_id}
    return {"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [recipient]}}


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as closing:
        yield closing


@pytest.fixture
def client(server: FakeServer, settled: Settled, closing: AsyncExitStack) -> HttpAfricasTalking:
    server.will((201, answer()))
    own = AfricasTalkingSettings(_env_file=None, **LIVE, sender="LANGO", api_url=server.url, timeout=5)
    made = AFRICAS_TALKING.make(settled().with_section(own), closing)
    assert isinstance(made, HttpAfricasTalking)
    return made


async def test_an_sms_is_sent_in_the_form_it_takes(client: HttpAfricasTalking, server: FakeServer) -> None:
    taken = await client.send(SMS)

    assert taken == Taken("ATXid_1", Decimal("0.8000"), "KES")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/version1/messaging")
    assert request.headers["apikey"] == "atsk_1"
    assert request.headers["accept"] == "application/json"
    assert request.headers["idempotency-key"] == str(REFERENCE)
    assert dict(parse_qsl(request.body.decode())) == {
        "username": "lango", "to": "+254711000111", "message": "lango: 482913", "bulkSMSMode": "1", "from": "LANGO",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cost", "known"), [("0", (Decimal(0), None)), ("free", (None, None)), ("XOF NaN", (None, "XOF"))]
)
async def test_what_it_costs_may_be_unknown(
    client: HttpAfricasTalking, server: FakeServer, cost: str, known: tuple[Decimal | None, str | None]
) -> None:
    server.will((201, answer(code=102, status="Queued", cost=cost)))

    taken = await client.send(SMS)

    assert (taken.cost, taken.currency) == known


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (403, "InvalidPhoneNumber"), (404, "UnsupportedNumberType"), (406, "UserInBlacklist"),
        (409, "DoNotDisturbRejection"),
    ],
)  # fmt: skip
async def test_a_number_that_nobody_reaches_is_refused(
    client: HttpAfricasTalking, server: FakeServer, code: int, status: str
) -> None:
    server.will((201, answer(code, status, "None", "0")))

    with pytest.raises(ProviderRefused, match=rf"africas_talking refused \({code}\): {status}"):
        await client.send(SMS)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, answer(402, "InvalidSenderId", "None", "0")),
        (201, answer(405, "InsufficientBalance", "None", "0")),
        (201, answer(407, "CouldNotRoute", "None", "0")),
        (201, answer(500, "InternalServerError", "None", "0")),
        (201, answer(101, "Success", "None")),
        (201, {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}),
        (201, {"SMSMessageData": {}}),
        (201, b"<html>"),
        (401, b"The supplied authentication is invalid"),
        (429, b""),
        (503, b"down"),
    ],
)
async def test_what_is_not_about_the_number_may_go_by_another(
    client: HttpAfricasTalking, server: FakeServer, status: int, body: Any
) -> None:
    server.will((status, body))

    with pytest.raises(ProviderUnavailable, match="africas_talking: ") as failed:
        await client.send(SMS)

    assert "711000111" not in str(failed.value)


async def test_silence_is_no_answer(client: HttpAfricasTalking, server: FakeServer) -> None:
    server.delay, client.timeout = 1.0, 0.2

    with pytest.raises(ProviderUnavailable, match=r"no answer within 0\.2 s"):
        await client.send(SMS)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"chosen": "live"}, "LANGO_AFRICAS_TALKING is live"),
        ({"api_key": "k"}, "LANGO_AFRICAS_TALKING_USERNAME"),
        ({**LIVE, "api_url": "http://at.test"}, "https"),
    ],
)
async def test_live_needs_all_of_it(
    settled: Settled, closing: AsyncExitStack, given: dict[str, Any], says: str
) -> None:
    settings = settled().with_section(AfricasTalkingSettings(_env_file=None, **given))

    with pytest.raises(BadProvider, match=says):
        AFRICAS_TALKING.make(settings, closing)


async def test_switched_off_nothing_is_sent(settled: Settled, closing: AsyncExitStack) -> None:
    settings = settled().with_section(AfricasTalkingSettings(_env_file=None))

    with pytest.raises(ProviderUnavailable, match="LANGO_AFRICAS_TALKING is off"):
        await AFRICAS_TALKING.make(settings, closing).send(SMS)


@pytest.mark.parametrize(
    ("values", "findings"),
    [
        ({}, []),
        (LIVE, []),
        ({**LIVE, "report_secret": "short"}, [(Level.WARNING, "delivery reports are not taken")]),
        ({"chosen": "live"}, [(Level.ERROR, "USERNAME"), (Level.WARNING, "delivery reports are not taken")]),
        ({"chosen": "sandbox"}, []),
    ],
)
def test_the_doctor_looks_at_it(settled: Settled, values: dict[str, Any], findings: list[tuple[Level, str]]) -> None:
    settings = settled().with_section(AfricasTalkingSettings(_env_file=None, **values))

    found = list(AFRICAS_TALKING.checks(settings))

    assert [each.level for each in found] == [level for level, _ in findings]
    for each, (_, part) in zip(found, findings, strict=True):
        assert part in each.says
        assert each.remedy
