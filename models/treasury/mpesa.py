"""Deposits and withdrawals by M-Pesa."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    Choice,
    CreatedAt,
    Id,
    InetAddress,
    Json,
    Moment,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.treasury.daos import Dao


class MpesaTransactionTransactionType(Choice):
    """What was requested from M-Pesa, or reported by it."""

    STK_PUSH = "stk_push", "A deposit that the payer confirms with a PIN on the phone."
    B2C = "b2c", "A payout from the platform to a phone."
    C2B = "c2b", "A deposit that the payer began in M-Pesa."
    REVERSAL = "reversal", "An earlier payment that is given back."
    BALANCE_QUERY = "balance_query", "A question about a balance; it moves no money."


class MpesaTransactionStatus(Choice):
    """Where a payment by M-Pesa stands."""

    PENDING = "pending", "Written, and M-Pesa has not taken it yet."
    PROCESSING = "processing", "With M-Pesa, whose result is awaited."
    COMPLETED = "completed", "Paid, and in the ledger."
    FAILED = "failed", "M-Pesa refused it or could not carry it out."
    REVERSED = "reversed", "Paid, and given back afterwards."
    CANCELLED = "cancelled", "Declined by the payer."
    HELD = "held", "Paid, but not the requested amount; staff decide."


class MpesaTransaction(Base):
    """A payment by M-Pesa, from the request to the receipt."""

    __tablename__ = "mpesa_transactions"
    __lock_rank__ = LockRank.PAYMENT
    __table_args__ = (Index(None, "user_id"), Index(None, "dao_id"), {"schema": "treasury"})
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"processing", "completed", "failed", "cancelled", "held"},
        processing={"completed", "failed", "cancelled", "held"},
        held={"completed", "failed", "reversed"},
        failed={"completed", "held"},
        cancelled={"completed", "held"},
        completed={"reversed"},
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    transaction_type: Mapped[MpesaTransactionTransactionType] = choice(
        MpesaTransactionTransactionType, doc="Which way the money goes, and who begins."
    )
    phone_number: Mapped[str] = mapped_column(
        info=personal(), doc="The phone that pays or is paid, with its country code."
    )
    amount: Mapped[Decimal] = mapped_column(
        Numeric(10, 2),
        info=money("KES"),
        doc="How much is asked for or paid out, in Kenyan shillings, before the platform's fee.",
    )
    account_reference: Mapped[str | None] = mapped_column(
        doc="What the payer sees as the account they pay to, at most 12 characters; null without one."
    )
    transaction_desc: Mapped[str | None] = mapped_column(
        doc="What the payer sees as the purpose, at most 13 characters; null without one."
    )
    merchant_request_id: Mapped[str | None] = mapped_column(
        doc="M-Pesa's `MerchantRequestID` of an STK push; null before its answer and for other kinds."
    )
    checkout_request_id: Mapped[str | None] = mapped_column(
        unique=True,
        doc="M-Pesa's `CheckoutRequestID`, by which the callback of an STK push is matched; null for others.",
    )
    conversation_id: Mapped[str | None] = mapped_column(
        doc="M-Pesa's `ConversationID` of a payout or reversal; null before its answer and for other kinds."
    )
    originator_conversation_id: Mapped[str | None] = mapped_column(
        doc="The `OriginatorConversationID` of the request for a payout or reversal; null for others."
    )
    mpesa_receipt_number: Mapped[str | None] = mapped_column(
        unique=True, doc="The receipt both sides can look up, such as `QGN7MZ61SU`; null until it is paid."
    )
    transaction_date: Mapped[Moment | None] = mapped_column(doc="When M-Pesa says the money moved; null before.")
    result_code: Mapped[str | None] = mapped_column(
        doc="M-Pesa's verdict: `0` paid, `1` too little money, `1032` cancelled; null before it."
    )
    result_desc: Mapped[str | None] = mapped_column(doc="M-Pesa's verdict in words; null before it.")
    balance: Mapped[Decimal | None] = mapped_column(
        Numeric(10, 2),
        info=money("KES"),
        doc="The balance M-Pesa reports afterwards, in Kenyan shillings; null where it reports none.",
    )
    callback_data: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What M-Pesa called back with, whole; null before."
    )
    callback_received: Mapped[bool] = mapped_column(server_default=text("false"), doc="Whether M-Pesa has called back.")
    callback_at: Mapped[Moment | None] = mapped_column(doc="When M-Pesa called back; null before.")
    status: Mapped[MpesaTransactionStatus | None] = choice(
        MpesaTransactionStatus, default=MpesaTransactionStatus.PENDING, doc="Where it stands."
    )
    failure_reason: Mapped[str | None] = mapped_column(doc="Why it failed; null unless it did.")
    retry_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How often it was tried again.")
    last_retry_at: Mapped[Moment | None] = mapped_column(doc="When it was last tried again; null where it never was.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO to which it is a contribution; null where it stays with the user."
    )

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)
