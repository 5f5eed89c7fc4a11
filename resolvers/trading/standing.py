"""Standing: whom age, a ban or a rejected identity keeps from trading coins, and from taking them out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Date, bindparam, cast, func, literal_column

from lango.db.prepared import Lookup
from lango.db.transaction import Transaction
from lango.errors import Refused
from models.profiles import Profile
from models.trading import CryptoProfile, CryptoProfileKycStatus
from resolvers.trading.refusals import CounterpartyNotAvailable, KycRejected, NotOfAge, TraderBanned

BARRED: tuple[type[Refused], ...] = (TraderBanned, KycRejected, NotOfAge)
# One comes of age at midnight of the own time zone.
TODAY = cast(func.timezone(func.coalesce(Profile.timezone, "Africa/Dakar"), func.clock_timestamp()), Date)
IS_MINOR = Lookup(
    [Profile.date_of_birth > TODAY - literal_column("interval '18 years'")],
    lambda rows: rows.where(Profile.user_id == bindparam("user_id")),
)
OF_TRADER = Lookup([CryptoProfile], lambda rows: rows.where(CryptoProfile.user_id == bindparam("user_id")))


async def check_standing(tx: Transaction, trader: CryptoProfile, now: datetime) -> None:
    """Refuses a minor, whoever is banned, and whose identity was rejected. In the rules' role."""
    await check_age(tx, trader.user_id)
    _check_profile(trader, now)


async def check_standing_of(tx: Transaction, user_id: UUID, now: datetime) -> None:
    """As `check_standing`, of somebody who may never have traded."""
    await check_age(tx, user_id)
    found = await OF_TRADER.one(tx, user_id=user_id)
    if found is not None:
        _check_profile(found[0], now)


async def check_counterpartys_standing(tx: Transaction, trader: CryptoProfile, now: datetime, *, field: str) -> None:
    """As `check_standing`, of the other one: why is not the caller's to know."""
    try:
        await check_standing(tx, trader, now)
    except BARRED:
        raise CounterpartyNotAvailable(field=field) from None


async def check_age(tx: Transaction, user_id: UUID, *, field: str | None = None) -> None:
    """Refuses a minor. Whose birthday is not known is taken for an adult whose identity is not checked yet."""
    found = await IS_MINOR.one(tx, user_id=user_id)
    if found is not None and found[0]:
        raise NotOfAge(field=field)


def _check_profile(trader: CryptoProfile, now: datetime) -> None:
    if trader.banned_until is not None and trader.banned_until > now:
        until = trader.banned_until.isoformat()
        raise TraderBanned(f"You may neither trade nor withdraw until {until}.", bannedUntil=until)
    if trader.kyc_status == CryptoProfileKycStatus.REJECTED:
        raise KycRejected
