"""Donations by Wave, what others see of them, the webhooks that report on them, and refunds."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import Face, any_of, holds, opened, own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    BigInt,
    Choice,
    CreatedAt,
    Day,
    Francs,
    Id,
    InetAddress,
    Json,
    Moment,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    secret_column,
    to_face,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.pots import Pot
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class DonationStatus(Choice):
    """Where a donation stands between the wish and the pot."""

    PENDING = "pending", "Begun, and waiting for the donor to pay."
    PROCESSING = "processing", "With Wave, or paid and held until staff have looked at its risk."
    SUCCEEDED = "succeeded", "Paid, and counted in the pot."
    FAILED = "failed", "Not paid; it may be tried again, and a payment that arrives late still makes it succeed."
    REFUNDED = "refunded", "Paid, and given back, or on its way back, to the donor: its refunds show which."


class RefundReason(Choice):
    """Why a donation is given back."""

    USER_REQUEST = "user_request", "The donor requested it."
    FRAUD = "fraud", "The payment was fraudulent."
    FAILED_POT = "failed_pot", "The pot was cancelled, or no longer takes money."
    ADMIN_ACTION = "admin_action", "Staff decided so."


class RefundWaveRefundStatus(Choice):
    """Where a refund stands at Wave."""

    PENDING = "pending", "Not yet confirmed."
    SUCCEEDED = "succeeded", "The donor has the money back."
    FAILED = "failed", "Wave did not carry it out; it may be tried again, or paid by hand."


class DonationAnalyticsPeriodType(Choice):
    """How long a period is."""

    DAILY = "daily", "A day."
    WEEKLY = "weekly", "A week."
    MONTHLY = "monthly", "A month."


class Donation(Base):
    """What somebody gives, or tries to give, to a pot by Wave."""

    __tablename__ = "donations"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        CheckConstraint("amount_cfa > 0", name="amount_is_positive"),
        Index(None, "pot_id"),
        Index(None, "donor_user_id", postgresql_where=text("donor_user_id IS NOT NULL")),
        Index(None, "status"),
        Index(None, "wave_transaction_id", postgresql_where=text("wave_transaction_id IS NOT NULL")),
        Index(None, "pot_id", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(None, "donor_phone", "created_at", postgresql_where=text("donor_phone IS NOT NULL")),
        Index(None, "ip_address", "created_at", postgresql_where=text("ip_address IS NOT NULL")),
        {"schema": "donations"},
    )
    __access__ = read(opened, own("donor_user_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"processing", "succeeded", "failed", "refunded"},
        processing={"succeeded", "failed", "refunded"},
        failed={"pending", "processing", "succeeded", "refunded"},
        succeeded={"refunded"},
    )

    id: Mapped[Id]
    pot_id: Mapped[UUID] = reference("pots.pots.id", doc="The pot it is given to.")
    donor_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who gives; null for a donor who is not signed in."
    )
    donor_name: Mapped[str | None] = mapped_column(
        String(255),
        info=personal(),
        doc="The name the donor wants to be shown by; null to use the profile's, if there is one.",
    )
    donor_phone: Mapped[str | None] = mapped_column(
        String(20), info=personal(), doc="The phone that pays by Wave; null where it was not given."
    )
    amount_cfa: Mapped[Francs] = mapped_column(doc="How much is given, in CFA francs.")
    wave_transaction_id: Mapped[str | None] = mapped_column(
        String(100), unique=True, doc="Wave's key of the payment; null until it is paid."
    )
    wave_payment_url: Mapped[str | None] = mapped_column(
        doc="Where the donor pays; null until Wave has opened a checkout, and when that can no longer be paid."
    )
    status: Mapped[DonationStatus | None] = choice(
        DonationStatus, 20, default=DonationStatus.PENDING, doc="Where it stands."
    )
    initiated_at: Mapped[Moment] = mapped_column(
        server_default=NOW, doc="When the donor asked to give, the last time after a retry."
    )
    wave_notified_at: Mapped[Moment | None] = mapped_column(doc="When Wave reported on the payment; null before.")
    confirmed_at: Mapped[Moment | None] = mapped_column(doc="When it succeeded; null before.")
    failed_at: Mapped[Moment | None] = mapped_column(doc="When it last failed; null where it has not.")
    refunded_at: Mapped[Moment | None] = mapped_column(doc="When it was given back; null where it was not.")
    donation_message: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the donor wrote to go with it; null where nothing."
    )
    is_anonymous: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether the donor's name is hidden from others."
    )
    show_amount: Mapped[bool] = mapped_column(
        server_default=text("true"),
        doc="Whether others see how much it is. The pot's total stays exact, and its owner sees the amount: who"
        " watches the total can infer what is hidden.",
    )
    wave_webhook_data: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What Wave last reported on the payment, whole; null before."
    )
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    risk_score: Mapped[int | None] = mapped_column(
        server_default=text("0"),
        doc="How risky it looks, 0-100, higher is riskier; above a limit it waits for staff before it counts.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    wave_checkout_session_id: Mapped[str | None] = mapped_column(
        String(100),
        unique=True,
        doc="Wave's key of the checkout, the last one after a retry; null until Wave has opened one.",
    )
    receipt_token_hash: Mapped[str | None] = secret_column(
        String(255),
        doc="Hash of the token that opens the receipt without signing in; null where the donor is signed in.",
        unique=True,
    )

    pot: Mapped[Pot | None] = to_one(pot_id)
    donor_user: Mapped[User | None] = to_one(donor_user_id)
    refunds: Mapped[list[Refund]] = to_many("Refund.donation_id", doc="What was given back of it, or is being.")


class WaveWebhookEvent(Base):
    """A webhook from Wave, kept as it came."""

    __tablename__ = "wave_webhook_events"
    __lock_rank__ = LockRank.WEBHOOK
    __table_args__ = (
        Index(None, "donation_id"),
        Index("ix_wave_webhook_events_unprocessed", "created_at", postgresql_where=text("processed_at IS NULL")),
        {"schema": "donations"},
    )
    __access__ = read(staff)
    __unaudited__ = "The stored event is its own record."

    id: Mapped[Id]
    wave_event_id: Mapped[str] = mapped_column(
        String(100), unique=True, doc="Wave's key of it, by which a redelivery is seen as one."
    )
    event_type: Mapped[str] = mapped_column(String(50), doc="What it reports, such as `checkout.session.completed`.")
    donation_id: Mapped[UUID | None] = reference(
        "donations.donations.id", doc="The donation it is about; null where it is about none, or none that is known."
    )
    raw_payload: Mapped[Json] = mapped_column(info=personal(), doc="What Wave sent, whole.")
    processed_at: Mapped[Moment | None] = mapped_column(doc="When it was acted on; null before.")
    processing_error: Mapped[str | None] = mapped_column(
        doc="Why it could not be acted on; null where that did not happen."
    )
    idempotency_key: Mapped[str | None] = mapped_column(
        String(255), unique=True, doc="What keeps it from taking effect twice; null where `wave_event_id` is enough."
    )
    retry_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How often it was tried again.")
    created_at: Mapped[CreatedAt]

    donation: Mapped[Donation | None] = to_one(donation_id)


class Refund(Base):
    """Money that goes back to a donor; together the refunds never exceed the donation."""

    __tablename__ = "refunds"
    __lock_rank__ = LockRank.SUBDETAIL
    __table_args__ = (
        Index(None, "donation_id"),
        Index(None, "refunded_by_user_id"),
        Index("ix_refunds_pending", "created_at", postgresql_where=text("wave_refund_status = 'pending'")),
        Index("ix_refunds_failed", "created_at", postgresql_where=text("wave_refund_status = 'failed'")),
        {"schema": "donations"},
    )
    __access__ = read(opened, holds("my_donations", "donation_id"), staff)
    __transitions__ = Transitions(
        "wave_refund_status", pending={"succeeded", "failed"}, failed={"pending", "succeeded"}
    )

    id: Mapped[Id]
    donation_id: Mapped[UUID] = reference("donations.donations.id", doc="The donation it gives back.")
    refunded_by_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who asked for it, the donor or staff; null when the system refunds."
    )
    amount_cfa: Mapped[Francs] = mapped_column(doc="How much goes back, in CFA francs.")
    reason: Mapped[RefundReason] = choice(RefundReason, 20, doc="Why it is given back.")
    reason_description: Mapped[str | None] = mapped_column(
        doc="More on the reason, in words; null where there is no more."
    )
    wave_refund_id: Mapped[str | None] = mapped_column(
        String(100), doc="Wave's key of the refund; null until Wave has taken it."
    )
    wave_refund_status: Mapped[RefundWaveRefundStatus | None] = choice(
        RefundWaveRefundStatus, 20, default=RefundWaveRefundStatus.PENDING, doc="Where it stands at Wave."
    )
    processed_at: Mapped[Moment | None] = mapped_column(doc="When it was sent to Wave; null before.")
    completed_at: Mapped[Moment | None] = mapped_column(doc="When the donor had the money back; null before.")
    created_at: Mapped[CreatedAt]

    donation: Mapped[Donation | None] = to_one(donation_id)
    refunded_by_user: Mapped[User | None] = to_one(refunded_by_user_id)


class DonationAnalytics(Base):
    """What the donations of one period came to, over all pots."""

    __tablename__ = "donation_analytics"
    __table_args__ = (UniqueConstraint("period_type", "period_start", "period_end"), {"schema": "donations"})
    __access__ = read(staff)
    __unaudited__ = "A rollup that can be rebuilt."
    __plural__ = "donation_analytics_periods"

    id: Mapped[Id]
    period_type: Mapped[DonationAnalyticsPeriodType] = choice(
        DonationAnalyticsPeriodType, 20, doc="How long the period is."
    )
    period_start: Mapped[Day] = mapped_column(doc="The first day of the period.")
    period_end: Mapped[Day] = mapped_column(doc="The last day of the period.")
    total_amount_cfa: Mapped[BigInt] = mapped_column(
        server_default=text("0"), info=money("XOF"), doc="What the succeeded ones came to, in CFA francs."
    )
    transaction_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many donations were tried, whatever became of them."
    )
    unique_donors: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many people gave.")
    average_donation_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"), doc="The average of the succeeded ones, in CFA francs."
    )
    success_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="The part of those tried that succeeded, from 0 to 1; null where none was tried."
    )
    region_breakdown: Mapped[Json | None] = mapped_column(
        doc="What was given in CFA francs, by the region's name, such as `Dakar`; null where none is known."
    )
    created_at: Mapped[CreatedAt]


# Whoever sees the pot, and whoever its owner's wishes about others do not bind: the owner, a guardian, and staff.
SEES_POT = f"(SELECT lango.is_staff()) OR (p.deleted_at IS NULL AND ({Pot.__access__.sql('p.')}))"
IS_OWNER = f"({any_of('owner_user_id', 'my_people').replace('{row}', 'p.')} OR (SELECT lango.is_staff()))"


class Contribution(Base):
    """A succeeded donation as whoever sees the pot may see it: without what the donor or the pot keeps to itself.

    What the pot keeps to itself its owner, the guardian of a minor who owns it, and staff see all the same.
    """

    __tablename__ = "contributions"
    __table_args__ = {"schema": "donations"}  # noqa: RUF012 - SQLAlchemy's own idiom
    # What was given to a pot that is cancelled goes back, and may wait for its refund.
    __face__ = Face(
        f"""
        SELECT d.id, d.pot_id,
               CASE WHEN d.show_amount THEN d.amount_cfa END AS amount_cfa,
               CASE WHEN (p.show_donor_names OR {IS_OWNER}) AND NOT d.is_anonymous THEN coalesce(
                   d.donor_name,
                   (SELECT f.full_name FROM profiles.public_profiles f WHERE f.user_id = d.donor_user_id)
               ) END AS donor_name,
               CASE WHEN p.enable_messages OR {IS_OWNER} THEN d.donation_message END AS message,
               d.created_at
        FROM donations.donations d JOIN pots.pots p ON p.id = d.pot_id
        WHERE d.status = 'succeeded' AND p.status <> 'cancelled' AND ({SEES_POT})
        """
    )

    id: Mapped[Id]
    pot_id: Mapped[UUID] = mapped_column(doc="The pot it was given to.")
    amount_cfa: Mapped[Francs | None] = mapped_column(
        doc="The amount in CFA francs; null where the donor hides it, whoever looks."
    )
    donor_name: Mapped[str | None] = mapped_column(
        String(255),
        info=personal(),
        doc="Who gave; null for an anonymous donor, and for others than its owner where the pot shows no names.",
    )
    message: Mapped[str | None] = mapped_column(
        info=personal(),
        doc="What the donor wrote; null where nothing, and for others than its owner where the pot shows no messages.",
    )
    created_at: Mapped[Moment] = mapped_column(doc="When it was given.")

    pot: Mapped[Pot | None] = to_face("Contribution.pot_id", "Pot.id", doc="The pot it was given to.")


class PointContribution(Base):
    """Points that a sponsor turned into money for a pot, as whoever sees the pot may see it.

    What is called off with its pot is no longer among them: the sponsor has the points back.
    """

    __tablename__ = "point_contributions"
    __table_args__ = {"schema": "donations"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        f"""
        SELECT c.id, p.id AS pot_id, c.credits_issued AS amount_cfa,
               CASE WHEN p.show_donor_names OR {IS_OWNER} THEN
                   (SELECT f.full_name FROM profiles.public_profiles f WHERE f.user_id = c.sponsor_user_id)
               END AS sponsor_name,
               c.created_at
        FROM referrals.points_conversions c JOIN pots.pots p ON p.id = c.applied_to_pot_id
        WHERE p.status <> 'cancelled' AND ({SEES_POT})
        """
    )

    id: Mapped[Id]
    pot_id: Mapped[UUID] = mapped_column(doc="The pot that received the money.")
    amount_cfa: Mapped[Francs] = mapped_column(doc="What the pot received for the points, in CFA francs.")
    sponsor_name: Mapped[str | None] = mapped_column(
        String(255),
        info=personal(),
        doc="Whose points they were; null without a public profile, and for others than its owner where the pot shows"
        " no names.",
    )
    created_at: Mapped[Moment] = mapped_column(doc="When they were turned into money.")

    pot: Mapped[Pot | None] = to_face("PointContribution.pot_id", "Pot.id", doc="The pot that received the money.")
