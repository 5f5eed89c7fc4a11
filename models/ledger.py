"""The double-entry ledger: every movement of money, posted so that each balance can be proved."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import (
    holds,
    managers_of_partner,
    members_of_card_account,
    members_of_dao,
    own,
    read,
    staff,
    where,
)
from models.base import Base
from models.columns import STAFF_ONLY, BigInt, Choice, CreatedAt, Documented, Id, choice, reference, to_many, to_one

if TYPE_CHECKING:
    from models.identity import User


class LedgerAccountKind(Choice):
    """What an account stands for, and so which side makes it grow."""

    ASSET = "asset", "Money that providers hold for the platform; grows by debits."
    LIABILITY = "liability", "Money owed to users, DAOs, pots, partners or card accounts; grows by credits."
    INCOME = "income", "What the platform earns; grows by credits."
    EXPENSE = "expense", "What the platform spends; grows by debits."
    EQUITY = "equity", "The platform's own position, as between currencies; grows by credits."


class LedgerAccountOwnerType(Choice):
    """Whose money an account counts."""

    USER = "user", "A user's."
    DAO = "dao", "A DAO's, seen by its members."
    POT = "pot", "A pot's, seen by staff alone."
    PARTNER = "partner", "A partner's, seen by its owner and managers."
    ESCROW = "escrow", "What is held for a trade."
    CARD_ACCOUNT = "card_account", "A card account's, seen by its members."
    PLATFORM = "platform", "The platform's own."
    PROVIDER = "provider", "What a payment provider, a bank or a chain holds for the platform."


class LedgerKind(Documented):
    """What rules move money for: the kinds of transactions that they post."""

    DONATION = "donation", "What a donor paid counts for a pot."
    DONATION_HELD = "donation_held", "What a donor paid waits in suspense: it counts for nothing yet."
    DONATION_REFUND = "donation_refund", "It leaves the pot for suspense, or suspense for the donor."
    POINTS_CONVERSION = "points_conversion", "The platform gives a pot what a sponsor's points are worth."
    POINTS_CONVERSION_REVERSAL = "points_conversion_reversal", "That goes back, as the pot was called off."
    POT_CARRY_OVER = "pot_carry_over", "What an ended pot holds goes to its owner's next one, or back to where it was."
    QR_ISSUE = "qr_issue", "The price of a code is reserved."
    QR_REDEEM = "qr_redeem", "It is the partner's and the platform's, each its part."
    QR_REDEEM_REVERSAL = "qr_redeem_reversal", "They give it back, as the redemption was taken back."
    QR_CANCEL = "qr_cancel", "It is the pot's again, as the code was given back."
    QR_EXPIRE = "qr_expire", "It is the pot's again, as the code was not redeemed in time."
    SETTLEMENT_PAID = "settlement_paid", "A partner has what it is owed for a period."
    CRYPTO_DEPOSIT = "crypto_deposit", "Coins that arrived on a chain are the user's."
    CRYPTO_WITHDRAWAL = "crypto_withdrawal", "Coins leave a user's balance for an address outside."
    CRYPTO_WITHDRAWAL_REVERSAL = "crypto_withdrawal_reversal", "They are the user's again, as they were not sent."
    ESCROW_FUND = "escrow_fund", "A seller's coins are locked for a trade."
    ESCROW_RELEASE = "escrow_release", "They are the buyer's, less the fee."
    ESCROW_REFUND = "escrow_refund", "They are the seller's again."
    ESCROW_SPLIT = "escrow_split", "Both parties get a part, as staff decided."
    MPESA_DEPOSIT = "mpesa_deposit", "What came by M-Pesa is the user's, less the fee."
    MPESA_HELD = "mpesa_held", "What came by M-Pesa waits in suspense for staff."
    MPESA_WITHDRAWAL = "mpesa_withdrawal", "What is to be sent to a phone is on the way, with its fee."
    MPESA_WITHDRAWAL_PAID = "mpesa_withdrawal_paid", "M-Pesa has sent it."
    MPESA_WITHDRAWAL_REVERSAL = "mpesa_withdrawal_reversal", "It is the user's again, as M-Pesa did not send it."
    MPESA_REVERSAL = "mpesa_reversal", "A deposit leaves the user's balance, to be sent back."
    MPESA_REVERSAL_UNDONE = "mpesa_reversal_undone", "It is the user's again, as M-Pesa did not send it back."
    MPESA_RETURN = "mpesa_return", "M-Pesa has sent money back to whoever paid it."
    TRANSFER = "transfer", "A user gives money to another."
    DAO_CONTRIBUTION = "dao_contribution", "A user gives money to a DAO."
    TREASURY_TRANSFER = "treasury_transfer", "A DAO pays a member, as its signers decided."
    SWAP = "swap", "A user gives one currency for another, and the fee."
    REFERRAL_PAYOUT = "referral_payout", "The platform owes a sponsor the reward of a referral."
    REFERRAL_PAYOUT_PAID = "referral_payout_paid", "It was sent to the sponsor's phone."
    REFERRAL_PAYOUT_REVERSAL = "referral_payout_reversal", "It is the platform's again, as it was not sent."
    TREASURY_ALLOCATION = "treasury_allocation", "A DAO sets money aside, or frees it."


class LedgerAccount(Base):
    """A place where money is counted, in one currency; its balance is the sum of its entries."""

    __tablename__ = "ledger_accounts"
    __table_args__ = ({"schema": "ledger"},)
    __access__ = read(
        where("{row}owner_type = 'user'") & own("owner_id"),
        where("{row}owner_type = 'dao'") & members_of_dao("owner_id"),
        where("{row}owner_type = 'card_account'") & members_of_card_account("owner_id"),
        where("{row}owner_type = 'partner'") & managers_of_partner("owner_id"),
        staff,
    )
    __unaudited__ = "Written once, named by its code."

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(
        unique=True, doc="What it is called, from owner to currency: `user:<id>:available:KES`, `provider:wave:XOF`."
    )
    kind: Mapped[LedgerAccountKind] = choice(
        LedgerAccountKind,
        doc="What it stands for: liabilities, income and equity grow by credits, the others by debits.",
    )
    owner_type: Mapped[LedgerAccountOwnerType] = choice(LedgerAccountOwnerType, doc="What `owner_id` leads to.")
    owner_id: Mapped[UUID | None] = mapped_column(
        doc="The id of that user, DAO, pot, partner, escrow or card account; null for platform and providers."
    )
    currency: Mapped[str] = mapped_column(doc="What its entries are counted in, as an ISO or coin code.")
    created_at: Mapped[CreatedAt]

    entries: Mapped[list[LedgerEntry]] = to_many("LedgerEntry.account_id", doc="Everything that was posted to it.")


class LedgerTransaction(Base):
    """A movement of money, whose entries sum to zero in each currency; never changed or deleted."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        Index(None, "created_by"),
        # What came in on a chain is credited once.
        Index(
            "uq_ledger_transactions_crypto_deposit",
            "reference_id",
            unique=True,
            postgresql_where=text("kind = 'crypto_deposit'"),
        ),
        {"schema": "ledger"},
    )
    __access__ = read(holds("my_ledger_transactions", "id"), staff)
    __unaudited__ = "Append-only: the ledger is its own record."
    __append_only__ = True

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(doc="What happened, such as `escrow_release`.")
    reference_type: Mapped[str | None] = mapped_column(doc="What `reference_id` leads to; null without one.")
    reference_id: Mapped[UUID | None] = mapped_column(
        doc="The id of what the money moved for, such as a donation or an escrow; null without one."
    )
    idempotency_key: Mapped[str | None] = mapped_column(
        unique=True, doc="What keeps the movement from being posted twice; null where nothing could repeat it."
    )
    description: Mapped[str | None] = mapped_column(
        doc="What happened, for a person to read; null where `kind` says enough."
    )
    created_by: Mapped[UUID | None] = reference(
        "identity.users.id",
        info={STAFF_ONLY: True},
        deferred=True,
        deferred_raiseload=True,
        doc="Who caused it, for staff's eyes; null where the platform did by itself.",
    )
    created_at: Mapped[CreatedAt]
    position: Mapped[BigInt] = mapped_column(
        BigInteger,
        Identity(always=True),
        unique=True,
        doc="Its place in the ledger: of two movements on an account whose balance is kept, the later has the higher.",
    )

    created_by_user: Mapped[User | None] = to_one(created_by)
    entries: Mapped[list[LedgerEntry]] = to_many(
        "LedgerEntry.transaction_id", doc="Its debits and credits, as far as the reader may see their accounts."
    )


class LedgerEntry(Base):
    """One side of a movement: a debit or a credit on one account; never changed or deleted."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_is_not_zero"),
        Index(None, "transaction_id"),
        Index(None, "account_id"),
        Index(None, "created_at", "id"),
        {"schema": "ledger"},
    )
    __access__ = read(holds("my_ledger_accounts", "account_id"), staff)
    __unaudited__ = "Append-only: the ledger is its own record."
    __append_only__ = True

    id: Mapped[Id]
    transaction_id: Mapped[UUID] = reference("ledger.ledger_transactions.id", doc="The movement it is a side of.")
    account_id: Mapped[UUID] = reference("ledger.ledger_accounts.id", doc="The account it is posted to.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(28, 8), doc="How much, in the account's currency: positive is a debit, negative a credit; never zero."
    )
    created_at: Mapped[CreatedAt]

    transaction: Mapped[LedgerTransaction | None] = to_one(transaction_id)
    account: Mapped[LedgerAccount | None] = to_one(account_id)
