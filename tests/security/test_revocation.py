"""Whoever is no longer to be served is not, within a second, on every worker and over every transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from lango.actor import Actor
from lango.cli.keys import write_key
from lango.db.pipeline import Pipeline, make_pipeline
from lango.security.account_status import Callers, Standing
from lango.security.authentication import Authenticator
from lango.settings import Settings
from models.identity import User, UserSession
from models.pots import Pot
from tests.factories import Factory
from tests.relay import Relay, relay
from tests.subscriptions.conftest import POT_UPDATED, Served, World, serving, world  # noqa: F401 - a fixture

# What a busy machine takes on top of a second.
GRACE = 1.0
VIEWER = "{ viewer { rowId } }"
LISTENS = "a.query LIKE 'LISTEN%' OR a.pid IN (SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory')"
SUSPEND = "UPDATE identity.users SET is_active = false WHERE id = $1"
REVOKE = "UPDATE identity.user_sessions SET is_revoked = true, ended_at = now() WHERE id = $1"


@pytest.fixture
async def workers(settings: Settings, gateway_url: str) -> AsyncIterator[list[Served]]:
    """Two gateways that share nothing but the database."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            pipeline = make_pipeline(gateway_url, settings, pool_size=5)
            stack.callback(pipeline.close)
            found.append(await stack.enter_async_context(serving(pipeline, settings)))
        yield found


@pytest.fixture
async def pot(make: Factory) -> SimpleNamespace:
    return await make(Pot, visibility="public")


async def query(served: Served, token: str, text: str = VIEWER) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20) as http:
        return await http.post(served.url, json={"query": text}, headers={"authorization": f"Bearer {token}"})


async def status(served: Served, token: str) -> int:
    return (await query(served, token)).status_code


async def refused_everywhere(
    workers: list[Served], token: str, pot: SimpleNamespace, revoke: Callable[[], Awaitable[Any]]
) -> None:
    """Open a socket and a stream on each worker, ask by HTTP, revoke; within a second all of it must be over."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(each.socket(token=token)) for each in workers]
        for each in sockets:
            await each.subscribe(POT_UPDATED, id=str(pot.id))
        opened = [each.stream(POT_UPDATED, {"id": str(pot.id)}, token=token) for each in workers]
        streams = [await stack.enter_async_context(each) for each in opened]
        assert [await status(each, token) for each in workers] == [200, 200]

        await revoke()
        revoked = time.monotonic()
        closed = asyncio.gather(*(each.closed() for each in sockets))
        ended = asyncio.gather(*(each.event() for each in streams))
        await asyncio.sleep(1)
        assert [await status(each, token) for each in workers] == [401, 401]
        assert [code for code, _ in await closed] == [4403, 4403]
        assert await ended == [None, None]
        assert time.monotonic() - revoked < 1 + GRACE
        for each in workers:
            async with each.socket(init=False) as again:
                await again.send(type="connection_init", payload={"authorization": f"Bearer {token}"})
                assert (await again.closed())[0] == 4403


async def test_a_session(workers: list[Served], make: Factory, pot: SimpleNamespace, world: World) -> None:  # noqa: F811
    user = await make(User)
    session, other = await make(UserSession, user_id=user.id), await make(UserSession, user_id=user.id)
    token = workers[0].token(user, session_id=session.id)

    await refused_everywhere(workers, token, pot, lambda: world.run(REVOKE, session.id))

    assert await status(workers[0], workers[0].token(user, session_id=other.id)) == 200


async def test_a_user(workers: list[Served], make: Factory, pot: SimpleNamespace, world: World) -> None:  # noqa: F811
    user = await make(User)

    await refused_everywhere(workers, workers[0].token(user), pot, lambda: world.run(SUSPEND, user.id))


async def test_a_user_while_no_worker_can_listen(
    workers: list[Served],
    make: Factory,
    pot: SimpleNamespace,
    world: World,  # noqa: F811
) -> None:
    user = await make(User)
    stop = asyncio.Event()

    async def cut() -> None:
        while not stop.is_set():
            await world.cut_off(LISTENS)
            await asyncio.sleep(0.1)

    cutting = asyncio.create_task(cut())
    try:
        await refused_everywhere(workers, workers[0].token(user), pot, lambda: world.run(SUSPEND, user.id))
    finally:
        stop.set()
        await cutting


async def test_a_staff_member_whose_session_ends(
    workers: list[Served],
    make: Factory,
    pot: SimpleNamespace,
    world: World,  # noqa: F811
) -> None:
    user = await make.staff()
    session = await make(UserSession, user_id=user.id)
    token = workers[0].token(user, ("admin",), session_id=session.id)

    await refused_everywhere(workers, token, pot, lambda: world.run(REVOKE, session.id))


async def test_a_role(workers: list[Served], make: Factory, world: World) -> None:  # noqa: F811
    """Staff whose role is taken away are served as anybody is: over HTTP, and over what is open already."""
    user, other = await make.staff(), await make(User)
    hidden = await make(Pot, owner_user_id=other.id, visibility="private")
    token, text = workers[0].token(user, ("admin",)), f'{{ user(id: "{other.id}") {{ rowId }} }}'
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(each.socket(token=token)) for each in workers]
        for each in sockets:
            await each.subscribe(POT_UPDATED, id=str(hidden.id))
        await world.happen("pot.updated", hidden.id)
        assert [(await each.event())["topic"] for each in sockets] == ["pot.updated"] * 2
        assert (await query(workers[0], token, text)).json()["data"]["user"] is not None

        await world.run("UPDATE identity.users SET roles = '{user}' WHERE id = $1", user.id)

        # What staff are shown is confirmed each time.
        for served, socket in zip(workers, sockets, strict=True):
            assert (await query(served, token, text)).json()["data"]["user"] is None
            await socket.send(id="2", type="subscribe", payload={"query": text})
            assert (await socket.next()) == {"user": None}
            assert (await socket.message())["type"] == "complete"
        await world.happen("pot.updated", hidden.id)
        for socket in sockets:
            await socket.nothing(0.5)
            # A new one, on a socket that was opened as staff.
            await socket.subscribe(POT_UPDATED, id_="3", id=str(hidden.id))
        await world.happen("pot.updated", hidden.id)
        for socket in sockets:
            await socket.nothing(0.5)


async def test_a_key(
    settings: Settings, pipeline: Pipeline, make: Factory, pot: SimpleNamespace, tmp_path: Path
) -> None:
    folder = tmp_path / "keys"
    withdrawn = write_key(folder)
    changed = settings.model_copy(update={"token_keys": SecretStr(str(folder))})
    async with serving(pipeline, changed) as one, serving(pipeline, changed) as two:
        token = one.token(await make(User))
        write_key(folder)

        async def withdraw() -> None:
            withdrawn.unlink()

        await refused_everywhere([one, two], token, pot, withdraw)


@asynccontextmanager
async def away(network: Relay, world: World) -> AsyncIterator[None]:  # noqa: F811
    """The server restarts: every connection of the gateway is ended, and none is taken meanwhile."""
    network.is_away = True
    await world.cut_off("a.usename = 'lango_gateway'")
    try:
        yield
    finally:
        network.is_away = False


async def test_while_the_database_restarts(
    settings: Settings,
    gateway_url: str,
    make: Factory,
    pot: SimpleNamespace,
    world: World,  # noqa: F811
) -> None:
    """Meanwhile nobody is served whose standing cannot be asked for; when it is back, the revoked are refused."""
    user, other = await make(User), await make(User)
    session = await make(UserSession, user_id=user.id)
    async with relay(gateway_url) as (network, address), AsyncExitStack() as stack:
        workers = []
        for _ in range(2):
            pipeline = make_pipeline(address, settings, pool_size=5)
            stack.callback(pipeline.close)
            workers.append(await stack.enter_async_context(serving(pipeline, settings)))
        token, theirs = workers[0].token(user, session_id=session.id), workers[0].token(other)
        sockets = [await stack.enter_async_context(each.socket(token=token)) for each in workers]
        assert [await status(each, token) for each in workers] == [200, 200]

        async with away(network, world):
            await world.run(REVOKE, session.id)
            await asyncio.sleep(1)
            assert {await status(each, token) for each in workers} == {503}
            for each in sockets:
                await each.send(id="1", type="subscribe", payload={"query": VIEWER})
                message = await each.receive()
                assert (message["type"], message["payload"][0]["extensions"]["code"]) == (
                    "error",
                    "SERVICE_UNAVAILABLE",
                )

        back = time.monotonic()
        closed = asyncio.gather(*(each.closed() for each in sockets))
        assert [await status(each, token) for each in workers] == [401, 401]
        assert [await status(each, theirs) for each in workers] == [200, 200]
        assert [code for code, _ in await closed] == [4403, 4403]
        assert time.monotonic() - back < 1 + GRACE


async def test_a_look_that_began_before_is_not_shared_with_those_who_come_a_second_later(
    settings: Settings, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database answers late: what it said of a moment long ago must let nobody in."""
    found, looks = Standing.ACTIVE, asyncio.Queue[asyncio.Future[None]]()

    async def look(*_: Any) -> Any:
        standing, gate = found, asyncio.get_running_loop().create_future()
        looks.put_nowait(gate)
        await gate
        return standing, frozenset()

    monkeypatch.setattr("lango.security.account_status.standing_of", look)
    callers = Callers(Authenticator(settings), pipeline, 30)
    actor = Actor(uuid4(), session_id=uuid4())
    first = asyncio.create_task(callers.still(actor))
    slow = await looks.get()
    found = Standing.ENDED
    await asyncio.sleep(1.05)
    later = asyncio.create_task(callers.still(actor))
    await asyncio.sleep(0.01)

    slow.set_result(None)
    assert await first == actor
    async with asyncio.timeout(5):
        (await looks.get()).set_result(None)
        with pytest.raises(Exception, match="The session has ended"):
            await later


async def test_two_who_come_within_a_second_share_a_look(
    settings: Settings, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def look(*_: Any) -> Any:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.05)
        return Standing.ACTIVE, frozenset()

    monkeypatch.setattr("lango.security.account_status.standing_of", look)
    callers = Callers(Authenticator(settings), pipeline, 30)
    actor = Actor(uuid4())
    await asyncio.gather(*(callers.still(actor) for _ in range(10)))
    await callers.still(actor)

    assert looks == 1
