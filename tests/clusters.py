"""Two servers to try the database's own rules on: the run's own, and one of the oldest version that the wheel brings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from lango.db import migrate, roles
from lango.embedded import Version, embedded

OLDEST: Version = 16


@dataclass(frozen=True)
class Cluster:
    """A server, by the address of one of its databases, as a login that may become the owner."""

    url: str

    def of(self, database: str, user: str | None = None) -> str:
        url = make_url(self.url).set(database=database)
        return (url.set(username=user) if user else url).render_as_string(hide_password=False)

    async def create(self) -> str:
        """An empty database with the roles made; gives its address."""
        url = self.of(f"t{uuid4().hex[:12]}")
        await roles.create_database(self.of("postgres"), str(make_url(url).database))
        await roles.ensure(url)
        return url

    async def drop(self, url: str) -> None:
        connection = await asyncpg.connect(self.of("postgres"))
        await connection.execute(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')
        await connection.close()


@pytest.fixture(scope="session", params=["configured", f"postgres{OLDEST}"])
def cluster(
    request: pytest.FixtureRequest, template_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    if request.param == "configured":
        yield Cluster(template_url)
        return
    if os.environ.get("LANGO_EMBEDDED_VERSION") == str(OLDEST):
        pytest.skip(f"the run's own server is PostgreSQL {OLDEST}")
    # Workers of one run share the server: it is joined by its folder.
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with embedded(Path(shared) / "clusters", "test", OLDEST) as server:
        yield Cluster(server.owner_url("postgres"))


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> Iterator[str]:
    """A database that the migrations built; gives its address."""

    async def build() -> str:
        url = await cluster.create()
        await migrate.upgrade(url)
        return url

    url = asyncio.run(build())
    yield url
    asyncio.run(cluster.drop(url))
