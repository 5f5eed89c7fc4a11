"""What is wrong with machine, settings, server, roles, policies and migrations, and what to do about it."""

from __future__ import annotations

from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from lango.doctor import machine, server
from lango.doctor.finding import Finding, Level
from lango.postgres import connect
from lango.session import raw_driver
from lango.settings import Settings

__all__ = ["Finding", "Level", "examine", "refusals", "refusals_of_worker"]

CANNOT_CONNECT = (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, RuntimeError)


async def refusals(engine: AsyncEngine) -> list[Finding]:
    """Why this login may not serve: empty when it may. A gateway that could read around the policies does not start."""
    async with engine.connect() as connection:
        driver = await raw_driver(connection)
        found = [*await server.version(driver), *await server.login(driver), *await server.open_tables(driver)]
    return [each for each in found if each.level is Level.ERROR]


async def refusals_of_worker(engine: AsyncEngine) -> list[Finding]:
    """Why this login may not run jobs: empty when it may."""
    async with engine.connect() as connection:
        found = await server.of_the_worker(await raw_driver(connection))
    return [each for each in found if each.level is Level.ERROR]


async def examine(settings: Settings) -> list[Finding]:
    """Everything that can be looked at from here, in the order in which one would mend it."""
    found = [*machine.python(), *machine.disk(settings), *machine.port(settings), *machine.settings(settings)]
    serving = settings.database_url.get_secret_value() if settings.database_url else None
    working = settings.database_worker_url.get_secret_value() if settings.database_worker_url else None
    owning = settings.database_owner_url.get_secret_value() if settings.database_owner_url else None
    if serving:
        found += await through(serving, "DATABASE_URL", settings, server.of_the_gateway)
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


async def through(address: str, name: str, settings: Settings, look: Any) -> list[Finding]:
    """What a look through this address finds; an address that does not answer is a finding itself."""
    try:
        connection = await connect(address, settings)
    except CANNOT_CONNECT as error:
        return [
            Finding(
                "server", Level.ERROR, f"{name} cannot be used: {str(error).rstrip('.')}.",
                "Check that the server runs there, that the database exists, and that login and password are right.",
            )
        ]  # fmt: skip
    try:
        found: list[Finding] = await look(connection)
    finally:
        await connection.close()
    return found
