"""Packs that pots pay for, the partners that redeem them, and the campaigns of sponsors."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import (
    Face,
    everyone,
    holds,
    managers_of_partner,
    members_of_partner,
    own,
    read,
    staff,
)
from models.base import Base
from models.columns import (
    Choice,
    CreatedAt,
    Day,
    DeletedAt,
    Francs,
    Id,
    Json,
    Moment,
    Texts,
    UpdatedAt,
    choice,
    personal,
    reference,
    to_face,
    to_faces,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.profiles import Colleague
    from models.redemption import PartnerSettlement, QrCode


class PartnerPaymentTerms(Choice):
    """How often a partner is paid."""

    WEEKLY = "weekly", "Once a week."
    MONTHLY = "monthly", "Once a month."
    QUARTERLY = "quarterly", "Once in three months."


class PartnerStatus(Choice):
    """Where a partner stands."""

    PENDING = "pending", "Registered, and waiting for staff to verify it."
    ACTIVE = "active", "Verified: it redeems codes, and everyone sees it."
    SUSPENDED = "suspended", "Stopped by staff for now; its codes are refused at the till."
    TERMINATED = "terminated", "Ended for good."


class SponsorCampaignStatus(Choice):
    """Where a campaign stands."""

    DRAFT = "draft", "Being prepared; it boosts nothing yet."
    ACTIVE = "active", "Boosting points between its start and its end, where everyone sees it."
    PAUSED = "paused", "Stopped for now; it may go on."
    COMPLETED = "completed", "Over."


class PartnerMemberRole(Choice):
    """What somebody may do for a partner."""

    OWNER = "owner", "Manages the members, and does all that a manager may."
    MANAGER = "manager", "Manages the packs, sees the settlements, and redeems codes."
    CASHIER = "cashier", "Redeems codes."


class PartnerInvitationStatus(Choice):
    """Where an invitation to act for a partner stands."""

    PENDING = "pending", "Sent, and waiting for an answer until it expires."
    ACCEPTED = "accepted", "Whoever was invited acts for the partner since."
    DECLINED = "declined", "Whoever was invited does not wish to."
    CANCELLED = "cancelled", "Called off by an owner of the partner, or because its sender is one no more."
    EXPIRED = "expired", "Not answered in time."


class Pack(Base):
    """A treat at a partner, such as a cinema evening, that a pot pays for."""

    __tablename__ = "packs"
    __lock_rank__ = LockRank.PACK
    __table_args__ = (
        CheckConstraint("base_price_cfa > 0", name="price_is_positive"),
        CheckConstraint(
            "discounted_price_cfa > 0 AND discounted_price_cfa < base_price_cfa", name="discount_is_below_price"
        ),
        CheckConstraint("available_from <= available_until", name="dates_are_in_order"),
        Index(None, "created_at", "id"),
        Index(None, "partner_id"),
        {"schema": "packs"},
    )
    __access__ = read(
        everyone("{row}is_active"), members_of_partner("partner_id"), holds("my_codes_packs", "id"), staff
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(255), doc="What it is called where it is offered.")
    description: Mapped[str] = mapped_column(doc="What one gets for it.")
    category: Mapped[str] = mapped_column(
        String(50), doc="What kind of treat it is, such as `cinema`, `restaurant`, `spa` or `experience`."
    )
    base_price_cfa: Mapped[Francs] = mapped_column(doc="The full price in CFA francs.")
    discounted_price_cfa: Mapped[Francs | None] = mapped_column(
        doc="The price that is paid instead, in CFA francs, below the full one; null without a discount."
    )
    is_active: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether it is on offer: everyone sees it, and codes may be issued for it."
    )
    available_from: Mapped[Day | None] = mapped_column(
        doc="The first day on which codes are issued for it; null where it is open."
    )
    available_until: Mapped[Day | None] = mapped_column(
        doc="The last day on which codes are issued for it; null where it is open."
    )
    max_redemptions_per_user: Mapped[int | None] = mapped_column(
        server_default=text("1"), doc="How many codes one user may have for it; null without a limit."
    )
    total_available_quantity: Mapped[int | None] = mapped_column(
        doc="How many codes there may be in all, issued and redeemed; null without a limit."
    )
    image_url: Mapped[str | None] = mapped_column(String(500), doc="Where the main picture is; null without one.")
    gallery_images: Mapped[Json | None] = mapped_column(
        doc="Where further pictures are: a list of URLs; null without any."
    )
    partner_id: Mapped[UUID | None] = reference(
        "packs.partners.id", doc="The partner that redeems it; null while it has none."
    )
    venue_restrictions: Mapped[Json | None] = mapped_column(
        doc="The partner's venues where it may be redeemed; null for all of them."
    )
    terms_and_conditions: Mapped[str | None] = mapped_column(doc="What its holder agrees to; null without terms.")
    redemption_instructions: Mapped[str | None] = mapped_column(
        doc="What to do at the till; null where there is nothing to know."
    )
    validity_days: Mapped[int | None] = mapped_column(
        server_default=text("90"), doc="How many days after the birthday its codes may be redeemed."
    )
    seo_title: Mapped[str | None] = mapped_column(String(255), doc="The title for search engines; null to use `name`.")
    seo_description: Mapped[str | None] = mapped_column(
        doc="The summary for search engines; null to use `description`."
    )
    marketing_tags: Mapped[Texts | None] = mapped_column(doc="Words it is advertised by; null without any.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    partner: Mapped[Partner | None] = to_one(partner_id)
    public_partner: Mapped[PublicPartner | None] = to_face(
        "Pack.partner_id",
        "PublicPartner.id",
        doc="The partner, as anyone may see it; null while it is not active.",
    )
    qr_codes: Mapped[list[QrCode]] = to_many("QrCode.pack_id", doc="The codes issued for it.")


class Partner(Base):
    """A business that redeems packs, and the terms on which it is paid."""

    __tablename__ = "partners"
    __lock_rank__ = LockRank.PARTNER
    __table_args__ = (
        CheckConstraint("revenue_split_percentage BETWEEN 0 AND 100", name="split_is_a_percentage"),
        Index(None, "verified_by_user_id"),
        {"schema": "packs"},
    )
    __access__ = read(members_of_partner("id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"active", "terminated"},
        active={"suspended", "terminated"},
        suspended={"active", "terminated"},
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(255), doc="The name over the door.")
    type: Mapped[str] = mapped_column(
        String(50), doc="What kind of place it is, such as `cinema`, `restaurant`, `spa` or `retail`."
    )
    description: Mapped[str | None] = mapped_column(doc="What the partner says of itself; null where nothing.")
    contact_name: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="Whom to ask for; null where not given."
    )
    contact_email: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="Where to write to; null where not given."
    )
    contact_phone: Mapped[str | None] = mapped_column(
        String(20), info=personal(), doc="The number to call; null where not given."
    )
    business_registration: Mapped[str | None] = mapped_column(
        String(100), doc="The number in the register of businesses; null where not given."
    )
    tax_id: Mapped[str | None] = mapped_column(
        String(50), info=personal(), doc="The number at the tax office; null where not given."
    )
    revenue_split_percentage: Mapped[Decimal] = mapped_column(
        Numeric(5, 2), doc="The partner's part of a price in percent, 0-100; the rest is the platform's commission."
    )
    payment_terms: Mapped[PartnerPaymentTerms | None] = choice(
        PartnerPaymentTerms, 20, default=PartnerPaymentTerms.MONTHLY, doc="How often it is paid."
    )
    minimum_payout_cfa: Mapped[Francs] = mapped_column(
        server_default=text("10000"),
        doc="The least that is paid out, in CFA francs; less is carried over to the next period.",
    )
    venues: Mapped[Json | None] = mapped_column(
        doc="The places where its packs are redeemed: a list of id, name and address; null where none are listed."
    )
    status: Mapped[PartnerStatus | None] = choice(
        PartnerStatus, 20, default=PartnerStatus.PENDING, doc="Where it stands."
    )
    verified_at: Mapped[Moment | None] = mapped_column(doc="When staff verified it; null before.")
    verified_by_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who on the staff verified it; null before."
    )
    auto_approve_redemptions: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether its settlements are approved without staff."
    )
    notification_preferences: Mapped[Json | None] = mapped_column(
        doc="What it wants to be notified of, and how; null where it has not chosen."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    verified_by_user: Mapped[User | None] = to_one(verified_by_user_id)
    members: Mapped[list[PartnerMember]] = to_many("PartnerMember.partner_id", doc="Who may act for it.")
    invitations: Mapped[list[PartnerInvitation]] = to_many(
        "PartnerInvitation.partner_id", doc="Who was invited to act for it, answered ones too."
    )
    packs: Mapped[list[Pack]] = to_many("Pack.partner_id", doc="The packs it redeems, also those not on offer.")
    partner_settlements: Mapped[list[PartnerSettlement]] = to_many(
        "PartnerSettlement.partner_id", doc="What it is paid, one settlement a period."
    )
    qr_codes: Mapped[list[QrCode]] = to_many("QrCode.redeemed_by_partner_id", doc="The codes it has redeemed.")


class SponsorCampaign(Base):
    """A company's campaign that multiplies the points referrals earn, until its budget is spent."""

    __tablename__ = "sponsor_campaigns"
    __lock_rank__ = LockRank.CAMPAIGN
    __table_args__ = (
        CheckConstraint("spent_cfa <= budget_cfa", name="spent_is_within_budget"),
        {"schema": "packs"},
    )
    __access__ = read(staff)
    __transitions__ = Transitions(
        "status", draft={"active"}, active={"paused", "completed"}, paused={"active", "completed"}
    )

    id: Mapped[Id]
    sponsor_company_name: Mapped[str] = mapped_column(String(255), doc="The company that pays for the boost.")
    campaign_name: Mapped[str] = mapped_column(String(255), doc="What the company calls it.")
    description: Mapped[str | None] = mapped_column(doc="What it is about; null without a text.")
    target_demographics: Mapped[Json | None] = mapped_column(
        doc="Whom it is for, by age, region and interests; null for everyone."
    )
    pack_categories: Mapped[Texts | None] = mapped_column(doc="The categories of packs it boosts; null for all.")
    points_multiplier: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2),
        server_default=text("1.5"),
        doc="What earned points are multiplied by: 1.50 gives half as many again.",
    )
    budget_cfa: Mapped[Francs] = mapped_column(doc="The most its extra points may cost, in CFA francs.")
    spent_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"), doc="What its extra points have cost so far, in CFA francs; never above the budget."
    )
    starts_at: Mapped[Moment] = mapped_column(doc="When it begins.")
    ends_at: Mapped[Moment] = mapped_column(doc="When it ends.")
    status: Mapped[SponsorCampaignStatus | None] = choice(
        SponsorCampaignStatus, 20, default=SponsorCampaignStatus.DRAFT, doc="Where it stands."
    )
    impressions: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How often it was shown.")
    clicks: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How often it was clicked on.")
    conversions: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How often it did what it is for, and somebody earned boosted points."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class PartnerMember(Base):
    """Somebody who may act for a partner."""

    __tablename__ = "partner_members"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (UniqueConstraint("partner_id", "user_id"), Index(None, "user_id"), {"schema": "packs"})
    __access__ = read(own("user_id"), managers_of_partner("partner_id"), staff)

    id: Mapped[Id]
    partner_id: Mapped[UUID] = reference("packs.partners.id", doc="The partner the user acts for.", on_delete="CASCADE")
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    role: Mapped[PartnerMemberRole] = choice(
        PartnerMemberRole, default=PartnerMemberRole.CASHIER, doc="What the user may do for it."
    )
    created_at: Mapped[CreatedAt]

    partner: Mapped[Partner | None] = to_one(partner_id)
    user: Mapped[User | None] = to_one(user_id)
    colleague: Mapped[Colleague | None] = to_face(
        "PartnerMember.user_id", "Colleague.user_id", doc="The member, as those on the same partner see them."
    )


class PartnerInvitation(Base):
    """An invitation to act for a partner, for whoever has its phone number or email address: only they can accept it.

    It looks the same whether or not anybody has that contact.
    """

    __tablename__ = "partner_invitations"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        CheckConstraint("(phone IS NULL) <> (email IS NULL)", name="has_one_contact"),
        Index(None, "partner_id"),
        Index(None, "phone"),
        Index(None, "email"),
        Index(None, "invited_by"),
        Index(None, "answered_by"),
        Index(
            "uq_partner_invitations_phone",
            "partner_id",
            "phone",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "uq_partner_invitations_email",
            "partner_id",
            "email",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        # What the worker looks for.
        Index("ix_partner_invitations_due", "expires_at", postgresql_where=text("status = 'pending'")),
        {"schema": "packs"},
    )
    __access__ = read(
        holds("my_partner_invitations", "id"), own("answered_by"), managers_of_partner("partner_id"), staff
    )
    __transitions__ = Transitions("status", pending={"accepted", "declined", "cancelled", "expired"})

    id: Mapped[Id]
    partner_id: Mapped[UUID] = reference(
        "packs.partners.id", doc="The partner that invites; who is not on it sees it as `public_partner`."
    )
    partner_name: Mapped[str] = mapped_column(String(255), doc="What the partner was called when it was sent.")
    role: Mapped[PartnerMemberRole] = choice(PartnerMemberRole, doc="What who accepts may do for the partner.")
    phone: Mapped[str | None] = mapped_column(
        String(20), info=personal(), doc="The phone number it went to (E.164); null where it went to an email address."
    )
    email: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="The email address it went to; null where it went to a phone number."
    )
    invited_by: Mapped[UUID] = reference("identity.users.id", doc="Which owner, or who of the staff, sent it.")
    status: Mapped[PartnerInvitationStatus] = choice(
        PartnerInvitationStatus, default=PartnerInvitationStatus.PENDING, doc="Where it stands."
    )
    expires_at: Mapped[Moment] = mapped_column(doc="Until when it can be answered.")
    answered_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who accepted or declined it; null unless somebody did."
    )
    answered_at: Mapped[Moment | None] = mapped_column(
        doc="When it was accepted or declined; null unless somebody did."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    partner: Mapped[Partner | None] = to_one(partner_id)
    public_partner: Mapped[PublicPartner | None] = to_face(
        "PartnerInvitation.partner_id",
        "PublicPartner.id",
        doc="The partner, as anyone may see it; null while it is not active.",
    )
    invited_by_user: Mapped[User | None] = to_one(invited_by)
    answered_by_user: Mapped[User | None] = to_one(answered_by)


class PublicPartner(Base):
    """What anyone may see of an active partner."""

    __tablename__ = "public_partners"
    __table_args__ = {"schema": "packs"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT p.id, p.name, p.type, p.description, p.venues
        FROM packs.partners p
        WHERE p.status = 'active' AND p.deleted_at IS NULL
        """
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(255), doc="The name over the door.")
    type: Mapped[str] = mapped_column(String(50), doc="What kind of place it is, such as cinema or restaurant.")
    description: Mapped[str | None] = mapped_column(doc="What the partner says of itself.")
    venues: Mapped[Json | None] = mapped_column(
        doc="The places where its packs are redeemed: a list of id, name and address."
    )

    packs: Mapped[list[Pack]] = to_faces("PublicPartner.id", "Pack.partner_id", doc="The packs it offers.")


class ActiveCampaign(Base):
    """What anyone may see of a sponsor's campaign while it runs."""

    __tablename__ = "active_campaigns"
    __table_args__ = {"schema": "packs"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT c.id, c.sponsor_company_name, c.campaign_name, c.description, c.pack_categories,
               c.points_multiplier, c.starts_at, c.ends_at
        FROM packs.sponsor_campaigns c
        WHERE c.status = 'active' AND c.starts_at <= now() AND now() < c.ends_at
        """
    )

    id: Mapped[Id]
    sponsor_company_name: Mapped[str] = mapped_column(String(255), doc="The company that pays for the boost.")
    campaign_name: Mapped[str] = mapped_column(String(255), doc="The campaign's name.")
    description: Mapped[str | None] = mapped_column(doc="What the campaign is about.")
    pack_categories: Mapped[Texts | None] = mapped_column(doc="The categories of packs it boosts.")
    points_multiplier: Mapped[Decimal | None] = mapped_column(
        Numeric(3, 2), doc="What earned points are multiplied by."
    )
    starts_at: Mapped[Moment] = mapped_column(doc="When it began.")
    ends_at: Mapped[Moment] = mapped_column(doc="When it ends.")
