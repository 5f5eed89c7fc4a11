"""Trades: offered by one person, taken by another, paid outside of the platform, and rated by both."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, case, func, literal_column, or_

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Id, Locked, Named, OwnedBy, Referred, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.topics import Topic
from models.trading import (
    CryptoEscrow,
    CryptoEscrowStatus,
    CryptoTrade,
    CryptoTradeOrderType,
    CryptoTradeSide,
    CryptoTradeStatus,
    TradeOffer,
)
from resolvers.kernel import clock, guardianship, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount, fits
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.kernel.too_late import ended_lately
from resolvers.trading import market
from resolvers.trading.deals import LONGEST_JSON, UNFUNDED, deal_of, publish_of_deal, publish_of_trade, reopen
from resolvers.trading.refusals import (
    CodeNotValid,
    CoinNotTraded,
    CounterpartyNotAvailable,
    LimitExceeded,
    NotInvolved,
    NotTheBuyer,
    NotYourTrade,
    OwnTrade,
)
from resolvers.trading.standing import BARRED
from resolvers.trading.traders import (
    check_counterparty,
    check_trader,
    checking,
    checks_in,
    locking_traders,
    traders_in,
)

FUNDING_MINUTES = Configured("escrow.funding_minutes", 30)
# How many trades a taker may call off within 24 hours.
DAILY_BACKOUTS = Configured("trading.daily_backouts", 3)
PAIR = re.compile(r"([^/]*)/([^/]*)")
LEAST_RATING, MOST_RATING = 1, 5
Status = CryptoTradeStatus
Trade = Annotated[CryptoTrade, Named("trade")]
TAKEN = frozenset({Status.MATCHED, Status.IN_ESCROW, Status.DISPUTED, Status.COMPLETED})


class ExpiryPast(Refused):
    """An offer must expire in the future."""


class BackedOutTooOften(Refused):
    """You have reached the daily limit of trades you may back out of: fund this one, or let it expire."""


class AlreadyTaken(Refused):
    """This offer has been taken already."""


class OfferExpired(Refused):
    """This offer has expired."""


class AlreadyPaid(Refused):
    """This trade is marked paid already."""


class NotCompleted(Refused):
    """A trade is rated once it is completed."""


class AlreadyRated(Refused):
    """You have rated this trade already."""


class RatingOutOfRange(Refused):
    """A rating is from 1 to 5, with two decimals at most."""


# How many trades somebody took and called off within a day.
BACKED_OUT = Lookup(
    [func.count()],
    lambda rows: (
        rows.select_from(CryptoEscrow)
        .join(CryptoTrade, CryptoTrade.id == CryptoEscrow.trade_id)
        .where(
            CryptoEscrow.cancelled_by == bindparam("taker"),
            CryptoEscrow.cancelled_at > func.clock_timestamp() - literal_column("interval '1 day'"),
            CryptoTrade.user_id != bindparam("taker"),
        )
    ),
)
GIVEN = case((CryptoTrade.seller_id == bindparam("user_id"), CryptoTrade.seller_rating), else_=CryptoTrade.buyer_rating)
# What counterparties gave somebody, as buyer and as seller: the sum, and how many did.
RATINGS = Lookup(
    [func.coalesce(func.sum(GIVEN), 0), func.count(GIVEN)],
    lambda rows: rows.where(
        or_(CryptoTrade.seller_id == bindparam("user_id"), CryptoTrade.buyer_id == bindparam("user_id")),
        CryptoTrade.status == CryptoTradeStatus.COMPLETED,
    ),
)


@rule(
    CodeNotValid, CoinNotTraded, AmountNotPositive, AmountOutOfRange, ExpiryPast, *BARRED, LimitExceeded,
)  # fmt: skip
async def place_trade(
    tx: RuleTransaction,
    side: Annotated[CryptoTradeSide, Value("Whether you buy or sell the base coin.")],
    pair: Annotated[str, Text("What for what, BASE/QUOTE, as in `BTC/USD`.", 40)],
    price: Annotated[Decimal, Value("The price of one base coin, in the quote currency.")],
    amount: Annotated[Decimal, Value("How much of the base coin.")],
    payment_method: Annotated[
        str | None, Text("How the quote currency is to be paid, as in `bank_transfer`.", 100)
    ] = None,
    payment_details: Annotated[
        RawJson | None, Text("What the buyer needs to know to pay; the parties alone see it.", LONGEST_JSON)
    ] = None,
    expires_at: Annotated[datetime | None, Value("When the offer lapses; left out, it does not.")] = None,
) -> Trade:
    """Offer to buy or sell a coin; anybody signed in may take the offer as it is."""
    base = _base_of(pair)
    check_amount(price, CryptoTrade.price, field="price")
    check_amount(amount, CryptoTrade.amount, field="amount")
    total = market.times(amount, price)
    check_amount(total, CryptoTrade.total_value, field="amount")
    *found, price_found = await tx.fetch(*checking(tx.user_id), market.pricing(base))
    checks = checks_in(tx, found, tx.user_id)
    value = _value(price_found, base, amount, coin_field="pair", amount_field="amount")
    if expires_at is not None and expires_at <= checks.now:
        raise ExpiryPast(field="expires_at")
    check_trader(checks, tx.user_id, value, field="amount")
    selling = side == CryptoTradeSide.SELL
    trade = CryptoTrade(
        id=uuid4(), user_id=tx.user_id, pair=pair, side=side, price=price, amount=amount, total_value=total,
        status=Status.OPEN, order_type=CryptoTradeOrderType.P2P, timestamp=checks.now, payment_method=payment_method,
        payment_details=payment_details, expires_at=expires_at,
        seller_id=tx.user_id if selling else None, buyer_id=None if selling else tx.user_id,
    )  # fmt: skip
    tx.save(trade, *checks.traders.values())
    publish_of_trade(tx, trade, Topic.TRADE_PLACED)
    return trade


@rule(NotFound, NotYourTrade, InvalidState, BackedOutTooOften)
async def cancel_trade(caller: CallerTransaction, trade_id: Annotated[UUID, Id(CryptoTrade, "The trade.")]) -> Trade:
    """Call off one's own offer, or what one has taken, as long as no coins are locked for it.

    Who took a cancelled offer is free again. An offer whose taker backs out is open again; a taker may do so
    `trading.daily_backouts` times within a day.
    """
    trades, offers, people = await caller.fetch(
        rows.finding(CryptoTrade, trade_id), rows.finding(TradeOffer, trade_id), guardianship.representing()
    )
    if not trades and not offers:
        raise NotFound("There is no such trade.", field="trade_id")
    own = guardianship.represented_in(people)
    if not any({seen.user_id, seen.buyer_id, seen.seller_id}.intersection(own) for (seen,) in trades):
        raise NotYourTrade(field="trade_id")
    tx = caller.as_rules()
    locked, ((now,),) = await tx.fetch(rows.locking(CryptoTrade, trade_id), clock.reading())
    trade: CryptoTrade = locked[0][0]
    as_taker = trade.user_id not in own
    if trade.status not in (Status.OPEN, Status.MATCHED) or (as_taker and trade.status == Status.OPEN):
        raise InvalidState(f"The trade is {trade.status}.", field="trade_id", state=trade.status)
    if as_taker:
        return await _back_out(tx, trade, own)
    if trade.status == Status.MATCHED:
        assert trade.escrow_id is not None
        escrow = await tx.lock(CryptoEscrow, trade.escrow_id)
        escrow.status, escrow.cancelled_at, escrow.cancelled_by = CryptoEscrowStatus.EXPIRED, now, trade.user_id
        tx.save(escrow)
        publish(tx, Topic.ESCROW_EXPIRED, escrow.id, trade_id=trade.id)
    trade.status, trade.cancelled_at = Status.CANCELLED, now
    tx.save(trade)
    publish_of_trade(tx, trade, Topic.TRADE_CANCELLED)
    return trade


async def _back_out(tx: RuleTransaction, trade: CryptoTrade, own: Container[UUID]) -> CryptoTrade:
    """Take back that one has taken an offer, which is open again. The trade is locked."""
    assert trade.escrow_id is not None
    taker = trade.buyer_id if trade.side == CryptoTradeSide.SELL else trade.seller_id
    # Another one may have taken it since it was seen.
    if taker is None or taker not in own:
        raise NotYourTrade(field="trade_id")
    escrow = await tx.lock(CryptoEscrow, trade.escrow_id)
    # Counted under the lock of the taker as a trader.
    deal, (((backed_out,),), allowed) = await deal_of(
        tx, trade, escrow, BACKED_OUT.query(taker=taker), system_config.reading(DAILY_BACKOUTS)
    )
    (most,) = system_config.numbers_in(allowed, DAILY_BACKOUTS)
    if backed_out >= most:
        raise BackedOutTooOften(field="trade_id", limit=most)
    deal.escrow.cancelled_at, deal.escrow.cancelled_by = deal.now, taker
    reopen(tx, deal)
    return deal.trade


@rule(
    NotFound, OwnTrade, AlreadyTaken, OfferExpired, InvalidState, *BARRED, LimitExceeded, CounterpartyNotAvailable,
    CoinNotTraded, AmountOutOfRange,
)  # fmt: skip
async def take_trade(caller: CallerTransaction, trade_id: Annotated[UUID, Id(TradeOffer, "The offer.")]) -> Trade:
    """Take an offer; of many at once exactly one does. The seller has `escrow.funding_minutes` to fund its escrow."""
    # What is taken is no offer any more, and its parties alone see the trade.
    offers, trades, people = await caller.fetch(
        rows.finding(TradeOffer, trade_id), rows.finding(CryptoTrade, trade_id), guardianship.representing()
    )
    tx = caller.as_rules()
    # Everybody saw the offer until a moment ago: whoever comes just too late hears what became of it, too.
    if not offers and not trades and not await ended_lately(tx, CryptoTrade, trade_id):
        raise NotFound("There is no such offer.", field="trade_id")
    locked, wards = await tx.fetch(rows.locking(CryptoTrade, trade_id), guardianship.relating(tx.user_id))
    trade: CryptoTrade = locked[0][0]
    own = {*guardianship.represented_in(people), *guardianship.related_in(wards, tx.user_id)}
    if trade.user_id in own:
        raise OwnTrade(field="trade_id")
    if trade.status in TAKEN:
        raise AlreadyTaken(field="trade_id")
    if trade.status == Status.EXPIRED:
        raise OfferExpired(field="trade_id")
    if trade.status != Status.OPEN:
        raise InvalidState(f"The trade is {trade.status}.", field="trade_id", state=trade.status)
    coin, both = trade.pair.partition("/")[0], (trade.user_id, tx.user_id)
    *found, price_found, funding_minutes = await tx.fetch(
        *checking(*both), market.pricing(coin), system_config.reading(FUNDING_MINUTES)
    )
    checks = checks_in(tx, found, *both)
    if trade.expires_at is not None and trade.expires_at <= checks.now:
        raise OfferExpired(field="trade_id")
    value = _value(price_found, coin, trade.amount, coin_field="trade_id", amount_field="trade_id")
    check_trader(checks, tx.user_id, value, field="trade_id")
    check_counterparty(checks, trade.user_id, value, field="trade_id")
    if trade.side == CryptoTradeSide.SELL:
        trade.buyer_id = tx.user_id
    else:
        trade.seller_id = tx.user_id
    (minutes,) = system_config.numbers_in(funding_minutes, FUNDING_MINUTES)
    escrow = CryptoEscrow(
        id=uuid4(), trade_id=trade.id, seller_id=trade.seller_id, buyer_id=trade.buyer_id, amount=trade.amount,
        currency=coin, status=CryptoEscrowStatus.PENDING, created_at=checks.now,
        expires_at=checks.now + timedelta(minutes=minutes),
    )  # fmt: skip
    trade.status, trade.escrow_id = Status.MATCHED, escrow.id
    tx.save(escrow, trade, *checks.traders.values())
    publish(tx, Topic.ESCROW_CREATED, escrow.id, trade_id=trade.id)
    publish_of_trade(tx, trade, Topic.TRADE_TAKEN)
    return trade


@rule(AlreadyPaid, *UNFUNDED)
async def mark_trade_paid(
    tx: RuleTransaction,
    trade: Annotated[CryptoTrade, Locked("The trade."), OwnedBy(CryptoTrade.buyer_id, NotTheBuyer)],
    escrow: Annotated[CryptoEscrow | None, Referred(CryptoTrade.escrow_id)],
) -> Trade:
    """Say that the seller was paid, outside of the platform. From then on the escrow does not expire."""
    if escrow is None:
        raise InvalidState(f"The trade is {trade.status}.", field="trade_id", state=trade.status)
    deal, _ = await deal_of(tx, trade, escrow)
    deal.demand_funded(field="trade_id")
    if trade.paid_at is not None:
        raise AlreadyPaid(field="trade_id")
    trade.paid_at = deal.now
    tx.save(trade)
    publish_of_deal(tx, deal, Topic.TRADE_PAID)
    return trade


@rule(NotInvolved, OwnTrade, NotCompleted, AlreadyRated, RatingOutOfRange)
async def rate_trade(
    tx: RuleTransaction,
    trade: Annotated[CryptoTrade, Locked("The trade.")],
    rating: Annotated[Decimal, Value("From 1 to 5, with two decimals at most.")],
    feedback: Annotated[str | None, Text("Your comment on the other party.", 2_000)] = None,
) -> Trade:
    """Rate the other party of a completed trade, once; what they are given on average is everybody's to see."""
    if not LEAST_RATING <= rating <= MOST_RATING or not fits(rating, CryptoTrade.seller_rating):
        raise RatingOutOfRange(field="rating")
    own = await guardianship.represented_users(tx)
    if trade.buyer_id not in own and trade.seller_id not in own:
        raise NotInvolved(field="trade_id")
    if trade.status != Status.COMPLETED:
        raise NotCompleted(field="trade_id", state=trade.status)
    assert trade.buyer_id is not None
    assert trade.seller_id is not None
    as_buyer = trade.buyer_id in own
    rated, rater = (trade.seller_id, trade.buyer_id) if as_buyer else (trade.buyer_id, trade.seller_id)
    # What others gave is counted under the lock of whom they rated.
    wards, *found, ((given, raters),) = await tx.fetch(
        guardianship.relating(rater), *locking_traders(rated), RATINGS.query(user_id=rated)
    )
    if rated in guardianship.related_in(wards, rater):
        raise OwnTrade(field="trade_id")
    trader = traders_in(tx, found)[rated]
    if (trade.seller_rating if as_buyer else trade.buyer_rating) is not None:
        raise AlreadyRated(field="trade_id")
    if as_buyer:
        trade.seller_rating, trade.seller_feedback = rating, feedback
    else:
        trade.buyer_rating, trade.buyer_feedback = rating, feedback
    trader.average_rating = ((given + rating) / (raters + 1)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    tx.save(trade, trader)
    publish_of_trade(tx, trade, Topic.TRADE_RATED)
    return trade


def _base_of(pair: str) -> str:
    """The coin that is traded, of a pair that is one."""
    found = PAIR.fullmatch(pair)
    if found is None or not all(market.CODE.fullmatch(code) for code in found.groups()) or found[1] == found[2]:
        raise CodeNotValid("A pair is two codes, BASE/QUOTE, as in BTC/USD.", field="pair")
    return found[1]


def _value(
    found: Sequence[tuple[Any, ...]], coin: str, amount: Decimal, *, coin_field: str, amount_field: str
) -> Decimal:
    """What so many coins are worth in US dollars, by the price that was found."""
    price = market.price_in(found)
    if price is None:
        raise CoinNotTraded(f"{coin} is not traded here.", field=coin_field)
    value = market.times(amount, price)
    if not fits(value, CryptoTrade.total_value):
        raise AmountOutOfRange(field=amount_field)
    return value
