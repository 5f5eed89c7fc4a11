"""What is wrong with machine, settings, server, roles, policies and migrations, and what to do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import asyncpg

from lango.db.driver import DriverConnection
from lango.db.postgres import connect
from lango.doctor import machine, server
from lango.doctor.pooler import pooler
from lango.observability.finding import Finding, Level
from lango.settings import Settings

__all__ = ["Finding", "Level", "examine", "refusals", "refusals_of_poolers", "refusals_of_worker"]

CANNOT_CONNECT = (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, RuntimeError)


async def refusals(driver: DriverConnection) -> list[Finding]:
    """Why this login may not serve: empty when it may. A gateway that could read around the policies does not start."""
    found = [*await server.version(driver), *await server.login(driver), *await server.open_tables(driver)]
    return [each for each in found if each.level is Level.ERROR]


async def refusals_of_worker(address: str, settings: Settings) -> list[Finding]:
    """Why jobs may not be run at this address: empty when they may.

    Raises UnreachableDatabaseError and what the driver raises.
    """
    found = await pooler(address, "DATABASE_WORKER_URL", settings, needs_session=True)
    if any(each.level is Level.ERROR for each in found):
        return found
    connection = await connect(address, settings)
    try:
        found = await server.of_the_worker(connection)
    finally:
        await connection.close()
    return [each for each in found if each.level is Level.ERROR]


async def examine(settings: Settings) -> list[Finding]:
    """Everything that can be looked at from here, in the order in which one would mend it."""
    found = [*machine.python(), *machine.disk(settings), *machine.port(settings), *machine.settings(settings)]
    serving = settings.database_url.get_secret_value() if settings.database_url else None
    direct = settings.database_direct_url.get_secret_value() if settings.database_direct_url else None
    working = settings.database_worker_url.get_secret_value() if settings.database_worker_url else None
    owning = settings.database_owner_url.get_secret_value() if settings.database_owner_url else None
    if serving:
        found += await through(serving, "DATABASE_URL", settings, server.of_the_gateway, needs_session=direct is None)
    if direct:
        found += await through(direct, "DATABASE_DIRECT_URL", settings, server.of_the_gateway)
    if working:
        found += await through(working, "DATABASE_WORKER_URL", settings, server.of_the_worker)
    if owning:
        found += await through(owning, "DATABASE_OWNER_URL", settings, server.of_the_owner)
    else:
        found.append(
            Finding(
                "migrations", Level.WARNING, "DATABASE_OWNER_URL is not set: the migrations were not looked at.",
                "Set it to a login that may become lango_owner.",
            )
        )  # fmt: skip
    return found


async def refusals_of_poolers(settings: Settings) -> list[Finding]:
    """Why the gateway may not serve through what stands before the server: empty when it may.

    Raises UnreachableDatabaseError and what the driver raises.
    """
    assert settings.database_url is not None
    direct = settings.database_direct_url
    found = await pooler(
        settings.database_url.get_secret_value(), "DATABASE_URL", settings, needs_session=direct is None
    )
    if direct is not None:
        found += await pooler(direct.get_secret_value(), "DATABASE_DIRECT_URL", settings, needs_session=True)
    return [each for each in found if each.level is Level.ERROR]


async def through(
    address: str,
    name: str,
    settings: Settings,
    look: Callable[[server.Connection], Awaitable[list[Finding]]],
    *,
    needs_session: bool = True,
) -> list[Finding]:
    """What a look through this address finds; an address that does not answer is a finding itself."""
    try:
        found = await pooler(address, name, settings, needs_session=needs_session)
        if any(each.level is Level.ERROR for each in found):
            return found
        connection = await connect(address, settings)
    except CANNOT_CONNECT as error:
        return [
            Finding(
                "server", Level.ERROR, f"{name} cannot be used: {str(error).rstrip('.')}.",
                "Check that the server runs there, that the database exists, and that login and password are right.",
            )
        ]  # fmt: skip
    try:
        return found + await look(connection)
    finally:
        await connection.close()
