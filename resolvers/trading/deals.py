"""A deal: a trade with its escrow, its two parties and what they hold, locked together; and how its coins are handed
over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from lango.db.prepared import Query
from lango.errors import Refused
from lango.rules.rule import InvalidState
from lango.rules.transaction import RuleTransaction
from models.ledger import LedgerKind
from models.topics import Topic
from models.trading import (
    CryptoEscrow,
    CryptoEscrowStatus,
    CryptoProfile,
    CryptoTrade,
    CryptoTradeSide,
    CryptoTradeStatus,
    CryptoTransaction,
    CryptoTransactionStatus,
    CryptoTransactionTransactionType,
)
from models.treasury import UserBalance
from resolvers.kernel import clock, system_config
from resolvers.kernel.amounts import fits
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.ledger import ledger
from resolvers.ledger.balances import ZERO, balances_in, check_room, locking_balances
from resolvers.trading import market
from resolvers.trading.refusals import AlreadyRefunded, AlreadyReleased, Disputed, NotFunded
from resolvers.trading.traders import add_trade, locking_traders, traders_in

FEE_RATE = Configured("trading.fee_rate", Decimal("0.005"))
CATEGORY = "trading"
State = CryptoEscrowStatus
Kind = CryptoTransactionTransactionType
NOT_IN_IT: dict[str, type[Refused]] = {
    State.PENDING: NotFunded, State.EXPIRED: NotFunded, State.RELEASED: AlreadyReleased,
    State.REFUNDED: AlreadyRefunded, State.DISPUTED: Disputed,
}  # fmt: skip
# Of the JSON that a party writes for the other one, or for staff.
LONGEST_JSON = 4_000
# What a rule that demands a funded escrow can refuse.
UNFUNDED = (NotFunded, AlreadyReleased, AlreadyRefunded, Disputed, InvalidState)
LEDGER_KINDS = {
    State.RELEASED: LedgerKind.ESCROW_RELEASE,
    State.REFUNDED: LedgerKind.ESCROW_REFUND,
    State.SPLIT: LedgerKind.ESCROW_SPLIT,
}


@dataclass(frozen=True, slots=True)
class Deal:
    """What is locked, and what was so when it was: the time, what the coin is worth, and the platform's part."""

    trade: CryptoTrade
    escrow: CryptoEscrow
    traders: dict[UUID, CryptoProfile]
    now: datetime
    price: Decimal | None
    fee_rate: Decimal
    # Of those whose coins may move.
    balances: dict[UUID, UserBalance]

    def demand_funded(self, *, field: str) -> None:
        """Refuses unless the coins are in the escrow, free to go either way."""
        state = self.escrow.status
        if state == State.FUNDED:
            return
        refusal = NOT_IN_IT.get(state)
        if refusal is not None:
            raise refusal(field=field)
        raise InvalidState(f"The escrow is {state} already.", field=field, state=state)


async def deal_of(
    tx: RuleTransaction, trade: CryptoTrade, escrow: CryptoEscrow, *beside: Query, holders: Sequence[UUID] = ()
) -> tuple[Deal, list[list[Any]]]:
    """A locked trade and its locked escrow, with both parties, who are locked after them; and what the look-ups
    `beside` give, after the parties. The balances of the `holders` are locked last.

    All of it in one round trip.
    """
    new, locked, limits, ((now,),), price, rate, *others = await tx.fetch(
        *locking_traders(escrow.seller_id, escrow.buyer_id),
        clock.reading(), market.pricing(escrow.currency), system_config.reading(FEE_RATE),
        *beside,
        *(locking_balances(escrow.currency, *holders) if holders else ()),
    )  # fmt: skip
    traders = traders_in(tx, [new, locked, limits])
    (fee_rate,) = system_config.numbers_in(rate, FEE_RATE)
    balances = balances_in(others[len(beside) :]) if holders else {}
    deal = Deal(trade, escrow, traders, now, market.price_in(price), fee_rate, balances)
    return deal, others[: len(beside)]


@dataclass(frozen=True, slots=True)
class Shares:
    """How the coins of an escrow are divided: the three add up to all of it."""

    buyer: Decimal
    seller: Decimal
    fee: Decimal


def shares_of(amount: Decimal, gross: Decimal, rate: Decimal) -> Shares:
    """The buyer's part is `gross` less the platform's fee, which is rounded half to even to 8 decimals."""
    fee = min(market.times(gross, rate), gross)
    return Shares(gross - fee, amount - gross, fee)


def holders_of(escrow: CryptoEscrow, outcome: CryptoEscrowStatus) -> list[UUID]:
    """Whose balances change where an escrow ends so."""
    return [escrow.seller_id] if outcome == State.REFUNDED else [escrow.seller_id, escrow.buyer_id]


def hand_over(tx: RuleTransaction, deal: Deal, outcome: CryptoEscrowStatus, gross: Decimal, *, field: str) -> None:
    """End an escrow whose coins are locked: `gross` of them go to the buyer, less the fee, the rest to the seller.

    Completes or cancels the trade, of which the balances of `holders_of` are locked. Raises AmountOutOfRange where a
    balance would not hold it.
    """
    trade, escrow, price = deal.trade, deal.escrow, deal.price
    parts = shares_of(escrow.amount, gross, deal.fee_rate)
    seller, buyer = deal.balances[escrow.seller_id], deal.balances.get(escrow.buyer_id)
    locked = ledger.locked(seller)
    movements = [
        ledger.Movement(locked, ledger.available(seller), parts.seller),
        ledger.Movement(locked, ledger.fees(escrow.currency), parts.fee),
    ]
    if buyer is not None:
        check_room(buyer, parts.buyer, field=field)
        movements.append(ledger.Movement(locked, ledger.available(buyer), parts.buyer))

    escrow.status, escrow.buyer_amount, escrow.seller_amount = outcome, parts.buyer, parts.seller
    if outcome == State.REFUNDED:
        escrow.refunded_at = trade.cancelled_at = deal.now
        trade.status = CryptoTradeStatus.CANCELLED
    else:
        escrow.released_at = trade.completed_at = deal.now
        trade.status, trade.fee, trade.fee_currency = CryptoTradeStatus.COMPLETED, parts.fee, escrow.currency
        received = movement(deal, escrow.buyer_id, Kind.ESCROW_RELEASE, parts.buyer, fee=parts.fee)
        given = movement(deal, escrow.seller_id, Kind.ESCROW_RELEASE, gross)
        tx.save(received, given)
        trade.transaction_id = received.id
        for trader in deal.traders.values():
            add_trade(trader, ZERO if price is None else market.times(gross, price))
    if parts.seller:
        tx.save(movement(deal, escrow.seller_id, Kind.ESCROW_REFUND, parts.seller))
    tx.save(escrow, trade, *deal.traders.values())
    ledger.post(tx, LEDGER_KINDS[outcome], movements, of=escrow)


def reopen(tx: RuleTransaction, deal: Deal) -> None:
    """End an escrow that was never funded; its trade is open again, for anybody to take."""
    trade, escrow = deal.trade, deal.escrow
    escrow.status = State.EXPIRED
    trade.status, trade.escrow_id = CryptoTradeStatus.OPEN, None
    if trade.side == CryptoTradeSide.SELL:
        trade.buyer_id = None
    else:
        trade.seller_id = None
    tx.save(escrow, trade)
    publish_of_deal(tx, deal, Topic.ESCROW_EXPIRED, Topic.TRADE_REOPENED)


def publish_of_deal(tx: RuleTransaction, deal: Deal, *topics: Topic) -> None:
    """Publish events of the escrow and of the trade."""
    trade, escrow = deal.trade, deal.escrow
    # The escrow's parties: the trade may be open again, without the one who had taken it.
    parties = {"buyer_id": escrow.buyer_id, "seller_id": escrow.seller_id}
    for topic in topics:
        if topic.startswith("escrow."):
            publish(tx, topic, escrow.id, trade_id=trade.id)
        else:
            publish(tx, topic, trade.id, **parties, escrow_id=escrow.id)


def publish_of_trade(tx: RuleTransaction, trade: CryptoTrade, topic: Topic) -> None:
    """Publish an event of a trade, which may have no escrow."""
    parties = {"buyer_id": trade.buyer_id, "seller_id": trade.seller_id}
    publish(tx, topic, trade.id, **parties, escrow_id=trade.escrow_id)


def movement(
    deal: Deal,
    user_id: UUID,
    kind: CryptoTransactionTransactionType,
    amount: Decimal,
    *,
    fee: Decimal | None = None,
) -> CryptoTransaction:
    """What a party sees of a movement of the escrow's coins, which no chain does."""
    value = None if deal.price is None else market.times(amount, deal.price)
    return CryptoTransaction(
        id=uuid4(), user_id=user_id, amount=amount, currency=deal.escrow.currency, transaction_fee=fee,
        platform_fee=fee, status=CryptoTransactionStatus.CONFIRMED, transaction_type=kind, timestamp=deal.now,
        trade_id=deal.trade.id, category=CATEGORY, exchange_rate=deal.price,
        fiat_value=value if value is not None and fits(value, CryptoTransaction.fiat_value) else None,
    )  # fmt: skip
