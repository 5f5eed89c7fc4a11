"""Financial reports: what a DAO or a user held and moved in a period, drawn up from the ledger, reviewed, published.

A report says up to which position of the ledger it goes, and can be drawn up again from there (docs/adr/0050).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import DateTime, bindparam

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Query
from lango.db.transaction import Transaction
from lango.errors import Refused
from lango.rules.inputs import Id, Locked, Named, OwnedBy, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.topics import Topic
from models.treasury import (
    Dao,
    DaoMember,
    DaoMemberStatus,
    FinancialReport,
    FinancialReportGeneratedBy,
    FinancialReportReportFormat,
    FinancialReportReportType,
    FinancialReportStatus,
    UserBalance,
)
from resolvers.kernel import clock, guardianship, own_matters
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter
from resolvers.kernel.steps import step
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.treasury.members import MANAGES, NotAMember, RoleTooLow, demand_role, members_in, standing
from resolvers.treasury.report_lines import (
    DETAILED,
    Owner,
    Place,
    drawing,
    figures_in,
    last_place,
    place_in,
    totals_of,
)
from resolvers.treasury.treasuries import locking_treasury

# A posting bears the time at which its transaction began: one that is still under way comes into no period that is
# over so long.
SETTLED = timedelta(minutes=5)
LONGEST_PERIOD = timedelta(days=400)
# Of a report with each transaction.
MOST_ENTRIES = 10_000
LONGEST_NOTES = 2_000
Status = FinancialReportStatus


class PeriodNotValid(Refused):
    """A period ends after it begins, is no longer than 400 days, and was over five minutes ago."""


class ReportTooLarge(Refused):
    """The period has too many transactions for a report that names each: choose a shorter one."""


class NotYourReport(Refused):
    """Only whoever drew this report up may do this."""


Report = Annotated[FinancialReport, Named("report")]
Own = Annotated[FinancialReport, Locked("The report."), OwnedBy(FinancialReport.user_id, NotYourReport)]
USER = Lookup([User], lambda rows: rows.where(User.id == bindparam("id")).with_for_update(key_share=True))
BALANCES = Lookup(
    [UserBalance],
    lambda rows: (
        rows.where(UserBalance.user_id == bindparam("user_id"), UserBalance.dao_id.is_(None))
        .order_by(UserBalance.id)
        .with_for_update(key_share=True)
    ),
)
MEMBERS = Lookup(
    [DaoMember.user_id, Dao.name],
    lambda rows: (
        rows.join(Dao, Dao.id == DaoMember.dao_id)
        .where(DaoMember.dao_id == bindparam("dao_id"), DaoMember.status == DaoMemberStatus.APPROVED)
        .order_by(DaoMember.user_id)
    ),
)


def _versions(owner: Any) -> Lookup:
    moment = DateTime(timezone=True)
    return Lookup(
        [FinancialReport.id, FinancialReport.version],
        lambda rows: (
            rows.where(
                owner,
                FinancialReport.report_type == bindparam("report_type"),
                FinancialReport.period_start == bindparam("start", type_=moment),
                FinancialReport.period_end == bindparam("end", type_=moment),
            )
            .order_by(FinancialReport.version.desc())
            .limit(1)
        ),
    )


VERSIONS = {
    True: _versions(FinancialReport.dao_id == bindparam("owner_id")),
    False: _versions((FinancialReport.user_id == bindparam("owner_id")) & FinancialReport.dao_id.is_(None)),
}


@rule(NotAMember, RoleTooLow, PeriodNotValid, ReportTooLarge)
async def generate_financial_report(
    tx: RuleTransaction,
    report_type: Annotated[FinancialReportReportType, Value("What it shows; `AUDIT` and `TAX` name each transaction.")],
    period_start: Annotated[datetime, Value("When the period begins.")],
    period_end: Annotated[datetime, Value("When it ends: what was posted at that moment is in the next one.")],
    dao_id: Annotated[
        UUID | None, Id(Dao, "The DAO of which you are an admin; yourself without one.", seen=True)
    ] = None,
) -> Report:
    """Draw up a report from the ledger, as a draft: of a DAO by its admins, or of what you hold yourself.

    A second one of the same kind and period is the next version of the first, and says which it corrects.
    """
    members, ((now,),) = await tx.fetch(standing(dao_id or tx.user_id, tx.user_id), clock.reading())
    if dao_id is not None:
        demand_role(members_in(members), tx.user_id, MANAGES, field="dao_id")
    _check_period(period_start, period_end, now)
    owner = Owner(dao_id or tx.user_id, is_dao=dao_id is not None)
    *_, found, before = await tx.fetch(
        *_locking(owner),
        last_place(owner, period_start, period_end),
        VERSIONS[owner.is_dao].query(owner_id=owner.id, report_type=report_type, start=period_start, end=period_end),
    )
    place = place_in(found)
    if report_type in DETAILED and place.entries > MOST_ENTRIES:
        raise ReportTooLarge(field="period_end", entries=place.entries, limit=MOST_ENTRIES)
    (drawn,) = await tx.fetch(drawing(owner, report_type, period_start, period_end, place))
    report = _report(tx, report_type, period_start, period_end, dao_id, place)
    report.report_data = figures_in(drawn)
    for supersedes, version in before:
        report.supersedes_id, report.version = supersedes, (version or 1) + 1
    _sum_up(report)
    tx.save(report)
    publish(tx, Topic.FINANCIAL_REPORT_GENERATED, report.id, user_id=tx.user_id, dao_id=dao_id)
    return report


def _check_period(start: datetime, end: datetime, now: datetime) -> None:
    if end <= start or end - start > LONGEST_PERIOD or end > now - SETTLED:
        raise PeriodNotValid(field="period_end")


def _locking(owner: Owner) -> list[Query]:
    """Nothing is posted to the owner's accounts by anybody else until the report is written: two at once queue here."""
    if owner.is_dao:
        return [locking_treasury(owner.id)]
    # One may hold nothing yet, and then has no balance to lock.
    return [USER.query(id=owner.id), BALANCES.query(user_id=owner.id)]


def _report(
    tx: RuleTransaction,
    kind: FinancialReportReportType,
    start: datetime,
    end: datetime,
    dao_id: UUID | None,
    place: Place,
) -> FinancialReport:
    is_quarter = kind == FinancialReportReportType.QUARTERLY
    return FinancialReport(
        id=uuid4(), dao_id=dao_id, user_id=tx.user_id, report_type=kind, period_start=start, period_end=end,
        fiscal_year=start.year, fiscal_quarter=(start.month + 2) // 3 if is_quarter else None,
        report_format=FinancialReportReportFormat.JSON, generated_by=FinancialReportGeneratedBy.SYSTEM,
        generated_by_user_id=tx.user_id, status=Status.DRAFT, version=1, ledger_position=place.position,
        ledger_transaction_id=place.transaction_id,
    )  # fmt: skip


def _sum_up(report: FinancialReport) -> None:
    """The totals, where they are of one currency: amounts of several are never added up."""
    totals = totals_of(report.report_data)
    if len(totals) == 1:
        (total,) = totals
        report.currency = total.currency
        report.total_revenue, report.total_expenses = total.came, total.went
        report.net_profit, report.total_assets = total.came - total.went, total.closing


@rule(InvalidState)
async def submit_financial_report(tx: RuleTransaction, report: Own) -> FinancialReport:
    """Hand a draft in for review: whoever drew it up."""
    step(report, Status.PENDING_REVIEW, field="report_id")
    tx.save(report)
    return report


@rule(OwnMatter, InvalidState, TextMissing, staff=True)
async def review_financial_report(
    tx: RuleTransaction,
    report: Annotated[FinancialReport, Locked("The report that was handed in.")],
    approved: Annotated[bool, Value("Whether it may be published; else it is a draft again.")],
    notes: Annotated[
        str | None, Text("What is to be said about it; needed where it is not approved.", LONGEST_NOTES)
    ] = None,
) -> FinancialReport:
    """Agree to a report, or give it back to whoever drew it up; staff who have no part in it."""
    if not approved:
        check_text(notes or "", field="notes")
    wards, ((now,),), members = await tx.fetch(
        own_matters.relating(tx), clock.reading(), standing(report.dao_id or report.id, tx.user_id)
    )
    own_matters.refuse_related(tx, wards, report.user_id, report.generated_by_user_id, field="report_id")
    if any(member.counts for member in members_in(members).values()):
        raise OwnMatter(field="report_id")
    step(report, Status.APPROVED if approved else Status.DRAFT, field="report_id")
    report.reviewed_by, report.reviewed_at = tx.user_id, now
    if approved:
        report.approved_by, report.approved_at = tx.user_id, now
    if notes:
        report.notes = notes.strip()
    tx.save(report)
    return report


@rule(InvalidState, NotAMember, RoleTooLow)
async def publish_financial_report(tx: RuleTransaction, report: Own) -> FinancialReport:
    """Show an approved report to the DAO's members, who are notified: whoever drew it up, while an admin.

    From then on it does not change: a correction is a new version.
    """
    dao_id = report.dao_id
    members, everybody, ((now,),) = await tx.fetch(
        standing(dao_id or report.id, tx.user_id), MEMBERS.query(dao_id=dao_id or report.id), clock.reading()
    )
    if dao_id is not None:
        demand_role(members_in(members), tx.user_id, MANAGES, field="report_id")
    step(report, Status.PUBLISHED, field="report_id")
    report.published_at = now
    tx.save(report)
    publish(tx, Topic.FINANCIAL_REPORT_PUBLISHED, report.id, user_id=report.user_id, dao_id=dao_id)
    about = f"{report.report_type.replace('_', ' ')} {report.period_start:%d.%m.%Y} – {report.period_end:%d.%m.%Y}"
    for user_id, dao_name in everybody:
        if user_id != tx.user_id:
            notify(tx, user_id, "report_published", report=about, dao_name=dao_name)
    return report


@rule(NotYourReport, InvalidState)
async def archive_financial_report(
    tx: RuleTransaction, report: Annotated[FinancialReport, Locked("The report.")]
) -> FinancialReport:
    """Put a report aside; members who could read it still can. Whoever drew it up, or an admin of the DAO."""
    people, members = await tx.fetch(guardianship.representing(), standing(report.dao_id or report.id, tx.user_id))
    member = members_in(members).get(tx.user_id)
    is_admin = member is not None and member.counts and member.role in MANAGES
    if not is_admin and report.user_id not in guardianship.represented_in(people):
        raise NotYourReport(field="report_id")
    step(report, Status.ARCHIVED, field="report_id")
    tx.save(report)
    return report


async def reproduced(tx: Transaction, report: FinancialReport) -> RawJson:
    """The figures of a report once more, from the ledger up to its place. In a role that sees all of the ledger."""
    owner_id = report.dao_id or report.user_id
    assert owner_id is not None
    owner = Owner(owner_id, is_dao=report.dao_id is not None)
    place = Place(report.ledger_position, report.ledger_transaction_id)
    (drawn,) = await tx.fetch(drawing(owner, report.report_type, report.period_start, report.period_end, place))
    return figures_in(drawn)
