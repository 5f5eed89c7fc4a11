"""What bears on an account's safety: written down for staff and the user, and said to the user by every contact."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from lango.actor import Actor
from lango.db.postgres import RawJson
from lango.rules.transaction import RuleTransaction
from models.identity import OneTimeCodeChannel, User
from models.security import SecurityEvent, SecurityEventSeverity
from resolvers.messages import messages
from resolvers.messages.messages import Address, Message


def record(
    tx: RuleTransaction, user_id: UUID | None, event_type: str, severity: SecurityEventSeverity, **details: Any
) -> SecurityEvent:
    """Write down what happened to that user's account, and by whom."""
    event = event_of(tx, user_id, event_type, severity, **details)
    tx.save(event)
    return event


def event_of(
    tx: RuleTransaction, user_id: UUID | None, event_type: str, severity: SecurityEventSeverity, **details: Any
) -> SecurityEvent:
    """An event as `record` writes it, for a refusal to keep."""
    actor = tx.actor
    return SecurityEvent(
        id=uuid4(), user_id=user_id, event_type=event_type, severity=severity,
        ip_address=str(actor.ip) if actor.ip else None, user_agent=actor.user_agent, **location_of(actor),
        **({"details": RawJson.of(details)} if details else {}),
    )  # fmt: skip


def location_of(actor: Actor) -> dict[str, RawJson]:
    """The column `location` of a row about the caller; none of it where that is not known."""
    return {} if actor.country is None else {"location": RawJson.of({"country": actor.country})}


def inform(tx: RuleTransaction, user: User, message: Message, **values: Any) -> None:
    """Send the user that message by every contact that is verified."""
    for to in verified_contacts(user):
        messages.send(tx, message, to, user_id=user.id, **values)


def verified_contacts(user: User) -> list[Address]:
    """The contacts that the user has proved to have: the email, which costs least, before the phone."""
    contacts = (
        (OneTimeCodeChannel.EMAIL, user.email, user.email_verified_at),
        (OneTimeCodeChannel.SMS, user.phone, user.phone_verified_at),
    )
    return [Address(channel, to) for channel, to, at in contacts if to is not None and at is not None]
