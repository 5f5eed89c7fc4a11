"""Receipts: a donor without an account holds a token that is the right to their one donation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, ScalarSelect, any_, bindparam, func, select
from sqlalchemy import types as sql

from lango.actor import Actor, DatabaseRole
from lango.db import rows
from lango.db.fair_queue import SYSTEM
from lango.db.pipeline import Pipeline
from lango.db.prepared import Lookup, Query
from lango.db.transaction import acting_as
from lango.errors import BadUserInput
from lango.rules.inputs import Text
from lango.rules.rule import NotFound
from lango.rules.transaction import CallerTransaction
from lango.values import codes
from models.donations import Donation, DonationStatus, Refund
from models.donations import RefundWaveRefundStatus as Sent
from models.pots import Pot, PotStatus
from resolvers.kernel.share_links import LONGEST_TOKEN, hashes_of

ReceiptToken = Annotated[
    str | None, Text("The token of its receipt; instead of `donationId`, and without signing in.", LONGEST_TOKEN)
]
HASHES = any_(bindparam("hashes", type_=ARRAY(sql.Text)))
BY_TOKEN = Lookup([Donation], lambda rows: rows.where(Donation.receipt_token_hash == HASHES))


def _refunds(status: Sent) -> ScalarSelect[int]:
    """What a donation's refunds that stand so at Wave come to."""
    total = select(func.coalesce(func.sum(Refund.amount_cfa), 0))
    wanted = total.where(Refund.donation_id == Donation.id, Refund.wave_refund_status == status)
    return wanted.correlate(Donation).scalar_subquery()


RECEIPT = Lookup(
    [Donation, Pot, _refunds(Sent.SUCCEEDED), _refunds(Sent.PENDING), _refunds(Sent.FAILED)],
    lambda rows: (
        rows.select_from(Donation).join(Pot, Pot.id == Donation.pot_id).where(Donation.receipt_token_hash == HASHES)
    ),
)


def new_token() -> str:
    """A token that nobody guesses, for a receipt."""
    return codes.new(codes.LONG)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the holder of a receipt's token may see."""

    pot_id: UUID
    pot_title: str
    pot_status: PotStatus
    reference: str
    status: DonationStatus
    amount_cfa: int
    refunded_cfa: int
    refund_pending_cfa: int
    refund_failed_cfa: int
    show_amount: bool
    initiated_at: datetime
    confirmed_at: datetime | None
    payment_url: str | None


async def receipt(pipeline: Pipeline, actor: Actor, token: str) -> Receipt | None:
    """The receipt that a token opens, in a transaction of its own; None where it opens none."""
    # Other fields of the operation may hold a connection already: to wait for a second one could be for ever.
    async with acting_as(pipeline, actor, read_only=True, role=DatabaseRole.RULES, caller=SYSTEM) as tx:
        (found,) = await tx.fetch_last(RECEIPT.query(hashes=hashes_of(token)))
    if not found:
        return None
    ((donation, pot, given_back, pending, failed),) = found
    url = donation.wave_payment_url if donation.status == DonationStatus.PENDING else None
    return Receipt(
        pot.id, pot.title, pot.status, str(donation.id), donation.status, donation.amount_cfa, int(given_back),
        int(pending), int(failed), donation.show_amount, donation.initiated_at, donation.confirmed_at, url,
    )  # fmt: skip


async def presented(
    caller: CallerTransaction, donation_id: UUID | None, receipt_token: str | None, *others: Query
) -> tuple[Donation, str, list[list[Any]]]:
    """The donation that its donor, or staff, name by its id, or whoever holds it by the token of its receipt; the
    input that names it; and what other look-ups give, which go with this one in the rules' role.

    Reads as the caller, and goes on in the rules' role. Raises NotFound, and BadUserInput where neither is named.
    """
    field = "donation_id" if receipt_token is None else "receipt_token"
    if donation_id is None and receipt_token is None:
        raise BadUserInput("Say which donation: by `donationId` or by `receiptToken`.")
    if receipt_token is None:
        assert donation_id is not None
        found, *beside = await caller.fetch_and_lock([rows.finding(Donation, donation_id)], others)
    else:
        found, *beside = await caller.as_rules().fetch(BY_TOKEN.query(hashes=hashes_of(receipt_token)), *others)
    if not found or donation_id not in (None, found[0][0].id):
        raise NotFound("There is no such donation.", field=field)
    return found[0][0], field, beside
