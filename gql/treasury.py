"""Balances, DAOs, their treasuries, swaps and mobile money, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.UserBalance)
class UserBalance:
    pass


@mirror(m.DaoTreasury)
class DaoTreasury:
    pass


@mirror(m.TransactionFee)
class TransactionFee:
    pass


@mirror(m.CurrencySwap)
class CurrencySwap:
    pass


@mirror(m.MpesaTransaction)
class MpesaTransaction:
    pass


@mirror(m.GasPrice)
class GasPrice:
    pass


@mirror(m.ReferralPayout)
class ReferralPayout:
    pass


@mirror(m.RecurringPayment)
class RecurringPayment:
    pass


@mirror(m.FinancialReport)
class FinancialReport:
    pass


@mirror(m.Dao)
class Dao:
    pass


@mirror(m.DaoMember)
class DaoMember:
    pass


@mirror(m.WalletTransaction)
class WalletTransaction:
    pass


@mirror(m.TreasuryTransfer)
class TreasuryTransfer:
    pass


@mirror(m.TreasuryApproval)
class TreasuryApproval:
    pass


@mirror(m.ExchangeRate)
class ExchangeRate:
    pass


@mirror(m.SwapQuote)
class SwapQuote:
    pass


Query = root_fields(
    m.UserBalance,
    m.DaoTreasury,
    m.TransactionFee,
    m.CurrencySwap,
    m.MpesaTransaction,
    m.GasPrice,
    m.ReferralPayout,
    m.RecurringPayment,
    m.FinancialReport,
    m.Dao,
    m.DaoMember,
    m.WalletTransaction,
    m.TreasuryTransfer,
    m.TreasuryApproval,
    m.ExchangeRate,
    m.SwapQuote,
)
