"""Balances at a moment: what the entries until then come to, for whoever may see the balance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from models.treasury import UserBalance
from tests.client import STAFF, Answer, Api
from tests.factories import Factory, now
from tests.treasury.house import House
from tests.treasury.past import Past

MINE = """query ($at: DateTime!) { viewer { balances { nodes {
    availableBalance currency asOf(at: $at) { available pending locked total currency }
} } } }"""
TREASURY = (
    "query ($id: ID!, $at: DateTime!) { daoTreasury(id: $id) { asOf(at: $at) { available allocated reserve total } } }"
)


@pytest.fixture(params=["planned", "ordinary"])
def ask(request: pytest.FixtureRequest, api: Api, ordinary: Api) -> Api:
    """The gateway with its planner and without."""
    return api if request.param == "planned" else ordinary


async def moment(owner: asyncpg.Pool[Any]) -> datetime:
    at: datetime = await owner.fetchval("SELECT clock_timestamp()")
    return at


def at_of(answer: Answer) -> dict[str, Any]:
    (balance,) = answer["viewer"]["balances"]["nodes"]
    return dict(balance["asOf"])


async def test_between_two_postings_of_a_second_there_was_the_first(
    ask: Api, house: House, owner: asyncpg.Pool[Any]
) -> None:
    person = await house.person()
    past, begun = Past(owner), now() - timedelta(days=3)
    before, between = begun - timedelta(microseconds=1), begun + timedelta(milliseconds=1)
    await house.make(UserBalance, user_id=person.id, currency="KES")
    await past.moves(begun, "provider:bank", f"user:{person.id}:available", "1000")
    await past.moves(
        between + timedelta(milliseconds=1), f"user:{person.id}:available", f"user:{person.id}:locked", "400.5"
    )
    await past.proves(person)

    held = [at_of(await ask(MINE, {"at": at.isoformat()}, as_=person)) for at in (before, begun, between, now())]

    assert [(plain_of(each, "available"), plain_of(each, "locked")) for each in held] == [
        ("0", "0"), ("1000", "0"), ("1000", "0"), ("599.5", "400.5"),
    ]  # fmt: skip
    assert [each["total"] for each in held] == ["0.00000000", *["1000.00000000"] * 3]


def plain_of(held: dict[str, Any], part: str) -> str:
    return held[part].rstrip("0").rstrip(".") or "0"


async def test_now_it_is_what_the_balance_says(ask: Api, house: House) -> None:
    person = await house.person(KES="5000.25", cUSD="0.00000001")

    answer = await ask(MINE, {"at": now().isoformat()}, as_=person)

    nodes = answer["viewer"]["balances"]["nodes"]
    assert {each["currency"]: each["asOf"]["available"] for each in nodes} == {
        "KES": "5000.25000000", "cUSD": "0.00000001",
    }  # fmt: skip
    assert all(each["asOf"]["available"] == each["availableBalance"] for each in nodes)
    assert {each["asOf"]["currency"] for each in nodes} == {"KES", "cUSD"}


async def test_before_there_was_an_account_nothing_was_held(ask: Api, house: House) -> None:
    person = await house.person(KES="10")

    held = at_of(await ask(MINE, {"at": "0001-01-01T00:00:00Z"}, as_=person))

    assert {held[part] for part in ("available", "pending", "locked", "total")} == {"0.00000000"}


async def test_of_a_balance_within_a_dao_the_ledger_knows_nothing(ask: Api, house: House, make: Factory) -> None:
    dao = await house.dao()
    await make(UserBalance, user_id=dao.admin.id, currency="KES", dao_id=dao.id)

    answer = await ask(MINE, {"at": now().isoformat()}, as_=dao.admin)

    assert [each["asOf"] for each in answer["viewer"]["balances"]["nodes"]] == [None]


@pytest.mark.parametrize("as_variable", [True, False])
async def test_of_the_future_nothing_is_known(ask: Api, house: House, as_variable: bool) -> None:
    person = await house.person(KES="10")
    soon = (now() + timedelta(minutes=1)).isoformat()
    query = MINE if as_variable else MINE.replace("query ($at: DateTime!)", "").replace("$at", f'"{soon}"')

    answer = await ask(query, {"at": soon} if as_variable else {}, as_=person)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert answer.errors[0]["path"] == ["viewer", "balances", "nodes", 0, "asOf"]
    (balance,) = answer.body["data"]["viewer"]["balances"]["nodes"]
    assert (balance["asOf"], balance["currency"]) == (None, "KES")


async def test_a_moment_without_a_zone_is_none(ask: Api, house: House) -> None:
    person = await house.person(KES="10")

    assert (await ask(MINE, {"at": "2026-01-01T00:00:00"}, as_=person)).codes == ["BAD_USER_INPUT"]


async def test_who_sees_the_balance_sees_what_it_was(ask: Api, house: House, make: Factory, staff: Any) -> None:
    guardian, stranger = await house.person(), await house.person()
    born = {"date_of_birth": now().date() - timedelta(days=12 * 365), "guardian_user_id": guardian.id,
            "guardian_accepted_at": now(), "relationship_type": "mother"}  # fmt: skip
    minor = await house.person(profile=born, KES="70")
    query = """query ($id: ID!, $at: DateTime!) {
        user(id: $id) { id } userBalances(where: {userId: {eq: $id}}) { nodes { asOf(at: $at) { total } } } }"""
    given = {"id": str(minor.id), "at": now().isoformat()}

    for caller, roles, seen in ((guardian, (), 1), (staff, STAFF, 1), (stranger, (), 0)):
        nodes = (await ask(query, given, as_=caller, roles=roles))["userBalances"]["nodes"]
        assert [each["asOf"]["total"] for each in nodes] == ["70.00000000"] * seen


async def test_members_see_what_the_treasury_was(ask: Api, house: House, owner: asyncpg.Pool[Any]) -> None:
    dao, stranger = await house.dao(members=2, KES="9000"), await house.person()
    then = await moment(owner)
    past = Past(owner)
    await past.moves(now(), f"dao:{dao.id}:available", f"dao:{dao.id}:reserve", "1000", kind="treasury_allocation")
    await past.proves(dao, is_dao=True)
    given = {"id": str(dao.treasury.id)}

    before = await ask(TREASURY, given | {"at": then.isoformat()}, as_=dao.members[1])
    after = await ask(TREASURY, given | {"at": now().isoformat()}, as_=dao.members[1])
    hidden = await ask(TREASURY, given | {"at": now().isoformat()}, as_=stranger)

    assert before["daoTreasury"]["asOf"] == {
        "available": "9000.00000000", "allocated": "0.00000000", "reserve": "0.00000000", "total": "9000.00000000",
    }  # fmt: skip
    assert after["daoTreasury"]["asOf"] == {
        "available": "8000.00000000", "allocated": "0.00000000", "reserve": "1000.00000000", "total": "9000.00000000",
    }  # fmt: skip
    assert hidden["daoTreasury"] is None


@pytest.mark.parametrize("what", ["asOf(at: $at) { total available }", "holds { amount }"])
async def test_one_balance_and_twenty_take_as_many_statements(ask: Api, house: House, make: Factory, what: str) -> None:
    few, many = await house.person(KES="1"), await house.person()
    for number in range(20):
        await make(UserBalance, user_id=many.id, currency=f"C{number}")
    query = f"query ($at: DateTime) {{ viewer {{ balances(first: 50) {{ nodes {{ {what} }} }} }} }}"
    query = query.replace("($at: DateTime)", "($at: DateTime!)" if "$at" in what else "")
    given = {"at": datetime(2026, 1, 1, tzinfo=UTC).isoformat()} if "$at" in what else {}

    counts = []
    for person, seen in ((few, 1), (many, 20)):
        async with ask.counting() as statements:
            answer = await ask(query, given, as_=person)
        assert len(answer["viewer"]["balances"]["nodes"]) == seen
        counts.append(len(statements))

    assert counts[0] == counts[1] <= 3


async def test_the_largest_amount_is_exact(ask: Api, house: House, owner: asyncpg.Pool[Any]) -> None:
    person = await house.person()
    await house.make(UserBalance, user_id=person.id, currency="KES")
    past = Past(owner)
    await past.moves(now(), "provider:bank", f"user:{person.id}:available", "12345678901234567890.12345678")
    await past.proves(person)

    held = at_of(await ask(MINE, {"at": now().isoformat()}, as_=person))

    assert held["available"] == "12345678901234567890.12345678" == await house.balance(person, "KES")
