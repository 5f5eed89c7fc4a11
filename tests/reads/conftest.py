"""Pipelines of a chosen size, a way to look at a connection between two batches, and callers of whom all is set."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import structlog
from sqlalchemy import URL

from lango.actor import Actor, Role
from lango.db.connection import Connection, Outcome, Query, ReadBatch
from lango.db.pipeline import Pipeline
from lango.db.postgres import async_url, open_connection
from lango.db.wire import SYNC, parse, run_bare
from lango.settings import Settings
from tests import conftest as shared

# A database of this folder's own: its codes and donations are no true ledger, which other tests demand of theirs.
owner_url, gateway_url, settings, pipeline = shared.owner_url, shared.gateway_url, shared.settings, shared.pipeline
owner, make, api, ordinary = shared.owner, shared.make, shared.api, shared.ordinary

SETTINGS = ("user_id", "roles", "session_id", "request_id", "ip", "share_tokens", "opened_rows", "user_agent")
STATE = (
    "SELECT json_build_array(current_user, session_user, "
    + ", ".join(f"coalesce(current_setting('lango.{name}', true), '')" for name in SETTINGS)
    + ", current_setting('transaction_read_only'))::text"
)
CLEAN = ["lango_gateway", "lango_gateway", *[""] * len(SETTINGS), "off"]
WHO = "SELECT json_build_array(current_user, current_setting('lango.user_id'))::text"
BACKEND = "SELECT pg_backend_pid()::text"
BROKEN = "SELECT (1 / 0)::text"


class Pool(Pipeline):
    """A pipeline that a test looks into."""

    async def ask(self, sql: str, *values: Any, as_: Actor | None = None) -> Outcome:
        (outcome,) = await self.fetch(as_ or Actor(uuid4()), [(sql, values)])
        return outcome

    async def ask_all(self, asked: Sequence[Query], as_: Actor | None = None) -> list[Outcome]:
        return await self.fetch(as_ or Actor(uuid4()), asked)

    async def pid(self) -> int:
        """The server process of the connection that the next one gets."""
        answer = await self.ask(BACKEND)
        assert isinstance(answer, bytes)
        return int(answer)

    @property
    def pids(self) -> list[int]:
        return [connection.server_pid for connection in self._open if not connection.is_lost]

    @property
    def busy(self) -> int:
        """How many reads have their turn."""
        return self._settings.pool_size - self.shares._free

    async def connections(self) -> list[Connection]:
        """All of them, each idle."""
        for _ in range(200):
            if self.busy == 0 and len(self._idle) == len(self._open):
                return list(self._idle)
            await asyncio.sleep(0.01)
        raise AssertionError("a connection has not come back")


async def bare(connection: Connection, sql: str) -> Any:
    """What a statement returns that is sent without any context: what the batches before have left."""
    assert connection._batch is None
    connection._batch = batch = ReadBatch(1)
    batch.parsing.append(deque([sql]))
    batch.completed = 1
    connection._transport.write(parse(b"", sql) + run_bare(b"") + SYNC)
    (outcome,) = await batch.future
    assert not isinstance(outcome, Exception), outcome
    return None if outcome is None else json.loads(outcome)


async def activity(owner: asyncpg.Pool[Any], sql: str, *values: Any) -> list[Any]:
    """What only an administrator sees of other connections."""
    async with owner.acquire() as connection:
        await connection.execute("RESET ROLE")
        return list(await connection.fetch(sql, *values))


async def assert_clean(pool: Pool, owner: asyncpg.Pool[Any]) -> None:
    """Each connection is free, its own login, with no context, in no transaction; and nobody waits for one."""
    for connection in await pool.connections():
        assert await bare(connection, STATE) == CLEAN
        if connection._opened.is_pooled:
            # Which process of the server it has is the pooler's business.
            continue
        pid = connection.server_pid
        (row,) = await activity(owner, "SELECT state, xact_start FROM pg_stat_activity WHERE pid = $1", pid)
        assert tuple(row) == ("idle", None)
    assert len(pool._open) <= pool._settings.pool_size
    assert pool.shares.waiting() == 0


def staff() -> Actor:
    """A caller of whom everything is set."""
    return Actor(
        uuid4(), frozenset({Role.ADMIN, Role.SUPER_ADMIN}), uuid4(), str(uuid4()), IPv4Address("192.0.2.7"), "An agent"
    )


@pytest.fixture
def address(gateway_url: str) -> URL:
    return async_url(gateway_url)


@pytest.fixture
async def directly(address: URL, settings: Settings) -> None:
    """For what is seen, or done, by the server process of a connection: behind a pooler it has none."""
    connection = await open_connection(address, settings)
    connection.terminate()
    if connection.is_pooled:
        pytest.skip("a pooler stands before the server")


@pytest.fixture
async def make_pool(address: URL, settings: Settings) -> AsyncIterator[Callable[..., Pool]]:
    """`make_pool(2, pool_timeout=0.1)`: pipelines to this worker's database, closed at the end."""
    made: list[Pool] = []

    def make(pool_size: int = 1, **changed: Any) -> Pool:
        usual = {"pool_size": pool_size, "pool_timeout": 5.0, "caller_share": 1.0}
        made.append(Pool(address, settings.model_copy(update=usual | changed)))
        return made[-1]

    yield make
    for pool in made:
        pool.close()
    await asyncio.sleep(0)


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    """One connection, which everybody gets in turn."""
    return make_pool(1)


@pytest.fixture
def end(owner: asyncpg.Pool[Any]) -> Callable[[int], Any]:
    """Ends a server process, as an administrator would, and waits until it is gone."""

    async def end_process(pid: int) -> None:
        async with owner.acquire() as connection:
            await connection.execute("RESET ROLE")
            await connection.fetchval("SELECT pg_terminate_backend($1, 2000)", pid)

    return end_process


@pytest.fixture(autouse=True)
def _without_logs() -> Iterator[None]:
    """Thousands of requests are asked here, and pytest would keep a line of each."""
    known = structlog.get_config()
    structlog.configure(processors=[_drop])
    yield
    structlog.configure(**known)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent
