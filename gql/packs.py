"""Packs, the partners that offer them, and the campaigns that boost them, as the API shows them."""

from __future__ import annotations

import models.packs as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.Pack)
class Pack:
    pass


@mirror(m.Partner)
class Partner:
    pass


@mirror(m.SponsorCampaign)
class SponsorCampaign:
    pass


@mirror(m.PartnerMember)
class PartnerMember:
    pass


@mirror(m.PublicPartner)
class PublicPartner:
    pass


@mirror(m.ActiveCampaign)
class ActiveCampaign:
    pass


Query = root_fields(m.Pack, m.Partner, m.SponsorCampaign, m.PartnerMember, m.PublicPartner, m.ActiveCampaign)
