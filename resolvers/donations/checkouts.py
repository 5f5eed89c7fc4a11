"""Donations: begun by the rule, paid at Wave, and followed until something has become of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Interval, Select, bindparam, func, select, update
from sqlalchemy import types as sql

from lango.db import rows
from lango.db.prepared import Prepared
from lango.errors import Refused
from lango.jobs.calls import call_soon
from lango.jobs.job import job, scheduled
from lango.providers import ProviderRefused
from lango.providers.wave import WAVE
from lango.providers.wave.client import Checkout
from lango.rules.inputs import Id, Once, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import CallerTransaction
from models.donations import Donation, DonationStatus
from models.pots import Pot
from models.topics import Topic
from resolvers.donations import risk
from resolvers.donations.payments import WAITING, Payment, donation_of, settle
from resolvers.donations.receipts import ReceiptToken, new_token, presented
from resolvers.donations.wave_events import receive_wave_event as receive_wave_event
from resolvers.kernel import clock, contacts, due, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount
from resolvers.kernel.contacts import PhoneNotValid
from resolvers.kernel.outbox import publish, published
from resolvers.kernel.share_links import LONGEST_TOKEN, hash_of
from resolvers.kernel.system_config import Configured
from resolvers.points.points import SMALLEST_DONATION
from resolvers.pots.lifecycle import TAKES_DONATIONS
from resolvers.pots.pots import PotNotOpen
from resolvers.pots.views import visible

log = structlog.get_logger("lango.donations")
LONGEST_PHONE, LONGEST_MESSAGE = 40, 1_000
MINIMUM = SMALLEST_DONATION
MAXIMUM = Configured("donations.maximum_cfa", 2_000_000)
# A checkout lasts about so long; after that, Wave is queried about those without an event.
CHECKOUT_LASTS = timedelta(minutes=30)


class NotAnonymous(Refused):
    """This pot takes donations only from those who have signed in."""


class BelowMinimum(Refused):
    """The amount is below the smallest donation."""


class AboveMaximum(Refused):
    """The amount is above the largest donation."""


UNHEARD_OF = due.Due(
    Donation.id,
    lambda rows: rows.where(
        Donation.status == DonationStatus.PENDING,
        Donation.initiated_at < func.now() - bindparam("age", type_=Interval),
    ).order_by(Donation.initiated_at),
)


PaymentUrl = Annotated[
    str | None, Value("Where the donor pays; null where it was refused, or while Wave cannot be reached.")
]
Reference = Annotated[str, Value("What the payment is known by, also at Wave. Null where it was refused.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A donation that waits to be paid, and what its donor needs to follow it."""

    donation: Donation
    payment_url: PaymentUrl = None
    reference: Reference
    receipt_token: Annotated[str | None, Once("What opens the receipt; null for a donor who is signed in.")]


@rule(
    NotFound, PotNotOpen, NotAnonymous, BelowMinimum, AboveMaximum, AmountNotPositive, AmountOutOfRange, PhoneNotValid,
    anonymous=True, calls=True,
)  # fmt: skip
async def donate(
    caller: CallerTransaction,
    amount_cfa: Annotated[int, Value("How much to give, in CFA francs.")],
    pot_id: Annotated[UUID | None, Id(Pot, "The pot to give to.")] = None,
    share_token: Annotated[
        str | None, Text("The token of the pot's share link, which is enough to give.", LONGEST_TOKEN)
    ] = None,
    phone: Annotated[str | None, Text("The phone that pays by Wave.", LONGEST_PHONE)] = None,
    message: Annotated[str | None, Text("What goes with it.", LONGEST_MESSAGE)] = None,
    is_anonymous: Annotated[bool, Value("Whether it is hidden from others who gave; false without it.")] = False,
    show_amount: Annotated[
        bool,
        Value(
            "Whether others see how much it is; true without it. The pot's total stays exact: who watches it can infer"
            " what is hidden."
        ),
    ] = True,
    donor_name: Annotated[
        str | None, Text("The name to be shown by; without one the profile's.", Donation.donor_name)
    ] = None,
) -> Begun:
    """Give to a pot by Wave, also without signing in where the pot allows it. It counts when it is paid.

    The donor pays at `paymentUrl`. Who is not signed in gets a `receiptToken`, which shows what became of it.
    """
    seen, field = await visible(caller, pot_id, share_token)
    check_amount(amount_cfa, Donation.amount_cfa, field="amount_cfa")
    number = contacts.phone(phone, field="phone") if phone else None
    tx = caller.as_rules()
    configured, ((pot,),), tried = await tx.fetch(
        system_config.reading(MINIMUM, MAXIMUM),
        rows.locking(Pot, seen.id),
        risk.tries(pot_id=seen.id, phone=number, ip=tx.actor.ip),
    )
    minimum, maximum = system_config.numbers_in(configured, MINIMUM, MAXIMUM)
    if amount_cfa < minimum:
        raise BelowMinimum(f"A donation is {minimum} CFA francs at least.", field="amount_cfa", minimumCfa=minimum)
    if amount_cfa > maximum:
        raise AboveMaximum(f"A donation is {maximum} CFA francs at most.", field="amount_cfa", maximumCfa=maximum)
    if pot.status not in TAKES_DONATIONS or pot.deleted_at is not None:
        raise PotNotOpen(f"The pot is {pot.status}.", field=field, state=pot.status)
    if tx.actor.user_id is None and not pot.allow_anonymous_donations:
        raise NotAnonymous
    token = new_token() if tx.actor.user_id is None else None
    donation = Donation(
        id=uuid4(), pot_id=pot.id, donor_user_id=tx.actor.user_id, donor_name=(donor_name or "").strip() or None,
        donor_phone=number, amount_cfa=amount_cfa, status=DonationStatus.PENDING,
        donation_message=(message or "").strip() or None, is_anonymous=is_anonymous, show_amount=show_amount,
        ip_address=str(tx.actor.ip) if tx.actor.ip else None, user_agent=tx.actor.user_agent,
        risk_score=risk.score(tried, amount_cfa), receipt_token_hash=hash_of(token) if token else None,
    )  # fmt: skip
    tx.save(donation)
    publish(tx, Topic.DONATION_BEGUN, donation.id, pot_id=pot.id)
    call_soon(tx, open_checkout, donation_id=donation.id)
    tx.open_to_caller(donation.id, pot.id)
    return Begun(donation=donation, reference=str(donation.id), receipt_token=token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A donation that waits to be paid anew."""

    donation: Donation
    payment_url: PaymentUrl = None
    reference: Reference


@rule(NotFound, InvalidState, PotNotOpen, anonymous=True, calls=True)
async def retry_donation(
    caller: CallerTransaction,
    donation_id: Annotated[
        UUID | None, Id(Donation, "The donation that is not paid, unless `receiptToken` names it.")
    ] = None,
    receipt_token: ReceiptToken = None,
) -> Renewed:
    """Get another checkout for a donation that is not paid. The one before is expired first: two cannot be paid."""
    seen, field, _ = await presented(caller, donation_id, receipt_token)
    tx = caller.as_rules()
    ((pot,),), ((donation,),), ((now,),) = await tx.fetch(
        rows.locking(Pot, seen.pot_id), rows.locking(Donation, seen.id), clock.reading()
    )
    if donation.status not in WAITING:
        raise InvalidState(f"The donation is {donation.status}.", field=field, state=donation.status)
    if pot.status not in TAKES_DONATIONS:
        raise PotNotOpen(f"The pot is {pot.status}.", state=pot.status)
    # Without a URL, a checkout is wanted.
    donation.initiated_at, donation.status, donation.wave_payment_url = now, DonationStatus.PENDING, None
    tx.save(donation)
    publish(tx, Topic.DONATION_BEGUN, donation.id, pot_id=pot.id)
    call_soon(tx, open_checkout, donation_id=donation.id)
    tx.open_to_caller(donation.id, pot.id)
    return Renewed(donation=donation, reference=str(donation.id))


@job("donations.open_checkout")
async def open_checkout(services: Services, *, donation_id: UUID) -> dict[str, str] | None:
    """Open the checkout that a donation waits for, once; gives where the donor pays.

    Raises ProviderUnavailable, and ProviderRefused where there will be none.
    """
    async with services.work() as tx:
        (found,) = await tx.fetch_last(rows.finding(Donation, donation_id))
    donation: Donation | None = found[0][0] if found else None
    if donation is None or donation.status != DonationStatus.PENDING:
        return None
    if donation.wave_payment_url is not None:
        return {"payment_url": donation.wave_payment_url}
    before = donation.wave_checkout_session_id
    if before is not None and not await _expired(services, before):
        return None
    # A repetition has the same key, and Wave answers with the same checkout.
    key = f"{donation.id}:{before}" if before else str(donation.id)
    try:
        checkout = await services.client(WAVE).open_checkout(
            amount=donation.amount_cfa, reference=str(donation.id), key=key
        )
    except ProviderRefused:
        await _give_up(services, donation_id, before)
        raise
    return await _opened(services, donation_id, before, checkout)


@scheduled("donations.ask_about_checkouts", "* * * * *", timeout=300)
async def ask_about_checkouts(services: Services) -> None:
    """Ask Wave what became of the checkouts that nothing was heard of in their time."""
    await due.each_apart(
        services, ask_about_checkouts, UNHEARD_OF, ask_about, at_once=due.CALLS_AT_ONCE, age=CHECKOUT_LASTS
    )


async def ask_about(services: Services, donation_id: UUID) -> None:
    """Count a donation that was paid, fail one that no longer can be. Raises ProviderUnavailable."""
    async with services.work() as tx:
        found, ((now,),) = await tx.fetch_last(rows.finding(Donation, donation_id), clock.reading())
    donation: Donation | None = found[0][0] if found else None
    if donation is None or donation.status != DonationStatus.PENDING:
        return
    checkout = await _found(services, donation)
    if checkout is None:
        await _give_up(services, donation_id, donation.wave_checkout_session_id)
    elif checkout.payment_status == "succeeded":
        async with services.work() as tx:
            payment = Payment.of_checkout(checkout)
            await settle(tx, payment, await donation_of(tx, payment))
    elif not _can_be_paid(checkout, now):
        await _give_up(services, donation_id, donation.wave_checkout_session_id)
    elif donation.wave_payment_url is None and donation.wave_checkout_session_id is None:
        await _opened(services, donation_id, None, checkout)


def _can_be_paid(checkout: Checkout, now: datetime) -> bool:
    return checkout.status == "open" and checkout.expires_at > now


async def _found(services: Services, donation: Donation) -> Checkout | None:
    """The checkout of a donation as Wave knows it; also the one whose answer never reached us."""
    if donation.wave_checkout_session_id is not None:
        try:
            return await services.client(WAVE).checkout(donation.wave_checkout_session_id)
        except ProviderRefused as refusal:
            log.warning("checkout_unknown", donation_id=str(donation.id), code=refusal.code)
            return None
    known = await services.client(WAVE).checkouts(str(donation.id))
    paid = [checkout for checkout in known if checkout.payment_status == "succeeded"]
    return max(paid or known, key=lambda checkout: checkout.expires_at, default=None)


async def _expired(services: Services, checkout_id: str) -> bool:
    """Make sure that a checkout can no longer be paid; where it has been, that counts, and this is false."""
    try:
        await services.client(WAVE).expire(checkout_id)
    except ProviderRefused:
        checkout = await services.client(WAVE).checkout(checkout_id)
        if checkout.payment_status != "succeeded":
            raise
        async with services.work() as tx:
            payment = Payment.of_checkout(checkout)
            await settle(tx, payment, await donation_of(tx, payment))
        return False
    return True


async def _opened(
    services: Services, donation_id: UUID, before: str | None, checkout: Checkout
) -> dict[str, str] | None:
    async with services.work() as tx:
        _, ((donation,),) = await tx.fetch_last(
            MAKE_PAYABLE.query(donation_id=donation_id, before=before, checkout=checkout.id, url=checkout.url),
            rows.finding(Donation, donation_id),
        )
    if donation.status != DonationStatus.PENDING or donation.wave_payment_url is None:
        return None
    return {"payment_url": donation.wave_payment_url}


def _payable() -> Select[Any]:
    """Keep the checkout of a donation that waits for one, unless it has got another meanwhile, and publish that."""
    donation = Donation.table().c
    kept = (
        update(Donation.table())
        .where(
            donation.id == bindparam("donation_id"),
            donation.status == DonationStatus.PENDING,
            donation.wave_checkout_session_id.is_not_distinct_from(bindparam("before", type_=sql.Text)),
        )
        .values(wave_checkout_session_id=bindparam("checkout"), wave_payment_url=bindparam("url"))
        .returning(donation.id, donation.pot_id)
        .cte("kept")
    )
    events = published(Topic.DONATION_PAYABLE, kept, kept.c.id, pot_id=kept.c.pot_id)
    return select(kept.c.id).add_cte(events.cte("events"))


MAKE_PAYABLE = Prepared(_payable())


async def _give_up(services: Services, donation_id: UUID, checkout_id: str | None) -> None:
    """Fail a donation that waits still, unless it has got another checkout meanwhile."""
    async with services.work() as tx:
        ((donation,),), ((now,),) = await tx.fetch(rows.locking(Donation, donation_id), clock.reading())
        if donation.status != DonationStatus.PENDING or donation.wave_checkout_session_id != checkout_id:
            return
        donation.failed_at, donation.status, donation.wave_payment_url = now, DonationStatus.FAILED, None
        tx.save(donation)
        publish(tx, Topic.DONATION_FAILED, donation.id, pot_id=donation.pot_id)
