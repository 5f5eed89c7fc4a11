"""Payments that recur, and what referrers are paid."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    CreatedAt,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.referrals import Referral
    from models.treasury.balances import WalletTransaction
    from models.treasury.daos import Dao
    from models.treasury.mpesa import MpesaTransaction


class ReferralPayoutPayoutMethod(Choice):
    """The way a referral's reward is paid."""

    WALLET = "wallet", "To the sponsor's own balance on the platform."
    MPESA = "mpesa", "By M-Pesa to `destination_phone`."
    BANK_TRANSFER = "bank_transfer", "To the bank account in `destination_account`."


class ReferralPayoutStatus(Choice):
    """Where a payout stands between the request and the money."""

    PENDING = "pending", "Asked for, and waiting for staff."
    APPROVED = "approved", "Agreed by staff, and waiting for payment."
    PROCESSING = "processing", "Being paid."
    COMPLETED = "completed", "Paid."
    FAILED = "failed", "The payment did not go through; it may be tried again."
    REJECTED = "rejected", "Declined by staff."


class RecurringPaymentFrequency(Choice):
    """The period a recurring payment counts in."""

    DAILY = "daily", "Days."
    WEEKLY = "weekly", "Weeks."
    BIWEEKLY = "biweekly", "Two weeks at a time."
    MONTHLY = "monthly", "Months; a day the month does not have becomes its last."
    QUARTERLY = "quarterly", "Three months at a time."
    YEARLY = "yearly", "Years."


class RecurringPaymentPaymentMethod(Choice):
    """What a recurring payment is taken from."""

    WALLET = "wallet", "The payer's balance on the platform."
    MPESA = "mpesa", "The payer's M-Pesa account."
    CARD = "card", "The payer's card."


class RecurringOccurrenceOutcome(Choice):
    """What became of one date of a recurring payment."""

    PAID = "paid", "It was paid."
    FAILED = "failed", "The balance did not cover it, three times."
    MISSED = "missed", "It fell due during an outage, with more others than are paid afterwards."
    SKIPPED = "skipped", "It fell due while the order rested."


class RecurringPayment(Base):
    """An order to pay the same amount again and again, on fixed dates."""

    __tablename__ = "recurring_payments"
    __lock_rank__ = LockRank.PAYMENT
    __table_args__ = (
        CheckConstraint('"interval" BETWEEN 1 AND 366', name="interval_is_in_range"),
        CheckConstraint("amount > 0", name="amount_is_positive"),
        CheckConstraint("max_payments > 0", name="max_payments_is_positive"),
        Index(None, "user_id"),
        Index(None, "dao_id"),
        Index(
            "ix_recurring_payments_due", "next_payment_date", "id",
            postgresql_where=text("is_active AND NOT is_paused"),
        ),
        {"schema": "treasury"},
    )  # fmt: skip
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    dao_id: Mapped[UUID | None] = reference("treasury.daos.id", doc="The DAO that is paid; null where none is.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="What is paid each time, in `currency`."
    )
    currency: Mapped[str] = mapped_column(doc="What it is paid in.")
    description: Mapped[str | None] = mapped_column(doc="What the payer calls it; null without a name.")
    frequency: Mapped[RecurringPaymentFrequency] = choice(
        RecurringPaymentFrequency, doc="The period that `interval` counts."
    )
    interval: Mapped[int | None] = mapped_column(
        server_default=text("1"), doc="How many periods lie between two payments: 2 with `weekly` is every second week."
    )
    start_date: Mapped[Moment] = mapped_column(
        doc="When the first payment falls due; month ends are kept, as 31 January, 28 February, 31 March."
    )
    next_payment_date: Mapped[Moment] = mapped_column(doc="When the next payment falls due.")
    end_date: Mapped[Moment | None] = mapped_column(
        doc="When it ends; null where it runs until it is cancelled or `max_payments` is reached."
    )
    max_payments: Mapped[int | None] = mapped_column(doc="After how many payments it ends; null for no such limit.")
    is_active: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether it still runs; false once it has ended or was cancelled."
    )
    is_paused: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether it rests, by the payer's wish or after 3 failures."
    )
    paused_at: Mapped[Moment | None] = mapped_column(doc="When it was paused; null while it is not.")
    paused_reason: Mapped[str | None] = mapped_column(doc="Why it was paused; null while it is not.")
    total_payments: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many payments were tried, failed ones too."
    )
    successful_payments: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many payments went through."
    )
    failed_attempts: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many tries failed.")
    last_payment_id: Mapped[UUID | None] = mapped_column(
        doc="The transaction of the newest payment; null before the first."
    )
    last_payment_date: Mapped[Moment | None] = mapped_column(doc="When it last paid; null before the first payment.")
    last_failure_date: Mapped[Moment | None] = mapped_column(doc="When a payment last failed; null where none did.")
    last_failure_reason: Mapped[str | None] = mapped_column(doc="Why that payment failed; null where none did.")
    payment_method: Mapped[RecurringPaymentPaymentMethod] = choice(
        RecurringPaymentPaymentMethod, doc="What it is taken from."
    )
    payment_method_details: Mapped[Json | None] = mapped_column(
        info=personal(), doc="Which phone or card it is taken from; null for the wallet."
    )
    notify_on_success: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether the payer is notified of each payment."
    )
    notify_on_failure: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether the payer is notified of each failure."
    )
    notify_before_payment: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether the payer is notified before each payment."
    )
    notify_days_before: Mapped[int | None] = mapped_column(
        server_default=text("3"), doc="How many days before the payment that notice comes."
    )
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    cancelled_at: Mapped[Moment | None] = mapped_column(doc="When it was cancelled; null unless it was.")
    cancelled_reason: Mapped[str | None] = mapped_column(
        doc="Why it was cancelled; null unless it was and a reason was given."
    )
    occurrence: Mapped[int] = mapped_column(
        server_default=text("0"),
        doc="Which of its dates is next, or the last where it has ended: 0 is `start_date`, 1 the one after it.",
    )
    missed_payments: Mapped[int] = mapped_column(
        server_default=text("0"), doc="How many dates fell due during an outage and were not paid afterwards."
    )
    consecutive_failures: Mapped[int] = mapped_column(
        server_default=text("0"),
        doc="How many tries have failed since the last that went through; the third pauses it.",
    )
    retry_at: Mapped[Moment | None] = mapped_column(
        doc="When the payment that failed is tried again; null where none has."
    )
    noticed_occurrence: Mapped[int | None] = mapped_column(
        doc="Of which date, counted as `occurrence` is, the payer was notified beforehand; null before any notice."
    )
    time_zone: Mapped[str] = mapped_column(
        server_default=text("'Africa/Nairobi'"), doc="The zone whose clock and calendar its dates keep to."
    )
    ended_at: Mapped[Moment | None] = mapped_column(
        doc="When it ended by itself, by `end_date` or `max_payments`; null where it has not."
    )

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)
    occurrences: Mapped[list[RecurringOccurrence]] = to_many(
        "RecurringOccurrence.recurring_payment_id", doc="What became of each of its dates that are past."
    )


class RecurringOccurrence(Base):
    """What became of one date of a recurring payment, each of which is paid once at most."""

    __tablename__ = "recurring_occurrences"
    __table_args__ = (
        UniqueConstraint("recurring_payment_id", "occurrence"),
        CheckConstraint("(outcome = 'paid') = (wallet_transaction_id IS NOT NULL)", name="paid_by_a_transaction"),
        Index(None, "user_id"),
        Index(None, "wallet_transaction_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "Written once, beside the payment that it says the outcome of."
    __append_only__ = True

    id: Mapped[Id]
    recurring_payment_id: Mapped[UUID] = reference("treasury.recurring_payments.id", doc="The order it is a date of.")
    user_id: Mapped[UUID] = reference("identity.users.id", doc="Whose order it is.")
    occurrence: Mapped[int] = mapped_column(doc="Which of the dates: 0 is the order's `start_date`.")
    due_at: Mapped[Moment] = mapped_column(doc="When it fell due.")
    outcome: Mapped[RecurringOccurrenceOutcome] = choice(RecurringOccurrenceOutcome, doc="What became of it.")
    wallet_transaction_id: Mapped[UUID | None] = reference(
        "treasury.wallet_transactions.id", doc="The movement that paid it; null unless it was paid."
    )
    created_at: Mapped[CreatedAt]

    recurring_payment: Mapped[RecurringPayment | None] = to_one(recurring_payment_id)
    user: Mapped[User | None] = to_one(user_id)
    wallet_transaction: Mapped[WalletTransaction | None] = to_one(wallet_transaction_id)


class ReferralPayout(Base):
    """A reward for a referral that the sponsor asked to be paid."""

    __tablename__ = "referral_payouts"
    __lock_rank__ = LockRank.PAYMENT
    __table_args__ = (
        Index(None, "referrer_id"),
        Index(None, "referral_id"),
        Index(None, "mpesa_transaction_id"),
        # A referral is paid for once; what was declined may be requested anew.
        Index(
            "uq_referral_payouts_referral",
            "referral_id",
            "referrer_id",
            unique=True,
            postgresql_where=text("status IS DISTINCT FROM 'rejected'"),
        ),
        {"schema": "treasury"},
    )
    __access__ = read(own("referrer_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"approved", "rejected"},
        approved={"processing", "completed", "failed"},
        processing={"completed", "failed"},
        failed={"processing"},
    )

    id: Mapped[Id]
    referrer_id: Mapped[UUID] = reference("identity.users.id", doc="The sponsor who is paid.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(10, 2), info=money(of="currency"), doc="How much is paid, in `currency`."
    )
    currency: Mapped[str | None] = mapped_column(
        server_default=text("'MTAA'"), doc="What it is paid in; `MTAA` unless another was asked for."
    )
    payout_method: Mapped[ReferralPayoutPayoutMethod] = choice(ReferralPayoutPayoutMethod, doc="The way it is paid.")
    destination_address: Mapped[str | None] = mapped_column(
        info=personal(),
        doc="The address of a wallet outside; null where it is paid to the sponsor's balance, or otherwise.",
    )
    destination_phone: Mapped[str | None] = mapped_column(
        info=personal(), doc="The phone; null unless it is paid by M-Pesa."
    )
    destination_account: Mapped[str | None] = mapped_column(
        info=personal(), doc="The bank account; null unless it is paid by bank transfer."
    )
    status: Mapped[ReferralPayoutStatus | None] = choice(
        ReferralPayoutStatus, default=ReferralPayoutStatus.PENDING, doc="Where it stands."
    )
    transaction_id: Mapped[UUID | None] = mapped_column(doc="The transaction that paid it; null before.")
    requested_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the sponsor asked for it.")
    processed_at: Mapped[Moment | None] = mapped_column(doc="When its payment began; null before.")
    completed_at: Mapped[Moment | None] = mapped_column(doc="When it was paid; null before.")
    failure_reason: Mapped[str | None] = mapped_column(doc="Why the last payment failed; null where none did.")
    retry_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How often the payment was tried again."
    )
    notes: Mapped[str | None] = mapped_column(doc="What staff noted on it; null without a note.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    referral_id: Mapped[UUID] = reference("referrals.referrals.id", doc="The referral it rewards.")
    mpesa_transaction_id: Mapped[UUID | None] = reference(
        "treasury.mpesa_transactions.id",
        doc="The newest payment by M-Pesa that is to pay it; null before, and where it is paid otherwise.",
    )

    referrer: Mapped[User | None] = to_one(referrer_id)
    referral: Mapped[Referral | None] = to_one(referral_id)
    mpesa_transaction: Mapped[MpesaTransaction | None] = to_one(mpesa_transaction_id)
