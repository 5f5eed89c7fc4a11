"""Delivery reports come signed or to a secret address, twice, late and in any order, and bring a message only forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

import resolvers
from gql.schema import schema
from lango.http.app import create_app
from lango.providers.africastalking.settings import SANDBOX_SECRET
from lango.providers.registry import PROVIDERS
from lango.providers.twilio import TWILIO
from lango.providers.twilio.settings import SANDBOX_TOKEN
from lango.providers.twilio.signature import HEADER, sign
from lango.rules.handlers import handlers_in
from resolvers.messages.costs import look_up_cost
from resolvers.messages.reports import PAUSES, apply_report
from tests.mailbox import TAKEN, Mail
from tests.messages.test_sending import phone, row, write

FORM = {"content-type": "application/x-www-form-urlencoded"}
AFRICAS_TALKING = f"/webhooks/africas-talking/{SANDBOX_SECRET}"


@pytest.fixture
async def http(mail: Mail) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway with its webhooks and the sandbox's page."""
    services = mail.services
    app = create_app(
        schema, services.settings, services.pipeline, services=services, handlers=handlers_in(resolvers, PROVIDERS)
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


async def by_africas_talking(http: httpx.AsyncClient, key: str, status: str, **more: str) -> int:
    fields = {"id": key, "status": status, "phoneNumber": "+221771234567", "networkCode": "60801", **more}
    return (await http.post(AFRICAS_TALKING, content=urlencode(fields), headers=FORM)).status_code


async def by_twilio(
    http: httpx.AsyncClient,
    delivery: UUID | None,
    status: str,
    *,
    sid: str = "SM1",
    token: str = SANDBOX_TOKEN,
    **more: str,
) -> int:
    fields = {"MessageSid": sid, "MessageStatus": status, "To": "+221771234567", **more}
    path = "/webhooks/twilio" + (f"?delivery={delivery}" if delivery else "")
    headers = {**FORM, HEADER: sign(token, f"http://127.0.0.1:8000{path}", list(fields.items()))}
    return (await http.post(path, content=urlencode(fields), headers=headers)).status_code


@pytest.fixture
async def sent(mail: Mail) -> UUID:
    """An SMS that Africa's Talking has taken."""
    delivery = await write(mail, phone())
    await mail.send()
    return delivery


async def key_of(owner: asyncpg.Pool[Any], delivery: UUID) -> str:
    return str((await row(owner, delivery))["provider_message_id"])


async def run_waiting(mail: Mail) -> int:
    """Run the reports that wait, whenever they are due; gives how many there were."""
    waiting = await mail.owner.fetch(TAKEN, apply_report.name)
    for _, payload in waiting:
        await apply_report(mail.services, **apply_report.unpack(payload))
    return len(waiting)


async def test_what_arrived_is_noted_once(http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any]) -> None:
    key = await key_of(owner, sent)

    for status in ("Sent", "Buffered", "Success"):
        assert await by_africas_talking(http, key, status) == 200
    first = await row(owner, sent)
    for status in ("Success", "Sent", "Submitted"):
        assert await by_africas_talking(http, key, status) == 200

    assert (first["status"], first["error_message"]) == ("delivered", None)
    assert first["delivered_at"] is not None
    assert await row(owner, sent) == first


async def test_what_failed_says_why(http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any]) -> None:
    await by_africas_talking(http, await key_of(owner, sent), "Failed", failureReason="AbsentSubscriber")

    after = await row(owner, sent)
    assert (after["status"], after["error_message"]) == ("failed", "AbsentSubscriber")
    assert after["delivered_at"] is None


async def test_a_failure_after_the_arrival_is_kept_beside_it(
    http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any]
) -> None:
    key = await key_of(owner, sent)

    for status in ("Success", "Failed", "Failed", "Sent"):
        assert await by_africas_talking(http, key, status) == 200

    after = await row(owner, sent)
    assert (after["status"], after["error_message"]) == ("delivered", None)
    assert '"reports": ["failed: Failed"]' in after["metadata"]
    assert '"currency": "KES"' in after["metadata"]


async def test_reports_at_once_queue(http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any]) -> None:
    key = await key_of(owner, sent)

    statuses = await asyncio.gather(*(by_africas_talking(http, key, each) for each in ["Success", "Failed"] * 5))

    assert statuses == [200] * 10
    assert (await row(owner, sent))["status"] in ("delivered", "failed")


async def test_twilio_gives_our_own_key_back(http: httpx.AsyncClient, mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    """So its report may come before we have written down that it was sent."""
    delivery = await write(mail, phone("+221771230503"))

    assert await by_twilio(http, delivery, "delivered", sid="SM7") == 200
    await mail.send()

    after = await row(owner, delivery)
    assert (after["status"], after["provider"], after["provider_message_id"]) == ("delivered", "twilio", "SM7")
    assert after["sent_at"] <= after["delivered_at"]
    # The try that was under way does not send it again.
    assert mail.mailbox.newest("+221771230503") == []


async def test_a_try_that_was_taken_for_lost_does_not_undo_the_next(
    http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any]
) -> None:
    assert await by_twilio(http, sent, "undelivered", ErrorCode="30003") == 200
    assert (await row(owner, sent))["status"] == "sent"
    assert await by_twilio(http, sent, "delivered") == 200

    after = await row(owner, sent)
    assert (after["status"], after["provider"]) == ("delivered", "africas_talking")


async def test_what_twilio_took_is_looked_up_later(
    http: httpx.AsyncClient, mail: Mail, owner: asyncpg.Pool[Any]
) -> None:
    delivery = await write(mail, phone("+221771230503"))
    await mail.send()
    key = await key_of(owner, delivery)
    client, prices = cast(Any, mail.services.client(TWILIO)), []

    async def unknown(message_id: str) -> None:
        prices.append(message_id)

    for status in ("sent", "delivered", "delivered"):
        await by_twilio(http, delivery, status, sid=key)
    at_once = await waiting_costs(owner)
    client.cost = unknown
    asked = [await look_up_what_waits(mail) for _ in range(2)]
    del client.cost
    asked += [await look_up_what_waits(mail) for _ in range(2)]

    assert at_once == 1
    assert asked == [1, 1, 1, 0]
    assert prices == [key, key]
    after = await row(owner, delivery)
    assert (after["cost"], after["status"]) == (Decimal("0.0075"), "delivered")
    assert after["metadata"] == '{"currency": "USD", "segments": 1}'


async def test_what_africas_talking_took_has_its_cost(
    http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any]
) -> None:
    await by_africas_talking(http, await key_of(owner, sent), "Success")

    assert await waiting_costs(owner) == 0


async def waiting_costs(owner: asyncpg.Pool[Any]) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint = $1", look_up_cost.name))


async def look_up_what_waits(mail: Mail) -> int:
    waiting = await mail.owner.fetch(TAKEN, look_up_cost.name)
    for _, payload in waiting:
        await look_up_cost(mail.services, **look_up_cost.unpack(payload))
    return len(waiting)


@pytest.mark.parametrize("status", ["queued", "sending", "accepted", "whatever"])
async def test_what_says_nothing_changes_nothing(
    http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any], status: str
) -> None:
    before = await row(owner, sent)

    assert await by_twilio(http, sent, status) == 200
    assert await by_africas_talking(http, await key_of(owner, sent), status) == 200

    assert await row(owner, sent) == before


async def test_a_report_before_its_message_waits(http: httpx.AsyncClient, mail: Mail, owner: asyncpg.Pool[Any]) -> None:
    delivery = await write(mail, phone())
    assert await by_africas_talking(http, "ATXid_early", "Success") == 200
    await mail.send()
    await owner.execute(
        "UPDATE security.sms_delivery_log SET provider_message_id = 'ATXid_early' WHERE id = $1", delivery
    )

    assert await run_waiting(mail) == 1

    assert (await row(owner, delivery))["status"] == "delivered"


async def test_a_report_of_nothing_waits_not_for_ever(http: httpx.AsyncClient, mail: Mail) -> None:
    assert await by_africas_talking(http, "ATXid_nobody", "Success") == 200
    assert await by_twilio(http, uuid4(), "delivered", sid="SMnobody") == 200

    rounds = [await run_waiting(mail) for _ in range(PAUSES + 1)]

    assert rounds == [2] * PAUSES + [0]


@pytest.mark.parametrize("secret", ["wrong", SANDBOX_SECRET[:-1], SANDBOX_SECRET + "x", "%00"])
async def test_another_secret_in_the_path_is_refused(
    http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any], secret: str
) -> None:
    body = urlencode({"id": await key_of(owner, sent), "status": "Success"})

    answer = await http.post(f"/webhooks/africas-talking/{secret}", content=body, headers=FORM)

    assert answer.status_code == 401
    assert (await row(owner, sent))["status"] == "sent"


async def test_twilio_signs(http: httpx.AsyncClient, sent: UUID, owner: asyncpg.Pool[Any]) -> None:
    assert await by_twilio(http, sent, "delivered", token="another") == 401
    unsigned = await http.post(
        f"/webhooks/twilio?delivery={sent}", content="MessageSid=SM1&MessageStatus=delivered", headers=FORM
    )
    assert unsigned.status_code == 401
    # Signed for another message.
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    headers = {**FORM, HEADER: sign(SANDBOX_TOKEN, "http://127.0.0.1:8000/webhooks/twilio", list(fields.items()))}
    moved = await http.post(f"/webhooks/twilio?delivery={sent}", content=urlencode(fields), headers=headers)
    assert moved.status_code == 401

    assert (await row(owner, sent))["status"] == "sent"


@pytest.mark.parametrize("key", ["a\0b", "", "x" * 101, "é"])
async def test_a_key_that_is_none_is_taken_and_forgotten(http: httpx.AsyncClient, mail: Mail, key: str) -> None:
    assert await by_africas_talking(http, key, "Success") == 200
    assert await by_twilio(http, None, "delivered", sid=key, ErrorCode="x\0") == 200

    assert await run_waiting(mail) == 0


async def test_the_page_shows_what_was_sent_and_has_it_reported(
    http: httpx.AsyncClient, sent: UUID, mail: Mail, owner: asyncpg.Pool[Any]
) -> None:
    other = await write(mail, phone("+221771230503"))
    await mail.send()

    page = await http.get("/sandbox/messages")
    (twilio,) = (await http.get("/sandbox/messages.json", params={"to": "+221771230503"})).json()
    everything = (await http.get("/sandbox/messages.json")).json()
    (first,) = (await http.get("/sandbox/messages.json", params={"to": "+221771234567"})).json()

    assert page.status_code == 200
    assert page.text.index("+221771230503") < page.text.index("+221771234567")
    assert page.text.count("482913") == 2
    assert page.headers["cache-control"] == "no-store"
    assert [each["id"] for each in everything] == [twilio["id"], first["id"]]
    assert (twilio["provider"], twilio["reports"]) == ("twilio", ["delivered", "failed"])
    for message, outcome in ((twilio, "failed"), (first, "delivered")):
        reported = await http.post(f"/sandbox/messages/{message['id']}", params={"outcome": outcome, "twice": "1"})
        assert reported.status_code == 303
        assert "[200, 200]" in reported.text
    assert (await row(owner, sent))["status"] == "delivered"
    failed = await row(owner, other)
    assert (failed["status"], failed["error_message"]) == ("failed", "30003")
    assert (await http.post("/sandbox/messages/nothing")).status_code == 404
    assert (await http.post(f"/sandbox/messages/{first['id']}?outcome=eaten")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "10.0.0.1"},
        {"forwarded": "for=10.0.0.1"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"host": "evil.example:8000"},
    ],
)
async def test_the_page_is_for_this_machine_alone(http: httpx.AsyncClient, sent: UUID, headers: dict[str, str]) -> None:
    for path in ("/sandbox/messages", "/sandbox/messages.json"):
        answer = await http.get(path, headers=headers)
        assert answer.status_code in (404, 421)
        assert "482913" not in answer.text


async def test_from_another_machine_there_is_no_page(mail: Mail, http: httpx.AsyncClient) -> None:
    app: Any = http._transport.app  # type: ignore[attr-defined]
    away = httpx.ASGITransport(app, client=("10.1.2.3", 5000))
    async with httpx.AsyncClient(transport=away, base_url="http://127.0.0.1:8000") as client:
        assert (await client.get("/sandbox/messages")).status_code == 404
