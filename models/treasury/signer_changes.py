"""Changes of who signs for a DAO's treasury and of what binds them, on which the signers themselves decide."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, Numeric, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import holds, read, staff
from models.base import Base
from models.columns import Choice, CreatedAt, Id, Moment, UpdatedAt, choice, money, reference, to_many, to_one
from models.locks import LockRank
from models.transitions import Transitions
from models.treasury.treasuries import TreasuryApprovalDecision

if TYPE_CHECKING:
    from models.identity import User
    from models.treasury.treasuries import DaoTreasury


class SignerChangeStatus(Choice):
    """Where a change of signers stands."""

    PROPOSED = "proposed", "Waiting for the signers."
    APPLIED = "applied", "Enough signers agreed, and it holds."
    REJECTED = "rejected", "Turned down by the signers."
    CANCELLED = "cancelled", "Withdrawn before it was applied."
    EXPIRED = "expired", "Not agreed on in time."


class SignerChange(Base):
    """A proposal to change the signers of a treasury, how many of them must approve, or its limits.

    It takes as many signers as a transfer does: else an admin alone could replace those who sign. A treasury has one
    that is open at most, so none is decided on by signers whom another has just replaced.
    """

    __tablename__ = "signer_changes"
    __lock_rank__ = LockRank.TREASURY_DECISION
    __table_args__ = (
        CheckConstraint("threshold >= 1", name="a_signature_is_required"),
        CheckConstraint("minimum_reserve >= 0", name="minimum_reserve_is_no_debt"),
        CheckConstraint("daily_spending_limit >= 0", name="daily_limit_is_no_debt"),
        CheckConstraint("NOT lifts_daily_limit OR daily_spending_limit IS NULL", name="daily_limit_is_set_or_lifted"),
        Index(None, "treasury_id"),
        Index(None, "proposed_by"),
        Index(None, "closed_by"),
        Index("uq_signer_changes_open", "treasury_id", unique=True, postgresql_where=text("status = 'proposed'")),
        {"schema": "treasury"},
    )
    __access__ = read(holds("my_dao_treasuries", "treasury_id"), staff)
    __transitions__ = Transitions("status", proposed={"applied", "rejected", "cancelled", "expired"})

    id: Mapped[Id]
    treasury_id: Mapped[UUID] = reference("treasury.dao_treasuries.id", doc="The treasury whose signers change.")
    proposed_by: Mapped[UUID] = reference("identity.users.id", doc="Who proposed it: a signer or an admin of the DAO.")
    added: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid), server_default=text("'{}'"), doc="The ids of the members who become signers."
    )
    removed: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid), server_default=text("'{}'"), doc="The ids of the signers who are signers no more."
    )
    threshold: Mapped[int | None] = mapped_column(
        doc="How many signers must approve from then on; null where that stays as it is."
    )
    minimum_reserve: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        info=money(of="currency"),
        doc="What transfers must leave from then on, in `currency`; null where that stays as it is.",
    )
    daily_spending_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        info=money(of="currency"),
        doc="The most that transfers may take in a day from then on, in `currency`; null where that stays as it is, or"
        " is lifted.",
    )
    lifts_daily_limit: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether there is no daily limit any more."
    )
    currency: Mapped[str] = mapped_column(doc="What its amounts are counted in: the treasury's currency.")
    status: Mapped[SignerChangeStatus] = choice(
        SignerChangeStatus, default=SignerChangeStatus.PROPOSED, doc="Where it stands."
    )
    expires_at: Mapped[Moment] = mapped_column(doc="When the signers can no longer decide on it.")
    applied_at: Mapped[Moment | None] = mapped_column(doc="Since when it holds; null before.")
    closed_by: Mapped[UUID | None] = reference(
        "identity.users.id",
        doc="Whose decision was the last for or against it, or who withdrew it; null before, and where time did.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    treasury: Mapped[DaoTreasury | None] = to_one(treasury_id)
    proposed_by_user: Mapped[User | None] = to_one(proposed_by)
    closed_by_user: Mapped[User | None] = to_one(closed_by)
    approvals: Mapped[list[SignerChangeApproval]] = to_many(
        "SignerChangeApproval.change_id", doc="What the signers have decided so far, one row a signer."
    )


class SignerChangeApproval(Base):
    """A signer's decision on a change of signers; each signer decides once."""

    __tablename__ = "signer_change_approvals"
    __table_args__ = (
        UniqueConstraint("change_id", "signer_id"),
        Index(None, "signer_id"),
        {"schema": "treasury"},
    )
    __access__ = read(holds("my_signer_changes", "change_id"), staff)

    id: Mapped[Id]
    change_id: Mapped[UUID] = reference(
        "treasury.signer_changes.id", doc="The change that is decided on.", on_delete="CASCADE"
    )
    signer_id: Mapped[UUID] = reference("identity.users.id", doc="The signer who decided.")
    decision: Mapped[TreasuryApprovalDecision] = choice(TreasuryApprovalDecision, doc="What the signer said.")
    comment: Mapped[str | None] = mapped_column(doc="Why, in the signer's words; null without a text.")
    created_at: Mapped[CreatedAt]

    change: Mapped[SignerChange | None] = to_one(change_id)
    signer: Mapped[User | None] = to_one(signer_id)
