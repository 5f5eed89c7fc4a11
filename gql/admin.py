"""Feature flags, configuration, the audit log and the health of services, as the API shows them."""

from __future__ import annotations

import models.admin as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.FeatureFlag)
class FeatureFlag:
    pass


@mirror(m.SystemConfig)
class SystemConfig:
    pass


@mirror(m.AuditLog)
class AuditLog:
    pass


@mirror(m.SystemHealthCheck)
class SystemHealthCheck:
    pass


@mirror(m.AdminSession)
class AdminSession:
    pass


Query = root_fields(m.FeatureFlag, m.SystemConfig, m.AuditLog, m.SystemHealthCheck, m.AdminSession)
