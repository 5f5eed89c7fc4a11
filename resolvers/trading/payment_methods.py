"""How traders are paid: their account's details are encrypted, and shown to whom they concern, on the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Id, Locked, Named, OwnedBy, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from lango.security.encryption import opened
from models.identity import User
from models.trading import (
    CounterpartyPaymentMethod,
    CryptoPaymentMethod,
    CryptoPaymentMethodVerificationStatus,
)
from resolvers.kernel import audit, clock, guardianship, own_matters
from resolvers.kernel.ages import NotOfAge, check_age
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.texts import TextMissing, TooMany, check_count, check_text
from resolvers.trading.refusals import NotYourPaymentMethod

MOST_METHODS = 50
LONGEST_DETAILS = 4_000
NO_SUCH = "There is no such payment method."
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
    """These details can no longer be read: remove the payment method and add it again."""


@dataclass(frozen=True, slots=True)
class RevealedDetails:
    """What a payment method's account is."""

    account_details: Annotated[str, Value("The account's number and holder.")]
    type: Annotated[str, Value("What kind it is.")]
    provider: Annotated[str, Value("Who provides it.")]


@rule(NotOfAge, TextMissing, TooMany)
async def add_payment_method(
    tx: RuleTransaction,
    type: Annotated[  # noqa: A002 - as the API names it
        str, Text("Its kind, such as `bank_transfer` or `mobile_money`.", 100)
    ],
    provider: Annotated[str, Text("Who provides it, such as the bank's name.", 200)],
    account_details: Annotated[str, Text("The account's number and holder. Kept encrypted.", LONGEST_DETAILS)],
    is_primary: Annotated[bool, Value("Whether it is the one to be used by default.")] = False,
) -> Annotated[CryptoPaymentMethod, Named("payment_method")]:
    """Add a way to be paid. The first one is the primary one; staff check each."""
    for text, field in ((type, "type"), (provider, "provider"), (account_details, "account_details")):
        check_text(text, field=field)
    await check_age(tx, tx.user_id)
    # By the user's row: a method that is being added cannot be locked yet.
    _, own = await tx.fetch(rows.locking(User, tx.user_id), OWN.query(user_id=tx.user_id))
    others = [method for (method,) in own]
    check_count(others, MOST_METHODS - 1, field="type")
    first = not any(other.is_primary for other in others)
    if is_primary:
        for other in others:
            other.is_primary = False
    key = uuid4()
    method = CryptoPaymentMethod(
        id=key, user_id=tx.user_id, type=type.strip(), provider=provider.strip(),
        account_details_encrypted=tx.services.keyring.seal(account_details, DETAILS, key),
        verification_status=CryptoPaymentMethodVerificationStatus.PENDING, is_primary=is_primary or first,
    )  # fmt: skip
    tx.save(*others, method)
    return method


@rule()
async def remove_payment_method(
    tx: RuleTransaction,
    payment_method: Annotated[
        CryptoPaymentMethod,
        Locked("The payment method."),
        OwnedBy(CryptoPaymentMethod.user_id, NotYourPaymentMethod),
    ],
) -> CryptoPaymentMethod:
    """Take away a way to be paid."""
    if payment_method.deleted_at is None:
        payment_method.deleted_at = await clock.now(tx)
        payment_method.is_primary = False
        tx.save(payment_method)
    return payment_method


@rule(NotFound, OwnMatter, staff=True)
async def verify_payment_method(
    tx: RuleTransaction,
    payment_method: Annotated[CryptoPaymentMethod, Locked("The payment method.")],
    verified: Annotated[bool, Value("Whether it was found to be the user's own.")],
) -> CryptoPaymentMethod:
    """Say whether a way to be paid was found to be the user's own."""
    wards, ((now,),) = await tx.fetch(own_matters.relating(tx), clock.reading())
    own_matters.refuse_related(tx, wards, payment_method.user_id, field="payment_method_id")
    if payment_method.deleted_at is not None:
        raise NotFound(NO_SUCH, field="payment_method_id")
    states = CryptoPaymentMethodVerificationStatus
    payment_method.is_verified = verified
    payment_method.verification_status = states.VERIFIED if verified else states.REJECTED
    payment_method.verified_at = now if verified else None
    tx.save(payment_method)
    return payment_method


@rule(NotFound, NotYourPaymentMethod, DetailsUnreadable, idempotent=False)
async def reveal_payment_method(
    caller: CallerTransaction,
    payment_method_id: Annotated[
        UUID, Id(CryptoPaymentMethod, "Your own, or one of the other party of a trade in escrow.")
    ],
) -> RevealedDetails:
    """Show the account's details: to its owner, and to the other party of a trade that is in escrow. It is audited."""
    seen, faces, people = await caller.fetch(
        rows.finding(CryptoPaymentMethod, payment_method_id),
        rows.finding(CounterpartyPaymentMethod, payment_method_id),
        guardianship.representing(),
    )
    if not seen and not faces:
        raise NotFound(NO_SUCH, field="payment_method_id")
    own = guardianship.represented_in(people)
    if not faces and not any(method.user_id in own for (method,) in seen):
        raise NotYourPaymentMethod(field="payment_method_id")
    tx = caller.as_rules()
    found = await SEALED.one(tx, id=payment_method_id)
    if found is None:
        raise NotFound(NO_SUCH, field="payment_method_id")
    method, sealed = found
    details = opened(tx.services.keyring, sealed, DETAILS, method.id)
    if details is None:
        raise DetailsUnreadable(field="payment_method_id")
    audit.revealed(tx, "crypto_payment_method", method.id, of=method.user_id)
    return RevealedDetails(details, method.type, method.provider)
