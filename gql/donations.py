"""Donations, refunds, and what others see of them, as the API shows them."""

from __future__ import annotations

import models.donations as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.Donation)
class Donation:
    pass


@mirror(m.WaveWebhookEvent)
class WaveWebhookEvent:
    pass


@mirror(m.Refund)
class Refund:
    pass


@mirror(m.DonationAnalytics)
class DonationAnalytics:
    pass


@mirror(m.Contribution)
class Contribution:
    pass


Query = root_fields(m.Donation, m.WaveWebhookEvent, m.Refund, m.DonationAnalytics, unlisted=(m.Contribution,))
