"""What tests look at in the payload of each mutation; of one that is not named here, what the schema says it made."""

from __future__ import annotations

from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from gql.schema import schema

GRAPHQL = schema._schema
ERRORS = "userErrors { code message field details }"
WARNINGS = "warnings { code }"

PARTNER = """partner {
  rowId name type status description contactName contactEmail contactPhone businessRegistration taxId venues
  paymentTerms minimumPayoutCfa revenueSplitPercentage autoApproveRedemptions verifiedAt verifiedByUserId
  members { nodes { role userId } }
}"""
PACK = """pack {
  rowId name description category basePriceCfa discountedPriceCfa isActive availableFrom availableUntil
  maxRedemptionsPerUser totalAvailableQuantity imageUrl galleryImages venueRestrictions termsAndConditions
  redemptionInstructions validityDays seoTitle seoDescription marketingTags partnerId
}"""
INVITATION = "invitation { rowId status role phone email partnerName expiresAt invitedBy answeredBy }"
POT = """rowId title status targetAmountCfa birthdayDate scheduledOpenAt actualOpenedAt timeZone visibility raisedCfa
  balanceCfa"""
PLANNED = f"pot {{ {POT} description galleryImages coverImageUrl }}"
REFERRAL = "rowId status referralCode invitedPhone invitedEmail invitedName invitationOrder sentAt expiredAt"
SETTLEMENT = """settlement {
  rowId partnerId periodStart periodEnd totalRedemptionsCount totalRevenueCfa partnerShareCfa woloCommissionCfa status
  approvedByUserId approvedAt paymentReference paidAt invoiceUrl receiptUrl disputeReason availableTransitions
}"""
TRADE = "trade { rowId status escrow { rowId } totalValue fee feeCurrency paidAt sellerRating buyerRating }"
ESCROW = "escrow { rowId status amount currency buyerAmount sellerAmount expiresAt trade { status } }"
DISPUTE = "dispute { rowId status reason resolution escrow { status buyerAmount sellerAmount } }"
WALLET = "wallet { rowId isPrimary isConnected walletAddress chainType }"
PAYMENT_METHOD = "paymentMethod { rowId isPrimary isVerified verificationStatus }"
REPORT = """report {
  rowId status reportType daoId userId periodStart periodEnd version supersedesId ledgerPosition ledgerTransactionId
  currency totalRevenue totalExpenses netProfit totalAssets reportData reviewedBy approvedBy notes
}"""
TREASURY_TRANSFER = """rowId status amount currency recipientUser { rowId } purpose expiresAt executedAt blockedBy
    availableTransitions"""
SIGNER_CHANGE = """rowId status added removed threshold minimumReserve dailySpendingLimit liftsDailyLimit expiresAt
    treasury { signers requiredSignatures minimumReserve dailySpendingLimit }"""
BACKUP_CODES = "backupCodes twoFactorAuth { enabled enabledAt }"
DAO = (
    "dao { rowId name description access status memberCount quorumPercentage votingPeriodHours timeZone statusReason }"
)
MEMBERSHIP = "member { rowId daoId userId role status statusReason }"
MOVEMENT = "walletTransaction { rowId type status amount currency fromUserId toUserId daoId description }"
OAUTH_ACCOUNT = "oauthAccount { rowId userId provider providerUsername disconnectedAt }"

SESSION = "session { id rowId userId assuranceLevel methods }"
SIGNED_IN = f"accessToken accessTokenExpiresAt refreshToken challengeId {SESSION}"

MPESA_TRANSACTION = """mpesaTransaction {
  rowId transactionType status amount fee paidAmount purpose daoId phoneNumber accountReference expiresAt
}"""
MPESA_RECEIPT = "mpesaReceipt { rowId status amount receiptNumber heldReason decisionReason }"
MPESA_MESSAGE = "mpesaMessage { rowId kind receiptNumber processedAt processingError }"

SHOWN = {
    "depositByMpesa": f"{MPESA_TRANSACTION} fee credited {WARNINGS}",
    "openMpesaAccount": "mpesaAccount { rowId accountNumber daoId }",
    "releaseHeldPayment": f"{MPESA_RECEIPT} {MPESA_TRANSACTION}",
    "settleMpesaPayment": f"{MPESA_TRANSACTION} {MPESA_MESSAGE} {WARNINGS}",
    "replayMpesaMessage": f"{MPESA_MESSAGE} {WARNINGS}",
    # signing in
    **dict.fromkeys(("signUp", "requestOtp", "requestReauthenticationCode"), "challengeId expiresAt"),
    **dict.fromkeys(("signInWithOtp", "signInWithPassword", "verifyTwoFactor", "refreshSession"), SIGNED_IN),
    "confirmSignUp": f"{SIGNED_IN} contactChallengeId",
    **dict.fromkeys(("signOut", "signOutEverywhere"), "ended"),
    "revokeSession": "session { rowId endReason }",
    "reauthenticate": "accessToken accessTokenExpiresAt session { rowId assuranceLevel methods authenticatedAt }",
    # ways in
    **dict.fromkeys(("resetPassword", "signInWithOauth"), SIGNED_IN),
    "confirmContactChange": "user { rowId phone email phoneVerifiedAt emailVerifiedAt }",
    **dict.fromkeys(("confirmTwoFactor", "regenerateBackupCodes"), BACKUP_CODES),
    "disableTwoFactor": "twoFactorAuth { enabled disabledAt }",
    "trustDevice": "device { rowId trusted trustedUntil } deviceToken",
    "revokeDevice": "device { rowId trusted }",
    **dict.fromkeys(("connectOauth", "disconnectOauth"), OAUTH_ACCOUNT),
    # people and staff
    "removeAddress": "removedAddressId address { rowId isDefault }",
    "revealIdentityDocument": "number image document { rowId }",
    "startAdminSession": "token adminSession { rowId adminLevel expiresAt terminatedAt }",
    # partners and packs
    **dict.fromkeys(("registerPartner", "updatePartner", "setPartnerTerms", "verifyPartner"), PARTNER),
    **dict.fromkeys(("suspendPartner", "reinstatePartner", "terminatePartner"), "partner { status }"),
    **dict.fromkeys(("invitePartnerMember", "declinePartnerInvitation", "cancelPartnerInvitation"), INVITATION),
    "acceptPartnerInvitation": "partnerMember { rowId role userId partnerId }",
    "changePartnerMemberRole": "partnerMember { rowId role }",
    "removePartnerMember": "partner { members { nodes { userId } } }",
    **dict.fromkeys(("createPack", "updatePack"), PACK),
    **dict.fromkeys(("publishPack", "withdrawPack"), "pack { isActive }"),
    # pots
    **dict.fromkeys(("createPot", "updatePot"), PLANNED),
    **dict.fromkeys(("closePot", "cancelPot"), f"pot {{ {POT} closedAt }}"),
    "sharePot": "pot { rowId } shareToken",
    "inviteToPot": "invitation { rowId recipientIdentifier invitationMethod invitedUser { id } openedAt } token",
    "openPotInvitation": "pot { rowId title } invitation { openedAt clickedAt } shareToken",
    # donations
    "donate": """donation { rowId status amountCfa donorPhone donorName riskScore pot { raisedCfa } }
        paymentUrl reference receiptToken""",
    "retryDonation": "donation { status } paymentUrl reference",
    "refundDonation": "refund { rowId amountCfa reason waveRefundStatus donation { status } }",
    **dict.fromkeys(("releaseHeldDonation", "rejectHeldDonation"), "donation { status }"),
    "replayWaveEvent": "waveWebhookEvent { processedAt processingError retryCount }",
    "retryRefund": "refund { waveRefundStatus }",
    "markRefundPaid": "refund { waveRefundStatus waveRefundId }",
    # referrals, points, campaigns
    "sendReferrals": f"referrals {{ {REFERRAL} }} left",
    "acceptReferral": """referral { rowId status acceptedAt sponsoredUser { rowId } }
        pot { rowId status title targetAmountCfa birthdayDate ownerUser { rowId } createdFromReferral { rowId } }""",
    "declineReferral": "referral { status } declined",
    "prepareContactBatch": "batches { rowId status batchNumber startPosition endPosition contactSnapshot }",
    "selectBatchContacts": "batch { status selectedCount autoSelected manualSelections }",
    "sendBatch": f"batch {{ status selectedCount sentCount autoSelected }} referrals {{ {REFERRAL} }} left",
    "skipBatch": "batch { status }",
    "revokePoints": "pointsLedgerEntry { status description pointsEarned }",
    "convertPoints": """pointsConversion {
        rowId pointsConverted creditsIssued conversionRate appliedToPot { raisedCfa balanceCfa status } }""",
    "createCampaign": "campaign { rowId status pointsMultiplier targetDemographics packCategories spentCfa }",
    "updateCampaign": "campaign { status pointsMultiplier budgetCfa targetDemographics packCategories campaignName }",
    **dict.fromkeys(("startCampaign", "pauseCampaign", "completeCampaign"), "campaign { status }"),
    **dict.fromkeys(("recordCampaignImpression", "recordCampaignClick"), "campaign { campaignName }"),
    # redemption and settlements
    "issueQrCode": "qrCode { rowId code status priceCfa redeemableFrom expiresAt svg pot { balanceCfa } }",
    "cancelQrCode": "qrCode { status pot { balanceCfa } }",
    "checkQrCode": "pack { name } priceCfa redeemableFrom expiresAt redemptionInstructions",
    "redeemQrCode": "qrCode { id status redeemedAt partnerShareCfa redeemedByPartner { name } }",
    "reverseRedemption": "qrCode { rowId status redeemedAt redeemedByPartnerId redeemedAtVenue partnerNotes partnerShareCfa }",
    **dict.fromkeys(
        ("generateSettlement", "approveSettlement", "markSettlementPaid", "disputeSettlement", "reopenSettlement"),
        SETTLEMENT,
    ),
    # trading
    **dict.fromkeys(("placeTrade", "takeTrade", "cancelTrade", "rateTrade", "markTradePaid"), TRADE),
    **dict.fromkeys(("fundEscrow", "releaseEscrow", "refundEscrow"), ESCROW),
    **dict.fromkeys(("openDispute", "resolveDispute"), DISPUTE),
    "recordCryptoDeposit": "transaction { rowId amount currency }",
    **dict.fromkeys(("connectWallet", "setPrimaryWallet", "disconnectWallet"), WALLET),
    **dict.fromkeys(
        ("addPaymentMethod", "removePaymentMethod", "verifyPaymentMethod"), PAYMENT_METHOD
    ),
    **dict.fromkeys(
        ("confirmCryptoWithdrawal", "failCryptoWithdrawal"), "transaction { rowId status transactionHash metadata }"
    ),
    "withdrawCrypto": "transaction { rowId amount currency status toAddress }",
    "withdrawByMpesa": "mpesaTransaction { rowId status amount phoneNumber } fee total",
    **dict.fromkeys(
        ("cancelMpesaWithdrawal", "settleMpesaPayout"), "mpesaTransaction { rowId status failureReason }"
    ),
    **dict.fromkeys(
        ("requestReferralPayout", "approveReferralPayout", "rejectReferralPayout", "retryReferralPayout"),
        "referralPayout { rowId status amount currency destinationPhone failureReason notes retryCount }",
    ),
    "returnHeldPayment": "mpesaReceipt { rowId status } reversal { rowId status amount reverses { rowId } }",
    "reverseMpesaPayment": "mpesaTransaction { rowId status } reversal { rowId status amount fee }",
    "setKycStatus": "profile { kycStatus kycVerifiedAt isVerifiedTrader dailyLimit monthlyLimit }",
    **dict.fromkeys(
        ("createRecurringPayment", "updateRecurringPayment", "pauseRecurringPayment", "resumeRecurringPayment",
         "cancelRecurringPayment"),
        "recurringPayment { rowId amount currency nextPaymentDate isActive isPaused pausedReason occurrence timeZone }",
    ),
    "quoteSwap": "quote { rowId fromCurrency toCurrency fromAmount toAmount rate fee expiresAt }",
    "swapCurrency": "swap { rowId fromAmount toAmount exchangeRate totalFee status } walletTransaction { rowId type amount }",
    "upsertExchangeRates": "rates { rowId fromCurrency toCurrency rate spread validFrom source }",
    "recordGasPrice": "gasPrice { rowId gasPrice avgGasPrice1h avgGasPrice24h minGasPrice24h maxGasPrice24h blockNumber }",
    "createDao": f"{DAO} treasury {{ rowId currency signers requiredSignatures totalBalance }} inviteCode",
    **dict.fromkeys(("updateDao", "suspendDao", "reinstateDao", "archiveDao"), DAO),
    "rotateDaoInviteCode": f"{DAO} inviteCode",
    **dict.fromkeys(("joinDao", "approveMember", "rejectMember", "leaveDao", "banMember", "readmitMember"), MEMBERSHIP),
    "changeMemberRole": MEMBERSHIP,
    "contributeToDao": f"{MOVEMENT} treasury {{ availableBalance totalBalance }}",
    "transferFunds": MOVEMENT,
    **dict.fromkeys(
        ("proposeTreasuryTransfer", "changeTreasuryTransfer", "cancelTreasuryTransfer", "executeTreasuryTransfer",
         "closeExpiredTreasuryTransfer"),
        f"transfer {{ {TREASURY_TRANSFER} }}",
    ),
    **dict.fromkeys(
        ("approveTreasuryTransfer", "rejectTreasuryTransfer"),
        f"transfer {{ {TREASURY_TRANSFER} }} approval {{ rowId decision comment }}",
    ),
    **dict.fromkeys(("proposeSignerChange", "cancelSignerChange"), f"change {{ {SIGNER_CHANGE} }}"),
    **dict.fromkeys(
        ("approveSignerChange", "rejectSignerChange"),
        f"change {{ {SIGNER_CHANGE} }} approval {{ rowId decision comment }}",
    ),
    "upsertCryptoPrices": "prices { symbol name priceUsd marketCapRank high24h }",
    **dict.fromkeys(("generateFinancialReport", "reviewFinancialReport"), REPORT),
    **dict.fromkeys(("submitFinancialReport", "archiveFinancialReport"), "report { rowId status }"),
    "publishFinancialReport": "report { rowId status publishedAt }",
}  # fmt: skip


def document(mutation: str, show: str | None = None) -> str:
    """The mutation of one `$input`, which shows this of its payload; its errors and warnings always."""
    kind = f"{mutation[0].upper()}{mutation[1:]}Input"
    return f"mutation ($input: {kind}!) {{ {mutation}(input: $input) {{ {_selection(mutation, show)} }} }}"


def _selection(mutation: str, show: str | None) -> str:
    kind = _payload_of(mutation)
    shown = SHOWN.get(mutation) if show is None else show
    if shown is None:
        shown = " ".join(
            name if is_leaf_type(get_named_type(field.type)) else f"{name} {{ rowId }}"
            for name, field in kind.fields.items()
            if name not in ("userErrors", "warnings")
        )
    return f"{shown} {WARNINGS if 'warnings' in kind.fields else ''} {ERRORS}"


def _payload_of(mutation: str) -> GraphQLObjectType:
    assert GRAPHQL.mutation_type is not None
    kind = get_named_type(GRAPHQL.mutation_type.fields[mutation].type)
    assert isinstance(kind, GraphQLObjectType)
    return kind
