"""Events, metrics, funnels and A/B tests, as the API shows them."""

from __future__ import annotations

import models.analytics as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.AnalyticsEvent)
class AnalyticsEvent:
    pass


@mirror(m.BusinessMetric)
class BusinessMetric:
    pass


@mirror(m.FunnelAnalytics)
class FunnelAnalytics:
    pass


@mirror(m.AbTest)
class AbTest:
    pass


@mirror(m.AbTestAssignment)
class AbTestAssignment:
    pass


@mirror(m.RunningTest)
class RunningTest:
    pass


Query = root_fields(m.AnalyticsEvent, m.BusinessMetric, m.FunnelAnalytics, m.AbTest, m.AbTestAssignment, m.RunningTest)
