"""Feature flags, configuration, the audit log and the health of services, as the API shows them."""

from __future__ import annotations

import models.admin as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
    m.FeatureFlag,
    m.SystemConfig,
    m.AuditLog,
    m.SystemHealthCheck,
    m.AdminSession,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)
