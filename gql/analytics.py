"""Events, metrics, funnels and A/B tests, as the API shows them."""

from __future__ import annotations

import models.analytics as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
    m.AnalyticsEvent,
    m.BusinessMetric,
    m.FunnelAnalytics,
    m.AbTest,
    m.AbTestAssignment,
    m.RunningTest,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)
