"""Rewards of referrals: requested by the sponsor, decided by staff, paid to the sponsor's balance or phone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Annotated, Any
from uuid import uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Locked, Named, OwnedBy, Referred, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.ledger import LedgerKind
from models.referrals import Referral, ReferralStatus
from models.topics import Topic
from models.treasury import (
    ReferralPayout,
    ReferralPayoutPayoutMethod,
    ReferralPayoutStatus,
    UserBalance,
    WalletTransactionStatus,
    WalletTransactionType,
)
from resolvers.kernel import clock, own_matters, system_config
from resolvers.kernel.ages import NotOfAge, aging, check_is_adult, minors_in
from resolvers.kernel.amounts import AmountOutOfRange
from resolvers.kernel.currencies import plain
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger import ledger
from resolvers.ledger.balances import balances_in, check_room, locking_balances
from resolvers.treasury import exchange_rates, movements, phone_payouts
from resolvers.treasury.exchange_rates import RateMissing, RateStale
from resolvers.treasury.mpesa_amounts import (
    KES,
    PHONE_REFUSALS,
    AboveMaximum,
    BelowMinimum,
    PhoneNotVerified,
    check_bounds,
    number_of,
)
from resolvers.treasury.withdrawals import LONGEST_PHONE, MAXIMUM, MINIMUM, PHONE_HOURS, PhoneTooNew, payable_phone

MTAA = "MTAA"
REWARD = Configured("treasury.referral_payout", Decimal(50))
LONGEST_NOTES = 2_000
Method, Status = ReferralPayoutPayoutMethod, ReferralPayoutStatus
Decided = Annotated[ReferralPayout, Named("referral_payout")]


class NotYourReferral(Refused):
    """Somebody else sent this invitation."""


class AlreadyRequested(Refused):
    """This referral's reward has been requested already."""


class MethodNotServed(Refused):
    """Nothing is paid in this way here."""


class SponsorNotAvailable(Refused):
    """The sponsor's account is suspended or closed."""


REQUESTED = Lookup(
    [ReferralPayout.id],
    lambda rows: rows.where(
        ReferralPayout.referral_id == bindparam("referral_id"),
        ReferralPayout.referrer_id == bindparam("referrer_id"),
        ReferralPayout.status != Status.REJECTED,
    ),
)


@rule(
    InvalidState, NotOfAge, AlreadyRequested, MethodNotServed, *PHONE_REFUSALS, PhoneTooNew, RateMissing, RateStale,
    BelowMinimum, AboveMaximum,
)  # fmt: skip
async def request_referral_payout(
    tx: RuleTransaction,
    referral: Annotated[
        Referral, Locked("The invitation that was accepted."), OwnedBy(Referral.sponsor_user_id, NotYourReferral)
    ],
    method: Annotated[
        ReferralPayoutPayoutMethod, Value("How it is paid: to the `WALLET` on the platform, or by `MPESA`.")
    ],
    phone: Annotated[str | None, Text("Your own verified phone, where the client shows it.", LONGEST_PHONE)] = None,
) -> ReferralPayout:
    """Request the reward of a referral, once: in MTAA to one's balance, or in shillings to one's own verified phone.

    What goes to a phone is converted at the rate of now, to whole shillings; staff decide on it.
    """
    sponsor = referral.sponsor_user_id
    number = number_of(phone, field="phone")
    ((user,),), ages, requested, rewards, numbers, ((now,),), *rates = await tx.fetch(
        rows.finding(User, sponsor),
        aging(sponsor),
        REQUESTED.query(referral_id=referral.id, referrer_id=sponsor),
        system_config.reading(REWARD),
        system_config.reading(MINIMUM, MAXIMUM, PHONE_HOURS),
        clock.reading(),
        *exchange_rates.reading(MTAA, KES),
    )
    (reward,) = system_config.numbers_in(rewards, REWARD)
    minimum, maximum, hours = system_config.numbers_in(numbers, MINIMUM, MAXIMUM, PHONE_HOURS)
    check_is_adult(sponsor, minors_in(ages))
    if referral.status != ReferralStatus.ACCEPTED:
        raise InvalidState(f"The invitation is {referral.status}.", field="referral_id", state=referral.status)
    if requested:
        raise AlreadyRequested(field="referral_id", payoutId=str(requested[0][0]))
    made = ReferralPayout(
        id=uuid4(), referrer_id=sponsor, referral_id=referral.id, amount=reward, currency=MTAA, payout_method=method,
        status=Status.PENDING, requested_at=now,
    )  # fmt: skip
    match method:
        case Method.WALLET:
            pass
        case Method.MPESA:
            made.destination_phone = payable_phone(user, number, timedelta(hours=hours), now, field="phone")
            made.amount, made.currency = _in_shillings(reward, rates), KES
            check_bounds(made.amount, minimum, maximum, field="method")
        case _:
            raise MethodNotServed(field="method")
    tx.save(made)
    publish(tx, Topic.REFERRAL_PAYOUT_REQUESTED, made.id, user_id=sponsor)
    return made


def _in_shillings(reward: Decimal, found: Sequence[Sequence[tuple[Any, ...]]]) -> Decimal:
    """What a reward in MTAA is in whole shillings, rounded down, at what a swap would get. Raises RateMissing and
    RateStale."""
    _, holding = exchange_rates.holding_in(found, field="method")
    return Decimal(floor(Fraction(reward) * holding.effective))


Sponsor = Annotated[User, Referred(ReferralPayout.referrer_id)]


@rule(
    OwnMatter, InvalidState, MethodNotServed, SponsorNotAvailable, PhoneNotVerified, AmountOutOfRange, staff=True,
    calls=True,
)  # fmt: skip
async def approve_referral_payout(
    tx: RuleTransaction,
    user: Sponsor,
    payout: Annotated[ReferralPayout, Locked("The payout that is requested.")],
    notes: Annotated[str | None, Text("What you note on it.", LONGEST_NOTES)] = None,
) -> Decided:
    """Agree to a reward: it is on the sponsor's balance at once, or on its way to the phone."""
    balance, now = await _open(tx, user, payout, Status.PENDING)
    payout.status, payout.notes = Status.APPROVED, (notes or "").strip() or None
    tx.save(payout)
    publish(tx, Topic.REFERRAL_PAYOUT_APPROVED, payout.id, user_id=user.id)
    if payout.payout_method == Method.WALLET:
        _credit(tx, payout, balance, now)
    else:
        _send(tx, payout, user, balance, now)
    return payout


@rule(OwnMatter, InvalidState, TextMissing, staff=True)
async def reject_referral_payout(
    tx: RuleTransaction,
    payout: Annotated[ReferralPayout, Locked("The payout that is requested.")],
    notes: Annotated[str, Text("Why, for the sponsor to read.", LONGEST_NOTES)],
) -> Decided:
    """Decline a reward. The sponsor may request it anew."""
    check_text(notes, field="notes")
    await own_matters.refuse_own_matter(tx, payout.referrer_id, field="payout_id")
    _check_state(payout, Status.PENDING)
    payout.status, payout.notes = Status.REJECTED, notes.strip()
    tx.save(payout)
    publish(tx, Topic.REFERRAL_PAYOUT_REJECTED, payout.id, user_id=payout.referrer_id)
    notify(tx, payout.referrer_id, "referral_payout_rejected", reason=payout.notes)
    return payout


@rule(
    OwnMatter, InvalidState, MethodNotServed, SponsorNotAvailable, PhoneNotVerified, AmountOutOfRange, staff=True,
    calls=True,
)  # fmt: skip
async def retry_referral_payout(
    tx: RuleTransaction,
    user: Sponsor,
    payout: Annotated[ReferralPayout, Locked("The payout that M-Pesa did not carry out.")],
) -> Decided:
    """Send a reward again that did not reach the sponsor's phone: as a payment of its own."""
    balance, now = await _open(tx, user, payout, Status.FAILED)
    payout.retry_count = (payout.retry_count or 0) + 1
    _send(tx, payout, user, balance, now)
    return payout


async def _open(
    tx: RuleTransaction, user: User, payout: ReferralPayout, state: ReferralPayoutStatus
) -> tuple[UserBalance, datetime]:
    """The sponsor's balance, locked, and the time now; refuses what cannot be paid now."""
    wards, *balances, ((now,),) = await tx.fetch(
        own_matters.relating(tx), *locking_balances(payout.currency or MTAA, user.id), clock.reading()
    )
    own_matters.refuse_related(tx, wards, user.id, field="payout_id")
    _check_state(payout, state)
    if payout.payout_method not in (Method.WALLET, Method.MPESA):
        raise MethodNotServed(field="payout_id")
    if not user.is_active or user.deleted_at is not None:
        raise SponsorNotAvailable(field="payout_id")
    balance = balances_in(balances)[user.id]
    check_room(balance, payout.amount, field="payout_id")
    return balance, now


def _check_state(payout: ReferralPayout, state: ReferralPayoutStatus) -> None:
    if payout.status != state:
        raise InvalidState(f"The payout is {payout.status}.", field="payout_id", state=payout.status)


def _credit(tx: RuleTransaction, payout: ReferralPayout, balance: UserBalance, now: datetime) -> None:
    currency = payout.currency or MTAA
    made = movements.record(
        tx, WalletTransactionType.PAYOUT, payout.amount, currency, recipient=payout.referrer_id, touched=[balance]
    )
    payout.status, payout.processed_at, payout.completed_at = Status.COMPLETED, now, now
    payout.transaction_id = made.id
    tx.save(payout)
    source, available = ledger.promotion(currency), ledger.available(balance)
    ledger.transfer(tx, LedgerKind.REFERRAL_PAYOUT, source, available, payout.amount, of=payout)
    publish(tx, Topic.REFERRAL_PAYOUT_COMPLETED, payout.id, user_id=payout.referrer_id)
    notify(tx, payout.referrer_id, "referral_payout_paid", amount=plain(payout.amount), currency=currency)


def _send(tx: RuleTransaction, payout: ReferralPayout, user: User, balance: UserBalance, now: datetime) -> None:
    """Have M-Pesa pay it. Raises PhoneNotVerified where the number is the sponsor's no more."""
    if user.phone is None or user.phone != payout.destination_phone or user.phone_verified_at is None:
        raise PhoneNotVerified("This is not the sponsor's verified phone any more.", field="payout_id")
    made = movements.record(
        tx, WalletTransactionType.PAYOUT, payout.amount, KES, recipient=payout.referrer_id,
        status=WalletTransactionStatus.PENDING, touched=[balance],
    )  # fmt: skip
    payment = phone_payouts.begin(
        tx, user_id=user.id, phone=user.phone, amount=payout.amount, fee=Decimal(0), purpose="referral_payout",
        now=now, movement=made.id,
    )  # fmt: skip
    payout.status, payout.processed_at, payout.failure_reason = Status.PROCESSING, now, None
    payout.transaction_id, payout.mpesa_transaction_id = made.id, payment.id
    tx.save(payout)
    source, pending = ledger.promotion(KES), ledger.pending(balance)
    ledger.transfer(tx, LedgerKind.REFERRAL_PAYOUT, source, pending, payout.amount, of=payout)
