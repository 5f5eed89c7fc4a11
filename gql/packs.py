"""Packs, the partners that offer them, and the campaigns that boost them, as the API shows them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import strawberry

import models.packs as m
from gql.kit.inputs import id_of, key_input, text_input, value_input
from gql.kit.mirror import mirror
from gql.kit.mutation import mutation
from gql.kit.roots import root_fields
from resolvers.packs import packs, partner_invitations, partner_members, partners


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


@mirror(m.PartnerInvitation)
class PartnerInvitation:
    pass


@mirror(m.PublicPartner)
class PublicPartner:
    pass


@mirror(m.ActiveCampaign)
class ActiveCampaign:
    pass


PARTNER = "The partner."
CLEARED = " Null for none."


@strawberry.input(description="A place where a partner's packs are redeemed.")
class VenueInput:
    id: str | None = text_input("What the till calls it; made up where it is left out.", max_length=100)
    name: str = text_input("What it is called; no other venue of the partner is.", max_length=255, required=True)
    address: str | None = text_input("Where it is.", max_length=500)


@strawberry.input(description="What `registerPartner` takes.")
class RegisterPartnerInput:
    name: str = text_input("The name over the door.", max_length=255, required=True)
    type: str = text_input(
        "What kind of place it is, such as `cinema`, `restaurant`, `spa` or `retail`.", max_length=50, required=True
    )
    description: str | None = text_input("What the partner says of itself.", max_length=5000)
    contact_name: str | None = text_input("Whom to ask for.", max_length=255)
    contact_email: str | None = text_input("Where to write to.", max_length=255)
    contact_phone: str | None = text_input("The number to call.", max_length=20)
    business_registration: str | None = text_input("The number in the register of businesses.", max_length=100)
    tax_id: str | None = text_input("The number at the tax office.", max_length=50)
    venues: list[VenueInput] | None = value_input("The places where its packs are redeemed.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `updatePartner` takes: what is left out stays as it is.")
class UpdatePartnerInput:
    partner_id: strawberry.ID = id_of(m.Partner, PARTNER)
    name: str | None = text_input("The name over the door.", max_length=255)
    type: str | None = text_input("What kind of place it is.", max_length=50)
    description: str | None = text_input(f"What it says of itself.{CLEARED}", max_length=5000, clears=True)
    contact_name: str | None = text_input(f"Whom to ask for.{CLEARED}", max_length=255, clears=True)
    contact_email: str | None = text_input(f"Where to write to.{CLEARED}", max_length=255, clears=True)
    contact_phone: str | None = text_input(f"The number to call.{CLEARED}", max_length=20, clears=True)
    business_registration: str | None = text_input(
        f"The number in the register of businesses.{CLEARED}", max_length=100, clears=True
    )
    tax_id: str | None = text_input(f"The number at the tax office.{CLEARED}", max_length=50, clears=True)
    venues: list[VenueInput] | None = value_input(
        f"The places where its packs are redeemed, all of them anew; keep their ids.{CLEARED}", clears=True
    )
    payment_terms: m.PartnerPaymentTerms | None = value_input("How often it is paid.")
    minimum_payout_cfa: int | None = value_input("The least that is paid out, in CFA francs; less is carried over.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `setPartnerTerms` takes: what is left out stays as it is.")
class SetPartnerTermsInput:
    partner_id: strawberry.ID = id_of(m.Partner, PARTNER)
    revenue_split_percentage: Decimal | None = value_input("The partner's part of a price in percent, 0-100.")
    auto_approve_redemptions: bool | None = value_input("Whether its settlements are approved without staff.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `verifyPartner` takes.")
class VerifyPartnerInput:
    partner_id: strawberry.ID = id_of(m.Partner, "The partner that may begin.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `suspendPartner` takes.")
class SuspendPartnerInput:
    partner_id: strawberry.ID = id_of(m.Partner, "The partner to stop for now.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `reinstatePartner` takes.")
class ReinstatePartnerInput:
    partner_id: strawberry.ID = id_of(m.Partner, "The partner that may go on.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `terminatePartner` takes.")
class TerminatePartnerInput:
    partner_id: strawberry.ID = id_of(m.Partner, "The partner to refuse, or to end with for good.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `invitePartnerMember` takes: a phone number or an email address.")
class InvitePartnerMemberInput:
    partner_id: strawberry.ID = id_of(m.Partner, PARTNER)
    role: m.PartnerMemberRole = value_input("What they may do for it.", required=True)
    phone: str | None = text_input("The phone number of who is invited.", max_length=50)
    email: str | None = text_input("The email address of who is invited.", max_length=255)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `acceptPartnerInvitation` takes.")
class AcceptPartnerInvitationInput:
    invitation_id: strawberry.ID = id_of(m.PartnerInvitation, "The invitation to one's own contact.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `declinePartnerInvitation` takes.")
class DeclinePartnerInvitationInput:
    invitation_id: strawberry.ID = id_of(m.PartnerInvitation, "The invitation to one's own contact.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `cancelPartnerInvitation` takes.")
class CancelPartnerInvitationInput:
    invitation_id: strawberry.ID = id_of(m.PartnerInvitation, "The invitation that is not answered yet.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `changePartnerMemberRole` takes.")
class ChangePartnerMemberRoleInput:
    partner_member_id: strawberry.ID = id_of(m.PartnerMember, "The member.")
    role: m.PartnerMemberRole = value_input("What they may do from now on.", required=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `removePartnerMember` takes.")
class RemovePartnerMemberInput:
    partner_member_id: strawberry.ID = id_of(m.PartnerMember, "The member who no longer acts for the partner.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `createPack` takes.")
class CreatePackInput:
    partner_id: strawberry.ID = id_of(m.Partner, "The partner that redeems it.")
    name: str = text_input("What it is called where it is offered.", max_length=255, required=True)
    description: str = text_input("What one gets for it.", max_length=5000, required=True)
    category: str = text_input("What kind of treat it is, such as `cinema` or `spa`.", max_length=50, required=True)
    base_price_cfa: int = value_input("The full price in CFA francs.", required=True)
    discounted_price_cfa: int | None = value_input("The price that is paid instead, below the full one.")
    available_from: date | None = value_input("The first day on which codes are issued for it.")
    available_until: date | None = value_input("The last day on which codes are issued for it.")
    max_redemptions_per_user: int | None = value_input(
        "How many codes one user may have for it: 1 where it is left out, null for no limit.", clears=True
    )
    total_available_quantity: int | None = value_input("How many codes there may be in all.")
    image_url: str | None = text_input("Where the main picture is.", max_length=500)
    gallery_images: list[str] | None = text_input("Where further pictures are.", max_length=500)
    venue_restrictions: list[str] | None = text_input(
        "The ids or names of the partner's venues where it may be redeemed; all where it is left out.", max_length=255
    )
    terms_and_conditions: str | None = text_input("What its holder agrees to.", max_length=20_000)
    redemption_instructions: str | None = text_input("What to do at the till.", max_length=5000)
    validity_days: int | None = value_input("How many days after the birthday its codes may be redeemed: 90 as a rule.")
    seo_title: str | None = text_input("The title for search engines.", max_length=255)
    seo_description: str | None = text_input("The summary for search engines.", max_length=1000)
    marketing_tags: list[str] | None = text_input("Words it is advertised by.", max_length=50)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `updatePack` takes: what is left out stays as it is.")
class UpdatePackInput:
    pack_id: strawberry.ID = id_of(m.Pack, "The pack.")
    name: str | None = text_input("What it is called where it is offered.", max_length=255)
    description: str | None = text_input("What one gets for it.", max_length=5000)
    category: str | None = text_input("What kind of treat it is.", max_length=50)
    base_price_cfa: int | None = value_input("The full price in CFA francs.")
    discounted_price_cfa: int | None = value_input(f"The price that is paid instead.{CLEARED}", clears=True)
    available_from: date | None = value_input(f"The first day on which codes are issued.{CLEARED}", clears=True)
    available_until: date | None = value_input(f"The last day on which codes are issued.{CLEARED}", clears=True)
    max_redemptions_per_user: int | None = value_input("How many one user may have; null for no limit.", clears=True)
    total_available_quantity: int | None = value_input("How many there may be in all; null for no limit.", clears=True)
    image_url: str | None = text_input(f"Where the main picture is.{CLEARED}", max_length=500, clears=True)
    gallery_images: list[str] | None = text_input(f"Where further pictures are.{CLEARED}", max_length=500, clears=True)
    venue_restrictions: list[str] | None = text_input(
        "The ids or names of the partner's venues where it may be redeemed; null for all.", max_length=255, clears=True
    )
    terms_and_conditions: str | None = text_input(f"What one agrees to.{CLEARED}", max_length=20_000, clears=True)
    redemption_instructions: str | None = text_input(f"What to do at the till.{CLEARED}", max_length=5000, clears=True)
    validity_days: int | None = value_input("How many days after the birthday codes issued from now on are redeemed.")
    seo_title: str | None = text_input(f"The title for search engines.{CLEARED}", max_length=255, clears=True)
    seo_description: str | None = text_input(f"The summary for search engines.{CLEARED}", max_length=1000, clears=True)
    marketing_tags: list[str] | None = text_input(f"Words it is advertised by.{CLEARED}", max_length=50, clears=True)
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `publishPack` takes.")
class PublishPackInput:
    pack_id: strawberry.ID = id_of(m.Pack, "The pack to offer.")
    idempotency_key: str | None = key_input()


@strawberry.input(description="What `withdrawPack` takes.")
class WithdrawPackInput:
    pack_id: strawberry.ID = id_of(m.Pack, "The pack to offer no longer.")
    idempotency_key: str | None = key_input()


@strawberry.type
class Mutation:
    register_partner = mutation(
        partners.register, name="registerPartner", input=RegisterPartnerInput, makes={"partner": m.Partner}
    )
    update_partner = mutation(
        partners.update, name="updatePartner", input=UpdatePartnerInput, makes={"partner": m.Partner}
    )
    set_partner_terms = mutation(
        partners.set_terms, name="setPartnerTerms", input=SetPartnerTermsInput, makes={"partner": m.Partner}
    )
    verify_partner = mutation(
        partners.verify, name="verifyPartner", input=VerifyPartnerInput, makes={"partner": m.Partner}
    )
    suspend_partner = mutation(
        partners.suspend, name="suspendPartner", input=SuspendPartnerInput, makes={"partner": m.Partner}
    )
    reinstate_partner = mutation(
        partners.reinstate, name="reinstatePartner", input=ReinstatePartnerInput, makes={"partner": m.Partner}
    )
    terminate_partner = mutation(
        partners.terminate, name="terminatePartner", input=TerminatePartnerInput, makes={"partner": m.Partner}
    )
    invite_partner_member = mutation(
        partner_invitations.invite,
        name="invitePartnerMember",
        input=InvitePartnerMemberInput,
        makes={"invitation": m.PartnerInvitation},
    )
    accept_partner_invitation = mutation(
        partner_invitations.accept,
        name="acceptPartnerInvitation",
        input=AcceptPartnerInvitationInput,
        makes={"partner_member": m.PartnerMember},
    )
    decline_partner_invitation = mutation(
        partner_invitations.decline,
        name="declinePartnerInvitation",
        input=DeclinePartnerInvitationInput,
        makes={"invitation": m.PartnerInvitation},
    )
    cancel_partner_invitation = mutation(
        partner_invitations.cancel,
        name="cancelPartnerInvitation",
        input=CancelPartnerInvitationInput,
        makes={"invitation": m.PartnerInvitation},
    )
    change_partner_member_role = mutation(
        partner_members.change_role,
        name="changePartnerMemberRole",
        input=ChangePartnerMemberRoleInput,
        makes={"partner_member": m.PartnerMember},
    )
    remove_partner_member = mutation(
        partner_members.remove_member,
        name="removePartnerMember",
        input=RemovePartnerMemberInput,
        makes={"partner": m.Partner},
    )
    create_pack = mutation(packs.create, name="createPack", input=CreatePackInput, makes={"pack": m.Pack})
    update_pack = mutation(packs.update, name="updatePack", input=UpdatePackInput, makes={"pack": m.Pack})
    publish_pack = mutation(packs.publish_pack, name="publishPack", input=PublishPackInput, makes={"pack": m.Pack})
    withdraw_pack = mutation(packs.withdraw, name="withdrawPack", input=WithdrawPackInput, makes={"pack": m.Pack})


Query = root_fields(
    m.Pack, m.Partner, m.SponsorCampaign, m.PartnerMember, m.PartnerInvitation, m.PublicPartner, m.ActiveCampaign
)
