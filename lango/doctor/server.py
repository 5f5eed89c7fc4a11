"""What the server's catalogs say: its version, the logins, row-level security, migrations and partitions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg

from lango.db.migrate import VERSION_SCHEMA, MigrationError, versions_of
from lango.db.roles import GATEWAY, NEWEST, OLDEST, OWNER, REQUEST_ROLES, RULES, WORKER, major_version
from lango.jobs.maintenance import LAST_PARTITIONS, LAST_RUN, months_ahead, short_of_months, silent
from lango.observability.finding import Finding, Level

Connection: TypeAlias = "asyncpg.Connection[Any]"

PRINT_ROLES = "`lango migrate up` makes the roles where its login may; `lango doctor --print-roles` prints the SQL."

# The group schemas: those of the owner, except the one that holds Alembic's own table.
GROUPS = f"""
SELECT oid, nspname FROM pg_namespace
WHERE nspowner = (SELECT oid FROM pg_roles WHERE rolname = '{OWNER}') AND nspname <> '{VERSION_SCHEMA}'
"""

REACHABLE = f"""
SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolname = '{OWNER}' AS owner, EXISTS (
  SELECT FROM pg_class WHERE relowner = r.oid AND relnamespace IN (SELECT oid FROM ({GROUPS}) AS g)
) AS owns
FROM pg_roles AS r
WHERE oid = (SELECT oid FROM pg_roles WHERE rolname = session_user) OR pg_has_role(session_user, oid, 'MEMBER')
ORDER BY rolname <> session_user, rolname
"""

SERVING = ", ".join(f"'{name}'" for name in [*REQUEST_ROLES, WORKER])
# Column grants count as well: they are how the request roles read.
GRANTED = f"""
EXISTS (
  SELECT FROM pg_roles WHERE rolname IN ({SERVING}) AND (
    has_any_column_privilege(rolname, c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege(rolname, c.oid, 'DELETE')
  )
)
"""

OPEN_TABLES = f"""
SELECT c.oid::regclass::text AS name, c.relispartition AS partition
FROM pg_class AS c JOIN ({GROUPS}) AS g ON g.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND {GRANTED} ORDER BY 1
"""

UNPROTECTED = f"""
SELECT c.oid::regclass::text AS name
FROM pg_class AS c JOIN ({GROUPS}) AS g ON g.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT c.relrowsecurity AND NOT {GRANTED} ORDER BY 1
"""

NO_POLICY = f"""
SELECT c.oid::regclass::text AS name
FROM pg_class AS c JOIN ({GROUPS}) AS g ON g.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND {GRANTED}
  AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) ORDER BY 1
"""

FOREIGN_OWNER = f"""
SELECT c.oid::regclass::text || ' (of ' || pg_get_userbyid(c.relowner) || ')' AS name
FROM pg_class AS c JOIN ({GROUPS}) AS g ON g.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND pg_get_userbyid(c.relowner) <> '{OWNER}' ORDER BY 1
"""

LEAKY_VIEWS = f"""
SELECT c.oid::regclass::text AS name
FROM pg_class AS c JOIN ({GROUPS}) AS g ON g.oid = c.relnamespace
WHERE c.relkind = 'v' AND NOT coalesce('security_barrier=true' = ANY (c.reloptions), false) ORDER BY 1
"""

GRANTED_TO_PUBLIC = f"""
SELECT c.oid::regclass::text AS name
FROM pg_class AS c JOIN ({GROUPS}) AS g ON g.oid = c.relnamespace
WHERE EXISTS (SELECT FROM aclexplode(c.relacl) AS held WHERE held.grantee = 0)
  OR EXISTS (SELECT FROM pg_attribute AS a, aclexplode(a.attacl) AS held WHERE a.attrelid = c.oid AND held.grantee = 0)
ORDER BY 1
"""

OPEN_FUNCTIONS = f"""
SELECT p.oid::regprocedure::text AS name
FROM pg_proc AS p JOIN ({GROUPS}) AS g ON g.oid = p.pronamespace
WHERE p.prosecdef AND (
  EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS held WHERE held.grantee = 0)
  OR NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%')
) ORDER BY 1
"""

FAILING_RUNS = "SELECT job, failures, last_error FROM platform.scheduled_runs WHERE failures > 1 ORDER BY job"
FAILED_ROWS = """
SELECT job, count(*), min(first_failed_at) AS since, string_agg(DISTINCT last_error, ', ') AS errors
FROM platform.due_failures GROUP BY job ORDER BY job
"""


async def of_the_gateway(connection: Connection) -> list[Finding]:
    found = [*await version(connection), *await login(connection)]
    if any(each.level is Level.ERROR for each in found):
        return found
    return [*found, *await schedule(connection)]


async def of_the_worker(connection: Connection) -> list[Finding]:
    return await login(connection, WORKER, "DATABASE_WORKER_URL", [RULES])


async def of_the_owner(connection: Connection) -> list[Finding]:
    found = [*(await version(connection) if await unsupported(connection) else ()), *await owner_login(connection)]
    if any(each.level is Level.ERROR for each in found):
        return found
    return [
        *found,
        *await open_tables(connection),
        *await policies(connection),
        *await migrations(connection),
        *await partitions(connection),
    ]


async def unsupported(connection: Connection) -> bool:
    return not OLDEST <= major_version(connection) <= NEWEST


async def version(connection: Connection) -> list[Finding]:
    says = f"PostgreSQL {await connection.fetchval('SHOW server_version')}."
    if await unsupported(connection):
        return [Finding("server", Level.ERROR, says, f"lango runs on PostgreSQL {OLDEST} to {NEWEST}.")]
    return [Finding("server", Level.OK, says)]


async def login(
    connection: Connection,
    meant: str = GATEWAY,
    setting: str = "DATABASE_URL",
    becomes: Sequence[str] = tuple(REQUEST_ROLES),
) -> list[Finding]:
    """Whether the login that serves is bound by the policies, and can become what a request (or a job) needs."""
    reachable = await connection.fetch(REACHABLE)
    own, others = reachable[0], reachable[1:]
    name = own["rolname"]
    remedy = f"Serve as {meant}: set {setting} to it. {PRINT_ROLES}"
    if own["rolsuper"]:
        return [Finding("roles", Level.ERROR, f"The serving login {name} is a superuser: no policy binds it.", remedy)]
    powers = {
        "rolsuper": "is a superuser",
        "rolbypassrls": "has BYPASSRLS",
        "rolcreaterole": "may make roles, and so may grant itself others",
        "owner": "is the owner, whom no policy binds",
        "owns": "owns tables, and no policy binds an owner",
    }
    found = [
        Finding("roles", Level.ERROR, f"The serving login {name} {means}.", remedy)
        for power, means in powers.items()
        if own[power]
    ]
    for role in others:
        for power, means in powers.items():
            if role[power]:
                says = f"The serving login {name} is a member of {role['rolname']}, which {means}."
                found.append(Finding("roles", Level.ERROR, says, f"REVOKE {role['rolname']} FROM {name};"))
                break
    may_be = {role["rolname"] for role in others}
    missing = [role for role in becomes if role not in may_be]
    if missing:
        says = f"The serving login {name} cannot become {', '.join(missing)}."
        found.append(Finding("roles", Level.ERROR, says, PRINT_ROLES))
    if await connection.fetchval("SELECT rolinherit FROM pg_roles WHERE rolname = $1", name):
        says = f"The serving login {name} inherits: outside a request it has what the roles have that it may become."
        found.append(Finding("roles", Level.WARNING, says, f"ALTER ROLE {name} NOINHERIT;"))
    return found or [Finding("roles", Level.OK, f"{name} serves, bound by the policies.")]


async def owner_login(connection: Connection) -> list[Finding]:
    kind = "SET" if major_version(connection) >= 16 else "MEMBER"
    name = await connection.fetchval("SELECT session_user")
    exists = await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", OWNER)
    if not exists:
        return [Finding("roles", Level.ERROR, f"There is no role {OWNER}.", PRINT_ROLES)]
    if not await connection.fetchval("SELECT pg_has_role(session_user, $1, $2)", OWNER, kind):
        return [Finding("roles", Level.ERROR, f"The owner's login {name} cannot become {OWNER}.", PRINT_ROLES)]
    return [Finding("roles", Level.OK, f"{name} migrates as {OWNER}.")]


async def listed(connection: Connection, query: str, says: str, remedy: str) -> list[Finding]:
    """One error for all that a query finds."""
    names = [row["name"] for row in await connection.fetch(query)]
    if not names:
        return []
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [Finding("policies", Level.ERROR, f"{says}: {shown}.", remedy)]


async def open_tables(connection: Connection) -> list[Finding]:
    """Tables that a serving role may touch while no policy stands before their rows."""
    return await listed(
        connection, OPEN_TABLES, "Granted to a serving role without row-level security",
        "ALTER TABLE … ENABLE ROW LEVEL SECURITY; a partition is to be granted to nobody: revoke it.",
    )  # fmt: skip


async def policies(connection: Connection) -> list[Finding]:
    remedy = "The migrations do not build this: undo it by hand, as lango_owner."
    checks = [
        (UNPROTECTED, "Without row-level security", "ALTER TABLE … ENABLE ROW LEVEL SECURITY;"),
        (NO_POLICY, "Granted, but without a policy, so that nobody sees a row", remedy),
        (FOREIGN_OWNER, f"Not owned by {OWNER}", f"ALTER TABLE … OWNER TO {OWNER};"),
        (LEAKY_VIEWS, "Views without security_barrier", "ALTER VIEW … SET (security_barrier = true);"),
        (GRANTED_TO_PUBLIC, "Granted to PUBLIC", "REVOKE ALL ON … FROM PUBLIC;"),
        (
            OPEN_FUNCTIONS, "SECURITY DEFINER functions that PUBLIC may call, or without a search_path of their own",
            "REVOKE EXECUTE ON FUNCTION … FROM PUBLIC; ALTER FUNCTION … SET search_path = pg_catalog;",
        ),
    ]  # fmt: skip
    found = [finding for check in checks for finding in await listed(connection, *check)]
    return found or [Finding("policies", Level.OK, "Row-level security stands before every table.")]


async def migrations(connection: Connection) -> list[Finding]:
    up = "`lango migrate up`"
    try:
        versions = await versions_of(connection)
    except MigrationError as error:
        return [Finding("migrations", Level.ERROR, f"The migrations cannot be read: {error}.", up)]
    missing = [each.name for each in versions if not each.applied]
    changed = [each.name for each in versions if each.changed]
    found = []
    if missing:
        says = f"{len(missing)} of {len(versions)} migrations have not been run: next is {missing[0]}."
        found.append(Finding("migrations", Level.ERROR, says, up))
    if changed:
        says = f"Changed since they were run: {', '.join(changed)}."
        remedy = "A version that has shipped is never edited: restore its files, and write a new one for the change."
        found.append(Finding("migrations", Level.ERROR, says, remedy))
    return found or [Finding("migrations", Level.OK, f"All {len(versions)} migrations have been run as they are.")]


async def partitions(connection: Connection) -> list[Finding]:
    """Whether the tables that are partitioned by month have a place for the rows of the next months."""
    until = {row["name"]: row["until"] for row in await connection.fetch(LAST_PARTITIONS)}
    remedy = "The worker makes them, hour by hour; `lango migrate up` makes those of the coming year at once."
    if none := [name for name, day in until.items() if not months_ahead(day)]:
        return [Finding("partitions", Level.ERROR, f"No partition for next month: {', '.join(none)}.", remedy)]
    if short := short_of_months(until):
        return [Finding("partitions", Level.WARNING, short, remedy)]
    says = f"{len(until)} partitioned tables reach beyond next month."
    return [Finding("partitions", Level.OK, says)] if until else []


async def schedule(connection: Connection) -> list[Finding]:
    """Whether a worker runs what is due, and what it could not do."""
    async with connection.transaction(readonly=True):
        # The login itself may look into no schema, not even whether there is such a table.
        await connection.execute(f"SET LOCAL ROLE {RULES}")
        if await connection.fetchval("SELECT to_regclass('platform.scheduled_runs')") is None:
            return []
        last = await connection.fetchval(LAST_RUN)
        failing = await connection.fetch(FAILING_RUNS)
        failed = await connection.fetch(FAILED_ROWS)
    silence = silent(last, datetime.now(UTC))
    found = (
        [Finding("jobs", Level.WARNING, silence, "Start `lango work`; `lango dev` has a worker.")] if silence else []
    )
    for row in failing:
        says = f"{row['job']} has failed {row['failures']} times in a row: {row['last_error']}."
        found.append(Finding("jobs", Level.WARNING, says, "The worker's log says why."))
    for row in failed:
        says = f"{row['job']} cannot do {row['count']} rows, at first {row['since']:%Y-%m-%d}: {row['errors']}."
        remedy = "They are tried again by themselves; platform.due_failures names them, and the worker's log says why."
        found.append(Finding("jobs", Level.WARNING, says, remedy))
    return found or [Finding("jobs", Level.OK, "Workers run what is due.")]
