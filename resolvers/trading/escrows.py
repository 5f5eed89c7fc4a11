"""Escrows: a seller's coins, locked for a trade until they are released or given back, or were not funded in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from sqlalchemy import and_, func, or_

from lango.db import rows
from lango.jobs.job import scheduled
from lango.rules.inputs import Locked, OwnedBy, Referred, Text
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.topics import Topic
from models.trading import CryptoEscrow, CryptoEscrowStatus, CryptoTrade, CryptoTradeStatus
from resolvers.kernel import clock, due, guardianship, own_matters, system_config
from resolvers.kernel.ages import aging, minors_in
from resolvers.kernel.amounts import AmountOutOfRange
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.system_config import Configured
from resolvers.ledger import ledger
from resolvers.ledger.balances import ZERO, InsufficientFunds, check_funds
from resolvers.security import second_factor
from resolvers.trading.deals import (
    UNFUNDED,
    Deal,
    Kind,
    State,
    deal_of,
    hand_over,
    holders_of,
    movement,
    publish_of_deal,
    publish_of_trade,
    reopen,
)
from resolvers.trading.refusals import CounterpartyNotAvailable, EscrowExpired, NotTheBuyer, NotTheSeller, OwnTrade
from resolvers.trading.standing import BARRED, check_counterpartys_standing, check_standing

# How long a buyer has to pay once the coins are locked.
PAYMENT_MINUTES = Configured("escrow.payment_minutes", 60)

TO_END = due.Due(
    CryptoEscrow.id,
    lambda rows: (
        rows.join(CryptoTrade, CryptoTrade.id == CryptoEscrow.trade_id)
        .where(
            CryptoEscrow.expires_at <= func.now(),
            or_(
                CryptoEscrow.status == CryptoEscrowStatus.PENDING,
                and_(CryptoEscrow.status == CryptoEscrowStatus.FUNDED, CryptoTrade.paid_at.is_(None)),
            ),
        )
        .order_by(CryptoEscrow.expires_at, CryptoEscrow.id)
    ),
    beside=CryptoEscrow.seller_id,
)
LAPSED = due.Due(
    CryptoTrade.id,
    lambda rows: rows.where(
        CryptoTrade.status == CryptoTradeStatus.OPEN, CryptoTrade.expires_at <= func.now()
    ).order_by(CryptoTrade.expires_at, CryptoTrade.id),
)


@rule(OwnTrade, EscrowExpired, InvalidState, *BARRED, CounterpartyNotAvailable, InsufficientFunds)
async def fund_escrow(
    tx: RuleTransaction,
    trade: Annotated[CryptoTrade, Referred(CryptoEscrow.trade_id)],
    escrow: Annotated[CryptoEscrow, Locked("The escrow."), OwnedBy(CryptoEscrow.seller_id, NotTheSeller)],
) -> CryptoEscrow:
    """Lock the coins of a trade: the seller's available balance moves to the locked one.

    The buyer then has `escrow.payment_minutes` to pay.
    """
    seller, buyer = escrow.seller_id, escrow.buyer_id
    deal, (wards, ages, payment_minutes) = await deal_of(
        tx, trade, escrow,
        guardianship.relating(seller), aging(seller, buyer), system_config.reading(PAYMENT_MINUTES), holders=[seller],
    )  # fmt: skip
    late = escrow.expires_at is not None and escrow.expires_at <= deal.now
    if escrow.status == State.EXPIRED or (escrow.status == State.PENDING and late):
        raise EscrowExpired(field="escrow_id")
    if escrow.status != State.PENDING:
        raise InvalidState(f"The escrow is {escrow.status} already.", field="escrow_id", state=escrow.status)
    # One may have become the other's guardian since the offer was taken.
    if buyer in guardianship.related_in(wards, seller):
        raise OwnTrade(field="escrow_id")
    minors = minors_in(ages)
    check_standing(deal.traders[seller], minors, deal.now)
    check_counterpartys_standing(deal.traders[buyer], minors, deal.now, field="escrow_id")
    balance = deal.balances[seller]
    check_funds(balance, escrow.amount, field="escrow_id")
    (minutes,) = system_config.numbers_in(payment_minutes, PAYMENT_MINUTES)
    escrow.status, escrow.funded_at = State.FUNDED, deal.now
    escrow.expires_at = deal.now + timedelta(minutes=minutes)
    trade.status = CryptoTradeStatus.IN_ESCROW
    tx.save(escrow, trade, movement(deal, seller, Kind.ESCROW_FUND, escrow.amount))
    available, locked = ledger.available(balance), ledger.locked(balance)
    ledger.transfer(tx, LedgerKind.ESCROW_FUND, available, locked, escrow.amount, of=escrow)
    publish_of_deal(tx, deal, Topic.ESCROW_FUNDED)
    return escrow


@rule(OwnMatter, *UNFUNDED, *second_factor.REFUSALS, AmountOutOfRange)
async def release_escrow(
    tx: RuleTransaction,
    trade: Annotated[CryptoTrade, Referred(CryptoEscrow.trade_id)],
    escrow: Annotated[
        CryptoEscrow, Locked("The escrow."), OwnedBy(CryptoEscrow.seller_id, NotTheSeller, or_staff=True)
    ],
    two_factor_code: Annotated[
        str | None, Text("A code of the seller's authenticator app, where they trade with a second factor.", 20)
    ] = None,
) -> CryptoEscrow:
    """Give the locked coins to the buyer, less the platform's fee, and complete the trade: the seller, or staff.

    A seller who has a second factor for trading must show a code of it. A release, a refund and a dispute at once: one
    wins, and the refusals of the others say which.
    """
    as_seller = True
    if tx.actor.is_staff:
        people, wards = await tx.fetch(guardianship.representing(), own_matters.relating(tx))
        as_seller = escrow.seller_id in guardianship.represented_in(people)
        if not as_seller:
            own_matters.refuse_related(tx, wards, escrow.buyer_id, field="escrow_id")
    has_code = as_seller and two_factor_code is not None
    factor = await second_factor.lock_factor(tx, escrow.seller_id) if has_code else None
    tries = second_factor.counting_tries(factor)
    deal, tried = await deal_of(tx, trade, escrow, *tries, holders=holders_of(escrow, State.RELEASED))
    deal.demand_funded(field="escrow_id")
    if as_seller and deal.traders[escrow.seller_id].two_factor_enabled:
        second_factor.demand_code(tx, factor, tried, two_factor_code, field="two_factor_code")
    for trader in deal.traders.values():
        trader.successful_escrows = (trader.successful_escrows or 0) + 1
    hand_over(tx, deal, State.RELEASED, escrow.amount, field="escrow_id")
    publish_of_deal(tx, deal, Topic.ESCROW_RELEASED, Topic.TRADE_COMPLETED)
    return escrow


@rule(*UNFUNDED, AmountOutOfRange)
async def refund_escrow(
    tx: RuleTransaction,
    trade: Annotated[CryptoTrade, Referred(CryptoEscrow.trade_id)],
    escrow: Annotated[CryptoEscrow, Locked("The escrow."), OwnedBy(CryptoEscrow.buyer_id, NotTheBuyer)],
) -> CryptoEscrow:
    """Give the locked coins back to the seller and call the trade off: the buyer, at any time before release."""
    deal, _ = await deal_of(tx, trade, escrow, holders=holders_of(escrow, State.REFUNDED))
    deal.demand_funded(field="escrow_id")
    _give_back(tx, deal)
    return escrow


@scheduled("escrows.end_due_escrows", "* * * * *")
async def end_due_escrows(services: Services) -> None:
    """Expire the escrows that were not funded in time, and refund those that were not paid in time."""
    await due.each(services, end_due_escrows, TO_END, _end_due)


@scheduled("escrows.expire_lapsed_offers", "* * * * *")
async def expire_lapsed_offers(services: Services) -> None:
    """Take down the offers that nobody took in time."""
    await due.each(services, expire_lapsed_offers, LAPSED, _expire_lapsed, together=due.TOGETHER)


async def _end_due(tx: RuleTransaction, escrow_id: UUID, _seller_id: UUID) -> None:
    seen = await tx.find(CryptoEscrow, escrow_id)
    assert seen is not None
    trade = await tx.lock(CryptoTrade, seen.trade_id)
    escrow = await tx.lock(CryptoEscrow, escrow_id)
    is_funded = escrow.status == State.FUNDED
    deal, _ = await deal_of(tx, trade, escrow, holders=holders_of(escrow, State.REFUNDED) if is_funded else ())
    if escrow.expires_at is None or escrow.expires_at > deal.now:
        return
    if escrow.status == State.PENDING:
        reopen(tx, deal)
    elif is_funded and trade.paid_at is None:
        _give_back(tx, deal)


def _give_back(tx: RuleTransaction, deal: Deal) -> None:
    hand_over(tx, deal, State.REFUNDED, ZERO, field="escrow_id")
    publish_of_deal(tx, deal, Topic.ESCROW_REFUNDED, Topic.TRADE_CANCELLED)


async def _expire_lapsed(tx: RuleTransaction, trade_id: UUID) -> None:
    ((trade,),), ((now,),) = await tx.fetch(rows.locking(CryptoTrade, trade_id), clock.reading())
    if trade.status != CryptoTradeStatus.OPEN or trade.expires_at is None or trade.expires_at > now:
        return
    trade.status = CryptoTradeStatus.EXPIRED
    tx.save(trade)
    publish_of_trade(tx, trade, Topic.TRADE_EXPIRED)
