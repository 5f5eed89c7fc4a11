"""Financial reports of a DAO."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import members_of_dao, own, read, staff, where
from models.base import Base
from models.columns import NOW, BigInt, Choice, CreatedAt, Id, Json, Moment, UpdatedAt, choice, money, reference, to_one
from models.locks import LockRank
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User
    from models.treasury.daos import Dao


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


OF_PERIOD = ("report_type", "period_start", "period_end", "version")


class FinancialReport(Base):
    """The accounts of a DAO or of a user over a period. Once published it does not change: a correction is the next
    version of it."""

    __tablename__ = "financial_reports"
    __lock_rank__ = LockRank.DETAIL
    __table_args__ = (
        # The versions of a period are counted for the DAO, whoever draws them up; else for the user.
        Index("uq_financial_reports_dao_id", "dao_id", *OF_PERIOD, unique=True),
        Index(
            "uq_financial_reports_user_id", "user_id", *OF_PERIOD, unique=True, postgresql_where=text("dao_id IS NULL")
        ),
        Index(None, "dao_id"),
        Index(None, "user_id"),
        Index(None, "supersedes_id"),
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
    fiscal_year: Mapped[int | None] = mapped_column(doc="The fiscal year the period lies in; null where unknown.")
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
        Numeric(28, 8),
        info=money(of="currency"),
        doc="What came in, in `currency`; null where the report has no such figure.",
    )
    total_expenses: Mapped[Decimal | None] = mapped_column(
        Numeric(28, 8),
        info=money(of="currency"),
        doc="What went out, in `currency`; null where the report has no such figure.",
    )
    net_profit: Mapped[Decimal | None] = mapped_column(
        Numeric(28, 8),
        info=money(of="currency"),
        doc="Revenue less expenses, negative for a loss, in the same currency; null without them.",
    )
    total_assets: Mapped[Decimal | None] = mapped_column(
        Numeric(28, 8),
        info=money(of="currency"),
        doc="What was owned at the end, in `currency`; null where it is not reported.",
    )
    total_liabilities: Mapped[Decimal | None] = mapped_column(
        Numeric(28, 8),
        info=money(of="currency"),
        doc="What was owed at the end, in `currency`; null where it is not reported.",
    )
    equity: Mapped[Decimal | None] = mapped_column(
        Numeric(28, 8),
        info=money(of="currency"),
        doc="Assets less liabilities, in the same currency; null without them.",
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
    ledger_position: Mapped[BigInt] = mapped_column(
        BigInteger,
        server_default=text("0"),
        doc="The `position` in the ledger up to which postings are in it; 0 where there was none.",
    )
    ledger_transaction_id: Mapped[UUID | None] = mapped_column(
        doc="The ledger transaction at that position, the last that it takes in; null where there was none."
    )
    currency: Mapped[str | None] = mapped_column(
        doc="What its totals are counted in; null where they would be of several currencies, or of none."
    )
    supersedes_id: Mapped[UUID | None] = reference(
        "treasury.financial_reports.id", doc="The version before it, which it corrects; null for the first."
    )

    dao: Mapped[Dao | None] = to_one(dao_id)
    user: Mapped[User | None] = to_one(user_id)
    generated_by_user: Mapped[User | None] = to_one(generated_by_user_id)
    reviewed_by_user: Mapped[User | None] = to_one(reviewed_by)
    approved_by_user: Mapped[User | None] = to_one(approved_by)
