"""Corporate cards: accounts and their members, cards, what they may be spent on, and what was spent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import (
    everyone,
    holds,
    managers_of_card_account,
    members_of_card_account,
    own,
    read,
    staff,
    supervisors_of_card_account,
    where,
)
from models.base import Base
from models.columns import (
    Choice,
    CreatedAt,
    DeletedAt,
    Id,
    Json,
    Moment,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    to_face,
    to_many,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.profiles import Colleague


class CardAccountStatus(Choice):
    """Where a card account stands."""

    ACTIVE = "active", "Its cards can pay."
    SUSPENDED = "suspended", "Stopped for now; its cards are declined."
    CLOSED = "closed", "Ended for good."


class CardAccountMemberRole(Choice):
    """What somebody may do on a card account."""

    OWNER = "owner", "Everything; an account always has one."
    ADMIN = "admin", "Manages members, cards and settings."
    USER = "user", "Pays with their own cards, and sees those only."
    ANALYST = "analyst", "Sees all cards and transactions, and changes none."


class CardType(Choice):
    """Where a card's money comes from."""

    DEBIT = "debit", "It pays straight from the account's balance."
    RELOADABLE = "reloadable", "It is loaded, spent and loaded again."


class SpendLimitDuration(Choice):
    """What a spend limit is counted over."""

    TRANSACTION = "TRANSACTION", "Each transaction by itself."
    MONTHLY = "MONTHLY", "The transactions of a month."
    ANNUALLY = "ANNUALLY", "The transactions of a year."
    FOREVER = "FOREVER", "All transactions the card ever makes."


class CardStatus(Choice):
    """Where a card stands."""

    PENDING = "pending", "Issued, and not yet activated."
    ACTIVE = "active", "It can pay."
    PAUSED = "paused", "Stopped for now; it is declined."
    CLOSED = "closed", "Ended for good."


class CardTransactionType(Choice):
    """What a card transaction does."""

    AUTHORIZATION = "AUTHORIZATION", "A merchant asks for an amount, which is held when it is approved."
    CLEARING = "CLEARING", "A merchant collects, and what was held is settled."
    REFUND = "REFUND", "A merchant gives money back."


class CardTransactionStatus(Choice):
    """What became of a card transaction."""

    PENDING = "PENDING", "Not yet decided."
    APPROVED = "APPROVED", "Allowed."
    DECLINED = "DECLINED", "Refused; `declined_reason` says why."


class AddressAddressableType(Choice):
    """Whose address it is."""

    ACCOUNT = "account", "A card account's."
    USER = "user", "A user's."


class AddressAddressType(Choice):
    """What an address is used for."""

    BILLING = "billing", "Where invoices go."
    SHIPPING = "shipping", "Where cards are sent."
    BUSINESS = "business", "Where the business is."


class CardWebhookStatus(Choice):
    """Where a webhook from Lithic stands."""

    PENDING = "pending", "Stored, and waiting to be acted on."
    PROCESSED = "processed", "Acted on."
    FAILED = "failed", "It could not be acted on; it may be tried again."


class AccountSettingValueType(Choice):
    """What kind of value a setting holds."""

    STRING = "string", "A text."
    NUMBER = "number", "A number."
    BOOLEAN = "boolean", "True or false."
    JSON = "json", "Structured data."


class ProfileCategoryRuleType(Choice):
    """What a spending profile says about a category of merchants."""

    ALLOWED = "allowed", "Its cards may pay there."
    BLOCKED = "blocked", "Its cards are declined there."


class CardAccount(Base):
    """An account that cards are paid from, shared by its members."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="balance_is_not_negative"),
        Index(
            "uq_accounts_lithic_account_token",
            "lithic_account_token",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        {"schema": "cards"},
    )
    __access__ = read(members_of_card_account("id"), staff)
    __transitions__ = Transitions("status", active={"suspended", "closed"}, suspended={"active", "closed"})

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(255), doc="What its members call it.")
    balance: Mapped[Decimal] = mapped_column(
        Numeric(10, 2),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What its cards can still spend, in `currency`; never below zero.",
    )
    currency: Mapped[str] = mapped_column(
        String(3), server_default=text("'USD'"), doc="What it is counted in, as an ISO 4217 code such as `USD`."
    )
    status: Mapped[CardAccountStatus] = choice(
        CardAccountStatus, 20, default=CardAccountStatus.ACTIVE, doc="Where it stands."
    )
    lithic_account_token: Mapped[str | None] = mapped_column(
        String(255), doc="Lithic's key of it; null until Lithic knows it."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    card_products: Mapped[list[CardProduct]] = to_many("CardProduct.account_id", doc="What its cards are issued from.")
    cards: Mapped[list[Card]] = to_many(
        "Card.account_id", doc="Its cards; its owner, admins and analysts see all, others their own."
    )
    members: Mapped[list[CardAccountMember]] = to_many(
        "CardAccountMember.account_id", doc="Who is on it, and in which role."
    )
    settings: Mapped[list[AccountSetting]] = to_many(
        "AccountSetting.account_id", doc="Its settings, which its owner and admins see."
    )
    spending_profiles: Mapped[list[SpendingProfile]] = to_many(
        "SpendingProfile.account_id", doc="Its rules on where cards may pay."
    )
    transactions: Mapped[list[CardTransaction]] = to_many(
        "CardTransaction.account_id",
        doc="What its cards paid; its owner, admins and analysts see all, others their own.",
    )


class CardAccountMember(Base):
    """Somebody who is on a card account; one user may be on several."""

    __tablename__ = "account_members"
    __table_args__ = (UniqueConstraint("account_id", "user_id"), Index(None, "user_id"), {"schema": "cards"})
    __access__ = read(members_of_card_account("account_id"), staff)

    id: Mapped[Id]
    account_id: Mapped[UUID] = reference(
        "cards.accounts.id", doc="The card account the user is on.", on_delete="CASCADE"
    )
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    role: Mapped[CardAccountMemberRole] = choice(
        CardAccountMemberRole, 20, default=CardAccountMemberRole.USER, doc="What the user may do on it."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    account: Mapped[CardAccount | None] = to_one(account_id)
    user: Mapped[User | None] = to_one(user_id)
    colleague: Mapped[Colleague | None] = to_face(
        "CardAccountMember.user_id",
        "Colleague.user_id",
        doc="The member, as those on the same card account see them.",
    )


class SpendingProfile(Base):
    """Rules on where cards may pay, for all the cards that follow it."""

    __tablename__ = "spending_profiles"
    __table_args__ = (
        Index(
            "uq_spending_profiles_account_id_name",
            "account_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "uq_spending_profiles_lithic_auth_rule_token",
            "lithic_auth_rule_token",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(None, "account_id"),
        {"schema": "cards"},
    )
    __access__ = read(members_of_card_account("account_id"), staff)

    id: Mapped[Id]
    account_id: Mapped[UUID] = reference(
        "cards.accounts.id", doc="The card account it belongs to.", on_delete="CASCADE"
    )
    name: Mapped[str] = mapped_column(
        String(255), doc="What its members call it; no two on an account are called the same."
    )
    description: Mapped[str | None] = mapped_column(doc="What it is for; null without a text.")
    lithic_auth_rule_token: Mapped[str | None] = mapped_column(
        String(255), doc="Lithic's key of the same rule; null where Lithic has none."
    )
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), doc="Whether it applies.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    account: Mapped[CardAccount | None] = to_one(account_id)
    cards: Mapped[list[Card]] = to_many("Card.spending_profile_id", doc="The cards that follow it.")
    categories: Mapped[list[ProfileCategory]] = to_many(
        "ProfileCategory.spending_profile_id", doc="The categories of merchants it allows or blocks."
    )


class CardProduct(Base):
    """What cards are issued from: their kind, and the limit and rules they begin with."""

    __tablename__ = "card_products"
    __table_args__ = (
        CheckConstraint("default_spend_limit >= 0", name="limit_is_not_negative"),
        Index(None, "account_id"),
        Index(None, "default_spending_profile_id"),
        {"schema": "cards"},
    )
    __access__ = read(members_of_card_account("account_id"), staff)

    id: Mapped[Id]
    account_id: Mapped[UUID] = reference(
        "cards.accounts.id", doc="The card account it belongs to.", on_delete="CASCADE"
    )
    name: Mapped[str] = mapped_column(String(255), doc="What its members call it, such as `Travel Card`.")
    card_type: Mapped[CardType] = choice(CardType, 20, doc="Where the cards' money comes from.")
    default_spend_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(10, 2), info=money(), doc="The limit a card begins with, in the account's currency; null for none."
    )
    default_spend_limit_duration: Mapped[SpendLimitDuration | None] = choice(
        SpendLimitDuration, 20, doc="What that limit is counted over; null without a limit."
    )
    default_spending_profile_id: Mapped[UUID | None] = reference(
        "cards.spending_profiles.id", doc="The rules a card begins with; null for none."
    )
    card_design: Mapped[str | None] = mapped_column(
        String(255), doc="Which picture is on the card; null for the plain one."
    )
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), doc="Whether cards may be issued from it.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    account: Mapped[CardAccount | None] = to_one(account_id)
    default_spending_profile: Mapped[SpendingProfile | None] = to_one(default_spending_profile_id)
    cards: Mapped[list[Card]] = to_many("Card.card_product_id", doc="The cards that were issued from it.")


class Card(Base):
    """A card with which one member pays from a card account."""

    __tablename__ = "cards"
    __table_args__ = (
        CheckConstraint("spend_limit >= 0", name="limit_is_not_negative"),
        Index(
            "uq_cards_lithic_card_token",
            "lithic_card_token",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(None, "account_id"),
        Index(None, "user_id"),
        Index(None, "card_product_id"),
        Index(None, "spending_profile_id"),
        {"schema": "cards"},
    )
    __access__ = read(supervisors_of_card_account("account_id"), own("user_id"), staff)
    __transitions__ = Transitions(
        "status", pending={"active", "closed"}, active={"paused", "closed"}, paused={"active", "closed"}
    )

    id: Mapped[Id]
    account_id: Mapped[UUID] = reference("cards.accounts.id", doc="The card account it pays from.", on_delete="CASCADE")
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    card_product_id: Mapped[UUID | None] = reference(
        "cards.card_products.id", doc="What it was issued from; null where from nothing."
    )
    spending_profile_id: Mapped[UUID | None] = reference(
        "cards.spending_profiles.id", doc="The rules on where it may pay; null for none."
    )
    lithic_card_token: Mapped[str | None] = mapped_column(
        String(255), doc="Lithic's key of it; null until Lithic has made it."
    )
    card_type: Mapped[CardType] = choice(CardType, 20, doc="Where its money comes from.")
    last_four: Mapped[str | None] = mapped_column(
        String(4), info=personal(), doc="The last four digits of its number; null until Lithic has made it."
    )
    memo: Mapped[str | None] = mapped_column(
        String(255), doc="What it is called, to tell it from others; null without a name."
    )
    status: Mapped[CardStatus] = choice(CardStatus, 20, default=CardStatus.PENDING, doc="Where it stands.")
    spend_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(10, 2),
        info=money(),
        doc="The most it may spend over `spend_limit_duration`, in the account's currency; null for no limit.",
    )
    spend_limit_duration: Mapped[SpendLimitDuration | None] = choice(
        SpendLimitDuration, 20, doc="What the limit is counted over; null without a limit."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    account: Mapped[CardAccount | None] = to_one(account_id)
    user: Mapped[User | None] = to_one(user_id)
    card_product: Mapped[CardProduct | None] = to_one(card_product_id)
    spending_profile: Mapped[SpendingProfile | None] = to_one(spending_profile_id)
    transactions: Mapped[list[CardTransaction]] = to_many(
        "CardTransaction.card_id", doc="What it paid, was refused and got back."
    )


class CardTransaction(Base):
    """A payment by card, also one that was declined, or money that came back."""

    __tablename__ = "transactions"
    __table_args__ = (
        Index(None, "card_id", "transaction_date"),
        Index(None, "account_id", "transaction_date"),
        Index(None, "merchant_category_code"),
        Index(None, "transaction_date"),
        Index(None, "user_id"),
        {"schema": "cards"},
    )
    __access__ = read(supervisors_of_card_account("account_id"), own("user_id"), staff)
    __transitions__ = Transitions("status", PENDING={"APPROVED", "DECLINED"})

    id: Mapped[Id]
    account_id: Mapped[UUID] = reference("cards.accounts.id", doc="The card account it is paid from.")
    card_id: Mapped[UUID] = reference("cards.cards.id", doc="The card it was made with.")
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    lithic_transaction_token: Mapped[str | None] = mapped_column(
        String(255), unique=True, doc="Lithic's key of it; null where Lithic gave none."
    )
    amount: Mapped[Decimal] = mapped_column(
        Numeric(10, 2),
        info=money(of="currency"),
        doc="How much it is, in `currency`; `transaction_type` says which way it goes.",
    )
    currency: Mapped[str] = mapped_column(
        String(3), server_default=text("'USD'"), doc="What it is counted in, as an ISO 4217 code such as `USD`."
    )
    merchant_name: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="The merchant, as the card network names it; null where it does not."
    )
    merchant_category_code: Mapped[str | None] = mapped_column(
        String(4), doc="The merchant's line of business, as a code of four digits (MCC); null where unknown."
    )
    transaction_type: Mapped[CardTransactionType] = choice(CardTransactionType, 20, doc="What it does.")
    status: Mapped[CardTransactionStatus] = choice(CardTransactionStatus, 20, doc="What became of it.")
    declined_reason: Mapped[str | None] = mapped_column(String(255), doc="Why it was declined; null where it was not.")
    transaction_date: Mapped[Moment] = mapped_column(doc="When it took place.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    account: Mapped[CardAccount | None] = to_one(account_id)
    card: Mapped[Card | None] = to_one(card_id)
    user: Mapped[User | None] = to_one(user_id)


class Address(Base):
    """A postal address of a card account or of a user."""

    __tablename__ = "addresses"
    __table_args__ = (Index(None, "addressable_type", "addressable_id"), {"schema": "cards"})
    __access__ = read(
        where("{row}addressable_type = 'user'") & own("addressable_id"),
        where("{row}addressable_type = 'account'") & members_of_card_account("addressable_id"),
        staff,
    )

    id: Mapped[Id]
    addressable_type: Mapped[AddressAddressableType] = choice(AddressAddressableType, 20, doc="Whose address it is.")
    addressable_id: Mapped[UUID] = mapped_column(doc="The card account's or user's key, as `addressable_type` says.")
    address_type: Mapped[AddressAddressType] = choice(AddressAddressType, 20, doc="What it is used for.")
    street_line1: Mapped[str] = mapped_column(String(255), info=personal(), doc="Street and number.")
    street_line2: Mapped[str | None] = mapped_column(
        String(255), info=personal(), doc="What else leads to the door; null where nothing."
    )
    city: Mapped[str] = mapped_column(String(255), info=personal(), doc="Town or city.")
    state: Mapped[str] = mapped_column(
        String(2), info=personal(), doc="The state, as its code of two letters, such as `NY`."
    )
    postal_code: Mapped[str] = mapped_column(String(10), info=personal(), doc="The postal or ZIP code.")
    country: Mapped[str] = mapped_column(
        String(2), server_default=text("'US'"), info=personal(), doc="ISO 3166-1 code of two letters, as in `US`."
    )
    is_primary: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether it is used where there are several."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]


class CardWebhook(Base):
    """A webhook from Lithic, kept as it came."""

    __tablename__ = "webhooks"
    __table_args__ = (
        Index(None, "status", "created_at"),
        Index(None, "event_type"),
        Index(None, "account_id"),
        {"schema": "cards"},
    )
    __access__ = read(managers_of_card_account("account_id"), staff)
    __transitions__ = Transitions("status", pending={"processed", "failed"}, failed={"pending", "processed"})
    __unaudited__ = "The stored event is its own record."

    id: Mapped[Id]
    account_id: Mapped[UUID | None] = reference(
        "cards.accounts.id", doc="The card account it is about; null where it is about none."
    )
    event_type: Mapped[str] = mapped_column(String(100), doc="What it reports, such as `card_transaction.updated`.")
    payload: Mapped[Json] = mapped_column(info=personal(), doc="What Lithic sent, whole.")
    status: Mapped[CardWebhookStatus] = choice(
        CardWebhookStatus, 20, default=CardWebhookStatus.PENDING, doc="Where it stands."
    )
    processed_at: Mapped[Moment | None] = mapped_column(doc="When it was acted on; null before.")
    error_message: Mapped[str | None] = mapped_column(
        doc="Why it could not be acted on; null where that did not happen."
    )
    retry_count: Mapped[int] = mapped_column(server_default=text("0"), doc="How often it was tried again.")
    provider_event_id: Mapped[str | None] = mapped_column(
        String(255),
        unique=True,
        doc="Lithic's key of it, by which a redelivery is seen as one; null where Lithic gave none.",
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    account: Mapped[CardAccount | None] = to_one(account_id)


class AccountSetting(Base):
    """A setting of a card account."""

    __tablename__ = "account_settings"
    __table_args__ = (UniqueConstraint("account_id", "key"), {"schema": "cards"})
    __access__ = read(managers_of_card_account("account_id"), staff)

    id: Mapped[Id]
    account_id: Mapped[UUID] = reference(
        "cards.accounts.id", doc="The card account it belongs to.", on_delete="CASCADE"
    )
    key: Mapped[str] = mapped_column(String(255), doc="What programs read it by, such as `max_cards_per_user`.")
    value: Mapped[Json | None] = mapped_column(doc="The value as JSON; null where it is set to nothing.")
    value_type: Mapped[AccountSettingValueType] = choice(AccountSettingValueType, 20, doc="What kind of value it is.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    account: Mapped[CardAccount | None] = to_one(account_id)


class SpendingCategory(Base):
    """A line of business of merchants, as card networks number them."""

    __tablename__ = "spending_categories"
    __table_args__ = ({"schema": "cards"},)
    __access__ = read(everyone(), staff)

    id: Mapped[Id]
    mcc_code: Mapped[str] = mapped_column(String(4), unique=True, doc="Its code of four digits (MCC).")
    category_name: Mapped[str] = mapped_column(String(255), doc="What it is called, such as `Gas Stations`.")
    category_group: Mapped[str | None] = mapped_column(
        String(255), doc="The larger group it is in, such as `Transportation`; null where it is in none."
    )
    is_high_risk: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether payments there are taken for risky, as with gambling."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class ProfileCategory(Base):
    """Whether one spending profile allows or blocks one category of merchants."""

    __tablename__ = "profile_categories"
    __table_args__ = (Index(None, "spending_category_id"), {"schema": "cards"})
    __access__ = read(holds("my_spending_profiles", "spending_profile_id"), staff)

    spending_profile_id: Mapped[UUID] = reference(
        "cards.spending_profiles.id", doc="The spending profile that says so.", on_delete="CASCADE", primary_key=True
    )
    spending_category_id: Mapped[UUID] = reference(
        "cards.spending_categories.id", doc="The category it says it about.", on_delete="CASCADE", primary_key=True
    )
    rule_type: Mapped[ProfileCategoryRuleType] = choice(
        ProfileCategoryRuleType, 20, doc="What it says about the category."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    spending_profile: Mapped[SpendingProfile | None] = to_one(spending_profile_id)
    spending_category: Mapped[SpendingCategory | None] = to_one(spending_category_id)
