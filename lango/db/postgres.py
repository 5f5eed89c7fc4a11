"""Connections to a PostgreSQL server: what is set on every one, and how JSON crosses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any

import asyncpg
import orjson
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from lango.db.driver import DriverConnection
from lango.db.fair_queue import Shares
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

# Options of an engine: how long its transactions wait for a lock, who may begin the next one, and on what connections.
LOCK_TIMEOUT, SHARES, GENERATION = "lango_lock_timeout", "lango_shares", "lango_generation"


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


def create_engine(address: str, settings: Settings, *, pool_size: int | None = None) -> AsyncEngine:
    """An engine in AUTOCOMMIT: `session.py` alone writes BEGIN and COMMIT, and nothing is reset between borrowers.

    Raises InsecureDatabase as `secure_url` does.
    """
    url = secure_url(address, settings)
    size = pool_size or settings.pool_size
    engine = create_async_engine(
        url,
        async_creator=partial(open_connection, url, settings),
        isolation_level="AUTOCOMMIT",
        execution_options={
            LOCK_TIMEOUT: settings.lock_timeout,
            SHARES: Shares(size, settings.caller_share, settings.pool_timeout),
            GENERATION: Generation(),
        },
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout,
        pool_reset_on_return=None,
        pool_use_lifo=True,
        json_serializer=dump_json,
        json_deserializer=RawJson,
    )
    event.listen(engine.sync_engine, "checkout", generation_of(engine).check)
    return engine


def lock_timeout_of(engine: AsyncEngine) -> float:
    """Seconds that a transaction over this engine waits for a lock; 0 where nothing is set."""
    seconds: float = engine.get_execution_options().get(LOCK_TIMEOUT, 0)
    return seconds


def shares_of(engine: AsyncEngine) -> Shares:
    """Whose turn it is to begin a transaction over this engine."""
    shares: Shares = engine.get_execution_options()[SHARES]
    return shares


def generation_of(engine: AsyncEngine) -> Generation:
    generation: Generation = engine.get_execution_options()[GENERATION]
    return generation


class Generation:
    """Which connections of an engine may be used: those that were opened since the server was last lost."""

    def __init__(self) -> None:
        self._begun = 0.0

    def end(self, lost: DriverConnection) -> None:
        """Whatever happened to the server while `lost` was open happened to all that were opened before now."""
        if lost.opened_at > self._begun:
            self._begun = time.monotonic()

    def check(self, connection: Any, _record: object, _proxy: object) -> None:
        """Before a connection is used: one that is closed meanwhile is replaced, and so are those as old."""
        driver: DriverConnection = connection.driver_connection
        if driver.is_closed():
            raise InvalidatePoolError
        if driver.opened_at <= self._begun:
            raise DisconnectionError
