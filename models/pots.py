"""Birthday pots, who is invited to them, and how they do from day to day."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import conv

from models.access import among, everyone, opened, own, owner_of_pot, read, staff
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    CreatedAt,
    Day,
    DeletedAt,
    Francs,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    personal,
    reference,
    secret_column,
    to_face,
    to_faces,
    to_many,
    to_one,
)
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.donations import Contribution, Donation, PointContribution
    from models.identity import User
    from models.packs import Pack
    from models.profiles import PublicProfile
    from models.redemption import QrCode
    from models.referrals import PointsConversion, Referral


class PotStatus(Choice):
    """Where a pot stands between its plan and its end."""

    SCHEDULED = "scheduled", "Planned; it takes no donations before it opens."
    OPEN = "open", "It takes donations, and its target is not reached, or no longer."
    FUNDED = "funded", "Its target is reached; it takes donations still."
    EXPIRED = "expired", "Its time after the birthday ran out; what remains goes to the owner's next pot."
    CLOSED = "closed", "Closed by its owner: no more donations, but what remains may be spent on packs."
    CANCELLED = "cancelled", "Called off; what was given went back."


class PotVisibility(Choice):
    """Who sees a pot."""

    PRIVATE = "private", "Its owner, those who gave, and whoever has the share link."
    PUBLIC = "public", "Everyone, also without signing in."
    FRIENDS_ONLY = (
        "friends_only",
        "Its owner, who is invited, who gave, by whose invitation it came, and whoever has the share link.",
    )


class PotInvitationInvitationMethod(Choice):
    """How an invitation is sent."""

    WHATSAPP = "whatsapp", "A WhatsApp message to a phone number."
    SMS = "sms", "A text message to a phone number."
    EMAIL = "email", "An email."
    SOCIAL = "social", "A message on a social network."


class Pot(Base):
    """Money that many people give for one birthday, to be spent on packs."""

    __tablename__ = "pots"
    __lock_rank__ = LockRank.POT
    __table_args__ = (
        CheckConstraint(
            "scheduled_open_at < ((birthday_date + 1)::timestamp AT TIME ZONE 'UTC')",
            name=conv("check_open_before_birthday"),
        ),
        CheckConstraint("target_amount_cfa > 0", name="target_is_positive"),
        CheckConstraint("balance_cfa >= 0", name="balance_is_not_negative"),
        Index(None, "owner_user_id", "created_at", "id"),
        Index(None, "status"),
        Index(None, "scheduled_open_at"),
        Index(None, "birthday_date"),
        Index(None, "created_at", "id"),
        Index("uq_pots_share_token", "share_token", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(None, "preferred_pack_id"),
        Index(None, "created_from_referral_id"),
        {"schema": "pots"},
    )
    __access__ = read(
        everyone("{row}visibility = 'public'"),
        everyone("{row}id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])"),
        opened,
        own("owner_user_id"),
        among("my_friends_pots", "id"),
        staff,
    )
    __transitions__ = Transitions(
        "status",
        scheduled={"open", "cancelled"},
        open={"funded", "closed", "expired", "cancelled"},
        # Below its target again, when something has gone back.
        funded={"open", "closed", "expired", "cancelled"},
    )

    id: Mapped[Id]
    owner_user_id: Mapped[UUID] = reference("identity.users.id", doc="Whose birthday it is for.")
    title: Mapped[str] = mapped_column(
        String(255), info=personal(), doc="The headline, which all who see the pot read."
    )
    description: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the owner says about it; null where nothing."
    )
    target_amount_cfa: Mapped[Francs] = mapped_column(doc="What is hoped for, in CFA francs; fixed once it opens.")
    birthday_date: Mapped[Day] = mapped_column(doc="The birthday, as a day in `time_zone`.")
    scheduled_open_at: Mapped[Moment] = mapped_column(
        doc="When it is to open: 30 days before the birthday, or at once where that is nearer."
    )
    actual_opened_at: Mapped[Moment | None] = mapped_column(doc="When it did open; null before.")
    closed_at: Mapped[Moment | None] = mapped_column(doc="When it stopped taking donations for good; null before.")
    status: Mapped[PotStatus | None] = choice(PotStatus, 20, default=PotStatus.SCHEDULED, doc="Where it stands.")
    visibility: Mapped[PotVisibility | None] = choice(
        PotVisibility, 20, default=PotVisibility.PRIVATE, doc="Who sees it."
    )
    preferred_pack_id: Mapped[UUID | None] = reference(
        "packs.packs.id", doc="The pack the owner wishes for; null without a wish."
    )
    allow_anonymous_donations: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether people may give without signing in."
    )
    show_donor_names: Mapped[bool] = mapped_column(
        server_default=text("true"),
        doc="Whether others than its owner see who gave; those who give anonymously are never named.",
    )
    enable_messages: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether others than its owner see what donors wrote."
    )
    share_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How often it was shared, counted from time to time."
    )
    view_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How often it was looked at, counted from time to time."
    )
    cover_image_url: Mapped[str | None] = mapped_column(
        String(500), info=personal(), doc="Where the main picture is; null without one."
    )
    gallery_images: Mapped[Json | None] = mapped_column(
        info=personal(), doc="Where further pictures are: a list of URLs; null without any."
    )
    created_from_referral_id: Mapped[UUID | None] = reference(
        "referrals.referrals.id", doc="The referral it was made with; null where the owner made it otherwise."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    raised_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"),
        doc="Donations and converted points less refunds, in CFA francs: at the target the pot is funded.",
    )
    balance_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"), doc="What may still be spent or given back, in CFA francs."
    )
    time_zone: Mapped[str] = mapped_column(
        String(50),
        server_default=text("'Africa/Dakar'"),
        doc="The IANA time zone whose day the birthday is, as in `Africa/Dakar`; it never changes.",
    )
    share_token: Mapped[str | None] = secret_column(
        String(64),
        doc="128 random bits in the share link: whoever holds it may see the pot and give; null without a link.",
    )
    deleted_at: Mapped[DeletedAt | None]

    owner_user: Mapped[User | None] = to_one(owner_user_id)
    owner_profile: Mapped[PublicProfile | None] = to_face(
        "Pot.owner_user_id",
        "PublicProfile.user_id",
        doc="The owner, as anyone may see them; null without a public profile.",
    )
    contributions: Mapped[list[Contribution]] = to_faces(
        "Pot.id", "Contribution.pot_id", doc="What was given, as whoever sees the pot may see it."
    )
    point_contributions: Mapped[list[PointContribution]] = to_faces(
        "Pot.id",
        "PointContribution.pot_id",
        doc="What sponsors' points brought: with `contributions`, all that `raisedCfa` is made of.",
    )
    preferred_pack: Mapped[Pack | None] = to_one(preferred_pack_id)
    created_from_referral: Mapped[Referral | None] = to_one(created_from_referral_id)
    analytics: Mapped[list[PotAnalytics]] = to_many("PotAnalytics.pot_id", doc="How it did, one row a day.")
    donations: Mapped[list[Donation]] = to_many(
        "Donation.pot_id",
        doc="What was given or tried to be given; donors read their own, and everybody's are in `contributions`.",
    )
    invitations: Mapped[list[PotInvitation]] = to_many("PotInvitation.pot_id", doc="Who is invited to it.")
    points_conversions: Mapped[list[PointsConversion]] = to_many(
        "PointsConversion.applied_to_pot_id", doc="The points that sponsors turned into money for it."
    )
    qr_codes: Mapped[list[QrCode]] = to_many("QrCode.pot_id", doc="The codes it paid for.")


class PotInvitation(Base):
    """A message that invites somebody to a pot, with a link of its own."""

    __tablename__ = "pot_invitations"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        Index(None, "pot_id"),
        Index(None, "invited_by_user_id"),
        Index(None, "invited_user_id"),
        {"schema": "pots"},
    )
    __access__ = read(opened, owner_of_pot("pot_id"), own("invited_by_user_id", "invited_user_id"), staff)

    id: Mapped[Id]
    pot_id: Mapped[UUID] = reference("pots.pots.id", doc="The pot it invites to.", on_delete="CASCADE")
    invited_by_user_id: Mapped[UUID] = reference("identity.users.id", doc="Who invites.")
    invitation_method: Mapped[PotInvitationInvitationMethod] = choice(
        PotInvitationInvitationMethod, 20, doc="How it is sent."
    )
    recipient_identifier: Mapped[str] = mapped_column(
        String(255),
        info=personal(),
        doc="Where it goes: a phone number, an email address or a name on a social network.",
    )
    custom_message: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the sender wrote to go with it; null where nothing."
    )
    sent_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was sent.")
    opened_at: Mapped[Moment | None] = mapped_column(doc="When it was first opened; null before.")
    clicked_at: Mapped[Moment | None] = mapped_column(doc="When its reader first went on to the pot; null before.")
    created_at: Mapped[CreatedAt]
    token_hash: Mapped[str | None] = secret_column(
        String(255), doc="Hash of the token in its link; null without a link.", unique=True
    )
    invited_user_id: Mapped[UUID | None] = reference(
        "identity.users.id",
        doc="The user it reached, known by a verified phone or email or by opening the link; null before.",
    )

    pot: Mapped[Pot | None] = to_one(pot_id)
    invited_by_user: Mapped[User | None] = to_one(invited_by_user_id)
    invited_user: Mapped[User | None] = to_one(invited_user_id)


class PotAnalytics(Base):
    """How a pot stood on one day."""

    __tablename__ = "pot_analytics"
    __table_args__ = (UniqueConstraint("pot_id", "snapshot_date"), {"schema": "pots"})
    __access__ = read(owner_of_pot("pot_id"), staff)
    __unaudited__ = "A rollup that can be rebuilt."
    __plural__ = "pot_analytics_snapshots"

    id: Mapped[Id]
    pot_id: Mapped[UUID] = reference("pots.pots.id", doc="The pot it is about.", on_delete="CASCADE")
    snapshot_date: Mapped[Day] = mapped_column(doc="The day it is for.")
    total_raised_cfa: Mapped[Francs] = mapped_column(
        server_default=text("0"), doc="What had been raised by then, in CFA francs."
    )
    donor_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many people had given by then.")
    view_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How often the pot had been looked at by then."
    )
    share_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How often the pot had been shared by then."
    )
    conversion_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="Donations divided by views: 0.2500 is one in four; null without a view."
    )
    created_at: Mapped[CreatedAt]

    pot: Mapped[Pot | None] = to_one(pot_id)
