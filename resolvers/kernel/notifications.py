"""Notifications: messages to people, made from templates and queued in the rule's own transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import bindparam

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Query
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.notifications import (
    Notification,
    NotificationChannel,
    NotificationPreferences,
    NotificationStatus,
    NotificationTemplate,
)

log = structlog.get_logger("lango.notifications")
# Written as in the templates: {amount}.
PLACEHOLDER = re.compile(r"\{(\w+)\}")
RECIPIENT = Lookup(
    [NotificationTemplate, User, NotificationPreferences],
    lambda rows: (
        rows.select_from(User)
        .join(NotificationTemplate, NotificationTemplate.template_key == bindparam("template"))
        .outerjoin(NotificationPreferences, NotificationPreferences.user_id == User.id)
        .where(User.id == bindparam("user_id"), NotificationTemplate.is_active)
    ),
)

TEMPLATE = Lookup(
    [NotificationTemplate],
    lambda rows: rows.where(NotificationTemplate.template_key == bindparam("template"), NotificationTemplate.is_active),
)


async def notify(tx: RuleTransaction, user_id: UUID, template: str, **data: str | int) -> None:
    """Queue a notification, by the first channel of the template that the user has and has not switched off.

    In the rules' role. Without an active template of that name, or a channel, nothing is sent.
    """
    queue(tx, await RECIPIENT.all(tx, template=template, user_id=user_id), template, **data)


def addressing(user_id: UUID, template: str) -> Query:
    """The look-up of `notify`, to be sent together with others: `queue` then queues what it finds."""
    return RECIPIENT.query(template=template, user_id=user_id)


def queue(tx: RuleTransaction, found: Sequence[tuple[Any, ...]], template: str, **data: str | int) -> None:
    """Queue a notification to whom `addressing` has found."""
    if not found:
        log.warning("notification_has_no_template", template=template)
        return
    written, user, wishes = found[0]
    channel, recipient = _way_to(user, wishes, written.channels or list(NotificationChannel))
    if channel is None:
        return
    notification = Notification(
        id=uuid4(), user_id=user.id, recipient_identifier=recipient, template_id=written.id, channel=channel,
        subject=_filled(written.subject, data) if channel == NotificationChannel.EMAIL else None,
        body=_filled(written.body_text, data), template_data=RawJson.of(data), status=NotificationStatus.PENDING,
    )  # fmt: skip
    tx.save(notification)


async def send_to(
    tx: RuleTransaction,
    channel: NotificationChannel,
    recipient: str,
    template: str,
    *,
    user_id: UUID | None = None,
    **data: str | int,
) -> None:
    """Queue a message to an address, which may be nobody's account: an invitation. In the rules' role.

    Without an active template of that name for that channel, nothing is sent.
    """
    found = await TEMPLATE.one(tx, template=template)
    written = found[0] if found else None
    if written is None or channel not in (written.channels or list(NotificationChannel)):
        log.warning("notification_has_no_template", template=template)
        return
    notification = Notification(
        id=uuid4(), user_id=user_id, recipient_identifier=recipient, template_id=written.id, channel=channel,
        subject=_filled(written.subject, data) if channel == NotificationChannel.EMAIL else None,
        body=_filled(written.body_text, data), template_data=RawJson.of(data), status=NotificationStatus.PENDING,
    )  # fmt: skip
    tx.save(notification)


def _way_to(
    user: User, wishes: NotificationPreferences | None, channels: list[NotificationChannel]
) -> tuple[NotificationChannel | None, str | None]:
    ways = {
        NotificationChannel.WHATSAPP: user.phone if wishes is None or wishes.whatsapp_enabled else None,
        NotificationChannel.SMS: user.phone if wishes is None or wishes.sms_enabled else None,
        NotificationChannel.EMAIL: user.email if wishes is None or wishes.email_enabled else None,
    }
    return next(((channel, ways[channel]) for channel in channels if ways.get(channel)), (None, None))


def _filled(text: str | None, data: Mapping[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda match: str(data.get(match[1], "")), text or "")
