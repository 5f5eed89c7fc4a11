"""Balances, DAOs, their treasuries, swaps and mobile money, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
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
mirrors(*MODELS)

Query = root_fields(*MODELS)
