"""The messages there are, and what fills each of them in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.columns import Documented
from models.identity import OneTimeCodeChannel

LONGEST_NAME = 40
# What mail and phone programs would make a link of, somebody else's words in our message: only letters, digits and
# blanks stay, and a dot between digits.
NO_NAME = re.compile(r"(?<!\d)\.|\.(?!\d)|[^\w\s.'’()-]|_")
BLANKS = re.compile(r"\s+")


class Message(Documented):
    """A message about signing in. After each what it is filled in with: `values`, and `secrets` in brackets."""

    SIGN_IN_CODE = "sign_in_code", "A code to sign in: minutes, [code]."
    SIGN_UP_CODE = "sign_up_code", "A code to open an account: minutes, [code]."
    ACCOUNT_EXISTS = "account_exists", "Somebody wanted to open an account with a contact that has one."
    VERIFY_CONTACT_CODE = "verify_contact_code", "A code that proves a contact: minutes, [code]."
    REAUTHENTICATION_CODE = "reauthentication_code", "A code to confirm an act within a session: minutes, [code]."
    SECOND_FACTOR_CODE = "second_factor_code", "A code that is the second factor: minutes, [code]."
    TRANSACTION_CODE = "transaction_code", "A code that confirms a movement of money: minutes, [code]."
    PASSWORD_RESET = "password_reset", "A link to set a new password: minutes, [token]."
    PASSWORD_CHANGED = "password_changed", "The password was changed."
    CONTACT_CHANGED = "contact_changed", "To the old contact: it was replaced by `contact`: hours, contact, [token]."
    CONTACT_ADDED = "contact_added", "A phone or an email was added: contact."
    CONTACT_RESTORED = "contact_restored", "A change of contact was taken back: contact, which is the old one."
    NEW_SIGN_IN = "new_sign_in", "Somebody signed in on a new device: device."
    ACCOUNT_LOCKED = "account_locked", "Sign-in is locked after too many failures: minutes."
    SECOND_FACTOR_ENABLED = "second_factor_enabled", "The second factor was switched on."
    SECOND_FACTOR_DISABLED = "second_factor_disabled", "The second factor was switched off."
    SECOND_FACTOR_LOCKED = "second_factor_locked", "The second factor is locked after too many wrong codes: minutes."
    BACKUP_CODES_REPLACED = "backup_codes_replaced", "New backup codes stand in for the old ones."
    BACKUP_CODE_USED = "backup_code_used", "A backup code was used: left, which is how many remain."
    BACKUP_CODES_LOW = "backup_codes_low", "Few backup codes remain: left."
    SESSION_REUSED = "session_reused", "A session was ended because its refresh token may have been stolen."
    OAUTH_CONNECTED = "oauth_connected", "An account elsewhere was connected: provider."
    OAUTH_DISCONNECTED = "oauth_disconnected", "An account elsewhere was disconnected: provider."
    API_KEY_CREATED = "api_key_created", "An API key was made: name."
    GUARDIANSHIP_REQUESTED = "guardianship_requested", "A child's guardian is wanted: child (first name), days."

    @property
    def values(self) -> Mapping[str, Kind]:
        """What fills it in, by name, but for the secret."""
        return VALUES.get(self, {})

    @property
    def secret(self) -> str | None:
        """The one name of what must not be stored: `code`, or the `token` of a link."""
        return "code" if self in CODES else "token" if self in PAGES else None


class Kind(StrEnum):
    """What a value is, and so how it is shown."""

    NUMBER = "number"
    # Somebody else's words: a device, a first name.
    NAME = "name"
    # A phone number or email, of which only so much is shown that its owner knows it.
    CONTACT = "contact"


CODES = frozenset({
    Message.SIGN_IN_CODE, Message.SIGN_UP_CODE, Message.VERIFY_CONTACT_CODE, Message.REAUTHENTICATION_CODE,
    Message.SECOND_FACTOR_CODE, Message.TRANSACTION_CODE,
})  # fmt: skip
# Where links lead, below LANGO_ACCOUNT_URL.
PAGES = {Message.PASSWORD_RESET: "reset-password", Message.CONTACT_CHANGED: "undo-contact"}
VALUES: Mapping[Message, Mapping[str, Kind]] = {
    **{message: {"minutes": Kind.NUMBER} for message in CODES},
    Message.PASSWORD_RESET: {"minutes": Kind.NUMBER},
    Message.CONTACT_CHANGED: {"hours": Kind.NUMBER, "contact": Kind.CONTACT},
    Message.CONTACT_ADDED: {"contact": Kind.CONTACT},
    Message.CONTACT_RESTORED: {"contact": Kind.CONTACT},
    Message.NEW_SIGN_IN: {"device": Kind.NAME},
    Message.ACCOUNT_LOCKED: {"minutes": Kind.NUMBER},
    Message.SECOND_FACTOR_LOCKED: {"minutes": Kind.NUMBER},
    Message.BACKUP_CODE_USED: {"left": Kind.NUMBER},
    Message.BACKUP_CODES_LOW: {"left": Kind.NUMBER},
    Message.OAUTH_CONNECTED: {"provider": Kind.NAME},
    Message.OAUTH_DISCONNECTED: {"provider": Kind.NAME},
    Message.API_KEY_CREATED: {"name": Kind.NAME},
    Message.GUARDIANSHIP_REQUESTED: {"child": Kind.NAME, "days": Kind.NUMBER},
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes: a phone number (E.164) by SMS, or an email address."""

    channel: OneTimeCodeChannel
    to: str


def shown(kind: Kind, value: str | int) -> str:
    """A value as messages show it. Raises TypeError for one of another kind."""
    if isinstance(value, bool) or isinstance(value, int) is not (kind is Kind.NUMBER):
        raise TypeError(f"{value!r} is no {kind}.")
    if isinstance(value, int):
        return str(value)
    return masked(value) if kind is Kind.CONTACT else plain(value)


def plain(name: str) -> str:
    """Somebody else's words, without what could be taken for a link or for our own."""
    text = BLANKS.sub(" ", NO_NAME.sub(" ", unicodedata.normalize("NFC", name))).strip()
    return text[:LONGEST_NAME].rstrip() or "?"


def masked(contact: str) -> str:
    """So much of a phone number or email that its owner knows it: `+2217*****67`, `a***@e***.sn`."""
    name, at, domain = contact.partition("@")
    if not at:
        return f"{contact[:5]}*****{contact[-2:]}"
    host, _, ending = domain.rpartition(".")
    return f"{name[:1]}***@{host[:1]}***.{ending}"
