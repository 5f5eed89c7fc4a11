"""Deposits by M-Pesa that begin here: the payer's phone is asked for the PIN, and what is paid is credited later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.jobs.calls import call_soon
from lango.rules.inputs import Id, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from lango.security.rate_limits import take
from models.identity import User
from models.topics import Topic
from models.treasury import (
    Dao,
    MpesaTransaction,
    MpesaTransactionPurpose,
    MpesaTransactionStatus,
    MpesaTransactionTransactionType,
)
from resolvers.kernel import clock, system_config
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.treasury import payers
from resolvers.treasury.fees import fee_of
from resolvers.treasury.limits import STK_BY_PHONE, STK_BY_USER
from resolvers.treasury.mpesa_accounts import new_reference
from resolvers.treasury.mpesa_amounts import (
    AMOUNT_REFUSALS,
    KES,
    PHONE_REFUSALS,
    check_bounds,
    check_shillings,
    number_of,
    own_number,
)
from resolvers.treasury.mpesa_payments import DEPOSIT_FEE, IS_OPEN, expire
from resolvers.treasury.pushes import PUSH_REPEAT, send_push
from resolvers.treasury.query_schedule import LASTS, next_query

MINIMUM = Configured("treasury.minimum_deposit", 10)
MAXIMUM = Configured("treasury.maximum_deposit", 250_000)
LONGEST_PHONE = 40
# Shown on the payer's phone, in at most 13 letters.
DESCRIPTIONS = {MpesaTransactionPurpose.DEPOSIT: "Depot", MpesaTransactionPurpose.CONTRIBUTION: "Cotisation"}
OPEN_PUSHES = Lookup(
    [MpesaTransaction],
    lambda rows: (
        rows.where(
            MpesaTransaction.user_id == bindparam("user_id"),
            MpesaTransaction.phone_number == bindparam("phone"),
            MpesaTransaction.transaction_type == MpesaTransactionTransactionType.STK_PUSH,
            IS_OPEN,
        )
        .order_by(MpesaTransaction.id)
        .with_for_update(key_share=True)
    ),
)


class PushOpen(Refused):
    """Another deposit waits for the PIN on this phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """A deposit that waits for the payer's PIN."""

    mpesa_transaction: MpesaTransaction
    fee: Annotated[Decimal, Value("What the platform keeps of it, in Kenyan shillings.")]
    credited: Annotated[Decimal, Value("What is credited when it is paid, in Kenyan shillings.")]


@rule(NotFound, *payers.REFUSALS, *AMOUNT_REFUSALS, *PHONE_REFUSALS, PushOpen, calls=True)
async def deposit_by_mpesa(
    caller: CallerTransaction,
    amount: Annotated[Decimal, Value("How much to pay, in whole Kenyan shillings.")],
    phone: Annotated[
        str | None, Text("The phone that pays: the verified one of the account, which it is without it.", LONGEST_PHONE)
    ] = None,
    dao_id: Annotated[
        UUID | None, Id(Dao, "The DAO that is given what is credited; without it, it stays with oneself.")
    ] = None,
) -> Deposit:
    """Pay in by M-Pesa: the phone asks for the PIN, and what is paid is credited less the fee.

    The same again within `treasury.push_repeat_seconds` is the same deposit, and the phone is not asked twice. M-Pesa
    having taken it does not mean that it is paid: the state says so, once M-Pesa has reported and confirmed it.
    """
    given = number_of(phone, field="phone")
    check_shillings(amount, field="amount")
    tx, (configured, ((seen,),)) = await payers.check_payer(
        caller,
        dao_id,
        system_config.reading(MINIMUM, MAXIMUM, DEPOSIT_FEE, PUSH_REPEAT),
        rows.finding(User, caller.user_id),
    )
    minimum, maximum, repeat = system_config.numbers_in(configured, MINIMUM, MAXIMUM, PUSH_REPEAT)
    check_bounds(amount, minimum, maximum, field="amount")
    number = own_number(seen, given, field="phone")
    await take(tx.services.pipeline, (STK_BY_USER, str(seen.id)), (STK_BY_PHONE, number))
    ((user,),), ((now,),), found = await tx.fetch(
        rows.locking(User, seen.id), clock.reading(), OPEN_PUSHES.query(user_id=seen.id, phone=number)
    )
    # It may have changed since.
    own_number(user, number, field="phone")
    for (payment,) in found:
        if now < payment.created_at + timedelta(seconds=repeat):
            return _deposit(_same(payment, amount, dao_id))
        expire(tx, payment)
    (rate,) = system_config.numbers_in(configured, DEPOSIT_FEE)
    payment = _begun(tx, user, number, amount, fee_of(amount, rate, KES), dao_id, now)
    tx.save(payment)
    publish(tx, Topic.MPESA_PAYMENT_BEGUN, payment.id, user_id=user.id)
    call_soon(tx, send_push, payment_id=payment.id)
    return _deposit(payment)


def _same(payment: MpesaTransaction, amount: Decimal, dao_id: UUID | None) -> MpesaTransaction:
    """The deposit that waits for the PIN already, if it is the one that is wanted."""
    if (payment.amount, payment.dao_id) != (amount, dao_id):
        raise PushOpen(field="amount", mpesaTransactionId=str(payment.id))
    return payment


def _begun(
    tx: RuleTransaction,
    user: User,
    number: str,
    amount: Decimal,
    fee: Decimal,
    dao_id: UUID | None,
    now: datetime,
) -> MpesaTransaction:
    purpose = MpesaTransactionPurpose.DEPOSIT if dao_id is None else MpesaTransactionPurpose.CONTRIBUTION
    return MpesaTransaction(
        id=uuid4(), user_id=user.id, transaction_type=MpesaTransactionTransactionType.STK_PUSH, phone_number=number,
        amount=amount, fee=fee, purpose=purpose, dao_id=dao_id, account_reference=new_reference(),
        transaction_desc=DESCRIPTIONS[purpose], status=MpesaTransactionStatus.PENDING, expires_at=now + LASTS,
        next_query_at=next_query(now, now), created_at=now,
        ip_address=str(tx.actor.ip) if tx.actor.ip else None, user_agent=tx.actor.user_agent,
    )  # fmt: skip


def _deposit(payment: MpesaTransaction) -> Deposit:
    return Deposit(mpesa_transaction=payment, fee=payment.fee, credited=payment.amount - payment.fee)
