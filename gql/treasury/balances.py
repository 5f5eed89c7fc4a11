"""What users and DAOs hold, each movement of it, and the fees that were taken, as the API shows and sends them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import strawberry
from sqlalchemy import Column, Date, DateTime, Numeric, Text, Uuid

import models.treasury as m
from gql.kit.computed import Argument, Computed
from gql.kit.mirror import mirror, mirrors
from gql.kit.roots import root_fields
from gql.kit.subscription import subscription
from lango.errors import BadUserInput
from models.columns import ChoiceType, money
from models.identity import User
from models.topics import Topic
from resolvers.treasury.balances_at import spent_today, treasury_balance_at, user_balance_at
from resolvers.treasury.holds import HeldPart, holds_of


def check_past(at: datetime) -> datetime:
    """Nobody knows yet what will be held: raises BadUserInput."""
    if at > datetime.now(UTC):
        raise BadUserInput("`at` lies in the future: a balance is of now, or of a moment that has been.")
    return at


AT = Argument(
    Column("at", DateTime(timezone=True), nullable=False, doc="The moment: now, or one that has been."), check_past
)
CURRENCY = Column("currency", Text, nullable=False, doc="What every amount in it is counted in.")


def amount(name: str, doc: str) -> Column[Any]:
    return Column(name, Numeric(28, 8), nullable=False, info=money(of="currency"), doc=doc)


# Of no table, so of no CHECK.
PART = ChoiceType(HeldPart)  # type: ignore[arg-type]
TOTAL = amount("total", "All parts together.")
BALANCE_AT = Computed(
    m.UserBalance,
    "BalanceAsOf",
    "What a balance came to at a moment, by the ledger's entries until then.",
    (
        amount("available", "What could be spent then."),
        amount("pending", "What was on its way."),
        amount("locked", "What was set aside."),
        TOTAL,
        CURRENCY,
    ),
    user_balance_at,
    (AT,),
)
TREASURY_AT = Computed(
    m.DaoTreasury,
    "TreasuryAsOf",
    "What a treasury came to at a moment, by the ledger's entries until then.",
    (
        amount("available", "What was free to be spent then."),
        amount("allocated", "What was promised."),
        amount("reserve", "What was put by for emergencies."),
        TOTAL,
        CURRENCY,
    ),
    treasury_balance_at,
    (AT,),
)
TODAY = Computed(
    m.DaoTreasury,
    "TreasuryToday",
    "What transfers have taken of a treasury on the day that it is now in the DAO's time zone.",
    (
        Column("day", Date, nullable=False, doc="The day in the DAO's time zone."),
        amount("spent", "What transfers took since it began."),
        Column(
            "left",
            Numeric(28, 8),
            info=money(of="currency"),
            doc="What `dailySpendingLimit` leaves for the rest of it; null where there is no limit.",
        ),
        CURRENCY,
    ),
    spent_today,
)
HOLD = Computed(
    m.UserBalance,
    "BalanceHold",
    "A part of a balance that waits for something. The holds of a part add up to it.",
    (
        Column("part", PART, nullable=False, doc="In which part of the balance it is."),
        amount("amount", "How much."),
        CURRENCY,
        Column("kind", Text, nullable=False, doc="What put it there: the ledger's kind, such as `escrow_fund`."),
        Column("reason", Text, doc="Why, for a person to read; null where `kind` says all there is."),
        Column("reference_type", Text, doc="What `rowId` leads to, such as `crypto_escrow`; null without it."),
        Column("row_id", Uuid, doc="The `rowId` of what it waits for; null where it was put there for no row."),
        Column("since", DateTime(timezone=True), nullable=False, doc="Since when."),
        Column("until", DateTime(timezone=True), doc="When it ends by itself; null where something else ends it."),
    ),
    holds_of,
    many=True,
)  # fmt: skip


@mirror(m.UserBalance)
class UserBalance:
    as_of = BALANCE_AT.field(
        "as_of", doc="What it came to at a moment; null for one within a DAO, which the ledger does not keep."
    )
    holds = HOLD.field("holds", doc="Why parts of it are pending or locked, what has been held longest first.")


@mirror(m.DaoTreasury)
class DaoTreasury:
    as_of = TREASURY_AT.field("as_of", doc="What it came to at a moment.")
    today = TODAY.field("today", doc="What was spent of it today, and what its daily limit leaves.")


mirrors(m.WalletTransaction, m.TransactionFee)

Query = root_fields(m.UserBalance, m.DaoTreasury, m.WalletTransaction, m.TransactionFee)


@strawberry.type
class Subscription:
    balance_updated = subscription(
        m.UserBalance,
        name="balanceUpdated",
        topics=(Topic.BALANCE_CHANGED,),
        by="user_id",
        of=User,
        doc="Whenever what a user holds changes, in whichever currency: also in one that they never held before.",
    )
    treasury_transfer_updated = subscription(
        m.TreasuryTransfer,
        name="treasuryTransferUpdated",
        topics=("treasury_transfer.*",),
        by="transfer_id",
        doc="Whenever a payment from a treasury is changed, decided on, paid or ended: for its signers and members.",
    )
    mpesa_transaction_updated = subscription(
        m.MpesaTransaction,
        name="mpesaTransactionUpdated",
        topics=("mpesa_payment.*",),
        by="mpesa_transaction_id",
        doc="Whenever a payment by M-Pesa comes a step further: for the page that waits for it.",
    )
