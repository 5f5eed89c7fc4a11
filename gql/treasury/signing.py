"""Where a transfer stands with its signers, as the API shows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import ARRAY, Boolean, Integer, Text, Uuid, bindparam, column, text

from models.treasury import TreasuryApprovalDecision, TreasuryTransferStatus
from resolvers.treasury.judging import OPEN, Quorum

# As the caller: of the transfers that they see, with all that decides about each.
SIGNING = (
    text("""
    WITH wanted AS (
        SELECT r.* FROM treasury.treasury_transfers r WHERE r.id = ANY (:ids)
    ), counting AS (
        SELECT c.treasury_id, array_agg(c.user_id) AS user_ids
        FROM lango.counting_signers(ARRAY(SELECT DISTINCT treasury_id FROM wanted)) c GROUP BY c.treasury_id
    ), decisions AS (
        SELECT a.transfer_id, array_agg(a.signer_id) FILTER (WHERE a.decision = 'approve') AS approved_by,
               array_agg(a.signer_id) FILTER (WHERE a.decision = 'reject') AS rejected_by
        FROM treasury.treasury_approvals a
        WHERE a.transfer_id IN (SELECT id FROM wanted) AND a.voided_at IS NULL GROUP BY a.transfer_id
    )
    SELECT w.id, w.status, w.expires_at > now(), w.threshold_at_proposal, w.signers_at_proposal, w.blocked_by,
           t.required_signatures, t.signers, coalesce(c.user_ids, '{}'),
           coalesce(d.approved_by, '{}'), coalesce(d.rejected_by, '{}')
    FROM wanted w JOIN treasury.dao_treasuries t ON t.id = w.treasury_id
    LEFT JOIN counting c ON c.treasury_id = w.treasury_id LEFT JOIN decisions d ON d.transfer_id = w.id
    """)
    .bindparams(bindparam("ids", type_=ARRAY(Uuid)))
    .columns(
        column("id", Uuid), column("status", Text), column("in_time", Boolean),
        column("threshold_at_proposal", Integer), column("signers_at_proposal", ARRAY(Uuid)),
        column("blocked_by", Text), column("required_signatures", Integer), column("signers", ARRAY(Uuid)),
        column("counting", ARRAY(Uuid)), column("approved_by", ARRAY(Uuid)), column("rejected_by", ARRAY(Uuid)),
    )
)  # fmt: skip


@strawberry.type(
    description="Where a transfer stands with its signers. What counts is who signs now, and how many must approve now;"
    " what held when it was proposed is there to compare."
)
class TreasurySigning:
    threshold_at_proposal: int = strawberry.field(description="How many had to approve when it was proposed.")
    threshold_now: int = strawberry.field(description="How many must approve now.")
    signers_at_proposal: list[UUID] = strawberry.field(description="The ids of the signers when it was proposed.")
    signers_now: list[UUID] = strawberry.field(description="The ids of the signers now.")
    approvals: int = strawberry.field(
        description="How many approvals count: of those who sign now and are active members."
    )
    missing: int = strawberry.field(description="How many more approvals it takes.")
    blocked_by: str | None = strawberry.field(
        description="The code of what last prevented the payment although enough had approved; null where nothing did."
    )
    may_decide: bool = strawberry.field(description="Whether you may approve or reject it now.")


async def signing_of(context: Any, transfer_id: UUID) -> TreasurySigning:
    """Where that transfer stands, by one statement for all transfers of an operation."""

    async def batch(keys: list[UUID]) -> list[TreasurySigning]:
        found = await context.reads.rows(SIGNING.bindparams(ids=keys))
        made = {row.id: _signing(row, context.actor.user_id) for row in found}
        return [made[key] for key in keys]

    signing: TreasurySigning = await context.loader("treasury signing", batch).load(transfer_id)
    return signing


def _signing(row: Any, caller: UUID | None) -> TreasurySigning:
    quorum = Quorum.of(row.signers, row.required_signatures, row.counting)
    decided = [(signer, TreasuryApprovalDecision.APPROVE) for signer in row.approved_by]
    decided += [(signer, TreasuryApprovalDecision.REJECT) for signer in row.rejected_by]
    verdict = quorum.judge(decided)
    is_open = TreasuryTransferStatus(row.status) in OPEN and row.in_time
    has_decided = caller in {signer for signer, _ in decided}
    return TreasurySigning(
        threshold_at_proposal=row.threshold_at_proposal, threshold_now=quorum.needed,
        signers_at_proposal=row.signers_at_proposal, signers_now=row.signers, approvals=len(verdict.approvals),
        missing=verdict.missing, blocked_by=row.blocked_by,
        may_decide=is_open and caller in quorum.counting and not has_decided,
    )  # fmt: skip
