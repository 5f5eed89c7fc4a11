"""The roles, on the versions that the wheel brings."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.db import roles
from lango.db.postgres import connect
from lango.embedded import Server
from tests.operations.test_commands import lango


async def database_of(server: Server) -> str:
    name = f"t{uuid4().hex[:12]}"
    await roles.create_database(server.owner_url("postgres"), name)
    return name


async def state(url: str) -> list[tuple[Any, ...]]:
    """Everything that the roles' SQL could have changed."""
    connection = await connect(url)
    try:
        queries = [
            "SELECT rolname, rolcanlogin, rolinherit, rolsuper FROM pg_roles WHERE rolname LIKE 'lango%' ORDER BY 1",
            """SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text FROM pg_auth_members
            WHERE roleid::regrole::text LIKE 'lango%' ORDER BY 1, 2, 3""",
            "SELECT datacl::text FROM pg_database WHERE datname = current_database()",
        ]
        return [tuple(row) for query in queries for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_they_are_made_once(server: Server) -> None:
    url = server.owner_url(await database_of(server))
    await roles.ensure(url)
    once = await state(url)

    await roles.ensure(url)

    assert await state(url) == once
    assert ("lango_owner", False, True, False) in once
    assert ("lango_gateway", True, False, False) in once
    assert ("lango_rules", "lango_worker", "postgres") in once


async def test_many_make_them_at_once(server: Server) -> None:
    urls = [server.owner_url(await database_of(server)) for _ in range(3)]

    await asyncio.gather(*(roles.ensure(url) for url in urls * 3))

    for url in urls:
        assert len(await state(url)) == len(await state(urls[0]))


async def test_the_gateway_becomes_what_a_request_needs_and_nothing_else(server: Server) -> None:
    name = await database_of(server)
    await roles.ensure(server.owner_url(name))
    gateway = await connect(server.gateway_url(name))
    try:
        for role in roles.REQUEST_ROLES:
            await gateway.execute(f"SET ROLE {role}")
        for role in ("lango_owner", "lango_worker", "postgres"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await gateway.execute(f"SET ROLE {role}")
    finally:
        await gateway.close()


async def test_nobody_but_the_owner_makes_anything_here(server: Server) -> None:
    name = await database_of(server)
    await roles.ensure(server.owner_url(name))
    for url in (server.gateway_url(name), server.worker_url(name)):
        connection = await connect(url)
        try:
            for statement in ("CREATE SCHEMA mine", "CREATE TABLE public.mine ()", "CREATE TEMP TABLE mine ()"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
        finally:
            await connection.close()


async def test_a_login_that_is_no_superuser_makes_them_and_migrates(newest: Server) -> None:
    """As on a managed server: CREATEROLE and a database of its own, on a cluster without our roles."""
    administrator = await connect(newest.owner_url("postgres"))
    suffix = uuid4().hex[:8]
    try:
        await administrator.execute(f"CREATE ROLE boss_{suffix} LOGIN CREATEROLE")
        await administrator.execute(f"CREATE DATABASE managed_{suffix} OWNER boss_{suffix}")
        # The cluster has the roles already: this login's own have other names.
        sql = roles.roles_sql().replace("lango_", f"x{suffix}_")
    finally:
        await administrator.close()
    boss = await connect(newest.url(f"boss_{suffix}", f"managed_{suffix}"))
    try:
        await boss.execute(sql)
        await boss.execute(sql)
        await boss.execute(f"SET ROLE x{suffix}_owner; CREATE SCHEMA pots; RESET ROLE")
        owner = await boss.fetchval("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'pots'")
    finally:
        await boss.close()
    assert owner == f"x{suffix}_owner"


@pytest.mark.parametrize("password", ["secret", "pässwörd ☃", "with'quote\"and\\", "soft\u00adhyphen"])
async def test_a_verifier_made_here_is_what_the_server_takes(newest: Server, password: str) -> None:
    name = f"scram_{uuid4().hex[:8]}"
    hba = newest.home / "data" / "pg_hba.conf"
    administrator = await connect(newest.owner_url("postgres"))
    try:
        await administrator.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{roles.scram_verifier(password)}'")
        hba.write_text(f"local all {name} scram-sha-256\n{hba.read_text()}")
        await administrator.execute("SELECT pg_reload_conf(); SELECT pg_sleep(0.3)")
    finally:
        await administrator.close()
    address = {"host": str(newest.socket), "user": name, "database": "postgres"}

    connection = await asyncpg.connect(**address, password=password)  # type: ignore[arg-type]
    await connection.close()

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(**address, password="other")  # type: ignore[arg-type]


def test_a_verifier_is_that_of_the_specification() -> None:
    """RFC 7677 gives the salt, the iterations and the password; PostgreSQL stores the keys derived from them."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")

    assert roles.scram_verifier("pencil", salt) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


async def test_a_version_that_is_not_supported_is_refused_by_the_sql_itself(
    newest: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = newest.owner_url(await database_of(newest))
    before = await state(url)
    monkeypatch.setattr(roles, "NEWEST", 16)

    with pytest.raises(roles.UnsupportedServerError, match="lango runs on 15 to 16"):
        await roles.ensure(url)

    assert await state(url) == before


async def test_what_is_printed_before_the_database_exists_runs_in_it(server: Server, tmp_path: Path) -> None:
    """As README's "Another PostgreSQL" has it: print, create the database, run what was printed in it."""
    name = f"later_{uuid4().hex[:8]}"
    url = server.owner_url(name)
    printed = lango("doctor", "--print-roles", data_dir=tmp_path, DATABASE_OWNER_URL=url)
    assert (printed.returncode, printed.stderr) == (0, "")

    administrator = await connect(server.owner_url("postgres"))
    try:
        await administrator.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    finally:
        await administrator.close()
    connection = await connect(url)
    try:
        await connection.execute(printed.stdout)
        await connection.execute("SET ROLE lango_owner; CREATE SCHEMA pots; RESET ROLE")
    finally:
        await connection.close()

    assert ("lango_rules", "lango_worker", "postgres") in await state(url)


def test_clauses_unknown_to_15_are_used_only_on_newer_servers() -> None:
    """Its grammar has no such words, and its catalog no such column: neither may stand in a statement of its own."""
    outside = re.sub(r"\$(\w+)\$.*?\$\1\$", "", roles.roles_sql(), flags=re.DOTALL)

    assert "WITH INHERIT" not in outside
    assert "set_option" not in outside.lower()
    assert "WITH INHERIT FALSE, SET TRUE' ELSE ''" in roles.roles_sql()
