"""Whether a pooler stands before the server, and of which kind: found by how it behaves, not by its name."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import asyncpg

from lango.db.driver import DriverConnection

Connect = Callable[[], Awaitable[DriverConnection]]

# One that hands out its connections in turn may by chance give us the same one again.
TRIALS = 5
# Seconds that a statement waits for a second server connection, of which a small pooler has none.
TIMEOUT = 1.0
PID = "SELECT pg_backend_pid()"
LOST_STATEMENT = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
REFUSED = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Pooling(StrEnum):
    """What a connection to the database is. All but the first two share the server's sessions among their clients."""

    DIRECT = "direct"
    SESSION = "session"
    # A server connection for each transaction, and each client's prepared statements kept apart.
    TRANSACTION = "transaction"
    # The same, but one client's prepared statements are met by the others: PgBouncer before 1.21.
    MIXED = "mixed"
    # A server connection for each statement: no transactions.
    STATEMENT = "statement"

    @property
    def keeps_session(self) -> bool:
        """Whether LISTEN, locks and SET last as long as the connection."""
        return self in (Pooling.DIRECT, Pooling.SESSION)

    @property
    def is_fit(self) -> bool:
        """Whether transactions with prepared statements can be run through it."""
        return self not in (Pooling.MIXED, Pooling.STATEMENT)


async def pooling_of(first: DriverConnection, connect: Connect) -> Pooling:
    """What stands before the server of this connection; `connect` opens others there. Free, where nothing does.

    Raises what the driver raises, and TimeoutError from `connect`.
    """
    if not first.is_pooled:
        return Pooling.DIRECT
    second = await connect()
    try:
        if not await _has_transactions(second):
            return Pooling.STATEMENT
        if await _keeps_session(first, second):
            return Pooling.SESSION
        return Pooling.TRANSACTION if await _keeps_apart(first, second) else Pooling.MIXED
    finally:
        second.terminate()


async def _has_transactions(connection: DriverConnection) -> bool:
    try:
        async with _held(connection):
            pass
    except REFUSED:
        return False
    return True


async def _keeps_session(first: DriverConnection, second: DriverConnection) -> bool:
    """Whether each keeps a server process of its own, also while the other holds one."""
    try:
        own = await first.fetchval(PID)
        for trial in range(TRIALS):
            async with _held(second):
                if await second.fetchval(PID) == own:
                    return False
            for _ in range(trial + 1):
                if await first.fetchval(PID) != own:
                    return False
    except LOST_STATEMENT:
        # A session would still have it.
        return False
    return True


async def _keeps_apart(first: DriverConnection, second: DriverConnection) -> bool:
    """Whether two clients may give one name to two statements, and run them wherever they are put."""
    name = f"lango_probe_{secrets.token_hex(8)}"
    try:
        one = await first.prepare("SELECT 1", name=name)
        # Preparing ends with no Sync: until the statement is run it would keep the server connection.
        if await one.fetchval() != 1:
            return False
        async with _held(second):
            two = await second.prepare("SELECT 2", name=name)
            if await two.fetchval() != 2:
                return False
            # It runs on another server connection, or waits for this one.
            running = asyncio.create_task(one.fetchval())
            await asyncio.wait({running}, timeout=TIMEOUT)
        found = [(await running, await two.fetchval())]
        found += [(await one.fetchval(), await two.fetchval()) for _ in range(TRIALS)]
    except asyncpg.PostgresError:
        return False
    return set(found) == {(1, 2)}


@asynccontextmanager
async def _held(connection: DriverConnection) -> AsyncIterator[None]:
    """In a transaction: the server connection is this client's until it ends."""
    await connection.execute("BEGIN")
    try:
        yield
    finally:
        await connection.execute("ROLLBACK")
