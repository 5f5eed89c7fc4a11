"""What cards may be spent on, and how much."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import everyone, holds, members_of_card_account, read, staff
from models.base import Base
from models.columns import Choice, CreatedAt, DeletedAt, Id, UpdatedAt, choice, reference, to_many, to_one

if TYPE_CHECKING:
    from models.cards.accounts import CardAccount
    from models.cards.cards import Card


class SpendLimitDuration(Choice):
    """What a spend limit is counted over."""

    TRANSACTION = "TRANSACTION", "Each transaction by itself."
    MONTHLY = "MONTHLY", "The transactions of a month."
    ANNUALLY = "ANNUALLY", "The transactions of a year."
    FOREVER = "FOREVER", "All transactions the card ever makes."


class ProfileCategoryRuleType(Choice):
    """How a spending profile treats a category of merchants."""

    ALLOWED = "allowed", "Its cards may pay there."
    BLOCKED = "blocked", "Its cards are declined there."


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
