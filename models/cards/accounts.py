"""Card accounts: who is on them, their settings and addresses."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import managers_of_card_account, members_of_card_account, own, read, staff, where
from models.base import Base
from models.columns import (
    Choice,
    CreatedAt,
    DeletedAt,
    Id,
    Json,
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
    from models.cards.cards import Card, CardProduct
    from models.cards.spending import SpendingProfile
    from models.cards.transactions import CardTransaction
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


class AddressAddressableType(Choice):
    """Whose address it is."""

    ACCOUNT = "account", "A card account's."
    USER = "user", "A user's."


class AddressAddressType(Choice):
    """What an address is used for."""

    BILLING = "billing", "Where invoices go."
    SHIPPING = "shipping", "Where cards are sent."
    BUSINESS = "business", "Where the business is."


class AccountSettingValueType(Choice):
    """What kind of value a setting holds."""

    STRING = "string", "A text."
    NUMBER = "number", "A number, whole or with decimals."
    BOOLEAN = "boolean", "True or false."
    JSON = "json", "Structured data."


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
