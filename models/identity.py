"""Users, their sessions, and the codes they prove themselves with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import conv

from models.access import opened, own, read, staff
from models.base import Base
from models.columns import (
    Choice,
    CreatedAt,
    DeletedAt,
    Id,
    InetAddress,
    Json,
    Moment,
    Texts,
    UpdatedAt,
    choice,
    choices_array,
    personal,
    reference,
    secret_column,
    to_face,
    to_many,
    to_one,
)
from models.locks import LockRank

if TYPE_CHECKING:
    from models.cards import Card, CardAccountMember, CardTransaction
    from models.donations import Donation
    from models.notifications import Notification, NotificationPreferences
    from models.packs import PartnerMember
    from models.pots import Pot, PotInvitation
    from models.profiles import GuardianshipRequest, IdentityDocument, Profile, PublicProfile, UserAddress
    from models.referrals import PointsConversion, PointsLedgerEntry, Referral
    from models.security import ApiKey, OauthAccount, TwoFactorAuth, UserDevice
    from models.trading import (
        CryptoEscrow,
        CryptoPaymentMethod,
        CryptoProfile,
        CryptoTrade,
        CryptoTransaction,
        CryptoWallet,
    )
    from models.treasury import (
        CurrencySwap,
        DaoMember,
        FinancialReport,
        MpesaTransaction,
        RecurringPayment,
        ReferralPayout,
        UserBalance,
        WalletTransaction,
    )
    from models.usage import UserReferral, UserSubscription, UserToken


class UserAuthProvider(Choice):
    """How an account was opened."""

    PHONE = "phone", "By the user's own phone or email, with a code or a password."
    GOOGLE = "google", "With a Google account."
    FACEBOOK = "facebook", "With a Facebook account."


class UserRole(Choice):
    """What a user may act as."""

    USER = "user", "An ordinary user, who acts for themselves and for the minors they are guardian of."
    ADMIN = "admin", "Staff, who read everything and run staff mutations."
    SUPER_ADMIN = "super_admin", "Staff who also read sensitive settings and staff sessions."
    PARTNER = "partner", "Acts for partners; `partner_members` lists which, with the role."


class OneTimeCodePurpose(Choice):
    """What a one-time code is good for."""

    SIGN_IN = "sign_in", "Signs the user in."
    SIGN_UP = "sign_up", "Opens an account for whoever has the contact."
    VERIFY_CONTACT = "verify_contact", "Proves that a phone or email is the user's."
    TWO_FACTOR_CHALLENGE = "two_factor_challenge", "Keeps a sign-in waiting until the second factor is shown."
    TRANSACTION = "transaction", "Confirms one movement of money."
    REAUTHENTICATION = "reauthentication", "Proves once more, within a session, that it is the user."
    UNDO_CONTACT = "undo_contact", "Takes back a change of contact, by a link sent to the old one."
    OAUTH = "oauth", "Keeps a sign-in waiting until the provider of an account has confirmed it."


class OneTimeCodeChannel(Choice):
    """The way a code is sent."""

    SMS = "sms", "To a phone number, by SMS."
    EMAIL = "email", "To an email address."


class UserSessionEndReason(Choice):
    """Why a session ended."""

    SIGNED_OUT = "signed_out", "The user signed out, on this device or everywhere."
    REVOKED = "revoked", "The user ended it from another session."
    IDLE = "idle", "It was not used for as long as a session may rest."
    EXPIRED = "expired", "It had lasted as long as a session may."
    TOO_MANY = "too_many", "The user signed in on more devices than may be signed in at once."
    CREDENTIALS_CHANGED = "credentials_changed", "The password, the second factor or a contact was changed."
    TOKEN_REUSED = "token_reused", "A refresh token was used again that had been replaced: it may have been stolen."
    ACCOUNT_CLOSED = "account_closed", "The account was suspended or erased."


class User(Base):
    """A person with an account, reached by phone, email or both."""

    __tablename__ = "users"
    __lock_rank__ = LockRank.USER
    __table_args__ = (
        CheckConstraint("phone IS NOT NULL OR email IS NOT NULL", name=conv("check_contact_method")),
        Index(None, "roles", postgresql_using="gin"),
        Index(
            "uq_users_phone",
            "phone",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND phone IS NOT NULL"),
        ),
        Index(
            "uq_users_email",
            "email",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND email IS NOT NULL"),
        ),
        {"schema": "identity"},
    )
    __access__ = read(own("id"), staff)

    id: Mapped[Id]
    phone: Mapped[str | None] = mapped_column(
        String(20),
        info=personal(),
        doc="In international form (E.164), as in `+221771234567`; null where there is only an email.",
    )
    email: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="In lower case; null where there is only a phone."
    )
    auth_provider: Mapped[UserAuthProvider] = choice(
        UserAuthProvider, 50, default=UserAuthProvider.PHONE, doc="How the account was opened."
    )
    roles: Mapped[list[UserRole] | None] = choices_array(
        UserRole,
        default=[UserRole.USER],
        doc="What the user may act as: a role in a token counts only if it is listed here, and null lists none.",
    )
    is_active: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="False while staff have suspended the account."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    last_login_at: Mapped[Moment | None] = mapped_column(
        doc="When the user last signed in; null before the first time."
    )
    password_hash: Mapped[str | None] = secret_column(
        String(255), doc="argon2id hash of the password; null for those who sign in without one."
    )
    login_attempts: Mapped[int] = mapped_column(
        server_default=text("0"), doc="How many sign-ins have failed since the last that succeeded."
    )
    locked_until: Mapped[Moment | None] = mapped_column(
        doc="Until when sign-in is refused after too many failures; null or past while it is not."
    )
    deleted_at: Mapped[DeletedAt | None]
    phone_verified_at: Mapped[Moment | None] = mapped_column(
        doc="When the user proved to receive messages at `phone`; null before."
    )
    email_verified_at: Mapped[Moment | None] = mapped_column(
        doc="When the user proved to receive messages at `email`; null before."
    )

    addresses: Mapped[list[UserAddress]] = to_many(
        "UserAddress.user_id", doc="Where the user lives, gets invoices and has goods sent."
    )
    api_keys: Mapped[list[ApiKey]] = to_many(
        "ApiKey.user_id", doc="The keys with which the user's programs call, revoked ones too."
    )
    balances: Mapped[list[UserBalance]] = to_many(
        "UserBalance.user_id", doc="What the user holds, in each currency, alone and in DAOs."
    )
    card_account_memberships: Mapped[list[CardAccountMember]] = to_many(
        "CardAccountMember.user_id", doc="The card accounts the user is on, each with the role there."
    )
    card_transactions: Mapped[list[CardTransaction]] = to_many(
        "CardTransaction.user_id", doc="Payments tried with the user's cards, declined ones too."
    )
    cards: Mapped[list[Card]] = to_many("Card.user_id", doc="The cards issued to the user.")
    crypto_payment_methods: Mapped[list[CryptoPaymentMethod]] = to_many(
        "CryptoPaymentMethod.user_id", doc="The ways the user can pay and be paid in trades."
    )
    crypto_profile: Mapped[CryptoProfile | None] = to_many(
        "CryptoProfile.user_id",
        doc="The user's standing, limits and verification as a trader; null for those who do not trade.",
    )
    crypto_transactions: Mapped[list[CryptoTransaction]] = to_many(
        "CryptoTransaction.user_id", doc="Movements of coins to, from and within the user's wallets."
    )
    crypto_wallets: Mapped[list[CryptoWallet]] = to_many(
        "CryptoWallet.user_id", doc="The wallets the user has connected."
    )
    currency_swaps: Mapped[list[CurrencySwap]] = to_many(
        "CurrencySwap.user_id", doc="The user's exchanges of one currency for another."
    )
    dao_memberships: Mapped[list[DaoMember]] = to_many(
        "DaoMember.user_id", doc="The DAOs the user has joined or asked to join, each with the role there."
    )
    developer_referrals: Mapped[list[UserReferral]] = to_many(
        "UserReferral.referrer_user_id", doc="The developers who came by the user's referral code."
    )
    devices: Mapped[list[UserDevice]] = to_many("UserDevice.user_id", doc="The devices the user has signed in on.")
    donations: Mapped[list[Donation]] = to_many(
        "Donation.donor_user_id", doc="What the user gave to pots while signed in."
    )
    escrows_as_buyer: Mapped[list[CryptoEscrow]] = to_many(
        "CryptoEscrow.buyer_id", doc="Escrows that pay coins to the user."
    )
    escrows_as_seller: Mapped[list[CryptoEscrow]] = to_many(
        "CryptoEscrow.seller_id", doc="Escrows that hold coins of the user's."
    )
    financial_reports: Mapped[list[FinancialReport]] = to_many(
        "FinancialReport.user_id", doc="Reports on the user's own money; a DAO's are the DAO's."
    )
    mpesa_transactions: Mapped[list[MpesaTransaction]] = to_many(
        "MpesaTransaction.user_id", doc="Payments by M-Pesa to and from the user."
    )
    guardianship_requests: Mapped[list[GuardianshipRequest]] = to_many(
        "GuardianshipRequest.guardian_user_id", doc="Requests that the user be the guardian of a minor."
    )
    identity_documents: Mapped[list[IdentityDocument]] = to_many(
        "IdentityDocument.user_id", doc="The documents by which the user proved who they are, rejected ones too."
    )
    notification_preferences: Mapped[NotificationPreferences | None] = to_many(
        "NotificationPreferences.user_id",
        doc="What the user wants to be notified of, how and when; null where the defaults hold.",
    )
    notifications: Mapped[list[Notification]] = to_many(
        "Notification.user_id", doc="Messages written to the user, sent or waiting."
    )
    oauth_accounts: Mapped[list[OauthAccount]] = to_many(
        "OauthAccount.user_id", doc="Accounts elsewhere that the user signs in with, disconnected ones too."
    )
    partner_memberships: Mapped[list[PartnerMember]] = to_many(
        "PartnerMember.user_id", doc="The partners the user acts for, each with the role there."
    )
    points: Mapped[list[PointsLedgerEntry]] = to_many(
        "PointsLedgerEntry.sponsor_user_id", doc="Points the user earned and spent as a sponsor."
    )
    points_conversions: Mapped[list[PointsConversion]] = to_many(
        "PointsConversion.sponsor_user_id", doc="Points the user turned into money for pots."
    )
    pot_invitations: Mapped[list[PotInvitation]] = to_many(
        "PotInvitation.invited_user_id", doc="Invitations to pots that the user received."
    )
    pots: Mapped[list[Pot]] = to_many("Pot.owner_user_id", doc="The user's own birthday pots.")
    public_profile: Mapped[PublicProfile | None] = to_face(
        "User.id",
        "PublicProfile.user_id",
        doc="The person as anyone may see them; null without a public profile.",
    )
    profile: Mapped[Profile | None] = to_many(
        "Profile.user_id", doc="Who the user is: name, birthday and more; null until it is filled in."
    )
    provider_tokens: Mapped[list[UserToken]] = to_many(
        "UserToken.user_id", doc="Tokens for other services that the user has stored."
    )
    recurring_payments: Mapped[list[RecurringPayment]] = to_many(
        "RecurringPayment.user_id", doc="Payments that the user lets repeat by themselves."
    )
    referral_payouts: Mapped[list[ReferralPayout]] = to_many(
        "ReferralPayout.referrer_id", doc="Rewards for referrals that are or were to be paid to the user."
    )
    referrals_received: Mapped[list[Referral]] = to_many(
        "Referral.sponsored_user_id", doc="Invitations by sponsors that led to the user."
    )
    referrals_sent: Mapped[list[Referral]] = to_many(
        "Referral.sponsor_user_id", doc="Invitations that the user sent as a sponsor."
    )
    sessions: Mapped[list[UserSession]] = to_many("UserSession.user_id", doc="The user's logins, ended ones too.")
    subscription: Mapped[UserSubscription | None] = to_many(
        "UserSubscription.user_id",
        doc="The user's plan as a developer, and the use made of it; null for those who have none.",
    )
    trades_as_buyer: Mapped[list[CryptoTrade]] = to_many(
        "CryptoTrade.buyer_id", doc="Trades in which the user gets the coins."
    )
    trades_as_seller: Mapped[list[CryptoTrade]] = to_many(
        "CryptoTrade.seller_id", doc="Trades in which the user gives the coins."
    )
    trades_placed: Mapped[list[CryptoTrade]] = to_many(
        "CryptoTrade.user_id", doc="Trades that the user offered, taken or not."
    )
    two_factor_auth: Mapped[TwoFactorAuth | None] = to_many(
        "TwoFactorAuth.user_id", doc="The user's second factor; null where none was ever set up."
    )
    wallet_transactions_received: Mapped[list[WalletTransaction]] = to_many(
        "WalletTransaction.to_user_id", doc="Movements of money to the user's balances."
    )
    wallet_transactions_sent: Mapped[list[WalletTransaction]] = to_many(
        "WalletTransaction.from_user_id", doc="Movements of money from the user's balances."
    )
    wards: Mapped[list[Profile]] = to_many(
        "Profile.guardian_user_id", doc="Profiles that name the user as guardian, accepted or not."
    )


class UserSession(Base):
    """A login on one device, until it expires or is revoked."""

    __tablename__ = "user_sessions"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        Index(None, "token_hash"),
        Index(None, "user_id"),
        Index(None, "device_id"),
        Index(None, "expires_at", postgresql_where=text("NOT is_revoked")),
        CheckConstraint("assurance_level BETWEEN 1 AND 2", name="assurance_level_is_known"),
        {"schema": "identity"},
    )
    __access__ = read(opened, own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.", on_delete="CASCADE")
    token_hash: Mapped[str] = secret_column(
        String(255), doc="Hash of the session's token: the token itself is not kept."
    )
    device_info: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What the client reported of its device, as JSON; null where it reported nothing."
    )
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    expires_at: Mapped[Moment] = mapped_column(doc="When the login ends by itself.")
    created_at: Mapped[CreatedAt]
    is_revoked: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="True once it was ended before its time; it is refused from then on."
    )
    device_id: Mapped[UUID | None] = reference(
        "security.user_devices.id", doc="The device it was begun on; null where that is not known."
    )
    assurance_level: Mapped[int] = mapped_column(
        server_default=text("1"),
        doc="How surely it is the user: 1 for one proof, 2 for a second factor too (`aal` in its tokens).",
    )
    methods: Mapped[Texts | None] = mapped_column(
        doc="The proofs that were given: `pwd`, `otp`, `oidc`, `totp` or `backup` (`amr` in its tokens); null where "
        "that is not known."
    )
    authenticated_at: Mapped[Moment | None] = mapped_column(
        doc="When the user last gave a proof in it (`auth_time` in its tokens); null where that is not known."
    )
    last_used_at: Mapped[Moment | None] = mapped_column(doc="When it was last renewed; null before the first time.")
    ended_at: Mapped[Moment | None] = mapped_column(doc="When it was ended before its time; null unless it was.")
    end_reason: Mapped[UserSessionEndReason | None] = choice(
        UserSessionEndReason, 20, doc="Why it was ended; null unless it was."
    )

    user: Mapped[User | None] = to_one(user_id)
    device: Mapped[UserDevice | None] = to_one(device_id)


class PasswordResetToken(Base):
    """A token to set a new password; unused, since `account_recovery` holds them."""

    __tablename__ = "password_reset_tokens"
    __table_args__ = (Index(None, "user_id"), {"schema": "identity"})
    __access__ = read(staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.", on_delete="CASCADE")
    token_hash: Mapped[str] = secret_column(String(255), doc="Hash of the token: the token itself is not kept.")
    expires_at: Mapped[Moment] = mapped_column(doc="When it can no longer be used.")
    used_at: Mapped[Moment | None] = mapped_column(doc="When it was used; null before.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)


class OneTimeCode(Base):
    """A code sent by SMS or email, or a sign-in that waits for its second factor."""

    __tablename__ = "one_time_codes"
    __lock_rank__ = LockRank.CHALLENGE
    __table_args__ = (
        Index(None, "user_id"),
        Index(None, "identifier", "created_at"),
        Index(None, "session_id"),
        # Whoever has the link has nothing else.
        Index("ix_one_time_codes_link", "code_hash", postgresql_where=text("purpose = 'undo_contact'")),
        {"schema": "identity"},
    )
    __access__ = None
    __unaudited__ = "Short-lived secrets; what became of them is in login_attempts."

    id: Mapped[Id]
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    identifier: Mapped[str] = mapped_column(String(255), info=personal(), doc="The phone or email it was sent to.")
    purpose: Mapped[OneTimeCodePurpose] = choice(OneTimeCodePurpose, 20, doc="What it is good for.")
    code_hash: Mapped[str] = secret_column(String(255), doc="Hash of the code: what was sent is not kept.")
    tries: Mapped[int] = mapped_column(server_default=text("0"), doc="How often it was tried; after 5 it is refused.")
    expires_at: Mapped[Moment] = mapped_column(doc="When it can no longer be used.")
    used_at: Mapped[Moment | None] = mapped_column(
        doc="When it was used, or replaced by a later one; null before. It serves once."
    )
    created_at: Mapped[CreatedAt]
    channel: Mapped[OneTimeCodeChannel | None] = choice(
        OneTimeCodeChannel, 20, doc="The way it was sent; null where nothing was."
    )
    session_id: Mapped[UUID | None] = reference(
        "identity.user_sessions.id", doc="The session that it was requested in; null where there was none."
    )
    details: Mapped[Json | None] = secret_column(
        JSONB(), doc="What waits for the code, as JSON: a password's hash, a contact, how far a sign-in has come."
    )

    user: Mapped[User | None] = to_one(user_id)
    session: Mapped[UserSession | None] = to_one(session_id)
