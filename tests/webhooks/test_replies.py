"""Webhooks of other forms than Wave's: computed replies, secrets in the path, forms, lists, and a first GET."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from lango.providers.payloads import form, json_array, json_object
from lango.providers.webhook import Delivery, Handled, Reply, Webhook, WebhookRequest
from lango.rules.services import Services
from lango.settings import Settings
from tests.webhooks.conftest import Open

PATH = "/webhooks/cards/{secret}/decide"
URL = "/webhooks/cards/s3cret/decide"


def is_secret(_settings: Settings, request: WebhookRequest) -> bool:
    return hmac.compare_digest(request.parameters["secret"].encode(), b"s3cret")


DECISIONS = Webhook(PATH, verify=is_secret, read=json_object, within=0.5)


async def decide(_services: Services, delivery: Delivery[dict[str, Any]]) -> Handled:
    """Computed in the request: what the card may spend is known here alone."""
    amount = delivery.payload["amount"]
    if amount > 5000:
        return Handled(Reply.json({"result": "INSUFFICIENT_FUNDS"}, 200, {"x-decided-for": str(amount)}))
    return Handled(Reply.json({"result": "APPROVED"}, 201))


async def test_a_handler_computes_the_reply(open_door: Open) -> None:
    door = await open_door(decide, webhook=DECISIONS)

    approved = await door.http.post(URL, json={"amount": 5000})
    declined = await door.http.post(URL, json={"amount": 5001})

    assert (approved.status_code, approved.json()) == (201, {"result": "APPROVED"})
    assert (declined.status_code, declined.json()) == (200, {"result": "INSUFFICIENT_FUNDS"})
    assert (declined.headers["x-decided-for"], declined.headers["cache-control"]) == ("5001", "no-store")
    assert door.counted("accepted", PATH) == 2


async def test_what_cannot_be_decided_is_answered_503(open_door: Open) -> None:
    door = await open_door(decide, webhook=DECISIONS)

    answer = await door.http.post(URL, json={"amounts": 1})

    assert (answer.status_code, door.counted("not_stored", PATH)) == (503, 1)


async def test_a_secret_in_the_path_is_in_no_log(open_door: Open) -> None:
    door = await open_door(decide, webhook=DECISIONS)

    with capture_logs() as logs:
        answers = [await door.http.post(url, json={"amount": 1}) for url in (URL, URL.replace("s3cret", "s4cret"))]
        broken = await door.http.post(URL, json={})

    assert [answer.status_code for answer in (*answers, broken)] == [201, 401, 503]
    assert [line["path"] for line in logs if line["event"] == "request"] == [PATH] * 3
    assert "cret/" not in str(logs)


async def test_a_reply_is_given_after_what_was_left_to_do(open_door: Open) -> None:
    done: list[str] = []

    async def receive(_services: Services, _delivery: Delivery[Any]) -> Handled:
        async def finish() -> None:
            done.append("finished")

        return Handled(Reply(b"<Response/>", media_type="text/xml"), finish)

    door = await open_door(receive, webhook=DECISIONS)

    answer = await door.http.post(URL, json={})

    assert (answer.text, answer.headers["content-type"], done) == (
        "<Response/>",
        "text/xml; charset=utf-8",
        ["finished"],
    )


async def test_a_webhook_may_always_give_one_reply(open_door: Open) -> None:
    async def receive(_services: Services, _delivery: Delivery[Any]) -> Handled:
        return Handled()

    accepted = Reply.json({"ResultCode": 0, "ResultDesc": "Accepted"})
    door = await open_door(receive, webhook=replace(DECISIONS, accepted=accepted))

    assert (await door.http.post(URL, json={})).json() == {"ResultCode": 0, "ResultDesc": "Accepted"}


@pytest.mark.parametrize(
    ("read", "body", "payload"),
    [
        (form, b"id=7&status=Success&note=caf%C3%A9&empty=", {"id": "7", "status": "Success", "note": "café", "empty": ""}),
        (form, b"id=7&id=8", {"id": "8"}),
        (json_array, b'[{"event":"delivered"},{"event":"bounce"}]', [{"event": "delivered"}, {"event": "bounce"}]),
    ],
)  # fmt: skip
async def test_bodies_are_read_as_the_webhook_declares(open_door: Open, read: Any, body: bytes, payload: Any) -> None:
    seen: list[Any] = []

    async def receive(_services: Services, delivery: Delivery[Any]) -> Handled:
        seen.append((delivery.payload, delivery.request.body))
        return Handled()

    door = await open_door(receive, webhook=replace(DECISIONS, read=read))

    assert (await door.http.post(URL, content=body)).status_code == 200
    assert seen == [(payload, body)]


@pytest.mark.parametrize(
    ("read", "body"),
    [(form, b"caf\xc3\xa9=1"), (form, b"a=%ff"), (form, b"&".join([b"a=1"] * 201)), (json_array, b"{}"), (json_array, b"[" * 200)],
)  # fmt: skip
async def test_bodies_of_another_form_are_refused(open_door: Open, read: Any, body: bytes) -> None:
    door = await open_door(decide, webhook=replace(DECISIONS, read=read))

    assert (await door.http.post(URL, content=body)).status_code == 400


async def test_a_verifier_that_fails_refuses_the_delivery(open_door: Open) -> None:
    """A library that raises over a malformed signature would be answered 500, and the provider would send it again."""

    def broken(_settings: Settings, _request: WebhookRequest) -> bool:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    door = await open_door(decide, webhook=replace(DECISIONS, verify=broken))

    assert (await door.http.post(URL, json={})).status_code == 401
    assert door.counted("not_verified", PATH) == 1


def greet(_settings: Settings, request: WebhookRequest) -> Reply | None:
    params = httpx.QueryParams(request.query)
    if params.get("hub.verify_token") != "ours":
        return None
    return Reply(params["hub.challenge"].encode(), media_type="text/plain")


async def test_some_try_the_address_by_get_first(open_door: Open) -> None:
    door = await open_door(decide, webhook=replace(DECISIONS, handshake=greet))

    known = await door.http.get(f"{URL}?hub.verify_token=ours&hub.challenge=1158201444")
    strange = await door.http.get(f"{URL}?hub.verify_token=theirs&hub.challenge=1158201444")
    deleted = await door.http.delete(URL)

    assert (known.status_code, known.text) == (200, "1158201444")
    assert (strange.status_code, "1158201444" in strange.text) == (401, False)
    assert (deleted.status_code, deleted.headers["allow"]) == (405, "GET, POST")
    assert (door.counted("handshake", PATH), door.counted("not_verified", PATH)) == (1, 1)


async def test_the_address_of_the_sender_is_at_hand(open_door: Open) -> None:
    def is_neighbour(_settings: Settings, request: WebhookRequest) -> bool:
        return str(request.address) == "192.0.2.7"

    door = await open_door(decide, webhook=replace(DECISIONS, verify=is_neighbour), trusted_proxies="127.0.0.1")

    forwarded = await door.http.post(URL, json={"amount": 1}, headers={"x-forwarded-for": "192.0.2.7"})
    direct = await door.http.post(URL, json={"amount": 1})

    assert (forwarded.status_code, direct.status_code) == (201, 401)
