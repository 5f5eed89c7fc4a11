"""QR codes: a pot's owner issues them against its balance and gives them back; or their time runs out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
)

from lango.db.prepared import Lookup
from lango.db.session import Transaction
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
    # Counted under the pack's lock: the last one of a pack is taken once.
    await _check_offered(tx, pack, pot.time_zone)
    await _check_quantity(tx, pack, pot.owner_user_id)
    price = pack.base_price_cfa if pack.discounted_price_cfa is None else pack.discounted_price_cfa
    if pot.balance_cfa < price:
        raise InsufficientFunds(
            f"The pack costs {price} CFA francs and the pot has {pot.balance_cfa}.",
            field="pot_id", priceCfa=price, balanceCfa=pot.balance_cfa,
        )  # fmt: skip
    begins, ends, now = await _period(tx, pot, pack)
    if ends <= now:
        raise BirthdayLongPast(field="pot_id")
    code = QrCode(
        id=uuid4(), pot_id=pot.id, pack_id=pack.id, code=codes.new(codes.LONG), redeemable_from=begins,
        expires_at=ends, status=QrCodeStatus.ISSUED, price_cfa=price,
    )  # fmt: skip
    await tx.save(code)
    await ledger.transfer(tx, LedgerKind.QR_ISSUE, ledger.pot_balance(pot), ledger.pot_reserved(pot.id), price, of=code)
    await publish(tx, Topic.QR_CODE_ISSUED, code.id, pot_id=pot.id, pack_id=pack.id)
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
    await publish(tx, Topic.QR_CODE_CANCELLED, qr_code.id, pot_id=pot.id)
    return qr_code


@scheduled("redemption.expire_due_codes", "* * * * *", timeout=300)
async def expire_due_codes(services: Services) -> None:
    """Give the price of every code whose time has run out back to its pot: a transaction a code.

    What somebody else is changing meanwhile is left to the next run.
    """
    await due.each(services, expire_due_codes, DUE_CODES, _expire)


async def _expire(tx: RuleTransaction, code_id: UUID) -> None:
    """Locks the pot, then the code if it is still due; passes over what another transaction has locked."""
    found = await FREE_POT.one(tx, code_id=code_id)
    still_due = await DUE_CODE.one(tx, code_id=code_id) if found else None
    if found is None or still_due is None:
        return
    pot: Pot = found[0]
    code: QrCode = still_due[0]
    code.status = QrCodeStatus.EXPIRED
    await _give_back(tx, pot, code, LedgerKind.QR_EXPIRE)
    await publish(tx, Topic.QR_CODE_EXPIRED, code.id, pot_id=pot.id)


async def _give_back(tx: RuleTransaction, pot: Pot, code: QrCode, kind: LedgerKind) -> None:
    """Write a code that is at its end, whose price returns from the reserve to the pot."""
    await tx.save(code)
    await ledger.transfer(tx, kind, ledger.pot_reserved(pot.id), ledger.pot_balance(pot), code.price_cfa, of=code)


IS_DUE = (QrCode.status == literal_column("'issued'")) & (QrCode.expires_at <= func.now())
DUE_CODES = due.Due(QrCode.id, lambda rows: rows.where(IS_DUE).order_by(QrCode.expires_at, QrCode.id))
FREE_POT = Lookup(
    [Pot],
    lambda rows: (
        rows.join(QrCode, QrCode.pot_id == Pot.id)
        .where(QrCode.id == bindparam("code_id"))
        .with_for_update(skip_locked=True, key_share=True, of=Pot)
    ),
)
DUE_CODE = Lookup(
    [QrCode],
    lambda rows: rows.where(QrCode.id == bindparam("code_id"), IS_DUE).with_for_update(
        skip_locked=True, key_share=True
    ),
)


async def _check_offered(tx: Transaction, pack: Pack, zone: str) -> None:
    # The day it is where the pot is, read after the pack was waited for.
    here = func.timezone(zone, func.clock_timestamp(), type_=DateTime(timezone=False))
    today: date = (await tx.scalars(select(cast(here, Date)))).one()
    begins, ends = pack.available_from or today, pack.available_until or today
    if not pack.is_active or pack.deleted_at is not None or not begins <= today <= ends:
        raise PackNotAvailable(field="pack_id")
    partner = await tx.find(Partner, pack.partner_id) if pack.partner_id else None
    if partner is None or partner.status != PartnerStatus.ACTIVE or partner.deleted_at is not None:
        raise PackNotAvailable("The partner of this pack does not redeem at present.", field="pack_id")


async def _check_quantity(tx: Transaction, pack: Pack, owner_user_id: UUID) -> None:
    taken = select(func.count()).select_from(QrCode).where(QrCode.pack_id == pack.id, QrCode.status.in_(COUNTED))
    quantity, limit = pack.total_available_quantity, pack.max_redemptions_per_user
    if quantity is not None and (await tx.scalars(taken)).one() >= quantity:
        raise SoldOut(field="pack_id")
    own = taken.join(Pot, Pot.id == QrCode.pot_id).where(Pot.owner_user_id == owner_user_id)
    if limit is not None and (await tx.scalars(own)).one() >= limit:
        raise LimitReached(field="pack_id", limit=limit)


async def _period(tx: Transaction, pot: Pot, pack: Pack) -> tuple[datetime, datetime, datetime]:
    """When the code may be redeemed, and the time now. Days begin at midnight in the pot's time zone."""
    days = DEFAULT_VALIDITY_DAYS if pack.validity_days is None else pack.validity_days
    begins = _midnight(literal(pot.birthday_date, Date), pot.time_zone)
    ends = _midnight(literal(pot.birthday_date, Date) + days, pot.time_zone)
    row = (await tx.execute(select(begins, ends, func.clock_timestamp()))).one()
    return row[0], row[1], row[2]


def _midnight(day: ColumnElement[Any], zone: str) -> ColumnElement[datetime]:
    return func.timezone(zone, cast(day, DateTime(timezone=False)), type_=DateTime(timezone=True))
