"""Referrals, points and what they are converted to, as the API shows them."""

from __future__ import annotations

import models.referrals as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.Referral)
class Referral:
    pass


@mirror(m.PointsLedgerEntry)
class PointsLedgerEntry:
    pass


@mirror(m.PointsConversion)
class PointsConversion:
    pass


@mirror(m.SponsorDailyLimit)
class SponsorDailyLimit:
    pass


@mirror(m.SponsorContactBatch)
class SponsorContactBatch:
    pass


Query = root_fields(m.Referral, m.PointsLedgerEntry, m.PointsConversion, m.SponsorDailyLimit, m.SponsorContactBatch)
