"""Payments from a DAO's treasury until its signers have decided: proposed, changed, withdrawn, or too late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import func, or_

from lango.db import rows
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Changes, Id, Locked, Named, OwnedBy, Referred, Seen, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.topics import Topic
from models.treasury import (
    Dao,
    DaoTreasury,
    TreasuryApproval,
    TreasuryApprovalDecision,
    TreasuryApprovalVoidReason,
    TreasuryTransfer,
    TreasuryTransferStatus,
)
from resolvers.kernel import clock, due, system_config
from resolvers.kernel.ages import NotOfAge, aging, check_is_adult, minors_in
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange
from resolvers.kernel.currencies import check_money, plain
from resolvers.kernel.notifications import FirstName, notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.treasury import approvals, stepping_up
from resolvers.treasury.execution import TransferExpired, check_open
from resolvers.treasury.judging import OPEN, NotASigner, Situation, decisions_on, situation_of
from resolvers.treasury.members import MANAGES, PROPOSES, DaoNotActive, NotAMember, RoleTooLow, check_dao, demand_role
from resolvers.treasury.treasuries import lock_treasury

# How long the signers have to decide on a transfer, or on a change of signers.
TRANSFER_DAYS = Configured("treasury.transfer_days", 7)
LONGEST_PURPOSE, LONGEST_REASON = 1_000, 1_000
Status = TreasuryTransferStatus
Treasury = Annotated[DaoTreasury, Referred(TreasuryTransfer.treasury_id)]
Amount = Annotated[Decimal, Value("How much, in the treasury's currency.")]
Recipient = Annotated[UUID, Id(User, "Who is paid: an approved member of the DAO.")]
Purpose = Annotated[str, Text("What the money is for, as the signers read it.", LONGEST_PURPOSE)]


class RecipientNotMember(Refused):
    """The recipient is no approved member of this DAO with an active account."""


class NoSigners(Refused):
    """This treasury has no signers: nobody could approve this."""


class NotTheProposer(Refused):
    """Only who proposed this may do this."""


class NothingChanges(Refused):
    """This changes nothing."""


TO_EXPIRE = due.Due(
    TreasuryTransfer.id,
    lambda rows: rows.where(
        or_(*(TreasuryTransfer.status == status for status in sorted(OPEN))), TreasuryTransfer.expires_at <= func.now()
    ).order_by(TreasuryTransfer.expires_at, TreasuryTransfer.id),
)


class TransferChanges(Changes):
    """What may be changed of a transfer until it is decided."""

    amount: Amount
    recipient_id: Recipient
    purpose: Purpose


@rule(
    NotAMember, RoleTooLow, DaoNotActive, NoSigners, NotASigner, RecipientNotMember, NotOfAge, AmountNotPositive,
    AmountOutOfRange, TextMissing, *stepping_up.REFUSALS,
)  # fmt: skip
async def propose_treasury_transfer(
    tx: RuleTransaction,
    dao: Annotated[Dao, Seen("The DAO that pays.")],
    recipient_id: Recipient,
    amount: Amount,
    purpose: Purpose,
    approve: Annotated[
        bool, Value("Whether you approve it at once, as a signer. To propose is not to approve.")
    ] = False,
) -> Annotated[TreasuryTransfer, Named("transfer")]:
    """Propose that a DAO pays a member: its proposers, elders, admins and signers. The signers then decide on it."""
    check_text(purpose, field="purpose")
    treasury = await lock_treasury(tx, dao.id, field="dao_id")
    situation, (configured, ages) = await situation_of(
        tx, treasury, tx.user_id, recipient_id, also=[system_config.reading(TRANSFER_DAYS), aging(recipient_id)]
    )
    _check_proposer(tx, situation)
    if not treasury.signers:
        raise NoSigners(field="dao_id")
    if approve:
        situation.demand_signer(tx.user_id, field="approve")
    check_money(amount, treasury.currency, TreasuryTransfer.amount, field="amount")
    _check_recipient(situation, recipient_id, minors_in(ages))
    if approve:
        await stepping_up.demand_step_up(tx, amount, treasury.currency, field="amount")
    (days,) = system_config.numbers_in(configured, TRANSFER_DAYS)
    transfer = TreasuryTransfer(
        id=uuid4(), treasury_id=treasury.id, proposed_by=tx.user_id, recipient_user_id=recipient_id, amount=amount,
        currency=treasury.currency, purpose=purpose.strip(), status=Status.PROPOSED, blocked_by=None,
    )  # fmt: skip
    _begin(transfer, treasury, situation, days)
    tx.save(transfer)
    publish(tx, Topic.TREASURY_TRANSFER_PROPOSED, transfer.id, dao_id=dao.id)
    if approve:
        await approvals.decide(tx, treasury, transfer, situation, [], TreasuryApprovalDecision.APPROVE, None)
    if transfer.status in OPEN:
        _notify_signers(tx, transfer, situation)
    return transfer


@rule(
    InvalidState, TransferExpired, NotAMember, RoleTooLow, DaoNotActive, RecipientNotMember, NotOfAge,
    AmountNotPositive, AmountOutOfRange, TextMissing, NothingChanges,
)  # fmt: skip
async def change_treasury_transfer(
    tx: RuleTransaction,
    treasury: Treasury,
    transfer: Annotated[
        TreasuryTransfer,
        Locked("The transfer that you have proposed."),
        OwnedBy(TreasuryTransfer.proposed_by, NotTheProposer),
    ],
    changes: TransferChanges,
) -> Annotated[TreasuryTransfer, Named("transfer")]:
    """Change a transfer until it is decided: who proposed it. It is as if proposed anew: what signers have decided
    counts no more, and they have as long to decide as at first."""
    recipient = changes.recipient_id or transfer.recipient_user_id
    situation, (found, configured, ages) = await situation_of(
        tx, treasury, tx.user_id, recipient,
        also=[decisions_on(transfer.id), system_config.reading(TRANSFER_DAYS), aging(recipient)],
    )  # fmt: skip
    check_open(transfer, situation.now, field="transfer_id")
    _check_proposer(tx, situation, field="transfer_id")
    if "amount" in changes:
        check_money(changes.amount, treasury.currency, TreasuryTransfer.amount, field="amount")
    if "recipient_id" in changes:
        _check_recipient(situation, recipient, minors_in(ages))
    if "purpose" in changes:
        check_text(changes.purpose, field="purpose")
    before = transfer.amount, transfer.recipient_user_id, transfer.purpose
    if "amount" in changes:
        transfer.amount = changes.amount
    if "purpose" in changes:
        transfer.purpose = changes.purpose.strip()
    transfer.recipient_user_id = recipient
    if before == (transfer.amount, transfer.recipient_user_id, transfer.purpose):
        raise NothingChanges(field="transfer_id")
    void(tx, (each for (each,) in found), TreasuryApprovalVoidReason.TRANSFER_CHANGED, situation.now)
    transfer.status, transfer.blocked_by = Status.PROPOSED, None
    (days,) = system_config.numbers_in(configured, TRANSFER_DAYS)
    _begin(transfer, treasury, situation, days)
    tx.save(transfer)
    publish(tx, Topic.TREASURY_TRANSFER_CHANGED, transfer.id, dao_id=treasury.dao_id)
    _notify_signers(tx, transfer, situation)
    return transfer


@rule(NotTheProposer, InvalidState)
async def cancel_treasury_transfer(
    tx: RuleTransaction,
    treasury: Treasury,
    transfer: Annotated[TreasuryTransfer, Locked("The transfer to withdraw.")],
    reason: Annotated[str | None, Text("Why, for the members.", LONGEST_REASON)] = None,
) -> Annotated[TreasuryTransfer, Named("transfer")]:
    """Withdraw a transfer before it is paid: who proposed it, or an admin of the DAO."""
    situation, _ = await situation_of(tx, treasury, tx.user_id)
    if transfer.proposed_by != tx.user_id:
        member = situation.members.get(tx.user_id)
        if member is None or not member.counts or member.role not in MANAGES:
            raise NotTheProposer("Only who proposed this and the DAO's admins may withdraw it.", field="transfer_id")
    if transfer.status not in OPEN:
        raise InvalidState(f"The transfer is {transfer.status} already.", field="transfer_id", state=transfer.status)
    transfer.status, transfer.closed_by, transfer.closing_reason = Status.CANCELLED, tx.user_id, reason
    tx.save(transfer)
    publish(tx, Topic.TREASURY_TRANSFER_CANCELLED, transfer.id, dao_id=treasury.dao_id)
    return transfer


@rule(NotASigner, InvalidState)
async def close_expired_treasury_transfer(
    tx: RuleTransaction,
    treasury: Treasury,
    transfer: Annotated[TreasuryTransfer, Locked("The transfer whose time is over.")],
) -> Annotated[TreasuryTransfer, Named("transfer")]:
    """Close a transfer whose time is over, whatever was approved: any signer. A job closes it anyway."""
    situation, _ = await situation_of(tx, treasury, tx.user_id)
    situation.demand_signer(tx.user_id, field="transfer_id")
    if transfer.status not in OPEN:
        raise InvalidState(f"The transfer is {transfer.status} already.", field="transfer_id", state=transfer.status)
    if transfer.expires_at > situation.now:
        ends = transfer.expires_at
        raise InvalidState(
            f"The transfer may be decided on until {ends:%Y-%m-%d at %H:%M} UTC.", field="transfer_id",
            state=transfer.status, expiresAt=ends.isoformat(),
        )  # fmt: skip
    transfer.closed_by = tx.user_id
    _expire(tx, transfer, treasury.dao_id)
    return transfer


@scheduled("treasury_transfers.expire_due", "* * * * *")
async def expire_due(services: Services) -> None:
    """Close the transfers that were not paid in time."""
    await due.each(services, expire_due, TO_EXPIRE, _expire_due, together=due.TOGETHER)


async def _expire_due(tx: RuleTransaction, transfer_id: UUID) -> None:
    ((transfer,),), ((now,),) = await tx.fetch(rows.locking(TreasuryTransfer, transfer_id), clock.reading())
    if transfer.status in OPEN and transfer.expires_at <= now:
        treasury = await tx.find(DaoTreasury, transfer.treasury_id)
        assert treasury is not None
        _expire(tx, transfer, treasury.dao_id)


def _expire(tx: RuleTransaction, transfer: TreasuryTransfer, dao_id: UUID) -> None:
    transfer.status = Status.EXPIRED
    tx.save(transfer)
    publish(tx, Topic.TREASURY_TRANSFER_EXPIRED, transfer.id, dao_id=dao_id)


def void(
    tx: RuleTransaction, found: Iterable[TreasuryApproval], reason: TreasuryApprovalVoidReason, now: datetime
) -> None:
    """Have decisions count no more, for good: whoever decides again overwrites theirs."""
    for each in found:
        if each.voided_at is None:
            each.voided_at, each.void_reason = now, reason
            tx.save(each)


def _begin(transfer: TreasuryTransfer, treasury: DaoTreasury, situation: Situation, days: int) -> None:
    """It is proposed from now on: what holds then is kept for readers, and decides nothing."""
    transfer.expires_at = situation.now + timedelta(days=days)
    transfer.threshold_at_proposal, transfer.signers_at_proposal = situation.quorum.needed, list(treasury.signers)


def _check_proposer(tx: RuleTransaction, situation: Situation, *, field: str = "dao_id") -> None:
    if tx.user_id not in situation.quorum.counting:
        demand_role(situation.members, tx.user_id, PROPOSES, field=field)
    check_dao(situation.dao, field=field)


def _check_recipient(situation: Situation, recipient: UUID, minors: frozenset[UUID]) -> None:
    if not situation.is_member(recipient):
        raise RecipientNotMember(field="recipient_id")
    check_is_adult(recipient, minors, field="recipient_id")


def _notify_signers(tx: RuleTransaction, transfer: TreasuryTransfer, situation: Situation) -> None:
    proposer = FirstName(tx.user_id, otherwise="Un membre")
    for signer in sorted(situation.quorum.counting - {tx.user_id}):
        notify(
            tx, signer, "treasury_transfer_proposed", user_name=proposer, dao_name=situation.dao.name,
            amount=plain(transfer.amount), currency=transfer.currency, purpose=transfer.purpose,
        )  # fmt: skip
