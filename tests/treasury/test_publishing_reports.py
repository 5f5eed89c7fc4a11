"""Financial reports on their way to their readers: handed in, reviewed, published, and never changed after that."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.notifications import NotificationTemplate
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.treasury.house import House
from tests.treasury.past import Past
from tests.treasury.reporting import DAY, Reports, a_dao


async def test_a_report_goes_from_draft_to_its_readers(
    api: Api, house: House, reports: Reports, staff: Any, books: Books
) -> None:
    dao = await house.dao(members=2, KES="10")
    query = "{ financialReports { nodes { rowId status } } }"
    report = await reports.generate(dao.admin, dao)
    hidden = await api(query, as_=dao.members[1])

    submitted = await house.call("submitFinancialReport", dao.admin, reportId=report["rowId"])
    reviewed = await house.call("reviewFinancialReport", staff, STAFF, reportId=report["rowId"], approved=True)
    published = await house.call("publishFinancialReport", dao.admin, reportId=report["rowId"])
    seen = await api(query, as_=dao.members[1])

    assert submitted["submitFinancialReport"]["report"]["status"] == "PENDING_REVIEW"
    approved = reviewed["reviewFinancialReport"]["report"]
    assert (approved["status"], approved["approvedBy"], approved["reviewedBy"]) == (
        "APPROVED", approved["reviewedBy"], approved["approvedBy"],
    )  # fmt: skip
    assert published["publishFinancialReport"]["report"]["publishedAt"] is not None
    assert hidden["financialReports"]["nodes"] == []
    assert seen["financialReports"]["nodes"] == [{"rowId": report["rowId"], "status": "PUBLISHED"}]
    assert await books.events(report["rowId"]) == ["financial_report.generated", "financial_report.published"]


async def test_members_hear_of_it(
    house: House, reports: Reports, staff: Any, start: datetime, owner: asyncpg.Pool[Any]
) -> None:
    dao = await house.dao(members=3, dao={"name": f"Umoja {uuid4().hex[:6]}"}, KES="10")
    await house.join(dao, status="pending")
    template = await house.make(
        NotificationTemplate, template_key="report_published", body_text="{report}: {dao_name}", channels=["email"],
        is_active=True,
    )  # fmt: skip

    await reports.published(dao, staff)

    heard = await owner.fetch(
        "SELECT user_id, body FROM notifications.notifications WHERE template_id = $1", template.id
    )
    text = f"monthly {start:%d.%m.%Y} – {start + 30 * DAY:%d.%m.%Y}: {dao.name}"
    assert {(row[0], row[1]) for row in heard} == {(member.id, text) for member in dao.members[1:]}
    await owner.execute("DELETE FROM notifications.notifications WHERE template_id = $1", template.id)
    await owner.execute("DELETE FROM notifications.notification_templates WHERE id = $1", template.id)


async def test_staff_give_it_back_with_a_reason(house: House, reports: Reports, staff: Any) -> None:
    dao = await house.dao(KES="10")
    report = await reports.generate(dao.admin, dao)
    await house.call("submitFinancialReport", dao.admin, reportId=report["rowId"])
    given = {"reportId": report["rowId"], "approved": False}

    assert await house.refused("reviewFinancialReport", staff, STAFF, **given) == ["TEXT_MISSING"]
    answer = await house.call("reviewFinancialReport", staff, STAFF, **given, notes="March is missing.")

    back = answer["reviewFinancialReport"]["report"]
    assert (back["status"], back["notes"], back["approvedBy"]) == ("DRAFT", "March is missing.", None)


async def test_steps_out_of_order_are_refused(house: House, reports: Reports, staff: Any, changes: Changes) -> None:
    dao = await house.dao(KES="10")
    report = await reports.generate(dao.admin, dao)
    before = await changes.mark()

    assert await house.refused("publishFinancialReport", dao.admin, reportId=report["rowId"]) == ["INVALID_STATE"]
    given = {"reportId": report["rowId"], "approved": True}
    assert await house.refused("reviewFinancialReport", staff, STAFF, **given) == ["INVALID_STATE"]
    assert await changes.since(before) == []


async def test_staff_review_nothing_of_their_own(house: House, reports: Reports, staff: Any, owner: Any) -> None:
    dao = await house.dao(KES="10")
    await house.join(dao, staff)
    await owner.execute("UPDATE identity.users SET roles = '{user,admin}' WHERE id = $1", dao.admin.id)
    report = await reports.generate(dao.admin, dao)
    await house.call("submitFinancialReport", dao.admin, reportId=report["rowId"])
    given = {"reportId": report["rowId"], "approved": True}

    # Of the author, and of a DAO in which they are themselves.
    assert await house.refused("reviewFinancialReport", dao.admin, STAFF, **given) == ["OWN_MATTER"]
    assert await house.refused("reviewFinancialReport", staff, STAFF, **given) == ["OWN_MATTER"]


async def test_only_its_author_hands_it_in_and_publishes_it(
    house: House, reports: Reports, staff: Any, changes: Changes
) -> None:
    dao = await house.dao(members=2, KES="10")
    other = await house.join(dao, role="admin")
    report = await reports.generate(dao.admin, dao)
    before = await changes.mark()

    for name in ("submitFinancialReport", "publishFinancialReport", "archiveFinancialReport"):
        # A draft is hidden from all but its author, and staff.
        assert await house.refused(name, other, reportId=report["rowId"]) == ["NOT_FOUND"]
        assert await house.refused(name, staff, STAFF, reportId=report["rowId"]) == ["NOT_YOUR_REPORT"]
    assert await changes.since(before) == []


async def test_who_is_no_longer_an_admin_publishes_nothing(
    house: House, reports: Reports, staff: Any, owner: asyncpg.Pool[Any]
) -> None:
    dao = await house.dao(members=2, KES="10")
    other = await house.join(dao, role="admin")
    report = await reports.generate(other, dao)
    await house.call("submitFinancialReport", other, reportId=report["rowId"])
    await house.call("reviewFinancialReport", staff, STAFF, reportId=report["rowId"], approved=True)
    await owner.execute("UPDATE treasury.dao_members SET role = 'elder' WHERE id = $1", other.membership.id)

    assert await house.refused("publishFinancialReport", other, reportId=report["rowId"]) == ["ROLE_TOO_LOW"]


async def test_an_admin_archives_what_is_published_and_members_still_read_it(
    api: Api, house: House, reports: Reports, staff: Any
) -> None:
    dao = await house.dao(members=2, KES="10")
    other = await house.join(dao, role="admin")
    report = await reports.published(dao, staff)

    assert await house.refused("archiveFinancialReport", dao.members[1], reportId=report["rowId"]) == [
        "NOT_YOUR_REPORT"
    ]
    assert await house.refused("archiveFinancialReport", other, reportId=report["rowId"]) == []
    assert await house.refused("archiveFinancialReport", other, reportId=report["rowId"]) == ["INVALID_STATE"]
    query = "query ($id: ID!) { financialReport(id: $id) { status } }"
    seen = await api(query, {"id": report["rowId"]}, as_=dao.members[1])
    assert seen["financialReport"] == {"status": "ARCHIVED"}


@pytest.mark.parametrize(
    "change",
    [
        "report_data = '{}'",
        "total_assets = 1",
        "published_at = NULL",
        "period_end = now()",
        "version = 9",
        "notes = 'x'",
    ],
)
async def test_what_is_published_is_not_changed_by_sql_either(
    house: House, reports: Reports, staff: Any, owner: asyncpg.Pool[Any], change: str
) -> None:
    dao = await house.dao(KES="10")
    report = await reports.published(dao, staff)

    with pytest.raises(asyncpg.PostgresError, match="is published"):
        await owner.execute(f"UPDATE treasury.financial_reports SET {change} WHERE id = $1::uuid", report["rowId"])
    with pytest.raises(asyncpg.PostgresError, match="is published"):
        await owner.execute("DELETE FROM treasury.financial_reports WHERE id = $1::uuid", report["rowId"])
    await house.call("archiveFinancialReport", dao.admin, reportId=report["rowId"])
    with pytest.raises(asyncpg.PostgresError, match="is published"):
        await owner.execute(f"UPDATE treasury.financial_reports SET {change} WHERE id = $1::uuid", report["rowId"])


async def test_a_published_one_is_corrected_by_the_next_version(
    api: Api, house: House, past: Past, reports: Reports, staff: Any, start: datetime
) -> None:
    dao = await a_dao(house, past, start)
    first = await reports.published(dao, staff)
    await past.moves(start + DAY, "provider:bank", f"dao:{dao.id}:available", "7", kind="late")
    await past.proves(dao, is_dao=True)

    second = await reports.published(dao, staff)

    query = "query ($id: ID!) { financialReport(id: $id) { version totalAssets reportData } }"
    kept = (await api(query, {"id": first["rowId"]}, as_=dao.members[1]))["financialReport"]
    assert (kept["version"], kept["totalAssets"], kept["reportData"]) == (1, "1400.00000000", first["reportData"])
    assert (second["version"], second["totalAssets"]) == (2, "1407.00000000")
