"""QR codes: a pot's owner issues them against its balance, one partner redeems each, once; or their time runs out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    DateTime,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy import types as sql

from lango.actor import Actor
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.db.session import Transaction
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Locked, OwnedBy, Referred, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.values import codes
from models.ledger import LedgerKind
from models.packs import Pack, Partner, PartnerMember, PartnerStatus
from models.pots import Pot, PotStatus
from models.redemption import QrCode, QrCodeStatus, QrRedemptionLog
from models.redemption import QrRedemptionLogValidationResult as Result
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


class Invalid(Refused):
    """This is not a code of yours to redeem."""


class PartnerSuspended(Refused):
    """The partner may not redeem codes at present."""


class Cancelled(Refused):
    """This code was cancelled by the pot's owner."""


class AlreadyUsed(Refused):
    """This code has already been redeemed."""


class NotYetRedeemable(Refused):
    """This code may be redeemed from the birthday on."""


class Expired(Refused):
    """This code has expired."""


class VenueNotAllowed(Refused):
    """This pack is not redeemed at that venue."""


Code = Annotated[
    str, Text("What the scanner read, or what somebody types: blanks, hyphens and small letters do not matter.", 100)
]
Venue = Annotated[str | None, Text("The venue, by the id or name the partner gave it.", 255)]
LONGEST_NOTE = 2_000

CHECKS = (Invalid, PartnerSuspended, Cancelled, AlreadyUsed, NotYetRedeemable, Expired, VenueNotAllowed)


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


@rule(*CHECKS)
async def redeem_qr_code(
    tx: RuleTransaction,
    code: Code,
    venue: Venue = None,
    notes: Annotated[str | None, Text("What the cashier notes.", LONGEST_NOTE)] = None,
) -> QrCode:
    """Redeem a code at the till. Every attempt is logged, also a refused one; of many at once exactly one wins."""
    scan = await _scan(tx, code, venue, locked=True)
    try:
        redeemed = scan.check()
    except Refused as refusal:
        raise refusal.keeping(scan.log(scan.result_of(refusal), refusal.message)) from None
    assert scan.pack is not None
    assert scan.partner is not None
    share = partner_share(redeemed.price_cfa, scan.partner.revenue_split_percentage)
    redeemed.status = QrCodeStatus.REDEEMED
    redeemed.redeemed_at = scan.now
    redeemed.redeemed_by_partner_id = scan.partner.id
    redeemed.redeemed_at_venue = None if scan.venue is None else RawJson.of(scan.venue)
    redeemed.partner_notes = notes
    redeemed.partner_share_cfa = share
    await tx.save(redeemed, scan.log(Result.SUCCESS))
    reserve = ledger.pot_reserved(redeemed.pot_id)
    split = [
        ledger.Movement(reserve, ledger.partner_payable(scan.partner.id), share),
        ledger.Movement(reserve, ledger.commission(), redeemed.price_cfa - share),
    ]
    await ledger.post(tx, LedgerKind.QR_REDEEM, split, of=redeemed)
    await publish(tx, Topic.QR_CODE_REDEEMED, redeemed.id, pot_id=redeemed.pot_id, partner_id=scan.partner.id)
    return redeemed


@dataclass(frozen=True, slots=True)
class CodeCheck:
    """What the till learns of a code that it could redeem now."""

    pack: Pack
    price_cfa: Annotated[int, Value("What the code is worth, in CFA francs.")]
    redeemable_from: Annotated[datetime, Value("When it may be redeemed first.")]
    expires_at: Annotated[datetime, Value("When it can no longer be redeemed.")]
    redemption_instructions: Annotated[str | None, Value("What the till should know; null without any.")]


@rule(*CHECKS, idempotent=False)
async def check_qr_code(tx: RuleTransaction, code: Code, venue: Venue = None) -> CodeCheck:
    """Whether a code could be redeemed now, and for what: the same checks as at the till, and nothing is changed."""
    scan = await _scan(tx, code, venue, locked=False)
    checked = scan.check()
    assert scan.pack is not None
    return CodeCheck(
        scan.pack, checked.price_cfa, checked.redeemable_from, checked.expires_at, scan.pack.redemption_instructions
    )


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


def partner_share(price_cfa: int, percentage: Decimal) -> int:
    """The partner's part of a price in whole francs, rounded half to even; the rest is the platform's."""
    return int((Decimal(price_cfa) * percentage / 100).quantize(Decimal(1), ROUND_HALF_EVEN))


@dataclass(slots=True)
class Scan:
    """What was presented at the till, and all that decides about it."""

    actor: Actor
    presented: str
    wanted_venue: str | None
    now: datetime
    code: QrCode | None
    pack: Pack | None
    partner: Partner | None
    # The partners the caller acts for; the code's own first.
    memberships: list[UUID]
    venue: dict[str, Any] | None

    def check(self) -> QrCode:
        """The code, if it may be redeemed now. Raises the first refusal that holds, in the order of the rule."""
        code, partner = self.code, self.partner
        if code is None or partner is None or partner.id not in self.memberships:
            raise Invalid(field="code")
        if partner.status != PartnerStatus.ACTIVE or partner.deleted_at is not None:
            raise PartnerSuspended
        if code.status == QrCodeStatus.CANCELLED:
            raise Cancelled(field="code")
        if code.status == QrCodeStatus.REDEEMED:
            raise self._used(code)
        if self.now < code.redeemable_from:
            begins = code.redeemable_from
            told = f"This code may be redeemed from {_shown(begins)} on."
            raise NotYetRedeemable(told, field="code", redeemableFrom=begins.isoformat())
        if code.status == QrCodeStatus.EXPIRED or self.now >= code.expires_at:
            told = f"This code expired on {_shown(code.expires_at)}."
            raise Expired(told, field="code", expiredAt=code.expires_at.isoformat())
        self._check_venue()
        return code

    def log(self, result: Result, message: str | None = None) -> QrRedemptionLog:
        """The row that every attempt leaves."""
        acts_for = self.memberships[0] if self.memberships else None
        context = RawJson.of({"asked": self.wanted_venue, "venue": self.venue})
        return QrRedemptionLog(
            id=uuid4(), qr_code_id=self.code.id if self.code else None, partner_user_id=self.actor.user_id,
            validation_result=result, error_message=message, ip_address=str(self.actor.ip) if self.actor.ip else None,
            user_agent=self.actor.user_agent, venue_context=context,
            presented_code_sha256=hashlib.sha256(self.presented.encode()).hexdigest(), partner_id=acts_for,
        )  # fmt: skip

    def result_of(self, refusal: Refused) -> Result:
        """What the log calls a refusal: it tells a code that does not exist from one of another partner."""
        if isinstance(refusal, Invalid):
            return Result.INVALID if self.code is None else Result.WRONG_PARTNER
        return Result[refusal.code()]

    def _used(self, code: QrCode) -> AlreadyUsed:
        assert code.redeemed_at is not None
        venue = code.redeemed_at_venue.parsed() if code.redeemed_at_venue else None
        place = f" at {venue['name']}" if venue and venue.get("name") else ""
        told = f"This code was redeemed on {_shown(code.redeemed_at)}{place}."
        return AlreadyUsed(told, field="code", redeemedAt=code.redeemed_at.isoformat(), venue=venue)

    def _check_venue(self) -> None:
        assert self.pack is not None
        restricted = _listed(self.pack.venue_restrictions)
        if self.wanted_venue is None:
            if restricted:
                raise VenueNotAllowed("Say at which venue: this pack is not redeemed everywhere.", field="venue")
        elif self.venue is None:
            raise VenueNotAllowed(f"The partner has no venue “{self.wanted_venue[:80]}”.", field="venue")
        elif restricted and not any(self.venue.get(part) in restricted for part in ("id", "name")):
            raise VenueNotAllowed(field="venue")


PRESENTED = QrCode.code == any_(bindparam("codes", type_=ARRAY(sql.Text)))
CODE = Lookup([QrCode], lambda rows: rows.where(PRESENTED))
# Lock first: two scans of one QR code must queue, not race.
LOCKED_CODE = Lookup([QrCode], lambda rows: rows.where(PRESENTED).with_for_update(key_share=True))
MEMBERSHIPS = (
    select(PartnerMember.partner_id)
    .where(PartnerMember.user_id == bindparam("user_id"))
    .order_by(PartnerMember.created_at)
)
# One row, also where there is no pack: the pack, its partner, for whom the caller acts, and the time.
AROUND = Lookup(
    [Pack, Partner, func.array(MEMBERSHIPS.scalar_subquery(), type_=ARRAY(Uuid)), func.clock_timestamp()],
    lambda rows: (
        rows.select_from(select(literal(1)).subquery())
        .outerjoin(Pack, Pack.id == bindparam("pack_id"))
        .outerjoin(Partner, Partner.id == Pack.partner_id)
    ),
)


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


async def _scan(tx: Transaction, presented: str, venue: str | None, *, locked: bool) -> Scan:
    found = await (LOCKED_CODE if locked else CODE).one(tx, codes=codes.readings(presented))
    code: QrCode | None = found[0] if found else None
    # Read after the lock: the moment of the decision is not that of the transaction's begin.
    around = await AROUND.one(tx, pack_id=code.pack_id if code else None, user_id=tx.actor.user_id)
    assert around is not None
    pack, partner, memberships, now = around
    if partner is not None:
        memberships.sort(key=lambda key: key != partner.id)
    known = _listed(partner.venues) if partner else []
    place = next(
        (item for item in known if isinstance(item, dict) and venue in (item.get("id"), item.get("name"))), None
    )
    return Scan(tx.actor, presented, venue, now, code, pack, partner, memberships, place if venue else None)


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


def _shown(moment: datetime) -> str:
    """A moment as a person reads it; the details have it exactly."""
    return f"{moment.astimezone(UTC):%Y-%m-%d at %H:%M} UTC"


def _listed(value: RawJson | None) -> list[Any]:
    """A JSON column that holds a list; anything else is none."""
    parsed = value.parsed() if value else []
    return parsed if isinstance(parsed, list) else []
