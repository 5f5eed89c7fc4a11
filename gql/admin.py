"""Feature flags, configuration, the audit log and the health of services, as the API shows them."""

from __future__ import annotations

import models.admin as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.admin import accounts, sessions

MODELS = (
    m.FeatureFlag,
    m.SystemConfig,
    m.AuditLog,
    m.SystemHealthCheck,
    m.AdminSession,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)

Mutation = mutations(
    accounts.suspend_user,
    accounts.reactivate_user,
    accounts.unlock_user,
    accounts.resolve_security_event,
    sessions.start_admin_session,
    sessions.terminate_admin_session,
    in_person=True,
)
