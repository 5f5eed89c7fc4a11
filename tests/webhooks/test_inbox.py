"""What the inbox takes, what it turns away, and what it answers when things go wrong behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from lango.providers.wave import EVENTS
from lango.providers.wave.signature import WINDOW, sign
from lango.providers.webhook import Delivery, Handled
from lango.rules.services import Services
from tests.webhooks.conftest import EVENT, SECRETS, Door, Open, Seen


def code(answer: httpx.Response) -> str:
    (error,) = answer.json()["errors"]
    return str(error["extensions"]["code"])


async def fail() -> None:
    raise RuntimeError("cos-1 is secret")


async def hang() -> None:
    await asyncio.sleep(60)


async def test_an_event_is_received(door: Door, seen: Seen) -> None:
    answer = await door.send()

    assert (answer.status_code, answer.json(), answer.headers["cache-control"]) == (200, {}, "no-store")
    assert (seen.events, seen.finished, door.counted("accepted")) == ([EVENT], 1, 1)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_by_post(door: Door, seen: Seen, method: str) -> None:
    answer = await door.http.request(method, "/webhooks/wave")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert seen.events == []


@pytest.mark.parametrize(
    "signature",
    ["", "nonsense", sign(["another"], orjson.dumps(EVENT), time.time()), sign(SECRETS, b"{}", time.time())],
    # The times differ between the processes that run the tests, whose names for them must not.
    ids=["none", "nonsense", "another secret", "another body"],
)
async def test_a_wrong_signature_is_refused(door: Door, seen: Seen, signature: str) -> None:
    answer = await door.send(signature=signature)

    assert (answer.status_code, code(answer), answer.headers["cache-control"]) == (401, "NOT_VERIFIED", "no-store")
    assert (seen.events, door.counted("not_verified")) == ([], 1)


async def test_no_signature_is_refused(door: Door, seen: Seen) -> None:
    answer = await door.http.post("/webhooks/wave", json=EVENT)

    assert (answer.status_code, seen.events) == (401, [])


async def test_two_signatures_are_refused(door: Door, seen: Seen) -> None:
    body = orjson.dumps(EVENT)
    right = ("wave-signature", sign(SECRETS, body, time.time()))

    answer = await door.http.post("/webhooks/wave", content=body, headers=[right, right])

    assert (answer.status_code, seen.events) == (401, [])


async def test_an_old_one_is_refused_though_it_was_right(door: Door, seen: Seen) -> None:
    answer = await door.send(signature=sign(SECRETS, orjson.dumps(EVENT), time.time() - WINDOW - 2))

    assert (answer.status_code, seen.events) == (401, [])


async def test_the_old_secret_is_accepted_while_it_is_changed(door: Door, seen: Seen) -> None:
    answer = await door.send(signature=sign(SECRETS[1:], orjson.dumps(EVENT), time.time()))

    assert (answer.status_code, seen.events) == (200, [EVENT])


async def test_without_a_secret_every_delivery_is_refused(open_door: Open, seen: Seen) -> None:
    door = await open_door(seen.receive, wave={"webhook_secrets": ""})

    assert (await door.send()).status_code == 401
    assert (await door.send(signature=sign([""], orjson.dumps(EVENT), time.time()))).status_code == 401
    assert seen.events == []


async def test_the_same_twice_is_handed_on_twice(door: Door, seen: Seen) -> None:
    """That it counts once is the receiver's business, who knows what is stored."""
    first, second = await door.send(), await door.send()

    assert (first.status_code, second.status_code, len(seen.events)) == (200, 200, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"[" * 100_000,
        b'{"a":NaN}',
    ],
)
async def test_what_is_no_event_is_refused(door: Door, seen: Seen, body: bytes) -> None:
    answer = await door.send(body)

    assert (answer.status_code, code(answer)) == (400, "BAD_REQUEST")
    assert (seen.events, door.counted("malformed")) == ([], 1)


async def test_the_signature_is_looked_at_before_the_json(door: Door) -> None:
    assert (await door.send(b"{", signature="t=1")).status_code == 401


async def test_too_large_is_refused_without_being_read(open_door: Open, seen: Seen) -> None:
    door = await open_door(seen.receive, max_body_bytes=1_000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    response = await door.send(event={"a": "b" * 1_000})
    streamed = await door.http.post("/webhooks/wave", content=chunks())

    assert (response.status_code, code(response)) == (413, "PAYLOAD_TOO_LARGE")
    assert (streamed.status_code, seen.events) == (413, [])


async def test_what_cannot_be_stored_is_to_be_sent_again(door: Door, seen: Seen) -> None:
    seen.store = fail

    answer = await door.send()

    assert (answer.status_code, code(answer), answer.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
    assert "secret" not in answer.text
    assert (seen.events, door.counted("not_stored")) == ([], 1)


async def test_storing_may_not_take_long(open_door: Open, seen: Seen) -> None:
    door = await open_door(seen.receive, webhook=replace(EVENTS, within=0.05))
    seen.store = hang

    answer = await door.send()

    assert (answer.status_code, door.counted("not_stored")) == (503, 1)


async def test_what_is_stored_is_accepted_though_processing_fails(door: Door, seen: Seen) -> None:
    seen.process = fail

    answer = await door.send()

    assert (answer.status_code, answer.json()) == (200, {})
    assert (seen.events, seen.finished, door.counted("deferred")) == ([EVENT], 0, 1)


async def test_processing_is_left_to_the_job_when_it_takes_long(open_door: Open, seen: Seen) -> None:
    door = await open_door(seen.receive, webhook=replace(EVENTS, within=0.1))
    seen.process = hang
    began = time.monotonic()

    answer = await door.send()

    assert answer.status_code == 200
    assert time.monotonic() - began < 1
    assert (seen.finished, door.counted("deferred")) == (0, 1)


async def test_a_receiver_may_be_done_with_storing(open_door: Open) -> None:
    events: list[Mapping[str, Any]] = []

    async def receive(_services: Services, delivery: Delivery[Any]) -> Handled:
        events.append(delivery.payload)
        return Handled()

    door = await open_door(receive)

    assert (await door.send()).status_code == 200
    assert events == [EVENT]
