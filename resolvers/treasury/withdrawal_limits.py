"""How many shillings somebody may withdraw in a day and in a month, counted where they are."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func

from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from models.treasury import MpesaTransaction, MpesaTransactionPurpose, MpesaTransactionStatus
from resolvers.kernel import system_config
from resolvers.kernel.periods import begin_of
from resolvers.kernel.system_config import Configured
from resolvers.ledger.balances import ZERO

DAILY_WITHDRAWALS = Configured("treasury.daily_withdrawal_limit", Decimal(300_000))
MONTHLY_WITHDRAWALS = Configured("treasury.monthly_withdrawal_limit", Decimal(2_000_000))


class LimitExceeded(Refused):
    """This goes beyond what may be withdrawn in a day or a month."""


SUM = func.sum(MpesaTransaction.amount)
# What was not sent came back, and counts no more. What is held may have been paid.
WITHDRAWN = Lookup(
    [
        func.coalesce(SUM.filter(MpesaTransaction.created_at >= begin_of("day")), 0),
        func.coalesce(SUM, 0),
    ],
    lambda rows: rows.where(
        MpesaTransaction.user_id == bindparam("user_id"),
        MpesaTransaction.purpose == MpesaTransactionPurpose.WITHDRAWAL,
        and_(
            MpesaTransaction.status != MpesaTransactionStatus.FAILED,
            MpesaTransaction.status != MpesaTransactionStatus.CANCELLED,
        ),
        MpesaTransaction.created_at >= begin_of("month"),
    ),
)


def limiting(user_id: UUID) -> tuple[Query, Query]:
    """The look-ups of `check_limits`, to be sent together with others, under the user's lock."""
    return WITHDRAWN.query(user_id=user_id), system_config.reading(DAILY_WITHDRAWALS, MONTHLY_WITHDRAWALS)


def check_limits(found: Sequence[Sequence[tuple[Any, ...]]], amount: Decimal) -> None:
    """Refuses what goes beyond the limits of the user's day or month. The fee does not count."""
    ((today, this_month),), configured = found
    daily, monthly = system_config.numbers_in(configured, DAILY_WITHDRAWALS, MONTHLY_WITHDRAWALS)
    for period, limit, withdrawn in (("day", daily, today), ("month", monthly, this_month)):
        if amount > (left := max(limit - withdrawn, ZERO)):
            shown = format(left, "f")
            raise LimitExceeded(
                f"{shown} KES are left of your limit this {period}.", field="amount", period=period, left=shown
            )
