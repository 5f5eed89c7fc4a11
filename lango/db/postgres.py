"""Connections to a PostgreSQL server: what is set on every one, and how JSON crosses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any

import asyncpg
import orjson
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from lango.db.driver import DriverConnection
from lango.db.poolers import pooling_of
from lango.settings import Settings
from lango.settings import settings as settings_of_process

# What JSON made by SQL and text casts look like depends on these: pin them, whatever the server's defaults are.
SESSION_SETTINGS = {
    "application_name": "lango",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "search_path": "pg_catalog",
    "jit": "off",
    # A cancelled read closes its connection; so soon the server sees it, and stops working for nobody.
    "client_connection_check_interval": "200ms",
}


class RawJson(str):
    """JSON text as PostgreSQL holds it: never parsed here, so that no digit of a number changes."""

    __slots__ = ()

    @classmethod
    def of(cls, value: Any) -> RawJson:
        """The text of a value."""
        return cls(dump_json(value))

    def parsed(self) -> Any:
        """The value, for a rule that must look into it."""
        return orjson.loads(str(self))


def dump_json(value: Any) -> str:
    """JSON text for a parameter; text that came from PostgreSQL goes back as it is."""
    return value if isinstance(value, RawJson) else orjson.dumps(value).decode()


class InsecureDatabase(RuntimeError):
    """The database is not on this machine and TLS is switched off in its address."""


class BadAddressError(ValueError):
    """The address of the database cannot be read."""


class UnreachableDatabaseError(RuntimeError):
    """Nothing answers at the database's address."""


class SharedSessionError(RuntimeError):
    """A pooler shares the server's sessions, where one is needed for LISTEN, locks or a role."""


def is_local(url: URL) -> bool:
    """Whether the address is a socket or the loopback interface."""
    host = url.query.get("host") or url.host
    return host is None or not isinstance(host, str) or host.startswith("/") or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether this name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def async_url(address: str) -> URL:
    """The address as SQLAlchemy's asyncpg dialect wants it; `sslmode` of libpq is understood.

    Raises BadAddressError, which does not repeat the address: it may hold a password.
    """
    try:
        given = make_url(address)
    except (ArgumentError, ValueError):
        given = None
    if given is None or not given.drivername.startswith("postgres"):
        raise BadAddressError(
            "The address of the database cannot be read: write it as postgresql://user:password@host:5432/database, "
            "and each of @ : / ? # % in a password as %40 %3A %2F %3F %23 %25."
        )
    url = given.set(drivername="postgresql+asyncpg")
    if "sslmode" in url.query:
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": str(url.query["sslmode"])})
    return url


def secure_url(address: str, settings: Settings) -> URL:
    """The address, with TLS demanded where the server is not on this machine.

    Raises InsecureDatabase when the address itself does without and `LANGO_DATABASE_TLS` is not `off`.
    """
    url = async_url(address)
    if settings.database_tls == "require" and not is_local(url):
        mode = url.query.get("ssl")
        if mode in ("disable", "allow", "prefer"):
            raise InsecureDatabase(
                f"DATABASE_URL asks for ssl={mode} to {url.host}, which is not this machine. "
                "Use sslmode=verify-full (or require), or set LANGO_DATABASE_TLS=off if the network itself is private."
            )
        if mode is None:
            url = url.update_query_dict({"ssl": "require"})
    return url


def dsn_of(url: URL) -> str:
    """An engine's address as the driver itself reads it, with its password."""
    mode = url.query.get("ssl")
    if mode is not None:
        url = url.difference_update_query(["ssl"]).update_query_dict({"sslmode": str(mode)})
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def statement_limit(seconds: float) -> dict[str, str]:
    """The setting by which the server ends a statement that takes longer."""
    return {"statement_timeout": str(int(seconds * 1000))}


async def open_connection(
    url: URL, settings: Settings, pins: Mapping[str, str] | None = None, **options: Any
) -> DriverConnection:
    """One connection of the driver's own, with SESSION_SETTINGS and `pins`, or else with the limit of a statement.

    Its `preamble` belongs into each transaction. Other options are the driver's. Raises TimeoutError after
    `pool_timeout` seconds, and what the driver raises.
    """
    pins = statement_limit(settings.statement_timeout) if pins is None else pins
    async with asyncio.timeout(settings.pool_timeout):
        connection: DriverConnection = await asyncpg.connect(
            dsn_of(url),
            connection_class=DriverConnection,
            # One that is too long to be kept would have no name, and be anybody's between two messages.
            max_cacheable_statement_size=0,
            **options,
        )
        try:
            await connection.pin(SESSION_SETTINGS | dict(pins))
        except BaseException:
            connection.terminate()
            raise
    return connection


async def open_session(
    url: URL, settings: Settings, pins: Mapping[str, str] | None = None, **options: Any
) -> DriverConnection:
    """As `open_connection`, for what must stay on one session of the server: LISTEN, locks, a role.

    Raises SharedSessionError as well.
    """
    connection = await open_connection(url, settings, pins, **options)
    if connection.is_pooled:
        try:
            pooling = await pooling_of(connection, partial(open_connection, url, settings, pins))
            if not pooling.keeps_session:
                raise SharedSessionError(
                    f"Behind {shown(url)} a pooler hands the server's sessions round ({pooling} mode), and this needs "
                    "one of its own: give the address of the server itself, or of a pooler in session mode."
                )
            await connection.pin_session()
        except BaseException:
            connection.terminate()
            raise
    return connection


def shown(url: URL) -> str:
    """The address without its password."""
    return url.set(drivername="postgresql", password=None).render_as_string()


async def connect(
    address: str,
    settings: Settings | None = None,
    pins: Mapping[str, str] | None = None,
    *,
    open_: Callable[..., Awaitable[DriverConnection]] = open_connection,
) -> DriverConnection:
    """One connection outside any pool: for the owner's work. The caller closes it.

    Raises UnreachableDatabaseError, InsecureDatabase as `secure_url` does, and what `open_` raises.
    """
    settings = settings or settings_of_process()
    url = secure_url(address, settings)
    try:
        return await open_(url, settings, pins or {})
    except OSError as error:
        # TimeoutError is one of them, and says nothing.
        raise UnreachableDatabaseError(
            f"No PostgreSQL answers at {shown(url)}: {str(error) or 'it took too long'}."
        ) from error
