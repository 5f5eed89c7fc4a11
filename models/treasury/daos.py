"""DAOs and who belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import everyone, holds, members_of_dao, read, staff
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    CreatedAt,
    DeletedAt,
    Id,
    Moment,
    UpdatedAt,
    choice,
    reference,
    secret_column,
    to_face,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.profiles import Colleague
    from models.treasury.balances import UserBalance, WalletTransaction
    from models.treasury.mpesa import MpesaTransaction
    from models.treasury.payouts import RecurringPayment
    from models.treasury.reports import FinancialReport
    from models.treasury.swaps import CurrencySwap
    from models.treasury.treasuries import DaoTreasury


class DaoAccess(Choice):
    """Who may find a DAO."""

    PUBLIC = "public", "Anyone, also without signing in."
    PRIVATE = "private", "Its members alone; others join by its invite code."


class DaoStatus(Choice):
    """Whether a DAO is at work."""

    ACTIVE = "active", "At work."
    SUSPENDED = "suspended", "Stopped for now; it may become active again."
    ARCHIVED = "archived", "Closed for good."


class DaoMemberRole(Choice):
    """What a member may do in a DAO, from least to most."""

    MEMBER = "member", "Sees the DAO and contributes to it."
    PROPOSER = "proposer", "A member who may also make proposals."
    ELDER = "elder", "A senior member, between proposer and admin."
    ADMIN = "admin", "Runs the DAO, and sees the fees charged in it."


class DaoMemberStatus(Choice):
    """Whether a membership holds."""

    APPROVED = "approved", "It holds: the member sees the DAO and takes part."
    PENDING = "pending", "Asked for, and waiting for approval."
    REJECTED = "rejected", "Declined; it may be requested again."
    BANNED = "banned", "Shut out of the DAO until the ban is lifted."
    LEFT = "left", "Ended by the member, or taken back before it was approved; it may be requested again."


class Dao(Base):
    """A group of people who save, decide and spend together."""

    __tablename__ = "daos"
    __lock_rank__ = LockRank.DAO
    __table_args__ = (
        Index("uq_daos_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_daos_invite_code", "invite_code", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(None, "creator_id"),
        CheckConstraint("btrim(name) <> ''", name="name_is_not_blank"),
        CheckConstraint("quorum_percentage BETWEEN 0 AND 100", name="quorum_is_a_percentage"),
        CheckConstraint("voting_period_hours > 0", name="voting_takes_time"),
        {"schema": "treasury"},
    )
    __access__ = read(everyone("{row}access = 'public'"), members_of_dao("id"), staff)
    __transitions__ = Transitions("status", active={"suspended", "archived"}, suspended={"active", "archived"})

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(doc="What it is called; no two DAOs share a name.")
    description: Mapped[str | None] = mapped_column(doc="What it is for; null without a text.")
    access: Mapped[DaoAccess] = choice(DaoAccess, default=DaoAccess.PUBLIC, doc="Who may find it.")
    invite_code: Mapped[str | None] = secret_column(
        Text(), doc="The code that lets somebody join it; null where it has none."
    )
    creator_id: Mapped[UUID] = reference("identity.users.id", doc="Who founded it.")
    member_count: Mapped[int] = mapped_column(server_default=text("1"), doc="How many approved members it has.")
    status: Mapped[DaoStatus] = choice(DaoStatus, default=DaoStatus.ACTIVE, doc="Whether it is at work.")
    quorum_percentage: Mapped[int] = mapped_column(
        server_default=text("20"), doc="How many of the members must vote for a vote to count, in percent, 0-100."
    )
    voting_period_hours: Mapped[int] = mapped_column(
        server_default=text("72"), doc="How long a vote is open, in hours."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]
    time_zone: Mapped[str] = mapped_column(
        server_default=text("'Africa/Nairobi'"),
        doc="The IANA time zone of its days, as of the day within which `daily_spending_limit` holds.",
    )
    status_reason: Mapped[str | None] = mapped_column(
        doc="Why it was suspended, reinstated or archived; null where nobody said so."
    )

    creator: Mapped[User | None] = to_one(creator_id)
    balances: Mapped[list[UserBalance]] = to_many(
        "UserBalance.dao_id", doc="What its members hold within it; each sees their own alone."
    )
    currency_swaps: Mapped[list[CurrencySwap]] = to_many(
        "CurrencySwap.dao_id", doc="The swaps made for it; each member sees their own alone."
    )
    financial_reports: Mapped[list[FinancialReport]] = to_many(
        "FinancialReport.dao_id", doc="The reports on its money, as far as the reader may see them."
    )
    members: Mapped[list[DaoMember]] = to_many(
        "DaoMember.dao_id", doc="Everyone who joined or asked to join, with role and status."
    )
    mpesa_transactions: Mapped[list[MpesaTransaction]] = to_many(
        "MpesaTransaction.dao_id", doc="The contributions by M-Pesa; each member sees their own alone."
    )
    recurring_payments: Mapped[list[RecurringPayment]] = to_many(
        "RecurringPayment.dao_id", doc="The standing orders that pay it; each member sees their own alone."
    )
    treasury: Mapped[DaoTreasury | None] = to_many(
        "DaoTreasury.dao_id", doc="The money it holds; null where the reader is no member, or before it has any."
    )
    wallet_transactions: Mapped[list[WalletTransaction]] = to_many(
        "WalletTransaction.dao_id", doc="The payments it gave or got."
    )


class DaoMember(Base):
    """A user's place in a DAO, also one that is only asked for or was refused."""

    __tablename__ = "dao_members"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (UniqueConstraint("dao_id", "user_id"), Index(None, "user_id"), {"schema": "treasury"})
    # Who is no approved member sees their own row in the answer to what they did with it, and only there.
    __access__ = read(holds("opened_rows", "id"), members_of_dao("dao_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"approved", "rejected", "banned", "left"},
        approved={"banned", "left"},
        rejected={"pending", "approved", "banned"},
        left={"pending", "approved", "banned"},
        banned={"approved"},
    )

    id: Mapped[Id]
    dao_id: Mapped[UUID] = reference("treasury.daos.id", doc="The DAO that was joined.", on_delete="CASCADE")
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    role: Mapped[DaoMemberRole] = choice(
        DaoMemberRole, default=DaoMemberRole.MEMBER, doc="What the member may do there."
    )
    status: Mapped[DaoMemberStatus] = choice(
        DaoMemberStatus, default=DaoMemberStatus.APPROVED, doc="Whether the membership holds."
    )
    joined_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the user joined, or asked to.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    status_reason: Mapped[str | None] = mapped_column(
        doc="Why the member was banned or readmitted, in the words of the admin who did it; null for neither."
    )

    dao: Mapped[Dao | None] = to_one(dao_id)
    user: Mapped[User | None] = to_one(user_id)
    colleague: Mapped[Colleague | None] = to_face(
        "DaoMember.user_id", "Colleague.user_id", doc="The member, as those on the same DAO see them."
    )
