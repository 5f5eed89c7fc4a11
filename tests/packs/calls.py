"""The mutations of partners and packs as a dashboard calls them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.client import Answer, Api

STAFF = ("admin",)
PARTNER = """rowId name type status description contactName contactEmail contactPhone businessRegistration taxId venues
  paymentTerms minimumPayoutCfa revenueSplitPercentage autoApproveRedemptions verifiedAt verifiedByUserId
  members { nodes { role userId } }"""
PACK = """rowId name description category basePriceCfa discountedPriceCfa isActive availableFrom availableUntil
  maxRedemptionsPerUser totalAvailableQuantity imageUrl galleryImages venueRestrictions termsAndConditions
  redemptionInstructions validityDays seoTitle seoDescription marketingTags partnerId"""
INVITATION = "rowId status role phone email partnerName expiresAt invitedBy answeredBy"
MAKES = {
    "registerPartner": f"partner {{ {PARTNER} }}",
    "updatePartner": f"partner {{ {PARTNER} }}",
    "setPartnerTerms": f"partner {{ {PARTNER} }}",
    "verifyPartner": f"partner {{ {PARTNER} }}",
    "suspendPartner": "partner { status }",
    "reinstatePartner": "partner { status }",
    "terminatePartner": "partner { status }",
    "invitePartnerMember": f"invitation {{ {INVITATION} }}",
    "acceptPartnerInvitation": "partnerMember { rowId role userId partnerId }",
    "declinePartnerInvitation": f"invitation {{ {INVITATION} }}",
    "cancelPartnerInvitation": f"invitation {{ {INVITATION} }}",
    "changePartnerMemberRole": "partnerMember { rowId role }",
    "removePartnerMember": "partner { members { nodes { userId } } }",
    "createPack": f"pack {{ {PACK} }}",
    "updatePack": f"pack {{ {PACK} }}",
    "publishPack": "pack { isActive }",
    "withdrawPack": "pack { isActive }",
}


async def call(
    api: Api, mutation: str, as_: SimpleNamespace | None, roles: tuple[str, ...] = (), /, **input: Any
) -> Answer:
    """`await call(api, "publishPack", manager, packId=pack)`; ids are those of rows."""
    told = {key: str(value.id) if isinstance(value, SimpleNamespace) else value for key, value in input.items()}
    query = f"""
      mutation ($input: {mutation[:1].upper()}{mutation[1:]}Input!) {{
        {mutation}(input: $input) {{ {MAKES[mutation]} userErrors {{ code message field details }} }}
      }}
    """
    return await api(query, {"input": told}, as_=as_, roles=roles)
