"""Peer-to-peer trades with escrow, wallets and prices, as the API shows them."""

from __future__ import annotations

import strawberry

import models.trading as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from resolvers.trading import (
    deposits,
    disputes,
    escrows,
    market,
    payment_methods,
    traders,
    trades,
    wallets,
    withdrawals,
)

mirrors(
    m.CryptoProfile,
    m.CryptoWallet,
    m.CryptoTransaction,
    m.CryptoTrade,
    m.CryptoEscrow,
    m.CryptoDispute,
    m.CryptoPaymentMethod,
    m.CryptoPrice,
    m.Trader,
    m.TradeOffer,
    m.CounterpartyPaymentMethod,
)


Mutation = mutations(
    trades.place_trade,
    trades.cancel_trade,
    trades.take_trade,
    trades.mark_trade_paid,
    trades.rate_trade,
    escrows.fund_escrow,
    escrows.release_escrow,
    escrows.refund_escrow,
    disputes.open_dispute,
    disputes.resolve_dispute,
    deposits.record_crypto_deposit,
    withdrawals.withdraw_crypto,
    withdrawals.confirm_crypto_withdrawal,
    withdrawals.fail_crypto_withdrawal,
    wallets.connect_wallet,
    wallets.set_primary_wallet,
    wallets.disconnect_wallet,
    payment_methods.add_payment_method,
    payment_methods.remove_payment_method,
    payment_methods.verify_payment_method,
    traders.set_kyc_status,
    payment_methods.reveal_payment_method,
    market.upsert_crypto_prices,
)


Query = root_fields(
    m.CryptoProfile,
    m.CryptoWallet,
    m.CryptoTransaction,
    m.CryptoTrade,
    m.CryptoEscrow,
    m.CryptoDispute,
    m.CryptoPaymentMethod,
    m.CryptoPrice,
    m.TradeOffer,
    m.CounterpartyPaymentMethod,
    unlisted=(m.Trader,),
)


@strawberry.type
class Subscription:
    trade_updated = subscription(
        m.CryptoTrade,
        name="tradeUpdated",
        topics=("trade.*", "escrow.*"),
        by="trade_id",
        doc="Whenever a trade changes, or the escrow that secures it.",
    )
    escrow_updated = subscription(
        m.CryptoEscrow,
        name="escrowUpdated",
        topics=("escrow.*",),
        by="escrow_id",
        doc="Whenever an escrow is funded, released, refunded or disputed.",
    )
