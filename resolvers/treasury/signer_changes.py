"""Changes of who signs for a treasury, of how many must agree, and of its limits: decided by the signers themselves,
since whoever may replace them could spend everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid4

from sqlalchemy import bindparam, func, or_

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Id, Locked, Named, OwnedBy, Referred, Seen, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.topics import Topic
from models.treasury import (
    Dao,
    DaoTreasury,
    SignerChange,
    SignerChangeApproval,
    SignerChangeStatus,
    TreasuryApproval,
    TreasuryApprovalDecision,
    TreasuryApprovalVoidReason,
    TreasuryTransfer,
    TreasuryTransferStatus,
)
from resolvers.kernel import clock, due, system_config
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, fits
from resolvers.kernel.currencies import check_money
from resolvers.kernel.notifications import FirstName, notify
from resolvers.kernel.outbox import publish
from resolvers.treasury.approvals import LONGEST_COMMENT
from resolvers.treasury.judging import (
    DECISIONS_ON_CHANGE,
    OPEN,
    AlreadyDecided,
    NotASigner,
    Situation,
    Verdict,
    decisions_on,
    quorum_of,
    situation_of,
    standing,
)
from resolvers.treasury.members import MANAGES, DaoNotActive, check_dao
from resolvers.treasury.proposals import TRANSFER_DAYS, NoSigners, NothingChanges, NotTheProposer, void
from resolvers.treasury.treasuries import lock_treasury

Status = SignerChangeStatus
APPROVE, REJECT = TreasuryApprovalDecision.APPROVE, TreasuryApprovalDecision.REJECT
Treasury = Annotated[DaoTreasury, Referred(SignerChange.treasury_id)]
Change = Annotated[SignerChange, Locked("The change to decide on.")]
Comment = Annotated[str | None, Text("Why, for the others.", LONGEST_COMMENT)]
ZERO = Decimal()


class TooFewSigners(Refused):
    """There would be fewer signers than must approve: nothing could be paid any more."""


class SignerNotMember(Refused):
    """A signer must be an approved member of this DAO with an active account."""


class SignerTwice(Refused):
    """Each signer is one once."""


class LimitSetAndLifted(Refused):
    """A daily limit is either set or lifted."""


class ChangeOpen(Refused):
    """The signers have another change to decide on: they decide on one at a time."""


class ChangeExpired(Refused):
    """The signers did not agree on this change in time."""


UNFIT = (TooFewSigners, SignerNotMember)
OPEN_CHANGE = Lookup(
    [SignerChange],
    lambda rows: rows.where(
        SignerChange.treasury_id == bindparam("treasury_id"), SignerChange.status == Status.PROPOSED
    ).with_for_update(key_share=True),
)
# In the order of their ids; those that were decided while this waited for them are not in it.
OPEN_TRANSFERS = Lookup(
    [TreasuryTransfer],
    lambda rows: (
        rows.where(
            TreasuryTransfer.treasury_id == bindparam("treasury_id"),
            or_(*(TreasuryTransfer.status == status for status in sorted(OPEN))),
        )
        .order_by(TreasuryTransfer.id)
        .with_for_update(key_share=True)
    ),
)
TO_EXPIRE = due.Due(
    SignerChange.id,
    lambda rows: rows.where(SignerChange.status == Status.PROPOSED, SignerChange.expires_at <= func.now()).order_by(
        SignerChange.expires_at, SignerChange.id
    ),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """Who signs, how many must agree, and what binds them."""

    signers: frozenset[UUID]
    threshold: int
    minimum_reserve: Decimal
    daily_spending_limit: Decimal | None

    @classmethod
    def of(cls, treasury: DaoTreasury) -> Terms:
        threshold = treasury.required_signatures or 1
        return cls(frozenset(treasury.signers), threshold, treasury.minimum_reserve, treasury.daily_spending_limit)

    def after(self, change: SignerChange) -> Terms:
        """What they will be by a change."""
        limit = self.daily_spending_limit if change.daily_spending_limit is None else change.daily_spending_limit
        return Terms(
            (self.signers - set(change.removed)) | set(change.added),
            self.threshold if change.threshold is None else change.threshold,
            self.minimum_reserve if change.minimum_reserve is None else change.minimum_reserve,
            None if change.lifts_daily_limit else limit,
        )


@dataclass(frozen=True, slots=True)
class ChangeDecided:
    """A change of signers, and what the caller decided on it."""

    change: SignerChange
    approval: SignerChangeApproval


@rule(
    NotASigner, DaoNotActive, NoSigners, ChangeOpen, SignerTwice, *UNFIT, LimitSetAndLifted, AmountNotPositive,
    AmountOutOfRange, NothingChanges,
)  # fmt: skip
async def propose_signer_change(
    tx: RuleTransaction,
    dao: Annotated[Dao, Seen("The DAO whose treasury it is.")],
    add: Annotated[list[UUID] | None, Id(User, "Members who become signers.")] = None,
    remove: Annotated[list[UUID] | None, Id(User, "Signers who are signers no more.")] = None,
    threshold: Annotated[int | None, Value("How many signers must approve from then on.")] = None,
    minimum_reserve: Annotated[
        Decimal | None, Value("What transfers must leave from then on, in the treasury's currency.")
    ] = None,
    daily_spending_limit: Annotated[
        Decimal | None, Value("The most that transfers may take in a day, in the treasury's currency.")
    ] = None,
    lifts_daily_limit: Annotated[bool, Value("Whether there is to be no daily limit any more.")] = False,
) -> Annotated[SignerChange, Named("change")]:
    """Propose other signers of a treasury, another threshold, or other limits: a signer, or an admin of the DAO, who
    has no vote by that. It holds once as many signers have approved as a transfer needs."""
    treasury = await lock_treasury(tx, dao.id, field="dao_id")
    situation, (configured, opened) = await situation_of(
        tx, treasury, tx.user_id, *(add or ()),
        also=[system_config.reading(TRANSFER_DAYS), OPEN_CHANGE.query(treasury_id=treasury.id)],
    )  # fmt: skip
    member = situation.members.get(tx.user_id)
    if tx.user_id not in situation.quorum.counting and (
        member is None or not member.counts or member.role not in MANAGES
    ):
        raise NotASigner("Only a signer of this treasury or an admin of the DAO may do this.", field="dao_id")
    check_dao(situation.dao, field="dao_id")
    if not treasury.signers:
        raise NoSigners(field="dao_id")
    for (other,) in opened:
        if other.expires_at > situation.now:
            raise ChangeOpen(field="dao_id", changeId=str(other.id))
        _expire(tx, other, dao.id)
    (days,) = system_config.numbers_in(configured, TRANSFER_DAYS)
    change = SignerChange(
        id=uuid4(), treasury_id=treasury.id, proposed_by=tx.user_id, added=add or [], removed=remove or [],
        threshold=threshold, minimum_reserve=minimum_reserve, daily_spending_limit=daily_spending_limit,
        lifts_daily_limit=lifts_daily_limit, currency=treasury.currency, status=Status.PROPOSED,
        expires_at=situation.now + timedelta(days=days),
    )  # fmt: skip
    _check_proposed(treasury, change)
    _check_fit(treasury, change, situation, field=_field_of(change))
    tx.save(change)
    publish(tx, Topic.SIGNER_CHANGE_PROPOSED, change.id, dao_id=dao.id)
    proposer = FirstName(tx.user_id, otherwise="Un membre")
    for signer in sorted(situation.quorum.counting - {tx.user_id}):
        notify(tx, signer, "signer_change_proposed", user_name=proposer, dao_name=situation.dao.name)
    return change


@rule(NotASigner, InvalidState, ChangeExpired, AlreadyDecided, DaoNotActive, *UNFIT)
async def approve_signer_change(
    tx: RuleTransaction, treasury: Treasury, change: Change, comment: Comment = None
) -> ChangeDecided:
    """Approve a change of signers or limits: a signer, once. With the last approval that it needs it holds.

    Open transfers are then judged anew, by those who sign from then on: what others have decided counts no more.
    """
    situation, approval, verdict = await _decide(tx, treasury, change, APPROVE, comment)
    check_dao(situation.dao, field="change_id")
    if verdict.is_approved:
        _check_fit(treasury, change, situation, field="change_id")
        await _apply(tx, treasury, change, situation)
    return ChangeDecided(change, approval)


@rule(NotASigner, InvalidState, ChangeExpired, AlreadyDecided)
async def reject_signer_change(
    tx: RuleTransaction, treasury: Treasury, change: Change, comment: Comment = None
) -> ChangeDecided:
    """Reject a change of signers or limits: a signer, once. It is rejected for good as soon as too few are left to
    agree."""
    _, approval, verdict = await _decide(tx, treasury, change, REJECT, comment)
    if verdict.is_lost:
        change.status, change.closed_by = Status.REJECTED, tx.user_id
        tx.save(change)
        publish(tx, Topic.SIGNER_CHANGE_REJECTED, change.id, dao_id=treasury.dao_id)
    return ChangeDecided(change, approval)


@rule(InvalidState)
async def cancel_signer_change(
    tx: RuleTransaction,
    treasury: Treasury,
    change: Annotated[
        SignerChange,
        Locked("The change that you have proposed."),
        OwnedBy(SignerChange.proposed_by, NotTheProposer),
    ],
) -> Annotated[SignerChange, Named("change")]:
    """Withdraw a change of signers before it holds: who proposed it. An admin cannot stop what others proposed."""
    _check_proposed_still(change)
    change.status, change.closed_by = Status.CANCELLED, tx.user_id
    tx.save(change)
    publish(tx, Topic.SIGNER_CHANGE_CANCELLED, change.id, dao_id=treasury.dao_id)
    return change


@scheduled("signer_changes.expire_due", "* * * * *")
async def expire_due(services: Services) -> None:
    """Close the changes of signers that were not agreed on in time."""
    await due.each(services, expire_due, TO_EXPIRE, _expire_due, together=due.TOGETHER)


async def _expire_due(tx: RuleTransaction, change_id: UUID) -> None:
    ((change,),), ((now,),) = await tx.fetch(rows.locking(SignerChange, change_id), clock.reading())
    if change.status == Status.PROPOSED and change.expires_at <= now:
        treasury = await tx.find(DaoTreasury, change.treasury_id)
        assert treasury is not None
        _expire(tx, change, treasury.dao_id)


def _expire(tx: RuleTransaction, change: SignerChange, dao_id: UUID) -> None:
    change.status = Status.EXPIRED
    tx.save(change)
    publish(tx, Topic.SIGNER_CHANGE_EXPIRED, change.id, dao_id=dao_id)


def _field_of(change: SignerChange) -> str:
    """The input about which it is that a change does not fit."""
    return "add" if change.added else "remove" if change.removed else "threshold"


def _check_proposed(treasury: DaoTreasury, change: SignerChange) -> None:
    """Refuses what contradicts itself, and what changes nothing."""
    added, removed, before = set(change.added), set(change.removed), set(treasury.signers)
    if len(added) < len(change.added) or added & (before | removed):
        raise SignerTwice(field="add")
    if len(removed) < len(change.removed):
        raise SignerTwice(field="remove")
    if not removed <= before:
        raise NotASigner("Only who is a signer can be removed.", field="remove")
    if change.threshold is not None and change.threshold < 1:
        raise AmountNotPositive(field="threshold")
    if change.threshold is not None and not fits(change.threshold, SignerChange.threshold):
        raise AmountOutOfRange(field="threshold")
    if change.lifts_daily_limit and change.daily_spending_limit is not None:
        raise LimitSetAndLifted(field="lifts_daily_limit")
    for field in ("minimum_reserve", "daily_spending_limit"):
        amount = getattr(change, field)
        if amount is not None and amount != ZERO:
            check_money(amount, treasury.currency, getattr(SignerChange, field), field=field)
    terms = Terms.of(treasury)
    if terms == terms.after(change):
        raise NothingChanges(field="dao_id")


def _check_fit(treasury: DaoTreasury, change: SignerChange, situation: Situation, *, field: str) -> None:
    """Raises TooFewSigners, and SignerNotMember: somebody may have left since it was proposed."""
    terms = Terms.of(treasury).after(change)
    if len(terms.signers) < terms.threshold:
        raise TooFewSigners(field=field, signers=len(terms.signers), threshold=terms.threshold)
    if not all(map(situation.is_member, change.added)):
        raise SignerNotMember(field=field)


def _check_proposed_still(change: SignerChange) -> None:
    if change.status != Status.PROPOSED:
        raise InvalidState(f"The change is {change.status} already.", field="change_id", state=change.status)


async def _decide(
    tx: RuleTransaction,
    treasury: DaoTreasury,
    change: SignerChange,
    decision: TreasuryApprovalDecision,
    comment: str | None,
) -> tuple[Situation, SignerChangeApproval, Verdict]:
    """Write the caller's decision down; what all decisions say. By the signers of now, also those who are to go."""
    situation, (found,) = await situation_of(
        tx, treasury, *change.added, also=[DECISIONS_ON_CHANGE.query(change_id=change.id)]
    )
    situation.demand_signer(tx.user_id, field="change_id")
    _check_proposed_still(change)
    if change.expires_at <= situation.now:
        raise ChangeExpired(field="change_id")
    decided = [(each.signer_id, each.decision) for (each,) in found]
    if any(signer == tx.user_id for signer, _ in decided):
        raise AlreadyDecided(field="change_id")
    approval = SignerChangeApproval(
        id=uuid4(), change_id=change.id, signer_id=tx.user_id, decision=decision, comment=comment,
        created_at=situation.now,
    )  # fmt: skip
    tx.save(approval)
    return situation, approval, situation.quorum.judge([*decided, (tx.user_id, decision)])


async def _apply(tx: RuleTransaction, treasury: DaoTreasury, change: SignerChange, situation: Situation) -> None:
    """Let a change hold, and judge the open transfers anew."""
    concerned = situation.quorum.signers | set(change.added)
    terms = Terms.of(treasury).after(change)
    kept = [signer for signer in treasury.signers if signer in terms.signers]
    treasury.signers, treasury.required_signatures = [*kept, *change.added], terms.threshold
    treasury.minimum_reserve, treasury.daily_spending_limit = terms.minimum_reserve, terms.daily_spending_limit
    change.status, change.closed_by, change.applied_at = Status.APPLIED, tx.user_id, situation.now
    tx.save(treasury, change)
    publish(tx, Topic.SIGNER_CHANGE_APPLIED, change.id, dao_id=treasury.dao_id)
    for each in sorted(concerned):
        notify(tx, each, "signer_changed", dao_name=situation.dao.name)
    transfers = [each for (each,) in await OPEN_TRANSFERS.all(tx, treasury_id=treasury.id)]
    if transfers:
        await _judge_anew(tx, treasury, transfers, situation)


async def _judge_anew(
    tx: RuleTransaction, treasury: DaoTreasury, transfers: list[TreasuryTransfer], situation: Situation
) -> None:
    """Void what was decided by whoever signs no more, and let each transfer be what the decisions that count make it.

    None is paid by this: that is for a signer to do.
    """
    quorum = quorum_of(treasury, situation.members)
    (found,) = await tx.fetch(decisions_on(*(each.id for each in transfers)))
    approvals: dict[UUID, list[TreasuryApproval]] = {}
    for (each,) in found:
        approvals.setdefault(each.transfer_id, []).append(each)
        if each.signer_id not in quorum.signers:
            void(tx, [each], TreasuryApprovalVoidReason.NO_LONGER_SIGNER, situation.now)
    for transfer in transfers:
        verdict = quorum.judge(standing(approvals.get(transfer.id, ())))
        status = transfer.status
        if verdict.is_lost:
            transfer.status = TreasuryTransferStatus.REJECTED
        elif verdict.is_approved:
            transfer.status = TreasuryTransferStatus.APPROVED
        else:
            transfer.status, transfer.blocked_by = TreasuryTransferStatus.PROPOSED, None
        if transfer.status != status:
            tx.save(transfer)
            publish(tx, JUDGED[transfer.status], transfer.id, dao_id=treasury.dao_id)


JUDGED = {
    TreasuryTransferStatus.REJECTED: Topic.TREASURY_TRANSFER_REJECTED,
    TreasuryTransferStatus.APPROVED: Topic.TREASURY_TRANSFER_APPROVED,
    TreasuryTransferStatus.PROPOSED: Topic.TREASURY_TRANSFER_REOPENED,
}
