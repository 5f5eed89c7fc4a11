"""When a pot opens and when it expires: each on its day, once, however many workers look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Date, DateTime, Integer, and_, bindparam, cast, func, or_

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.jobs.job import scheduled
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.pots import Pot, PotStatus
from models.referrals import PointsLedgerEntryEventType as Earning
from models.topics import Topic
from resolvers.kernel import clock, due, system_config
from resolvers.kernel.amounts import fits
from resolvers.kernel.guardianship import first_name_in, naming
from resolvers.kernel.notifications import addressing, queue
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.ledger import ledger
from resolvers.points import points

EXPIRY_DAYS = Configured("pots.expiry_days", 30)
TAKES_DONATIONS = frozenset({PotStatus.OPEN, PotStatus.FUNDED})
# What remains in these goes to the owner's next pot. A cancelled one has given everything back.
CARRIED_FROM = (PotStatus.CLOSED, PotStatus.EXPIRED)

TO_OPEN = due.Due(
    Pot.id,
    lambda rows: rows.where(
        Pot.status == PotStatus.SCHEDULED, Pot.scheduled_open_at <= func.now(), Pot.deleted_at.is_(None)
    ).order_by(Pot.scheduled_open_at, Pot.id),
    beside=Pot.owner_user_id,
)
# The day on which a pot expires begins at midnight in its own time zone.
EXPIRES_AT = func.timezone(
    Pot.time_zone,
    cast(Pot.birthday_date + bindparam("days", type_=Integer), DateTime(timezone=False)),
    type_=DateTime(timezone=True),
)
TO_EXPIRE = due.Due(
    Pot.id,
    lambda rows: rows.where(
        or_(*(Pot.status == status for status in sorted(TAKES_DONATIONS))),
        # The index narrows by the day; no zone is further than a day from UTC.
        Pot.birthday_date <= cast(func.now(), Date) + 1 - bindparam("days", type_=Integer),
        func.now() >= EXPIRES_AT,
    ).order_by(Pot.birthday_date, Pot.id),
    beside=Pot.owner_user_id,
)
HAS_LEFT_OVER = and_(
    or_(*(Pot.status == status for status in CARRIED_FROM)), Pot.balance_cfa > 0, Pot.deleted_at.is_(None)
)
# Locked in the order of their ids, because another pot of the same owner may be opening beside this one.
LEFT_OVER = Lookup(
    [Pot],
    lambda rows: (
        rows.where(Pot.owner_user_id == bindparam("owner_user_id"), HAS_LEFT_OVER)
        .order_by(Pot.id)
        .with_for_update(key_share=True)
    ),
)
# A pot, and the ended ones of its owner in which money remains: all in the order of their ids.
OPENING = Lookup(
    [Pot],
    lambda rows: (
        rows.where(Pot.owner_user_id == bindparam("owner_user_id"), or_(Pot.id == bindparam("pot_id"), HAS_LEFT_OVER))
        .order_by(Pot.id)
        .with_for_update(key_share=True)
    ),
)


def left_over(owner: UUID | None) -> Query:
    """The look-up that locks the ended pots of somebody in which money remains: `open_now` carries it over.

    Of nobody there are none.
    """
    return LEFT_OVER.query(owner_user_id=owner)


def concerned(owner: UUID) -> Sequence[Query]:
    """The look-ups of whom the opening of a pot of that owner concerns, after those that lock: the owner's name and
    notification, and who earns points. `open_now` reads them."""
    return naming(owner), addressing(owner, "pot_opened"), *points.earning(owner, Earning.POT_OPENED)


def open_now(
    tx: RuleTransaction,
    pot: Pot,
    now: datetime,
    older: Sequence[tuple[Any, ...]],
    named: Sequence[tuple[Any, ...]],
    recipient: Sequence[tuple[Any, ...]],
    *earned: Sequence[tuple[Any, ...]],
) -> None:
    """Open a pot that is new or locked, and carry over what remains in `older` ones of its owner, which are locked."""
    pot.status, pot.actual_opened_at = PotStatus.OPEN, now
    for (left,) in older:
        _carry_over(tx, left, pot)
    tx.save(pot)
    publish(tx, Topic.POT_OPENED, pot.id)
    queue(tx, recipient, "pot_opened", user_name=first_name_in(named), pot_title=pot.title)
    points.earn_what_is_found(tx, Earning.POT_OPENED, *earned)


@scheduled("openings.open_due_pots", "* * * * *", timeout=300)
async def open_due_pots(services: Services) -> None:
    """Open the pots whose day has come."""
    await due.each(services, open_due_pots, TO_OPEN, _open_due, together=due.TOGETHER)


@scheduled("openings.expire_due_pots", "* * * * *", timeout=300)
async def expire_due_pots(services: Services) -> None:
    """Expire the pots whose birthday is long enough ago."""
    async with services.work() as tx:
        days = await system_config.number(tx, EXPIRY_DAYS)
    await due.each(services, expire_due_pots, TO_EXPIRE, _expire_due, together=due.TOGETHER, days=days)


async def _open_due(tx: RuleTransaction, pot_id: UUID, owner: UUID) -> None:
    # All that is read is read under the locks, which come first.
    found, ((now,),), *about_owner = await tx.fetch(
        OPENING.query(pot_id=pot_id, owner_user_id=owner), clock.reading(), *concerned(owner)
    )
    ((pot,),) = [row for row in found if row[0].id == pot_id]
    older = [row for row in found if row[0].id != pot_id]
    if pot.status == PotStatus.SCHEDULED and pot.scheduled_open_at <= now and pot.deleted_at is None:
        open_now(tx, pot, now, older, *about_owner)


async def _expire_due(tx: RuleTransaction, pot_id: UUID, owner: UUID) -> None:
    ((pot,),), ((now,),), named, recipient = await tx.fetch(
        rows.locking(Pot, pot_id), clock.reading(), naming(owner), addressing(owner, "pot_expired")
    )
    if pot.status not in TAKES_DONATIONS:
        return
    pot.status, pot.closed_at = PotStatus.EXPIRED, now
    tx.save(pot)
    publish(tx, Topic.POT_EXPIRED, pot.id)
    name = first_name_in(named)
    queue(tx, recipient, "pot_expired", user_name=name, pot_title=pot.title, amount=pot.balance_cfa)


def _carry_over(tx: RuleTransaction, left: Pot, pot: Pot) -> None:
    """Move what remains in an ended pot to one that opens. What was raised stays where it was raised."""
    amount = left.balance_cfa
    if left.status not in CARRIED_FROM or not amount or not fits(pot.balance_cfa + amount, Pot.balance_cfa):
        return
    ledger.transfer(tx, LedgerKind.POT_CARRY_OVER, ledger.pot_balance(left), ledger.pot_balance(pot), amount, of=pot)
    publish(tx, Topic.POT_CARRIED_OVER, left.id, to_pot_id=pot.id)
