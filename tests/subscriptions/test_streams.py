"""GraphQL over SSE: one operation a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from models.identity import User, UserSession
from models.pots import Pot
from tests.factories import Factory
from tests.subscriptions.conftest import POT_UPDATED, Served, World, until

Serve = Callable[..., Awaitable[Served]]
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)


@pytest.fixture
async def pot(make: Factory) -> Any:
    return await make(Pot, visibility="public", title="Awa is 30")


async def test_a_stream_sends_events(served: Served, pot: Any, world: World) -> None:
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["cache-control"] == "no-store"
        assert stream.response.headers["x-request-id"]
        id_ = await world.happen("pot.updated", pot.id)

        event = await stream.event()

        assert event is not None
        assert event["event"] == "next"
        update = orjson.loads(event["data"])["data"]["potUpdated"]
        assert (update["id"], update["pot"]["title"]) == (id_, "Awa is 30")
        assert event["id"] == update["cursor"]
    await until(lambda: served.metric("lango_subscriptions") == 0)


async def test_a_stream_goes_on_after_the_last_event(served: Served, pot: Any, world: World) -> None:
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}) as stream:
        await world.happen("pot.updated", pot.id)
        event = await stream.event()
        assert event is not None
    missed = [await world.happen("pot.updated", pot.id) for _ in range(3)]

    again = {"last-event-id": event["id"]}
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}, headers=again) as stream:
        assert [(await stream.data())["id"] for _ in missed] == missed


async def test_a_browser_subscribes_by_get(served: Served, pot: Any, world: World) -> None:
    query = {"query": f'subscription {{ potUpdated(potId: "{pot.id}") {{ id: eventId }} }}'}
    async with (
        httpx.AsyncClient() as http,
        http.stream("GET", served.url, params=query, headers={"accept": "text/event-stream"}) as response,
    ):
        assert response.status_code == 200
        lines = response.aiter_lines()
        assert await anext(lines) == ":"
        id_ = await world.happen("pot.updated", pot.id)
        while not (line := await anext(lines)).startswith("data: "):
            pass
        assert orjson.loads(line[6:]) == {"data": {"potUpdated": {"id": id_}}}


async def test_a_query_is_streamed_where_nothing_else_is_taken(served: Served) -> None:
    async with served.stream("{ __typename }") as stream:
        event = await stream.event()
        assert event is not None
        assert orjson.loads(event["data"])["data"] == {"__typename": "Query"}
        assert await stream.event() == {"event": "complete", "data": ""}
        assert await stream.event() is None


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (URQL, "application/graphql-response+json"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream, application/json;q=0.5", "text/event-stream"),
        ("text/event-stream;q=0.1, application/json", "application/json"),
        ("text/*, application/json;q=0.1", "application/json"),
    ],
)
async def test_a_query_is_streamed_only_where_that_is_liked_best(served: Served, accept: str, kind: str) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(served.url, json={"query": "{ __typename }"}, headers={"accept": accept})
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("accept", ["text/event-stream", URQL])
async def test_a_subscription_is_streamed_wherever_that_is_taken(served: Served, pot: Any, accept: str) -> None:
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}, headers={"accept": accept}) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/json, text/event-stream;q=0"])
async def test_a_subscription_has_no_other_answer(served: Served, pot: Any, accept: str) -> None:
    body = {"query": POT_UPDATED, "variables": {"id": str(pot.id)}}
    async with httpx.AsyncClient() as http:
        answer = await http.post(served.url, json=body, headers={"accept": accept})
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "text/event-stream" in error["message"]


@pytest.mark.parametrize(
    ("query", "variables", "headers", "status", "code"),
    [
        ("subscription {", {}, {}, 400, "GRAPHQL_PARSE_FAILED"),
        ("subscription { nonsense }", {}, {}, 400, "GRAPHQL_VALIDATION_FAILED"),
        (POT_UPDATED, {"id": "x"}, {}, 400, "BAD_USER_INPUT"),
        (POT_UPDATED, {}, {}, 400, "BAD_USER_INPUT"),
        (POT_UPDATED, {"id": str(uuid4())}, {"last-event-id": "MS40NjExNjg2MDE4NDI3Mzg3OTA0"}, 400, "REPLAY_EXPIRED"),
        (POT_UPDATED, {"id": str(uuid4())}, {"authorization": "Bearer x"}, 401, "UNAUTHENTICATED"),
    ],
)
async def test_a_stream_that_cannot_begin_has_a_status(
    served: Served, query: str, variables: dict[str, str], headers: dict[str, str], status: int, code: str
) -> None:
    async with served.stream(query, variables, headers=headers) as stream:
        body = orjson.loads(await stream.response.aread())
        assert stream.response.status_code == status
        assert body["errors"][0]["extensions"]["code"] == code


async def test_a_silent_stream_sends_heartbeats(serve: Serve, pot: Any) -> None:
    served = await serve(stream_heartbeat=0.1)
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}) as stream:
        lines = stream.response.aiter_lines()
        async with asyncio.timeout(3):
            beats = [await anext(lines) for _ in range(8)]
    assert beats == [":", ""] * 4


async def test_a_stream_ends_with_its_token(serve: Serve, make: Factory, pot: Any) -> None:
    served = await serve(token_leeway=0)
    user = await make(User)
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}, token=served.token(user, lifetime=2)) as stream:
        assert await stream.event(4) is None
    await until(lambda: served.metric("lango_subscriptions") == 0)


async def test_a_stream_ends_with_its_session(served: Served, make: Factory, pot: Any, world: World) -> None:
    user = await make(User)
    session = await make(UserSession, user_id=user.id)
    token = served.token(user, session_id=session.id)
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}, token=token) as stream:
        await world.run("UPDATE identity.user_sessions SET is_revoked = true WHERE id = $1", session.id)
        assert await stream.event(4) is None


async def test_too_many_streams_are_refused(serve: Serve, make: Factory, pot: Any) -> None:
    served = await serve(max_connections_per_user=1)
    user = await make(User)
    async with (
        served.stream(POT_UPDATED, {"id": str(pot.id)}, as_=user),
        served.stream(POT_UPDATED, {"id": str(pot.id)}, as_=user) as second,
    ):
        assert second.response.status_code == 429
        assert second.response.headers["retry-after"]
    await until(lambda: served.metric("lango_subscriptions") == 0)
    async with served.stream(POT_UPDATED, {"id": str(pot.id)}, as_=user) as again:
        assert again.response.status_code == 200


async def test_a_stream_that_is_not_read_is_ended(serve: Serve, make: Factory, world: World) -> None:
    served = await serve(stream_buffer=20, send_timeout=1)
    pot = await make(Pot, visibility="public", description="x" * 50_000)
    body = orjson.dumps({"query": f'subscription {{ potUpdated(potId: "{pot.id}") {{ pot {{ description }} }} }}'})
    head = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    writer.write(head.encode() + body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await until(lambda: served.metric("lango_subscriptions") == 1)
    for _ in range(2_000):
        await world.happen("pot.updated", pot.id)
        if not served.metric("lango_subscriptions"):
            break
        await asyncio.sleep(0.005)
    await until(lambda: served.metric("lango_subscriptions") == 0)
    assert served.metric("lango_slow_clients_total") == 1
    writer.transport.abort()
