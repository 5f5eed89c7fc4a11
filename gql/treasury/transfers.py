"""The payments from treasuries, and what their signers decide, as the API shows them."""

from __future__ import annotations

import strawberry
from strawberry.types import Info

import models.treasury as m
from gql.kit.mirror import mirror, mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from gql.treasury.signing import TreasurySigning, signing_of
from resolvers.treasury import approvals, execution, proposals, signer_changes

mirrors(m.TreasuryApproval, m.SignerChange, m.SignerChangeApproval)


@mirror(m.TreasuryTransfer)
class TreasuryTransfer:
    @strawberry.field(description="Where it stands with its signers.")
    async def signing(self, info: Info) -> TreasurySigning:
        return await signing_of(info.context, self.id)  # type: ignore[attr-defined]


Mutation = mutations(
    proposals.propose_treasury_transfer,
    proposals.change_treasury_transfer,
    approvals.approve_treasury_transfer,
    approvals.reject_treasury_transfer,
    proposals.cancel_treasury_transfer,
    execution.execute_treasury_transfer,
    proposals.close_expired_treasury_transfer,
    signer_changes.propose_signer_change,
    signer_changes.approve_signer_change,
    signer_changes.reject_signer_change,
    signer_changes.cancel_signer_change,
)

Query = root_fields(m.TreasuryTransfer, m.TreasuryApproval, m.SignerChange, m.SignerChangeApproval)
