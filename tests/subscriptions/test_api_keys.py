"""API keys on sockets and event streams: their permissions, their rate, and their end."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from models.identity import User
from models.pots import Pot
from tests.client import Api
from tests.factories import Factory
from tests.security.keys import make_key
from tests.subscriptions.conftest import POT_UPDATED, Served, World, until

TYPENAME = "{ __typename }"


@pytest.fixture
async def watcher(api: Api, make: Factory) -> SimpleNamespace:
    """The owner of a pot, and a key that may watch pots."""
    user = await make(User)
    key = await make_key(api, user, "subscribe:potUpdated")
    return SimpleNamespace(user=user, key=key, pot=await make(Pot, owner_user_id=user.id))


async def test_a_key_watches_what_it_may(served: Served, world: World, watcher: SimpleNamespace) -> None:
    async with served.socket(token=watcher.key.text) as client:
        await client.subscribe(POT_UPDATED, id=str(watcher.pot.id))
        await world.happen("pot.updated", watcher.pot.id, pot_id=watcher.pot.id)

        event = await client.event()

        assert event["pot"]["rowId"] == str(watcher.pot.id)
        for query, wanted in (
            ("{ viewer { id } }", "read:User"),
            (POT_UPDATED.replace("title", "ownerUser { id }"), "read:User"),
            ('subscription { escrowUpdated(escrowId: "x") { topic } }', "subscribe:escrowUpdated"),
        ):
            await client.subscribe(query, "2", **({"id": str(watcher.pot.id)} if "$id" in query else {}))
            message = await client.message()
            assert (message["type"], message["payload"][0]["extensions"]["missing"]) == ("error", [wanted])


@pytest.mark.parametrize("how", ["revoked", "suspended", "rotated"])
async def test_a_socket_and_a_stream_end_with_their_key(
    served: Served, world: World, api: Api, watcher: SimpleNamespace, how: str
) -> None:
    async with (
        served.socket(token=watcher.key.text) as client,
        served.stream(POT_UPDATED, {"id": str(watcher.pot.id)}, token=watcher.key.text) as stream,
    ):
        assert stream.response.status_code == 200
        await client.subscribe(POT_UPDATED, id=str(watcher.pot.id))
        if how == "suspended":
            await world.run("UPDATE identity.users SET is_active = false WHERE id = $1", watcher.user.id)
        else:
            mutation = {"revoked": "revokeApiKey", "rotated": "rotateApiKey"}[how]
            answer = await api.mutate(mutation, watcher.user, apiKeyId=watcher.key.id)
            assert answer.refusals(mutation) == []
        ended = time.monotonic()

        code, reason = await client.closed()
        assert time.monotonic() - ended < 3
        while (event := await stream.event()) is not None and event.get("event") != "complete":
            pass

    assert code == 4403
    assert reason in (
        "The API key has been revoked.", "The API key has expired.",
        "The account of this API key is not active: it has been suspended or closed.",
    )  # fmt: skip


async def test_a_stream_without_the_permission_does_not_begin(
    served: Served, api: Api, watcher: SimpleNamespace
) -> None:
    key = await make_key(api, watcher.user, "read:Pot")

    async with served.stream(POT_UPDATED, {"id": str(watcher.pot.id)}, token=key.text) as stream:
        assert stream.response.status_code == 403


async def test_what_is_asked_on_a_socket_is_counted_and_limited(
    served: Served, owner: Any, api: Api, watcher: SimpleNamespace
) -> None:
    key = await make_key(api, watcher.user, "read:Pot", rateLimit=2)
    async with served.socket(token=key.text) as client:
        found = []
        for number in range(3):
            await client.send(id=str(number), type="subscribe", payload={"query": TYPENAME})
            message = await client.message()
            found.append(message["type"])
            if message["type"] == "next":
                assert (await client.message())["type"] == "complete"

    assert found == ["next", "next", "error"]
    assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    await served.app.state.meter.flush()
    rows = await owner.fetch("SELECT cost, status_code FROM usage.api_usage WHERE api_key_id = $1::text::uuid", key.id)
    assert [tuple(row) for row in rows] == [(1, 200), (1, 200)]


async def test_a_key_that_is_not_valid_opens_no_socket(served: Served, watcher: SimpleNamespace) -> None:
    async with served.socket(init=False) as client:
        payload = {"authorization": f"Bearer {watcher.key.text[:-1]}x"}
        await client.send(type="connection_init", payload=payload)
        assert (await client.closed())[0] == 4403
    await until(lambda: served.metric("lango_sockets") == 0)


async def test_a_stream_is_written_down_when_it_begins(served: Served, owner: Any, watcher: SimpleNamespace) -> None:
    async with served.stream(POT_UPDATED, {"id": str(watcher.pot.id)}, token=watcher.key.text) as stream:
        assert stream.response.status_code == 200
        await served.app.state.meter.flush()
        count = "SELECT operation, cost FROM usage.api_usage WHERE api_key_id = $1::text::uuid"
        assert [tuple(row) for row in await owner.fetch(count, watcher.key.id)] == [("potUpdated", 1)]
    await served.app.state.meter.flush()
    assert len(await owner.fetch(count, watcher.key.id)) == 1
