"""Who may pay in, and for which DAO."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from lango.db import rows
from lango.db.prepared import Query
from lango.rules.rule import NotFound
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.treasury import Dao
from resolvers.kernel.ages import NotOfAge, aging, check_is_adult, minors_in
from resolvers.treasury.members import DaoNotActive, NotAMember, check_dao, demand_role, members_in, standing

REFUSALS = (NotOfAge, NotAMember, DaoNotActive)


async def check_payer(
    caller: CallerTransaction, dao_id: UUID | None, *others: Query
) -> tuple[RuleTransaction, list[list[Any]]]:
    """Takes the rules' role for an adult who pays in, for a DAO that is at work as one of its members; with what other
    look-ups give that are sent together with its own.

    Raises NotFound for a DAO that the caller does not see, NotOfAge, NotAMember and DaoNotActive.
    """
    dao = None
    if dao_id is not None:
        (seen,) = await caller.fetch(rows.finding(Dao, dao_id))
        if not seen:
            raise NotFound("There is no such DAO.", field="dao_id")
        dao = seen[0][0]
    tx = caller.as_rules()
    of_dao = [] if dao_id is None else [standing(dao_id, tx.user_id)]
    ages, *found = await tx.fetch(aging(tx.user_id), *of_dao, *others)
    check_is_adult(tx.user_id, minors_in(ages))
    if dao is not None:
        check_dao(dao, field="dao_id")
        demand_role(members_in(found.pop(0)), tx.user_id, field="dao_id")
    return tx, found
