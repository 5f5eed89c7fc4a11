"""Peer-to-peer trades with escrow, wallets and prices, as the API shows them."""

from __future__ import annotations

import strawberry

import models.trading as m
from gql.kit.mirror import mirror
from gql.kit.mutation import mutation
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from gql.trading import inputs
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


@mirror(m.CryptoProfile)
class CryptoProfile:
    pass


@mirror(m.CryptoWallet)
class CryptoWallet:
    pass


@mirror(m.CryptoTransaction)
class CryptoTransaction:
    pass


@mirror(m.CryptoTrade)
class CryptoTrade:
    pass


@mirror(m.CryptoEscrow)
class CryptoEscrow:
    pass


@mirror(m.CryptoDispute)
class CryptoDispute:
    pass


@mirror(m.CryptoPaymentMethod)
class CryptoPaymentMethod:
    pass


@mirror(m.CryptoPrice)
class CryptoPrice:
    pass


@mirror(m.Trader)
class Trader:
    pass


@mirror(m.TradeOffer)
class TradeOffer:
    pass


@mirror(m.CounterpartyPaymentMethod)
class CounterpartyPaymentMethod:
    pass


@strawberry.type
class Mutation:
    place_trade = mutation(
        trades.place, name="placeTrade", input=inputs.PlaceTradeInput, makes={"trade": m.CryptoTrade}
    )
    cancel_trade = mutation(
        trades.cancel, name="cancelTrade", input=inputs.CancelTradeInput, makes={"trade": m.CryptoTrade}
    )
    take_trade = mutation(trades.take, name="takeTrade", input=inputs.TakeTradeInput, makes={"trade": m.CryptoTrade})
    mark_trade_paid = mutation(
        trades.mark_paid, name="markTradePaid", input=inputs.MarkTradePaidInput, makes={"trade": m.CryptoTrade}
    )
    rate_trade = mutation(trades.rate, name="rateTrade", input=inputs.RateTradeInput, makes={"trade": m.CryptoTrade})
    fund_escrow = mutation(
        escrows.fund, name="fundEscrow", input=inputs.FundEscrowInput, makes={"escrow": m.CryptoEscrow}
    )
    release_escrow = mutation(
        escrows.release, name="releaseEscrow", input=inputs.ReleaseEscrowInput, makes={"escrow": m.CryptoEscrow}
    )
    refund_escrow = mutation(
        escrows.refund, name="refundEscrow", input=inputs.RefundEscrowInput, makes={"escrow": m.CryptoEscrow}
    )
    open_dispute = mutation(
        disputes.open_dispute, name="openDispute", input=inputs.OpenDisputeInput, makes={"dispute": m.CryptoDispute}
    )
    resolve_dispute = mutation(
        disputes.resolve, name="resolveDispute", input=inputs.ResolveDisputeInput, makes={"dispute": m.CryptoDispute}
    )
    record_crypto_deposit = mutation(
        deposits.record,
        name="recordCryptoDeposit",
        input=inputs.RecordCryptoDepositInput,
        makes={"transaction": m.CryptoTransaction},
    )
    withdraw_crypto = mutation(
        withdrawals.withdraw,
        name="withdrawCrypto",
        input=inputs.WithdrawCryptoInput,
        makes={"transaction": m.CryptoTransaction},
    )
    confirm_crypto_withdrawal = mutation(
        withdrawals.confirm,
        name="confirmCryptoWithdrawal",
        input=inputs.ConfirmCryptoWithdrawalInput,
        makes={"transaction": m.CryptoTransaction},
    )
    fail_crypto_withdrawal = mutation(
        withdrawals.fail,
        name="failCryptoWithdrawal",
        input=inputs.FailCryptoWithdrawalInput,
        makes={"transaction": m.CryptoTransaction},
    )
    connect_wallet = mutation(
        wallets.connect, name="connectWallet", input=inputs.ConnectWalletInput, makes={"wallet": m.CryptoWallet}
    )
    set_primary_wallet = mutation(
        wallets.set_primary,
        name="setPrimaryWallet",
        input=inputs.SetPrimaryWalletInput,
        makes={"wallet": m.CryptoWallet},
    )
    disconnect_wallet = mutation(
        wallets.disconnect,
        name="disconnectWallet",
        input=inputs.DisconnectWalletInput,
        makes={"wallet": m.CryptoWallet},
    )
    add_payment_method = mutation(
        payment_methods.add,
        name="addPaymentMethod",
        input=inputs.AddPaymentMethodInput,
        makes={"payment_method": m.CryptoPaymentMethod},
    )
    remove_payment_method = mutation(
        payment_methods.remove,
        name="removePaymentMethod",
        input=inputs.RemovePaymentMethodInput,
        makes={"payment_method": m.CryptoPaymentMethod},
    )
    verify_payment_method = mutation(
        payment_methods.verify,
        name="verifyPaymentMethod",
        input=inputs.VerifyPaymentMethodInput,
        makes={"payment_method": m.CryptoPaymentMethod},
    )
    set_kyc_status = mutation(
        traders.set_kyc_status, name="setKycStatus", input=inputs.SetKycStatusInput, makes={"profile": m.CryptoProfile}
    )
    reveal_payment_method = mutation(
        payment_methods.reveal,
        name="revealPaymentMethod",
        input=inputs.RevealPaymentMethodInput,
        makes={
            "account_details": (str, "The account's number and holder."),
            "type": (str, "What kind it is."),
            "provider": (str, "Who provides it."),
        },
    )
    upsert_crypto_prices = mutation(
        market.upsert_prices,
        name="upsertCryptoPrices",
        input=inputs.UpsertCryptoPricesInput,
        makes={"prices": [m.CryptoPrice]},
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
