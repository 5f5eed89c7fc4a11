"""The database that a command works on: that of the settings, or the embedded one, joined or started for the while."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from lango.cli.console import fail, info
from lango.db import roles
from lango.db.postgres import async_url, connect, open_session
from lango.embedded import embedded
from lango.settings import Settings, settings

DATABASE = "lango"


@contextmanager
def database(*, serving: bool = True) -> Iterator[Settings]:
    """The settings with the addresses set; the owner's alone is enough where nothing is served.

    In development the generated key signs tokens, unless one is configured, and payments are made in the sandbox. The
    environment is changed for what is started from here: the gateway's workers read it.
    """
    current = settings()
    if current.database_url is not None or (not serving and current.database_owner_url is not None):
        yield current
        return
    if current.database_owner_url is not None:
        fail("DATABASE_OWNER_URL is set and DATABASE_URL is not. Set both, or neither for the embedded server.")
    with embedded(current.data_dir, "dev", current.embedded_version, info) as server:
        added = {
            "DATABASE_URL": server.gateway_url(DATABASE),
            "DATABASE_OWNER_URL": server.owner_url(DATABASE),
            "DATABASE_WORKER_URL": server.worker_url(DATABASE),
            "LANGO_ALLOW_DEV_KEY": "1",
            "LANGO_API_KEY_ENVIRONMENT": "dev",
            **sandbox(current),
        }
        os.environ.update(added)
        settings.cache_clear()
        asyncio.run(roles.create_database(server.owner_url("postgres"), DATABASE))
        try:
            yield settings()
        finally:
            for name in added:
                os.environ.pop(name, None)
            settings.cache_clear()


def sandbox(current: Settings) -> dict[str, str]:
    """What makes sure that nothing tried here moves money, unless the settings say that it shall."""
    # Most commands do without the providers, which take long to import.
    from lango.providers.registry import PROVIDERS

    return {name: value for provider in PROVIDERS for name, value in provider.development(current).items()}


def owner_url(current: Settings) -> str:
    if current.database_owner_url is None:
        fail("This needs DATABASE_OWNER_URL: the same database, as a login that may become lango_owner.")
    return current.database_owner_url.get_secret_value()


async def make_roles(current: Settings) -> None:
    """Make the roles that are missing; a login that is made gets the password that its address has."""
    try:
        await roles.ensure(
            owner_url(current), password_in(current.database_url), password_in(current.database_worker_url)
        )
    except asyncpg.InsufficientPrivilegeError as error:
        fail(
            f"The login of DATABASE_OWNER_URL may not make the roles ({error}). "
            "Have an administrator run what `lango doctor --print-roles` prints."
        )


def password_in(address: SecretStr | None) -> str | None:
    password = async_url(address.get_secret_value()).password if address else None
    return str(password) if password else None


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    contact: str
    roles: list[str]


async def person(connection: asyncpg.Connection[Any], who: str) -> Person:
    """The user of this id, email address, phone number or demo name. The connection must be the owner's."""
    wanted = who
    if who.isidentifier():
        from seeds import DEMO_CALLERS

        callers = {caller.name: caller.email for caller in DEMO_CALLERS}
        if who not in callers:
            fail(
                f"There is no demo caller {who!r}. There are: {', '.join(callers)}; or give an email, a phone or an id."
            )
        wanted = callers[who]
    row = await connection.fetchrow(
        "SELECT id, coalesce(email, phone) AS contact, coalesce(roles, '{}') AS roles FROM identity.users"
        " WHERE deleted_at IS NULL AND (id::text = lower($1) OR email = $1 OR phone = $1)",
        wanted.strip(),
    )
    if row is None:
        fail(f"There is no user {who!r}. Give an email address, a phone number or an id as the database has it.")
    return Person(row["id"], row["contact"], list(row["roles"]))


@asynccontextmanager
async def as_owner(current: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection that has become lango_owner."""
    connection = None
    try:
        connection = await connect(owner_url(current), current, open_=open_session)
        await connection.execute(f"SET ROLE {roles.OWNER}")
        yield connection
    except (
        asyncpg.InvalidCatalogNameError,  # no such database
        asyncpg.UndefinedObjectError,  # no such role
        asyncpg.InvalidParameterValueError,  # no such role, of SET
        asyncpg.UndefinedTableError,
    ):
        fail("The database has no tables yet. Run `lango dev`, or `lango migrate up` and `lango seed`.")
    finally:
        if connection is not None:
            await connection.close()
