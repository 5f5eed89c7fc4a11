"""How many statements an operation takes, however many rows there are: one for each root field; without the planner,
one for each relation and level."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gql.kit.node import global_id
from models.admin import AuditLog
from models.analytics import AnalyticsEvent
from models.donations import Donation
from models.identity import User
from models.packs import Pack, Partner
from models.pots import Pot
from models.redemption import QrCode
from tests.client import Answer, Api
from tests.factories import Factory
from tests.kit.conftest import Ask

NESTED = """
    query ($ids: [ID!]) {
      pots(where: {id: {in: $ids}}, first: 20) {
        nodes {
          title
          ownerUser { id profile { fullName } }
          ownerProfile { fullName }
          donations(first: 2) { nodes { amountCfa donorUser { id } } totalCount }
          donationsAggregate(groupBy: [{status: true}]) { count sum { amountCfa } }
          contributions(first: 2) { nodes { amountCfa } }
          qrCodes(first: 3) { nodes { code pack { name partner { name } publicPartner { name } qrCodes(first: 1) { nodes { id } } } } }
        }
        totalCount
      }
    }
"""
# pots and their total; ownerUser, profile, ownerProfile; donations, donorUser, totalCount; the aggregate;
# contributions; qrCodes, pack, partner, publicPartner, the pack's qrCodes.
STATEMENTS = 15


@pytest.fixture
async def pots(make: Factory) -> list[str]:
    pack = await make(Pack, partner_id=(await make(Partner)).id)
    found = []
    for _ in range(20):
        pot = await make(Pot, visibility="public")
        for _ in range(3):
            await make(Donation, pot_id=pot.id, donor_user_id=(await make(User)).id)
        for _ in range(2):
            await make(QrCode, pot_id=pot.id, pack_id=pack.id)
        found.append(str(pot.id))
    return found


@pytest.fixture(scope="session")
def as_staff_by(super_admin: SimpleNamespace) -> Callable[[Api], Ask]:
    def by(api: Api) -> Ask:
        async def ask(query: str, variables: dict[str, Any] | None = None) -> Answer:
            return await api(query, variables, as_=super_admin, roles=("super_admin",))

        return ask

    return by


async def statements(api: Api, ask: Ask, query: str, variables: dict[str, Any] | None = None) -> list[str]:
    """What is read. For staff there is one more: what they were shown."""
    async with api.counting() as counted:
        assert (await ask(query, variables)).errors == []
    return [statement for statement in counted if is_read(statement)]


def is_read(statement: str) -> bool:
    return not statement.startswith("INSERT INTO admin.audit_logs")


async def test_a_planned_field_takes_one_statement_whatever_is_below(api: Api, as_staff: Ask, pots: list[str]) -> None:
    two = "query ($ids: [ID!]) { a: pots(where: {id: {in: $ids}}) { nodes { id } } b: viewer { email } __typename }"

    assert len(await statements(api, as_staff, NESTED, {"ids": pots})) == 1
    assert len(await statements(api, as_staff, two, {"ids": pots})) == 2


async def test_20_rows_take_as_many_statements_as_one(
    ordinary: Api, as_staff_by: Callable[[Api], Ask], pots: list[str]
) -> None:
    as_staff = as_staff_by(ordinary)
    one = await statements(ordinary, as_staff, NESTED, {"ids": pots[:1]})
    twenty = await statements(ordinary, as_staff, NESTED, {"ids": pots})
    none = await statements(ordinary, as_staff, NESTED, {"ids": []})

    assert [len(one), len(twenty), len(none)] == [STATEMENTS, STATEMENTS, 2]


async def test_different_arguments_are_different_statements_and_equal_ones_share(
    ordinary: Api, as_staff_by: Callable[[Api], Ask], pots: list[str]
) -> None:
    as_staff = as_staff_by(ordinary)
    query = "query ($ids: [ID!]) { pots(where: {id: {in: $ids}}) { nodes { %s } } }"
    same = "a: donations(first: 2) { nodes { id } } b: donations(first: 2) { edges { cursor } }"
    different = "a: donations(first: 2) { nodes { id } } b: donations(first: 3) { nodes { id } }"
    parents = "a: ownerUser { id } b: ownerUser { email }"

    assert len(await statements(ordinary, as_staff, query % same, {"ids": pots})) == 2
    assert len(await statements(ordinary, as_staff, query % different, {"ids": pots})) == 3
    assert len(await statements(ordinary, as_staff, query % parents, {"ids": pots})) == 2


@pytest.mark.parametrize(("planned", "expected"), [(True, 1), (False, 3)])
async def test_nodes_of_many_types_take_one_statement_a_type_at_most(
    api: Api,
    ordinary: Api,
    as_staff_by: Callable[[Api], Ask],
    make: Factory,
    pots: list[str],
    planned: bool,
    expected: int,
) -> None:
    api = api if planned else ordinary
    logs = [await make(AuditLog) for _ in range(3)]
    events = [await make(AnalyticsEvent) for _ in range(3)]
    ids: list[str] = [global_id(Pot, (id_,)) for id_ in pots[:5]]
    ids += [global_id(AuditLog, (row.id, row.created_at)) for row in logs]
    ids += [global_id(AnalyticsEvent, (row.id, row.created_at)) for row in events]

    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }"
    async with api.counting() as counted:
        answer = await as_staff_by(api)(query, {"ids": ids[::-1]})

    assert [node["id"] for node in answer["nodes"]] == ids[::-1]
    assert len([statement for statement in counted if is_read(statement)]) == expected


async def test_an_aggregate_computes_only_what_is_selected(api: Api, as_staff: Ask) -> None:
    query = """
        { donationsAggregate { ...Sums other: max { amountCfa } __typename ... on DonationAggregate { min { createdAt } } } }
        fragment Sums on DonationAggregate { total: sum { cfa: amountCfa __typename } }
    """
    (sql,) = await statements(api, as_staff, query)
    (plain,) = await statements(api, as_staff, "{ donationsAggregate { count } }")

    for wanted in ("sum(donations_1.amount_cfa)", "max(donations_1.amount_cfa)", "min(donations_1.created_at)"):
        assert wanted in sql
    for unwanted in ("risk_score", "avg(", "max(donations_1.created_at)", "DISTINCT"):
        assert unwanted not in sql
    assert "sum(" not in plain


async def test_a_query_that_reads_nothing_takes_no_statement(api: Api, member: SimpleNamespace) -> None:
    async with api.counting() as counted:
        await api("{ __typename }", as_=member)
    assert counted == []
