"""Who people are: names and birthdays, guardians, proofs of identity and addresses."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import conv

from models.access import Face, own, read, staff
from models.base import Base
from models.columns import (
    DEPRECATED,
    Choice,
    CreatedAt,
    Day,
    DeletedAt,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    deprecated,
    personal,
    reference,
    secret_column,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class ProfileIdType(Choice):
    """A document that proves who a person is."""

    PASSPORT = "passport", "Issued for travel by the country of `id_country`."
    NATIONAL_ID = "national_id", "A national identity card."
    BIRTH_CERTIFICATE = "birth_certificate", "A birth certificate, for those who have no card yet."


class UserAddressType(Choice):
    """What an address is used for."""

    PRIMARY = "primary", "Where the person lives."
    BILLING = "billing", "Where invoices go."
    DELIVERY = "delivery", "Where goods are sent."


class GuardianshipRequestStatus(Choice):
    """Where a request to be somebody's guardian stands."""

    PENDING = "pending", "Waiting for the guardian's answer."
    ACCEPTED = "accepted", "The guardian agreed, and acts for the minor."
    DECLINED = "declined", "The guardian does not want to."
    CANCELLED = "cancelled", "Taken back, or replaced by another request."
    EXPIRED = "expired", "Nobody answered in time."


class IdentityDocumentStatus(Choice):
    """Where an identity document stands."""

    PENDING = "pending", "Waiting for staff to look at it."
    VERIFIED = "verified", "Staff found it to be true."
    REJECTED = "rejected", "Staff did not accept it; its number and picture are erased 30 days later."
    REPLACED = "replaced", "Another one was submitted after it."
    EXPIRED = "expired", "It was verified, and its own time has run out."


class Profile(Base):
    """Who a user is: name, birthday, guardian, proof of identity and what others may see."""

    __tablename__ = "profiles"
    __table_args__ = (
        CheckConstraint(
            "CASE WHEN lango.is_minor(date_of_birth, timezone) THEN guardian_user_id IS NOT NULL "
            "AND relationship_type IS NOT NULL ELSE true END",
            name=conv("check_minor_has_guardian"),
        ),
        Index(None, "date_of_birth"),
        Index(None, "guardian_user_id", postgresql_where=text("guardian_user_id IS NOT NULL")),
        Index(None, "id_verified_by"),
        {"schema": "profiles"},
    )
    __access__ = read(own("user_id"), staff)

    user_id: Mapped[UUID] = reference(
        "identity.users.id", doc="The user it belongs to.", on_delete="CASCADE", primary_key=True
    )
    full_name: Mapped[str] = mapped_column(String(255), info=personal(), doc="The name the person goes by.")
    date_of_birth: Mapped[Day] = mapped_column(
        info=personal(), doc="The day of birth: whoever is under 18 needs a guardian."
    )
    locale: Mapped[str | None] = mapped_column(
        String(10),
        server_default=text("'fr-SN'"),
        doc="The language and country the person reads in, as in `fr-SN`; null reads as that.",
    )
    timezone: Mapped[str | None] = mapped_column(
        String(50),
        server_default=text("'Africa/Dakar'"),
        doc="The IANA time zone in which the person's days and quiet hours are counted, as in `Africa/Dakar`.",
    )
    avatar_url: Mapped[str | None] = mapped_column(
        String(500), info=personal(), doc="Where the picture is; null without one."
    )
    bio: Mapped[str | None] = mapped_column(
        info=personal(), doc="What the person says of themselves; null where nothing."
    )
    guardian_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who acts for the person while under 18; null without a guardian."
    )
    relationship_type: Mapped[str | None] = mapped_column(
        String(50),
        info=personal(),
        doc="What the guardian is to the person: `parent`, `guardian`, `sibling` or other; null without one.",
    )
    id_number: Mapped[str | None] = secret_column(
        Text(), doc="Number of the identity document, encrypted; null until one is submitted.", encrypted=True
    )
    id_type: Mapped[ProfileIdType | None] = choice(
        ProfileIdType, 20, doc="Which document proves the identity; null until one is submitted."
    )
    id_country: Mapped[str | None] = mapped_column(
        String(3),
        info=personal(),
        doc="The country that issued the document, as in `SEN` (ISO 3166-1); null until one is submitted.",
    )
    id_hash: Mapped[str | None] = secret_column(
        String(255),
        doc="Hash of the document's number, by which two users of one document are found; null until it is submitted.",
    )
    id_media_url: Mapped[str | None] = secret_column(
        Text(), doc="Where the document's picture is kept, encrypted; null without one.", encrypted=True
    )
    id_verified_at: Mapped[Moment | None] = mapped_column(doc="When staff found the document to be true; null before.")
    id_verified_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who on the staff verified the document; null before."
    )
    is_profile_public: Mapped[bool] = mapped_column(
        server_default=text("true"),
        doc="Whether anyone may see name, picture, bio and locale; a minor's are never shown.",
    )
    allow_contact_by_sponsors: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether sponsors may invite the person."
    )
    notification_preferences: Mapped[Json | None] = mapped_column(
        server_default=text('\'{"email": true, "sms": true, "whatsapp": true}\''),
        info={DEPRECATED: deprecated("`NotificationPreferences` hold what the user wants.", since=date(2026, 11, 30))},
        doc="Channels once wished for, by name; nothing reads it.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    guardian_accepted_at: Mapped[Moment | None] = mapped_column(
        doc="When the guardian agreed; null before, and until then the guardian sees and does nothing."
    )
    majority_announced_at: Mapped[Moment | None] = mapped_column(
        doc="When the person and the guardian were told that the person comes of age; null before."
    )

    user: Mapped[User | None] = to_one(user_id)
    guardian_user: Mapped[User | None] = to_one(guardian_user_id)
    id_verified_by_user: Mapped[User | None] = to_one(id_verified_by)


class GuardianshipRequest(Base):
    """A request to be the guardian of a minor, who is named by the first name alone until it is accepted."""

    __tablename__ = "guardianship_requests"
    __table_args__ = (
        CheckConstraint("user_id <> guardian_user_id", name="nobody_is_their_own_guardian"),
        Index(None, "user_id"),
        Index(None, "guardian_user_id"),
        Index(None, "requested_by"),
        Index("uq_guardianship_requests_pending", "user_id", unique=True, postgresql_where=text("status = 'pending'")),
        Index("ix_guardianship_requests_due", "expires_at", postgresql_where=text("status = 'pending'")),
        {"schema": "profiles"},
    )
    __access__ = read(own("user_id", "guardian_user_id"), staff)
    __transitions__ = Transitions("status", pending={"accepted", "declined", "cancelled", "expired"})

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The minor.", on_delete="CASCADE")
    guardian_user_id: Mapped[UUID] = reference("identity.users.id", doc="Who is to act for the minor.")
    relationship_type: Mapped[str] = mapped_column(
        String(50), info=personal(), doc="What the guardian is to the minor: `parent`, `guardian`, `sibling` or other."
    )
    first_name: Mapped[str] = mapped_column(String(255), info=personal(), doc="The minor's first name.")
    requested_by: Mapped[UUID] = reference(
        "identity.users.id", doc="Who sent it: the minor, the guardian until then, or staff."
    )
    status: Mapped[GuardianshipRequestStatus] = choice(
        GuardianshipRequestStatus, default=GuardianshipRequestStatus.PENDING, doc="Where it stands."
    )
    expires_at: Mapped[Moment] = mapped_column(doc="Until when it can be answered.")
    answered_at: Mapped[Moment | None] = mapped_column(doc="When it was accepted or declined; null unless it was.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)
    guardian_user: Mapped[User | None] = to_one(guardian_user_id)
    requested_by_user: Mapped[User | None] = to_one(requested_by)


class IdentityDocument(Base):
    """A document by which a person proves who they are, and what staff found of it. The profile shows the last one."""

    __tablename__ = "identity_documents"
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "number_hash"),
        Index(None, "decided_by"),
        Index("uq_identity_documents_pending", "user_id", unique=True, postgresql_where=text("status = 'pending'")),
        Index("ix_identity_documents_expiring", "expires_on", postgresql_where=text("status = 'verified'")),
        Index(
            "ix_identity_documents_to_erase",
            "decided_at",
            postgresql_where=text("status = 'rejected' AND erased_at IS NULL"),
        ),
        {"schema": "profiles"},
    )
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status", pending={"verified", "rejected", "replaced"}, verified={"replaced", "expired"}
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="Whose document it is.", on_delete="CASCADE")
    type: Mapped[ProfileIdType] = choice(ProfileIdType, 20, doc="Which document it is.")
    country: Mapped[str] = mapped_column(
        String(3), info=personal(), doc="The country that issued it, as in `SEN` (ISO 3166-1)."
    )
    number: Mapped[str | None] = secret_column(
        Text(), doc="Its number, encrypted; null once it is erased.", encrypted=True
    )
    number_hash: Mapped[str | None] = secret_column(
        String(255), doc="Keyed hash of type, country and number, by which two users of one document are found."
    )
    image: Mapped[str | None] = secret_column(
        Text(), doc="Its picture, encrypted; null without one, or once it is erased.", encrypted=True
    )
    image_type: Mapped[str | None] = mapped_column(
        String(50), doc="What kind of picture there is, as in `image/jpeg`; null without one."
    )
    expires_on: Mapped[Day | None] = mapped_column(
        doc="The last day on which the document is valid; null where it has none."
    )
    status: Mapped[IdentityDocumentStatus] = choice(
        IdentityDocumentStatus, default=IdentityDocumentStatus.PENDING, doc="Where it stands."
    )
    decided_by: Mapped[UUID | None] = reference("identity.users.id", doc="Who of the staff decided; null before.")
    decided_at: Mapped[Moment | None] = mapped_column(doc="When staff decided; null before.")
    reason: Mapped[str | None] = mapped_column(
        info=personal(), doc="Why it was rejected, for the person; null unless it was."
    )
    erased_at: Mapped[Moment | None] = mapped_column(
        doc="When number and picture were erased, after it was rejected or replaced; null while they are kept."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)
    decided_by_user: Mapped[User | None] = to_one(decided_by)


class UserAddress(Base):
    """A postal address of a user; one of each type is the default."""

    __tablename__ = "user_addresses"
    __table_args__ = (
        Index(None, "user_id"),
        Index(
            "uq_user_addresses_default",
            "user_id",
            "type",
            unique=True,
            postgresql_where=text("is_default AND deleted_at IS NULL"),
        ),
        {"schema": "profiles"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.", on_delete="CASCADE")
    type: Mapped[UserAddressType | None] = choice(
        UserAddressType, 20, default=UserAddressType.PRIMARY, doc="What it is used for."
    )
    street_address: Mapped[str | None] = mapped_column(
        info=personal(), doc="Street, number and what else leads to the door; null where not given."
    )
    city: Mapped[str | None] = mapped_column(String(100), info=personal(), doc="Town or city; null where not given.")
    region: Mapped[str | None] = mapped_column(
        String(100), info=personal(), doc="In Senegal one of its regions, as in `Thiès`; null where not given."
    )
    country: Mapped[str | None] = mapped_column(
        String(3), server_default=text("'SEN'"), info=personal(), doc="ISO 3166-1 code of three letters, as in `SEN`."
    )
    postal_code: Mapped[str | None] = mapped_column(
        String(10), info=personal(), doc="Null where not given, or where the place has none."
    )
    is_default: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="True for the one that is taken when none of its type is named."
    )
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[DeletedAt | None]

    user: Mapped[User | None] = to_one(user_id)


class PublicProfile(Base):
    """What anyone may see of a person who has a public profile; never a minor."""

    __tablename__ = "public_profiles"
    __table_args__ = {"schema": "profiles"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT p.user_id, p.full_name, p.avatar_url, p.bio, p.locale
        FROM profiles.profiles p JOIN identity.users u ON u.id = p.user_id
        WHERE p.is_profile_public AND u.is_active AND u.deleted_at IS NULL
          AND NOT lango.is_minor(p.date_of_birth, p.timezone)
        """
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True, doc="The person.")
    full_name: Mapped[str] = mapped_column(String(255), info=personal(), doc="The name the person goes by.")
    avatar_url: Mapped[str | None] = mapped_column(
        String(500), info=personal(), doc="Where the picture is; null without one."
    )
    bio: Mapped[str | None] = mapped_column(info=personal(), doc="What the person says of themselves.")
    locale: Mapped[str | None] = mapped_column(
        String(10), doc="The language and country the person reads in, as in `fr-SN`."
    )


class Colleague(Base):
    """What those on the same partner, DAO or card account see of each other."""

    __tablename__ = "colleagues"
    __table_args__ = {"schema": "profiles"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT p.user_id, p.full_name, p.avatar_url
        FROM profiles.profiles p
        WHERE p.user_id = ANY ((SELECT lango.my_colleagues())::uuid[])
        """,
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True, doc="The colleague.")
    full_name: Mapped[str] = mapped_column(String(255), info=personal(), doc="The name the colleague goes by.")
    avatar_url: Mapped[str | None] = mapped_column(
        String(500), info=personal(), doc="Where the picture is; null without one."
    )
