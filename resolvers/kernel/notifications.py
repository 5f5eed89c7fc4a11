"""Notifications: messages to people, made from templates and queued in the rule's own transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard
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
from resolvers.kernel import guardianship
from resolvers.kernel.guardianship import first_name_in

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


@dataclass(frozen=True, slots=True)
class FirstName:
    """A value of a message that is looked up with its template: somebody's first name, or what stands for it."""

    user_id: UUID
    otherwise: str = ""


Data = str | int | FirstName


@dataclass(frozen=True, slots=True)
class _Message:
    """What is queued when the rule ends: to a user, by a channel that they have; or to an address."""

    template: str
    data: dict[str, Data]
    user_id: UUID | None
    channel: NotificationChannel | None = None
    recipient: str | None = None


def notify(tx: RuleTransaction, user_id: UUID, template: str, **data: Data) -> None:
    """Queue a notification, by the first channel of the template that the user has and has not switched off.

    Recipients, templates and names are looked up when the rule ends, all of them together. Without an active template
    of that name, or a channel, nothing is sent.
    """
    tx.at_end(_queue, _Message(template, data, user_id))


def send_to(
    tx: RuleTransaction,
    channel: NotificationChannel,
    recipient: str,
    template: str,
    *,
    user_id: UUID | None = None,
    **data: Data,
) -> None:
    """Queue a message to an address, which may be nobody's account: an invitation. As `notify` does.

    Without an active template of that name for that channel, nothing is sent.
    """
    tx.at_end(_queue, _Message(template, data, user_id, channel, recipient))


async def _queue(tx: RuleTransaction, messages: Sequence[_Message]) -> None:
    names = list({value.user_id: None for each in messages for value in each.data.values() if _is_name(value)})
    found = await tx.fetch(*map(_addressing, messages), *map(guardianship.naming, names))
    first_names = {key: first_name_in(row) for key, row in zip(names, found[len(messages) :], strict=True)}
    for each, rows in zip(messages, found, strict=False):
        data = {name: _value(value, first_names) for name, value in each.data.items()}
        queue(tx, rows, each.template, each.channel, each.recipient, each.user_id, **data)


def _is_name(value: Data) -> TypeGuard[FirstName]:
    return isinstance(value, FirstName)


def _value(value: Data, first_names: Mapping[UUID, str]) -> str | int:
    return first_names[value.user_id] or value.otherwise if isinstance(value, FirstName) else value


def _addressing(each: _Message) -> Query:
    if each.channel is not None:
        return wording(each.template)
    assert each.user_id is not None
    return addressing(each.user_id, each.template)


def addressing(user_id: UUID, template: str) -> Query:
    """The look-up of `notify`, to be sent together with others: `queue` then queues what it finds."""
    return RECIPIENT.query(template=template, user_id=user_id)


def wording(template: str) -> Query:
    """The look-up of `send_to`, to be sent together with others: `queue` then queues to an address what it finds."""
    return TEMPLATE.query(template=template)


def queue(
    tx: RuleTransaction,
    found: Sequence[tuple[Any, ...]],
    template: str,
    channel: NotificationChannel | None = None,
    recipient: str | None = None,
    user_id: UUID | None = None,
    **data: str | int,
) -> None:
    """Queue a notification to whom `addressing` has found, or, of a template alone, to an address."""
    written = found[0][0] if found else None
    if written is None or (channel is not None and channel not in (written.channels or list(NotificationChannel))):
        log.warning("notification_has_no_template", template=template)
        return
    if channel is None:
        _, user, wishes = found[0]
        user_id = user.id
        channel, recipient = _way_to(user, wishes, written.channels or list(NotificationChannel))
    if channel is None:
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
