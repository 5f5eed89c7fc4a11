"""Fees: what is charged is what was shown, rounded up to the currency's scale once, and written down with its parts."""

from __future__ import annotations

from decimal import Decimal, localcontext
from enum import StrEnum
from uuid import UUID, uuid4

from lango.rules.transaction import RuleTransaction
from models.treasury import TransactionFee, TransactionFeeCollectedBy, TransactionFeeFeeType
from resolvers.kernel.amounts import DIGITS
from resolvers.kernel.currencies import rounded_up

ZERO = Decimal()


class FeeCategory(StrEnum):
    """What was done for a fee."""

    MPESA_DEPOSIT = "mpesa_deposit"
    MPESA_WITHDRAWAL = "mpesa_withdrawal"
    CURRENCY_SWAP = "currency_swap"


def fee_of(base: Decimal, rate: Decimal, currency: str) -> Decimal:
    """The fee of that rate (0.025 is 2.5 percent) on an amount in that currency."""
    with localcontext(prec=DIGITS):
        return rounded_up(base * rate, currency)


def charge(
    tx: RuleTransaction,
    category: FeeCategory,
    base: Decimal,
    fee: Decimal,
    currency: str,
    *,
    of: UUID,
    transaction_type: str,
    paid_by: UUID,
    rate: Decimal | None,
    dao: UUID | None = None,
) -> None:
    """Write down a fee that the platform has kept, on the movement `of`; nothing where there is none.

    The ledger has it besides, on `platform:fees`.
    """
    if fee == ZERO:
        return
    taken = TransactionFee(
        id=uuid4(), transaction_id=of, transaction_type=transaction_type,
        fee_type=TransactionFeeFeeType.PLATFORM_FEE, fee_category=category, base_amount=base, fee_amount=fee,
        fee_percentage=rate, currency=currency, paid_by=paid_by, dao_id=dao,
        collected_by=TransactionFeeCollectedBy.PLATFORM, platform_revenue=fee, dao_revenue=ZERO,
        protocol_revenue=ZERO,
    )  # fmt: skip
    tx.save(taken)
