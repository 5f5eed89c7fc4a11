"""graphql-transport-ws, rule by rule."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from lango.http.protocols import MAX_BEFORE_INIT, BoundedSocket
from models.identity import User, UserSession
from models.pots import Pot
from tests.factories import Factory
from tests.subscriptions.conftest import POT_UPDATED, Client, Served, World, forever, until

Serve = Callable[..., Awaitable[Served]]
TYPENAME = "{ __typename }"


async def test_queries_and_mutations_go_over_the_socket(served: Served, make: Factory) -> None:
    till = await make.code_at_the_till()
    redeem = (
        "mutation ($code: String!) { redeemQrCode(input: {code: $code}) { qrCode { status } userErrors { code } } }"
    )
    async with served.socket(as_=till.cashier) as client:
        await client.send(id="q", type="subscribe", payload={"query": "{ viewer { rowId } }"})
        assert await client.next() == {"viewer": {"rowId": str(till.cashier.id)}}
        assert await client.message() == {"id": "q", "type": "complete"}

        await client.send(id="q", type="subscribe", payload={"query": redeem, "variables": {"code": till.code.code}})
        assert await client.next() == {"redeemQrCode": {"qrCode": {"status": "REDEEMED"}, "userErrors": []}}
        assert await client.message() == {"id": "q", "type": "complete"}


async def test_introspection_goes_over_the_socket(served: Served) -> None:
    async with served.socket() as client:
        await client.send(id="q", type="subscribe", payload={"query": "{ __schema { subscriptionType { name } } }"})
        assert await client.next() == {"__schema": {"subscriptionType": {"name": "Subscription"}}}


async def test_a_ping_is_answered_also_before_the_init(served: Served) -> None:
    async with served.socket(init=False) as client:
        await client.send(type="ping", payload={"n": 1})
        assert await client.receive() == {"type": "pong", "payload": {"n": 1}}
        await client.send(type="pong")
        await client.init()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}}', 4401),
        ("[]", 4400),
        ('[{"type": "connection_init"}]', 4400),
        ("null", 4400),
        ('"ping"', 4400),
        ("{", 4400),
        ("{}", 4400),
        ('{"type": 1}', 4400),
        ('{"type": "start", "id": "1"}', 4400),
        ('{"type": "ping", "payload": []}', 4400),
        ('{"type": "connection_init", "payload": "x"}', 4400),
        ('{"type": "connection_init", "payload": {"authorization": 1}}', 4403),
        ('{"type": "connection_init", "payload": {"authorization": "Bearer nonsense"}}', 4403),
        ('{"type": "connection_init", "payload": {"Authorization": "Basic eA=="}}', 4403),
        (b'{"type": "connection_init"}', 4400),
        ('{"type": "ping", "payload": {"a": ' + "[" * 5000 + "]" * 5000 + "}}", 4400),
        ('{"type": "ping", "payload": {"a": ' + "9" * 10_000 + "}}", 4400),
    ],
)
async def test_what_breaks_the_protocol_closes_the_socket(served: Served, sent: str | bytes, code: int) -> None:
    async with served.socket(init=False) as client:
        await client.connection.send(sent)
        assert (await client.closed())[0] == code


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "payload": {"query": TYPENAME}},
        {"type": "subscribe", "id": "", "payload": {"query": TYPENAME}},
        {"type": "subscribe", "id": "x" * 256, "payload": {"query": TYPENAME}},
        {"type": "subscribe", "id": 7, "payload": {"query": TYPENAME}},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": "1", "payload": []},
        {"type": "subscribe", "id": "1", "payload": {}},
        {"type": "subscribe", "id": "1", "payload": {"query": 1}},
        {"type": "subscribe", "id": "1", "payload": {"query": TYPENAME, "variables": []}},
        {"type": "complete"},
        {"type": "complete", "id": None},
    ],
)
async def test_a_message_of_the_wrong_form_closes_the_socket(served: Served, message: dict[str, Any]) -> None:
    async with served.socket() as client:
        await client.send(**message)
        assert (await client.closed())[0] == 4400


async def test_a_second_init_closes_the_socket(served: Served) -> None:
    async with served.socket() as client:
        await client.send(type="connection_init")
        assert await client.closed() == (4429, "Too many initialisation requests")


async def test_an_id_that_is_in_use_closes_the_socket(served: Served) -> None:
    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, "same", id=str(uuid4()))
        await client.send(id="same", type="subscribe", payload={"query": TYPENAME})
        assert await client.closed() == (4409, "Subscriber for same already exists")


async def test_who_does_not_init_in_time_is_let_go(serve: Serve) -> None:
    served = await serve(socket_init_timeout=0.1)
    async with served.socket(init=False) as client:
        assert await client.closed() == (4408, "Connection initialisation timeout")


PING = orjson.dumps({"type": "ping", "payload": {"x": "y" * 1_000}}).decode()


def bytes_held(served: Served) -> int:
    """What the gateway keeps for its sockets: to be sent, not taken apart, and not taken by the application."""
    sockets = [each for each in served.server.server_state.connections if isinstance(each, BoundedSocket)]
    unread = sum(len(each._unread) + sum(len(str(message)) for message in each.queue._queue) for each in sockets)
    return unread + sum(each.transport.get_write_buffer_size() for each in sockets)


async def opened(served: Served, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A socket from which its client never reads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
    writer.write(
        b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        % base64.b64encode(number.to_bytes(16, "big"))
    )
    await writer.drain()
    reader._transport.pause_reading()
    return reader, writer


def frame(text: str, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, text.encode()).serialize(mask=True)


@pytest.mark.parametrize(
    ("sent", "initialises"),
    [
        (frame(PING), False),
        (frame("x" * 125, Opcode.PING), False),
        (frame(PING), True),
        (frame("x" * 125, Opcode.PING), True),
        (frame('{"type":"ping"}'), True),
        (frame("x" * 900_000)[:-1], True),
    ],
    ids=[
        "pings",
        "frames of pings",
        "pings of nobody",
        "frames of pings of nobody",
        "small pings of nobody",
        "unfinished",
    ],
)
async def test_who_sends_and_reads_nothing_is_kept_little_for(serve: Serve, sent: bytes, initialises: bool) -> None:
    served = await serve(send_timeout=60)
    sockets = [await opened(served, number) for number in range(20)]
    if initialises:
        for _, writer in sockets:
            writer.write(frame('{"type":"connection_init"}'))
        await asyncio.sleep(0.5)

    async def flood(writer: asyncio.StreamWriter) -> None:
        async for _ in forever():
            writer.write(sent * max(1, 100_000 // len(sent)))
            await writer.drain()

    flooding = [asyncio.create_task(flood(writer)) for _, writer in sockets]
    most = 0
    for _ in range(20):
        await asyncio.sleep(0.1)
        most = max(most, bytes_held(served))
    for task in flooding:
        task.cancel()
    await asyncio.gather(*flooding, return_exceptions=True)
    for _, writer in sockets:
        writer.transport.abort()

    assert most < 20 * (MAX_BEFORE_INIT if not initialises else 400_000)


async def test_too_much_data_before_the_init_closes_the_connection(served: Served) -> None:
    async with served.socket(init=False) as client:
        for _ in range(70):
            await client.send(type="ping", payload={"x": "y" * 1_000})
        code, reason = await client.closed()
        assert (code, reason) == (4429, "Too much was sent before connection_init was acknowledged")


async def test_a_signed_in_client_may_send_large_messages(serve: Serve, make: Factory) -> None:
    served = await serve()
    large = {"query": TYPENAME + " " * 200_000}
    async with served.socket(as_=await make(User)) as client:
        await client.send(id="1", type="subscribe", payload=large)
        assert await client.next() == {"__typename": "Query"}
    async with served.socket() as nobody:
        await nobody.send(id="1", type="subscribe", payload=large)
        assert (await nobody.closed())[0] == 1009


async def test_sockets_that_do_not_init_are_limited_for_an_address(serve: Serve) -> None:
    served = await serve(max_uninitialised_per_address=2)
    async with served.socket(init=False), served.socket(init=False) as second, served.socket(init=False) as third:
        assert (await third.closed())[0] == 1013
        await second.init()
        async with served.socket():
            pass


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["chat", "superchat"]])
async def test_another_subprotocol_is_not_acceptable(served: Served, offered: list[str] | None) -> None:
    async with served.socket(init=False, subprotocols=offered) as client:
        assert (await client.closed())[0] == 4406


async def test_a_page_of_another_origin_is_kept_out(serve: Serve) -> None:
    served = await serve(allowed_origins="https://app.example.org")
    with pytest.raises(InvalidStatus) as refused:
        async with served.socket(origin="https://evil.example.org"):
            pass
    assert refused.value.response.status_code == 403
    async with served.socket(origin="https://app.example.org"):
        pass


async def test_another_address_is_no_endpoint(served: Served) -> None:
    from websockets.asyncio.client import connect

    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{served.port}/elsewhere", subprotocols=["graphql-transport-ws"]):
            pass
    assert refused.value.response.status_code == 403


async def test_the_token_may_come_in_the_header(served: Served, make: Factory) -> None:
    user = await make(User)
    headers = {"authorization": f"Bearer {served.token(user)}"}
    async with served.socket(additional_headers=headers) as client:
        await client.send(id="1", type="subscribe", payload={"query": "{ viewer { rowId } }"})
        assert await client.next() == {"viewer": {"rowId": str(user.id)}}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{ nonsense"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nonsense }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query A { __typename } query B { __typename }"}, "BAD_USER_INPUT"),
        ({"query": "query ($n: Int!) { pots(first: $n) { totalCount } }", "variables": {"n": "x"}}, "BAD_USER_INPUT"),
        ({"query": "subscription { potUpdated(potId: \"x\") { id: eventId } }"}, "BAD_USER_INPUT"),
        ({"query": "subscription ($id: ID!) { potUpdated(potId: $id) { id: eventId } }"}, "BAD_USER_INPUT"),
        ({"query": f'subscription {{ potUpdated(potId: "{uuid4()}", after: "x") {{ id: eventId }} }}'}, "BAD_USER_INPUT"),
        ({"query": "{ " + "viewer { rowId } " * 600 + "}"}, "QUERY_TOO_COMPLEX"),
        ({"query": "{ pots(first: 100) { nodes { donations(first: 100) { nodes { refunds(first: 100) { totalCount nodes { rowId } } } } } } }"}, "QUERY_TOO_COMPLEX"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}, "PERSISTED_QUERY_NOT_FOUND"),
    ],
)  # fmt: skip
async def test_an_operation_that_cannot_run_is_refused_alone(
    served: Served, payload: dict[str, Any], code: str
) -> None:
    async with served.socket() as client:
        await client.send(id="bad", type="subscribe", payload=payload)
        refused = await client.message()
        assert (refused["type"], refused["id"]) == ("error", "bad")
        assert refused["payload"][0]["extensions"]["code"] == code
        await client.send(id="bad", type="subscribe", payload={"query": TYPENAME})
        assert await client.next() == {"__typename": "Query"}


async def test_a_completed_subscription_sends_nothing_more(served: Served, make: Factory, world: World) -> None:
    owner = await make(User)
    pot = await make(Pot, owner_user_id=owner.id)
    async with served.socket(as_=owner) as client:
        await client.subscribe(POT_UPDATED, "a", id=str(pot.id))
        await client.subscribe(POT_UPDATED, "b", id=str(pot.id))
        assert served.metric("lango_subscriptions") == 2
        await client.send(id="a", type="complete")
        await client.send(id="unknown", type="complete")
        await until(lambda: served.metric("lango_subscriptions") == 1)

        await world.happen("pot.updated", pot.id)

        assert (await client.message())["id"] == "b"
        await client.nothing()
        # The id is free again.
        await client.subscribe(POT_UPDATED, "a", id=str(pot.id))
    await until(lambda: served.metric("lango_subscriptions") == 0)
    await until(lambda: served.metric("lango_sockets") == 0)


async def test_a_query_is_cancelled_and_a_mutation_finished(served: Served, make: Factory, world: World) -> None:
    till = await make.code_at_the_till()
    redeem = "mutation ($code: String!) { redeemQrCode(input: {code: $code}) { qrCode { status } } }"
    async with served.socket(as_=till.cashier) as client:
        await client.send(id="m", type="subscribe", payload={"query": redeem, "variables": {"code": till.code.code}})
        await client.send(id="m", type="complete")
        await client.nothing()
    status = await world.owner.fetchval("SELECT status FROM redemption.qr_codes WHERE id = $1", till.code.id)
    assert status == "redeemed"


async def test_operations_on_a_socket_are_limited(serve: Serve) -> None:
    served = await serve(max_operations_per_socket=2)
    async with served.socket() as client:
        for id_ in ("1", "2", "3"):
            await client.subscribe(POT_UPDATED, id_, id=str(uuid4()))
        refused = await client.message()
        assert refused["id"] == "3"
        assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        await client.send(id="1", type="complete")
        await client.subscribe(POT_UPDATED, "3", id=str(uuid4()))
        assert client.came == []


async def test_connections_of_a_user_are_limited(serve: Serve, make: Factory) -> None:
    served = await serve(max_connections_per_user=2)
    user, other = await make(User), await make(User)
    async with served.socket(as_=user), served.socket(as_=user):
        async with served.socket(init=False) as third:
            await third.send(type="connection_init", payload={"authorization": f"Bearer {served.token(user)}"})
            code, reason = await third.closed()
            assert code == 1013
            assert reason.startswith("Too many connections")
        async with served.socket(as_=other):
            pass
    await until(lambda: served.metric("lango_sockets") == 0)
    async with served.socket(as_=user):
        pass


async def test_connections_of_an_address_are_limited(serve: Serve) -> None:
    served = await serve(max_connections_per_address=2)
    async with served.socket(), served.socket(), served.socket(init=False) as third:
        assert (await third.closed())[0] == 1013


async def test_a_socket_ends_with_its_token(serve: Serve, make: Factory, world: World) -> None:
    served = await serve(token_leeway=0)
    owner = await make(User)
    pot = await make(Pot, owner_user_id=owner.id)
    async with served.socket(token=served.token(owner, lifetime=2)) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        started = time.monotonic()
        assert await client.closed() == (4403, "The access token has expired.")
        assert time.monotonic() - started < 2.5


async def test_a_socket_ends_with_its_session(served: Served, make: Factory, world: World) -> None:
    owner = await make(User)
    session, other = await make(UserSession, user_id=owner.id), await make(UserSession, user_id=owner.id)
    async with (
        served.socket(token=served.token(owner, session_id=session.id)) as client,
        served.socket(token=served.token(owner, session_id=other.id)) as still,
    ):
        await world.run("UPDATE identity.user_sessions SET is_revoked = true WHERE id = $1", session.id)
        started = time.monotonic()
        assert await client.closed() == (4403, "The session has ended: sign in again.")
        assert time.monotonic() - started < 2
        await still.subscribe(TYPENAME)
        assert await still.next() == {"__typename": "Query"}


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()"])
async def test_a_socket_ends_with_its_account(served: Served, make: Factory, world: World, change: str) -> None:
    user, other = await make(User), await make(User)
    async with served.socket(as_=user) as client, served.socket(as_=other) as still:
        await client.subscribe(POT_UPDATED, id=str(uuid4()))
        await world.run(f"UPDATE identity.users SET {change} WHERE id = $1", user.id)
        started = time.monotonic()
        assert await client.closed() == (4403, "This account is not active: it has been suspended or closed.")
        assert time.monotonic() - started < 2
        await still.subscribe(TYPENAME)
        assert await still.next() == {"__typename": "Query"}
    async with served.socket(init=False) as again:
        await again.send(type="connection_init", payload={"authorization": f"Bearer {served.token(user)}"})
        assert (await again.closed())[0] == 4403


async def test_a_socket_ends_with_the_key_of_its_token(served: Served, make: Factory, monkeypatch: Any) -> None:
    user = await make(User)
    token = served.token(user)
    async with served.socket(token=token) as client, served.socket() as nobody:
        keys = served.app.state.authenticator.keys
        monkeypatch.setattr(keys, "_keys", {"tests": replace(keys.get("tests"), verifying=b"x" * 32)})
        assert await client.closed() == (4403, "The key of this access token has been withdrawn: sign in again.")
        await nobody.subscribe(TYPENAME)
    async with served.socket(init=False) as again:
        await again.send(type="connection_init", payload={"authorization": f"Bearer {token}"})
        assert (await again.closed())[0] == 4403


async def test_a_large_message_is_too_much(serve: Serve) -> None:
    served = await serve(max_body_bytes=10_000)
    async with served.socket() as client:
        await client.connection.send(orjson.dumps({"type": "ping", "payload": {"x": "y" * 20_000}}).decode())
        assert (await client.closed())[0] == 1009


async def test_ten_thousand_subscribes_harm_nobody(served: Served, make: Factory) -> None:
    user = await make(User)
    query = "subscription ($id: ID!) { potUpdated(potId: $id) { id: eventId } }"
    refused = 0

    async def flood(client: Client) -> None:
        for number in range(10_000):
            await client.send(
                id=str(number), type="subscribe", payload={"query": query, "variables": {"id": str(user.id)}}
            )

    async with served.socket(as_=user) as client, served.socket() as other:
        flooding = asyncio.create_task(flood(client))
        for _ in range(10_000 - served.settings.max_operations_per_socket):
            message = await client.receive(30)
            assert message["type"] == "error"
            refused += 1
            if refused == 5_000:
                await other.subscribe(TYPENAME)
                assert await other.next(2) == {"__typename": "Query"}
        await flooding
        await client.nothing(0.1)
        assert served.metric("lango_subscriptions") == 100


async def test_a_flood_that_reads_nothing_is_not_listened_to(serve: Serve) -> None:
    """A client that sends and does not read fills no memory: it is no longer read from."""
    served = await serve(stream_buffer=50)
    async with served.socket(max_queue=1) as client:
        sent = 0

        async def flood() -> None:
            nonlocal sent
            async for _ in forever():
                await client.send(type="ping", payload={"x": "y" * 50_000})
                sent += 1

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flood(), 3)
        assert 0 < sent < 2_000
        client.connection.transport.abort()


async def test_stopping_closes_connections_with_service_restart(serve: Serve) -> None:
    served = await serve()
    async with served.socket() as client:
        await client.subscribe(POT_UPDATED, id=str(uuid4()))
        served.server.should_exit = True
        assert (await client.closed())[0] == 1012


async def test_a_request_that_became_a_socket_outlives_the_time_for_requests(serve: Serve) -> None:
    served = await serve(receive_timeout=0.2)
    async with served.socket() as client:
        await asyncio.sleep(0.6)
        await client.subscribe(TYPENAME)
        assert await client.next() == {"__typename": "Query"}
