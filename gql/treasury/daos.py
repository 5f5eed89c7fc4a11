"""DAOs and who belongs to them, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.treasury import contributions, daos, memberships, transfers

MODELS = (m.Dao, m.DaoMember)
mirrors(*MODELS)

Query = root_fields(*MODELS)

Mutation = mutations(
    daos.create_dao,
    daos.update_dao,
    daos.rotate_dao_invite_code,
    daos.suspend_dao,
    daos.reinstate_dao,
    daos.archive_dao,
    memberships.join_dao,
    memberships.approve_member,
    memberships.reject_member,
    memberships.change_member_role,
    memberships.leave_dao,
    memberships.ban_member,
    memberships.readmit_member,
    contributions.contribute_to_dao,
    transfers.transfer_funds,
)
