"""The payment of a treasury transfer: what may prevent it, all of it looked at under the treasury's lock."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import DateTime, Text, bindparam, func

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.rules.inputs import Locked, Named, Referred
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.ledger import LedgerKind
from models.topics import Topic
from models.treasury import (
    DaoTreasury,
    TreasuryTransfer,
    TreasuryTransferStatus,
    WalletTransactionType,
)
from resolvers.kernel.ages import aging, minors_in
from resolvers.kernel.amounts import AmountOutOfRange
from resolvers.kernel.currencies import plain
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish
from resolvers.ledger import ledger
from resolvers.ledger.balances import InsufficientFunds, balances_in, check_room, locking_balances
from resolvers.treasury import movements, stepping_up
from resolvers.treasury.judging import (
    OPEN,
    NotASigner,
    Situation,
    decisions_on,
    situation_of,
    standing,
)
from resolvers.treasury.members import DaoNotActive, check_dao
from resolvers.treasury.treasuries import check_treasury_funds

Status = TreasuryTransferStatus


class TransferExpired(Refused):
    """This transfer was not paid in time; it can only be closed."""


class ApprovalsMissing(Refused):
    """Too few signers have approved this."""


class BelowReserve(Refused):
    """This would leave less than the treasury's minimum reserve."""


class DailyLimit(Refused):
    """This would exceed what the treasury may spend in a day."""


class RecipientNotAvailable(Refused):
    """The recipient cannot be paid: they are no member any more, no adult, or their account is not active."""


# What prevents the payment of what enough signers have approved. It may pass, so nothing that was decided is lost.
BLOCKS = (DaoNotActive, RecipientNotAvailable, InsufficientFunds, BelowReserve, DailyLimit, AmountOutOfRange)
# Of the day in the DAO's time zone to which that moment belongs.
SPENT = Lookup(
    [func.coalesce(func.sum(TreasuryTransfer.amount), 0)],
    lambda rows: rows.where(
        TreasuryTransfer.treasury_id == bindparam("treasury_id"),
        TreasuryTransfer.status == Status.EXECUTED,
        TreasuryTransfer.executed_at
        >= func.date_trunc("day", bindparam("now", type_=DateTime(timezone=True)), bindparam("zone", type_=Text)),
    ),
)


def spending(treasury_id: UUID, zone: str, now: datetime) -> Query:
    """The look-up of what a treasury has paid on the day of `now` in that zone: `[(amount,)]`. Send it after what locks
    the treasury."""
    return SPENT.query(treasury_id=treasury_id, zone=zone, now=now)


def check_open(transfer: TreasuryTransfer, now: datetime, *, field: str) -> None:
    """Raises InvalidState where it is decided, and TransferExpired where its time is over."""
    if transfer.status not in OPEN:
        raise InvalidState(f"The transfer is {transfer.status} already.", field=field, state=transfer.status)
    if transfer.expires_at <= now:
        raise TransferExpired(field=field)


def check_reserve(treasury: DaoTreasury, amount: Decimal, *, field: str) -> None:
    """Raises BelowReserve where less would stay available and in reserve; what is allocated is promised to others."""
    left = treasury.available_balance + treasury.reserve_balance - amount
    if left < treasury.minimum_reserve:
        raise BelowReserve(field=field, left=format(left, "f"), minimum=format(treasury.minimum_reserve, "f"))


def check_daily_limit(treasury: DaoTreasury, spent: Decimal, amount: Decimal, *, field: str) -> None:
    """Raises DailyLimit where that would exceed what may be spent in a day, of which so much is `spent`."""
    limit = treasury.daily_spending_limit
    if limit is not None and spent + amount > limit:
        raise DailyLimit(field=field, spent=format(spent, "f"), limit=format(limit, "f"))


async def pay(
    tx: RuleTransaction, treasury: DaoTreasury, transfer: TreasuryTransfer, situation: Situation, *, field: str
) -> None:
    """Pay what enough signers have approved, to the recipient's balance. Raises one of BLOCKS, before anything of it is
    written.

    Treasury and transfer are locked, so that it is paid once, and what was spent today is counted with nobody beside.
    """
    check_dao(situation.dao, field=field)
    recipient, amount = transfer.recipient_user_id, transfer.amount
    if not situation.is_member(recipient):
        raise RecipientNotAvailable(field=field)
    check_treasury_funds(treasury, amount, field=field)
    check_reserve(treasury, amount, field=field)
    ((user,),), ages, ((spent,),), *balances = await tx.fetch(
        rows.locking(User, recipient), aging(recipient),
        spending(treasury.id, situation.dao.time_zone, situation.now), *locking_balances(transfer.currency, recipient),
    )  # fmt: skip
    if not user.is_active or user.deleted_at is not None or recipient in minors_in(ages):
        raise RecipientNotAvailable(field=field)
    check_daily_limit(treasury, spent, amount, field=field)
    balance = balances_in(balances)[recipient]
    check_room(balance, amount, field=field)
    movement = movements.record(
        tx, WalletTransactionType.PAYOUT, amount, transfer.currency, recipient=recipient, dao=treasury.dao_id,
        description=transfer.purpose, touched=[balance],
    )  # fmt: skip
    transfer.status, transfer.executed_at, transfer.executed_by = Status.EXECUTED, situation.now, tx.user_id
    transfer.blocked_by, transfer.wallet_transaction_id = None, movement.id
    tx.save(transfer)
    source, target = ledger.dao_available(treasury), ledger.available(balance)
    ledger.transfer(tx, LedgerKind.TREASURY_TRANSFER, source, target, amount, of=transfer)
    publish(tx, Topic.TREASURY_TRANSFER_EXECUTED, transfer.id, dao_id=treasury.dao_id)
    notify(
        tx, recipient, "treasury_transfer_executed", dao_name=situation.dao.name, amount=plain(amount),
        currency=transfer.currency, purpose=transfer.purpose,
    )  # fmt: skip


async def attempt(tx: RuleTransaction, treasury: DaoTreasury, transfer: TreasuryTransfer, situation: Situation) -> None:
    """Pay what the last approval was enough for. What prevents it is noted in the transfer, which stays approved: a
    signer executes it once that has passed."""
    try:
        await pay(tx, treasury, transfer, situation, field="transfer_id")
    except BLOCKS as block:
        approved = transfer.status == Status.PROPOSED
        transfer.status, transfer.blocked_by = Status.APPROVED, block.code()
        tx.save(transfer)
        if approved:
            publish(tx, Topic.TREASURY_TRANSFER_APPROVED, transfer.id, dao_id=treasury.dao_id)
        publish(tx, Topic.TREASURY_TRANSFER_BLOCKED, transfer.id, dao_id=treasury.dao_id)
        notify(
            tx, transfer.proposed_by, "treasury_transfer_blocked", dao_name=situation.dao.name,
            amount=plain(transfer.amount), currency=transfer.currency, reason=block.message,
        )  # fmt: skip


@rule(NotASigner, InvalidState, TransferExpired, ApprovalsMissing, *BLOCKS, *stepping_up.REFUSALS)
async def execute_treasury_transfer(
    tx: RuleTransaction,
    treasury: Annotated[DaoTreasury, Referred(TreasuryTransfer.treasury_id)],
    transfer: Annotated[TreasuryTransfer, Locked("The transfer that enough signers have approved.")],
) -> Annotated[TreasuryTransfer, Named("transfer")]:
    """Pay a transfer that enough signers have approved, and that was not paid with the last approval: any signer.

    Approvals, funds, reserve and the day's limit are looked at again.
    """
    situation, (approvals,) = await situation_of(
        tx, treasury, transfer.recipient_user_id, also=[decisions_on(transfer.id)]
    )
    situation.demand_signer(tx.user_id, field="transfer_id")
    check_open(transfer, situation.now, field="transfer_id")
    verdict = situation.quorum.judge(standing(each for (each,) in approvals))
    if not verdict.is_approved:
        raise ApprovalsMissing(field="transfer_id", missing=verdict.missing)
    await stepping_up.demand_step_up(tx, transfer.amount, transfer.currency, field="transfer_id")
    await pay(tx, treasury, transfer, situation, field="transfer_id")
    return transfer
