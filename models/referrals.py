"""Invitations by sponsors, the points they earn, and what points are turned into."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import conv

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    CreatedAt,
    Day,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    secret_column,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.pots import Pot
    from models.treasury import ReferralPayout


class ReferralStatus(Choice):
    """Where an invitation stands."""

    SENT = "sent", "Sent, and waiting for an answer."
    ACCEPTED = "accepted", "Taken up; the sponsor has earned points."
    EXPIRED = "expired", "Not answered in time."
    DECLINED = "declined", "Turned down."


class PointsLedgerEntryEventType(Choice):
    """What points were earned by or spent on."""

    REFERRAL_ACCEPTED = "referral_accepted", "Somebody accepted the sponsor's invitation."
    POT_OPENED = "pot_opened", "The pot of somebody they sponsor opened."
    FIRST_DONATION = "first_donation", "The pot of somebody they sponsor got its first donation."
    CONVERSION = "conversion", "The sponsor turned points into money for a pot."
    CONVERSION_RETURNED = "conversion_returned", "The pot that they were turned into money for was called off."


class PointsLedgerEntryStatus(Choice):
    """Whether points count yet."""

    PENDING = "pending", "Earned, but not yet to be spent."
    MATURED = "matured", "Counted: earned points may be spent, spent points are gone."
    REVOKED = "revoked", "Taken back: by staff, or with what they were earned by."


class SponsorDailyLimitPreferredSelectionMethod(Choice):
    """How a sponsor likes to choose whom to invite."""

    BATCH = "batch", "A whole batch of contacts at once."
    INDIVIDUAL = "individual", "One contact after another."


class SponsorContactBatchStatus(Choice):
    """Where a batch of contacts stands."""

    PENDING = "pending", "Prepared; the sponsor has not chosen from it."
    SELECTED = "selected", "The sponsor has chosen whom to invite."
    SENT = "sent", "Its invitations were sent."
    SKIPPED = "skipped", "Passed over; nobody in it was invited."


class Referral(Base):
    """An invitation from a sponsor to somebody, and what came of it."""

    __tablename__ = "referrals"
    __lock_rank__ = LockRank.REFERRAL
    __table_args__ = (
        CheckConstraint(
            "invited_phone IS NOT NULL OR invited_email IS NOT NULL", name=conv("check_invitation_contact")
        ),
        Index(None, "sponsor_user_id"),
        Index(None, "status"),
        Index(None, "sponsored_user_id"),
        Index(None, "daily_limit_id"),
        Index(None, "batch_id"),
        # One is sponsored once.
        Index(
            "uq_referrals_sponsored_user_id",
            "sponsored_user_id",
            unique=True,
            postgresql_where=text("status = 'accepted'"),
        ),
        Index("ix_referrals_due", "expired_at", postgresql_where=text("status = 'sent'")),
        {"schema": "referrals"},
    )
    __access__ = read(own("sponsor_user_id", "sponsored_user_id"), staff)
    __transitions__ = Transitions("status", sent={"accepted", "expired", "declined"})

    id: Mapped[Id]
    sponsor_user_id: Mapped[UUID] = reference("identity.users.id", doc="Who invites.")
    referral_code: Mapped[str] = mapped_column(
        String(20), unique=True, doc="What the invited person accepts or declines it with; it cannot be guessed."
    )
    invited_phone: Mapped[str | None] = mapped_column(
        String(20), info=personal(), doc="The phone it went to; null where it went by email only."
    )
    invited_email: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="The email it went to; null where it went by phone only."
    )
    invited_name: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="What the sponsor calls the invited person; null where not given."
    )
    invitation_message: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the sponsor wrote to go with it; null where nothing."
    )
    status: Mapped[ReferralStatus] = choice(ReferralStatus, 20, default=ReferralStatus.SENT, doc="Where it stands.")
    sponsored_user_id: Mapped[UUID | None] = reference("identity.users.id", doc="Who accepted it; null before.")
    both_ids_collected: Mapped[bool] = mapped_column(
        server_default=text("false"),
        doc="Whether both have submitted an identity document; a minor's points do not mature before.",
    )
    sponsor_id_verified: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether staff verified the sponsor's identity."
    )
    sponsored_id_verified: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether staff verified the identity of the one who accepted."
    )
    sent_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was sent.")
    accepted_at: Mapped[Moment | None] = mapped_column(doc="When it was accepted; null where it was not.")
    expired_at: Mapped[Moment | None] = mapped_column(
        server_default=text("(NOW() + INTERVAL '7 days')"),
        doc="When it can no longer be accepted, 7 days after it was sent.",
    )
    created_at: Mapped[CreatedAt]
    daily_limit_id: Mapped[UUID | None] = reference(
        "referrals.sponsor_daily_limits.id", doc="The day's allowance it was counted in; null where it was not counted."
    )
    batch_id: Mapped[UUID | None] = reference(
        "referrals.sponsor_contact_batches.id",
        doc="The batch of contacts it was sent with; null where it was sent by itself.",
    )
    invitation_order: Mapped[int | None] = mapped_column(
        doc="Its place among the sponsor's invitations of that day, from 1; null where it was not counted."
    )
    declined_at: Mapped[Moment | None] = mapped_column(doc="When it was turned down; null where it was not.")

    sponsor_user: Mapped[User | None] = to_one(sponsor_user_id)
    sponsored_user: Mapped[User | None] = to_one(sponsored_user_id)
    daily_limit: Mapped[SponsorDailyLimit | None] = to_one(daily_limit_id)
    batch: Mapped[SponsorContactBatch | None] = to_one(batch_id)
    payouts: Mapped[list[ReferralPayout]] = to_many(
        "ReferralPayout.referral_id", doc="What is paid out in money as its reward."
    )
    points: Mapped[list[PointsLedgerEntry]] = to_many(
        "PointsLedgerEntry.referral_id", doc="The points it earned the sponsor."
    )
    pots: Mapped[list[Pot]] = to_many(
        "Pot.created_from_referral_id", doc="The pot that came with accepting it, if one was wanted."
    )


class PointsLedgerEntry(Base):
    """Points that a sponsor earned or spent; they are no money until they are converted."""

    __tablename__ = "points_ledger"
    __lock_rank__ = LockRank.POINTS
    __table_args__ = (
        # Of two pots that open at once, one earns. What was spent has no referral, and is not bound by it.
        Index(
            "uq_points_ledger_earned_once",
            "referral_id",
            "event_type",
            unique=True,
            postgresql_where=text("taken_back_at IS NULL"),
        ),
        Index(None, "referral_id"),
        # A conversion is spent once, and comes back once.
        UniqueConstraint("points_conversion_id", "event_type"),
        CheckConstraint("points_earned >= 0 AND points_spent >= 0", name="points_are_not_negative"),
        Index(None, "sponsor_user_id"),
        Index(None, "status"),
        Index("ix_points_ledger_due", "matures_at", postgresql_where=text("status = 'pending'")),
        {"schema": "referrals"},
    )
    __access__ = read(own("sponsor_user_id"), staff)
    __transitions__ = Transitions("status", pending={"matured", "revoked"}, matured={"revoked"})

    id: Mapped[Id]
    sponsor_user_id: Mapped[UUID] = reference("identity.users.id", doc="Whose points they are.")
    referral_id: Mapped[UUID | None] = reference(
        "referrals.referrals.id", doc="The referral they were earned by; null where they were spent."
    )
    event_type: Mapped[PointsLedgerEntryEventType] = choice(
        PointsLedgerEntryEventType, 50, doc="What they were earned by or spent on."
    )
    points_earned: Mapped[int] = mapped_column(
        server_default=text("0"),
        doc="How many points were earned, with both multipliers in it; 0 where they were spent.",
    )
    points_spent: Mapped[int] = mapped_column(
        server_default=text("0"), doc="How many points were spent; 0 where they were earned."
    )
    status: Mapped[PointsLedgerEntryStatus | None] = choice(
        PointsLedgerEntryStatus, 20, default=PointsLedgerEntryStatus.PENDING, doc="Whether they count yet."
    )
    matured_at: Mapped[Moment | None] = mapped_column(doc="When they could first be spent; null before.")
    base_multiplier: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2),
        server_default=text("1.00"),
        doc="What the event's usual points were multiplied by, before any campaign: 1.00 changes nothing.",
    )
    sponsor_boost_multiplier: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2),
        server_default=text("1.00"),
        doc="What a sponsor's campaign multiplied them by; 1.00 without one.",
    )
    description: Mapped[str | None] = mapped_column(
        doc="What the sponsor reads that they are for, or why they were taken back; null without a text."
    )
    metadata_: Mapped[Json | None] = mapped_column("metadata", doc="Further facts about the event; null without any.")
    created_at: Mapped[CreatedAt]
    matures_at: Mapped[Moment | None] = mapped_column(
        server_default=text("(NOW() + INTERVAL '14 days')"),
        doc="From when on they can be spent, as it was fixed when they were earned; where either person is a minor, not"
        " before the identities of both are collected and verified. Null where they were spent.",
    )
    taken_back_at: Mapped[Moment | None] = mapped_column(
        doc="When they went back because what had earned them was undone: they can be earned again. Null where they did"
        " not, and where staff took them back."
    )
    points_conversion_id: Mapped[UUID | None] = reference(
        "referrals.points_conversions.id",
        doc="The conversion they were spent on, or came back from; null for points that were earned, and where it is"
        " not known.",
    )

    sponsor_user: Mapped[User | None] = to_one(sponsor_user_id)
    referral: Mapped[Referral | None] = to_one(referral_id)
    points_conversion: Mapped[PointsConversion | None] = to_one(points_conversion_id)


class PointsConversion(Base):
    """Points that were turned into money for a pot."""

    __tablename__ = "points_conversions"
    __table_args__ = (
        Index(None, "sponsor_user_id"),
        Index(None, "applied_to_pot_id"),
        {"schema": "referrals"},
    )
    __access__ = read(own("sponsor_user_id"), staff)
    __unaudited__ = "Append-only: the row is its own record, beside the ledger transaction."
    __append_only__ = True

    id: Mapped[Id]
    sponsor_user_id: Mapped[UUID] = reference("identity.users.id", doc="Whose points they were.")
    points_converted: Mapped[int] = mapped_column(doc="How many points were given.")
    credits_issued: Mapped[int] = mapped_column(info=money("XOF"), doc="What the pot received for them, in CFA francs.")
    conversion_rate: Mapped[Decimal] = mapped_column(Numeric(10, 4), doc="How many CFA francs one point was worth.")
    applied_to_pot_id: Mapped[UUID | None] = reference("pots.pots.id", doc="The pot that received the money.")
    created_at: Mapped[CreatedAt]

    sponsor_user: Mapped[User | None] = to_one(sponsor_user_id)
    applied_to_pot: Mapped[Pot | None] = to_one(applied_to_pot_id)


class SponsorDailyLimit(Base):
    """How many invitations a sponsor may send on one day, and how many were sent."""

    __tablename__ = "sponsor_daily_limits"
    __lock_rank__ = LockRank.DAILY_LIMIT
    __table_args__ = (
        UniqueConstraint("sponsor_user_id", "limit_date"),
        CheckConstraint("invitations_sent_today <= max_invitations_per_day", name=conv("check_daily_limit")),
        {"schema": "referrals"},
    )
    __access__ = read(own("sponsor_user_id"), staff)

    id: Mapped[Id]
    sponsor_user_id: Mapped[UUID] = reference("identity.users.id", doc="The sponsor it is for.")
    limit_date: Mapped[Day] = mapped_column(server_default=text("CURRENT_DATE"), doc="The day it is for.")
    max_invitations_per_day: Mapped[int] = mapped_column(
        server_default=text("50"), doc="How many invitations may be sent on that day."
    )
    invitations_sent_today: Mapped[int] = mapped_column(
        server_default=text("0"), doc="How many were sent on that day; never more than may be."
    )
    current_batch_start: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="Where the next batch begins in the sponsor's list of contacts, from 0."
    )
    preferred_selection_method: Mapped[SponsorDailyLimitPreferredSelectionMethod | None] = choice(
        SponsorDailyLimitPreferredSelectionMethod,
        20,
        default=SponsorDailyLimitPreferredSelectionMethod.BATCH,
        doc="How the sponsor likes to choose whom to invite.",
    )
    last_reset_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the count last began at 0.")
    next_reset_at: Mapped[Moment | None] = mapped_column(
        server_default=text("(CURRENT_DATE + INTERVAL '1 day')::TIMESTAMP WITH TIME ZONE"),
        doc="When the next day's count begins.",
    )
    consecutive_active_days: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="On how many days in a row the sponsor has sent invitations, this one included."
    )
    total_lifetime_invitations: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many invitations the sponsor had ever sent, this day's included."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    sponsor_user: Mapped[User | None] = to_one(sponsor_user_id)
    referrals: Mapped[list[Referral]] = to_many(
        "Referral.daily_limit_id", doc="The invitations that were counted in it."
    )


class SponsorContactBatch(Base):
    """At most 50 contacts, from which a sponsor chooses whom to invite."""

    __tablename__ = "sponsor_contact_batches"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        CheckConstraint("end_position > start_position", name=conv("check_batch_positions")),
        CheckConstraint("end_position - start_position <= 50", name=conv("check_batch_size")),
        Index(None, "sponsor_user_id"),
        {"schema": "referrals"},
    )
    __access__ = read(own("sponsor_user_id"), staff)
    __transitions__ = Transitions("status", pending={"selected", "sent", "skipped"}, selected={"sent", "skipped"})

    id: Mapped[Id]
    sponsor_user_id: Mapped[UUID] = reference("identity.users.id", doc="Whose contacts they are.")
    batch_date: Mapped[Day] = mapped_column(server_default=text("CURRENT_DATE"), doc="The day it is for.")
    batch_number: Mapped[int] = mapped_column(
        server_default=text("1"), doc="Its place among the sponsor's batches of that day, from 1."
    )
    start_position: Mapped[int] = mapped_column(doc="Where it begins in the sponsor's list of contacts, from 0.")
    end_position: Mapped[int] = mapped_column(
        doc="Where it ends in that list; the contact at this place is no longer in it."
    )
    status: Mapped[SponsorContactBatchStatus | None] = choice(
        SponsorContactBatchStatus, 20, default=SponsorContactBatchStatus.PENDING, doc="Where it stands."
    )
    selected_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many contacts were chosen.")
    sent_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many invitations were sent.")
    contact_snapshot: Mapped[Json | None] = mapped_column(
        info=personal(), doc="The contacts as they were then: a list of objects; null where they are not kept."
    )
    auto_selected: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether its contacts were chosen without the sponsor."
    )
    manual_selections: Mapped[Json | None] = mapped_column(
        info=personal(),
        doc="The contacts the sponsor chose: a list of their ids; null where none were chosen one by one.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    sponsor_user: Mapped[User | None] = to_one(sponsor_user_id)
    referrals: Mapped[list[Referral]] = to_many("Referral.batch_id", doc="The invitations that were sent from it.")


class InvitationOptOut(Base):
    """A phone or email to which no invitation goes, at the wish of whoever is reached by it."""

    __tablename__ = "invitation_opt_outs"
    __table_args__ = ({"schema": "referrals"},)
    __access__ = None
    __unaudited__ = "Hashes only, whose rows go when the wish does."

    id: Mapped[Id]
    contact_hash: Mapped[str] = secret_column(
        String(64),
        unique=True,
        doc="Keyed hash of the phone or email, in hexadecimal: it cannot be read from it.",
    )
    created_at: Mapped[CreatedAt]
