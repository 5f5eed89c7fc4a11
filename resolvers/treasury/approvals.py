"""What signers decide on a treasury's transfers: each once, and only those who sign now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

from lango.rules.inputs import Locked, Referred, Text
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.topics import Topic
from models.treasury import (
    DaoTreasury,
    TreasuryApproval,
    TreasuryApprovalDecision,
    TreasuryTransfer,
    TreasuryTransferStatus,
)
from resolvers.kernel.outbox import publish
from resolvers.treasury import execution, stepping_up
from resolvers.treasury.execution import TransferExpired, check_open
from resolvers.treasury.judging import (
    AlreadyDecided,
    NotASigner,
    Situation,
    decisions_on,
    situation_of,
    standing,
)

LONGEST_COMMENT = 1_000
APPROVE, REJECT = TreasuryApprovalDecision.APPROVE, TreasuryApprovalDecision.REJECT
Treasury = Annotated[DaoTreasury, Referred(TreasuryTransfer.treasury_id)]
Transfer = Annotated[TreasuryTransfer, Locked("The transfer to decide on.")]
Comment = Annotated[str | None, Text("Why, for the others.", LONGEST_COMMENT)]


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """A transfer, and what the caller decided on it."""

    transfer: TreasuryTransfer
    approval: TreasuryApproval


@rule(NotASigner, InvalidState, TransferExpired, AlreadyDecided, *stepping_up.REFUSALS)
async def approve_treasury_transfer(
    tx: RuleTransaction, treasury: Treasury, transfer: Transfer, comment: Comment = None
) -> DecisionMade:
    """Approve a transfer: a signer, once. With the last approval that it needs it is paid.

    Where something prevents the payment, as the day's limit, the approval is kept and `blockedBy` says what it is: a
    signer executes the transfer later.
    """
    situation, approvals = await _deliberate(tx, treasury, transfer)
    await stepping_up.demand_step_up(tx, transfer.amount, transfer.currency, field="transfer_id")
    approval = await decide(tx, treasury, transfer, situation, approvals, APPROVE, comment)
    return DecisionMade(transfer, approval)


@rule(NotASigner, InvalidState, TransferExpired, AlreadyDecided)
async def reject_treasury_transfer(
    tx: RuleTransaction, treasury: Treasury, transfer: Transfer, comment: Comment = None
) -> DecisionMade:
    """Reject a transfer: a signer, once. It is rejected for good as soon as too few signers are left to agree."""
    situation, approvals = await _deliberate(tx, treasury, transfer)
    approval = await decide(tx, treasury, transfer, situation, approvals, REJECT, comment)
    return DecisionMade(transfer, approval)


async def _deliberate(
    tx: RuleTransaction, treasury: DaoTreasury, transfer: TreasuryTransfer
) -> tuple[Situation, list[TreasuryApproval]]:
    """The situation, and what was decided so far. Raises what keeps the caller from deciding."""
    situation, (found,) = await situation_of(tx, treasury, transfer.recipient_user_id, also=[decisions_on(transfer.id)])
    approvals = [each for (each,) in found]
    situation.demand_signer(tx.user_id, field="transfer_id")
    check_open(transfer, situation.now, field="transfer_id")
    if any(signer == tx.user_id for signer, _ in standing(approvals)):
        raise AlreadyDecided(field="transfer_id")
    return situation, approvals


async def decide(
    tx: RuleTransaction,
    treasury: DaoTreasury,
    transfer: TreasuryTransfer,
    situation: Situation,
    approvals: list[TreasuryApproval],
    decision: TreasuryApprovalDecision,
    comment: str | None,
) -> TreasuryApproval:
    """Write the caller's decision down, and do what follows from all that there are: the transfer is paid, rejected, or
    waits for more."""
    approval = next((each for each in approvals if each.signer_id == tx.user_id), None)
    if approval is None:
        approval = TreasuryApproval(id=uuid4(), transfer_id=transfer.id, signer_id=tx.user_id)
        approvals = [*approvals, approval]
    # One that was voided is decided anew; the audit log has what it was.
    approval.decision, approval.comment, approval.created_at = decision, comment, situation.now
    approval.voided_at = approval.void_reason = None
    tx.save(approval)
    verdict = situation.quorum.judge(standing(approvals))
    if verdict.is_lost:
        transfer.status, transfer.closed_by = TreasuryTransferStatus.REJECTED, tx.user_id
        tx.save(transfer)
        publish(tx, Topic.TREASURY_TRANSFER_REJECTED, transfer.id, dao_id=treasury.dao_id)
    elif verdict.is_approved and decision == APPROVE:
        await execution.attempt(tx, treasury, transfer, situation)
    return approval
