"""Our books of M-Pesa against its statement: what only we have, what only it has, and what is another amount.

Nothing is changed here. What M-Pesa has and we have not is credited by staff, or by the worker that looks for receipts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from lango.providers.mpesa.client import StatementLine
from models.treasury import MpesaReceipt, MpesaTransaction

RECEIPTS, PAYMENTS = MpesaReceipt.table().fullname, MpesaTransaction.table().fullname
# What came, also where it is older than receipts; what was paid out; and what was given back.
BOOKED = f"""
    WITH booked AS (
        SELECT receipt_number AS receipt, amount, coalesce(paid_at, created_at) AS at, 'came' AS way FROM {RECEIPTS}
        UNION ALL
        SELECT
            mpesa_receipt_number, coalesce(paid_amount, amount), coalesce(transaction_date, callback_at, created_at),
            CASE transaction_type WHEN 'b2c' THEN 'went' WHEN 'reversal' THEN 'went back' ELSE 'came' END
        FROM {PAYMENTS} AS payment
        WHERE mpesa_receipt_number IS NOT NULL AND status IN ('completed', 'reversed')
            AND NOT EXISTS (SELECT FROM {RECEIPTS} WHERE receipt_number = payment.mpesa_receipt_number)
    )
    SELECT receipt, amount, at, way FROM booked
    WHERE ((at >= $1 AND at < $2) OR upper(receipt) = ANY ($3)) AND (way = 'came' OR $4)
    ORDER BY at, receipt
"""


class Difference(StrEnum):
    """What is wrong with a receipt."""

    ONLY_OURS = "only ours"
    ONLY_THEIRS = "only M-Pesa's"
    AMOUNT = "another amount"


@dataclass(frozen=True, slots=True)
class Finding:
    """A receipt on which our books and the statement do not agree."""

    difference: Difference
    receipt: str
    at: datetime
    # How our books have it, or M-Pesa calls it.
    way: str
    # In shillings; None where there is none.
    ours: Decimal | None
    theirs: Decimal | None


class Fetching(Protocol):
    """What reads rows by SQL: a connection of asyncpg."""

    async def fetch(self, query: str, /, *args: Any) -> Sequence[Any]: ...


async def reconcile(
    connection: Fetching, lines: Iterable[StatementLine], begin: datetime, end: datetime, *, what_went: bool
) -> list[Finding]:
    """What does not agree from `begin` until before `end`.

    A receipt that both sides have agrees also where they have it on different days. `what_went`: whether the statement
    tells what was paid out and given back as well.
    """
    theirs: dict[str, list[StatementLine]] = defaultdict(list)
    for line in lines:
        theirs[line.receipt.upper()].append(line)
    booked = await connection.fetch(BOOKED, begin, end, list(theirs), what_went)
    ours = {receipt.upper() for receipt, *_ in booked}
    found = []
    for receipt, amount, at, way in booked:
        amounts = [line.amount for line in theirs.get(receipt.upper(), ())]
        if not amounts:
            found.append(Finding(Difference.ONLY_OURS, receipt, at, way, amount, None))
        # One receipt may have a line of its own for M-Pesa's charge.
        elif amount not in amounts:
            found.append(Finding(Difference.AMOUNT, receipt, at, way, amount, max(amounts)))
    for receipt, of_receipt in theirs.items():
        line = max(of_receipt, key=lambda line: line.amount)
        if receipt not in ours and begin <= line.at < end:
            found.append(Finding(Difference.ONLY_THEIRS, line.receipt, line.at, line.kind, None, line.amount))
    return found
