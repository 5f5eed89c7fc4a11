"""What a DAO holds, and the transfers that its signers decide on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, Numeric, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import holds, members_of_dao, read, staff
from models.base import Base
from models.columns import Choice, CreatedAt, Id, Json, Moment, UpdatedAt, choice, money, reference, to_many, to_one
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.treasury.balances import WalletTransaction
    from models.treasury.daos import Dao


class TreasuryTransferStatus(Choice):
    """Where a transfer stands between its proposal and its payment."""

    PROPOSED = "proposed", "Waiting for signatures."
    APPROVED = "approved", "Signed by enough signers, and not yet paid."
    EXECUTED = "executed", "Paid to the recipient."
    REJECTED = "rejected", "Turned down by the signers."
    EXPIRED = "expired", "Not paid in time."
    CANCELLED = "cancelled", "Withdrawn before it was paid."


class TreasuryApprovalDecision(Choice):
    """A signer's decision on a transfer."""

    APPROVE = "approve", "It may be paid; counts towards `required_signatures`."
    REJECT = "reject", "It should not be paid."


class TreasuryApprovalVoidReason(Choice):
    """Why a signer's decision on a transfer counts no more."""

    NO_LONGER_SIGNER = "no_longer_signer", "Whoever decided is no signer any more; it does not come back with them."
    TRANSFER_CHANGED = "transfer_changed", "Amount, recipient or purpose were changed afterwards."


class DaoTreasury(Base):
    """The money a DAO holds, and the rules by which it may be spent."""

    __tablename__ = "dao_treasuries"
    __lock_rank__ = LockRank.TREASURY
    __table_args__ = (
        CheckConstraint(
            "total_balance = available_balance + allocated_balance + reserve_balance", name="total_adds_up"
        ),
        CheckConstraint("required_signatures >= 1", name="a_signature_is_required"),
        CheckConstraint(
            "available_balance >= 0 AND allocated_balance >= 0 AND reserve_balance >= 0", name="no_part_is_owed"
        ),
        CheckConstraint("minimum_reserve >= 0", name="minimum_reserve_is_no_debt"),
        CheckConstraint("daily_spending_limit >= 0", name="daily_limit_is_no_debt"),
        Index(None, "audited_by"),
        {"schema": "treasury"},
    )
    __access__ = read(members_of_dao("dao_id"), staff)

    id: Mapped[Id]
    dao_id: Mapped[UUID] = reference(
        "treasury.daos.id", doc="The DAO whose money it is; each has one treasury.", unique=True
    )
    total_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="Available, allocated and reserve together, in `currency`.",
    )
    available_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is free to be spent, in `currency`.",
    )
    allocated_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is promised to proposals and budgets, in `currency`.",
    )
    reserve_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is put by for emergencies, in `currency`.",
    )
    minimum_reserve: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What a transfer must leave in reserve and available together, in `currency`.",
    )
    daily_spending_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        info=money(of="currency"),
        doc="The most that transfers may take in one day of the DAO's `timeZone`, in `currency`; null for no limit.",
    )
    proposal_threshold: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        info=money(of="currency"),
        doc="The amount from which spending needs a proposal, in `currency`; null where none does.",
    )
    required_signatures: Mapped[int | None] = mapped_column(
        server_default=text("1"), doc="How many signers must approve a transfer before it is paid; at least 1."
    )
    signers: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid),
        server_default=text("'{}'"),
        doc="The ids of the users who may approve or reject its transfers; empty where nobody may.",
    )
    last_audit_date: Mapped[Moment | None] = mapped_column(doc="When it was last audited; null before the first audit.")
    audited_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who audited it last; null before the first audit."
    )
    audit_report: Mapped[Json | None] = mapped_column(
        doc="What the last audit found, as structured data; null before the first."
    )
    notes: Mapped[str | None] = mapped_column(doc="Remarks for the DAO's members; null without any.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    currency: Mapped[str] = mapped_column(
        server_default=text("'KES'"), doc="What every amount in it is counted in, such as `KES`."
    )

    dao: Mapped[Dao | None] = to_one(dao_id)
    audited_by_user: Mapped[User | None] = to_one(audited_by)
    transfers: Mapped[list[TreasuryTransfer]] = to_many(
        "TreasuryTransfer.treasury_id", doc="The payments proposed from it, whatever became of them."
    )


class TreasuryTransfer(Base):
    """A payment from a DAO's treasury, which its signers must approve."""

    __tablename__ = "treasury_transfers"
    __lock_rank__ = LockRank.TREASURY_DECISION
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_positive"),
        Index(None, "treasury_id"),
        Index(None, "proposed_by"),
        Index(None, "recipient_user_id"),
        Index(None, "executed_by"),
        Index(None, "closed_by"),
        Index(None, "wallet_transaction_id"),
        # Those that may still be decided on: by a change of signers, and when their time is over.
        Index(
            "ix_treasury_transfers_open",
            "treasury_id",
            "expires_at",
            postgresql_where=text("status IN ('proposed', 'approved')"),
        ),
        # What a day's limit counts.
        Index(
            "ix_treasury_transfers_executed",
            "treasury_id",
            "executed_at",
            postgresql_where=text("status = 'executed'"),
        ),
        {"schema": "treasury"},
    )
    __access__ = read(holds("my_dao_treasuries", "treasury_id"), staff)
    # What was approved is open again where its signers changed, and rejected where too few are left to agree.
    __transitions__ = Transitions(
        "status",
        proposed={"approved", "executed", "rejected", "expired", "cancelled"},
        approved={"proposed", "executed", "rejected", "expired", "cancelled"},
    )

    id: Mapped[Id]
    treasury_id: Mapped[UUID] = reference("treasury.dao_treasuries.id", doc="The treasury that pays.")
    proposed_by: Mapped[UUID] = reference("identity.users.id", doc="Who proposed it.")
    recipient_user_id: Mapped[UUID] = reference("identity.users.id", doc="The user who is paid.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="How much is paid, in `currency`; always above zero."
    )
    currency: Mapped[str] = mapped_column(doc="What it is paid in: the treasury's currency.")
    purpose: Mapped[str] = mapped_column(doc="What the money is for, as the signers read it.")
    status: Mapped[TreasuryTransferStatus] = choice(
        TreasuryTransferStatus, default=TreasuryTransferStatus.PROPOSED, doc="Where it stands."
    )
    executed_at: Mapped[Moment | None] = mapped_column(doc="When it was paid; null before.")
    expires_at: Mapped[Moment] = mapped_column(doc="When it can no longer be approved or paid.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    threshold_at_proposal: Mapped[int] = mapped_column(
        server_default=text("1"),
        doc="How many signers had to approve when it was proposed or last changed; what counts is `signing`.",
    )
    signers_at_proposal: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid),
        server_default=text("'{}'"),
        doc="The ids of those who were signers when it was proposed or last changed.",
    )
    executed_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="The signer with whose approval or at whose word it was paid; null before."
    )
    closed_by: Mapped[UUID | None] = reference(
        "identity.users.id",
        doc="Who withdrew it, closed it as expired, or whose decision was the last against it; null where time or a"
        " change of signers did, and of others.",
    )
    closing_reason: Mapped[str | None] = mapped_column(
        doc="Why it was withdrawn, in the words of whoever did; null without."
    )
    blocked_by: Mapped[str | None] = mapped_column(
        doc="What last prevented the payment although enough had approved: a refusal's code, such as `DAILY_LIMIT`;"
        " null where nothing did."
    )
    wallet_transaction_id: Mapped[UUID | None] = reference(
        "treasury.wallet_transactions.id", doc="The movement by which it was paid; null before."
    )

    treasury: Mapped[DaoTreasury | None] = to_one(treasury_id)
    proposed_by_user: Mapped[User | None] = to_one(proposed_by)
    recipient_user: Mapped[User | None] = to_one(recipient_user_id)
    executed_by_user: Mapped[User | None] = to_one(executed_by)
    closed_by_user: Mapped[User | None] = to_one(closed_by)
    wallet_transaction: Mapped[WalletTransaction | None] = to_one(wallet_transaction_id)
    approvals: Mapped[list[TreasuryApproval]] = to_many(
        "TreasuryApproval.transfer_id", doc="What the signers have decided so far, one row a signer."
    )


class TreasuryApproval(Base):
    """A signer's decision on a transfer; each signer decides once, and again where the decision counts no more."""

    __tablename__ = "treasury_approvals"
    __table_args__ = (
        UniqueConstraint("transfer_id", "signer_id"),
        Index(None, "signer_id"),
        {"schema": "treasury"},
    )
    __access__ = read(holds("my_treasury_transfers", "transfer_id"), staff)

    id: Mapped[Id]
    transfer_id: Mapped[UUID] = reference(
        "treasury.treasury_transfers.id", doc="The transfer that is decided on.", on_delete="CASCADE"
    )
    signer_id: Mapped[UUID] = reference("identity.users.id", doc="The signer who decided.")
    decision: Mapped[TreasuryApprovalDecision] = choice(TreasuryApprovalDecision, doc="What the signer said.")
    comment: Mapped[str | None] = mapped_column(doc="Why, in the signer's words; null without a text.")
    created_at: Mapped[CreatedAt]
    voided_at: Mapped[Moment | None] = mapped_column(doc="Since when it counts no more; null while it may count.")
    void_reason: Mapped[TreasuryApprovalVoidReason | None] = choice(
        TreasuryApprovalVoidReason, doc="Why it counts no more; null while it may count."
    )

    transfer: Mapped[TreasuryTransfer | None] = to_one(transfer_id)
    signer: Mapped[User | None] = to_one(signer_id)
