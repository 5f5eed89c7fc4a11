"""Messages to people: their templates, their delivery, what people wish to be told, and daily counts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    ClockTime,
    CreatedAt,
    Day,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    choices_array,
    personal,
    reference,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class NotificationChannel(Choice):
    """How a message reaches a person."""

    EMAIL = "email", "By email."
    SMS = "sms", "By SMS."
    WHATSAPP = "whatsapp", "By WhatsApp."


class NotificationStatus(Choice):
    """Where a notification stands between its writing and its recipient."""

    PENDING = "pending", "Waiting for its time, or for the next try."
    SENT = "sent", "Taken by the provider."
    DELIVERED = "delivered", "Arrived, as the provider reports."
    FAILED = "failed", "Not sent or never arrived; `error_message` has the reason."
    BOUNCED = "bounced", "Sent back: nobody can be reached there."


class NotificationPreferencesDigestFrequency(Choice):
    """How far notifications are gathered before they are sent."""

    IMMEDIATE = "immediate", "Each goes out by itself, at once."
    DAILY = "daily", "Those of a day go out together."
    WEEKLY = "weekly", "Those of a week go out together."


class NotificationTemplate(Base):
    """The wording of one kind of notification, with places for its variables."""

    __tablename__ = "notification_templates"
    __table_args__ = ({"schema": "notifications"},)
    __access__ = read(staff)

    id: Mapped[Id]
    template_key: Mapped[str] = mapped_column(
        String(100), unique=True, doc="What rules call it, as in `referral_accepted`."
    )
    name: Mapped[str] = mapped_column(String(255), doc="What staff call it.")
    description: Mapped[str | None] = mapped_column(doc="What it is for; null where the name says enough.")
    subject: Mapped[str | None] = mapped_column(
        String(500), doc="The subject line of emails; null where it is not sent by email."
    )
    body_text: Mapped[str] = mapped_column(doc="The wording as plain text.")
    body_html: Mapped[str | None] = mapped_column(
        doc="The wording as HTML, for email; null where the plain text serves."
    )
    channels: Mapped[list[NotificationChannel] | None] = choices_array(
        NotificationChannel, 20, default=[NotificationChannel.EMAIL], doc="How it may be sent."
    )
    locale: Mapped[str | None] = mapped_column(
        String(10), server_default=text("'fr-SN'"), doc="The language and country it is written for, as in `fr-SN`."
    )
    variables: Mapped[Json | None] = mapped_column(
        doc="Each variable with its type, as in `user_name`: `string`; null where it has none."
    )
    is_active: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether notifications are written from it."
    )
    version: Mapped[int | None] = mapped_column(server_default=text("1"), doc="Counts its wordings, from 1.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class Notification(Base):
    """A message to one person by one channel, and how far it came."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index(None, "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index(None, "status"),
        Index(None, "scheduled_at"),
        Index(None, "template_id"),
        Index(None, "created_at", "id"),
        {"schema": "notifications"},
    )
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"sent", "failed"},
        sent={"delivered", "failed", "bounced"},
        delivered={"bounced"},
        failed={"pending"},
    )

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    recipient_identifier: Mapped[str] = mapped_column(
        String(255), info=personal(), doc="The email address or phone number it goes to."
    )
    template_id: Mapped[UUID] = reference("notifications.notification_templates.id", doc="What it was written from.")
    channel: Mapped[NotificationChannel] = choice(NotificationChannel, 20, doc="How it is sent.")
    subject: Mapped[str | None] = mapped_column(
        String(500), info=personal(), doc="The subject line; null where it is no email."
    )
    body: Mapped[str] = mapped_column(info=personal(), doc="The text as it is sent.")
    template_data: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What was put in place of the template's variables; null where it has none."
    )
    status: Mapped[NotificationStatus | None] = choice(
        NotificationStatus, 20, default=NotificationStatus.PENDING, doc="Where it stands."
    )
    scheduled_at: Mapped[Moment] = mapped_column(
        server_default=NOW, doc="The earliest time it may be sent: later than its writing in quiet hours and digests."
    )
    sent_at: Mapped[Moment | None] = mapped_column(doc="When the provider took it; null before.")
    delivered_at: Mapped[Moment | None] = mapped_column(
        doc="When it arrived; null before, or where the provider does not report it."
    )
    failed_at: Mapped[Moment | None] = mapped_column(doc="When a try last failed; null where none did.")
    provider: Mapped[str | None] = mapped_column(
        String(50), doc="Who carries it, as in `resend`, `twilio` or `whatsapp_business`; null until it is handed over."
    )
    provider_message_id: Mapped[str | None] = mapped_column(
        String(255), doc="The provider's key for it; null until it is taken."
    )
    provider_response: Mapped[Json | None] = mapped_column(
        info=personal(), doc="The provider's last answer; null before."
    )
    retry_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How often it was tried again.")
    max_retries: Mapped[int | None] = mapped_column(server_default=text("3"), doc="How often it may be tried again.")
    next_retry_at: Mapped[Moment | None] = mapped_column(doc="When it is tried again; null where it is not to be.")
    error_message: Mapped[str | None] = mapped_column(doc="Why the last try failed; null where none did.")
    error_code: Mapped[str | None] = mapped_column(
        String(50), doc="The provider's code for that failure; null where there is none."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)
    template: Mapped[NotificationTemplate | None] = to_one(template_id)


class NotificationPreferences(Base):
    """What a user wants to be notified of, how and when; security notices come in any case."""

    __tablename__ = "notification_preferences"
    __table_args__ = ({"schema": "notifications"},)
    __access__ = read(own("user_id"), staff)
    __plural__ = "notification_preferences_list"

    user_id: Mapped[UUID] = reference(
        "identity.users.id", doc="The user it belongs to.", on_delete="CASCADE", primary_key=True
    )
    email_enabled: Mapped[bool] = mapped_column(server_default=text("true"), doc="Whether emails are welcome.")
    sms_enabled: Mapped[bool] = mapped_column(server_default=text("true"), doc="Whether SMS are welcome.")
    whatsapp_enabled: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether WhatsApp messages are welcome."
    )
    push_enabled: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether messages may be pushed to the user's devices."
    )
    referral_notifications: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether to notify of invitations and points."
    )
    pot_notifications: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether to notify of what becomes of pots."
    )
    donation_notifications: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether to notify of donations."
    )
    marketing_notifications: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether advertising is welcome; not unless the user says so."
    )
    digest_frequency: Mapped[NotificationPreferencesDigestFrequency | None] = choice(
        NotificationPreferencesDigestFrequency,
        20,
        default=NotificationPreferencesDigestFrequency.DAILY,
        doc="How far messages are gathered before they are sent.",
    )
    quiet_hours_start: Mapped[ClockTime | None] = mapped_column(
        server_default=text("'22:00'"),
        doc="The hour from which nothing is sent, in the user's time zone; null without quiet hours.",
    )
    quiet_hours_end: Mapped[ClockTime | None] = mapped_column(
        server_default=text("'08:00'"),
        doc="The hour from which messages are sent again, in the user's time zone; null without quiet hours.",
    )
    updated_at: Mapped[UpdatedAt]

    user: Mapped[User | None] = to_one(user_id)


class NotificationAnalytics(Base):
    """How one template did on one channel in one day."""

    __tablename__ = "notification_analytics"
    __table_args__ = (UniqueConstraint("date", "template_key", "channel"), {"schema": "notifications"})
    __access__ = read(staff)
    __unaudited__ = "A rollup that can be rebuilt."
    __plural__ = "notification_analytics_days"

    id: Mapped[Id]
    date: Mapped[Day] = mapped_column(doc="The day.")
    template_key: Mapped[str] = mapped_column(String(100), doc="Which template, as in `referral_accepted`.")
    channel: Mapped[str] = mapped_column(String(20), doc="`email`, `sms` or `whatsapp`.")
    sent_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many the provider took.")
    delivered_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many arrived.")
    failed_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many could not be sent.")
    bounce_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many were sent back.")
    opened_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many were opened, as far as the channel reports it."
    )
    clicked_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="In how many a link was followed, as far as the channel reports it."
    )
    delivery_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="Share of those sent that arrived, from 0 to 1; null where none was sent."
    )
    open_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="Share of those that arrived that were opened, from 0 to 1; null where none arrived."
    )
    click_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4),
        doc="Share of those that arrived in which a link was followed, from 0 to 1; null where none arrived.",
    )
    created_at: Mapped[CreatedAt]
