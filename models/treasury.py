"""Balances, DAOs and their treasuries: deposits by M-Pesa, swaps, fees, payouts, transfers and reports."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, Numeric, Text, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import admins_of_dao, everyone, holds, members_of_dao, own, read, staff, where
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    CreatedAt,
    DeletedAt,
    Id,
    InetAddress,
    Json,
    Moment,
    UpdatedAt,
    choice,
    money,
    personal,
    reference,
    secret_column,
    to_face,
    to_many,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.profiles import Colleague
    from models.referrals import Referral


class TransactionFeeFeeType(Choice):
    """What kind of fee it is."""

    PLATFORM_FEE = "platform_fee", "For the platform's own service."
    GAS_FEE = "gas_fee", "For computation on the chain."
    NETWORK_FEE = "network_fee", "For carrying the payment, as a payment network or a chain charges it."
    SERVICE_FEE = "service_fee", "For an extra service on top of the payment."
    PERFORMANCE_FEE = "performance_fee", "A part of the gain that was made."


class TransactionFeeCollectedBy(Choice):
    """Who charged a fee."""

    PLATFORM = "platform", "The platform."
    DAO = "dao", "The DAO the transaction was made in."
    PROTOCOL = "protocol", "The protocol on the chain, outside the platform."


class CurrencySwapProvider(Choice):
    """Who exchanged the money."""

    UBESWAP = "ubeswap", "The exchange Ubeswap, on Celo."
    MENTO = "mento", "The protocol Mento, which issues Celo's stable coins."
    MANUAL = "manual", "The platform itself, at its stored rate."


class CurrencySwapStatus(Choice):
    """Where a swap stands."""

    PENDING = "pending", "Begun, and not yet exchanged."
    COMPLETED = "completed", "Exchanged; both balances have changed."
    FAILED = "failed", "It did not go through; no balance has changed."
    EXPIRED = "expired", "Not exchanged in time; no balance has changed."


class MpesaTransactionTransactionType(Choice):
    """What was asked of M-Pesa, or came from it."""

    STK_PUSH = "stk_push", "A deposit that the payer confirms with a PIN on the phone."
    B2C = "b2c", "A payout from the platform to a phone."
    C2B = "c2b", "A deposit that the payer began in M-Pesa."
    REVERSAL = "reversal", "An earlier payment that is given back."
    BALANCE_QUERY = "balance_query", "A question about a balance; it moves no money."


class MpesaTransactionStatus(Choice):
    """Where a payment by M-Pesa stands."""

    PENDING = "pending", "Written, and M-Pesa has not taken it yet."
    PROCESSING = "processing", "With M-Pesa, whose result is awaited."
    COMPLETED = "completed", "Paid, and in the ledger."
    FAILED = "failed", "M-Pesa refused it or could not carry it out."
    REVERSED = "reversed", "Paid, and given back afterwards."
    CANCELLED = "cancelled", "Declined by the payer."
    HELD = "held", "Paid, but not the amount that was asked for; staff decide."


class GasPriceNetwork(Choice):
    """The chain a gas price was seen on."""

    CELO = "celo", "Celo's main network, where coins have value."
    ALFAJORES = "alfajores", "Celo's test network, where they have none."


class GasPriceNetworkCongestion(Choice):
    """How busy a chain was."""

    LOW = "low", "Transactions are confirmed at once."
    MEDIUM = "medium", "Cheap transactions wait."
    HIGH = "high", "Most transactions wait unless they pay more."


class ReferralPayoutPayoutMethod(Choice):
    """The way a referral's reward is paid."""

    WALLET = "wallet", "To the wallet at `destination_address`."
    MPESA = "mpesa", "By M-Pesa to `destination_phone`."
    BANK_TRANSFER = "bank_transfer", "To the bank account in `destination_account`."


class ReferralPayoutStatus(Choice):
    """Where a payout stands between the request and the money."""

    PENDING = "pending", "Asked for, and waiting for staff."
    APPROVED = "approved", "Agreed by staff, and waiting for payment."
    PROCESSING = "processing", "Being paid."
    COMPLETED = "completed", "Paid."
    FAILED = "failed", "The payment did not go through; it may be tried again."
    REJECTED = "rejected", "Declined by staff."


class RecurringPaymentFrequency(Choice):
    """The period a recurring payment counts in."""

    DAILY = "daily", "Days."
    WEEKLY = "weekly", "Weeks."
    BIWEEKLY = "biweekly", "Two weeks at a time."
    MONTHLY = "monthly", "Months; a day the month does not have becomes its last."
    QUARTERLY = "quarterly", "Three months at a time."
    YEARLY = "yearly", "Years."


class RecurringPaymentPaymentMethod(Choice):
    """What a recurring payment is taken from."""

    WALLET = "wallet", "The payer's balance on the platform."
    MPESA = "mpesa", "The payer's M-Pesa account."
    CARD = "card", "The payer's card."


class FinancialReportReportType(Choice):
    """What a report shows."""

    INCOME_STATEMENT = "income_statement", "Income and expenses of the period, and what is left of them."
    BALANCE_SHEET = "balance_sheet", "What is owned and owed at the period's end."
    CASH_FLOW = "cash_flow", "Money that came in and went out in the period."
    MONTHLY = "monthly", "A month in summary."
    QUARTERLY = "quarterly", "Three months in summary."
    ANNUAL = "annual", "A year in summary."
    AUDIT = "audit", "The period laid open for an auditor."
    TAX = "tax", "What a tax return for the period needs."


class FinancialReportReportFormat(Choice):
    """The form of the file at `report_url`."""

    PDF = "pdf", "Pages to read and print."
    JSON = "json", "Structured data for programs."
    CSV = "csv", "Rows of comma-separated text."
    XLSX = "xlsx", "An Excel workbook."


class FinancialReportGeneratedBy(Choice):
    """Who or what drew a report up."""

    AI = "ai", "A language model."
    MANUAL = "manual", "A person, by hand."
    SYSTEM = "system", "The platform, from the ledger."
    ACCOUNTANT = "accountant", "A professional accountant."


class FinancialReportStatus(Choice):
    """Where a report stands between its draft and its readers."""

    DRAFT = "draft", "Still being written; the DAO's members do not see it."
    PENDING_REVIEW = "pending_review", "Written, and waiting for a reviewer."
    APPROVED = "approved", "Agreed, and not yet shown to the DAO's members."
    PUBLISHED = "published", "Shown to the DAO's members."
    ARCHIVED = "archived", "No longer current; the DAO's members still see it."


class DaoAccess(Choice):
    """Who may find a DAO."""

    PUBLIC = "public", "Anyone, also without signing in."
    PRIVATE = "private", "Its members alone; others join by its invite code."


class DaoStatus(Choice):
    """Whether a DAO is at work."""

    ACTIVE = "active", "At work."
    SUSPENDED = "suspended", "Stopped for now; it may become active again."
    ARCHIVED = "archived", "Closed for good."


class DaoMemberRole(Choice):
    """What a member may do in a DAO, from least to most."""

    MEMBER = "member", "Sees the DAO and contributes to it."
    PROPOSER = "proposer", "A member who may also make proposals."
    ELDER = "elder", "A senior member, between proposer and admin."
    ADMIN = "admin", "Runs the DAO, and sees the fees charged in it."


class DaoMemberStatus(Choice):
    """Whether a membership holds."""

    APPROVED = "approved", "It holds: the member sees the DAO and takes part."
    PENDING = "pending", "Asked for, and waiting for approval."
    REJECTED = "rejected", "Declined; it may be asked for again."
    BANNED = "banned", "Shut out of the DAO until the ban is lifted."


class WalletTransactionType(Choice):
    """Why money moved."""

    DEPOSIT = "deposit", "It came in from outside, as by M-Pesa."
    WITHDRAWAL = "withdrawal", "It left for the outside, as to a phone."
    TRANSFER = "transfer", "One user sent it to another."
    CONTRIBUTION = "contribution", "A user gave it to a DAO."
    SWAP = "swap", "It was exchanged for another currency."
    FEE = "fee", "It was charged as a fee."
    PAYOUT = "payout", "It was paid out to a user, as by a DAO or for a referral."


class WalletTransactionStatus(Choice):
    """Where a movement of money stands."""

    PENDING = "pending", "Begun, and not yet confirmed."
    COMPLETED = "completed", "Done; the balances have changed."
    FAILED = "failed", "It did not go through."
    REVERSED = "reversed", "Done, and undone afterwards."


class TreasuryTransferStatus(Choice):
    """Where a transfer stands between its proposal and its payment."""

    PROPOSED = "proposed", "Waiting for signatures."
    APPROVED = "approved", "Signed by enough signers, and not yet paid."
    EXECUTED = "executed", "Paid to the recipient."
    REJECTED = "rejected", "Turned down by the signers."
    EXPIRED = "expired", "Not paid in time."
    CANCELLED = "cancelled", "Withdrawn before it was paid."


class TreasuryApprovalDecision(Choice):
    """What a signer says to a transfer."""

    APPROVE = "approve", "It may be paid; counts towards `required_signatures`."
    REJECT = "reject", "It should not be paid."


class UserBalance(Base):
    """What a user holds in one currency, by itself or within a DAO."""

    __tablename__ = "user_balances"
    __table_args__ = (
        UniqueConstraint("user_id", "dao_id", "currency", postgresql_nulls_not_distinct=True),
        CheckConstraint("available_balance >= 0", name="available_is_not_negative"),
        CheckConstraint("pending_balance >= 0", name="pending_is_not_negative"),
        CheckConstraint("locked_balance >= 0", name="locked_is_not_negative"),
        CheckConstraint("total_balance = available_balance + pending_balance + locked_balance", name="total_adds_up"),
        Index(None, "dao_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO within which it is held; null for a personal balance."
    )
    currency: Mapped[str] = mapped_column(
        doc="What it is counted in: `KES`, `cUSD`, `CELO`, `MTAA`, or a coin that is traded."
    )
    available_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What may be spent now, in `currency`; never below zero.",
    )
    pending_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is on its way and not yet confirmed, in `currency`.",
    )
    locked_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is set aside and cannot be spent, as in an escrow or locked savings, in `currency`.",
    )
    total_balance: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="Available, pending and locked together, in `currency`.",
    )
    last_transaction_id: Mapped[UUID | None] = mapped_column(
        doc="The wallet transaction that changed it last; null before the first."
    )
    last_updated: Mapped[Moment] = mapped_column(server_default=NOW, doc="When an amount in it last changed.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)


class DaoTreasury(Base):
    """The money a DAO holds, and the rules by which it may be spent."""

    __tablename__ = "dao_treasuries"
    __table_args__ = (
        CheckConstraint(
            "total_balance = available_balance + allocated_balance + reserve_balance", name="total_adds_up"
        ),
        CheckConstraint("required_signatures >= 1", name="a_signature_is_required"),
        Index(None, "audited_by"),
        {"schema": "treasury"},
    )
    __access__ = read(members_of_dao("dao_id"), staff)

    id: Mapped[Id]
    dao_id: Mapped[UUID] = reference(
        "treasury.daos.id", doc="The DAO whose money it is; each has one treasury.", unique=True
    )
    total_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="Available, allocated and reserve together, in `currency`.",
    )
    available_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is free to be spent, in `currency`.",
    )
    allocated_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is promised to proposals and budgets, in `currency`.",
    )
    reserve_balance: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What is put by for emergencies, in `currency`.",
    )
    minimum_reserve: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="What a transfer must leave in reserve, in `currency`.",
    )
    daily_spending_limit: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        info=money(of="currency"),
        doc="The most that transfers may take in one day, in `currency`; null for no limit.",
    )
    proposal_threshold: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        info=money(of="currency"),
        doc="The amount from which spending needs a proposal, in `currency`; null where none does.",
    )
    required_signatures: Mapped[int | None] = mapped_column(
        server_default=text("1"), doc="How many signers must approve a transfer before it is paid; at least 1."
    )
    signers: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid),
        server_default=text("'{}'"),
        doc="The ids of the users who may approve or reject its transfers; empty where nobody may.",
    )
    last_audit_date: Mapped[Moment | None] = mapped_column(doc="When it was last audited; null before the first audit.")
    audited_by: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who audited it last; null before the first audit."
    )
    audit_report: Mapped[Json | None] = mapped_column(
        doc="What the last audit found, as structured data; null before the first."
    )
    notes: Mapped[str | None] = mapped_column(doc="Remarks for the DAO's members; null without any.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    currency: Mapped[str] = mapped_column(
        server_default=text("'KES'"), doc="What every amount in it is counted in, such as `KES`."
    )

    dao: Mapped[Dao | None] = to_one(dao_id)
    audited_by_user: Mapped[User | None] = to_one(audited_by)
    transfers: Mapped[list[TreasuryTransfer]] = to_many(
        "TreasuryTransfer.treasury_id", doc="The payments proposed from it, whatever became of them."
    )


class TransactionFee(Base):
    """A fee that was charged on a transaction, and who got which part of it."""

    __tablename__ = "transaction_fees"
    __table_args__ = (Index(None, "paid_by"), Index(None, "dao_id"), {"schema": "treasury"})
    __access__ = read(own("paid_by"), admins_of_dao("dao_id"), staff)

    id: Mapped[Id]
    transaction_id: Mapped[UUID | None] = mapped_column(
        doc="The wallet transaction, swap or escrow it was charged on; null where it stands alone."
    )
    transaction_type: Mapped[str] = mapped_column(
        doc="What `transaction_id` leads to: `wallet`, `vault`, `escrow`, `payment` or another kind."
    )
    fee_type: Mapped[TransactionFeeFeeType] = choice(TransactionFeeFeeType, doc="What kind of fee it is.")
    fee_category: Mapped[str] = mapped_column(
        doc="What was done for it, such as `mpesa_deposit`, `crypto_withdrawal` or `currency_swap`."
    )
    base_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="The amount it was reckoned from, in `currency`."
    )
    fee_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="What was charged, in `currency`."
    )
    fee_percentage: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="The rate as a fraction of `base_amount`: 0.0250 is 2.5 percent; null for a fixed fee."
    )
    currency: Mapped[str] = mapped_column(doc="What every amount in it is counted in.")
    paid_by: Mapped[UUID | None] = reference("identity.users.id", doc="The user who paid it; null where no user did.")
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO in which it was charged; null outside of any."
    )
    collected_by: Mapped[TransactionFeeCollectedBy | None] = choice(
        TransactionFeeCollectedBy, default=TransactionFeeCollectedBy.PLATFORM, doc="Who charged it."
    )
    platform_revenue: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="The platform's part of it, in `currency`.",
    )
    dao_revenue: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), server_default=text("0"), info=money(of="currency"), doc="The DAO's part of it, in `currency`."
    )
    protocol_revenue: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="currency"),
        doc="The part of a protocol on the chain, in `currency`.",
    )
    description: Mapped[str | None] = mapped_column(doc="What the payer is told it is for; null without a text.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]

    paid_by_user: Mapped[User | None] = to_one(paid_by)
    dao: Mapped[Dao | None] = to_one(dao_id)


class CurrencySwap(Base):
    """An exchange of one currency for another."""

    __tablename__ = "currency_swaps"
    __table_args__ = (Index(None, "user_id"), Index(None, "dao_id"), {"schema": "treasury"})
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions("status", pending={"completed", "failed", "expired"})

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO for which it was made; null for a personal swap."
    )
    from_currency: Mapped[str] = mapped_column(doc="What is given: `KES`, `cUSD`, `CELO` or `MTAA`.")
    to_currency: Mapped[str] = mapped_column(doc="What is received: `KES`, `cUSD`, `CELO` or `MTAA`.")
    from_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="from_currency"), doc="How much is given, in `from_currency`."
    )
    to_amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="to_currency"), doc="How much is received, in `to_currency`."
    )
    exchange_rate: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="How many units of `to_currency` one unit of `from_currency` bought."
    )
    market_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The rate on the open market at that time, to compare with; null where unknown."
    )
    spread: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4),
        doc="How far the rate lay from the market's, as a fraction: 0.0100 is 1 percent; null where unknown.",
    )
    slippage: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="How far the rate moved between quote and swap, as a fraction; null where unknown."
    )
    price_impact: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="How far the swap itself moved the pool's price, as a fraction; null without a pool."
    )
    platform_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What the platform charged, in `from_currency`.",
    )
    network_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What the chain charged, in `from_currency`.",
    )
    liquidity_provider_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What those who fund the pool charged, in `from_currency`.",
    )
    total_fee: Mapped[Decimal] = mapped_column(
        Numeric(18, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="All fees together, in `from_currency`.",
    )
    provider: Mapped[CurrencySwapProvider] = choice(CurrencySwapProvider, doc="Who exchanged the money.")
    protocol: Mapped[str | None] = mapped_column(
        doc="How it was exchanged on the chain: `uniswap_v2`, `uniswap_v3`, `mento`; null off the chain."
    )
    route: Mapped[Json | None] = mapped_column(
        doc="The pools it went through, each with `token`, `pool`, `amountIn` and `amountOut`; null without any."
    )
    transaction_hash: Mapped[str | None] = mapped_column(
        doc="Its hash on the chain; null until it is there, and for swaps off the chain."
    )
    block_number: Mapped[int | None] = mapped_column(
        doc="The block that holds it; null until one does, and for swaps off the chain."
    )
    gas_used: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="How much computation it took, in units of gas; null off the chain."
    )
    status: Mapped[CurrencySwapStatus | None] = choice(
        CurrencySwapStatus, default=CurrencySwapStatus.PENDING, doc="Where it stands."
    )
    failure_reason: Mapped[str | None] = mapped_column(doc="Why it failed; null unless it did.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    completed_at: Mapped[Moment | None] = mapped_column(doc="When it was exchanged; null before.")

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)


class MpesaTransaction(Base):
    """A payment by M-Pesa, from the request to the receipt."""

    __tablename__ = "mpesa_transactions"
    __table_args__ = (Index(None, "user_id"), Index(None, "dao_id"), {"schema": "treasury"})
    __access__ = read(own("user_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"processing", "completed", "failed", "cancelled", "held"},
        processing={"completed", "failed", "cancelled", "held"},
        held={"completed", "failed", "reversed"},
        completed={"reversed"},
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    transaction_type: Mapped[MpesaTransactionTransactionType] = choice(
        MpesaTransactionTransactionType, doc="Which way the money goes, and who begins."
    )
    phone_number: Mapped[str] = mapped_column(
        info=personal(), doc="The phone that pays or is paid, with its country code."
    )
    amount: Mapped[Decimal] = mapped_column(
        Numeric(10, 2),
        info=money("KES"),
        doc="How much is asked for or paid out, in Kenyan shillings, before the platform's fee.",
    )
    account_reference: Mapped[str | None] = mapped_column(
        doc="What the payer sees as the account they pay to, at most 12 characters; null without one."
    )
    transaction_desc: Mapped[str | None] = mapped_column(
        doc="What the payer sees as the purpose, at most 13 characters; null without one."
    )
    merchant_request_id: Mapped[str | None] = mapped_column(
        doc="M-Pesa's `MerchantRequestID` of an STK push; null before its answer and for other kinds."
    )
    checkout_request_id: Mapped[str | None] = mapped_column(
        unique=True,
        doc="M-Pesa's `CheckoutRequestID`, by which the callback of an STK push is matched; null for others.",
    )
    conversation_id: Mapped[str | None] = mapped_column(
        doc="M-Pesa's `ConversationID` of a payout or reversal; null before its answer and for other kinds."
    )
    originator_conversation_id: Mapped[str | None] = mapped_column(
        doc="The `OriginatorConversationID` of the request for a payout or reversal; null for others."
    )
    mpesa_receipt_number: Mapped[str | None] = mapped_column(
        unique=True, doc="The receipt both sides can look up, such as `QGN7MZ61SU`; null until it is paid."
    )
    transaction_date: Mapped[Moment | None] = mapped_column(doc="When M-Pesa says the money moved; null before.")
    result_code: Mapped[str | None] = mapped_column(
        doc="M-Pesa's verdict: `0` paid, `1` too little money, `1032` cancelled; null before it."
    )
    result_desc: Mapped[str | None] = mapped_column(doc="M-Pesa's verdict in words; null before it.")
    balance: Mapped[Decimal | None] = mapped_column(
        Numeric(10, 2),
        info=money("KES"),
        doc="The balance M-Pesa reports afterwards, in Kenyan shillings; null where it reports none.",
    )
    callback_data: Mapped[Json | None] = mapped_column(
        info=personal(), doc="What M-Pesa called back with, whole; null before."
    )
    callback_received: Mapped[bool] = mapped_column(server_default=text("false"), doc="Whether M-Pesa has called back.")
    callback_at: Mapped[Moment | None] = mapped_column(doc="When M-Pesa called back; null before.")
    status: Mapped[MpesaTransactionStatus | None] = choice(
        MpesaTransactionStatus, default=MpesaTransactionStatus.PENDING, doc="Where it stands."
    )
    failure_reason: Mapped[str | None] = mapped_column(doc="Why it failed; null unless it did.")
    retry_count: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How often it was tried again.")
    last_retry_at: Mapped[Moment | None] = mapped_column(doc="When it was last tried again; null where it never was.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO to which it is a contribution; null where it stays with the user."
    )

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)


class GasPrice(Base):
    """What computation on a chain cost at one moment, in gwei for each unit of gas."""

    __tablename__ = "gas_price_history"
    __table_args__ = ({"schema": "treasury"},)
    __access__ = read(everyone(), staff)
    __unaudited__ = "Market data, appended."

    id: Mapped[Id]
    network: Mapped[GasPriceNetwork | None] = choice(
        GasPriceNetwork, default=GasPriceNetwork.CELO, doc="The chain it was seen on."
    )
    gas_price: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="What was paid at that moment, in gwei for each unit of gas."
    )
    base_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="What the chain itself took, in gwei; null where unknown."
    )
    priority_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="What was paid on top to go first, in gwei; null where unknown."
    )
    max_fee: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The most a transaction should offer, in gwei; null where unknown."
    )
    avg_gas_price_1h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The mean of the last hour, in gwei; null where unknown."
    )
    avg_gas_price_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The mean of the last 24 hours, in gwei; null where unknown."
    )
    min_gas_price_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The lowest of the last 24 hours, in gwei; null where unknown."
    )
    max_gas_price_24h: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="The highest of the last 24 hours, in gwei; null where unknown."
    )
    network_congestion: Mapped[GasPriceNetworkCongestion | None] = choice(
        GasPriceNetworkCongestion, doc="How busy the chain was; null where unknown."
    )
    block_number: Mapped[int | None] = mapped_column(doc="The newest block at that moment; null where unknown.")
    block_time: Mapped[int | None] = mapped_column(
        doc="How long the chain took for a block, in seconds; null where unknown."
    )
    transaction_count: Mapped[int | None] = mapped_column(
        doc="How many transactions that block held; null where unknown."
    )
    recommended_gas_price: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="What a transaction should offer to be confirmed soon, in gwei; null where unknown."
    )
    estimated_confirmation_time: Mapped[int | None] = mapped_column(
        doc="How long it then waits to be confirmed, in seconds; null where unknown."
    )
    timestamp: Mapped[Moment] = mapped_column(server_default=NOW, doc="The moment it was seen.")


class ReferralPayout(Base):
    """A reward for a referral that the sponsor asked to be paid."""

    __tablename__ = "referral_payouts"
    __table_args__ = (Index(None, "referrer_id"), Index(None, "referral_id"), {"schema": "treasury"})
    __access__ = read(own("referrer_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"approved", "rejected"},
        approved={"processing", "failed"},
        processing={"completed", "failed"},
        failed={"processing"},
    )

    id: Mapped[Id]
    referrer_id: Mapped[UUID] = reference("identity.users.id", doc="The sponsor who is paid.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(10, 2), info=money(of="currency"), doc="How much is paid, in `currency`."
    )
    currency: Mapped[str | None] = mapped_column(
        server_default=text("'MTAA'"), doc="What it is paid in; `MTAA` unless another was asked for."
    )
    payout_method: Mapped[ReferralPayoutPayoutMethod] = choice(ReferralPayoutPayoutMethod, doc="The way it is paid.")
    destination_address: Mapped[str | None] = mapped_column(
        info=personal(), doc="The wallet's address; null unless it is paid to a wallet."
    )
    destination_phone: Mapped[str | None] = mapped_column(
        info=personal(), doc="The phone; null unless it is paid by M-Pesa."
    )
    destination_account: Mapped[str | None] = mapped_column(
        info=personal(), doc="The bank account; null unless it is paid by bank transfer."
    )
    status: Mapped[ReferralPayoutStatus | None] = choice(
        ReferralPayoutStatus, default=ReferralPayoutStatus.PENDING, doc="Where it stands."
    )
    transaction_id: Mapped[UUID | None] = mapped_column(doc="The transaction that paid it; null before.")
    requested_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the sponsor asked for it.")
    processed_at: Mapped[Moment | None] = mapped_column(doc="When its payment began; null before.")
    completed_at: Mapped[Moment | None] = mapped_column(doc="When it was paid; null before.")
    failure_reason: Mapped[str | None] = mapped_column(doc="Why the last payment failed; null where none did.")
    retry_count: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How often the payment was tried again."
    )
    notes: Mapped[str | None] = mapped_column(doc="What staff noted on it; null without a note.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    referral_id: Mapped[UUID] = reference("referrals.referrals.id", doc="The referral it rewards.")

    referrer: Mapped[User | None] = to_one(referrer_id)
    referral: Mapped[Referral | None] = to_one(referral_id)


class RecurringPayment(Base):
    """An order to pay the same amount again and again, on fixed dates."""

    __tablename__ = "recurring_payments"
    __table_args__ = (Index(None, "user_id"), Index(None, "dao_id"), {"schema": "treasury"})
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    dao_id: Mapped[UUID | None] = reference("treasury.daos.id", doc="The DAO that is paid; null where none is.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="What is paid each time, in `currency`."
    )
    currency: Mapped[str] = mapped_column(doc="What it is paid in.")
    description: Mapped[str | None] = mapped_column(doc="What the payer calls it; null without a name.")
    frequency: Mapped[RecurringPaymentFrequency] = choice(
        RecurringPaymentFrequency, doc="The period that `interval` counts."
    )
    interval: Mapped[int | None] = mapped_column(
        server_default=text("1"), doc="How many periods lie between two payments: 2 with `weekly` is every second week."
    )
    start_date: Mapped[Moment] = mapped_column(
        doc="When the first payment falls due; month ends are kept, as 31 January, 28 February, 31 March."
    )
    next_payment_date: Mapped[Moment] = mapped_column(doc="When the next payment falls due.")
    end_date: Mapped[Moment | None] = mapped_column(
        doc="When it ends; null where it runs until it is cancelled or `max_payments` is reached."
    )
    max_payments: Mapped[int | None] = mapped_column(doc="After how many payments it ends; null for no such limit.")
    is_active: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether it still runs; false once it has ended or was cancelled."
    )
    is_paused: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="Whether it rests, by the payer's wish or after 3 failures."
    )
    paused_at: Mapped[Moment | None] = mapped_column(doc="When it was paused; null while it is not.")
    paused_reason: Mapped[str | None] = mapped_column(doc="Why it was paused; null while it is not.")
    total_payments: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many payments were tried, failed ones too."
    )
    successful_payments: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many payments went through."
    )
    failed_attempts: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many tries failed; the third pauses it."
    )
    last_payment_id: Mapped[UUID | None] = mapped_column(
        doc="The transaction of the newest payment; null before the first."
    )
    last_payment_date: Mapped[Moment | None] = mapped_column(doc="When it last paid; null before the first payment.")
    last_failure_date: Mapped[Moment | None] = mapped_column(doc="When a payment last failed; null where none did.")
    last_failure_reason: Mapped[str | None] = mapped_column(doc="Why that payment failed; null where none did.")
    payment_method: Mapped[RecurringPaymentPaymentMethod] = choice(
        RecurringPaymentPaymentMethod, doc="What it is taken from."
    )
    payment_method_details: Mapped[Json | None] = mapped_column(
        info=personal(), doc="Which phone or card it is taken from; null for the wallet."
    )
    notify_on_success: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether the payer is told of each payment."
    )
    notify_on_failure: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether the payer is told of each failure."
    )
    notify_before_payment: Mapped[bool] = mapped_column(
        server_default=text("true"), doc="Whether the payer is told before each payment."
    )
    notify_days_before: Mapped[int | None] = mapped_column(
        server_default=text("3"), doc="How many days before the payment that notice comes."
    )
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    cancelled_at: Mapped[Moment | None] = mapped_column(doc="When it was cancelled; null unless it was.")
    cancelled_reason: Mapped[str | None] = mapped_column(
        doc="Why it was cancelled; null unless it was and a reason was given."
    )

    user: Mapped[User | None] = to_one(user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)


class FinancialReport(Base):
    """The accounts of a DAO or of a user over a period."""

    __tablename__ = "financial_reports"
    __table_args__ = (
        Index(None, "dao_id"),
        Index(None, "user_id"),
        Index(None, "generated_by_user_id"),
        Index(None, "reviewed_by"),
        Index(None, "approved_by"),
        {"schema": "treasury"},
    )
    __access__ = read(
        own("user_id"),
        members_of_dao("dao_id") & where("{row}published_at IS NOT NULL"),
        staff,
    )
    __transitions__ = Transitions(
        "status",
        draft={"pending_review", "archived"},
        pending_review={"draft", "approved"},
        approved={"published", "archived"},
        published={"archived"},
    )

    id: Mapped[Id]
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO it is about; null for a user's own report."
    )
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    report_type: Mapped[FinancialReportReportType] = choice(FinancialReportReportType, doc="What it shows.")
    period_start: Mapped[Moment] = mapped_column(doc="When the period begins.")
    period_end: Mapped[Moment] = mapped_column(doc="When the period ends.")
    fiscal_year: Mapped[int | None] = mapped_column(
        doc="The fiscal year the period lies in; null where it is not told."
    )
    fiscal_quarter: Mapped[int | None] = mapped_column(
        doc="The quarter of that year, 1 to 4; null where the period is no quarter."
    )
    report_data: Mapped[Json] = mapped_column(
        doc="The figures themselves, as structured data whose shape depends on `report_type`."
    )
    report_url: Mapped[str | None] = mapped_column(doc="Where the finished file is; null without one.")
    report_format: Mapped[FinancialReportReportFormat | None] = choice(
        FinancialReportReportFormat, default=FinancialReportReportFormat.PDF, doc="The form of that file."
    )
    total_revenue: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        doc="What came in, in the currency of the DAO's treasury; null where the report has no such figure.",
    )
    total_expenses: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        doc="What went out, in the currency of the DAO's treasury; null where the report has no such figure.",
    )
    net_profit: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="Revenue less expenses, negative for a loss, in the same currency; null without them."
    )
    total_assets: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        doc="What was owned at the end, in the currency of the DAO's treasury; null where it is not reported.",
    )
    total_liabilities: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8),
        doc="What was owed at the end, in the currency of the DAO's treasury; null where it is not reported.",
    )
    equity: Mapped[Decimal | None] = mapped_column(
        Numeric(18, 8), doc="Assets less liabilities, in the same currency; null without them."
    )
    ai_summary: Mapped[str | None] = mapped_column(
        doc="The report in a few sentences by a language model; null where none was asked."
    )
    ai_recommendations: Mapped[Json | None] = mapped_column(
        doc="What a language model advises, as a list; null where none was asked."
    )
    anomalies_detected: Mapped[Json | None] = mapped_column(
        doc="Movements that look unusual, as a list; null where nobody looked for any."
    )
    generated_by: Mapped[FinancialReportGeneratedBy | None] = choice(
        FinancialReportGeneratedBy, doc="Who or what drew it up; null where it is not known."
    )
    generated_by_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="The person who drew it up or asked for it; null where it came by itself."
    )
    generated_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was drawn up.")
    status: Mapped[FinancialReportStatus | None] = choice(
        FinancialReportStatus, default=FinancialReportStatus.DRAFT, doc="Where it stands."
    )
    reviewed_by: Mapped[UUID | None] = reference("identity.users.id", doc="Who reviewed it; null before.")
    reviewed_at: Mapped[Moment | None] = mapped_column(doc="When it was reviewed; null before.")
    approved_by: Mapped[UUID | None] = reference("identity.users.id", doc="Who approved it; null before.")
    approved_at: Mapped[Moment | None] = mapped_column(doc="When it was approved; null before.")
    published_at: Mapped[Moment | None] = mapped_column(doc="When the DAO's members could first read it; null before.")
    notes: Mapped[str | None] = mapped_column(doc="Remarks to go with it; null without any.")
    tags: Mapped[Json | None] = mapped_column(doc="Words to find and sort it by, as a list; null without any.")
    version: Mapped[int | None] = mapped_column(server_default=text("1"), doc="Counts its revisions, from 1.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    dao: Mapped[Dao | None] = to_one(dao_id)
    user: Mapped[User | None] = to_one(user_id)
    generated_by_user: Mapped[User | None] = to_one(generated_by_user_id)
    reviewed_by_user: Mapped[User | None] = to_one(reviewed_by)
    approved_by_user: Mapped[User | None] = to_one(approved_by)


class Dao(Base):
    """A group of people who save, decide and spend together."""

    __tablename__ = "daos"
    __table_args__ = (
        Index("uq_daos_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_daos_invite_code", "invite_code", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(None, "creator_id"),
        {"schema": "treasury"},
    )
    __access__ = read(everyone("{row}access = 'public'"), members_of_dao("id"), staff)
    __transitions__ = Transitions("status", active={"suspended", "archived"}, suspended={"active", "archived"})

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(doc="What it is called; no two DAOs share a name.")
    description: Mapped[str | None] = mapped_column(doc="What it is for; null without a text.")
    access: Mapped[DaoAccess] = choice(DaoAccess, default=DaoAccess.PUBLIC, doc="Who may find it.")
    invite_code: Mapped[str | None] = secret_column(
        Text(), doc="The code that lets somebody join it; null where it has none."
    )
    creator_id: Mapped[UUID] = reference("identity.users.id", doc="Who founded it.")
    member_count: Mapped[int] = mapped_column(server_default=text("1"), doc="How many approved members it has.")
    status: Mapped[DaoStatus] = choice(DaoStatus, default=DaoStatus.ACTIVE, doc="Whether it is at work.")
    quorum_percentage: Mapped[int] = mapped_column(
        server_default=text("20"), doc="How many of the members must vote for a vote to count, in percent, 0-100."
    )
    voting_period_hours: Mapped[int] = mapped_column(
        server_default=text("72"), doc="How long a vote is open, in hours."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[DeletedAt | None]

    creator: Mapped[User | None] = to_one(creator_id)
    balances: Mapped[list[UserBalance]] = to_many(
        "UserBalance.dao_id", doc="What its members hold within it; each sees their own alone."
    )
    currency_swaps: Mapped[list[CurrencySwap]] = to_many(
        "CurrencySwap.dao_id", doc="The swaps made for it; each member sees their own alone."
    )
    financial_reports: Mapped[list[FinancialReport]] = to_many(
        "FinancialReport.dao_id", doc="The reports on its money, as far as the reader may see them."
    )
    members: Mapped[list[DaoMember]] = to_many(
        "DaoMember.dao_id", doc="Everyone who joined or asked to join, with role and status."
    )
    mpesa_transactions: Mapped[list[MpesaTransaction]] = to_many(
        "MpesaTransaction.dao_id", doc="The contributions by M-Pesa; each member sees their own alone."
    )
    recurring_payments: Mapped[list[RecurringPayment]] = to_many(
        "RecurringPayment.dao_id", doc="The standing orders that pay it; each member sees their own alone."
    )
    treasury: Mapped[DaoTreasury | None] = to_many(
        "DaoTreasury.dao_id", doc="The money it holds; null where the reader is no member, or before it has any."
    )
    wallet_transactions: Mapped[list[WalletTransaction]] = to_many(
        "WalletTransaction.dao_id", doc="The payments it gave or got."
    )


class DaoMember(Base):
    """A user's place in a DAO, also one that is only asked for or was refused."""

    __tablename__ = "dao_members"
    __table_args__ = (UniqueConstraint("dao_id", "user_id"), Index(None, "user_id"), {"schema": "treasury"})
    __access__ = read(members_of_dao("dao_id"), staff)
    __transitions__ = Transitions(
        "status",
        pending={"approved", "rejected", "banned"},
        approved={"banned"},
        rejected={"pending"},
        banned={"approved"},
    )

    id: Mapped[Id]
    dao_id: Mapped[UUID] = reference("treasury.daos.id", doc="The DAO that was joined.", on_delete="CASCADE")
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    role: Mapped[DaoMemberRole] = choice(
        DaoMemberRole, default=DaoMemberRole.MEMBER, doc="What the member may do there."
    )
    status: Mapped[DaoMemberStatus] = choice(
        DaoMemberStatus, default=DaoMemberStatus.APPROVED, doc="Whether the membership holds."
    )
    joined_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When the user joined, or asked to.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    dao: Mapped[Dao | None] = to_one(dao_id)
    user: Mapped[User | None] = to_one(user_id)
    colleague: Mapped[Colleague | None] = to_face(
        "DaoMember.user_id", "Colleague.user_id", doc="The member, as those on the same DAO see them."
    )


class WalletTransaction(Base):
    """A movement of money to, from or between users and DAOs."""

    __tablename__ = "wallet_transactions"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_positive"),
        Index(None, "from_user_id"),
        Index(None, "to_user_id"),
        Index(None, "dao_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("from_user_id", "to_user_id"), members_of_dao("dao_id"), staff)
    __transitions__ = Transitions("status", pending={"completed", "failed"}, completed={"reversed"})

    id: Mapped[Id]
    from_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who paid; null where it came from outside or from a DAO."
    )
    to_user_id: Mapped[UUID | None] = reference(
        "identity.users.id", doc="Who was paid; null where it left the platform or went to a DAO."
    )
    dao_id: Mapped[UUID | None] = reference(
        "treasury.daos.id", doc="The DAO that paid or was paid; null where none was."
    )
    amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="How much moved, in `currency`; always above zero."
    )
    currency: Mapped[str] = mapped_column(
        doc="What it is counted in: `KES`, `cUSD`, `CELO`, `MTAA`, or a coin that is traded."
    )
    type: Mapped[WalletTransactionType] = choice(WalletTransactionType, doc="Why it moved.")
    status: Mapped[WalletTransactionStatus] = choice(
        WalletTransactionStatus, default=WalletTransactionStatus.COMPLETED, doc="Where it stands."
    )
    description: Mapped[str | None] = mapped_column(doc="What it was for; null without a text.")
    metadata_: Mapped[Json | None] = mapped_column(
        "metadata", doc="Further details, as structured data; null without any."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    from_user: Mapped[User | None] = to_one(from_user_id)
    to_user: Mapped[User | None] = to_one(to_user_id)
    dao: Mapped[Dao | None] = to_one(dao_id)


class TreasuryTransfer(Base):
    """A payment from a DAO's treasury, which its signers must approve."""

    __tablename__ = "treasury_transfers"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_positive"),
        Index(None, "treasury_id"),
        Index(None, "proposed_by"),
        Index(None, "recipient_user_id"),
        {"schema": "treasury"},
    )
    __access__ = read(holds("my_dao_treasuries", "treasury_id"), staff)
    __transitions__ = Transitions(
        "status",
        proposed={"approved", "executed", "rejected", "expired", "cancelled"},
        approved={"executed", "expired", "cancelled"},
    )

    id: Mapped[Id]
    treasury_id: Mapped[UUID] = reference("treasury.dao_treasuries.id", doc="The treasury that pays.")
    proposed_by: Mapped[UUID] = reference("identity.users.id", doc="Who proposed it.")
    recipient_user_id: Mapped[UUID] = reference("identity.users.id", doc="The user who is paid.")
    amount: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), info=money(of="currency"), doc="How much is paid, in `currency`; always above zero."
    )
    currency: Mapped[str] = mapped_column(doc="What it is paid in: the treasury's currency.")
    purpose: Mapped[str] = mapped_column(doc="What the money is for, as the signers read it.")
    status: Mapped[TreasuryTransferStatus] = choice(
        TreasuryTransferStatus, default=TreasuryTransferStatus.PROPOSED, doc="Where it stands."
    )
    executed_at: Mapped[Moment | None] = mapped_column(doc="When it was paid; null before.")
    expires_at: Mapped[Moment] = mapped_column(doc="When it can no longer be approved or paid.")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    treasury: Mapped[DaoTreasury | None] = to_one(treasury_id)
    proposed_by_user: Mapped[User | None] = to_one(proposed_by)
    recipient_user: Mapped[User | None] = to_one(recipient_user_id)
    approvals: Mapped[list[TreasuryApproval]] = to_many(
        "TreasuryApproval.transfer_id", doc="What the signers have decided so far, one row a signer."
    )


class TreasuryApproval(Base):
    """A signer's decision on a transfer; each signer decides once."""

    __tablename__ = "treasury_approvals"
    __table_args__ = (
        UniqueConstraint("transfer_id", "signer_id"),
        Index(None, "signer_id"),
        {"schema": "treasury"},
    )
    __access__ = read(holds("my_treasury_transfers", "transfer_id"), staff)

    id: Mapped[Id]
    transfer_id: Mapped[UUID] = reference(
        "treasury.treasury_transfers.id", doc="The transfer that is decided on.", on_delete="CASCADE"
    )
    signer_id: Mapped[UUID] = reference("identity.users.id", doc="The signer who decided.")
    decision: Mapped[TreasuryApprovalDecision] = choice(TreasuryApprovalDecision, doc="What the signer said.")
    comment: Mapped[str | None] = mapped_column(doc="Why, in the signer's words; null without a text.")
    created_at: Mapped[CreatedAt]

    transfer: Mapped[TreasuryTransfer | None] = to_one(transfer_id)
    signer: Mapped[User | None] = to_one(signer_id)


class ExchangeRate(Base):
    """The rate at which the platform swaps one currency for another, from a moment on."""

    __tablename__ = "exchange_rates"
    __table_args__ = (
        UniqueConstraint("from_currency", "to_currency", "valid_from"),
        CheckConstraint("rate > 0", name="rate_is_positive"),
        {"schema": "treasury"},
    )
    __access__ = read(everyone(), staff)

    id: Mapped[Id]
    from_currency: Mapped[str] = mapped_column(doc="What is given: `KES`, `cUSD`, `CELO` or `MTAA`.")
    to_currency: Mapped[str] = mapped_column(doc="What is received: `KES`, `cUSD`, `CELO` or `MTAA`.")
    rate: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="How many units of `to_currency` one unit of `from_currency` buys."
    )
    spread: Mapped[Decimal] = mapped_column(
        Numeric(5, 4),
        server_default=text("0"),
        doc="What the platform keeps of the rate, as a fraction: 0.0100 is 1 percent.",
    )
    valid_from: Mapped[Moment] = mapped_column(
        server_default=NOW, doc="From when it holds, until a later rate of the same pair does."
    )
    source: Mapped[str] = mapped_column(doc="Where the rate was taken from.")


class SwapQuote(Base):
    """A swap as it was offered to a user; taken in time, it is made at exactly this rate."""

    __tablename__ = "swap_quotes"
    __table_args__ = (
        CheckConstraint("from_amount > 0", name="amount_is_positive"),
        Index(None, "user_id"),
        {"schema": "treasury"},
    )
    __access__ = read(own("user_id"), staff)

    id: Mapped[Id]
    user_id: Mapped[UUID] = reference("identity.users.id", doc="The user it belongs to.")
    from_currency: Mapped[str] = mapped_column(doc="What would be given: `KES`, `cUSD`, `CELO` or `MTAA`.")
    to_currency: Mapped[str] = mapped_column(doc="What would be received: `KES`, `cUSD`, `CELO` or `MTAA`.")
    from_amount: Mapped[Decimal] = mapped_column(
        Numeric(28, 8), info=money(of="from_currency"), doc="How much would be given, in `from_currency`."
    )
    to_amount: Mapped[Decimal] = mapped_column(
        Numeric(28, 8), info=money(of="to_currency"), doc="How much would be received, in `to_currency`."
    )
    rate: Mapped[Decimal] = mapped_column(
        Numeric(18, 8), doc="How many units of `to_currency` one unit of `from_currency` buys."
    )
    fee: Mapped[Decimal] = mapped_column(
        Numeric(28, 8),
        server_default=text("0"),
        info=money(of="from_currency"),
        doc="What the platform would charge, in `from_currency`.",
    )
    expires_at: Mapped[Moment] = mapped_column(doc="Until when it may be taken.")
    used_at: Mapped[Moment | None] = mapped_column(doc="When it was taken; null before.")
    created_at: Mapped[CreatedAt]

    user: Mapped[User | None] = to_one(user_id)
