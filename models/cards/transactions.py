"""What was paid by card, and what the provider told of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import managers_of_card_account, own, read, staff, supervisors_of_card_account
from models.base import Base
from models.columns import Choice, CreatedAt, Id, Json, Moment, UpdatedAt, choice, money, personal, reference, to_one
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.cards.accounts import CardAccount
    from models.cards.cards import Card
    from models.identity import User


class CardTransactionType(Choice):
    """What a card transaction does."""

    AUTHORIZATION = "AUTHORIZATION", "A merchant requests an amount, which is held when it is approved."
    CLEARING = "CLEARING", "A merchant collects, and what was held is settled."
    REFUND = "REFUND", "A merchant gives money back."


class CardTransactionStatus(Choice):
    """What became of a card transaction."""

    PENDING = "PENDING", "Not yet decided."
    APPROVED = "APPROVED", "Allowed."
    DECLINED = "DECLINED", "Refused; `declined_reason` has the reason."


class CardWebhookStatus(Choice):
    """Where a webhook from Lithic stands."""

    PENDING = "pending", "Stored, and waiting to be acted on."
    PROCESSED = "processed", "Acted on."
    FAILED = "failed", "It could not be acted on; it may be tried again."


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
