"""Whose decisions on a treasury's money count, and whether they are enough: by who signs now, and how many must agree
now, never by what held when it was proposed (docs/adr/0046)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam

from lango.db import rows
from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from lango.rules.transaction import RuleTransaction
from models.treasury import (
    Dao,
    DaoTreasury,
    SignerChangeApproval,
    TreasuryApproval,
    TreasuryApprovalDecision,
    TreasuryTransferStatus,
)
from resolvers.kernel import clock
from resolvers.treasury import members
from resolvers.treasury.members import Standing

# In which a transfer may be decided on, changed, withdrawn and paid.
OPEN = frozenset({TreasuryTransferStatus.PROPOSED, TreasuryTransferStatus.APPROVED})
# One signer's decision on something.
Decided = tuple[UUID, TreasuryApprovalDecision]


class NotASigner(Refused):
    """Only a signer of this treasury may do this."""


class AlreadyDecided(Refused):
    """You have decided on this already."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the signers have decided so far: only decisions that count are in it."""

    approvals: frozenset[UUID]
    # How many more signers must approve.
    missing: int
    # Whether too few are left to ever agree.
    is_lost: bool

    @property
    def is_approved(self) -> bool:
        return self.missing == 0


@dataclass(frozen=True, slots=True)
class Quorum:
    """Who signs for a treasury now, and how many of them must agree."""

    signers: frozenset[UUID]
    # Those whose decisions count: approved members with an active account.
    counting: frozenset[UUID]
    needed: int

    @classmethod
    def of(cls, signers: Iterable[UUID], needed: int | None, counting: Collection[UUID]) -> Quorum:
        """By a treasury's signers and `required_signatures`: a threshold that is null is 1."""
        signing = frozenset(signers)
        return cls(signing, signing.intersection(counting), needed or 1)

    def judge(self, decisions: Iterable[Decided]) -> Verdict:
        """By the decisions that were not voided. Of whoever is suspended none counts, for nor against: they may be back
        before it expires."""
        counted = [each for each in decisions if each[0] in self.counting]
        approvals = frozenset(signer for signer, decision in counted if decision == TreasuryApprovalDecision.APPROVE)
        rejections = frozenset(signer for signer, decision in counted if decision == TreasuryApprovalDecision.REJECT)
        missing = max(self.needed - len(approvals), 0)
        return Verdict(approvals, missing, is_lost=len(self.signers) - len(rejections) < self.needed)


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides about a treasury's money, read under its lock."""

    now: datetime
    dao: Dao
    members: Mapping[UUID, Standing]
    quorum: Quorum

    def demand_signer(self, user_id: UUID | None, *, field: str) -> None:
        """Raises NotASigner unless that user's decisions count."""
        if user_id not in self.quorum.counting:
            raise NotASigner(field=field)

    def is_member(self, user_id: UUID) -> bool:
        """Whether they are an approved member with an active account."""
        return user_id in self.members and self.members[user_id].counts


def quorum_of(treasury: DaoTreasury, standings: Mapping[UUID, Standing]) -> Quorum:
    """The quorum of a treasury, by where its signers stand in the DAO."""
    counting = [user_id for user_id, standing in standings.items() if standing.counts]
    return Quorum.of(treasury.signers, treasury.required_signatures, counting)


async def situation_of(
    tx: RuleTransaction, treasury: DaoTreasury, *people: UUID | None, also: Sequence[Query] = ()
) -> tuple[Situation, list[list[Any]]]:
    """The situation of a locked treasury, where these people stand besides its signers, and what `also` finds: all in
    one round trip."""
    concerned = [*treasury.signers, *(each for each in people if each is not None)]
    ((now,),), ((dao,),), found, *others = await tx.fetch(
        clock.reading(), rows.finding(Dao, treasury.dao_id), members.standing(treasury.dao_id, *concerned), *also
    )
    standings = members.members_in(found)
    return Situation(now, dao, standings, quorum_of(treasury, standings)), others


DECISIONS = Lookup(
    [TreasuryApproval],
    lambda rows: rows.where(
        TreasuryApproval.transfer_id == any_(bindparam("transfer_ids", type_=ARRAY(Uuid)))
    ).order_by(TreasuryApproval.id),
)
DECISIONS_ON_CHANGE = Lookup(
    [SignerChangeApproval], lambda rows: rows.where(SignerChangeApproval.change_id == bindparam("change_id"))
)


def decisions_on(*transfer_ids: UUID) -> Query:
    """The look-up of the decisions on these transfers, voided ones as well: `[(approval,)]`. Send it after what locks
    the transfers."""
    return DECISIONS.query(transfer_ids=transfer_ids)


def standing(approvals: Iterable[TreasuryApproval]) -> list[Decided]:
    """Those that were not voided, as `Quorum.judge` takes them."""
    return [(each.signer_id, each.decision) for each in approvals if each.voided_at is None]
