"""Who sees which row: the dictionary's `read` lines, written down by hand for a small world.

Each table has rows by name, and each row says who sees it: `row("owner")` by the owner and by staff, `exactly("owner")`
by the owner alone. A value `"@owner"` is that person's id, `"@Pot.private"` that row's. Nothing here looks at the
models: it is what they are compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

PEOPLE = (
    "owner",  # of pots, trades, sessions: whatever belongs to one user
    "minor", "guardian",  # who has accepted
    "ward", "would_be_guardian",  # who has not
    "grown",  # 18 since; `guardian` was the guardian
    "stranger", "pretender",  # whose token claims a role that the database does not know of
    "cashier", "manager", "partner_owner",  # of the partner `ours`
    "member", "dao_admin", "applicant",  # of the DAO `ours`; the applicant is not approved
    "employee", "analyst", "card_admin", "card_owner",  # of the card account `ours`
    "rival",  # a cashier of another partner, in another DAO, the owner of another card account
    "guest",  # invited to a pot
    "donor", "buyer",
    "staff", "super_admin",
    "deleted",
)  # fmt: skip
SILENT = {"ward", "grown", "deleted"}
CALLERS = (*(name for name in PEOPLE if name not in SILENT), "nobody")
ROLES = {"staff": ("admin",), "super_admin": ("super_admin",), "pretender": ("admin", "super_admin")}

STAFF = "staff super_admin"
SIGNED_IN = " ".join(name for name in CALLERS if name != "nobody")
EVERYONE = " ".join(CALLERS)
PARTNER, PARTNER_MANAGERS = "cashier manager partner_owner", "manager partner_owner"
DAO = "member dao_admin"
CARDS = "employee analyst card_admin card_owner"
CARD_SUPERVISORS, CARD_MANAGERS = "analyst card_admin card_owner", "card_admin card_owner"

NOW = datetime.now(UTC)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)
TEN_YEARS_AGO, LONG_AGO = date.today() - timedelta(days=3652), date(1990, 1, 1)


@dataclass(frozen=True)
class Row:
    """A row of the world: who sees it, and its values; a face's row has the name of the row it shows a part of."""

    seen_by: frozenset[str]
    values: dict[str, Any]
    face_of: str | None = None


def exactly(seen_by: str, **values: Any) -> Row:
    return Row(frozenset(seen_by.split()) - SILENT, values)


def row(seen_by: str = "", **values: Any) -> Row:
    """A row that staff see too."""
    return exactly(f"{seen_by} {STAFF}", **values)


def face(of: str, seen_by: str = "") -> Row:
    return Row(frozenset(seen_by.split()), {}, of)


def own(column: str = "user_id", **values: Any) -> dict[str, Row]:
    """What belongs to one user: theirs, and their accepted guardian's while they are under 18."""
    return {
        "owner's": row("owner", **{column: "@owner"}, **values),
        "minor's": row("minor guardian", **{column: "@minor"}, **values),
        "ward's": row("ward", **{column: "@ward"}, **values),
        "grown's": row("grown", **{column: "@grown"}, **values),
    }


def own_or_gone(**values: Any) -> dict[str, Row]:
    return own(**values) | {"deleted": row(user_id="@owner", deleted_at=NOW, **values)}


def own_or_nobodys(**values: Any) -> dict[str, Row]:
    return own(**values) | {"nobody's": row(**values)}


def ours_and_theirs(seen_by: str, **values: Any) -> dict[str, Row]:
    """A thing of the card account `ours`, and one of another account."""
    return {
        "ours": row(seen_by, account_id="@CardAccount.ours", **values),
        "theirs": row("rival", account_id="@CardAccount.theirs", **values),
    }


def person(name: str) -> Row:
    return row(
        {"minor": "minor guardian", "deleted": ""}.get(name, name),
        roles=["user", *{"staff": ["admin"], "super_admin": ["super_admin"]}.get(name, [])],
        deleted_at=NOW if name == "deleted" else None,
        **({"email": "stranger@access.example"} if name == "stranger" else {}),
    )


STAFF_ONLY = {"one": row()}
FOR_ALL = {"one": exactly(EVERYONE)}

IDENTITY: dict[str, dict[str, Row]] = {
    "User": {name: person(name) for name in PEOPLE},
    "UserSession": own(),
    "PasswordResetToken": {"owner's": row(user_id="@owner")},
    "Profile": {
        "owner's": row("owner", user_id="@owner"),
        "minor's": row("minor guardian", user_id="@minor", date_of_birth=TEN_YEARS_AGO, guardian_user_id="@guardian",
                       guardian_accepted_at=YESTERDAY, relationship_type="parent"),
        "ward's": row("ward", user_id="@ward", date_of_birth=TEN_YEARS_AGO, guardian_user_id="@would_be_guardian",
                      relationship_type="parent"),
        "grown's": row("grown", user_id="@grown", guardian_user_id="@guardian", guardian_accepted_at=YESTERDAY,
                       relationship_type="parent"),
        "buyer's": row("buyer", user_id="@buyer", is_profile_public=False),
        "cashier's": row("cashier", user_id="@cashier", is_profile_public=False),
        "member's": row("member", user_id="@member", is_profile_public=False),
        "employee's": row("employee", user_id="@employee", is_profile_public=False),
        "rival's": row("rival", user_id="@rival", is_profile_public=False),
        "deleted's": row("", user_id="@deleted"),
    },
    "PublicProfile": {
        "owner's": face("Profile.owner's", EVERYONE),
        "grown's": face("Profile.grown's", EVERYONE),
        "minor's": face("Profile.minor's"),
        "buyer's": face("Profile.buyer's"),
        "deleted's": face("Profile.deleted's"),
    },
    "Colleague": {
        "cashier's": face("Profile.cashier's", PARTNER),
        "member's": face("Profile.member's", DAO),
        "employee's": face("Profile.employee's", CARDS),
        "rival's": face("Profile.rival's", "rival"),
        "owner's": face("Profile.owner's"),
    },
    "UserAddress": own_or_gone(),
    "GuardianshipRequest": {
        "of the minor": row("minor guardian", user_id="@minor", guardian_user_id="@guardian",
                            requested_by="@minor", status="accepted", expires_at=NOW),
        "of the ward": row("ward would_be_guardian", user_id="@ward", guardian_user_id="@would_be_guardian",
                           requested_by="@ward", expires_at=NOW),
        "to a minor's guardian": row("grown guardian", user_id="@grown", guardian_user_id="@guardian",
                                     requested_by="@staff", status="declined", expires_at=NOW),
    },
    "IdentityDocument": own(),
}  # fmt: skip

SECURITY: dict[str, dict[str, Row]] = {
    "LoginAttempt": own_or_nobodys(),
    "SecurityEvent": own_or_nobodys(),
    "PasswordHistoryEntry": {"owner's": row(user_id="@owner")},
    "TwoFactorAuth": own(),
    "UserDevice": own(),
    "EmailDelivery": own_or_nobodys(),
    "SmsDelivery": own_or_nobodys(),
    "OauthAccount": own(),
    "ApiKey": own_or_gone(),
    "RefreshToken": own(device_id="@UserDevice.owner's", session_id="@UserSession.owner's"),
    "AccountRecovery": {"owner's": row(user_id="@owner")},
    "SessionAudit": own(),
    "AdminSession": {
        "staff's": exactly(STAFF, user_id="@staff"),
        "super_admin's": exactly("super_admin", user_id="@super_admin"),
        "stranger's": exactly("stranger super_admin", user_id="@stranger"),
    },
}

REFERRALS: dict[str, dict[str, Row]] = {
    "Referral": {
        "sent": row("owner", sponsor_user_id="@owner"),
        "accepted": row("owner donor", sponsor_user_id="@owner", sponsored_user_id="@donor", status="accepted"),
        "minor's": row("donor minor guardian", sponsor_user_id="@donor", sponsored_user_id="@minor", status="accepted"),
        "by the minor": row(
            "stranger minor guardian", sponsor_user_id="@minor", sponsored_user_id="@stranger", status="accepted"
        ),
    },
    "PointsLedgerEntry": own("sponsor_user_id")
    | {
        "by a referral": row("owner", sponsor_user_id="@owner", referral_id="@Referral.sent"),
    },
    "SponsorDailyLimit": own("sponsor_user_id"),
    "SponsorContactBatch": own("sponsor_user_id"),
    "ReferralPayout": own("referrer_id", referral_id="@Referral.sent"),
}

PACKS: dict[str, dict[str, Row]] = {
    "Partner": {
        "ours": row(PARTNER, verified_by_user_id="@staff"),
        "theirs": row("rival", status="pending"),
        "suspended": row("", status="suspended"),
        "deleted": row("", deleted_at=NOW),
    },
    "PublicPartner": {
        "ours": face("Partner.ours", EVERYONE),
        "theirs": face("Partner.theirs"),
        "suspended": face("Partner.suspended"),
        "deleted": face("Partner.deleted"),
    },
    "PartnerMember": {
        "cashier": row(f"cashier {PARTNER_MANAGERS}", partner_id="@Partner.ours", user_id="@cashier", role="cashier"),
        "manager": row(PARTNER_MANAGERS, partner_id="@Partner.ours", user_id="@manager", role="manager"),
        "owner": row(PARTNER_MANAGERS, partner_id="@Partner.ours", user_id="@partner_owner", role="owner"),
        "rival": row("rival", partner_id="@Partner.theirs", user_id="@rival", role="cashier"),
        "of the deleted": row("cashier", partner_id="@Partner.deleted", user_id="@cashier", role="cashier"),
    },
    "PartnerInvitation": {
        "to the stranger": row(
            f"stranger {PARTNER_MANAGERS}",
            partner_id="@Partner.ours",
            invited_by="@partner_owner",
            email="stranger@access.example",
            phone=None,
        ),
        "to nobody": row(
            PARTNER_MANAGERS, partner_id="@Partner.ours", invited_by="@partner_owner", phone="+221770009999"
        ),
        "declined by the buyer": row(
            f"buyer {PARTNER_MANAGERS}",
            partner_id="@Partner.ours",
            invited_by="@partner_owner",
            phone="+221770008888",
            status="declined",
            answered_by="@buyer",
        ),
        "answered by another one": row(
            f"minor guardian {PARTNER_MANAGERS}",
            partner_id="@Partner.ours",
            invited_by="@partner_owner",
            email="stranger@access.example",
            phone=None,
            status="accepted",
            answered_by="@minor",
        ),
        "theirs": row("", partner_id="@Partner.theirs", invited_by="@rival", phone="+221770007777"),
    },
    "Pack": {
        "active": exactly(EVERYONE, partner_id="@Partner.ours", is_active=True),
        "of nobody": exactly(EVERYONE, is_active=True),
        "withdrawn": row(PARTNER, partner_id="@Partner.ours", is_active=False),
        "withdrawn, in a minor's hands": row(f"minor guardian {PARTNER}", partner_id="@Partner.ours", is_active=False),
        "withdrawn, given back": row(PARTNER, partner_id="@Partner.ours", is_active=False),
        "theirs": row("rival owner", partner_id="@Partner.theirs", is_active=False),
        "deleted": row("", partner_id="@Partner.ours", is_active=True, deleted_at=NOW),
    },
    "SponsorCampaign": {
        "running": row(status="active", starts_at=YESTERDAY, ends_at=TOMORROW),
        "draft": row(status="draft", starts_at=YESTERDAY, ends_at=TOMORROW),
        "over": row(status="active", starts_at=YESTERDAY, ends_at=YESTERDAY),
        "to come": row(status="active", starts_at=TOMORROW, ends_at=TOMORROW),
    },
    "ActiveCampaign": {
        "running": face("SponsorCampaign.running", EVERYONE),
        "draft": face("SponsorCampaign.draft"),
        "over": face("SponsorCampaign.over"),
        "to come": face("SponsorCampaign.to come"),
    },
}

POTS: dict[str, dict[str, Row]] = {
    "Pot": {
        "public": exactly(EVERYONE, owner_user_id="@owner", visibility="public", preferred_pack_id="@Pack.withdrawn"),
        "private": row("owner donor", owner_user_id="@owner", visibility="private"),
        "friends": row("owner guest donor", owner_user_id="@owner", visibility="friends_only"),
        "minor's": row("minor guardian", owner_user_id="@minor", visibility="private"),
        # The sponsor sees what came with an accepted invitation, unless it is for nobody.
        "by a referral": row("donor owner", owner_user_id="@donor", visibility="friends_only",
                             created_from_referral_id="@Referral.accepted"),
        "of one's own": row("donor", owner_user_id="@donor", visibility="friends_only"),
        "by a referral, private": row("donor", owner_user_id="@donor", visibility="private",
                                      created_from_referral_id="@Referral.accepted"),
        "by a referral, not accepted": row("donor", owner_user_id="@donor", visibility="friends_only",
                                           created_from_referral_id="@Referral.sent"),
        "by a minor's referral": row("stranger minor guardian", owner_user_id="@stranger", visibility="friends_only",
                                     created_from_referral_id="@Referral.by the minor"),
        "ward's": row("ward", owner_user_id="@ward", visibility="friends_only"),
        "deleted": row("", owner_user_id="@owner", visibility="public", deleted_at=NOW),
    },
    "PotInvitation": {
        "to friends": row("owner guest", pot_id="@Pot.friends", invited_by_user_id="@owner", invited_user_id="@guest"),
        "to the private": row("owner guest", pot_id="@Pot.private", invited_by_user_id="@owner",
                              invited_user_id="@guest"),
        "by another": row("owner donor", pot_id="@Pot.friends", invited_by_user_id="@donor"),
        "to the minor's": row("minor guardian", pot_id="@Pot.minor's", invited_by_user_id="@minor"),
    },
    "PotAnalytics": {
        "public": row("owner", pot_id="@Pot.public"),
        "minor's": row("minor guardian", pot_id="@Pot.minor's"),
    },
    "Donation": {
        "to the public": row("donor", pot_id="@Pot.public", donor_user_id="@donor"),
        "to friends": row("donor", pot_id="@Pot.friends", donor_user_id="@donor"),
        "to the private": row("donor", pot_id="@Pot.private", donor_user_id="@donor"),
        "to the deleted": row("donor", pot_id="@Pot.deleted", donor_user_id="@donor"),
        "by the minor": row("minor guardian", pot_id="@Pot.public", donor_user_id="@minor"),
        "by nobody": row("", pot_id="@Pot.public"),
        "pending": row("buyer", pot_id="@Pot.friends", donor_user_id="@buyer", status="pending"),
    },
    "Contribution": {
        "to the public": face("Donation.to the public", EVERYONE),
        "by the minor": face("Donation.by the minor", EVERYONE),
        "by nobody": face("Donation.by nobody", EVERYONE),
        "to friends": face("Donation.to friends", f"owner guest donor {STAFF}"),
        "to the private": face("Donation.to the private", f"owner donor {STAFF}"),
        "to the deleted": face("Donation.to the deleted", STAFF),
        "pending": face("Donation.pending"),
    },
    "PointsConversion": own("sponsor_user_id")
    | {
        "to the public": row("donor", sponsor_user_id="@donor", applied_to_pot_id="@Pot.public"),
        "to friends": row("donor", sponsor_user_id="@donor", applied_to_pot_id="@Pot.friends"),
        "to the private": row("donor", sponsor_user_id="@donor", applied_to_pot_id="@Pot.private"),
        "to the deleted": row("donor", sponsor_user_id="@donor", applied_to_pot_id="@Pot.deleted"),
        "to the minor's": row("donor", sponsor_user_id="@donor", applied_to_pot_id="@Pot.minor's"),
    },
    "PointContribution": {
        "to the public": face("PointsConversion.to the public", EVERYONE),
        "to friends": face("PointsConversion.to friends", f"owner guest donor {STAFF}"),
        "to the private": face("PointsConversion.to the private", f"owner donor {STAFF}"),
        "to the deleted": face("PointsConversion.to the deleted", STAFF),
        "to the minor's": face("PointsConversion.to the minor's", f"minor guardian {STAFF}"),
    },
    "WaveWebhookEvent": {"one": row(donation_id="@Donation.to the public")},
    "Refund": {
        "donor's": row("donor", donation_id="@Donation.to the public"),
        "minor's": row("minor guardian", donation_id="@Donation.by the minor"),
        "nobody's": row("", donation_id="@Donation.by nobody"),
    },
    "DonationAnalytics": STAFF_ONLY,
}  # fmt: skip

REDEMPTION: dict[str, dict[str, Row]] = {
    "PartnerSettlement": {
        "ours": row(PARTNER_MANAGERS, partner_id="@Partner.ours"),
        "theirs": row("", partner_id="@Partner.theirs"),
    },
    "QrCode": {
        "issued": row("owner", pot_id="@Pot.public", pack_id="@Pack.active"),
        "redeemed": row(f"owner {PARTNER}", pot_id="@Pot.public", pack_id="@Pack.active", status="redeemed",
                        redeemed_by_partner_id="@Partner.ours", settlement_id="@PartnerSettlement.ours"),
        "redeemed by them": row("owner rival", pot_id="@Pot.private", pack_id="@Pack.theirs", status="redeemed",
                                redeemed_by_partner_id="@Partner.theirs"),
        "minor's": row("minor guardian", pot_id="@Pot.minor's", pack_id="@Pack.withdrawn, in a minor's hands"),
        "given back": row("owner", pot_id="@Pot.public", pack_id="@Pack.withdrawn, given back", status="cancelled"),
    },
    "QrRedemptionLog": {
        "success": row(PARTNER, partner_id="@Partner.ours", partner_user_id="@cashier", qr_code_id="@QrCode.redeemed",
                       validation_result="success"),
        "invalid": row(PARTNER, partner_id="@Partner.ours", partner_user_id="@cashier", validation_result="invalid"),
        "wrong partner": row("", partner_id="@Partner.ours", partner_user_id="@cashier",
                             qr_code_id="@QrCode.redeemed by them", validation_result="wrong_partner"),
        "theirs": row("rival", partner_id="@Partner.theirs", validation_result="expired"),
        "nobody's": row("", validation_result="invalid"),
    },
}  # fmt: skip

NOTICES: dict[str, dict[str, Row]] = {
    "NotificationTemplate": STAFF_ONLY,
    "Notification": own_or_nobodys(template_id="@NotificationTemplate.one"),
    "NotificationPreferences": own(),
    "NotificationAnalytics": STAFF_ONLY,
    "AnalyticsEvent": own_or_nobodys(),
    "BusinessMetric": STAFF_ONLY,
    "FunnelAnalytics": STAFF_ONLY,
    "AbTest": {"running": row(status="running"), "draft": row(status="draft")},
    "RunningTest": {"running": face("AbTest.running", EVERYONE), "draft": face("AbTest.draft")},
    "AbTestAssignment": own(test_id="@AbTest.running"),
    "FeatureFlag": {"one": row(created_by_user_id="@staff")},
    "SystemConfig": {"plain": row(), "sensitive": exactly("super_admin", is_sensitive=True)},
    "SystemHealthCheck": STAFF_ONLY,
}

TRADING: dict[str, dict[str, Row]] = {
    "CryptoProfile": own() | {"deleted's": row("", user_id="@deleted")},
    "Trader": {
        "owner's": face("CryptoProfile.owner's", SIGNED_IN),
        "minor's": face("CryptoProfile.minor's", SIGNED_IN),
        "ward's": face("CryptoProfile.ward's", SIGNED_IN),
        "grown's": face("CryptoProfile.grown's", SIGNED_IN),
        "deleted's": face("CryptoProfile.deleted's"),
    },
    "CryptoWallet": own_or_gone(),
    "CryptoTrade": {
        "open": row("owner", user_id="@owner", seller_id="@owner"),
        "too late": row("owner", user_id="@owner", seller_id="@owner", expires_at=YESTERDAY),
        "in escrow": row("owner buyer", user_id="@owner", seller_id="@owner", buyer_id="@buyer", status="in_escrow"),
        "bought": row("buyer donor", user_id="@buyer", seller_id="@donor", buyer_id="@buyer", status="completed"),
        "minor's": row("minor guardian", user_id="@minor", status="cancelled"),
    },
    "TradeOffer": {
        "open": face("CryptoTrade.open", SIGNED_IN),
        "too late": face("CryptoTrade.too late"),
        "in escrow": face("CryptoTrade.in escrow"),
        "minor's": face("CryptoTrade.minor's"),
    },
    "CryptoTransaction": own(trade_id="@CryptoTrade.in escrow", wallet_id="@CryptoWallet.owner's"),
    "CryptoEscrow": {
        "one": row("owner buyer", trade_id="@CryptoTrade.in escrow", seller_id="@owner", buyer_id="@buyer"),
    },
    "CryptoDispute": {
        "one": row("owner buyer", trade_id="@CryptoTrade.in escrow", raised_by="@buyer", against_user_id="@owner",
                   resolved_by="@staff"),
    },
    "CryptoPaymentMethod": own_or_gone() | {
        "buyer's": row("buyer", user_id="@buyer"),
        "donor's": row("donor", user_id="@donor"),
    },
    "CounterpartyPaymentMethod": {
        "owner's": face("CryptoPaymentMethod.owner's", "buyer"),
        "buyer's": face("CryptoPaymentMethod.buyer's", "owner"),
        "donor's": face("CryptoPaymentMethod.donor's"),
        "deleted": face("CryptoPaymentMethod.deleted"),
    },
    "CryptoPrice": FOR_ALL,
}  # fmt: skip

TREASURY: dict[str, dict[str, Row]] = {
    "Dao": {
        "open": exactly(EVERYONE, creator_id="@stranger", access="public"),
        "ours": row(DAO, creator_id="@dao_admin", access="private"),
        "theirs": row("rival", creator_id="@rival", access="private"),
        "deleted": row("", creator_id="@stranger", access="public", deleted_at=NOW),
    },
    "DaoMember": {
        "member": row(DAO, dao_id="@Dao.ours", user_id="@member", role="member"),
        "admin": row(DAO, dao_id="@Dao.ours", user_id="@dao_admin", role="admin"),
        "applicant": row(DAO, dao_id="@Dao.ours", user_id="@applicant", status="pending"),
        "rival": row("rival", dao_id="@Dao.theirs", user_id="@rival", role="admin"),
    },
    "DaoTreasury": {
        "ours": row(DAO, dao_id="@Dao.ours"),
        "theirs": row("rival", dao_id="@Dao.theirs"),
        "of the open": row("", dao_id="@Dao.open"),
    },
    "UserBalance": own() | {"in the DAO": row("member", user_id="@member", dao_id="@Dao.ours")},
    "TransactionFee": own("paid_by") | {
        "DAO's": row("dao_admin", dao_id="@Dao.ours"),
        "theirs": row("rival", dao_id="@Dao.theirs"),
    },
    "CurrencySwap": own(dao_id="@Dao.ours"),
    "MpesaTransaction": own(dao_id="@Dao.ours"),
    "MpesaMessage": {"one": row()},
    "MpesaReceipt": {"one": row(status="held", mpesa_transaction_id=None)},
    "MpesaAccount": own(),
    "GasPrice": FOR_ALL,
    "RecurringPayment": own(dao_id="@Dao.ours"),
    "FinancialReport": own() | {
        "draft": row("", dao_id="@Dao.ours"),
        "published": row(DAO, dao_id="@Dao.ours", published_at=YESTERDAY),
        "theirs": row("rival", dao_id="@Dao.theirs", published_at=YESTERDAY),
    },
    "WalletTransaction": {
        "between two": row("owner donor", from_user_id="@owner", to_user_id="@donor"),
        "minor's": row("minor guardian", to_user_id="@minor"),
        "DAO's": row(f"owner {DAO}", from_user_id="@owner", dao_id="@Dao.ours"),
        "theirs": row("rival", dao_id="@Dao.theirs"),
    },
    "TreasuryTransfer": {
        "ours": row(DAO, treasury_id="@DaoTreasury.ours", proposed_by="@dao_admin", recipient_user_id="@stranger"),
        "theirs": row("rival", treasury_id="@DaoTreasury.theirs", proposed_by="@rival", recipient_user_id="@stranger"),
    },
    "TreasuryApproval": {
        "ours": row(DAO, transfer_id="@TreasuryTransfer.ours", signer_id="@dao_admin"),
        "theirs": row("rival", transfer_id="@TreasuryTransfer.theirs", signer_id="@rival"),
    },
    "SignerChange": {
        "ours": row(DAO, treasury_id="@DaoTreasury.ours", proposed_by="@dao_admin"),
        "theirs": row("rival", treasury_id="@DaoTreasury.theirs", proposed_by="@rival"),
    },
    "SignerChangeApproval": {
        "ours": row(DAO, change_id="@SignerChange.ours", signer_id="@dao_admin"),
        "theirs": row("rival", change_id="@SignerChange.theirs", signer_id="@rival"),
    },
    "ExchangeRate": FOR_ALL,
    "SwapQuote": own(),
    "RecurringOccurrence": {
        "owner's": row("owner", recurring_payment_id="@RecurringPayment.owner's", user_id="@owner", outcome="skipped"),
        "minor's": row("minor guardian", recurring_payment_id="@RecurringPayment.minor's", user_id="@minor", outcome="missed"),
    },
}  # fmt: skip

CARD_GROUP: dict[str, dict[str, Row]] = {
    "CardAccount": {"ours": row(CARDS), "theirs": row("rival"), "deleted": row("", deleted_at=NOW)},
    "CardAccountMember": {
        "employee": row(CARDS, account_id="@CardAccount.ours", user_id="@employee", role="user"),
        "analyst": row(CARDS, account_id="@CardAccount.ours", user_id="@analyst", role="analyst"),
        "admin": row(CARDS, account_id="@CardAccount.ours", user_id="@card_admin", role="admin"),
        "owner": row(CARDS, account_id="@CardAccount.ours", user_id="@card_owner", role="owner"),
        "rival": row("rival", account_id="@CardAccount.theirs", user_id="@rival", role="owner"),
        "of the deleted": row("card_owner", account_id="@CardAccount.deleted", user_id="@card_owner", role="owner"),
    },
    "SpendingProfile": ours_and_theirs(CARDS) | {
        "deleted": row("", account_id="@CardAccount.ours", deleted_at=NOW),
    },
    "CardProduct": ours_and_theirs(CARDS) | {
        "deleted": row("", account_id="@CardAccount.ours", deleted_at=NOW),
    },
    "Card": {
        "employee's": row(f"employee {CARD_SUPERVISORS}", account_id="@CardAccount.ours", user_id="@employee",
                          card_product_id="@CardProduct.ours", spending_profile_id="@SpendingProfile.ours"),
        "admin's": row(CARD_SUPERVISORS, account_id="@CardAccount.ours", user_id="@card_admin"),
        "of one who left": row(f"stranger {CARD_SUPERVISORS}", account_id="@CardAccount.ours", user_id="@stranger"),
        "minor's": row("minor guardian rival", account_id="@CardAccount.theirs", user_id="@minor"),
        "deleted": row("", account_id="@CardAccount.ours", user_id="@employee", deleted_at=NOW),
    },
    "CardTransaction": {
        "employee's": row(f"employee {CARD_SUPERVISORS}", account_id="@CardAccount.ours", user_id="@employee",
                          card_id="@Card.employee's"),
        "admin's": row(CARD_SUPERVISORS, account_id="@CardAccount.ours", user_id="@card_admin",
                       card_id="@Card.admin's"),
        "theirs": row("minor guardian rival", account_id="@CardAccount.theirs", user_id="@minor",
                      card_id="@Card.minor's"),
    },
    "Address": own("addressable_id", addressable_type="user") | {
        "account's": row(CARDS, addressable_type="account", addressable_id="@CardAccount.ours"),
        "theirs": row("rival", addressable_type="account", addressable_id="@CardAccount.theirs"),
        # A key of the right value and the wrong kind opens nothing.
        "crossed": row("", addressable_type="account", addressable_id="@owner"),
        "crossed back": row("", addressable_type="user", addressable_id="@CardAccount.ours"),
        "deleted": row("", addressable_type="user", addressable_id="@owner", deleted_at=NOW),
    },
    "CardWebhook": ours_and_theirs(CARD_MANAGERS) | {"of none": row("")},
    "AccountSetting": ours_and_theirs(CARD_MANAGERS),
    "SpendingCategory": FOR_ALL,
    "ProfileCategory": {
        "ours": row(CARDS, spending_profile_id="@SpendingProfile.ours", spending_category_id="@SpendingCategory.one"),
        "theirs": row("rival", spending_profile_id="@SpendingProfile.theirs",
                      spending_category_id="@SpendingCategory.one"),
    },
}  # fmt: skip

LEDGER: dict[str, dict[str, Row]] = {
    "LedgerAccount": {
        "owner's": row("owner", owner_type="user", owner_id="@owner", currency="XOF"),
        "minor's": row("minor guardian", owner_type="user", owner_id="@minor", currency="XOF"),
        "DAO's": row(DAO, owner_type="dao", owner_id="@Dao.ours", currency="XOF"),
        "card account's": row(CARDS, owner_type="card_account", owner_id="@CardAccount.ours", currency="XOF"),
        "partner's": row(PARTNER_MANAGERS, owner_type="partner", owner_id="@Partner.ours", currency="XOF"),
        "theirs": row("", owner_type="partner", owner_id="@Partner.theirs", currency="XOF"),
        "pot's": row("", owner_type="pot", owner_id="@Pot.private", currency="XOF"),
        "escrow's": row("", owner_type="escrow", owner_id="@CryptoEscrow.one", currency="XOF"),
        "crossed": row("", owner_type="pot", owner_id="@owner", currency="XOF"),
        "platform's": row("", owner_type="platform", currency="XOF"),
    },
    "LedgerTransaction": {
        "fee": row("owner", created_by="@owner"),
        "contribution": row(f"owner {DAO}", created_by="@owner"),
        "redemption": row(PARTNER_MANAGERS, created_by="@cashier"),
        "clearing": row(CARDS),
        "conversion": row("", created_by="@owner"),
    },
    "LedgerEntry": {
        f"{transaction} {account}": row(seen_by, transaction_id=f"@LedgerTransaction.{transaction}",
                                        account_id=f"@LedgerAccount.{account}", amount=amount)
        for transaction, account, amount, seen_by in (
            ("fee", "owner's", 5, "owner"),
            ("fee", "platform's", -5, ""),
            ("contribution", "owner's", 7, "owner"),
            ("contribution", "DAO's", -7, DAO),
            ("redemption", "pot's", 9, ""),
            ("redemption", "partner's", -9, PARTNER_MANAGERS),
            ("clearing", "card account's", 11, CARDS),
            ("clearing", "platform's", -11, ""),
            ("conversion", "platform's", 13, ""),
            ("conversion", "crossed", -13, ""),
        )
    },
}  # fmt: skip

REST: dict[str, dict[str, Row]] = {
    "SubscriptionLimit": {"free": exactly(EVERYONE, plan="free")},
    "UserSubscription": own(plan="free"),
    # Not even staff: a token for another service is its owner's.
    "UserToken": {
        "owner's": exactly("owner", user_id="@owner"),
        "minor's": exactly("minor guardian", user_id="@minor"),
        "ward's": exactly("ward", user_id="@ward"),
        "staff's": exactly("staff", user_id="@staff"),
    },
    "ApiUsage": own(),
    "UserReferral": {
        "one": row("owner donor", referrer_user_id="@owner", referred_user_id="@donor"),
        "minor's": row("donor minor guardian", referrer_user_id="@donor", referred_user_id="@minor"),
    },
    "Consent": own(),
    "DataRequest": own(),
    "AuditLog": {
        "of the account": row(CARD_MANAGERS, account_id="@CardAccount.ours", actor_user_id="@employee"),
        "theirs": row("rival", account_id="@CardAccount.theirs"),
        "of no account": row("", actor_user_id="@owner"),
    },
}

# In an order in which parents come before their children.
TABLES: dict[str, dict[str, Row]] = (
    IDENTITY
    | SECURITY
    | REFERRALS
    | PACKS
    | POTS
    | REDEMPTION
    | NOTICES
    | TRADING
    | TREASURY
    | CARD_GROUP
    | LEDGER
    | REST
)
# Faces whose rows nobody may go through without a parent: they have no list of their own.
UNLISTED = frozenset({"Contribution", "PointContribution", "PublicProfile", "Trader"})
# Columns of faces that go by another name in the table that they show a part of.
RENAMED = {("PointContribution", "pot_id"): "applied_to_pot_id"}
