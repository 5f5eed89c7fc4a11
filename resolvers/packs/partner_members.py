"""Who acts for a partner: one of its owners always stays, and what each member may do hangs on the role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, func, literal_column, or_, update

from lango.db.prepared import Lookup, Prepared, Query
from lango.db.transaction import Transaction
from lango.errors import Refused
from lango.rules.inputs import Locked, Referred, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from models.packs import (
    Partner,
    PartnerInvitation,
    PartnerInvitationStatus,
    PartnerMember,
    PartnerMemberRole,
)
from models.topics import Topic
from resolvers.kernel import own_matters
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter

OWNERS = frozenset({PartnerMemberRole.OWNER})
MANAGERS = OWNERS | {PartnerMemberRole.MANAGER}


class NotPartnerOwner(Refused):
    """Only the partner's owners may do this."""


class NotPartnerManager(Refused):
    """Only the partner's owners and managers may do this."""


class AlreadyMember(Refused):
    """You act for the partner already: one of its owners can change your role."""


class LastOwner(Refused):
    """A partner needs at least one owner: make somebody else an owner first."""


@rule(NotPartnerOwner, OwnMatter, LastOwner)
async def change_partner_member_role(
    tx: RuleTransaction,
    # Locked as well: none of its members comes or goes until the transaction ends.
    partner: Annotated[Partner, Referred(PartnerMember.partner_id)],
    partner_member: Annotated[PartnerMember, Locked("The member.")],
    role: Annotated[PartnerMemberRole, Value("What they may do from now on.")],
) -> PartnerMember:
    """Change what a member may do for a partner, which keeps one owner. Its owners, or staff."""
    await _check_owner(tx, partner, partner_member)
    if role != PartnerMemberRole.OWNER:
        await _check_not_last(tx, partner_member)
        await _withdraw_invitations(tx, partner_member)
    partner_member.role = role
    tx.save(partner_member)
    return partner_member


@rule(NotPartnerOwner, OwnMatter, LastOwner)
async def remove_partner_member(
    tx: RuleTransaction,
    partner: Annotated[Partner, Referred(PartnerMember.partner_id)],
    partner_member: Annotated[PartnerMember, Locked("The member who no longer acts for the partner.")],
) -> Partner:
    """Have somebody act for a partner no longer; it keeps one owner. Its owners, the member, or staff."""
    if partner_member.user_id != tx.user_id:
        await _check_owner(tx, partner, partner_member)
    await _check_not_last(tx, partner_member)
    await _withdraw_invitations(tx, partner_member)
    REMOVE.send(tx, id=partner_member.id)
    return partner


MEMBER = Lookup(
    [PartnerMember],
    lambda rows: rows.where(
        PartnerMember.partner_id == bindparam("partner_id"), PartnerMember.user_id == bindparam("user_id")
    ),
)
MEMBERS = Lookup([PartnerMember.user_id], lambda rows: rows.where(PartnerMember.partner_id == bindparam("partner_id")))
ITS_MANAGERS = Lookup(
    [PartnerMember.user_id],
    lambda rows: rows.where(
        PartnerMember.partner_id == bindparam("partner_id"),
        or_(*(PartnerMember.role == role for role in sorted(MANAGERS))),
    ),
)
OTHER_OWNERS = Lookup(
    [func.count()],
    lambda rows: rows.select_from(PartnerMember).where(
        PartnerMember.partner_id == bindparam("partner_id"),
        PartnerMember.role == PartnerMemberRole.OWNER,
        PartnerMember.id != bindparam("id"),
    ),
)
INVITED = PartnerInvitation.table().c
WITHDRAW = Prepared(
    update(PartnerInvitation.table())
    .where(
        INVITED.partner_id == bindparam("of_partner", type_=Uuid),
        INVITED.invited_by == bindparam("by_user", type_=Uuid),
        INVITED.status == literal_column(f"'{PartnerInvitationStatus.PENDING.value}'"),
    )
    .values(status=literal_column(f"'{PartnerInvitationStatus.CANCELLED.value}'"))
    .returning(INVITED.id)
)
REMOVE = Prepared(delete(PartnerMember.table()).where(PartnerMember.table().c.id == bindparam("id")))


def membership(partner_id: UUID | None, user_id: UUID | None) -> Query:
    """The look-up of what somebody is for a partner: no row where nothing. In the rules' role."""
    return MEMBER.query(partner_id=partner_id, user_id=user_id)


def managing(partner_id: UUID | None) -> Query:
    """The look-up of its owners and managers, who are notified of what concerns its money. In the rules' role."""
    return ITS_MANAGERS.query(partner_id=partner_id)


async def refuse_own_partner(tx: Transaction, partner_id: UUID, *, field: str) -> None:
    """Raises OwnMatter where the caller, or whom the caller acts for, is on the partner. In the rules' role."""
    members, wards = await tx.fetch(*belonging(tx, partner_id))
    refuse_members(tx, members, wards, field=field)


def belonging(tx: Transaction, partner_id: UUID | None) -> tuple[Query, Query]:
    """The look-ups of `refuse_own_partner`, to be sent together with others; `refuse_members` reads them."""
    return MEMBERS.query(partner_id=partner_id), own_matters.relating(tx)


def refuse_members(
    tx: Transaction, members: Sequence[tuple[Any, ...]], wards: Sequence[tuple[Any, ...]], *others: UUID, field: str
) -> None:
    """As `refuse_own_partner`, of what was found; also where it concerns `others`."""
    own_matters.refuse_related(tx, wards, *(user_id for (user_id,) in members), *others, field=field)


async def check_role(
    tx: Transaction, partner_id: UUID | None, roles: frozenset[PartnerMemberRole], *, field: str
) -> None:
    """Refuses unless the caller is on the partner with such a role, or staff who are not on it. In the rules' role.

    Called under the partner's lock: whoever has just lost the role does nothing more. Raises NotPartnerOwner, or
    NotPartnerManager.
    """
    (found,) = await tx.fetch(role_of(tx, partner_id))
    check_role_in(tx, found, roles, field=field)


def role_of(tx: Transaction, partner_id: UUID | None) -> Query:
    """The look-up of `check_role`, to be sent together with others; `check_role_in` reads it."""
    return membership(partner_id, tx.actor.user_id)


def check_role_in(
    tx: Transaction, found: Sequence[tuple[Any, ...]], roles: frozenset[PartnerMemberRole], *, field: str
) -> None:
    """As `check_role`, of what was found: no row where the caller is not on the partner."""
    # Staff who are on the partner themselves may do what their part in it lets them.
    if not found and tx.actor.is_staff:
        return
    if not found or found[0][0].role not in roles:
        raise (NotPartnerOwner if roles == OWNERS else NotPartnerManager)(field=field)


async def _check_owner(tx: RuleTransaction, partner: Partner, member: PartnerMember) -> None:
    """Refuses unless the caller is an owner of the partner, or staff, whose own matter it is not."""
    found, wards = await tx.fetch(role_of(tx, partner.id), own_matters.relating(tx))
    check_role_in(tx, found, OWNERS, field="partner_member_id")
    if not found:
        own_matters.refuse_related(tx, wards, member.user_id, field="partner_member_id")


async def _withdraw_invitations(tx: RuleTransaction, member: PartnerMember) -> None:
    """Call off what somebody sent who is an owner no more: nobody comes back by an invitation of their own."""
    withdrawn = await WITHDRAW.run(tx, of_partner=member.partner_id, by_user=member.user_id)
    for (key,) in withdrawn:
        publish(tx, Topic.PARTNER_INVITATION_CANCELLED, key, partner_id=member.partner_id)


async def _check_not_last(tx: Transaction, member: PartnerMember) -> None:
    if member.role != PartnerMemberRole.OWNER:
        return
    ((others,),) = await OTHER_OWNERS.all(tx, partner_id=member.partner_id, id=member.id)
    if not others:
        raise LastOwner(field="partner_member_id")
