"""Notifications, their templates and preferences, as the API shows them."""

from __future__ import annotations

import models.notifications as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
    m.NotificationTemplate,
    m.Notification,
    m.NotificationPreferences,
    m.NotificationAnalytics,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)
