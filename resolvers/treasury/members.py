"""Who belongs to a DAO, and what their role lets them do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam

from lango.db.prepared import Lookup, Query
from lango.errors import Refused
from models.identity import User
from models.treasury import Dao, DaoMember, DaoMemberRole, DaoMemberStatus, DaoStatus

# Who runs a DAO, and who may propose what its money is spent on.
MANAGES = frozenset({DaoMemberRole.ADMIN})
PROPOSES = frozenset({DaoMemberRole.PROPOSER, DaoMemberRole.ELDER, DaoMemberRole.ADMIN})
# From least to most.
ROLES = list(DaoMemberRole)


class NotAMember(Refused):
    """Only an approved member of this DAO may do this."""


class RoleTooLow(Refused):
    """Your role in this DAO does not allow this."""


class DaoNotActive(Refused):
    """This DAO is not at work: it was suspended or closed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands in a DAO."""

    role: DaoMemberRole
    status: DaoMemberStatus
    # Whether the account is active, and not deleted.
    is_active: bool

    @property
    def counts(self) -> bool:
        """Whether they are a member with all rights of their role."""
        return self.status == DaoMemberStatus.APPROVED and self.is_active


MEMBERS = Lookup(
    [DaoMember.user_id, DaoMember.role, DaoMember.status, User.is_active & User.deleted_at.is_(None)],
    lambda rows: rows.join(User, User.id == DaoMember.user_id).where(
        DaoMember.dao_id == bindparam("dao_id"), DaoMember.user_id == any_(bindparam("user_ids", type_=ARRAY(Uuid)))
    ),
)


def standing(dao_id: UUID, *user_ids: UUID) -> Query:
    """The look-up of where these users stand in a DAO, to be sent together with others; `members_in` reads it.

    In the rules' role. Send it after what locks the DAO, where what it says must last.
    """
    return MEMBERS.query(dao_id=dao_id, user_ids=sorted(set(user_ids)))


def members_in(found: Sequence[tuple[Any, ...]]) -> dict[UUID, Standing]:
    """By user; who never asked to join is not in it."""
    return {
        user_id: Standing(DaoMemberRole(role), DaoMemberStatus(status), active)
        for user_id, role, status, active in found
    }


def demand_role(
    members: Mapping[UUID, Standing], user_id: UUID, roles: Collection[DaoMemberRole] | None = None, *, field: str
) -> None:
    """Raises NotAMember unless they are an approved member, and RoleTooLow unless they have one of these roles."""
    member = members.get(user_id)
    if member is None or not member.counts:
        raise NotAMember(field=field)
    if roles is not None and member.role not in roles:
        needed = next(role for role in ROLES if role in roles)
        raise RoleTooLow(field=field, needs=needed)


def check_dao(dao: Dao, *, field: str) -> None:
    """Raises DaoNotActive where it is suspended, archived or deleted."""
    if dao.status != DaoStatus.ACTIVE or dao.deleted_at is not None:
        raise DaoNotActive(field=field)
