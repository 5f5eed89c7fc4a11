"""One server for the whole run, one database a worker, and a gateway over it that is called as a client calls it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import structlog
from sqlalchemy import make_url

from lango.db import migrate, roles
from lango.db.pipeline import Pipeline, make_pipeline
from lango.embedded import embedded
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.settings import Settings
from tests.changes import Changes
from tests.client import Api
from tests.databases import TEMPLATE, create, drop, name_of, of_database
from tests.factories import Factory
from tests.keys import KEYS
from tests.mailbox import Mail, in_sandbox
from tests.round_trips import WritingTable

# What does not add up is named where it fails.
pytest.register_assert_rewrite("tests.books")
KEY = (
    '{"kty": "oct", "kid": "tests", "alg": "HS256", "k": "YS1rZXktb2YtdGhlLXRlc3RzLXRoYXQtaXMtdXNlZC1ub3doZXJlLWVsc2U"}'
)


def _out_of_order(what: str) -> None:
    raise AssertionError(what)


# Two rules that lock in different orders may wait for each other.
RuleTransaction.out_of_order = staticmethod(_out_of_order)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-round-trips", action="store_true", help="write what mutations take into docs/round-trips.md"
    )
    parser.addoption("--prove-each", action="store_true", help="prove the ledger after each test, not once a module")


def pytest_configure(config: pytest.Config) -> None:
    """The first process starts the server and migrates a template; each worker copies it."""
    # As JSON: drawing a traceback for a terminal takes seconds, and errors are logged here on purpose.
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    if config.getoption("--write-round-trips"):
        config.pluginmanager.register(WritingTable(), "lango-round-trips")
    if hasattr(config, "workerinput"):
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    owner = os.environ.get("DATABASE_OWNER_URL")
    if owner is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lango-tests-")))
        # As root the server runs as an ordinary user, who must be able to enter.
        folder.chmod(0o755)
        version = 16 if os.environ.get("LANGO_EMBEDDED_VERSION") == "16" else 18
        server = stack.enter_context(embedded(folder, "test", version))
        owner = server.owner_url(TEMPLATE)
    config.stash[OWNER] = owner = of_database(owner, TEMPLATE)
    asyncio.run(_make_template(owner))


OWNER = pytest.StashKey[str]()


class Workers:
    """Tells each xdist worker where the server is."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["owner_url"] = node.config.stash[OWNER]


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    if type(plugin).__name__ == "DSession" and not manager.has_plugin("lango-workers"):
        manager.register(Workers(), "lango-workers")


async def _make_template(owner_url: str) -> None:
    await create(owner_url, TEMPLATE, None)
    await roles.ensure(owner_url)
    await migrate.upgrade(owner_url)


@pytest.fixture(scope="session")
def template_url(request: pytest.FixtureRequest) -> str:
    """The migrated template, as its owner. Nobody connects to it: a database with a caller cannot be copied."""
    config = request.config
    return str(config.workerinput["owner_url"] if hasattr(config, "workerinput") else config.stash[OWNER])


@pytest.fixture(scope="session")
def owner_url(template_url: str) -> Iterator[str]:
    """This worker's database, as the login that may become the owner."""
    name = f"lango_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}_{uuid4().hex[:6]}"
    asyncio.run(create(template_url, name))
    yield of_database(template_url, name)
    asyncio.run(drop(template_url, name))


@pytest.fixture(scope="session")
def gateway_url(owner_url: str) -> str:
    """This worker's database, as the gateway's login."""
    given = os.environ.get("DATABASE_URL")
    url = make_url(given or owner_url).set(database=name_of(owner_url))
    return (url if given else url.set(username="lango_gateway")).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def settings(gateway_url: str) -> Settings:
    direct = os.environ.get("DATABASE_DIRECT_URL")
    return Settings(
        _env_file=None,
        database_url=gateway_url,
        # Past a pooler, to this worker's database too.
        database_direct_url=of_database(direct, name_of(gateway_url)) if direct else None,
        token_keys=KEY,
        encryption_keys=KEYS,
        log_level="error",
    )


@pytest.fixture(scope="session")
async def pipeline(settings: Settings, gateway_url: str) -> AsyncIterator[Pipeline]:
    """The gateway's own pipeline."""
    pipeline = make_pipeline(gateway_url, settings, pool_size=20)
    yield pipeline
    pipeline.close()


@pytest.fixture(scope="session")
def services(pipeline: Pipeline, settings: Settings) -> Services:
    """What jobs get, without any provider."""
    return Services(pipeline, settings)


@pytest.fixture(scope="session")
async def owner(owner_url: str) -> AsyncIterator[asyncpg.Pool[Any]]:
    """Connections that see and change everything: for what a test is given, and for what it checks behind the API."""

    async def become_owner(connection: Any) -> None:
        await connection.execute("SET ROLE lango_owner; SET timezone = 'UTC'")

    async with asyncpg.create_pool(owner_url, min_size=1, max_size=4, setup=become_owner) as pool:
        yield pool


@pytest.fixture(scope="session")
def make(owner: asyncpg.Pool[Any]) -> Factory:
    """Makes rows: `await make(Pot, visibility="public")`."""
    return Factory(owner)


@pytest.fixture
async def staff(make: Factory) -> SimpleNamespace:
    """One of the staff; the roles for a token are `tests.client.STAFF`."""
    return await make.staff()


@pytest.fixture
def changes(owner: asyncpg.Pool[Any]) -> Changes:
    """What has changed: `before = await changes.mark()`, and later `assert await changes.since(before) == []`."""
    return Changes(owner)


@pytest.fixture
async def mail(pipeline: Pipeline, settings: Settings, owner: asyncpg.Pool[Any], tmp_path: Path) -> AsyncIterator[Mail]:
    """What was sent by SMS and email: `await mail.code("+221771234567")`."""
    async with AsyncExitStack() as closing:
        yield await Mail.over(pipeline, in_sandbox(settings, tmp_path), owner, closing)


@pytest.fixture(scope="session")
async def api(pipeline: Pipeline, settings: Settings) -> AsyncIterator[Api]:
    """The whole gateway, called over HTTP."""
    async with Api.over(pipeline, settings) as api:
        yield api


@pytest.fixture(scope="session")
async def ordinary(pipeline: Pipeline, settings: Settings) -> AsyncIterator[Api]:
    """The gateway without its planner: the ordinary executor answers everything."""
    async with Api.over(pipeline, settings.model_copy(update={"planner": "off"})) as api:
        yield api
