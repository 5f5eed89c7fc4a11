"""Who acts for a partner: one of its owners always stays, and what each member may do hangs on the role."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, func, literal_column, or_, update

from lango.db.prepared import Lookup, Prepared
from lango.db.session import Transaction
from lango.errors import Refused
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.packs import (
    Partner,
    PartnerInvitation,
    PartnerInvitationStatus,
    PartnerMember,
    PartnerMemberRole,
)
from models.topics import Topic
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter

OWNERS = frozenset({PartnerMemberRole.OWNER})
MANAGERS = OWNERS | {PartnerMemberRole.MANAGER}


class NotPartnerOwner(Refused):
    """Only the partner's owners may do this."""


class NotPartnerManager(Refused):
    """Only the partner's owners and managers may do this."""


class AlreadyMember(Refused):
    """You act for the partner already: one of its owners can change your role."""


class LastOwner(Refused):
    """A partner keeps one owner: make somebody else an owner first."""


@rule(NotFound, NotPartnerOwner, OwnMatter, LastOwner)
async def change_role(caller: CallerTransaction, partner_member_id: UUID, role: PartnerMemberRole) -> PartnerMember:
    """Change what a member may do for a partner, which keeps one owner. Its owners, or staff."""
    member, _ = await _member_held(caller, partner_member_id)
    tx = await caller.as_rules()
    if role != PartnerMemberRole.OWNER:
        await _check_not_last(tx, member)
        await _withdraw_invitations(tx, member)
    member.role = role
    await tx.save(member)
    return member


@rule(NotFound, NotPartnerOwner, OwnMatter, LastOwner)
async def remove_member(caller: CallerTransaction, partner_member_id: UUID) -> Partner:
    """Have somebody act for a partner no longer; it keeps one owner. Its owners, the member, or staff."""
    member, partner = await _member_held(caller, partner_member_id, also_oneself=True)
    tx = await caller.as_rules()
    await _check_not_last(tx, member)
    await _withdraw_invitations(tx, member)
    await REMOVE.run(tx, id=member.id)
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


async def hold(caller: CallerTransaction, partner_id: UUID, roles: frozenset[PartnerMemberRole] = OWNERS) -> Partner:
    """The partner, locked, in the rules' role, for one of its members with such a role, or staff.

    Raises NotFound for whoever does not act for it, NotPartnerOwner and NotPartnerManager. The role is read under the
    lock: whoever has just lost it does nothing more.
    """
    if await caller.find(Partner, partner_id) is None:
        raise NotFound("There is no such partner.", field="partnerId")
    tx = await caller.as_rules()
    partner = await tx.lock(Partner, partner_id)
    await check_role(tx, partner_id, roles, field="partnerId")
    return partner


async def hold_of_pack(tx: RuleTransaction, partner_id: UUID) -> Partner:
    """As `hold`, in the rules' role already, for a pack that the caller sees: everyone sees those on offer."""
    partner = await tx.lock(Partner, partner_id)
    await check_role(tx, partner_id, MANAGERS, field="packId")
    return partner


async def member_of(tx: Transaction, partner_id: UUID, user_id: UUID) -> PartnerMember | None:
    """What somebody is for a partner. In the rules' role."""
    found = await MEMBER.one(tx, partner_id=partner_id, user_id=user_id)
    return found[0] if found else None


async def members_of(tx: Transaction, partner_id: UUID | None) -> list[UUID]:
    """The users who act for a partner. In the rules' role."""
    return [user_id for (user_id,) in await MEMBERS.all(tx, partner_id=partner_id)]


async def managers_of(tx: Transaction, partner_id: UUID) -> list[UUID]:
    """Its owners and managers, who are told what concerns its money. In the rules' role."""
    return [user_id for (user_id,) in await ITS_MANAGERS.all(tx, partner_id=partner_id)]


async def refuse_own_partner(tx: Transaction, partner_id: UUID, *, field: str) -> None:
    """Raises OwnMatter where the caller, or whom the caller acts for, is on the partner. In the rules' role."""
    await refuse_own_matter(tx, *await members_of(tx, partner_id), field=field)


async def refuse_own_part(tx: Transaction, by: UUID, partner_id: UUID, *user_ids: UUID, field: str) -> None:
    """Where `by` is not on the partner, and acts for it as staff: raises OwnMatter where one of these users is the
    caller, or somebody whom one person acts for together with the caller. In the rules' role."""
    if await member_of(tx, partner_id, by) is None:
        await refuse_own_matter(tx, *user_ids, field=field)


async def check_role(tx: Transaction, partner_id: UUID, roles: frozenset[PartnerMemberRole], *, field: str) -> None:
    """Refuses unless the caller is on the partner with such a role, or staff who are not on it. In the rules' role."""
    found = await MEMBER.one(tx, partner_id=partner_id, user_id=tx.actor.user_id)
    # Staff who are on the partner themselves may do what their part in it lets them.
    if found is None and tx.actor.is_staff:
        return
    if found is None or found[0].role not in roles:
        raise (NotPartnerOwner if roles == OWNERS else NotPartnerManager)(field=field)


async def _member_held(
    caller: CallerTransaction, partner_member_id: UUID, *, also_oneself: bool = False
) -> tuple[PartnerMember, Partner]:
    """The member, and the partner, locked: none of its members comes or goes until the transaction ends."""
    seen = await caller.find(PartnerMember, partner_member_id)
    if seen is None:
        raise NotFound("There is no such member.", field="partnerMemberId")
    tx = await caller.as_rules()
    partner = await tx.lock(Partner, seen.partner_id)
    # Read again: somebody may have removed the member before the lock.
    member = await tx.find(PartnerMember, partner_member_id)
    if member is None:
        raise NotFound("There is no such member.", field="partnerMemberId")
    if not (also_oneself and member.user_id == tx.actor.user_id):
        await check_role(tx, member.partner_id, OWNERS, field="partnerMemberId")
        assert tx.actor.user_id is not None
        await refuse_own_part(tx, tx.actor.user_id, partner.id, member.user_id, field="partnerMemberId")
    return member, partner


async def _withdraw_invitations(tx: RuleTransaction, member: PartnerMember) -> None:
    """Call off what somebody sent who is an owner no more: nobody comes back by an invitation of their own."""
    withdrawn = await WITHDRAW.run(tx, of_partner=member.partner_id, by_user=member.user_id)
    for row in withdrawn:
        await publish(tx, Topic.PARTNER_INVITATION_CANCELLED, row["id"], partner_id=member.partner_id)


async def _check_not_last(tx: Transaction, member: PartnerMember) -> None:
    if member.role != PartnerMemberRole.OWNER:
        return
    ((others,),) = await OTHER_OWNERS.all(tx, partner_id=member.partner_id, id=member.id)
    if not others:
        raise LastOwner(field="partnerMemberId")
