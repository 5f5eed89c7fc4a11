"""Packs, the partners that offer them, and the campaigns that boost them, as the API shows them."""

from __future__ import annotations

import models.packs as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.packs import campaign_counters, campaigns, packs, partner_invitations, partner_members, partners

MODELS = (
    m.Pack,
    m.Partner,
    m.SponsorCampaign,
    m.PartnerMember,
    m.PartnerInvitation,
    m.PublicPartner,
    m.ActiveCampaign,
)
mirrors(*MODELS)

Mutation = mutations(
    partners.register_partner,
    partners.update_partner,
    partners.set_partner_terms,
    partners.verify_partner,
    partners.suspend_partner,
    partners.reinstate_partner,
    partners.terminate_partner,
    partner_invitations.invite_partner_member,
    partner_invitations.accept_partner_invitation,
    partner_invitations.decline_partner_invitation,
    partner_invitations.cancel_partner_invitation,
    partner_members.change_partner_member_role,
    partner_members.remove_partner_member,
    packs.create_pack,
    packs.update_pack,
    packs.publish_pack,
    packs.withdraw_pack,
    campaigns.create_campaign,
    campaigns.update_campaign,
    campaigns.start_campaign,
    campaigns.pause_campaign,
    campaigns.complete_campaign,
    campaign_counters.record_campaign_impression,
    campaign_counters.record_campaign_click,
)


Query = root_fields(*MODELS)
