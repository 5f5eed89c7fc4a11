"""A database of its own with the world that `expected.py` describes, and a gateway over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from gql.kit.node import MIRRORED, global_id, key_columns
from lango.db.pipeline import make_pipeline
from lango.settings import Settings
from tests import conftest as shared
from tests.access.expected import ROLES, TABLES
from tests.client import Answer, Api
from tests.databases import database, name_of, of_database
from tests.factories import Factory

# A database of this folder's own: its rows of everything are no true ledger, which other tests demand of theirs.
owner_url, gateway_url, settings, pipeline = shared.owner_url, shared.gateway_url, shared.settings, shared.pipeline
owner, make, api, ordinary = shared.owner, shared.make, shared.api, shared.ordinary


@pytest.fixture(scope="session")
async def own_database(template_url: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Makes databases in which nobody else writes, so that everything in them can be counted. Gives the owner's URL."""
    async with AsyncExitStack() as stack:

        async def create() -> str:
            return await stack.enter_async_context(database(template_url, "access"))

        yield create


class World:
    """The rows of `expected.py` as they were written, and the gateway that shows them."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.rows: dict[str, dict[str, SimpleNamespace]] = {}
        self.names: dict[str, str] = {}

    async def ask(self, query: str, caller: str, variables: dict[str, Any] | None = None) -> Answer:
        as_ = None if caller == "nobody" else self.rows["User"][caller]
        return await self.api(query, variables, as_=as_, roles=ROLES.get(caller, ()))

    def id(self, table: str, name: str) -> str:
        """The global id."""
        row = self.rows[table][name]
        return global_id(MIRRORED[table], tuple(getattr(row, column.name) for column in key_columns(MIRRORED[table])))

    def ids(self, table: str) -> list[str]:
        return [self.id(table, name) for name in self.rows[table]]

    def called(self, nodes: list[dict[str, Any] | None]) -> set[str]:
        """The names of what came back; something unknown goes by its id."""
        return {self.names.get(node["id"], node["id"]) for node in nodes if node is not None}

    async def build(self, connection: asyncpg.Connection[Any], make: Factory) -> None:
        for table, rows in TABLES.items():
            self.rows[table] = {}
            if table == "AuditLog":
                # What was made until here has been audited; the log itself is to hold only its own rows.
                await connection.execute("TRUNCATE admin.audit_logs")
            for name, row in rows.items():
                if row.face_of:
                    written = self._named(row.face_of)
                else:
                    given = {column: self._value(value) for column, value in row.values.items()}
                    values = await make.values(MIRRORED[table], **given)
                    written = await make.insert(connection, MIRRORED[table], values)
                self.rows[table][name] = written
                self.names[self.id(table, name)] = name

    def _value(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith("@"):
            return value
        return self._named(value[1:] if "." in value else f"User.{value[1:]}").id

    def _named(self, address: str) -> SimpleNamespace:
        table, _, name = address.partition(".")
        return self.rows[table][name]


@pytest.fixture(scope="session")
async def world(
    own_database: Callable[[], Awaitable[str]], settings: Settings, gateway_url: str
) -> AsyncIterator[World]:
    owner_url = await own_database()
    ours = of_database(gateway_url, name_of(owner_url))
    # A test asks for everything at once; what that costs is tested elsewhere.
    wide = settings.model_copy(
        update={"max_cost": 10**9, "max_fields": 10**5, "max_aliases": 10**4, "max_tokens": 10**5, "max_depth": 50}
    )
    async with AsyncExitStack() as stack:
        pipeline = make_pipeline(ours, wide, pool_size=5)
        stack.callback(pipeline.close)
        api = await stack.enter_async_context(Api.over(pipeline, wide, audits_reads=False))
        made = World(api)
        pool = await stack.enter_async_context(asyncpg.create_pool(owner_url, min_size=1, max_size=2))
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL ROLE lango_owner; SET LOCAL timezone = 'UTC'")
            await made.build(connection, Factory(pool))
        yield made
