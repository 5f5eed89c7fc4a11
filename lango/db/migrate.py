"""Migrations: run as lango_owner, one transaction each, by one process at a time, and written down with a checksum."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from lango.actor import NOBODY, DatabaseRole
from lango.db.fair_queue import SYSTEM
from lango.db.pipeline import Pipeline
from lango.db.postgres import connect, open_session, secure_url
from lango.db.roles import OWNER
from lango.db.transaction import acting_as
from lango.settings import settings

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
VERSIONS = MIGRATIONS / "versions"
# Alembic's own table has a schema to itself: up, down and up again leaves a dump of the others as it was.
VERSION_SCHEMA = "alembic"
LOCK = 7_265_461_002
MONTHS_BEHIND, MONTHS_AHEAD = 1, 12

# The name of the version, how many are done, how many there are to do.
Progress = Callable[[str, int, int], None]

# Alembic keeps its environment in globals: two runs of one process take turns.
_turn = asyncio.Lock()


class MigrationError(RuntimeError):
    """A migration cannot be run; the message says why and what to do. Nothing of the failed version is left."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version as its files say and the database remembers; `changed` when its files are no longer what was run."""

    revision: str
    name: str
    applied: bool
    applied_at: datetime | None = None
    execution_ms: int | None = None
    changed: bool = False


async def upgrade(
    owner_url: str, target: str = "head", *, versions: Path = VERSIONS, progress: Progress = lambda *_: None
) -> list[str]:
    """Run what is missing up to the target, then make the partitions of the coming months. Gives the names run."""
    async with prepared(owner_url) as connection:
        names = await run(connection, "upgrade", target, versions, progress)
        await make_partitions((await connection.get_raw_connection()).driver_connection)
    return names


async def downgrade(
    owner_url: str, target: str, *, versions: Path = VERSIONS, progress: Progress = lambda *_: None
) -> list[str]:
    """Undo down to the target: a revision, which stays, or `base`, or `-1` for one step."""
    async with prepared(owner_url) as connection:
        return await run(connection, "downgrade", target, versions, progress)


async def status(owner_url: str, *, versions: Path = VERSIONS) -> list[Version]:
    """Every version in order, with what the database knows of it."""
    connection = await connect(owner_url)
    try:
        return await versions_of(connection, versions)
    finally:
        await connection.close()


async def versions_of(connection: asyncpg.Connection[Any], versions: Path = VERSIONS) -> list[Version]:
    """As `status`, over a connection that may become the owner."""
    script = scripts(versions)
    async with connection.transaction(readonly=True):
        await become_owner(connection, local=True)
        current: list[str] = []
        if await connection.fetchval(f"SELECT to_regclass('{VERSION_SCHEMA}.alembic_version')"):
            rows = await connection.fetch(f"SELECT version_num FROM {VERSION_SCHEMA}.alembic_version")
            current = [row["version_num"] for row in rows]
        remembered: dict[str, asyncpg.Record] = {}
        if await connection.fetchval("SELECT to_regclass('platform.schema_migrations')"):
            for row in await connection.fetch("SELECT * FROM platform.schema_migrations"):
                remembered[row["revision"]] = row
    try:
        applied = {each.revision for head in current for each in script.iterate_revisions(head, "base")}
    except CommandError as error:
        raise MigrationError(
            f"The database is at a version that this code does not have ({error}). Run the newer lango."
        ) from error
    found = []
    for each in reversed(list(script.walk_revisions())):
        row_of = remembered.get(each.revision)
        found.append(
            Version(
                revision=each.revision,
                name=Path(each.path).stem,
                applied=each.revision in applied,
                applied_at=row_of["applied_at"] if row_of else None,
                execution_ms=row_of["execution_ms"] if row_of else None,
                changed=row_of is not None and row_of["checksum"] != checksum(Path(each.path)),
            )
        )
    return found


async def behind(pipeline: Pipeline) -> str | None:
    """What the database lacks to be served by this code, as the gateway sees it; None when it is at the head."""
    expected = {revision.revision for revision in scripts().walk_revisions()}
    async with acting_as(pipeline, NOBODY, read_only=True, role=DatabaseRole.RULES, caller=SYSTEM) as tx:
        if (await tx.execute(text("SELECT to_regclass('platform.schema_migrations')"))).scalar_one() is None:
            return "The database has not been migrated: run `lango migrate up`."
        applied = set((await tx.execute(text("SELECT revision FROM platform.schema_migrations"))).scalars())
    missing = sorted(expected - applied)
    return f"Migrations are missing ({', '.join(missing)}): run `lango migrate up`." if missing else None


def checksum(version: Path) -> str:
    """SHA-256 over the version's files: the .py and the .sql beside it; line ends do not count."""
    digest = hashlib.sha256()
    for file in (version, version.with_suffix(".up.sql"), version.with_suffix(".down.sql")):
        if file.exists():
            digest.update(file.name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def configuration(versions: Path = VERSIONS) -> Config:
    config = Config()
    for name, value in (("script_location", MIGRATIONS), ("version_locations", versions)):
        config.set_main_option(name, str(value).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["versions"] = versions
    return config


def scripts(versions: Path = VERSIONS) -> ScriptDirectory:
    return ScriptDirectory.from_config(configuration(versions))


@asynccontextmanager
async def prepared(owner_url: str) -> AsyncIterator[AsyncConnection]:
    """A connection that is the owner, gives up on locks in time, and holds the one lock of all migrations."""
    current = settings()
    limits = {
        "lock_timeout": str(int(current.migration_lock_timeout * 1000)),
        "statement_timeout": str(int(current.migration_statement_timeout * 1000)),
    }
    url = secure_url(owner_url, current)
    engine = create_async_engine(url, poolclass=NullPool, async_creator=partial(open_session, url, current, limits))
    async with _turn:
        try:
            async with engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await become_owner(driver)
                # Another process may be migrating for longer than the limits of one statement.
                await driver.execute(
                    "BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;"
                    f"SELECT pg_advisory_lock({LOCK}); COMMIT"
                )
                await driver.execute(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}")
                yield connection
        finally:
            await engine.dispose()


async def become_owner(driver: Any, *, local: bool = False) -> None:
    try:
        await driver.execute(f"SET {'LOCAL ' if local else ''}ROLE {OWNER}")
    except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:
        raise MigrationError(
            f"The login of DATABASE_OWNER_URL cannot become {OWNER}: {error}. `lango migrate up` makes the roles where "
            "the login may; else `lango doctor --print-roles` prints the SQL for an administrator."
        ) from error


async def run(
    connection: AsyncConnection, direction: str, target: str, versions: Path, progress: Progress
) -> list[str]:
    config = configuration(versions)
    driver: Any = (await connection.get_raw_connection()).driver_connection
    total = len(planned(await versions_of(driver, versions), direction, target))
    script = ScriptDirectory.from_config(config)
    names: list[str] = []
    clock = time.monotonic()

    def applied(*, ctx: Any, step: Any, **_: Any) -> None:
        nonlocal clock
        path = Path(script.get_revision(step.up_revision_id).path)
        remember(ctx.connection, step.is_upgrade, step.up_revision_id, path, round((time.monotonic() - clock) * 1000))
        names.append(path.stem)
        progress(path.stem, len(names), total)
        clock = time.monotonic()

    config.attributes["applied"] = applied

    def go(sync: Any) -> None:
        config.attributes["connection"] = sync
        getattr(command, direction)(config, target)

    try:
        await connection.run_sync(go)
    except CommandError as error:
        raise MigrationError(f"{error}") from error
    return names


def planned(known: list[Version], direction: str, target: str) -> list[Version]:
    """What a run would touch, in its order. The versions are one line, each upon the one before."""
    places = {each.revision: place for place, each in enumerate(known)}
    if target not in {"head", "base", *places} and not re.fullmatch(r"[+-]\d+", target):
        have = ", ".join(places) or "none"
        raise MigrationError(f"There is no version {target}. The versions are: {have}.")
    if direction == "upgrade":
        last = places.get(target, len(known))
        missing = [each for place, each in enumerate(known) if not each.applied and place <= last]
        return missing[: int(target)] if target.startswith("+") else missing
    undone = [each for place, each in enumerate(known) if each.applied and place > places.get(target, -1)][::-1]
    return undone[: -int(target)] if target.startswith("-") else undone


def remember(connection: Any, is_upgrade: bool, revision: str, path: Path, elapsed: int) -> None:
    """Write the version down, in its own transaction, once the table for it exists."""
    if not connection.scalar(text("SELECT to_regclass('platform.schema_migrations')")):
        return
    connection.execute(
        text("DELETE FROM platform.schema_migrations WHERE revision = :revision"), {"revision": revision}
    )
    if is_upgrade:
        connection.execute(
            text(
                "INSERT INTO platform.schema_migrations (revision, migration_name, checksum, execution_ms)"
                " VALUES (:revision, :name, :checksum, :elapsed)"
            ),
            {"revision": revision, "name": path.stem, "checksum": checksum(path), "elapsed": elapsed},
        )


async def make_partitions(driver: Any) -> None:
    """Make the months' partitions of the big append-only tables, where the migrations brought the function for it."""
    if await driver.fetchval("SELECT to_regprocedure('lango.make_partitions(date, date)')"):
        today = datetime.now(UTC).date()
        await driver.execute(
            "SELECT lango.make_partitions($1, $2)", month(today, -MONTHS_BEHIND), month(today, MONTHS_AHEAD)
        )


def month(day: date, offset: int) -> date:
    """The first day of the month that many months away."""
    years, index = divmod(day.year * 12 + day.month - 1 + offset, 12)
    return date(years, index + 1, 1)
