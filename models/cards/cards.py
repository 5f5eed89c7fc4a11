"""Cards, and the products they are issued from."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import members_of_card_account, own, read, staff, supervisors_of_card_account
from models.base import Base
from models.cards.spending import SpendLimitDuration
from models.columns import (
    Choice,
    CreatedAt,
    DeletedAt,
    Id,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    to_many,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.cards.accounts import CardAccount
    from models.cards.spending import SpendingProfile
    from models.cards.transactions import CardTransaction
    from models.identity import User


class CardType(Choice):
    """Where a card's money comes from."""

    DEBIT = "debit", "It pays straight from the account's balance."
    RELOADABLE = "reloadable", "It is loaded, spent and loaded again."


class CardStatus(Choice):
    """Where a card stands."""

    PENDING = "pending", "Issued, and not yet activated."
    ACTIVE = "active", "It can pay."
    PAUSED = "paused", "Stopped for now; it is declined."
    CLOSED = "closed", "Ended for good."


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
