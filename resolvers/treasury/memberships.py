"""Who belongs to a DAO: people join, are let in and shut out, and leave; an admin always stays."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, any_, bindparam, func
from sqlalchemy import types as sql

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Id, Locked, Named, Referred, Seen, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from lango.security.rate_limits import take
from lango.values import codes
from models.identity import User
from models.topics import Topic
from models.treasury import Dao, DaoAccess, DaoMember, DaoMemberRole, DaoMemberStatus, DaoStatus
from resolvers.kernel import clock
from resolvers.kernel.notifications import FirstName, notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.steps import step
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.treasury.limits import DAO_JOINS
from resolvers.treasury.members import (
    MANAGES,
    DaoNotActive,
    NotAMember,
    RoleTooLow,
    check_dao,
    demand_role,
    members_in,
    standing,
)
from resolvers.treasury.treasuries import locking_treasury, treasury_in

Role, Status = DaoMemberRole, DaoMemberStatus
# Who lets people in.
ADMITS = frozenset({Role.ELDER, Role.ADMIN})
LONGEST_CODE, LONGEST_REASON = 64, 2_000
NO_SUCH_DAO = "There is no such DAO."


class DaoNotNamed(Refused):
    """Say which DAO to join: a public one by its id, or any by its invite code."""


class InviteCodeInvalid(Refused):
    """This invite code lets nobody join: ask a member of the DAO for its code."""


class AlreadyMember(Refused):
    """You are a member of this DAO already, or have requested to be."""


class Banned(Refused):
    """You were shut out of this DAO: one of its admins can lift that."""


class LastAdmin(Refused):
    """A DAO needs at least one admin: make somebody else an admin first."""


class MemberIsSigner(Refused):
    """Signers of the treasury belong to its DAO: the signers must agree to remove them first."""


class TreasuryNotEmpty(Refused):
    """The DAO holds money still: have it paid out first."""


class Oneself(Refused):
    """You cannot do this to yourself."""


THEIRS = (DaoMember.dao_id == bindparam("dao_id"), DaoMember.user_id == bindparam("user_id"))
MEMBER = Lookup([DaoMember.id], lambda found: found.where(*THEIRS))
LOCKED = Lookup([DaoMember], lambda found: found.where(*THEIRS).with_for_update(key_share=True))
APPROVED = (DaoMember.dao_id == bindparam("dao_id"), DaoMember.status == Status.APPROVED)
ADMINS = Lookup([DaoMember.user_id], lambda found: found.where(*APPROVED, DaoMember.role == Role.ADMIN))
# How many others are approved members, and how many of those run the DAO: who is suspended runs nothing.
OTHERS = Lookup(
    [
        func.count(),
        func.count().filter(DaoMember.role == Role.ADMIN, User.is_active, User.deleted_at.is_(None)),
    ],
    lambda found: (
        found.select_from(DaoMember)
        .join(User, User.id == DaoMember.user_id)
        .where(*APPROVED, DaoMember.user_id != bindparam("user_id"))
    ),
)
CODE = Lookup([Dao.invite_code], lambda found: found.where(Dao.id == bindparam("id"), Dao.deleted_at.is_(None)))
BY_CODE = Lookup(
    [Dao.id],
    lambda found: found.where(
        Dao.invite_code == any_(bindparam("readings", type_=ARRAY(sql.Text))), Dao.deleted_at.is_(None)
    ),
)


# The code is the right: whoever guesses at it has few tries.
@rule(NotFound, DaoNotNamed, InviteCodeInvalid, AlreadyMember, Banned, DaoNotActive, once_an_operation=True)
async def join_dao(
    caller: CallerTransaction,
    dao_id: Annotated[UUID | None, Id(Dao, "A public DAO, whose admins and elders then let you in.")] = None,
    invite_code: Annotated[
        str | None, Text("The invite code of a DAO, also of a private one: it lets you in at once.", LONGEST_CODE)
    ] = None,
) -> Annotated[DaoMember, Named("member")]:
    """Join a DAO by its invite code, or request to join a public one.

    Also for who was declined before, or has left. Within an hour one may try 20 times.
    """
    if (dao_id is None) == (invite_code is None):
        raise DaoNotNamed
    await take(caller.services.pipeline, (DAO_JOINS, str(caller.user_id)))
    member = await (_requested(caller, dao_id) if dao_id is not None else _joined(caller.as_rules(), invite_code or ""))
    caller.open_to_caller(member.id)
    return member


@rule(NotAMember, RoleTooLow, DaoNotActive, InvalidState)
async def approve_member(
    tx: RuleTransaction,
    # Locked as well: its members are counted, and none of its admins goes meanwhile.
    dao: Annotated[Dao, Referred(DaoMember.dao_id)],
    member: Annotated[DaoMember, Locked("The request to join.")],
) -> DaoMember:
    """Let somebody in who has requested to join. The DAO's admins and elders."""
    await check_role(tx, dao.id, ADMITS, field="member_id")
    check_dao(dao, field="member_id")
    _check_status(member, Status.PENDING)
    _let_in(dao, member)
    tx.save(member, dao)
    _announce(tx, Topic.DAO_MEMBER_APPROVED, member)
    notify(tx, member.user_id, "dao_membership_approved", dao_name=dao.name)
    return member


@rule(NotAMember, RoleTooLow, InvalidState)
async def reject_member(
    tx: RuleTransaction,
    dao: Annotated[Dao, Referred(DaoMember.dao_id)],
    member: Annotated[DaoMember, Locked("The request to join.")],
) -> DaoMember:
    """Decline a request to join, which may be made again. The DAO's admins and elders."""
    await check_role(tx, dao.id, ADMITS, field="member_id")
    _check_status(member, Status.PENDING)
    step(member, Status.REJECTED, field="member_id")
    tx.save(member)
    _announce(tx, Topic.DAO_MEMBER_REJECTED, member)
    notify(tx, member.user_id, "dao_membership_rejected", dao_name=dao.name)
    return member


@rule(NotAMember, RoleTooLow, DaoNotActive, InvalidState, LastAdmin)
async def change_member_role(
    tx: RuleTransaction,
    dao: Annotated[Dao, Referred(DaoMember.dao_id)],
    member: Annotated[DaoMember, Locked("The approved member.")],
    role: Annotated[DaoMemberRole, Value("What they may do from now on.")],
) -> DaoMember:
    """Change what a member may do in a DAO, which keeps an admin. Its admins.

    Who signs for its treasury is decided by the signers, and hangs on no role.
    """
    members, ((_, other_admins),) = await tx.fetch(
        standing(dao.id, tx.user_id), OTHERS.query(dao_id=dao.id, user_id=member.user_id)
    )
    demand_role(members_in(members), tx.user_id, MANAGES, field="member_id")
    check_dao(dao, field="member_id")
    _check_status(member, Status.APPROVED)
    if member.role == Role.ADMIN and role != Role.ADMIN and not other_admins:
        raise LastAdmin(field="member_id")
    member.role = role
    tx.save(member)
    _announce(tx, Topic.DAO_MEMBER_ROLE_CHANGED, member)
    return member


@rule(NotFound, InvalidState, LastAdmin, MemberIsSigner, TreasuryNotEmpty)
async def leave_dao(
    tx: RuleTransaction, dao_id: Annotated[UUID, Id(Dao, "The DAO to leave, or which one has requested to join.")]
) -> Annotated[DaoMember, Named("member")]:
    """Leave a DAO, or take a request to join it back.

    It keeps an admin, and no signer leaves before the signers have removed them. The last member closes the DAO with
    that, for good, once its treasury is empty.
    """
    # Who has only requested to join does not see the row, and not always the DAO. Strangers lock nothing.
    if not await MEMBER.all(tx, dao_id=dao_id, user_id=tx.user_id):
        raise NotFound(NO_SUCH_DAO, field="dao_id")
    member: DaoMember
    ((dao,),), found, ((member,),), ((others, other_admins),) = await tx.fetch(
        rows.locking(Dao, dao_id), locking_treasury(dao_id), LOCKED.query(dao_id=dao_id, user_id=tx.user_id),
        OTHERS.query(dao_id=dao_id, user_id=tx.user_id),
    )  # fmt: skip
    if member.status not in (Status.APPROVED, Status.PENDING):
        raise InvalidState(f"Your membership is {member.status}.", field="dao_id", state=member.status)
    treasury = treasury_in(found, field="dao_id")
    is_open = dao.status != DaoStatus.ARCHIVED and dao.deleted_at is None
    if member.status == Status.APPROVED and is_open and others:
        if member.role == Role.ADMIN and not other_admins:
            raise LastAdmin(field="dao_id")
        if member.user_id in treasury.signers:
            raise MemberIsSigner(field="dao_id")
    elif member.status == Status.APPROVED and is_open:
        if treasury.total_balance:
            raise TreasuryNotEmpty(field="dao_id")
        step(dao, DaoStatus.ARCHIVED, field="dao_id")
        publish(tx, Topic.DAO_ARCHIVED, dao.id)
    _let_go(dao, member, Status.LEFT, field="dao_id")
    tx.save(member, dao)
    _announce(tx, Topic.DAO_MEMBER_LEFT, member)
    tx.open_to_caller(member.id)
    return member


@rule(NotAMember, RoleTooLow, Oneself, InvalidState, MemberIsSigner, TextMissing)
async def ban_member(
    tx: RuleTransaction,
    member: Annotated[DaoMember, Seen("Who is to be shut out: a member, or somebody who was or wishes to be one.")],
    reason: Annotated[str, Text("Why, for the member to read.", LONGEST_REASON)],
) -> DaoMember:
    """Shut somebody out of a DAO, also from its invite code. Its admins.

    No signer is banned before the signers have removed them, or an admin would decide alone who signs.
    """
    check_text(reason, field="reason")
    ((dao,),), found, ((member,),), members = await tx.fetch(
        rows.locking(Dao, member.dao_id), locking_treasury(member.dao_id), rows.locking(DaoMember, member.id),
        standing(member.dao_id, tx.user_id),
    )  # fmt: skip
    # An admin stays: whoever does this.
    demand_role(members_in(members), tx.user_id, MANAGES, field="member_id")
    if member.user_id == tx.user_id:
        raise Oneself(field="member_id")
    if member.user_id in treasury_in(found, field="member_id").signers:
        raise MemberIsSigner(field="member_id")
    _let_go(dao, member, Status.BANNED, field="member_id")
    member.status_reason = reason.strip()
    tx.save(member, dao)
    _announce(tx, Topic.DAO_MEMBER_BANNED, member)
    notify(tx, member.user_id, "dao_banned", dao_name=dao.name, reason=member.status_reason)
    return member


@rule(NotAMember, RoleTooLow, DaoNotActive, InvalidState, TextMissing)
async def readmit_member(
    tx: RuleTransaction,
    dao: Annotated[Dao, Referred(DaoMember.dao_id)],
    member: Annotated[DaoMember, Locked("Who was banned.")],
    reason: Annotated[str, Text("Why, for the members to read.", LONGEST_REASON)],
) -> DaoMember:
    """Lift a ban: they are a member again, without a role. The DAO's admins."""
    check_text(reason, field="reason")
    await check_role(tx, dao.id, MANAGES, field="member_id")
    check_dao(dao, field="member_id")
    _check_status(member, Status.BANNED)
    _let_in(dao, member)
    member.status_reason = reason.strip()
    tx.save(member, dao)
    _announce(tx, Topic.DAO_MEMBER_READMITTED, member)
    return member


async def check_role(tx: RuleTransaction, dao_id: UUID, roles: Collection[DaoMemberRole], *, field: str) -> None:
    """Refuses unless the caller is an approved member with such a role. Called under the DAO's lock: whoever has just
    lost the role does nothing more. Raises NotAMember and RoleTooLow."""
    (found,) = await tx.fetch(standing(dao_id, tx.user_id))
    demand_role(members_in(found), tx.user_id, roles, field=field)


async def _requested(caller: CallerTransaction, dao_id: UUID) -> DaoMember:
    """The caller's request to join a public DAO, of which its admins are notified."""
    if await rows.find(caller, Dao, dao_id) is None:
        raise NotFound(NO_SUCH_DAO, field="dao_id")
    tx = caller.as_rules()
    ((dao,),), theirs, ((now,),), admins = await tx.fetch(
        rows.locking(Dao, dao_id), LOCKED.query(dao_id=dao_id, user_id=tx.user_id), clock.reading(),
        ADMINS.query(dao_id=dao_id),
    )  # fmt: skip
    # Also for staff, who see it, and where it has just become private; its members see it.
    if dao.access == DaoAccess.PRIVATE and [row.status for (row,) in theirs] != [Status.APPROVED]:
        raise NotFound(NO_SUCH_DAO, field="dao_id")
    member = _comer(theirs, dao, tx.user_id, Status.PENDING, field="dao_id")
    member.status, member.joined_at = Status.PENDING, now
    tx.save(member)
    _announce(tx, Topic.DAO_MEMBER_REQUESTED, member)
    for (user_id,) in admins:
        notify(tx, user_id, "dao_membership_requested", user_name=FirstName(tx.user_id), dao_name=dao.name)
    return member


async def _joined(tx: RuleTransaction, invite_code: str) -> DaoMember:
    """The membership of a caller who has a DAO's code."""
    readings = codes.readings(invite_code)
    found = await BY_CODE.one(tx, readings=readings)
    if found is None:
        raise InviteCodeInvalid(field="invite_code")
    (key,) = found
    ((dao,),), theirs, code, ((now,),) = await tx.fetch(
        rows.locking(Dao, key), LOCKED.query(dao_id=key, user_id=tx.user_id), CODE.query(id=key), clock.reading()
    )
    # Read again under the lock: it may have been replaced meanwhile.
    if not _is_code(code, readings):
        raise InviteCodeInvalid(field="invite_code")
    member = _comer(theirs, dao, tx.user_id, field="invite_code")
    member.joined_at = now
    _let_in(dao, member)
    tx.save(member, dao)
    _announce(tx, Topic.DAO_MEMBER_JOINED, member)
    return member


def _comer(
    theirs: Sequence[tuple[Any, ...]], dao: Dao, user_id: UUID, *already: DaoMemberStatus, field: str
) -> DaoMember:
    """The row of somebody who comes to a locked DAO, a new one for who never came. Raises DaoNotActive, Banned, and
    AlreadyMember for a member, and in the states in which there is nothing more to do."""
    check_dao(dao, field=field)
    if not theirs:
        return DaoMember(id=uuid4(), dao_id=dao.id, user_id=user_id, role=Role.MEMBER)
    member: DaoMember = theirs[0][0]
    if member.status == Status.BANNED:
        raise Banned(field=field)
    if member.status in (Status.APPROVED, *already):
        raise AlreadyMember(field=field, state=member.status)
    return member


def _is_code(found: Sequence[tuple[Any, ...]], readings: Sequence[str]) -> bool:
    """Whether that is the DAO's code, in the same time whichever letter differs."""
    kept = found[0][0] if found else None
    return kept is not None and any(hmac.compare_digest(kept.encode(), each.encode()) for each in readings)


def _check_status(member: DaoMember, status: DaoMemberStatus) -> None:
    """Raises InvalidState for a membership in another state: more than one leads to `APPROVED`."""
    if member.status != status:
        raise InvalidState(f"The membership is {member.status}.", field="member_id", state=member.status)


def _let_in(dao: Dao, member: DaoMember) -> None:
    member.status = Status.APPROVED
    dao.member_count += 1


def _let_go(dao: Dao, member: DaoMember, following: DaoMemberStatus, *, field: str) -> None:
    """End a membership, or a request for one. Who comes back by whatever way has no role. Raises InvalidState."""
    dao.member_count -= member.status == Status.APPROVED
    step(member, following, field=field)
    member.role = Role.MEMBER


def _announce(tx: RuleTransaction, topic: Topic, member: DaoMember) -> None:
    publish(tx, topic, member.id, dao_id=member.dao_id, user_id=member.user_id)
