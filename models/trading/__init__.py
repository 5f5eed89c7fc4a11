"""Peer-to-peer trades of coins: orders, escrows, disputes, wallets and prices."""

from models.trading.escrows import CryptoDispute, CryptoDisputeStatus, CryptoEscrow, CryptoEscrowStatus
from models.trading.prices import CryptoPrice
from models.trading.traders import (
    CounterpartyPaymentMethod,
    CryptoPaymentMethod,
    CryptoPaymentMethodVerificationStatus,
    CryptoProfile,
    CryptoProfileKycStatus,
    CryptoProfileRiskTolerance,
    Trader,
)
from models.trading.trades import CryptoTrade, CryptoTradeOrderType, CryptoTradeSide, CryptoTradeStatus, TradeOffer
from models.trading.wallets import (
    CryptoTransaction,
    CryptoTransactionStatus,
    CryptoTransactionTransactionType,
    CryptoWallet,
)

__all__ = [
    "CounterpartyPaymentMethod",
    "CryptoDispute",
    "CryptoDisputeStatus",
    "CryptoEscrow",
    "CryptoEscrowStatus",
    "CryptoPaymentMethod",
    "CryptoPaymentMethodVerificationStatus",
    "CryptoPrice",
    "CryptoProfile",
    "CryptoProfileKycStatus",
    "CryptoProfileRiskTolerance",
    "CryptoTrade",
    "CryptoTradeOrderType",
    "CryptoTradeSide",
    "CryptoTradeStatus",
    "CryptoTransaction",
    "CryptoTransactionStatus",
    "CryptoTransactionTransactionType",
    "CryptoWallet",
    "TradeOffer",
    "Trader",
]
