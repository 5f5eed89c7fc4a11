"""Notifications, their templates and preferences, as the API shows them."""

from __future__ import annotations

import models.notifications as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.NotificationTemplate)
class NotificationTemplate:
    pass


@mirror(m.Notification)
class Notification:
    pass


@mirror(m.NotificationPreferences)
class NotificationPreferences:
    pass


@mirror(m.NotificationAnalytics)
class NotificationAnalytics:
    pass


Query = root_fields(m.NotificationTemplate, m.Notification, m.NotificationPreferences, m.NotificationAnalytics)
