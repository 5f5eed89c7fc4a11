"""The runner of migrations, over a folder of throw-away versions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from lango.db import migrate
from lango.db.postgres import connect

WriteVersion = Callable[[Path, int, int | None, str, str], None]

UP = """
import asyncio, sys
from pathlib import Path
from lango.db import migrate
print(asyncio.run(migrate.upgrade(sys.argv[1], versions=Path(sys.argv[2]))))
"""


async def fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = await connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def catalog(url: str) -> list[tuple[Any, ...]]:
    return await fetch(
        url,
        "SELECT c.oid::regclass::text, a.attname, a.attnum FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace::regnamespace::text IN ('platform', 'pots') ORDER BY 1, 3",
    )


async def test_up_runs_each_once_as_the_owner_and_writes_it_down(owner_url: str, versions: Path) -> None:
    steps: list[tuple[str, int, int]] = []

    names = await migrate.upgrade(owner_url, versions=versions, progress=lambda *step: steps.append(step))

    assert names == ["0001_step", "0002_step", "0003_step"]
    assert steps == [("0001_step", 1, 3), ("0002_step", 2, 3), ("0003_step", 3, 3)]
    assert await migrate.upgrade(owner_url, versions=versions) == []
    owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname IN ('pots', 'alembic')"
    assert await fetch(owner_url, owners) == [("lango_owner",)]
    columns = "revision, migration_name, length(checksum), execution_ms >= 0"
    remembered = await fetch(owner_url, f"SELECT {columns} FROM platform.schema_migrations ORDER BY 1")
    assert remembered == [(f"000{n}", f"000{n}_step", 64, True) for n in (1, 2, 3)]


async def test_the_sql_goes_as_it_is(owner_url: str, versions: Path) -> None:
    await migrate.upgrade(owner_url, versions=versions)
    assert await fetch(owner_url, "INSERT INTO pots.pots DEFAULT VALUES RETURNING title") == [("a:b %s",)]


async def test_up_down_and_up_again_is_up(owner_url: str, versions: Path) -> None:
    await migrate.upgrade(owner_url, versions=versions)
    before = await catalog(owner_url)

    undone = await migrate.downgrade(owner_url, "base", versions=versions)

    assert undone == ["0003_step", "0002_step", "0001_step"]
    assert await catalog(owner_url) == []
    await migrate.upgrade(owner_url, versions=versions)
    assert await catalog(owner_url) == before


async def test_a_few_steps_in_either_direction(owner_url: str, versions: Path) -> None:
    assert await migrate.upgrade(owner_url, "+2", versions=versions) == ["0001_step", "0002_step"]
    assert await migrate.downgrade(owner_url, "-1", versions=versions) == ["0002_step"]
    assert await migrate.upgrade(owner_url, "0002", versions=versions) == ["0002_step"]
    assert await migrate.downgrade(owner_url, "0001", versions=versions) == ["0002_step"]
    assert [each.applied for each in await migrate.status(owner_url, versions=versions)] == [True, False, False]


async def test_a_failing_migration_leaves_nothing_and_those_before_stay(
    owner_url: str, versions: Path, write_version: WriteVersion
) -> None:
    write_version(versions, 3, 2, "CREATE TABLE pots.half (); SELECT 1 / 0;", "")

    with pytest.raises(Exception, match="division by zero"):
        await migrate.upgrade(owner_url, versions=versions)

    assert await fetch(owner_url, "SELECT to_regclass('pots.half')::text") == [(None,)]
    assert [each.applied for each in await migrate.status(owner_url, versions=versions)] == [True, True, False]
    assert await fetch(owner_url, "SELECT count(*) FROM platform.schema_migrations") == [(2,)]


async def test_a_migration_that_commits_is_refused(owner_url: str, versions: Path, write_version: WriteVersion) -> None:
    write_version(versions, 3, 2, "COMMIT;", "")
    with pytest.raises(Exception, match="ends its transaction"):
        await migrate.upgrade(owner_url, versions=versions)


async def test_two_processes_at_once_run_each_version_once(owner_url: str, versions: Path) -> None:
    (versions / "0002_step.up.sql").write_text("SELECT pg_sleep(0.5); CREATE SCHEMA pots; CREATE TABLE pots.pots ();")

    def up() -> str:
        command = [sys.executable, "-c", UP, owner_url, str(versions)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    answers = await asyncio.gather(asyncio.to_thread(up), asyncio.to_thread(up))

    assert sorted(answers) == ["['0001_step', '0002_step', '0003_step']", "[]"]


async def test_changed_files_are_detected(owner_url: str, versions: Path) -> None:
    await migrate.upgrade(owner_url, versions=versions)
    (versions / "0002_step.down.sql").write_text("DROP SCHEMA pots CASCADE;")

    changed = [each.name for each in await migrate.status(owner_url, versions=versions) if each.changed]

    assert changed == ["0002_step"]


async def test_line_ends_are_no_change(owner_url: str, versions: Path) -> None:
    await migrate.upgrade(owner_url, versions=versions)
    for file in versions.glob("*.*"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    assert not any(each.changed for each in await migrate.status(owner_url, versions=versions))


async def test_a_version_that_does_not_exist_is_reported(owner_url: str, versions: Path) -> None:
    with pytest.raises(migrate.MigrationError, match=r"no version 0009\. The versions are: 0001, 0002, 0003"):
        await migrate.upgrade(owner_url, "0009", versions=versions)


async def test_a_login_that_cannot_become_the_owner_is_reported(gateway_url: str, versions: Path) -> None:
    with pytest.raises(migrate.MigrationError, match="--print-roles"):
        await migrate.upgrade(gateway_url, versions=versions)


async def test_a_locked_table_makes_it_give_up(owner_url: str, versions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await migrate.upgrade(owner_url, "0002", versions=versions)
    monkeypatch.setenv("LANGO_MIGRATION_LOCK_TIMEOUT", "0.2")
    migrate.settings.cache_clear()
    holder = await connect(owner_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK pots.pots")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await migrate.upgrade(owner_url, versions=versions)
    finally:
        await holder.close()
        migrate.settings.cache_clear()


async def test_partitions_are_made_where_there_is_a_function_for_it(
    owner_url: str, versions: Path, write_version: WriteVersion
) -> None:
    write_version(
        versions, 4, 3,
        "CREATE SCHEMA lango; CREATE TABLE pots.asked (since date, until date);"
        "CREATE FUNCTION lango.make_partitions(since date, until date) RETURNS void LANGUAGE sql"
        " AS 'INSERT INTO pots.asked VALUES (since, until)';",
        "DROP SCHEMA lango CASCADE; DROP TABLE pots.asked;",
    )  # fmt: skip

    await migrate.upgrade(owner_url, versions=versions)

    [(since, until)] = await fetch(owner_url, "SELECT since, until FROM pots.asked")
    assert since.day == until.day == 1
    assert (until.year * 12 + until.month) - (since.year * 12 + since.month) == 13


@pytest.mark.parametrize(
    ("day", "offset", "first"),
    [
        (date(2026, 1, 31), -1, date(2025, 12, 1)),
        (date(2026, 12, 5), 1, date(2027, 1, 1)),
        (date(2026, 5, 1), 12, date(2027, 5, 1)),
    ],
)
def test_months_are_counted_over_the_year(day: date, offset: int, first: date) -> None:
    assert migrate.month(day, offset) == first
