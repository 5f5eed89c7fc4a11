"""Settlements: what partners are paid for a period's redemptions, each of which is paid for once."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID, uuid4

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    update,
)

from lango.db.prepared import Lookup, Prepared
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Locked, Named, Seen, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.packs import Partner, PartnerPaymentTerms
from models.redemption import PartnerSettlement, PartnerSettlementStatus, QrCode, QrCodeStatus
from models.topics import Topic
from resolvers.kernel import clock, due
from resolvers.kernel.amounts import AmountOutOfRange, fits
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.steps import step
from resolvers.kernel.texts import TextMissing, UrlNotValid, check_text, check_url
from resolvers.ledger import ledger
from resolvers.packs.partner_members import (
    MANAGERS,
    NotPartnerManager,
    belonging,
    check_role,
    managing,
    refuse_members,
    refuse_own_partner,
)

# Whose days a period has: partners are paid in Dakar.
ZONE = "Africa/Dakar"
log = structlog.get_logger("lango.settlements")


class PeriodNotInOrder(Refused):
    """A period does not end before it begins."""


class PeriodNotOver(Refused):
    """The period's last day is still to come."""


class AlreadySettled(Refused):
    """There is a settlement of this period; what was redeemed too late for it comes into the next one."""


class NothingToSettle(Refused):
    """Nothing was redeemed that is not in a settlement."""


class BelowMinimum(Refused):
    """This is less than the partner's least payout: it is carried over to the next period."""


Settlement = Annotated[PartnerSettlement, Named("settlement")]
LONGEST_REASON = 2_000


class Period(NamedTuple):
    """From the first day to the last, both included."""

    start: date
    end: date


@rule(
    OwnMatter, PeriodNotInOrder, PeriodNotOver, AlreadySettled, NothingToSettle, BelowMinimum, AmountOutOfRange,
    staff=True,
)  # fmt: skip
async def generate_settlement(
    tx: RuleTransaction,
    partner: Annotated[Partner, Seen("The partner that is to be paid.")],
    period_start: Annotated[date, Value("The first day of the period, in Dakar.")],
    period_end: Annotated[date, Value("The last day of the period: today at the latest.")],
) -> Settlement:
    """Settle a partner's period: its redemptions, and those from before it that are in no settlement yet; staff."""
    members, wards, ((today,),) = await tx.fetch(*belonging(tx, partner.id), TODAY.query())
    refuse_members(tx, members, wards, field="partner_id")
    if period_start > period_end:
        raise PeriodNotInOrder(field="period_end")
    if period_end > today:
        raise PeriodNotOver(field="period_end")
    return await settle(tx, partner.id, Period(period_start, period_end))


async def settle(tx: RuleTransaction, partner_id: UUID, period: Period) -> PartnerSettlement:
    """Write the settlement of a partner's period, in the rules' role; approved where the partner's approve themselves.

    Locks the partner, so that two never sum the same redemptions; the till goes on meanwhile. What is redeemed while
    this runs is left to the next period. Raises AlreadySettled, NothingToSettle, BelowMinimum and AmountOutOfRange.
    """
    ((partner,),), before, (sums,), ((now,),) = await tx.fetch(
        PARTNER.query(partner_id=partner_id),
        OF_PERIOD.query(partner_id=partner_id, start=period.start, end=period.end),
        SUMS.query(partner_id=partner_id, end=period.end),
        clock.reading(),
    )
    if before:
        raise AlreadySettled(field="period_start", settlementId=str(before[0][0]))
    _check(partner, *sums)
    settlement = PartnerSettlement(
        id=uuid4(), partner_id=partner_id, period_start=period.start, period_end=period.end,
        status=PartnerSettlementStatus.PENDING,
    )  # fmt: skip
    tx.save(settlement)
    ((count, revenue, share),) = await TAKE.run(tx, settlement_id=settlement.id, partner_id=partner_id, end=period.end)
    _check(partner, count, revenue, share)
    settlement.total_redemptions_count = count
    settlement.total_revenue_cfa = revenue
    settlement.partner_share_cfa = share
    settlement.wolo_commission_cfa = revenue - share
    tx.save(settlement)
    publish(tx, Topic.SETTLEMENT_GENERATED, settlement.id, partner_id=partner_id)
    if partner.auto_approve_redemptions:
        _approve(tx, settlement, now, by=None)
    log.info(
        "settled", partner=str(partner_id), codes=count, share_cfa=share, by=tx.actor.user_id and str(tx.actor.user_id)
    )
    return settlement


@rule(OwnMatter, InvalidState, staff=True)
async def approve_settlement(
    tx: RuleTransaction, settlement: Annotated[PartnerSettlement, Locked("The settlement to agree to.")]
) -> PartnerSettlement:
    """Agree to a settlement, so that it may be paid; staff."""
    members, wards, ((now,),) = await tx.fetch(*belonging(tx, settlement.partner_id), clock.reading())
    refuse_members(tx, members, wards, field="settlement_id")
    _approve(tx, settlement, now, by=tx.user_id)
    return settlement


@rule(OwnMatter, InvalidState, TextMissing, UrlNotValid, staff=True)
async def mark_settlement_paid(
    tx: RuleTransaction,
    settlement: Annotated[PartnerSettlement, Locked("The settlement that was paid.")],
    reference: Annotated[
        str, Text("The bank's or provider's reference of the payment.", PartnerSettlement.payment_reference)
    ],
    invoice_url: Annotated[str | None, Text("Where the invoice is.", PartnerSettlement.invoice_url)] = None,
    receipt_url: Annotated[str | None, Text("Where the receipt is.", PartnerSettlement.receipt_url)] = None,
) -> PartnerSettlement:
    """Note that an approved settlement was paid: the partner is owed so much less, and is notified; staff."""
    check_text(reference, field="reference")
    for url, field in ((invoice_url, "invoice_url"), (receipt_url, "receipt_url")):
        if url is not None:
            check_url(url, field=field)
    members, wards, managers, ((now,),) = await tx.fetch(
        *belonging(tx, settlement.partner_id), managing(settlement.partner_id), clock.reading()
    )
    refuse_members(tx, members, wards, field="settlement_id")
    step(settlement, PartnerSettlementStatus.PAID, field="settlement_id")
    settlement.paid_at = now
    settlement.payment_reference = reference
    settlement.invoice_url = invoice_url or settlement.invoice_url
    settlement.receipt_url = receipt_url or settlement.receipt_url
    tx.save(settlement)
    amount = settlement.partner_share_cfa
    # A partner whose part is nothing is owed nothing.
    if amount:
        payable, bank = ledger.partner_payable(settlement.partner_id), ledger.provider("bank")
        ledger.transfer(tx, LedgerKind.SETTLEMENT_PAID, payable, bank, amount, of=settlement)
    publish(tx, Topic.SETTLEMENT_PAID, settlement.id, partner_id=settlement.partner_id)
    for (user_id,) in managers:
        notify(tx, user_id, "settlement_paid", amount=amount, reference=reference)
    return settlement


@rule(NotPartnerManager, InvalidState, TextMissing)
async def dispute_settlement(
    tx: RuleTransaction,
    settlement: Annotated[PartnerSettlement, Locked("The settlement that is objected to.")],
    reason: Annotated[str, Text("What is wrong with it.", LONGEST_REASON)],
) -> PartnerSettlement:
    """Object to a settlement that is not paid yet. The partner's owners and managers, or staff."""
    check_text(reason, field="reason")
    await check_role(tx, settlement.partner_id, MANAGERS, field="settlement_id")
    step(settlement, PartnerSettlementStatus.DISPUTED, field="settlement_id")
    settlement.dispute_reason = reason
    tx.save(settlement)
    publish(tx, Topic.SETTLEMENT_DISPUTED, settlement.id, partner_id=settlement.partner_id)
    return settlement


@rule(OwnMatter, InvalidState, staff=True)
async def reopen_settlement(
    tx: RuleTransaction, settlement: Annotated[PartnerSettlement, Locked("The disputed settlement.")]
) -> PartnerSettlement:
    """Settle a dispute: the settlement waits for approval anew, by a person; staff."""
    await refuse_own_partner(tx, settlement.partner_id, field="settlement_id")
    step(settlement, PartnerSettlementStatus.PENDING, field="settlement_id")
    settlement.approved_at = settlement.approved_by_user_id = None
    tx.save(settlement)
    publish(tx, Topic.SETTLEMENT_REOPENED, settlement.id, partner_id=settlement.partner_id)
    return settlement


@scheduled("settlements.settle_partners", "20 * * * *", timeout=300)
async def settle_partners(services: Services) -> None:
    """Settle the last full period of every partner to whom something is due, by its terms: a transaction a partner.

    Runs more often than periods end, so that one that was missed is made up for.
    """
    await due.each_apart(services, settle_partners, UNSETTLED_PARTNERS, _settle_last, at_once=1)


async def _settle_last(services: Services, partner_id: UUID) -> None:
    # Refused after something was written, too: the transaction ends before.
    with suppress(AlreadySettled, NothingToSettle, BelowMinimum):
        async with services.work() as tx:
            ((terms, today),) = await TERMS.all(tx, partner_id=partner_id)
            await settle(tx, partner_id, last_period(terms, today))


def last_period(terms: PartnerPaymentTerms | None, today: date) -> Period:
    """The last week (from Monday), month or quarter that ended before today."""
    if terms == PartnerPaymentTerms.WEEKLY:
        monday = today - timedelta(days=today.weekday())
        return Period(monday - timedelta(days=7), monday - timedelta(days=1))
    months = 3 if terms == PartnerPaymentTerms.QUARTERLY else 1
    after = today.replace(month=(today.month - 1) // months * months + 1, day=1)
    end = after - timedelta(days=1)
    return Period(end.replace(month=end.month - months + 1, day=1), end)


_today = cast(func.timezone(ZONE, func.now(), type_=DateTime(timezone=False)), Date)
TODAY = Lookup([_today], lambda rows: rows)
TERMS = Lookup([Partner.payment_terms, _today], lambda rows: rows.where(Partner.id == bindparam("partner_id")))
# Not as strictly as others lock it: the till may still name the partner in a redemption.
PARTNER = Lookup(
    [Partner], lambda rows: rows.where(Partner.id == bindparam("partner_id")).with_for_update(key_share=True)
)
OF_PERIOD = Lookup(
    [PartnerSettlement.id],
    lambda rows: rows.where(
        PartnerSettlement.partner_id == bindparam("partner_id"),
        PartnerSettlement.period_start == bindparam("start", type_=Date),
        PartnerSettlement.period_end == bindparam("end", type_=Date),
    ),
)
_code = QrCode.table().c
_end = func.timezone(ZONE, cast(bindparam("end", type_=Date) + 1, DateTime(timezone=False)))
UNSETTLED = (
    (_code.status == literal_column(f"'{QrCodeStatus.REDEEMED.value}'"))
    & _code.settlement_id.is_(None)
    & (_code.redeemed_by_partner_id == bindparam("partner_id", type_=Uuid))
    & (_code.redeemed_at < _end)
)


def _sums(price: ColumnElement[int], share: ColumnElement[int | None]) -> list[ColumnElement[int]]:
    """How many codes there are, their prices together, and the partner's parts of them."""
    sums = (cast(func.coalesce(func.sum(amount), 0), BigInteger) for amount in (price, share))
    return [func.count(), *sums]


_taken = (
    update(QrCode.table())
    .where(UNSETTLED)
    .values(settlement_id=bindparam("settlement_id", type_=Uuid))
    .returning(_code.price_cfa, _code.partner_share_cfa)
    .cte("taken")
)
SUMS = Lookup(_sums(_code.price_cfa, _code.partner_share_cfa), lambda rows: rows.where(UNSETTLED))
# Puts them into a settlement, and sums just these.
TAKE = Prepared(select(*_sums(_taken.c.price_cfa, _taken.c.partner_share_cfa)).select_from(_taken))
UNSETTLED_PARTNERS = due.Due(
    Partner.id,
    lambda rows: rows.where(
        select(_code.id)
        .where(
            _code.status == literal_column(f"'{QrCodeStatus.REDEEMED.value}'"),
            _code.settlement_id.is_(None),
            _code.redeemed_by_partner_id == Partner.id,
        )
        .exists()
    ).order_by(Partner.id),
)


def _check(partner: Partner, count: int, revenue: int, share: int) -> None:
    if not count:
        raise NothingToSettle(field="period_end")
    if share < partner.minimum_payout_cfa:
        raise BelowMinimum(field="period_end", shareCfa=share, minimumPayoutCfa=partner.minimum_payout_cfa)
    if not fits(revenue, PartnerSettlement.total_revenue_cfa):
        raise AmountOutOfRange(
            "That is more than one settlement can hold: settle a shorter period.", field="period_end"
        )


def _approve(tx: RuleTransaction, settlement: PartnerSettlement, now: datetime, *, by: UUID | None) -> None:
    step(settlement, PartnerSettlementStatus.APPROVED, field="settlement_id")
    settlement.approved_at, settlement.approved_by_user_id = now, by
    tx.save(settlement)
    publish(tx, Topic.SETTLEMENT_APPROVED, settlement.id, partner_id=settlement.partner_id)
