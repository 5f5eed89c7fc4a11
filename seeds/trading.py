"""Traders, their wallets and offers, and trades with the coins in escrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from models.ledger import LedgerKind
from models.trading import (
    CryptoDispute,
    CryptoEscrow,
    CryptoPaymentMethod,
    CryptoPrice,
    CryptoProfile,
    CryptoTrade,
    CryptoTransaction,
    CryptoWallet,
)
from resolvers.ledger.ledger import Movement, fees, provider, user_account
from seeds.ledger import Books
from seeds.world import Dice, Person, World, digest, named

COIN = "cUSD"
PRICE = Decimal("129.5")
FEE_RATE = Decimal("0.005")
DEPOSIT = Decimal(500)
AN_HOUR = timedelta(hours=1)
# The trade's state, the escrow's, and the dispute's: the first trades show each.
STATES = (
    ("in_escrow", "funded", None), ("completed", "released", None), ("open", None, None), ("open", "expired", None),
    ("cancelled", "refunded", None), ("disputed", "disputed", "pending"), ("completed", "split", "resolved"),
    ("in_escrow", "pending", None), ("cancelled", None, None), ("expired", None, None), ("open", None, None),
)  # fmt: skip
PRICES: tuple[tuple[str, str, int | str], ...] = (
    ("BTC", "Bitcoin", 64_250), ("ETH", "Ether", 3_410), ("CELO", "Celo", "0.62"), ("cUSD", "Celo Dollar", 1),
    ("USDT", "Tether", 1), ("MTAA", "Mtaa", "0.0768"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade of two people, with its id, amount, states and beginning."""

    id: UUID
    seller: Person
    buyer: Person
    amount: Decimal
    status: str
    escrow: str | None
    dispute: str | None
    when: datetime


async def load(world: World, books: Books) -> int:
    """Traders, then their trades with escrows and disputes, then what of a trade points back at those."""
    dice = world.dice("trading")
    callers = [world.callers[name] for name in ("pot_owner", "member")]
    traders = [*callers, *world.adults[len(world.callers) : len(world.callers) + world.size.traders - 2]]
    trades = list(_trades(world, dice, traders))
    for number, trader in enumerate(traders):
        _put_trader(world, dice, books, trader, number, trades)
        await world.rows.flush_if_many()
    _put_prices(world, dice)
    for trade in trades:
        _put_trade(world, trade)
        _put_escrow(world, dice, books, trade)
        if trade.dispute:
            _put_dispute(world, trade)
        await world.rows.flush_if_many()
    await world.rows.flush()
    for statement in WAYS_BACK:
        await world.rows.connection.execute(statement)
    return len(trades)


WAYS_BACK = (
    (
        "UPDATE trading.crypto_trades t SET escrow_id = e.id FROM trading.crypto_escrows e"
        " WHERE e.trade_id = t.id AND t.status <> 'open'"
    ),
    "UPDATE trading.crypto_trades t SET dispute_id = d.id FROM trading.crypto_disputes d WHERE d.trade_id = t.id",
    (
        "UPDATE trading.crypto_trades t SET transaction_id = x.id FROM trading.crypto_transactions x"
        " WHERE x.trade_id = t.id AND x.transaction_type = 'escrow_release'"
    ),
)


def _trades(world: World, dice: Dice, traders: list[Person]) -> Iterator[Trade]:
    for number, seller in enumerate(traders):
        for turn in range(2):
            status, escrow, dispute = STATES[(number * 2 + turn) % len(STATES)]
            buyer = traders[(number + 1 + turn) % len(traders)]
            recent = status in ("open", "in_escrow")
            when = (
                world.today - AN_HOUR / 4 if escrow == "pending" else dice.ago(1.5, 0.5) if recent else dice.ago(60, 5)
            )
            amount = Decimal(dice.randrange(10, 100))
            yield Trade(dice.id(), seller, buyer, amount, status, escrow, dispute, when)


def _put_trader(world: World, dice: Dice, books: Books, trader: Person, number: int, trades: list[Trade]) -> None:
    begun, address, wallet, deposit = dice.ago(95, 90), f"0x{dice.hexadecimal(40)}", dice.id(), dice.id()
    mine = trades[2 * number : 2 * number + 2]
    completed = [trade for trade in mine if trade.status == "completed"]
    volume = sum((trade.amount for trade in completed), Decimal())
    verified = number % 5 != 4
    world.rows.put(
        CryptoProfile, id=dice.id(), user_id=trader.id, wallet_address=address, wallet_provider="valora",
        kyc_status="verified" if verified else dice.choice(("pending", "rejected")),
        kyc_verified_at=begun if verified else None, trading_volume=volume, total_trades=len(completed),
        average_rating=Decimal(dice.randrange(350, 501)) / 100 if completed else None, is_verified_trader=verified,
        preferred_currencies=["cUSD", "CELO"], trading_pairs=["cUSD/KES"],
        risk_tolerance=dice.choice(("low", "medium", "high")), investment_strategy="Hold, and sell on market days.",
        preferred_payment_methods=["mobile_money"], daily_limit=Decimal(1_000), monthly_limit=Decimal(10_000),
        successful_escrows=len(completed), disputed_trades=sum(1 for trade in mine if trade.dispute),
        banned_until=world.today + timedelta(days=20) if number % 50 == 11 else None, created_at=begun,
    )  # fmt: skip
    world.rows.put(
        CryptoWallet, id=wallet, user_id=trader.id, wallet_address=address, wallet_provider="valora", chain_type="celo",
        balance=Decimal(dice.randrange(1, 900)), currency=COIN, is_primary=True, last_synced_at=world.today - AN_HOUR,
        encrypted_private_key=dice.opaque(), backup_phrase_encrypted=dice.opaque(), last_backup=begun,
        supported_currencies=["cUSD", "CELO"], withdrawal_limit_daily=Decimal(500),
        withdrawal_limit_monthly=Decimal(5_000), created_at=begun,
        deleted_at=None,
    )  # fmt: skip
    if number % 10 == 3:
        world.rows.put(
            CryptoWallet, id=dice.id(), user_id=trader.id, wallet_address=f"0x{dice.hexadecimal(40)}",
            chain_type="celo", currency="CELO", is_connected=False, created_at=begun, deleted_at=dice.ago(20),
        )  # fmt: skip
    for place, (kind, name) in enumerate((("mobile_money", "M-Pesa"), ("bank_transfer", "Ecobank"))):
        world.rows.put(
            CryptoPaymentMethod, id=dice.id(), user_id=trader.id, type=kind, provider=name,
            account_details_encrypted=dice.opaque(), is_verified=place == 0,
            verification_status="verified" if place == 0 else "pending", verified_at=begun if place == 0 else None,
            is_primary=place == 0, created_at=begun,
        )  # fmt: skip
    _put_transaction(world, dice, trader, DEPOSIT, "deposit", begun, None, key=deposit, wallet=wallet)
    arrived = Movement(provider("chain", COIN), user_account(trader.id, "available", COIN), DEPOSIT)
    books.post(LedgerKind.CRYPTO_DEPOSIT, begun, [arrived], of=("crypto_transaction", deposit), by=world.staff)


def _put_transaction(
    world: World, dice: Dice, user: Person, amount: Decimal, kind: str, when: datetime, trade: UUID | None,
    *, key: UUID | None = None, wallet: UUID | None = None, fee: Decimal | None = None,
) -> None:  # fmt: skip
    key = key or dice.id()
    world.rows.put(
        CryptoTransaction, id=key, user_id=user.id, wallet_id=wallet, amount=amount, currency=COIN,
        transaction_hash=f"0x{digest(str(key))}" if kind == "deposit" else None, status="confirmed",
        transaction_type=kind, timestamp=when, confirmations=24 if kind == "deposit" else 0,
        block_number=30_000_000 if kind == "deposit" else None, trade_id=trade, platform_fee=fee, category="trading",
        created_at=when,
    )  # fmt: skip


def _put_trade(world: World, trade: Trade) -> None:
    matched = trade.status in ("in_escrow", "completed", "disputed") or trade.escrow == "refunded"
    ended = trade.when + 3 * AN_HOUR
    completed = trade.status == "completed"
    world.rows.put(
        CryptoTrade, id=trade.id, user_id=trade.seller.id, seller_id=trade.seller.id,
        buyer_id=trade.buyer.id if matched else None, pair=f"{COIN}/KES", side="sell", price=PRICE, amount=trade.amount,
        total_value=trade.amount * PRICE, fee=trade.amount * FEE_RATE if completed else Decimal(0), fee_currency=COIN,
        status=trade.status, order_type="p2p", timestamp=trade.when, payment_method="mobile_money",
        payment_details={"note": "Paybill 400200"} if matched else None,
        expires_at=trade.when + timedelta(days=1 if trade.status == "expired" else 30),
        completed_at=ended if completed else None, cancelled_at=ended if trade.status == "cancelled" else None,
        dispute_reason="payment_not_received" if trade.dispute else None, dispute_status=trade.dispute,
        seller_rating=Decimal(5) if completed else None, buyer_rating=Decimal(4) if completed else None,
        buyer_feedback="Rapide et honnête." if completed else None, created_at=trade.when,
        paid_at=trade.when + 2 * AN_HOUR if completed or trade.dispute else None,
    )  # fmt: skip


def _put_escrow(world: World, dice: Dice, books: Books, trade: Trade) -> None:
    state = trade.escrow
    if state is None:
        return
    escrow, taken = named(f"escrow {trade.id}"), trade.when
    funded = taken + AN_HOUR / 4 if state not in ("pending", "expired") else None
    ended = taken + 3 * AN_HOUR
    fee = trade.amount * FEE_RATE
    half = trade.amount / 2
    shares = {
        "released": (trade.amount - fee, Decimal(0)),
        "refunded": (Decimal(0), trade.amount),
        "split": (half - fee, half),
    }
    to_buyer, to_seller = shares.get(state, (None, None))
    world.rows.put(
        CryptoEscrow, id=escrow, trade_id=trade.id, seller_id=trade.seller.id, buyer_id=trade.buyer.id,
        amount=trade.amount, currency=COIN, status=state, created_at=taken, funded_at=funded,
        released_at=ended if state in ("released", "split") else None,
        refunded_at=ended if state == "refunded" else None, disputed_at=taken + 2 * AN_HOUR if trade.dispute else None,
        # Time enough to pay: the worker leaves the trades that are under way as they are.
        expires_at=world.today + timedelta(days=30) if state == "funded" else taken + AN_HOUR / 2,
        buyer_amount=to_buyer, seller_amount=to_seller,
    )  # fmt: skip
    if funded is None:
        return
    of = ("crypto_escrow", escrow)
    available, locked = (user_account(trade.seller.id, part, COIN) for part in ("available", "locked"))
    books.post(LedgerKind.ESCROW_FUND, funded, [Movement(available, locked, trade.amount)], of=of, by=trade.seller.id)
    _put_transaction(world, dice, trade.seller, trade.amount, "escrow_fund", funded, trade.id)
    if to_buyer is None or to_seller is None:
        return
    charged = trade.amount - to_buyer - to_seller
    movements = [
        Movement(locked, user_account(trade.buyer.id, "available", COIN), to_buyer),
        Movement(locked, available, to_seller), Movement(locked, fees(COIN), charged),
    ]  # fmt: skip
    by = world.staff if state == "split" else trade.seller.id
    kind = "escrow_refund" if state == "refunded" else "escrow_release"
    books.post(LedgerKind.ESCROW_SPLIT if state == "split" else LedgerKind(kind), ended, movements, of=of, by=by)
    _put_transaction(world, dice, trade.buyer, to_buyer or to_seller, kind, ended, trade.id, fee=charged)


def _put_dispute(world: World, trade: Trade) -> None:
    resolved = trade.dispute == "resolved"
    world.rows.put(
        CryptoDispute, id=named(f"dispute {trade.id}"), trade_id=trade.id, escrow_id=named(f"escrow {trade.id}"),
        raised_by=trade.buyer.id, against_user_id=trade.seller.id, reason="payment_not_received",
        description="J'ai payé par M-Pesa, et rien n'est venu.", evidence=[{"kind": "receipt", "number": "QGN7MZ61SU"}],
        status=trade.dispute, resolution="Half to each side." if resolved else None,
        resolved_by=world.staff if resolved else None, resolved_at=trade.when + 3 * AN_HOUR if resolved else None,
        created_at=trade.when + 2 * AN_HOUR,
    )  # fmt: skip


def _put_prices(world: World, dice: Dice) -> None:
    for rank, (symbol, name, price) in enumerate(PRICES, 1):
        usd = Decimal(price)
        world.rows.put(
            CryptoPrice, id=named(f"price {symbol}"), symbol=symbol, name=name, price_usd=usd,
            price_change_24h=Decimal(dice.randrange(-500, 500)) / 100, volume_24h=Decimal(10_000_000 // rank),
            market_cap=usd * 1_000_000, market_cap_rank=rank, high_24h=usd * Decimal("1.02"),
            low_24h=usd * Decimal("0.98"), circulating_supply=Decimal(1_000_000), total_supply=Decimal(2_000_000),
            price_change_1h=Decimal("0.10"), price_change_7d=Decimal("1.50"), price_change_30d=Decimal("-2.25"),
            last_updated=world.today, created_at=world.today - timedelta(days=90),
        )  # fmt: skip
