"""M-Pesa: mobile money in KES. What the rules ask of it, and what it answers.

Money comes by an STK push, which asks a phone for the PIN, or from the payer's own menu; it goes by a payout to a
phone (B2C), or back by a reversal. What becomes of it M-Pesa reports later, to `lango.providers.mpesa.webhook`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from lango.providers.mpesa.errors import MpesaUnavailable


@dataclass(frozen=True, slots=True)
class Push:
    """An STK push that M-Pesa has accepted: nothing is paid by that."""

    merchant_request_id: str
    # By which its callback and queries are matched.
    checkout_request_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an STK push, as a query tells it."""

    # `0` where it was paid.
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A payout, a reversal or a query that M-Pesa has accepted: what becomes of it comes as a message."""

    conversation_id: str
    # Of a payout the key that we gave; M-Pesa makes its own for a reversal and a query.
    originator_conversation_id: str


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A line of M-Pesa's statement."""

    receipt: str
    # Positive also where it was paid out.
    amount: Decimal
    at: datetime
    # What the payer typed as the account; empty where there is none.
    reference: str
    # As M-Pesa calls it.
    kind: str


class Mpesa(Protocol):
    """What the rules ask of M-Pesa. Each call raises MpesaUnavailable (nothing was begun), MpesaRefused, and, where it
    may have begun something, MpesaUndecided."""

    async def push(self, *, amount: int, phone: str, reference: str, description: str, payment: UUID) -> Push:
        """Ask a phone (E.164) for the PIN, to pay whole shillings; `payment` is our row's id, to which it reports.

        The payer sees `reference` (at most 12 characters) as the account and `description`, of which 13 are shown.
        """

    async def push_outcome(self, checkout_request_id: str) -> Outcome:
        """What became of an STK push. Raises MpesaUndecided while the payer has not decided."""

    async def pay_phone(self, *, amount: int, phone: str, key: str, remarks: str) -> Accepted:
        """Send whole shillings to a phone (E.164). The same `key`, a UUID, pays once."""

    async def reverse(self, *, receipt: str, amount: int, key: str, remarks: str) -> Accepted:
        """Give a payment back, in whole shillings; M-Pesa's message about it names `key` as its `Occasion`."""

    async def ask_status(self, *, receipt: str | None = None, original_key: str | None = None, key: str) -> Accepted:
        """Have M-Pesa report on a receipt, or on what was sent with `original_key`, by a message that names `key`.

        A query begins nothing: it is never undecided.
        """

    async def statement(self, begin: datetime, end: datetime) -> list[StatementLine]:
        """What came to the Paybill number meanwhile, as M-Pesa has it. Raises MpesaRefused where it gives none."""


class NoMpesa:
    """M-Pesa switched off: no call is made."""

    async def push(self, *, amount: int, phone: str, reference: str, description: str, payment: UUID) -> Push:  # noqa: ARG002
        raise switched_off()

    async def push_outcome(self, checkout_request_id: str) -> Outcome:  # noqa: ARG002
        raise switched_off()

    async def pay_phone(self, *, amount: int, phone: str, key: str, remarks: str) -> Accepted:  # noqa: ARG002
        raise switched_off()

    async def reverse(self, *, receipt: str, amount: int, key: str, remarks: str) -> Accepted:  # noqa: ARG002
        raise switched_off()

    async def ask_status(self, *, receipt: str | None = None, original_key: str | None = None, key: str) -> Accepted:  # noqa: ARG002
        raise switched_off()

    async def statement(self, begin: datetime, end: datetime) -> list[StatementLine]:  # noqa: ARG002
        raise switched_off()


def switched_off() -> MpesaUnavailable:
    return MpesaUnavailable("LANGO_MPESA is off")
