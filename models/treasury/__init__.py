"""Balances, DAOs and their treasuries: deposits by M-Pesa, swaps, fees, payouts, transfers and reports."""

from models.treasury.balances import (
    TransactionFee,
    TransactionFeeCollectedBy,
    TransactionFeeFeeType,
    UserBalance,
    WalletTransaction,
    WalletTransactionStatus,
    WalletTransactionType,
)
from models.treasury.daos import Dao, DaoAccess, DaoMember, DaoMemberRole, DaoMemberStatus, DaoStatus
from models.treasury.mpesa import MpesaTransaction, MpesaTransactionStatus, MpesaTransactionTransactionType
from models.treasury.payouts import (
    RecurringPayment,
    RecurringPaymentFrequency,
    RecurringPaymentPaymentMethod,
    ReferralPayout,
    ReferralPayoutPayoutMethod,
    ReferralPayoutStatus,
)
from models.treasury.reports import (
    FinancialReport,
    FinancialReportGeneratedBy,
    FinancialReportReportFormat,
    FinancialReportReportType,
    FinancialReportStatus,
)
from models.treasury.swaps import (
    CurrencySwap,
    CurrencySwapProvider,
    CurrencySwapStatus,
    ExchangeRate,
    GasPrice,
    GasPriceNetwork,
    GasPriceNetworkCongestion,
    SwapQuote,
)
from models.treasury.treasuries import (
    DaoTreasury,
    TreasuryApproval,
    TreasuryApprovalDecision,
    TreasuryTransfer,
    TreasuryTransferStatus,
)

__all__ = [
    "CurrencySwap",
    "CurrencySwapProvider",
    "CurrencySwapStatus",
    "Dao",
    "DaoAccess",
    "DaoMember",
    "DaoMemberRole",
    "DaoMemberStatus",
    "DaoStatus",
    "DaoTreasury",
    "ExchangeRate",
    "FinancialReport",
    "FinancialReportGeneratedBy",
    "FinancialReportReportFormat",
    "FinancialReportReportType",
    "FinancialReportStatus",
    "GasPrice",
    "GasPriceNetwork",
    "GasPriceNetworkCongestion",
    "MpesaTransaction",
    "MpesaTransactionStatus",
    "MpesaTransactionTransactionType",
    "RecurringPayment",
    "RecurringPaymentFrequency",
    "RecurringPaymentPaymentMethod",
    "ReferralPayout",
    "ReferralPayoutPayoutMethod",
    "ReferralPayoutStatus",
    "SwapQuote",
    "TransactionFee",
    "TransactionFeeCollectedBy",
    "TransactionFeeFeeType",
    "TreasuryApproval",
    "TreasuryApprovalDecision",
    "TreasuryTransfer",
    "TreasuryTransferStatus",
    "UserBalance",
    "WalletTransaction",
    "WalletTransactionStatus",
    "WalletTransactionType",
]
