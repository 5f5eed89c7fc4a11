"""Databases on the run's own server, made from its template and dropped again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

TEMPLATE = "lango_template"


def of_database(url: str, name: str) -> str:
    """The same server and login, at another database."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def name_of(url: str) -> str:
    return str(make_url(url).database)


async def create(url: str, name: str, template: str | None = TEMPLATE) -> None:
    """Make a database anew. Nobody may be connected to its template meanwhile."""
    await _administer(
        url,
        f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
        f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""),
    )


async def drop(url: str, name: str) -> None:
    await _administer(url, f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def database(url: str, purpose: str) -> AsyncIterator[str]:
    """A migrated database for as long as that; gives its address, as its owner."""
    name = f"lango_{purpose}_{uuid4().hex[:8]}"
    await create(url, name)
    try:
        yield of_database(url, name)
    finally:
        await drop(url, name)


async def _administer(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(of_database(url, "postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
