"""What was sent by email and SMS."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import Choice, CreatedAt, Id, Json, Moment, choice, personal, reference, to_one
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class EmailDeliveryStatus(Choice):
    """Where an email stands between its writing and the inbox."""

    PENDING = "pending", "Waiting to be handed to the provider."
    SENT = "sent", "Taken by the provider."
    DELIVERED = "delivered", "Taken by the recipient's mail server."
    FAILED = "failed", "Not sent; `error_message` has the reason."
    BOUNCED = "bounced", "Sent back by the recipient's mail server."


class SmsDeliveryStatus(Choice):
    """Where an SMS stands between its writing and the phone."""

    PENDING = "pending", "Waiting to be handed to the provider."
    SENT = "sent", "Taken by the provider."
    DELIVERED = "delivered", "Arrived, as the network reports."
    FAILED = "failed", "Not sent or never arrived; `error_message` has the reason."


class EmailDelivery(Base):
    """An email that was to be sent, and how far it came."""

    __tablename__ = "email_delivery_log"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        Index(None, "user_id"),
        Index("ix_email_delivery_log_pending", "created_at", postgresql_where=text("status = 'pending'")),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status", pending={"sent", "failed"}, sent={"delivered", "failed", "bounced"}, delivered={"bounced"}
    )
    __unaudited__ = "A delivery log of its own."

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    to_email: Mapped[str] = mapped_column(info=personal(), doc="The address it goes to.")
    subject: Mapped[str] = mapped_column(info=personal(), doc="The subject line.")
    template: Mapped[str | None] = mapped_column(
        doc="What it was written from, as in `sign_in_code`, `password_reset` or `welcome`; null for a text of its own."
    )
    status: Mapped[EmailDeliveryStatus] = choice(EmailDeliveryStatus, doc="Where it stands.")
    provider: Mapped[str | None] = mapped_column(doc="Who carries it, as in `smtp`; null until it is handed over.")
    provider_message_id: Mapped[str | None] = mapped_column(doc="The provider's key for it; null until it is taken.")
    error_message: Mapped[str | None] = mapped_column(doc="Why it failed; null where it did not.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata",
        doc="What else is known, as JSON: `currency`, `segments`, `reports` that changed nothing; null without more.",
    )
    sent_at: Mapped[Moment | None] = mapped_column(doc="When the provider took it; null before.")
    delivered_at: Mapped[Moment | None] = mapped_column(
        doc="When it arrived; null before, or where the provider does not report it."
    )
    opened_at: Mapped[Moment | None] = mapped_column(
        doc="When it was first opened; null before, or where the provider does not report it."
    )
    clicked_at: Mapped[Moment | None] = mapped_column(
        doc="When a link in it was first followed; null before, or where the provider does not report it."
    )
    created_at: Mapped[CreatedAt]
    tries: Mapped[int] = mapped_column(server_default=text("0"), doc="How often it was handed to a provider.")

    user: Mapped[User | None] = to_one(user_id)


class SmsDelivery(Base):
    """An SMS that was to be sent, and how far it came."""

    __tablename__ = "sms_delivery_log"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "provider_message_id"),
        Index("ix_sms_delivery_log_pending", "created_at", postgresql_where=text("status = 'pending'")),
        {"schema": "security"},
    )
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions("status", pending={"sent", "failed"}, sent={"delivered", "failed"})
    __unaudited__ = "A delivery log of its own."

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    to_phone: Mapped[str] = mapped_column(info=personal(), doc="The number it goes to.")
    message: Mapped[str] = mapped_column(info=personal(), doc="The text, without the code where it carries one.")
    template: Mapped[str | None] = mapped_column(
        doc="What it was written from, as in `sign_in_code`, `notification` or `alert`; null for a text of its own."
    )
    status: Mapped[SmsDeliveryStatus] = choice(SmsDeliveryStatus, doc="Where it stands.")
    provider: Mapped[str | None] = mapped_column(
        doc="Who carries it, as in `africas_talking` or `twilio`; null until it is handed over."
    )
    provider_message_id: Mapped[str | None] = mapped_column(doc="The provider's key for it; null until it is taken.")
    cost: Mapped[Decimal | None] = mapped_column(
        Numeric(10, 4), doc="What the provider charged, in the currency that `metadata` names; null until it is known."
    )
    error_message: Mapped[str | None] = mapped_column(doc="Why it failed; null where it did not.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata",
        doc="What else is known, as JSON: `currency`, `segments`, `reports` that changed nothing; null without more.",
    )
    sent_at: Mapped[Moment | None] = mapped_column(doc="When the provider took it; null before.")
    delivered_at: Mapped[Moment | None] = mapped_column(
        doc="When it arrived; null before, or where the provider does not report it."
    )
    created_at: Mapped[CreatedAt]
    tries: Mapped[int] = mapped_column(server_default=text("0"), doc="How often it was handed to a provider.")

    user: Mapped[User | None] = to_one(user_id)
