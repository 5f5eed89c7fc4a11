"""Developers: plans, tokens and API usage, as the API shows them."""

from __future__ import annotations

import models.usage as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
    m.SubscriptionLimit,
    m.UserSubscription,
    m.UserToken,
    m.ApiUsage,
    m.UserReferral,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)
