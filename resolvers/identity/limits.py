"""How often one may try to sign in, and how many messages a contact, an address and a country get."""

from __future__ import annotations

import phonenumbers

from lango.errors import RateLimited, Refused
from lango.rules.transaction import RuleTransaction
from lango.security.rate_limits import RateLimit, address_of, take
from models.identity import OneTimeCodeChannel
from resolvers.messages.messages import Address

A_QUARTER, AN_HOUR, A_DAY = 15 * 60, 60 * 60, 24 * 60 * 60
# Whole neighbourhoods share an address, and each account has a lock of its own besides.
SIGN_IN_BY_ADDRESS = RateLimit("sign_in_address", 300, A_QUARTER)
SIGN_IN_BY_CONTACT = RateLimit("sign_in_contact", 100, A_QUARTER)
CODES_BY_ADDRESS = RateLimit("code_address", 100, AN_HOUR)
REFRESH_BY_ADDRESS = RateLimit("refresh_address", 3_000, A_QUARTER)
SENDS_BY_CONTACT = RateLimit("sends_contact", 3, A_QUARTER)
SENDS_BY_CONTACT_A_DAY = RateLimit("sends_contact_day", 20, A_DAY)
SENDS_BY_ADDRESS = RateLimit("sends_address", 100, AN_HOUR)
# An SMS costs, and somebody may be paid by it: what a country gets is bounded, whoever requests it.
SENDS_BY_COUNTRY = RateLimit("sends_country", 2_000, AN_HOUR)
REAUTHENTICATION_BY_USER = RateLimit("reauthentication_user", 10, A_QUARTER)


class PhoneNotServed(Refused):
    """No message is sent to numbers of that country."""


async def take_sign_in(tx: RuleTransaction, contact: str | None) -> None:
    """Count a sign-in, by the caller's address; by the contact too, but for a device that is trusted."""
    by_contact = [] if contact is None else [(SIGN_IN_BY_CONTACT, contact)]
    await take(tx.services.pipeline, (SIGN_IN_BY_ADDRESS, address_of(tx.actor)), *by_contact)


async def take_code(tx: RuleTransaction) -> None:
    """Count that a code or a challenge was brought."""
    await take(tx.services.pipeline, (CODES_BY_ADDRESS, address_of(tx.actor)))


async def take_refresh(tx: RuleTransaction) -> None:
    """Count that a refresh token was brought."""
    await take(tx.services.pipeline, (REFRESH_BY_ADDRESS, address_of(tx.actor)))


async def take_reauthentication(tx: RuleTransaction) -> None:
    """Count that somebody signed in proves who they are."""
    await take(tx.services.pipeline, (REAUTHENTICATION_BY_USER, str(tx.user_id)))


async def take_send(tx: RuleTransaction, purpose: str, to: Address, *, field: str | None) -> None:
    """Count a message to that contact, whether or not it is anybody's. Raises PhoneNotServed."""
    limits = [
        (SENDS_BY_CONTACT, f"{purpose}:{to.to}"),
        (SENDS_BY_CONTACT_A_DAY, to.to),
        (SENDS_BY_ADDRESS, address_of(tx.actor)),
    ]
    if to.channel is OneTimeCodeChannel.SMS:
        prefix = prefix_of(to.to)
        served = [each.strip() for each in tx.services.settings.sms_prefixes.split(",") if each.strip()]
        if served and prefix not in served:
            raise PhoneNotServed(field=field)
        limits.append((SENDS_BY_COUNTRY, prefix))
    await take(tx.services.pipeline, *limits)


async def may_send(tx: RuleTransaction, purpose: str, to: Address) -> bool:
    """As `take_send` for a contact that the caller has not named: a refusal would say whose it is."""
    try:
        await take_send(tx, purpose, to, field=None)
    except (RateLimited, PhoneNotServed):
        return False
    return True


def prefix_of(phone: str) -> str:
    """The country prefix of a number in E.164: `+221`."""
    return f"+{phonenumbers.parse(phone).country_code}"
