"""Deposits and withdrawals by M-Pesa, what M-Pesa posts about them, and the receipts that credit them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, String, UniqueConstraint, text
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
    check,
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
    HELD = "held", "Paid, but not as requested, or its outcome is not known; staff decide."
    EXPIRED = "expired", "Nobody paid it in its time; a payment that arrives late still completes it."


class MpesaTransactionPurpose(Choice):
    """What a payment is for."""

    DEPOSIT = "deposit", "It goes to the user's own balance."
    CONTRIBUTION = "contribution", "It goes through the user's balance to a DAO."
    WITHDRAWAL = "withdrawal", "The user takes out of the own balance."
    REFERRAL_PAYOUT = "referral_payout", "A sponsor is paid for a referral."


class MpesaMessageKind(Choice):
    """What a message reports on."""

    PUSH = "push", "What became of an STK push."
    CONFIRMATION = "confirmation", "A payment that the payer began in M-Pesa's own menu."
    B2C = "b2c", "The result of a payout."
    B2C_TIMEOUT = "b2c_timeout", "A payout waited too long in a queue; its result is not known by that."
    REVERSAL = "reversal", "The result of a reversal."
    REVERSAL_TIMEOUT = "reversal_timeout", "A reversal waited too long in a queue; its result is not known by that."
    STATUS = "status", "The answer to a query about a transaction's status."
    STATUS_TIMEOUT = "status_timeout", "A query about a status waited too long in a queue."
    STAFF = "staff", "Staff name the receipt by which a payment was paid; M-Pesa is queried about it."


class MpesaReceiptArrivedAs(Choice):
    """By what a receipt came to be known first."""

    STK = "stk", "The callback or the query of an STK push."
    C2B = "c2b", "A notice of a payment that the payer began."
    QUERY = "query", "The answer to a query about a transaction's status."
    STATEMENT = "statement", "A line of M-Pesa's statement."
    STAFF = "staff", "Staff named it, and M-Pesa confirmed it."


class MpesaReceiptStatus(Choice):
    """Where the money of a receipt is."""

    CREDITED = "credited", "On a user's balance."
    HELD = "held", "In suspense, until staff credit it or send it back."
    RETURNED = "returned", "Back with the payer."


OPEN = "status IN ('pending', 'processing')"


class MpesaTransaction(Base):
    """A payment by M-Pesa, from the request to the receipt."""

    __tablename__ = "mpesa_transactions"
    __lock_rank__ = LockRank.PAYMENT
    __table_args__ = (
        check("fee_is_not_negative", "fee >= 0"),
        Index(None, "user_id"),
        Index(None, "dao_id"),
        Index(None, "decided_by"),
        Index(None, "reverses_id"),
        # Who pays by M-Pesa's own menu names the push by it. Rows without a purpose are older than the rule.
        Index(
            "uq_mpesa_transactions_account_reference",
            "account_reference",
            unique=True,
            postgresql_where=text("transaction_type = 'stk_push' AND purpose IS NOT NULL"),
        ),
        Index(
            "uq_mpesa_transactions_open_push",
            "user_id",
            "phone_number",
            unique=True,
            postgresql_where=text(f"transaction_type = 'stk_push' AND {OPEN}"),
        ),
        Index(
            "uq_mpesa_transactions_reversal",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL AND status IS DISTINCT FROM 'failed'"),
        ),
        Index(
            "ix_mpesa_transactions_next_query_at",
            "next_query_at",
            postgresql_where=text(f"next_query_at IS NOT NULL AND {OPEN}"),
        ),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"processing", "completed", "failed", "cancelled", "held", "expired"},
        processing={"completed", "failed", "cancelled", "held", "expired"},
        held={"completed", "failed", "reversed"},
        failed={"completed", "held"},
        cancelled={"completed", "held"},
        expired={"completed", "held"},
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
    paid_amount: Mapped[Decimal | None] = mapped_column(
        Numeric(12, 2),
        info=money("KES"),
        doc="How much was paid, in Kenyan shillings, which may be another amount than was asked for; null before.",
    )
    fee: Mapped[Decimal] = mapped_column(
        Numeric(10, 2),
        server_default=text("0"),
        info=money("KES"),
        doc="The platform's fee in Kenyan shillings, as it was when the payment began: taken out of a deposit, on top"
        " of a withdrawal.",
    )
    expires_at: Mapped[Moment | None] = mapped_column(
        doc="Until when the outcome of a push is waited for; null for others."
    )
    next_query_at: Mapped[Moment | None] = mapped_column(
        doc="When M-Pesa is next queried about it; null where nothing is waited for."
    )
    queries: Mapped[int] = mapped_column(server_default=text("0"), doc="How often M-Pesa was queried about it.")
    reverses_id: Mapped[UUID | None] = reference(
        "treasury.mpesa_transactions.id", doc="The payment that a reversal gives back; null for others."
    )
    purpose: Mapped[MpesaTransactionPurpose | None] = choice(
        MpesaTransactionPurpose, doc="What it is for; null for reversals and balance queries."
    )
    decided_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="The staff member who decided what becomes of it; null where nobody had to."
    )
    decided_at: Mapped[Moment | None] = mapped_column(doc="When staff decided; null before, and where nobody had to.")

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)
    reverses: Mapped[MpesaTransaction | None] = to_one(reverses_id)
    decided_by_user: Mapped[User | None] = to_one(decided_by)


class MpesaMessage(Base):
    """What M-Pesa posted, or staff know of a payment, kept as it came."""

    __tablename__ = "mpesa_messages"
    __lock_rank__ = LockRank.WEBHOOK
    __table_args__ = (
        Index(None, "mpesa_transaction_id"),
        Index(None, "receipt_number", postgresql_where=text("receipt_number IS NOT NULL")),
        Index("ix_mpesa_messages_unprocessed", "created_at", postgresql_where=text("processed_at IS NULL")),
        Index(
            "ix_mpesa_messages_next_query_at",
            "next_query_at",
            postgresql_where=text("next_query_at IS NOT NULL AND processed_at IS NULL"),
        ),
        {"schema": "treasury"},
    )
    __access__ = read(staff)
    __unaudited__ = "The stored message is its own record."

    id: Mapped[Id]
    kind: Mapped[MpesaMessageKind] = choice(MpesaMessageKind, doc="What it reports on.")
    message_key: Mapped[str] = mapped_column(
        String(64), unique=True, doc="SHA-256 of kind, address and body, by which a redelivery is seen as one."
    )
    raw_payload: Mapped[Json] = mapped_column(info=personal(), doc="What was sent, whole.")
    addressed_id: Mapped[UUID | None] = mapped_column(
        doc="The payment that the address it was posted to names, whether there is one or not; null without."
    )
    receipt_number: Mapped[str | None] = mapped_column(
        String(40), doc="The receipt that it reports; null where it reports none."
    )
    mpesa_transaction_id: Mapped[UUID | None] = reference(
        "treasury.mpesa_transactions.id", doc="The payment it is about; null where it is about none that is known."
    )
    address: Mapped[InetAddress | None] = mapped_column(doc="The address it came from; null where it is not known.")
    processed_at: Mapped[Moment | None] = mapped_column(doc="When it was acted on; null before.")
    processing_error: Mapped[str | None] = mapped_column(
        doc="Why it could not be acted on; null where that did not happen."
    )
    retry_count: Mapped[int] = mapped_column(server_default=text("0"), doc="How often it was tried again.")
    next_query_at: Mapped[Moment | None] = mapped_column(
        doc="When M-Pesa is next queried whether what it reports is true; null where nothing is waited for."
    )
    queries: Mapped[int] = mapped_column(server_default=text("0"), doc="How often M-Pesa was queried about it.")
    created_at: Mapped[CreatedAt]

    mpesa_transaction: Mapped[MpesaTransaction | None] = to_one(mpesa_transaction_id)


class MpesaReceipt(Base):
    """Money that came by M-Pesa. Its number credits once, however often and by whatever way it is reported."""

    __tablename__ = "mpesa_receipts"
    __lock_rank__ = LockRank.PAYMENT
    __table_args__ = (
        check("amount_is_positive", "amount > 0"),
        check("what_is_credited_is_somebodys", "status <> 'credited' OR mpesa_transaction_id IS NOT NULL"),
        Index(None, "mpesa_transaction_id"),
        Index(None, "decided_by"),
        Index("ix_mpesa_receipts_held", "created_at", postgresql_where=text("status = 'held'")),
        {"schema": "treasury"},
    )
    __access__ = read(staff)
    __transitions__ = Transitions("status", held={"credited", "returned"}, credited={"returned"})

    id: Mapped[Id]
    receipt_number: Mapped[str] = mapped_column(
        String(40), unique=True, doc="The number both sides can look up, such as `QGN7MZ61SU`."
    )
    amount: Mapped[Decimal] = mapped_column(
        Numeric(12, 2), info=money("KES"), doc="How much came, in Kenyan shillings, before the platform's fee."
    )
    paid_at: Mapped[Moment | None] = mapped_column(doc="When M-Pesa says it was paid; null where it does not say.")
    arrived_as: Mapped[MpesaReceiptArrivedAs] = choice(MpesaReceiptArrivedAs, doc="By what it came to be known first.")
    bill_reference: Mapped[str | None] = mapped_column(
        info=personal(), doc="The account that the payer typed; null where the payer typed none."
    )
    mpesa_transaction_id: Mapped[UUID | None] = reference(
        "treasury.mpesa_transactions.id", doc="The payment it belongs to; null while it is nobody's."
    )
    status: Mapped[MpesaReceiptStatus] = choice(MpesaReceiptStatus, doc="Where the money is.")
    held_reason: Mapped[str | None] = mapped_column(doc="Why it was held; null where it never was.")
    decided_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="The staff member who decided what becomes of it; null where nobody had to."
    )
    decided_at: Mapped[Moment | None] = mapped_column(doc="When staff decided; null before, and where nobody had to.")
    decision_reason: Mapped[str | None] = mapped_column(
        doc="Why staff decided so; null before, and where nobody had to."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    mpesa_transaction: Mapped[MpesaTransaction | None] = to_one(mpesa_transaction_id)
    decided_by_user: Mapped[User | None] = to_one(decided_by)


class MpesaAccount(Base):
    """The account number that somebody types in M-Pesa's own menu to pay in."""

    __tablename__ = "mpesa_accounts"
    __table_args__ = (
        UniqueConstraint("user_id", "dao_id", postgresql_nulls_not_distinct=True),
        Index(None, "dao_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="To whom the money belongs that comes with it.")
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO to which it is contributed at once; null where it stays with the user."
    )
    account_number: Mapped[str] = mapped_column(
        String(10), unique=True, doc="What the payer types: ten letters and digits, the last of which is a check."
    )
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)
