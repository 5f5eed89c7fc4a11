"""Financial reports: drawn up from the ledger up to a position, and drawn up again from there."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from models.treasury import UserBalance
from resolvers.treasury.members import NotAMember
from tests.changes import Changes
from tests.client import Api
from tests.factories import now
from tests.treasury.house import House
from tests.treasury.past import Past
from tests.treasury.reporting import DAY, REPRODUCE, Reports, a_dao

# generateFinancialReport


async def test_opening_and_movements_make_the_closing(
    house: House, past: Past, reports: Reports, start: datetime
) -> None:
    dao = await a_dao(house, past, start)

    report = await reports.generate(dao.admin, dao)

    available, reserve = report["reportData"]["lines"]
    assert available == {
        "account": "available", "currency": "KES", "opening": "1000.00000000", "closing": "1300.00000000",
        "movements": [
            {"kind": "bill", "in": "0.00000000", "out": "300.00000000"},
            {"kind": "gift", "in": "700.00000000", "out": "0.00000000"},
            {"kind": "treasury_allocation", "in": "0.00000000", "out": "100.00000000"},
        ],
    }  # fmt: skip
    assert reserve == {
        "account": "reserve", "currency": "KES", "opening": "0.00000000", "closing": "100.00000000",
        "movements": [{"kind": "treasury_allocation", "in": "100.00000000", "out": "0.00000000"}],
    }  # fmt: skip
    # What only moved between the DAO's own accounts has neither come nor gone.
    assert report["reportData"]["totals"] == [
        {"currency": "KES", "opening": "1000.00000000", "in": "700.00000000", "out": "300.00000000",
         "closing": "1400.00000000"},
    ]  # fmt: skip
    assert (report["totalRevenue"], report["totalExpenses"], report["netProfit"], report["totalAssets"]) == (
        "700.00000000", "300.00000000", "400.00000000", "1400.00000000",
    )  # fmt: skip
    assert (report["status"], report["version"], report["supersedesId"], report["currency"]) == (
        "DRAFT",
        1,
        None,
        "KES",
    )


def check(figures: Any) -> None:
    """Every line, and every total, adds up; the lines of a currency to its total."""
    for line in figures["lines"]:
        moved = sum(Decimal(each["in"]) - Decimal(each["out"]) for each in line["movements"])
        assert Decimal(line["opening"]) + moved == Decimal(line["closing"])
    for total in figures["totals"]:
        assert Decimal(total["opening"]) + Decimal(total["in"]) - Decimal(total["out"]) == Decimal(total["closing"])
        lines = [each for each in figures["lines"] if each["currency"] == total["currency"]]
        assert sum(Decimal(each["closing"]) for each in lines) == Decimal(total["closing"])
        assert sum(Decimal(each["opening"]) for each in lines) == Decimal(total["opening"])


async def test_it_closes_with_what_was_held_then_and_the_next_opens_with_it(
    api: Api, house: House, past: Past, reports: Reports, start: datetime
) -> None:
    dao = await a_dao(house, past, start)
    query = "query ($id: ID!, $at: DateTime!) { daoTreasury(id: $id) { asOf(at: $at) { available reserve total } } }"
    last = (reports.end - timedelta(microseconds=1)).isoformat()

    report = await reports.generate(dao.admin, dao)
    following = {"periodStart": reports.end.isoformat(), "periodEnd": (reports.end + 9 * DAY).isoformat()}
    next_one = await reports.generate(dao.admin, dao, **following)
    held = (await api(query, {"id": str(dao.treasury.id), "at": last}, as_=dao.admin))["daoTreasury"]["asOf"]

    check(report["reportData"])
    closing = {line["account"]: line["closing"] for line in report["reportData"]["lines"]}
    assert closing == {part: held[part] for part in ("available", "reserve")}
    assert {line["account"]: line["opening"] for line in next_one["reportData"]["lines"]} == closing
    assert next_one["reportData"]["totals"][0]["in"] == "50.00000000"


async def test_reversals_come_and_go(house: House, past: Past, reports: Reports, start: datetime) -> None:
    person = await house.person()
    await house.make(UserBalance, user_id=person.id, currency="KES")
    user = f"user:{person.id}"
    await past.moves(start, "provider:mpesa", f"{user}:available", "900", kind="a_deposit")
    await past.moves(start + DAY, f"{user}:available", f"{user}:pending", "101", kind="a_withdrawal")
    await past.moves(start + 2 * DAY, f"{user}:pending", f"{user}:available", "101", kind="its_reversal")
    await past.moves(start + 3 * DAY, f"{user}:available", "provider:mpesa", "900", kind="a_return")
    await past.proves(person)

    report = await reports.generate(person, reportType="CASH_FLOW")

    check(report["reportData"])
    assert [(line["account"], line["closing"]) for line in report["reportData"]["lines"]] == [
        ("available", "0.00000000"), ("pending", "0.00000000"),
    ]  # fmt: skip
    assert (report["totalRevenue"], report["totalExpenses"]) == ("900.00000000", "900.00000000")


async def test_several_currencies_are_never_added_up(
    house: House, past: Past, reports: Reports, start: datetime
) -> None:
    person = await house.person()
    for currency, amount in (("KES", "1000"), ("cUSD", "2.5")):
        await house.make(UserBalance, user_id=person.id, currency=currency)
        await past.moves(start, "provider:bank", f"user:{person.id}:available", amount, currency)
    await past.proves(person)

    report = await reports.generate(person)

    check(report["reportData"])
    assert [(each["currency"], each["in"]) for each in report["reportData"]["totals"]] == [
        ("KES", "1000.00000000"), ("cUSD", "2.50000000"),
    ]  # fmt: skip
    assert {report[name] for name in ("currency", "totalRevenue", "totalExpenses", "netProfit", "totalAssets")} == {
        None
    }


async def test_of_who_holds_nothing_there_is_nothing_to_say(house: House, reports: Reports) -> None:
    report = await reports.generate(await house.person())

    assert report["reportData"] == {"lines": [], "totals": [], "position": 0, "lastTransactionId": None}
    assert (report["ledgerPosition"], report["ledgerTransactionId"], report["currency"]) == ("0", None, None)


@pytest.mark.parametrize("kind", ["AUDIT", "TAX"])
async def test_an_audit_names_each_transaction(
    house: House, past: Past, reports: Reports, start: datetime, kind: str
) -> None:
    dao = await house.dao()
    made = [
        await past.moves(start + number * DAY, "provider:bank", f"dao:{dao.id}:available", "5", kind="gift")
        for number in range(3)
    ]
    await past.proves(dao, is_dao=True)

    report = await reports.generate(dao.admin, dao, reportType=kind)

    ((movement,),) = (line["movements"] for line in report["reportData"]["lines"])
    assert [each["id"] for each in movement["transactions"]] == [str(each) for each in made]
    assert {each["amount"] for each in movement["transactions"]} == {"5.00000000"}
    assert report["reportData"]["lastTransactionId"] == str(made[-1]) == report["ledgerTransactionId"]


async def test_an_audit_of_too_many_is_refused(
    house: House, past: Past, reports: Reports, start: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.treasury.reports.MOST_ENTRIES", 5)
    dao = await a_dao(house, past, start)

    # Five of them are in the period: 500, 200, 300, and both sides of the 100 that were put by.
    assert await reports.refused(dao.admin, dao, reportType="AUDIT") == []
    monkeypatch.setattr("resolvers.treasury.reports.MOST_ENTRIES", 4)
    assert await reports.refused(dao.admin, dao, reportType="AUDIT") == ["REPORT_TOO_LARGE"]
    assert await reports.refused(dao.admin, dao) == []


async def test_a_period_must_be_over_and_have_a_length(house: House, reports: Reports, changes: Changes) -> None:
    person = await house.person()
    before = await changes.mark()
    moment = now()
    for start, end in (
        (moment - DAY, moment - DAY),
        (moment - DAY, moment - 2 * DAY),
        (moment - 402 * DAY, moment - DAY),
        (moment - DAY, moment - timedelta(minutes=4, seconds=50)),
        (moment - DAY, moment + DAY),
    ):
        given = {"periodStart": start.isoformat(), "periodEnd": end.isoformat()}
        assert await reports.refused(person, **given) == ["PERIOD_NOT_VALID"]

    assert await changes.since(before) == []
    given = {"periodStart": (moment - 400 * DAY - timedelta(minutes=6)).isoformat(),
             "periodEnd": (moment - timedelta(minutes=6)).isoformat()}  # fmt: skip
    assert await reports.refused(person, **given) == []


async def test_only_admins_report_on_a_dao(house: House, reports: Reports, changes: Changes) -> None:
    dao, stranger = await house.dao(members=2, dao={"access": "private"}), await house.person()
    elder = await house.join(dao, role="elder")
    banned = await house.join(dao, role="admin", status="banned")
    before = await changes.mark()

    assert await reports.refused(dao.members[1], dao) == ["ROLE_TOO_LOW"]
    assert await reports.refused(elder, dao) == ["ROLE_TOO_LOW"]
    assert await reports.refused(stranger, dao) == ["NOT_FOUND"]
    assert await reports.refused(banned, dao) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_of_an_open_dao_a_stranger_gets_no_report(house: House, reports: Reports) -> None:
    dao = await house.dao(dao={"access": "public"})

    assert await reports.refused(await house.person(), dao) == [NotAMember.code()]


async def test_generated_again_it_is_the_next_version(
    house: House, past: Past, reports: Reports, start: datetime
) -> None:
    dao = await a_dao(house, past, start)
    other = await house.join(dao, role="admin")
    first = await reports.generate(dao.admin, dao)
    await past.moves(start + DAY, "provider:bank", f"dao:{dao.id}:available", "7", kind="late")
    await past.proves(dao, is_dao=True)

    # Whoever draws it up: the versions are those of the DAO.
    second = await reports.generate(other, dao)
    apart = await reports.generate(dao.admin, dao, reportType="CASH_FLOW")

    assert (second["version"], apart["version"]) == (2, 1)
    assert second["supersedesId"] is not None
    assert int(second["ledgerPosition"]) > int(first["ledgerPosition"])
    assert second["totalAssets"] == "1407.00000000"


async def test_two_at_once_are_two_versions(house: House, past: Past, reports: Reports, start: datetime) -> None:
    dao = await a_dao(house, past, start)
    other = await house.join(dao, role="admin")
    person = await house.person()

    made = await asyncio.gather(*(reports.generate(each, dao) for each in (dao.admin, other, dao.admin)))
    own = await asyncio.gather(*(reports.generate(person) for _ in range(3)))

    assert sorted(each["version"] for each in made) == [1, 2, 3]
    assert sorted(each["version"] for each in own) == [1, 2, 3]


async def test_a_retry_is_no_second_version(house: House, reports: Reports) -> None:
    person = await house.person()

    first, again = [await reports.generate(person, idempotencyKey="once") for _ in range(2)]

    assert first["rowId"] == again["rowId"]


# reproduceFinancialReport


async def test_it_can_be_drawn_up_again_to_the_letter(
    api: Api, ordinary: Api, house: House, past: Past, reports: Reports, start: datetime
) -> None:
    dao = await a_dao(house, past, start)
    report = await reports.generate(dao.admin, dao, reportType="AUDIT")
    # Later into the same period, and into another currency; and now.
    await past.moves(start + DAY, "provider:bank", f"dao:{dao.id}:available", "9999", kind="late")
    await past.proves(dao, is_dao=True)
    await house.fill(dao, "1")

    for ask in (api, ordinary):
        answer = await ask(REPRODUCE, {"id": report["rowId"]}, as_=dao.admin)
        assert answer["reproduceFinancialReport"] == {"reportData": report["reportData"], "agrees": True}


async def test_while_money_is_posted_a_report_is_of_one_moment(
    api: Api, house: House, reports: Reports, past: Past, start: datetime
) -> None:
    dao = await a_dao(house, past, start)

    async def give() -> None:
        for _ in range(10):
            await past.moves(start + DAY, "provider:bank", f"dao:{dao.id}:available", "1", kind="late")

    _, *made = await asyncio.gather(give(), *(reports.generate(dao.admin, dao) for _ in range(4)))
    await past.proves(dao, is_dao=True)

    for each in made:
        check(each["reportData"])
        answer = await api(REPRODUCE, {"id": each["rowId"]}, as_=dao.admin)
        assert answer["reproduceFinancialReport"]["agrees"]


async def test_who_does_not_see_a_report_cannot_have_it_drawn_up(api: Api, house: House, reports: Reports) -> None:
    dao = await house.dao(members=2, KES="10")
    report = await reports.generate(dao.admin, dao)

    for caller in (dao.members[1], await house.person(), None):
        assert (await api(REPRODUCE, {"id": report["rowId"]}, as_=caller))["reproduceFinancialReport"] is None


async def test_its_author_has_it_drawn_up_also_when_gone(
    api: Api, house: House, past: Past, reports: Reports, start: datetime, owner: asyncpg.Pool[Any]
) -> None:
    dao = await a_dao(house, past, start)
    other = await house.join(dao, role="admin")
    report = await reports.generate(other, dao)
    await owner.execute("UPDATE treasury.dao_members SET status = 'banned' WHERE id = $1", other.membership.id)
    await owner.execute("UPDATE treasury.daos SET member_count = member_count - 1 WHERE id = $1", dao.id)

    answer = await api(REPRODUCE, {"id": report["rowId"]}, as_=other)

    assert answer["reproduceFinancialReport"]["agrees"]


async def test_a_report_that_was_written_by_hand_does_not_agree(
    api: Api, house: House, reports: Reports, owner: asyncpg.Pool[Any]
) -> None:
    dao = await house.dao(KES="10")
    report = await reports.generate(dao.admin, dao)
    await owner.execute("UPDATE treasury.financial_reports SET report_data = '{}' WHERE id = $1::uuid", report["rowId"])

    answer = await api(REPRODUCE, {"id": report["rowId"]}, as_=dao.admin)

    assert answer["reproduceFinancialReport"]["agrees"] is False
