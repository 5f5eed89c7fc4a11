"""The database's time at the moment of a decision: read after the lock, which one may have waited for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func

from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction

CLOCK = Lookup([func.clock_timestamp()], lambda rows: rows)


def reading() -> Query:
    """The look-up of `now`, to be sent together with others, after those that lock: `[(moment,)]`."""
    return CLOCK.query()


async def now(tx: Transaction) -> datetime:
    """The time now, not that of the transaction's begin."""
    ((moment,),) = await CLOCK.all(tx)
    assert isinstance(moment, datetime)
    return moment
