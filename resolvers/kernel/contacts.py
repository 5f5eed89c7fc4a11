"""Phone numbers and email addresses as they are stored: in international form (E.164), and in lower case."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import phonenumbers
from sqlalchemy import bindparam

from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from lango.errors import Refused
from models.profiles import Profile

DEFAULT_REGION = "SN"
LONGEST_EMAIL = 255
# Enough to catch a slip; whether it is an address, only a message shows.
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
LOCALE = Lookup([Profile.locale], lambda rows: rows.where(Profile.user_id == bindparam("user_id")))


class PhoneNotValid(Refused):
    """This is no phone number."""


class EmailNotValid(Refused):
    """This is no email address."""


def phone(written: str, *, field: str, region: str = DEFAULT_REGION) -> str:
    """The number in E.164, read as somebody in that region writes it. Raises PhoneNotValid."""
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        raise PhoneNotValid(field=field) from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise PhoneNotValid(field=field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(written: str, *, field: str) -> str:
    """The address in lower case, and in letters of one form: what looks the same is the same. Raises EmailNotValid."""
    address = unicodedata.normalize("NFKC", written).strip().lower()
    if len(address) > LONGEST_EMAIL or not address.isprintable() or not EMAIL.fullmatch(address):
        raise EmailNotValid(field=field)
    return address


async def region_of(tx: Transaction, user_id: UUID) -> str:
    """The country whose phone numbers a user writes without a prefix: that of the user's locale. In the rules' role."""
    return region_in(await LOCALE.all(tx, user_id=user_id))


def locating(user_id: UUID) -> Query:
    """The look-up of `region_of`, to be sent together with others; `region_in` reads it."""
    return LOCALE.query(user_id=user_id)


def region_in(found: Sequence[tuple[Any, ...]]) -> str:
    _, _, region = str(found[0][0] or "").upper().replace("_", "-").partition("-") if found else ("", "", "")
    return region if region in phonenumbers.SUPPORTED_REGIONS else DEFAULT_REGION
