"""What those who carry messages have in common: what they are given, and what they say when they take it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

# A provider's own words may repeat what it complains of: a number, an address, a code.
PERSONAL = re.compile(r"\S+@\S+|\d(?:[ .-]?\d){3,}")
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Sms:
    """An SMS. What it says and to whom is in no log."""

    to: str = field(repr=False)
    text: str = field(repr=False)
    # Our row's id, by which a provider may know a message that comes twice.
    reference: UUID
    # Seconds after which it is not worth delivering; None where it always is.
    valid_for: int | None = None


@dataclass(frozen=True, slots=True)
class Email:
    """An email, as plain text and as HTML."""

    to: str = field(repr=False)
    subject: str = field(repr=False)
    plain: str = field(repr=False)
    html: str = field(repr=False)
    language: str
    reference: UUID


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that a provider has taken."""

    # The provider's key for it.
    id: str
    # What it costs, in the currency the provider counts in; None until that is known.
    cost: Decimal | None = None
    currency: str | None = None


class SmsCarrier(Protocol):
    """Who carries SMS."""

    async def send(self, sms: Sms) -> Taken:
        """Raises ProviderUnavailable, and ProviderRefused where nobody could send to that number."""


class EmailCarrier(Protocol):
    """Who carries emails."""

    async def send(self, email: Email) -> Taken:
        """Raises ProviderUnavailable, and ProviderRefused where nobody could send to that address."""


class Progress(StrEnum):
    """How far a message came, in the order in which it comes there."""

    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


def words(text: str) -> str:
    """What a provider says, as it is kept and logged: short, and without numbers and addresses."""
    return PERSONAL.sub("…", " ".join(text.split()))[:LONGEST_REASON]
