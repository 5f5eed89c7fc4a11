"""Developers: plans, tokens and API usage, as the API shows them."""

from __future__ import annotations

import models.usage as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.SubscriptionLimit)
class SubscriptionLimit:
    pass


@mirror(m.UserSubscription)
class UserSubscription:
    pass


@mirror(m.UserToken)
class UserToken:
    pass


@mirror(m.ApiUsage)
class ApiUsage:
    pass


@mirror(m.UserReferral)
class UserReferral:
    pass


Query = root_fields(m.SubscriptionLimit, m.UserSubscription, m.UserToken, m.ApiUsage, m.UserReferral)
