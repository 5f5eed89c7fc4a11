"""What the mutations of trading take."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

import models.trading as m
from gql.kit.inputs import id_of, key_input, text_input, value_input
from gql.kit.kinds import enum_of
from gql.kit.scalars import Json
from models.identity import User
from resolvers.trading import disputes

OUTCOMES = {
    "RELEASE": "All of them go to the buyer, less the platform's fee.",
    "REFUND": "All of them go back to the seller.",
    "SPLIT": "The buyer gets their share of them, less the fee on it, and the seller the rest.",
}
DisputeOutcome: Any = strawberry.enum(
    disputes.Outcome, name="DisputeOutcome", description="Who gets the coins of a disputed trade."
)
for outcome in DisputeOutcome.__strawberry_definition__.values:
    outcome.description = OUTCOMES[outcome.name]
for choice in (m.CryptoTradeSide, m.CryptoProfileKycStatus):
    enum_of(choice)
MOST_DETAILS = 4_000


def escrow_id() -> Any:
    return id_of(m.CryptoEscrow, "The escrow.")


def trade_id() -> Any:
    return id_of(m.CryptoTrade, "The trade.")


def withdrawal_id() -> Any:
    return id_of(m.CryptoTransaction, "The pending withdrawal.")


def wallet_id() -> Any:
    return id_of(m.CryptoWallet, "The wallet.")


def payment_method_id() -> Any:
    return id_of(m.CryptoPaymentMethod, "The payment method.")


@strawberry.input(description="What `placeTrade` takes.")
class PlaceTradeInput:
    side: m.CryptoTradeSide = value_input("Whether you buy or sell the base coin.", required=True)
    pair: str = text_input("What for what, BASE/QUOTE, as in `BTC/USD`.", max_length=40, required=True)
    price: Decimal = value_input("The price of one base coin, in the quote currency.", required=True)
    amount: Decimal = value_input("How much of the base coin.", required=True)
    payment_method: str | None = text_input(
        "How the quote currency is to be paid, as in `bank_transfer`.", max_length=100
    )
    payment_details: Json | None = text_input(
        "What the buyer needs to know to pay; the parties alone see it.", max_length=MOST_DETAILS
    )
    expires_at: datetime | None = value_input("When the offer lapses; left out, it does not.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `cancelTrade` takes.")
class CancelTradeInput:
    trade_id: strawberry.ID = trade_id()
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `takeTrade` takes.")
class TakeTradeInput:
    trade_id: strawberry.ID = id_of(m.TradeOffer, "The offer.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `markTradePaid` takes.")
class MarkTradePaidInput:
    trade_id: strawberry.ID = trade_id()
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `rateTrade` takes.")
class RateTradeInput:
    trade_id: strawberry.ID = trade_id()
    rating: Decimal = value_input("From 1 to 5, with two decimals at most.", required=True)
    feedback: str | None = text_input("What you say of the other party.", max_length=2000)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `fundEscrow` takes.")
class FundEscrowInput:
    escrow_id: strawberry.ID = escrow_id()
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `releaseEscrow` takes.")
class ReleaseEscrowInput:
    escrow_id: strawberry.ID = escrow_id()
    two_factor_code: str | None = text_input(
        "A code of the seller's authenticator app, where they trade with a second factor.", max_length=20
    )
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `refundEscrow` takes.")
class RefundEscrowInput:
    escrow_id: strawberry.ID = escrow_id()
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `openDispute` takes.")
class OpenDisputeInput:
    trade_id: strawberry.ID = trade_id()
    reason: str = text_input("What it is about, in short.", max_length=200, required=True)
    description: str | None = text_input("What happened.", max_length=10_000)
    evidence: Json | None = text_input("What is to prove it, such as links to receipts.", max_length=MOST_DETAILS)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `resolveDispute` takes.")
class ResolveDisputeInput:
    dispute_id: strawberry.ID = id_of(m.CryptoDispute, "The dispute.")
    outcome: DisputeOutcome = value_input("Who gets the coins.", required=True)
    buyer_share: Decimal | None = value_input("The buyer's part of the coins in a split: 0.5 is half of them.")
    resolution: str | None = text_input("What was decided and why, for both parties to read.", max_length=2000)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `recordCryptoDeposit` takes.")
class RecordCryptoDepositInput:
    transaction_id: strawberry.ID = id_of(m.CryptoTransaction, "The confirmed deposit.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `withdrawCrypto` takes.")
class WithdrawCryptoInput:
    wallet_id: strawberry.ID = id_of(m.CryptoWallet, "Your wallet, to which the coins go.")
    amount: Decimal = value_input("How many of the wallet's coins.", required=True)
    destination_name: str | None = text_input("Who is behind the address, as you call them.", max_length=200)
    note: str | None = text_input("What you note on it.", max_length=2000)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `confirmCryptoWithdrawal` takes.")
class ConfirmCryptoWithdrawalInput:
    transaction_id: strawberry.ID = withdrawal_id()
    transaction_hash: str = text_input(
        "Its hash on the chain, which no other transaction has.", max_length=200, required=True
    )
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `failCryptoWithdrawal` takes.")
class FailCryptoWithdrawalInput:
    transaction_id: strawberry.ID = withdrawal_id()
    reason: str = text_input("Why it did not go through, for the user to read.", max_length=2000, required=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `connectWallet` takes.")
class ConnectWalletInput:
    wallet_address: str = text_input("Its public address.", max_length=200, required=True)
    chain_type: str = text_input("The chain it is on, as in `ethereum`.", max_length=40, required=True)
    currency: str = text_input("The code of its coin, as in `BTC`.", max_length=12, required=True)
    wallet_provider: str | None = text_input("Who keeps it, as in `metamask`.", max_length=100)
    supported_currencies: list[str] | None = text_input("The codes of all coins it can hold.", max_length=12)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `setPrimaryWallet` takes.")
class SetPrimaryWalletInput:
    wallet_id: strawberry.ID = wallet_id()
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `disconnectWallet` takes.")
class DisconnectWalletInput:
    wallet_id: strawberry.ID = wallet_id()
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `addPaymentMethod` takes.")
class AddPaymentMethodInput:
    type: str = text_input("What kind it is, as in `bank_transfer` or `mobile_money`.", max_length=100, required=True)
    provider: str = text_input("Who provides it, as the bank's name.", max_length=200, required=True)
    account_details: str = text_input(
        "The account's number and holder. Kept encrypted.", max_length=MOST_DETAILS, required=True
    )
    is_primary: bool | None = value_input("Whether it is to be used where no other is named.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `removePaymentMethod` takes.")
class RemovePaymentMethodInput:
    payment_method_id: strawberry.ID = payment_method_id()
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `verifyPaymentMethod` takes.")
class VerifyPaymentMethodInput:
    payment_method_id: strawberry.ID = payment_method_id()
    verified: bool = value_input("Whether it was found to be the user's own.", required=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `revealPaymentMethod` takes.")
class RevealPaymentMethodInput:
    payment_method_id: strawberry.ID = id_of(
        m.CryptoPaymentMethod, "Your own, or one of the other party of a trade in escrow."
    )


def of_price(name: str) -> Any:
    """A figure of the market, as the column tells of it."""
    return value_input(str(m.CryptoPrice.table().columns[name].doc))


@strawberry.input(description="What the market says of a coin; what is left out stays as it was.")
class CryptoPriceInput:
    symbol: str = text_input("The coin's code, as in `BTC`.", max_length=12, required=True)
    price_usd: Decimal = value_input("What one coin costs, in US dollars.", required=True)
    name: str | None = text_input("What the coin is called; its code where nobody ever said.", max_length=100)
    price_change_24h: Decimal | None = of_price("price_change_24h")
    volume_24h: Decimal | None = of_price("volume_24h")
    market_cap: Decimal | None = of_price("market_cap")
    market_cap_rank: int | None = of_price("market_cap_rank")
    high_24h: Decimal | None = of_price("high_24h")
    low_24h: Decimal | None = of_price("low_24h")
    circulating_supply: Decimal | None = of_price("circulating_supply")
    total_supply: Decimal | None = of_price("total_supply")
    max_supply: Decimal | None = of_price("max_supply")
    price_btc: Decimal | None = of_price("price_btc")
    price_eth: Decimal | None = of_price("price_eth")
    price_change_1h: Decimal | None = of_price("price_change_1h")
    price_change_7d: Decimal | None = of_price("price_change_7d")
    price_change_30d: Decimal | None = of_price("price_change_30d")
    dominance_percentage: Decimal | None = of_price("dominance_percentage")
    sentiment_score: Decimal | None = of_price("sentiment_score")
    rsi_14: Decimal | None = of_price("rsi_14")
    macd: Decimal | None = of_price("macd")
    macd_signal: Decimal | None = of_price("macd_signal")


@strawberry.input(description="What `upsertCryptoPrices` takes.")
class UpsertCryptoPricesInput:
    prices: list[CryptoPriceInput] = value_input("The coins, 500 at most.", required=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `setKycStatus` takes.")
class SetKycStatusInput:
    user_id: strawberry.ID = id_of(User, "Who trades.")
    status: m.CryptoProfileKycStatus = value_input("Whether their identity was confirmed.", required=True)
    daily_limit: Decimal | None = value_input("The most they may trade in a day, in US dollars.")
    monthly_limit: Decimal | None = value_input("The most they may trade in a month, in US dollars.")
    idempotency_key: str | None = key_input()
