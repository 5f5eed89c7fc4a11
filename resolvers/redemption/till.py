"""The till: one partner redeems a code, once, or looks whether it could. Every attempt is logged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Uuid,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy import types as sql

from lango.actor import Actor
from lango.db.ids import new_id
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, partly
from lango.db.transaction import Transaction
from lango.errors import Refused
from lango.rules.inputs import Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from lango.values import codes
from models.ledger import LedgerKind
from models.packs import Pack, Partner, PartnerMember, PartnerStatus
from models.redemption import QrCode, QrCodeStatus, QrRedemptionLog
from models.redemption import QrRedemptionLogValidationResult as Result
from models.topics import Topic
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger


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


Code = Annotated[str, Text("The code as it was scanned or typed: blanks, hyphens and letter case do not matter.", 100)]
Venue = Annotated[str | None, Text("The venue, by the id or name the partner gave it.", 255)]
LONGEST_NOTE = 2_000

CHECKS = (Invalid, PartnerSuspended, Cancelled, AlreadyUsed, NotYetRedeemable, Expired, VenueNotAllowed)


@rule(*CHECKS)
async def redeem_qr_code(
    tx: RuleTransaction,
    code: Code,
    venue: Venue = None,
    notes: Annotated[str | None, Text("A note by the cashier.", LONGEST_NOTE)] = None,
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
    tx.save(redeemed, scan.log(Result.SUCCESS))
    reserve = ledger.pot_reserved(redeemed.pot_id)
    split = [
        ledger.Movement(reserve, ledger.partner_payable(scan.partner.id), share),
        ledger.Movement(reserve, ledger.commission(), redeemed.price_cfa - share),
    ]
    ledger.post(tx, LedgerKind.QR_REDEEM, split, of=redeemed)
    publish(tx, Topic.QR_CODE_REDEEMED, redeemed.id, pot_id=redeemed.pot_id, partner_id=scan.partner.id)
    return redeemed


@dataclass(frozen=True, slots=True)
class CodeCheck:
    """What the till learns of a code that it could redeem now."""

    pack: Pack
    price_cfa: Annotated[int, Value("What the code is worth, in CFA francs.")]
    redeemable_from: Annotated[datetime, Value("When it may be redeemed first.")]
    expires_at: Annotated[datetime, Value("When it can no longer be redeemed.")]
    redemption_instructions: Annotated[str | None, Value("Instructions for the till; null without any.")]


@rule(*CHECKS, idempotent=False)
async def check_qr_code(tx: RuleTransaction, code: Code, venue: Venue = None) -> CodeCheck:
    """Whether a code could be redeemed now, and for what: the same checks as at the till, and nothing is changed."""
    scan = await _scan(tx, code, venue, locked=False)
    checked = scan.check()
    assert scan.pack is not None
    return CodeCheck(
        scan.pack, checked.price_cfa, checked.redeemable_from, checked.expires_at, scan.pack.redemption_instructions
    )


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
            message = f"This code may be redeemed from {_shown(begins)} on."
            raise NotYetRedeemable(message, field="code", redeemableFrom=begins.isoformat())
        if code.status == QrCodeStatus.EXPIRED or self.now >= code.expires_at:
            message = f"This code expired on {_shown(code.expires_at)}."
            raise Expired(message, field="code", expiredAt=code.expires_at.isoformat())
        self._check_venue()
        return code

    def log(self, result: Result, message: str | None = None) -> QrRedemptionLog:
        """The row that every attempt leaves."""
        acts_for = self.memberships[0] if self.memberships else None
        context = RawJson.of({"asked": self.wanted_venue, "venue": self.venue})
        return QrRedemptionLog(
            id=new_id(), qr_code_id=self.code.id if self.code else None, partner_user_id=self.actor.user_id,
            validation_result=result, error_message=message, ip_address=str(self.actor.ip) if self.actor.ip else None,
            user_agent=self.actor.user_agent, venue_context=context,
            presented_code_sha256=hashlib.sha256(self.presented.encode()).hexdigest(), partner_id=acts_for,
        )  # fmt: skip

    def result_of(self, refusal: Refused) -> Result:
        """How the log names a refusal: there a code that does not exist differs from one of another partner."""
        if isinstance(refusal, Invalid):
            return Result.INVALID if self.code is None else Result.WRONG_PARTNER
        return Result[refusal.code()]

    def _used(self, code: QrCode) -> AlreadyUsed:
        assert code.redeemed_at is not None
        venue = code.redeemed_at_venue.parsed() if code.redeemed_at_venue else None
        place = f" at {venue['name']}" if venue and venue.get("name") else ""
        message = f"This code was redeemed on {_shown(code.redeemed_at)}{place}."
        return AlreadyUsed(message, field="code", redeemedAt=code.redeemed_at.isoformat(), venue=venue)

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


# Two values and no array: for an array PostgreSQL would plan the statement anew at every scan.
PRESENTED = QrCode.code.in_([bindparam("typed", type_=sql.Text), bindparam("meant", type_=sql.Text)])
READ_OF_CODE = partly(
    QrCode, QrCode.id, QrCode.pot_id, QrCode.status, QrCode.price_cfa, QrCode.redeemable_from, QrCode.expires_at,
    QrCode.redeemed_at, QrCode.redeemed_at_venue,
)  # fmt: skip
CODE = Lookup([READ_OF_CODE], lambda rows: rows.where(PRESENTED))
# Lock first: two scans of one QR code must queue, not race.
LOCKED_CODE = Lookup([READ_OF_CODE], lambda rows: rows.where(PRESENTED).with_for_update(key_share=True))
MEMBERSHIPS = (
    select(PartnerMember.partner_id)
    .where(PartnerMember.user_id == bindparam("user_id"))
    .order_by(PartnerMember.created_at)
)
# One row, also where there is no pack: the pack, its partner, for whom the caller acts, and the time.
AROUND = Lookup(
    [
        partly(Pack, Pack.id, Pack.venue_restrictions, Pack.redemption_instructions),
        partly(
            Partner, Partner.id, Partner.status, Partner.deleted_at, Partner.venues, Partner.revenue_split_percentage
        ),
        func.array(MEMBERSHIPS.scalar_subquery(), type_=ARRAY(Uuid)),
        func.clock_timestamp(),
    ],
    lambda rows: (
        rows.select_from(select(literal(1)).subquery())
        .outerjoin(QrCode, PRESENTED)
        .outerjoin(Pack, Pack.id == QrCode.pack_id)
        .outerjoin(Partner, Partner.id == Pack.partner_id)
    ),
)


async def _scan(tx: Transaction, presented: str, venue: str | None, *, locked: bool) -> Scan:
    readings = codes.readings(presented)
    presented_as = {"typed": readings[0], "meant": readings[-1]}
    # What is around the code is read after the lock: the moment of the decision is not that of the transaction's begin.
    found, ((pack, partner, memberships, now),) = await tx.fetch(
        (LOCKED_CODE if locked else CODE).query(**presented_as),
        AROUND.query(**presented_as, user_id=tx.actor.user_id),
    )
    code: QrCode | None = found[0][0] if found else None
    if partner is not None:
        memberships.sort(key=lambda key: key != partner.id)
    place = _venue(partner, venue) if partner and venue else None
    return Scan(tx.actor, presented, venue, now, code, pack, partner, memberships, place)


def _venue(partner: Partner, wanted: str) -> dict[str, Any] | None:
    """The partner's venue of that id or name."""
    known = [item for item in _listed(partner.venues) if isinstance(item, dict)]
    return next((item for item in known if wanted in (item.get("id"), item.get("name"))), None)


def _shown(moment: datetime) -> str:
    """A moment as a person reads it; the details have it exactly."""
    return f"{moment.astimezone(UTC):%Y-%m-%d at %H:%M} UTC"


def _listed(value: RawJson | None) -> list[Any]:
    """A JSON column that holds a list; anything else is none."""
    parsed = value.parsed() if value else []
    return parsed if isinstance(parsed, list) else []
