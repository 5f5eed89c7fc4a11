"""The roles of a cluster, as SQL that asks its server's version (15 to 18) by itself, and the making of a database."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import stringprep
import unicodedata
from typing import Any

import asyncpg

from lango.actor import DatabaseRole
from lango.db.postgres import connect

OWNER = "lango_owner"
GATEWAY = "lango_gateway"
WORKER = DatabaseRole.WORKER.value
RULES = DatabaseRole.RULES.value
# What the gateway may become, for one transaction at a time.
REQUEST_ROLES = [role.value for role in DatabaseRole if role is not DatabaseRole.WORKER]
OLDEST, NEWEST = 15, 18
LOCK = 7_265_461_001
ITERATIONS = 4096

# Two sessions of different databases do not see each other's advisory locks, and roles belong to the whole cluster.
RACES = (
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.InternalServerError,  # tuple concurrently updated
    asyncpg.DeadlockDetectedError,
)
ATTEMPTS = 20


class UnsupportedServerError(RuntimeError):
    """The server's version is not one that lango runs on."""


def saslprep(password: str) -> str:
    """The password as RFC 4013 prepares it; as it is, where that refuses it (PostgreSQL does the same)."""
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in password if not stringprep.in_table_b1(letter)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    forbidden = (
        stringprep.in_table_a1, stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3,
        stringprep.in_table_c4, stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7,
        stringprep.in_table_c8, stringprep.in_table_c9,
    )  # fmt: skip
    if any(table(letter) for letter in prepared for table in forbidden) or not prepared:
        return password
    if any(map(stringprep.in_table_d1, prepared)):
        ends_right_to_left = stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])
        if any(map(stringprep.in_table_d2, prepared)) or not ends_right_to_left:
            return password
    return prepared


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL stores for a password. Made here, so that the password itself is in no statement and no log."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"


def roles_sql(gateway_verifier: str | None = None, worker_verifier: str | None = None) -> str:
    """The SQL that makes what is missing of the roles. Run it in lango's database, as a login with CREATEROLE that may
    grant on the database; run again it changes nothing. It is the same for every server: what differs between versions
    is decided where it runs, so that it can be printed before the server, or the database, can be reached."""
    passwords = {
        name: f" PASSWORD '{verifier}'" if verifier else ""
        for name, verifier in ((GATEWAY, gateway_verifier), (WORKER, worker_verifier))
    }
    no_login = ", ".join(f"'{name}'" for name in [OWNER, *REQUEST_ROLES])
    pairs = [(role, GATEWAY) for role in REQUEST_ROLES] + [(RULES, WORKER)]
    grants = ", ".join(f"('{role}', '{member}')" for role, member in pairs)
    return f"""\
BEGIN;
SELECT pg_advisory_xact_lock({LOCK});

DO $version$
BEGIN
  IF current_setting('server_version_num')::int / 10000 NOT BETWEEN {OLDEST} AND {NEWEST} THEN
    RAISE EXCEPTION 'The server is PostgreSQL %; lango runs on {OLDEST} to {NEWEST}.', current_setting('server_version')
      USING ERRCODE = 'feature_not_supported';
  END IF;
END
$version$;

DO $roles$
DECLARE
  missing text;
BEGIN
  FOREACH missing IN ARRAY ARRAY[{no_login}] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = missing) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{GATEWAY}') THEN
    CREATE ROLE {GATEWAY} LOGIN NOINHERIT{passwords[GATEWAY]};
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{WORKER}') THEN
    CREATE ROLE {WORKER} LOGIN NOINHERIT{passwords[WORKER]};
  END IF;
END
$roles$;

-- Who may become whom.
DO $grants$
DECLARE
  -- From 16 on, who makes a role cannot become it until granted; to 15 the words are a syntax error.
  knows_set boolean := current_setting('server_version_num')::int >= 160000;
  may_become text := CASE WHEN knows_set THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES {grants}) AS pairs (role, member)
  LOOP
    IF NOT EXISTS (
      -- As JSON, because 15 has no such column.
      SELECT FROM pg_auth_members AS held
      WHERE held.roleid = wanted.role::regrole AND held.member = wanted.member::regrole
        AND coalesce((to_jsonb(held) ->> 'set_option')::boolean, true)
    ) THEN
      EXECUTE format('GRANT %I TO %I', wanted.role, wanted.member) || may_become;
    END IF;
  END LOOP;
  -- The login that migrates does so as the owner.
  IF NOT pg_has_role(current_user, '{OWNER}', CASE WHEN knows_set THEN 'SET' ELSE 'MEMBER' END) THEN
    EXECUTE format('GRANT {OWNER} TO %I', current_user) || may_become;
  END IF;
END
$grants$;

-- In this database the owner makes schemas, the serving roles only connect, and nobody else makes anything.
DO $database$
DECLARE
  here text := current_database();
BEGIN
  IF NOT has_database_privilege('{OWNER}', here, 'CREATE') THEN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO {OWNER}', here);
  END IF;
  IF EXISTS (
    SELECT FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS held
    WHERE datname = here AND held.grantee = 0 AND held.privilege_type = 'TEMPORARY'
  ) THEN
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO {OWNER}', here);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO {GATEWAY}, {WORKER}', here);
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', here);
  END IF;
  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public' AND has_schema_privilege('public', oid, 'CREATE')) THEN
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END IF;
END
$database$;
COMMIT;
"""


def password_sql(password: str, login: str = GATEWAY) -> str:
    """Give the login this password, which the statement does not contain."""
    return f"ALTER ROLE {login} PASSWORD '{scram_verifier(password)}';"


def major_version(connection: asyncpg.Connection[Any]) -> int:
    return int(connection.get_server_version().major)


async def ensure(owner_url: str, gateway_password: str | None = None, worker_password: str | None = None) -> None:
    """Make the roles that are missing and what the database of this address grants them. Safe from many processes.

    A login that exists keeps its password. Raises UnsupportedServerError, and
    asyncpg.InsufficientPrivilegeError where the login may not.
    """
    connection = await connect(owner_url)
    try:
        sql = roles_sql(*(scram_verifier(each) if each else None for each in (gateway_password, worker_password)))
        for attempt in range(ATTEMPTS):
            try:
                await connection.execute(sql)
            except asyncpg.FeatureNotSupportedError as error:
                raise UnsupportedServerError(str(error)) from None
            except RACES:
                await connection.execute("ROLLBACK")
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.05)
            else:
                return
    finally:
        await connection.close()


async def create_database(server_url: str, name: str) -> bool:
    """Make a database, given the address of any other one of the same server; says whether it was missing."""
    connection = await connect(server_url)
    try:
        if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            return False
        try:
            await connection.execute(f'CREATE DATABASE "{name.replace(chr(34), chr(34) * 2)}" TEMPLATE template0')
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            return False
        return True
    finally:
        await connection.close()
