"""Servers of our own: these tests spoil, kill and restart them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from lango.db import roles
from lango.embedded import Server, Version, embedded

# The folder, the version's number, the number below it, the SQL up and down.
WriteVersion = Callable[[Path, int, int | None, str, str], None]


@contextmanager
def folder() -> Iterator[Path]:
    """Open to be walked into, which pytest's own are not: root's server needs no shelter then."""
    made = Path(tempfile.mkdtemp(prefix="lango-operations-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with folder() as made:
        yield made


@pytest.fixture(autouse=True)
def _own_servers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests bring their own servers, also when the run is pointed at another."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", params=[18, 16], ids=["postgres18", "postgres16"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each version that the wheel brings."""
    with folder() as made, embedded(made, "test", cast(Version, request.param)) as running:
        yield running


@pytest.fixture(scope="session")
def newest() -> Iterator[Server]:
    with folder() as made, embedded(made, "test") as running:
        yield running


@pytest.fixture
async def owner_url(newest: Server) -> str:
    """An empty database with the roles made."""
    name = f"t{uuid4().hex[:12]}"
    await roles.create_database(newest.owner_url("postgres"), name)
    await roles.ensure(newest.owner_url(name))
    return newest.owner_url(name)


@pytest.fixture
def gateway_url(owner_url: str) -> str:
    return owner_url.replace("postgres@", "lango_gateway@")


@pytest.fixture(name="write_version")
def version_writer() -> WriteVersion:
    return write_version


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """A folder of three migrations, the first of which makes the table that remembers them."""
    folder = tmp_path / "versions"
    folder.mkdir()
    write_version(
        folder, 1, None,
        "CREATE SCHEMA platform; CREATE TABLE platform.schema_migrations (revision text PRIMARY KEY,"
        " migration_name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),"
        " execution_ms integer);",
        "DROP TABLE platform.schema_migrations; DROP SCHEMA platform;",
    )  # fmt: skip
    write_version(
        folder, 2, 1, "CREATE SCHEMA pots; CREATE TABLE pots.pots (title text DEFAULT 'a:b %s');",
        "DROP TABLE pots.pots; DROP SCHEMA pots;",
    )  # fmt: skip
    write_version(folder, 3, 2, "ALTER TABLE pots.pots ADD goal integer;", "ALTER TABLE pots.pots DROP goal;")
    return folder


def write_version(folder: Path, number: int, below: int | None, up: str, down: str) -> None:
    name = f"{number:04}_step"
    (folder / f"{name}.py").write_text(
        "from migrations.sql import run\n"
        f"revision = '{number:04}'\n"
        f"down_revision = {None if below is None else f'{below:04}'!r}\n"
        f"def upgrade(): run('{name}.up.sql')\n"
        f"def downgrade(): run('{name}.down.sql')\n"
    )
    (folder / f"{name}.up.sql").write_text(up)
    (folder / f"{name}.down.sql").write_text(down)
