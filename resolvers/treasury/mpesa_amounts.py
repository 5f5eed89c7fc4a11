"""What may be paid by M-Pesa: whole shillings within bounds, from a Kenyan phone that is one's own."""

from __future__ import annotations

import re
from decimal import Decimal

from lango.errors import Refused
from models.identity import User
from models.treasury import MpesaTransaction
from resolvers.kernel import contacts
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.contacts import PhoneNotValid

KES = "KES"
REGION = "KE"
# Numbers of other networks have no M-Pesa.
SERVED = re.compile(r"\+254[17][0-9]{8}", re.ASCII)


class AmountNotWhole(Refused):
    """M-Pesa pays whole shillings."""


class BelowMinimum(Refused):
    """The amount is below the smallest that is paid by M-Pesa."""


class AboveMaximum(Refused):
    """The amount is above the largest that is paid by M-Pesa."""


class PhoneNotServed(Refused):
    """M-Pesa serves Kenyan numbers that begin with +2547 or +2541."""


class PhoneNotVerified(Refused):
    """This is not the phone number of your account, or it is not verified."""


AMOUNT_REFUSALS = (AmountNotPositive, AmountOutOfRange, AmountNotWhole, BelowMinimum, AboveMaximum)
PHONE_REFUSALS = (PhoneNotValid, PhoneNotServed, PhoneNotVerified)


def check_shillings(amount: Decimal, *, field: str) -> None:
    """Raises AmountNotPositive, AmountOutOfRange and AmountNotWhole."""
    check_amount(amount, MpesaTransaction.amount, field=field)
    if not is_whole(amount):
        raise AmountNotWhole(field=field)


def check_bounds(amount: Decimal, minimum: Decimal | int, maximum: Decimal | int, *, field: str) -> None:
    """Raises BelowMinimum and AboveMaximum."""
    if amount < minimum:
        raise BelowMinimum(f"It is {minimum} {KES} at least.", field=field, minimum=str(minimum))
    if amount > maximum:
        raise AboveMaximum(f"It is {maximum} {KES} at most.", field=field, maximum=str(maximum))


def is_whole(amount: Decimal) -> bool:
    """Whether an amount that fits its column is in whole shillings."""
    return amount == amount.to_integral_value()


def number_of(phone: str | None, *, field: str) -> str | None:
    """The number that was given, in E.164; None where none was. Raises PhoneNotValid."""
    return contacts.phone(phone, field=field, region=REGION) if phone else None


def own_number(user: User, given: str | None, *, field: str) -> str:
    """The user's own number, which the given one must be. Raises PhoneNotVerified and PhoneNotServed."""
    if user.phone is None or user.phone_verified_at is None or given not in (None, user.phone):
        raise PhoneNotVerified(field=field)
    if not SERVED.fullmatch(user.phone):
        raise PhoneNotServed(field=field)
    return user.phone
