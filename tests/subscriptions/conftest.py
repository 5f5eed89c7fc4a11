"""A gateway under uvicorn at a port of its own, and clients that speak to it over the network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gql.schema import schema
from lango.db.pipeline import Pipeline
from lango.http.app import create_app, server_options
from lango.security.authentication import mint
from lango.settings import Settings
from tests.books import balanced, owner_engine  # noqa: F401 - fixtures

POT_UPDATED = """
    subscription ($id: ID!, $after: String) {
      potUpdated(potId: $id, after: $after) { id: eventId cursor topic pot { rowId title balanceCfa } }
    }
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def forever() -> AsyncIterator[None]:
    while True:
        yield None


async def until(what: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - there is no signal
            await asyncio.sleep(0.005)


class Served:
    """A running gateway."""

    def __init__(self, app: Any, settings: Settings, server: uvicorn.Server) -> None:
        self.app = app
        self.settings = settings
        self.server = server
        self.port = settings.port
        self.url = f"http://127.0.0.1:{self.port}/graphql"

    def token(self, user: SimpleNamespace | UUID, roles: tuple[str, ...] = (), **options: Any) -> str:
        return mint(self.settings, user if isinstance(user, UUID) else user.id, roles, **options)

    def metric(self, name: str) -> float:
        return self.app.state.metrics.registry.get_sample_value(name) or 0.0

    @asynccontextmanager
    async def socket(
        self, *, as_: SimpleNamespace | None = None, token: str | None = None, init: bool = True, **options: Any
    ) -> AsyncIterator[Client]:
        """A socket, initialised unless a test does that itself."""
        protocols = options.pop("subprotocols", ["graphql-transport-ws"])
        async with connect(
            f"ws://127.0.0.1:{self.port}/graphql", subprotocols=protocols, compression=None, **options
        ) as connection:
            client = Client(connection)
            if init:
                token = self.token(as_) if as_ is not None else token
                await client.init(token)
            yield client

    @asynccontextmanager
    async def stream(
        self, query: str, variables: dict[str, Any] | None = None, *, as_: SimpleNamespace | None = None,
        token: str | None = None, headers: dict[str, str] | None = None,
    ) -> AsyncIterator[Stream]:  # fmt: skip
        token = self.token(as_) if as_ is not None else token
        sent = {
            "accept": "text/event-stream",
            **({"authorization": f"Bearer {token}"} if token else {}),
            **(headers or {}),
        }
        async with (
            httpx.AsyncClient(timeout=20) as http,
            http.stream(
                "POST", self.url, json={"query": query, "variables": variables or {}}, headers=sent
            ) as response,
        ):
            yield Stream(response)


class Client:
    """One end of a graphql-transport-ws socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.came: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def receive(self, seconds: float = 10) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            return dict(orjson.loads(await self.connection.recv()))

    async def init(self, token: str | None = None) -> None:
        payload = {"payload": {"authorization": f"Bearer {token}"}} if token else {}
        await self.send(type="connection_init", **payload)
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query: str, id_: str = "1", **variables: Any) -> None:
        """Subscribe, and wait until the server has taken it."""
        await self.send(id=id_, type="subscribe", payload={"query": query, "variables": variables})
        await self.send(type="ping")
        while (message := await self.receive())["type"] != "pong":
            self.came.append(message)

    async def message(self, seconds: float = 10) -> dict[str, Any]:
        return self.came.pop(0) if self.came else await self.receive(seconds)

    async def next(self, seconds: float = 10) -> Any:
        """The data of the next result."""
        message = await self.message(seconds)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    async def event(self, seconds: float = 10) -> Any:
        (event,) = (await self.next(seconds)).values()
        return event

    async def nothing(self, seconds: float = 0.3) -> None:
        assert self.came == []
        with pytest.raises(TimeoutError):
            await self.receive(seconds)

    async def _read_on(self) -> None:
        async for _ in forever():
            await self.connection.recv()

    async def closed(self, seconds: float = 10) -> tuple[int, str]:
        """Why the server closed; what came before is left out."""
        async with asyncio.timeout(seconds):
            with pytest.raises(ConnectionClosed) as closed:
                await self._read_on()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason


class Stream:
    """An event stream being read."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def event(self, seconds: float = 10) -> dict[str, str] | None:
        """The next event, comments left out; None at the end."""
        found: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            async for line in self._lines:
                if line.startswith(":"):
                    continue
                if not line:
                    if found:
                        return found
                    continue
                name, _, value = line.partition(": ")
                found[name.rstrip(":")] = value
        return None

    async def data(self) -> Any:
        event = await self.event()
        assert event is not None
        assert event["event"] == "next"
        (data,) = orjson.loads(event["data"])["data"].values()
        return data


@pytest.fixture
async def serve(pipeline: Pipeline, settings: Settings) -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """A gateway with settings of its own: `await serve(max_depth=3)`."""
    async with AsyncExitStack() as stack:

        async def serve(**values: Any) -> Served:
            return await stack.enter_async_context(serving(pipeline, settings, **values))

        yield serve


@asynccontextmanager
async def serving(pipeline: Pipeline, settings: Settings, **values: Any) -> AsyncIterator[Served]:
    settings = settings.model_copy(update={"port": free_port(), "shutdown_timeout": 3, **values})
    app = create_app(schema, settings, pipeline)
    server = uvicorn.Server(uvicorn.Config(app, **server_options(settings)))
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started or task.done())
    yield Served(app, settings, server)
    server.should_exit = True
    await task


@pytest.fixture
async def served(serve: Callable[..., Awaitable[Served]]) -> Served:
    return await serve()


class World:
    """What happens in the database."""

    def __init__(self, owner: asyncpg.Pool[Any]) -> None:
        self.owner = owner

    async def happen(self, topic: str, key: Any, **payload: Any) -> str:
        """Write an event; gives its id."""
        payload_json = orjson.dumps({name: str(value) for name, value in payload.items()}).decode()
        return str(
            await self.owner.fetchval(
                "INSERT INTO platform.outbox_events (topic, key, payload) VALUES ($1, $2, $3) RETURNING id",
                topic,
                str(key),
                payload_json,
            )
        )

    async def cut_off(self, which: str) -> int:
        """End the server's side of the connections for which that holds in `pg_stat_activity a`."""
        async with self.owner.acquire() as connection:
            await connection.execute("RESET ROLE")
            return int(
                await connection.fetchval(
                    "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a"
                    f" WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND {which}"
                )
            )

    async def run(self, sql: str, *values: Any) -> None:
        await self.owner.execute(sql, *values)


@pytest.fixture
def world(owner: asyncpg.Pool[Any]) -> World:
    return World(owner)
