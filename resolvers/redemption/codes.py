"""QR codes: a pot's owner issues them against its balance and gives them back; or their time runs out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Locked, OwnedBy, Referred
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.values import codes
from models.ledger import LedgerKind
from models.packs import Pack, Partner, PartnerStatus
from models.pots import Pot, PotStatus
from models.redemption import QrCode, QrCodeStatus
from models.topics import Topic
from resolvers.kernel import due
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.pots.pots import NotYourPot

DEFAULT_VALIDITY_DAYS = 90
SPENDABLE = frozenset({PotStatus.OPEN, PotStatus.FUNDED, PotStatus.CLOSED})
COUNTED = (QrCodeStatus.ISSUED, QrCodeStatus.REDEEMED)


class PackNotAvailable(Refused):
    """This pack is not offered now."""


class SoldOut(Refused):
    """All of this pack have been taken."""


class LimitReached(Refused):
    """You have taken this pack as often as you may."""


class InsufficientFunds(Refused):
    """The pot's balance does not cover the pack's price."""


class BirthdayLongPast(Refused):
    """The birthday is so long ago that the code would have expired already."""


@rule(InvalidState, PackNotAvailable, SoldOut, LimitReached, InsufficientFunds, BirthdayLongPast)
async def issue_qr_code(
    tx: RuleTransaction,
    pot: Annotated[Pot, Locked("The pot that pays."), OwnedBy(Pot.owner_user_id, NotYourPot)],
    pack: Annotated[Pack, Locked("The pack to be redeemed.", or_ended_lately=True)],
) -> QrCode:
    """Issue a code for a pack, paid from the pot: its price moves to a reserve until it is redeemed or given back.

    The code may be redeemed from the birthday on, for the pack's `validity_days`.
    """
    if pot.status not in SPENDABLE:
        raise InvalidState(
            f"The pot is {pot.status}; it must be open, funded or closed.", field="pot_id", state=pot.status
        )
    days = DEFAULT_VALIDITY_DAYS if pack.validity_days is None else pack.validity_days
    # Counted under the pack's lock: the last one of a pack is taken once.
    ((partner, today, begins, ends, now),), ((taken,),), ((by_owner,),) = await tx.fetch(
        AROUND.query(zone=pot.time_zone, birthday=pot.birthday_date, days=days, partner_id=pack.partner_id),
        TAKEN.query(pack_id=pack.id),
        TAKEN_BY_OWNER.query(pack_id=pack.id, owner_user_id=pot.owner_user_id),
    )
    _check_offered(pack, partner, today)
    _check_quantity(pack, taken, by_owner)
    price = pack.base_price_cfa if pack.discounted_price_cfa is None else pack.discounted_price_cfa
    if pot.balance_cfa < price:
        raise InsufficientFunds(
            f"The pack costs {price} CFA francs and the pot has {pot.balance_cfa}.",
            field="pot_id", priceCfa=price, balanceCfa=pot.balance_cfa,
        )  # fmt: skip
    if ends <= now:
        raise BirthdayLongPast(field="pot_id")
    code = QrCode(
        id=uuid4(), pot_id=pot.id, pack_id=pack.id, code=codes.new(codes.LONG), redeemable_from=begins,
        expires_at=ends, status=QrCodeStatus.ISSUED, price_cfa=price,
    )  # fmt: skip
    tx.save(code)
    ledger.transfer(tx, LedgerKind.QR_ISSUE, ledger.pot_balance(pot), ledger.pot_reserved(pot.id), price, of=code)
    publish(tx, Topic.QR_CODE_ISSUED, code.id, pot_id=pot.id, pack_id=pack.id)
    return code


@rule(InvalidState)
async def cancel_qr_code(
    tx: RuleTransaction,
    pot: Annotated[Pot, Referred(QrCode.pot_id), OwnedBy(Pot.owner_user_id, NotYourPot, or_staff=True)],
    qr_code: Annotated[QrCode, Locked("The code to give back.")],
) -> QrCode:
    """Give a code back before it is redeemed: its price returns to the pot. The pot's owner, or staff."""
    if qr_code.status != QrCodeStatus.ISSUED:
        raise InvalidState(f"The code is {qr_code.status} already.", field="qr_code_id", state=qr_code.status)
    qr_code.status = QrCodeStatus.CANCELLED
    await _give_back(tx, pot, qr_code, LedgerKind.QR_CANCEL)
    publish(tx, Topic.QR_CODE_CANCELLED, qr_code.id, pot_id=pot.id)
    return qr_code


@scheduled("redemption.expire_due_codes", "* * * * *", timeout=300)
async def expire_due_codes(services: Services) -> None:
    """Give the price of every code whose time has run out back to its pot.

    What somebody else is changing meanwhile is left to the next run.
    """
    await due.each(services, expire_due_codes, DUE_CODES, _expire, together=due.TOGETHER)


async def _expire(tx: RuleTransaction, code_id: UUID, pot_id: UUID) -> None:
    """Locks the pot, then the code if it is still due; passes over what another transaction has locked."""
    pots, codes_due = await tx.fetch(FREE_POT.query(pot_id=pot_id), DUE_CODE.query(code_id=code_id))
    if not pots or not codes_due:
        return
    pot: Pot = pots[0][0]
    code: QrCode = codes_due[0][0]
    code.status = QrCodeStatus.EXPIRED
    await _give_back(tx, pot, code, LedgerKind.QR_EXPIRE)
    publish(tx, Topic.QR_CODE_EXPIRED, code.id, pot_id=pot.id)


async def _give_back(tx: RuleTransaction, pot: Pot, code: QrCode, kind: LedgerKind) -> None:
    """Write a code that is at its end, whose price returns from the reserve to the pot."""
    tx.save(code)
    ledger.transfer(tx, kind, ledger.pot_reserved(pot.id), ledger.pot_balance(pot), code.price_cfa, of=code)


IS_DUE = (QrCode.status == literal_column("'issued'")) & (QrCode.expires_at <= func.now())
# Codes of one pot follow one another: one that finds the pot locked is left to the next run.
DUE_CODES = due.Due(
    QrCode.id, lambda rows: rows.where(IS_DUE).order_by(QrCode.expires_at, QrCode.id), beside=QrCode.pot_id
)
FREE_POT = Lookup(
    [Pot],
    lambda rows: rows.where(Pot.id == bindparam("pot_id")).with_for_update(skip_locked=True, key_share=True),
)
DUE_CODE = Lookup(
    [QrCode],
    lambda rows: rows.where(QrCode.id == bindparam("code_id"), IS_DUE).with_for_update(
        skip_locked=True, key_share=True
    ),
)


def _midnight(day: ColumnElement[Any], zone: ColumnElement[str]) -> ColumnElement[datetime]:
    return func.timezone(zone, cast(day, DateTime(timezone=False)), type_=DateTime(timezone=True))


def _counted(rows: Select[Any]) -> Select[Any]:
    return rows.where(QrCode.pack_id == bindparam("pack_id"), or_(*(QrCode.status == status for status in COUNTED)))


ZONE, BIRTHDAY = bindparam("zone", type_=Text), bindparam("birthday", type_=Date)
# Read after the pack was waited for: the pack's partner, the day it is where the pot is, from when to when a code may
# be redeemed, and the time now. Days begin at midnight in the pot's time zone.
AROUND = Lookup(
    [
        Partner,
        cast(func.timezone(ZONE, func.clock_timestamp(), type_=DateTime(timezone=False)), Date),
        _midnight(BIRTHDAY, ZONE),
        _midnight(BIRTHDAY + bindparam("days", type_=Integer), ZONE),
        func.clock_timestamp(),
    ],
    lambda rows: rows.select_from(select(literal(1)).subquery()).outerjoin(
        Partner, Partner.id == bindparam("partner_id", type_=Uuid)
    ),
)
TAKEN = Lookup([func.count()], lambda rows: _counted(rows.select_from(QrCode)))
TAKEN_BY_OWNER = Lookup(
    [func.count()],
    lambda rows: _counted(
        rows.select_from(QrCode)
        .join(Pot, Pot.id == QrCode.pot_id)
        .where(Pot.owner_user_id == bindparam("owner_user_id"))
    ),
)


def _check_offered(pack: Pack, partner: Partner | None, today: date) -> None:
    begins, ends = pack.available_from or today, pack.available_until or today
    if not pack.is_active or pack.deleted_at is not None or not begins <= today <= ends:
        raise PackNotAvailable(field="pack_id")
    if partner is None or partner.status != PartnerStatus.ACTIVE or partner.deleted_at is not None:
        raise PackNotAvailable("The partner of this pack does not redeem at present.", field="pack_id")


def _check_quantity(pack: Pack, taken: int, by_owner: int) -> None:
    quantity, limit = pack.total_available_quantity, pack.max_redemptions_per_user
    if quantity is not None and taken >= quantity:
        raise SoldOut(field="pack_id")
    if limit is not None and by_owner >= limit:
        raise LimitReached(field="pack_id", limit=limit)
