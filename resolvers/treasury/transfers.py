"""Transfers: what one user sends to another."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import bindparam, select

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Id, Text, Value
from lango.rules.rule import rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from lango.security.rate_limits import take
from models.identity import User
from models.ledger import LedgerKind
from models.profiles import Colleague, Profile
from models.topics import Topic
from models.treasury import WalletTransaction, WalletTransactionType
from resolvers.kernel import ages, contacts, guardianship
from resolvers.kernel.ages import NotOfAge, check_is_adult, minors_in
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange
from resolvers.kernel.contacts import PhoneNotValid
from resolvers.kernel.currencies import check_money, plain
from resolvers.kernel.notifications import FirstName, notify
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.ledger.balances import InsufficientFunds, balances_in, check_funds, check_room, locking_balances
from resolvers.treasury import movements, stepping_up
from resolvers.treasury.limits import TRANSFER_LOOKUPS
from resolvers.treasury.served_currencies import LONGEST_CURRENCY, CurrencyNotServed, check_currency
from resolvers.treasury.stepping_up import demand_step_up

LONGEST_PHONE, LONGEST_TEXT = 50, 500


class RecipientNotNamed(Refused):
    """Say who gets it: by an id, or by a phone number."""


class RecipientNotFound(Refused):
    """Nobody can be paid by that: ask them how they are reached here."""


class SelfTransfer(Refused):
    """You cannot send money to yourself."""


COLLEAGUE = Lookup([Colleague.user_id], lambda found: found.where(Colleague.user_id == bindparam("user_id")))
IS_MINOR = select(Profile.user_id).where(Profile.user_id == User.id, guardianship.MINOR).exists()
PAYABLE = (User.is_active, User.deleted_at.is_(None), ~IS_MINOR)
BY_ID = Lookup([User.id], lambda found: found.where(User.id == bindparam("id"), *PAYABLE))
# A number that nobody has proved may be somebody else's.
BY_PHONE = Lookup(
    [User.id],
    lambda found: found.where(User.phone == bindparam("phone"), User.phone_verified_at.is_not(None), *PAYABLE),
)


@rule(
    RecipientNotNamed, RecipientNotFound, PhoneNotValid, SelfTransfer, CurrencyNotServed, NotOfAge, AmountNotPositive,
    AmountOutOfRange, InsufficientFunds, *stepping_up.REFUSALS,
)  # fmt: skip
async def transfer_funds(
    caller: CallerTransaction,
    amount: Annotated[Decimal, Value("How much.")],
    currency: Annotated[str, Text("What it is counted in: `KES`, `cUSD`, `CELO` or `MTAA`.", LONGEST_CURRENCY)],
    recipient_id: Annotated[
        UUID | None, Id(User, "Who gets it: somebody on the same DAO, partner or card account as you.")
    ] = None,
    recipient_phone: Annotated[
        str | None, Text("Or anybody's verified phone number; 20 of them may be tried in an hour.", LONGEST_PHONE)
    ] = None,
    description: Annotated[str | None, Text("What it is for, as the recipient reads it.", LONGEST_TEXT)] = None,
) -> WalletTransaction:
    """Send another user some of what one has available. Both are adults.

    What is worth more than `treasury.step_up_amount` shillings wants a second factor that was shown recently.
    """
    if (recipient_id is None) == (recipient_phone is None):
        raise RecipientNotNamed
    check_currency(currency, field="currency")
    check_money(amount, currency, WalletTransaction.amount, field="amount")
    if recipient_id == caller.user_id:
        raise SelfTransfer(field="recipient_id")
    if recipient_phone is not None:
        await take(caller.services.pipeline, (TRANSFER_LOOKUPS, str(caller.user_id)))
        recipient = await _owner_of(caller.as_rules(), recipient_phone)
    else:
        assert recipient_id is not None
        recipient = await _colleague(caller, recipient_id)
    tx = caller.as_rules()
    await demand_step_up(tx, amount, currency, field="amount")
    balances = balances_in(await tx.fetch(*locking_balances(currency, tx.user_id, recipient)))
    sent, received = balances[tx.user_id], balances[recipient]
    check_funds(sent, amount, field="amount")
    check_room(received, amount, field="amount")
    made = movements.record(
        tx, WalletTransactionType.TRANSFER, amount, currency, sender=tx.user_id, recipient=recipient,
        description=description, touched=[sent, received],
    )  # fmt: skip
    ledger.transfer(tx, LedgerKind.TRANSFER, ledger.available(sent), ledger.available(received), amount, of=made)
    publish(tx, Topic.FUNDS_TRANSFERRED, made.id, from_user_id=tx.user_id, to_user_id=recipient)
    notify(
        tx, recipient, "funds_received", user_name=FirstName(tx.user_id), amount=plain(amount),
        currency=currency, message=description or "",
    )  # fmt: skip
    return made


async def _colleague(caller: CallerTransaction, user_id: UUID) -> UUID:
    """Somebody on the same DAO, partner or card account, who can be paid. Raises NotOfAge and RecipientNotFound."""
    seen, minors, found = await caller.fetch_and_lock(
        [COLLEAGUE.query(user_id=user_id)], [ages.aging(caller.user_id), BY_ID.query(id=user_id)]
    )
    check_is_adult(caller.user_id, minors_in(minors))
    if not seen or not found:
        raise RecipientNotFound(field="recipient_id")
    return user_id


async def _owner_of(tx: RuleTransaction, phone: str) -> UUID:
    """Who has that number. Raises NotOfAge, PhoneNotValid, RecipientNotFound and SelfTransfer."""
    minors, located = await tx.fetch(ages.aging(tx.user_id), contacts.locating(tx.user_id))
    check_is_adult(tx.user_id, minors_in(minors))
    number = contacts.phone(phone, field="recipient_phone", region=contacts.region_in(located))
    found = await BY_PHONE.one(tx, phone=number)
    if found is None:
        raise RecipientNotFound(field="recipient_phone")
    recipient: UUID = found[0]
    if recipient == tx.user_id:
        raise SelfTransfer(field="recipient_phone")
    return recipient
