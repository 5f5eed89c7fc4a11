"""Standing: whom age, a ban or a rejected identity keeps from trading coins, and from taking them out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam

from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from models.trading import CryptoProfile, CryptoProfileKycStatus
from resolvers.kernel.ages import NotOfAge, aging, check_is_adult, minors_in
from resolvers.trading.refusals import CounterpartyNotAvailable, KycRejected, TraderBanned

BARRED: tuple[type[Refused], ...] = (TraderBanned, KycRejected, NotOfAge)
OF_TRADER = Lookup([CryptoProfile], lambda rows: rows.where(CryptoProfile.user_id == bindparam("user_id")))


def check_standing(trader: CryptoProfile, minors: Collection[UUID], now: datetime) -> None:
    """Refuses a minor, whoever is banned, and whose identity was rejected."""
    check_is_adult(trader.user_id, minors)
    _check_profile(trader, now)


def standing_of(user_id: UUID) -> tuple[Query, Query]:
    """The look-ups of `check_standing_of`, to be sent together with others."""
    return aging(user_id), OF_TRADER.query(user_id=user_id)


def check_standing_of(found: Sequence[Sequence[tuple[Any, ...]]], user_id: UUID, now: datetime) -> None:
    """As `check_standing`, of somebody who may never have traded."""
    minors, traders = found
    check_is_adult(user_id, minors_in(minors))
    for (trader,) in traders:
        _check_profile(trader, now)


def check_counterpartys_standing(trader: CryptoProfile, minors: Collection[UUID], now: datetime, *, field: str) -> None:
    """As `check_standing`, of the other one: why is not the caller's to know."""
    try:
        check_standing(trader, minors, now)
    except BARRED:
        raise CounterpartyNotAvailable(field=field) from None


def _check_profile(trader: CryptoProfile, now: datetime) -> None:
    if trader.banned_until is not None and trader.banned_until > now:
        until = trader.banned_until.isoformat()
        raise TraderBanned(f"You may neither trade nor withdraw until {until}.", bannedUntil=until)
    if trader.kyc_status == CryptoProfileKycStatus.REJECTED:
        raise KycRejected
