"""Codes that are redeemed at partners, the log of every attempt, and what partners are paid for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import conv

from models.access import managers_of_partner, members_of_partner, owner_of_pot, read, staff, where
from models.base import Base
from models.columns import (
    NOW,
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
    personal,
    reference,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.packs import Pack, Partner
    from models.pots import Pot


class QrCodeStatus(Choice):
    """Where a code stands between its issue and the till."""

    ISSUED = "issued", "Its price is reserved; it may be redeemed between the birthday and its expiry."
    REDEEMED = "redeemed", "Used once, at a partner."
    EXPIRED = "expired", "Not used in time; its price went back to the pot."
    CANCELLED = "cancelled", "Given back by the pot's owner; its price went back to the pot."


class PartnerSettlementStatus(Choice):
    """Where a settlement stands between its sum and its payment."""

    PENDING = "pending", "Summed, and waiting for approval."
    APPROVED = "approved", "Agreed, and waiting for payment."
    PAID = "paid", "Paid to the partner."
    DISPUTED = "disputed", "The partner or staff object to it."


class QrRedemptionLogValidationResult(Choice):
    """What an attempt to redeem came to."""

    SUCCESS = "success", "The code was redeemed."
    EXPIRED = "expired", "The code's time had run out."
    ALREADY_USED = "already_used", "The code had been redeemed before."
    INVALID = "invalid", "No such code exists."
    NOT_YET_REDEEMABLE = "not_yet_redeemable", "The birthday had not come yet."
    CANCELLED = "cancelled", "The code had been given back."
    WRONG_PARTNER = "wrong_partner", "The code belongs to another partner, or the caller to none."
    VENUE_NOT_ALLOWED = "venue_not_allowed", "The pack is not redeemed at that venue."
    PARTNER_SUSPENDED = "partner_suspended", "The partner was not active."
    REVERSED = "reversed", "Staff took the redemption back."


class QrCode(Base):
    """A code that one partner may redeem once, between the birthday and its expiry."""

    __tablename__ = "qr_codes"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        CheckConstraint("expires_at > redeemable_from", name=conv("check_valid_redemption_period")),
        CheckConstraint("price_cfa > 0", name="price_is_positive"),
        Index(None, "pot_id"),
        Index(None, "status"),
        Index(None, "expires_at"),
        Index(None, "pack_id"),
        Index(None, "redeemed_by_partner_id"),
        Index(None, "settlement_id"),
        # What the worker looks for; a code leaves it when it is redeemed, so the till pays nothing for it.
        Index("ix_qr_codes_due", "expires_at", "pot_id", postgresql_where=text("status = 'issued'")),
        {"schema": "redemption"},
    )
    __access__ = read(owner_of_pot("pot_id"), members_of_partner("redeemed_by_partner_id"), staff)
    __transitions__ = Transitions("status", issued={"redeemed", "expired", "cancelled"}, redeemed={"issued"})

    id: Mapped[Id]
    pot_id: Mapped[UUID] = reference("pots.pots.id", doc="The pot that pays for the pack.")
    pack_id: Mapped[UUID] = reference("packs.packs.id", doc="The pack it is redeemed for.")
    code: Mapped[str] = mapped_column(String(100), unique=True, doc="What the QR image holds: 128 random bits.")
    qr_image_url: Mapped[str | None] = mapped_column(
        String(500), doc="Where a rendered image is kept; null where clients draw `svg`."
    )
    redeemable_from: Mapped[Moment] = mapped_column(doc="When the birthday begins, in the pot's time zone.")
    expires_at: Mapped[Moment] = mapped_column(
        doc="When it can no longer be redeemed: the pack's `validity_days` after the birthday."
    )
    status: Mapped[QrCodeStatus | None] = choice(QrCodeStatus, 20, default=QrCodeStatus.ISSUED, doc="Where it stands.")
    redeemed_at: Mapped[Moment | None] = mapped_column(doc="When it was redeemed; null before.")
    redeemed_by_partner_id: Mapped[UUID | None] = reference("packs.partners.id", doc="Who redeemed it; null before.")
    redeemed_at_venue: Mapped[Json | None] = mapped_column(
        doc="The partner's venue where it was redeemed, as it was then; null before."
    )
    partner_notes: Mapped[str | None] = mapped_column(doc="What the cashier noted.")
    created_at: Mapped[CreatedAt]
    price_cfa: Mapped[Francs] = mapped_column(doc="The price in CFA francs, reserved when the code was issued.")
    partner_share_cfa: Mapped[Francs | None] = mapped_column(
        doc="The partner's part of the price in CFA francs; null until it is redeemed."
    )
    settlement_id: Mapped[UUID | None] = reference(
        "redemption.partner_settlements.id", doc="The one settlement that pays for this redemption; null until then."
    )
    redeemed_at_venue_name: Mapped[str | None] = mapped_column(
        Computed("redeemed_at_venue ->> 'name'", persisted=True),
        doc="The name of that venue as it was then, to group by; null where no venue was named.",
    )

    pot: Mapped[Pot | None] = to_one(pot_id)
    pack: Mapped[Pack | None] = to_one(pack_id)
    redeemed_by_partner: Mapped[Partner | None] = to_one(redeemed_by_partner_id)
    settlement: Mapped[PartnerSettlement | None] = to_one(settlement_id)


class PartnerSettlement(Base):
    """What a partner is paid for the codes redeemed in a period; each redemption is in exactly one settlement."""

    __tablename__ = "partner_settlements"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        UniqueConstraint("partner_id", "period_start", "period_end"),
        CheckConstraint("period_start <= period_end", name="period_is_in_order"),
        Index(None, "approved_by_user_id"),
        {"schema": "redemption"},
    )
    __access__ = read(managers_of_partner("partner_id"), staff)
    __transitions__ = Transitions(
        "status", pending={"approved", "disputed"}, approved={"paid", "disputed"}, disputed={"pending"}
    )

    id: Mapped[Id]
    partner_id: Mapped[UUID] = reference("packs.partners.id", doc="The partner that is paid.")
    period_start: Mapped[Day] = mapped_column(doc="The first day of the period.")
    period_end: Mapped[Day] = mapped_column(doc="The last day of the period.")
    total_redemptions_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many codes were redeemed."
    )
    total_revenue_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"), doc="The prices of those codes together, in CFA francs."
    )
    partner_share_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"), doc="The partner's part, in CFA francs."
    )
    wolo_commission_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"), doc="The platform's part, in CFA francs."
    )
    status: Mapped[PartnerSettlementStatus | None] = choice(
        PartnerSettlementStatus, 20, default=PartnerSettlementStatus.PENDING, doc="Where it stands."
    )
    approved_by_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who approved it; null where it approves itself."
    )
    approved_at: Mapped[Moment | None] = mapped_column(doc="When it was approved; null before.")
    payment_reference: Mapped[str | None] = mapped_column(
        String(100), doc="The bank's or provider's reference of the payment; null before."
    )
    paid_at: Mapped[Moment | None] = mapped_column(doc="When it was paid; null before.")
    invoice_url: Mapped[str | None] = mapped_column(String(500), doc="Where the invoice is; null without one.")
    receipt_url: Mapped[str | None] = mapped_column(String(500), doc="Where the receipt is; null without one.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    dispute_reason: Mapped[str | None] = mapped_column(
        doc="Why it was disputed last, in the words of whoever objected; null where nobody has."
    )

    partner: Mapped[Partner | None] = to_one(partner_id)
    approved_by_user: Mapped[User | None] = to_one(approved_by_user_id)
    qr_codes: Mapped[list[QrCode]] = to_many("QrCode.settlement_id", doc="The redemptions it pays for.")


class QrRedemptionLog(Base):
    """An attempt to redeem a code, also one that was refused; or a redemption that staff took back."""

    __tablename__ = "qr_redemption_logs"
    __table_args__ = (
        Index(None, "qr_code_id"),
        Index(None, "partner_user_id"),
        Index(None, "partner_id"),
        {"schema": "redemption"},
    )
    __access__ = read(members_of_partner("partner_id") & where("{row}validation_result <> 'wrong_partner'"), staff)
    __unaudited__ = "Append-only: the log is its own record."
    __append_only__ = True

    id: Mapped[Id]
    qr_code_id: Mapped[UUID | None] = reference(
        "redemption.qr_codes.id", doc="The code that was presented; null when no such code exists."
    )
    partner_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who scanned; null where staff took the redemption back."
    )
    attempt_timestamp: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was scanned.")
    validation_result: Mapped[QrRedemptionLogValidationResult] = choice(
        QrRedemptionLogValidationResult, 20, doc="What it came to."
    )
    error_message: Mapped[str | None] = mapped_column(
        doc="The message that the cashier got, or why the redemption was taken back; null on success."
    )
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    venue_context: Mapped[Json | None] = mapped_column(doc="The venue the cashier named, and what is known of it.")
    created_at: Mapped[CreatedAt]
    presented_code_sha256: Mapped[str] = mapped_column(
        String(64), doc="SHA-256 of what was presented, in hexadecimal: the code itself is not kept."
    )
    partner_id: Mapped[UUID | None] = reference(
        "packs.partners.id", doc="The partner whose member scanned; null where the caller belongs to none."
    )

    qr_code: Mapped[QrCode | None] = to_one(qr_code_id)
    partner_user: Mapped[User | None] = to_one(partner_user_id)
    partner: Mapped[Partner | None] = to_one(partner_id)
