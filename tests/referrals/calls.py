"""The mutations of referrals and points, as a client calls them."""

from __future__ import annotations

from typing import Any

from tests.client import Answer, Api

ERRORS = "userErrors { code message field details }"
REFERRAL = "rowId status referralCode invitedPhone invitedEmail invitedName invitationOrder sentAt expiredAt"
FIELDS = {
    "sendReferrals": f"referrals {{ {REFERRAL} }} left",
    "acceptReferral": (
        "referral { rowId status acceptedAt sponsoredUser { rowId } }"
        " pot { rowId status title targetAmountCfa birthdayDate ownerUser { rowId } createdFromReferral { rowId } }"
    ),
    "declineReferral": "referral { status } declined",
    "optOutOfInvitations": "invitations",
    "optInToInvitations": "invitations",
    "prepareContactBatch": "batches { rowId status batchNumber startPosition endPosition contactSnapshot }",
    "selectBatchContacts": "batch { status selectedCount autoSelected manualSelections }",
    "sendBatch": f"batch {{ status selectedCount sentCount autoSelected }} referrals {{ {REFERRAL} }} left",
    "skipBatch": "batch { status }",
    "revokePoints": "pointsLedgerEntry { status description pointsEarned }",
    "convertPoints": (
        "pointsConversion { rowId pointsConverted creditsIssued conversionRate"
        " appliedToPot { raisedCfa balanceCfa status } }"
    ),
    "createCampaign": "campaign { rowId status pointsMultiplier targetDemographics packCategories spentCfa }",
    "updateCampaign": "campaign { status pointsMultiplier budgetCfa targetDemographics packCategories campaignName }",
    "startCampaign": "campaign { status }",
    "pauseCampaign": "campaign { status }",
    "completeCampaign": "campaign { status }",
    "recordCampaignImpression": "campaign { campaignName }",
    "recordCampaignClick": "campaign { campaignName }",
}


async def call(api: Api, name: str, as_: Any, *, roles: tuple[str, ...] = (), **input: Any) -> Answer:
    kind = name[:1].upper() + name[1:]
    document = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ {FIELDS[name]} {ERRORS} }} }}"
    return await api(document, {"input": input}, as_=as_, roles=roles)


async def as_staff(api: Api, name: str, admin: Any, **input: Any) -> Answer:
    return await call(api, name, admin, roles=("admin",), **input)


def error_of(answer: Answer, name: str) -> dict[str, Any]:
    """The only refusal."""
    (error,) = answer[name]["userErrors"]
    return dict(error)


def phones(count: int, begin: int = 0) -> list[dict[str, str]]:
    return [{"phone": f"+22177{1_000_000 + begin + place}"} for place in range(count)]
