"""What the database itself refuses the gateway's login, whatever the gateway would send it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from models.base import models
from models.columns import SECRET, STAFF_ONLY
from models.ddl import GROUPS, readable

REQUEST_ROLES = ("lango_anonymous", "lango_member", "lango_staff")
TABLES = [model for model in models() if model.__face__ is None]
SCHEMAS = [*GROUPS, "lango", "jobs"]
# No right to it; or a view, where there is nothing to be written to, whoever asks.
REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.WrongObjectTypeError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)


@pytest.fixture
async def gateway(gateway_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection as the gateway's login, in a transaction that is never committed."""
    connection = await asyncpg.connect(gateway_url)
    await connection.execute("BEGIN")
    yield connection
    await connection.close()


async def refused(connection: asyncpg.Connection[Any], statement: str) -> bool:
    """Whether the statement is refused for want of a right; nothing of it stays."""
    await connection.execute("SAVEPOINT attempt")
    try:
        await connection.execute(statement)
    except REFUSALS:
        return True
    finally:
        await connection.execute("ROLLBACK TO SAVEPOINT attempt")
    return False


async def names(connection: asyncpg.Connection[Any], statement: str, *arguments: Any) -> list[str]:
    return [str(record[0]) for record in await connection.fetch(statement, *arguments)]


async def test_the_gateways_login_has_no_special_rights(gateway: asyncpg.Connection[Any]) -> None:
    special = await gateway.fetchval(
        """
        SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit
        FROM pg_roles WHERE rolname = session_user
        """
    )
    powerful = await names(
        gateway,
        """
        SELECT rolname FROM pg_roles
        WHERE (rolsuper OR rolbypassrls OR rolname = 'lango_owner') AND pg_has_role(session_user, oid, 'MEMBER')
        """,
    )
    owned = await names(
        gateway,
        "SELECT objid::text FROM pg_shdepend WHERE refobjid = session_user::regrole AND deptype = 'o'",
    )

    assert (special, powerful, owned) == (False, [], [])
    assert await gateway.fetchval("SELECT session_user") == "lango_gateway"


@pytest.mark.parametrize("role", ["lango_owner", "lango_worker", "postgres", "pg_read_all_data"])
async def test_the_gateway_cannot_become(gateway: asyncpg.Connection[Any], role: str) -> None:
    if not await gateway.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role):
        pytest.skip(f"This cluster has no role {role}.")

    assert await refused(gateway, f"SET LOCAL ROLE {role}")
    assert await refused(gateway, f"SET SESSION AUTHORIZATION {role}")


async def test_before_it_becomes_a_role_the_gateway_reads_nothing(gateway: asyncpg.Connection[Any]) -> None:
    open_ = [model.table().fullname for model in models() if not await refused(gateway, _count(model.table().fullname))]

    assert open_ == []


def _count(table: str) -> str:
    return f"SELECT count(*) FROM {table}"


@pytest.mark.parametrize("role", REQUEST_ROLES)
async def test_a_request_role_changes_nothing(gateway: asyncpg.Connection[Any], role: str) -> None:
    await gateway.execute(f"SET LOCAL ROLE {role}")
    allowed: list[str] = []
    for model in models():
        table = model.table().fullname
        key = [column.name for column in model.table().columns if column.computed is None and column.identity is None][
            -1
        ]
        statements = (
            f"INSERT INTO {table} DEFAULT VALUES",
            f"UPDATE {table} SET {key} = {key}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"SELECT {key} FROM {table} FOR UPDATE",
        )
        allowed += [statement for statement in statements if not await refused(gateway, statement)]

    assert allowed == []


@pytest.mark.parametrize("role", REQUEST_ROLES)
async def test_a_request_role_reads_no_secret(gateway: asyncpg.Connection[Any], role: str) -> None:
    await gateway.execute(f"SET LOCAL ROLE {role}")
    kept = {SECRET} if role == "lango_staff" else {SECRET, STAFF_ONLY}
    shown, hidden = [], []
    for model in TABLES:
        for column in model.table().columns:
            name = f"{model.table().fullname}.{column.name}"
            statements = (
                f"SELECT {column.name} FROM {model.table().fullname}",
                f"SELECT 1 FROM {model.table().fullname} WHERE {column.name} IS NULL",
            )
            answers = {await refused(gateway, statement) for statement in statements}
            if answers != {True} and (kept & column.info.keys() or model.__access__ is None):
                shown.append(name)
            if answers != {False} and not (kept & column.info.keys()) and model.__access__ is not None:
                hidden.append(name)

    assert (shown, hidden) == ([], [])


@pytest.mark.parametrize("role", REQUEST_ROLES)
async def test_a_whole_row_is_refused_where_it_holds_a_secret(gateway: asyncpg.Connection[Any], role: str) -> None:
    await gateway.execute(f"SET LOCAL ROLE {role}")
    staff = role == "lango_staff"
    secretive = [model for model in TABLES if len(readable(model, staff=staff)) < len(model.table().columns)]

    for model in secretive:
        assert await refused(gateway, f"SELECT * FROM {model.table().fullname}")
        assert await refused(gateway, f"SELECT row_to_json(r) FROM {model.table().fullname} r")


@pytest.mark.parametrize("role", REQUEST_ROLES)
async def test_internal_tables_and_partitions_are_closed(gateway: asyncpg.Connection[Any], role: str) -> None:
    tables = """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1) AND (n.nspname || '.' || c.relname = ANY ($2) OR c.relispartition AND c.relkind = 'r')
    """
    internal = [model.table().fullname for model in TABLES if model.__access__ is None]
    granted = f"""{tables}
        AND (has_any_column_privilege($3, c.oid, 'SELECT') OR has_table_privilege($3, c.oid, 'INSERT')
             OR has_table_privilege($3, c.oid, 'UPDATE') OR has_table_privilege($3, c.oid, 'DELETE'))
    """

    assert len(await names(gateway, tables, SCHEMAS, internal)) > len(internal) > 3
    assert await names(gateway, granted, SCHEMAS, internal, role) == []


async def test_partitions_are_closed_to_all_who_serve(gateway: asyncpg.Connection[Any]) -> None:
    """A partition that is granted would go round its parent's policies."""
    granted = await names(
        gateway,
        """
        SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relispartition AND n.nspname = ANY ($1) AND c.relkind = 'r' AND c.relacl IS NOT NULL
          AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)
        """,
        SCHEMAS,
    )

    assert granted == []


async def test_every_table_has_policies_and_no_stranger_owns_anything(gateway: asyncpg.Connection[Any]) -> None:
    relations = """
        SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1)
    """
    open_ = await names(gateway, f"{relations} AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity", SCHEMAS)
    strangers = await names(gateway, f"{relations} AND c.relowner <> 'lango_owner'::regrole", SCHEMAS)
    public = await names(
        gateway,
        f"{relations} AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0)",
        SCHEMAS,
    )
    creators = await names(
        gateway,
        """
        SELECT n.nspname || ' ' || r.rolname FROM pg_namespace n, pg_roles r
        WHERE n.nspname = ANY ($1) AND r.rolname LIKE 'lango%' AND r.rolname <> 'lango_owner'
          AND has_schema_privilege(r.oid, n.oid, 'CREATE')
        """,
        SCHEMAS,
    )

    assert (open_, strangers, public, creators) == ([], [], [], [])


async def test_a_table_has_one_policy_for_each_role(gateway: asyncpg.Connection[Any]) -> None:
    doubled = await names(
        gateway,
        """
        SELECT p.polrelid::regclass FROM pg_policy p CROSS JOIN unnest(p.polroles) r
        GROUP BY p.polrelid, r HAVING count(*) > 1
        """,
    )
    for_all = await names(gateway, "SELECT polrelid::regclass FROM pg_policy WHERE polroles = '{0}'")

    assert (doubled, for_all) == ([], [])


async def test_public_views_are_security_barriers(gateway: asyncpg.Connection[Any]) -> None:
    views = await gateway.fetch(
        """
        SELECT c.oid::regclass::text AS name, coalesce(c.reloptions, '{}') AS options
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY ($1) AND c.relkind IN ('v', 'm')
        """,
        SCHEMAS,
    )

    assert {view["name"] for view in views} == {m.table().fullname for m in models() if m.__face__ is not None}
    assert [view["name"] for view in views if "security_barrier=true" not in view["options"]] == []


async def test_functions_are_pinned_owned_and_not_public(gateway: asyncpg.Connection[Any]) -> None:
    functions = """
        SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = ANY ($1)
    """
    pinned = "coalesce(p.proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp', 'search_path=\"\"']"
    public = "has_function_privilege('pg_monitor', p.oid, 'EXECUTE')"

    assert len(await names(gateway, functions, SCHEMAS)) > 20
    assert await names(gateway, f"{functions} AND p.prosecdef AND NOT {pinned}", SCHEMAS) == []
    assert await names(gateway, f"{functions} AND p.proowner <> 'lango_owner'::regrole", SCHEMAS) == []
    # pg_monitor has been granted nothing of ours: what it may call, PUBLIC may.
    assert await names(gateway, f"{functions} AND {public}", SCHEMAS) == []


async def test_trigger_functions_cannot_be_called(gateway: asyncpg.Connection[Any]) -> None:
    callable_ = await names(
        gateway,
        """
        SELECT p.oid::regprocedure || ' ' || r.rolname
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, pg_roles r
        WHERE n.nspname = 'lango' AND p.prorettype = 'trigger'::regtype
          AND r.rolname LIKE 'lango%' AND r.rolname <> 'lango_owner' AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
        """,
    )

    assert callable_ == []


@pytest.mark.parametrize("role", REQUEST_ROLES)
async def test_definer_functions_do_not_trust_the_callers_path(gateway: asyncpg.Connection[Any], role: str) -> None:
    """A table, a function or an operator of the caller's own, first in the search path, is not used."""
    temporary = await gateway.fetchval("SELECT has_database_privilege($1, current_database(), 'TEMP')", role)
    await gateway.execute(f"SET LOCAL ROLE {role}")
    if temporary:
        await gateway.execute("CREATE TEMP TABLE users AS SELECT 1 AS id; SET LOCAL search_path = pg_temp, pg_catalog")

    assert await gateway.fetchval("SELECT lango.my_pots()") == []
    assert not await gateway.fetchval("SELECT lango.is_staff()")
