"""What stands between here and the server, and whether lango can be run through it."""

from __future__ import annotations

from functools import partial

from lango.db.poolers import Pooling, pooling_of
from lango.db.postgres import connect
from lango.observability.finding import Finding, Level
from lango.settings import Settings

UNFIT = {
    Pooling.MIXED: (
        "mixes up its clients' prepared statements: it is PgBouncer before 1.21, or has max_prepared_statements = 0",
        "Upgrade it to PgBouncer 1.21 or newer, and set max_prepared_statements (500, say); or connect directly.",
    ),
    Pooling.STATEMENT: (
        "is in statement mode: it takes no transactions",
        "Set its pool_mode = transaction; or connect directly.",
    ),
}
# What has to stay on one session of the server.
SESSIONS = {
    "DATABASE_URL": "subscriptions",
    "DATABASE_DIRECT_URL": "subscriptions",
    "DATABASE_WORKER_URL": "the worker's queue",
    "DATABASE_OWNER_URL": "migrations",
}


async def pooler(address: str, name: str, settings: Settings, *, needs_session: bool) -> list[Finding]:
    """What is known of the pooler behind the setting of that name; nothing where there is none.

    Raises UnreachableDatabaseError and what the driver raises.
    """
    connection = await connect(address, settings)
    try:
        pooling = await pooling_of(connection, partial(connect, address, settings))
    finally:
        connection.terminate()
    return judged(pooling, name, needs_session=needs_session)


def judged(pooling: Pooling, name: str, *, needs_session: bool) -> list[Finding]:
    """Whether what the setting of that name is for can be done through such a pooler."""
    if pooling is Pooling.DIRECT:
        return []
    if pooling in UNFIT:
        fault, remedy = UNFIT[pooling]
        return [Finding("pooler", Level.ERROR, f"The pooler behind {name} {fault}.", remedy)]
    if needs_session and not pooling.keeps_session:
        says = (
            f"The pooler behind {name} is in transaction mode: {SESSIONS[name]} LISTEN and lock, for a whole session."
        )
        past = "DATABASE_DIRECT_URL" if name == "DATABASE_URL" else name
        remedy = f"Set {past} to the address of the server itself, or of a pooler in session mode."
        return [Finding("pooler", Level.ERROR, says, remedy)]
    return [Finding("pooler", Level.OK, f"Behind {name} is a pooler in {pooling} mode that lango can be run through.")]
