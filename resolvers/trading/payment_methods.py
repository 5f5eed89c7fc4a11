"""How traders are paid: their account's details are encrypted, and shown to whom they concern, on the record."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from lango.security.encryption import keyring, opened
from models.identity import User
from models.trading import (
    CounterpartyPaymentMethod,
    CryptoPaymentMethod,
    CryptoPaymentMethodVerificationStatus,
)
from resolvers.kernel import audit, clock, guardianship
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.kernel.texts import TextMissing, TooMany, check_count, check_text
from resolvers.trading.refusals import NotOfAge, NotYourPaymentMethod
from resolvers.trading.seen import no_such, see
from resolvers.trading.standing import check_age

MOST_METHODS = 50
DETAILS = CryptoPaymentMethod.account_details_encrypted

OWN = Lookup(
    [CryptoPaymentMethod],
    lambda rows: (
        rows.where(CryptoPaymentMethod.user_id == bindparam("user_id"), CryptoPaymentMethod.deleted_at.is_(None))
        .order_by(CryptoPaymentMethod.id)
        .with_for_update(key_share=True)
    ),
)
SEALED = Lookup(
    [CryptoPaymentMethod, DETAILS],
    lambda rows: rows.where(CryptoPaymentMethod.id == bindparam("id"), CryptoPaymentMethod.deleted_at.is_(None)),
)


class DetailsUnreadable(Refused):
    """These details cannot be read any more: remove the payment method, and add it anew."""


@dataclass(frozen=True, slots=True)
class Revealed:
    """What a payment method's account is."""

    account_details: str
    type: str
    provider: str


@rule(NotOfAge, TextMissing, TooMany)
async def add(
    tx: RuleTransaction,
    type: str,  # noqa: A002 - as the API names it
    provider: str,
    account_details: str,
    is_primary: bool = False,
) -> CryptoPaymentMethod:
    """Add a way to be paid. The first one is the primary one; staff check each."""
    for text, field in ((type, "type"), (provider, "provider"), (account_details, "accountDetails")):
        check_text(text, field=field)
    await check_age(tx, tx.user_id)
    # By the user's row: a method that is being added cannot be locked yet.
    await tx.lock(User, tx.user_id)
    others = [method for (method,) in await OWN.all(tx, user_id=tx.user_id)]
    check_count(others, MOST_METHODS - 1, field="type")
    first = not any(other.is_primary for other in others)
    if is_primary:
        for other in others:
            other.is_primary = False
    key = uuid4()
    method = CryptoPaymentMethod(
        id=key, user_id=tx.user_id, type=type.strip(), provider=provider.strip(),
        account_details_encrypted=keyring().seal(account_details, DETAILS, key),
        verification_status=CryptoPaymentMethodVerificationStatus.PENDING, is_primary=is_primary or first,
    )  # fmt: skip
    await tx.save(*others, method)
    return method


@rule(NotFound, NotYourPaymentMethod)
async def remove(caller: CallerTransaction, payment_method_id: UUID) -> CryptoPaymentMethod:
    """Take away a way to be paid."""
    seen = await see(caller, CryptoPaymentMethod, payment_method_id, field="paymentMethodId")
    if seen.user_id not in await guardianship.my_people(caller):
        raise NotYourPaymentMethod(field="paymentMethodId")
    tx = await caller.as_rules()
    method = await tx.lock(CryptoPaymentMethod, payment_method_id)
    if method.deleted_at is None:
        method.deleted_at = await clock.now(tx)
        method.is_primary = False
        await tx.save(method)
    return method


@rule(NotFound, OwnMatter, staff=True)
async def verify(caller: CallerTransaction, payment_method_id: UUID, verified: bool) -> CryptoPaymentMethod:
    """Say whether a way to be paid was found to be the user's own."""
    seen = await see(caller, CryptoPaymentMethod, payment_method_id, field="paymentMethodId")
    await refuse_own_matter(caller, seen.user_id, field="paymentMethodId")
    tx = await caller.as_rules()
    method = await tx.lock(CryptoPaymentMethod, payment_method_id)
    if method.deleted_at is not None:
        raise no_such("paymentMethodId")
    states = CryptoPaymentMethodVerificationStatus
    method.is_verified = verified
    method.verification_status = states.VERIFIED if verified else states.REJECTED
    method.verified_at = await clock.now(tx) if verified else None
    await tx.save(method)
    return method


@rule(NotFound, NotYourPaymentMethod, DetailsUnreadable, idempotent=False)
async def reveal(caller: CallerTransaction, payment_method_id: UUID) -> Revealed:
    """Show the account's details: to its owner, and to the other party of a trade that is in escrow. It is audited."""
    seen = await caller.find(CryptoPaymentMethod, payment_method_id)
    face = await caller.find(CounterpartyPaymentMethod, payment_method_id)
    if seen is None and face is None:
        raise no_such("paymentMethodId")
    if face is None and (seen is None or seen.user_id not in await guardianship.my_people(caller)):
        raise NotYourPaymentMethod(field="paymentMethodId")
    tx = await caller.as_rules()
    found = await SEALED.one(tx, id=payment_method_id)
    if found is None:
        raise no_such("paymentMethodId")
    method, sealed = found
    details = opened(sealed, DETAILS, method.id)
    if details is None:
        raise DetailsUnreadable(field="paymentMethodId")
    await audit.revealed(tx, "crypto_payment_method", method.id, of=method.user_id)
    return Revealed(details, method.type, method.provider)
