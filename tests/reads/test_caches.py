"""Plans are kept for those who ask alike: bounded whatever is asked, and never with anybody's values in them."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from gql.kit.node import global_id
from gql.kit.planner.answers import QueryPlanner
from gql.kit.planner.plans import KEPT_CHARACTERS, Plan
from lango.graphql.documents import CACHED_CHARACTERS
from lango.lru import Lru
from lango.settings import Settings
from models.identity import User
from models.pots import Pot
from tests.client import STAFF, Api
from tests.factories import Factory


@pytest.fixture
def planned(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`async with planned(plan_cache=50) as (api, planner)`: a gateway and its own planner."""

    @asynccontextmanager
    async def make(**changed: Any) -> AsyncIterator[tuple[Api, QueryPlanner]]:
        made: list[Any] = []

        def noted(*given: Any, **options: Any) -> Any:
            made.append(QueryPlanner(*given, **options))
            return made[-1]

        monkeypatch.setattr("lango.http.app.QueryPlanner", noted)
        async with Api.alone(settings.model_copy(update={"pool_size": 2} | changed)) as api:
            yield api, made[0]

    return make


async def counted(api: Api) -> tuple[int, int]:
    """Hits and misses, as /metrics shows them."""
    text = (await api.client.get("/metrics")).text
    found = dict(re.findall(r'lango_plan_cache_total\{result="(\w+)"\} ([\d.]+)', text))
    return int(float(found.get("hit", 0))), int(float(found.get("miss", 0)))


# Bounds


def test_the_one_used_longest_ago_goes_first() -> None:
    kept: Lru[str, int] = Lru(3)
    for number, key in enumerate("abc"):
        kept.put(key, number)
    kept.get("a")
    kept.put("d", 3)

    assert [kept.get(key) for key in "abcd"] == [0, None, 2, 3]


def test_weight_is_given_back() -> None:
    kept: Lru[int, int] = Lru(100, weight=10)
    for number in range(1_000):
        kept.put(number % 7, number, number % 6)
        assert kept._held == sum(weight for _, weight in kept._items.values()) <= 10
    kept.put(0, 0, 11)
    assert kept.get(0) is None
    for key in list(kept._items):
        kept.drop(key)
    assert (len(kept), kept._held) == (0, 0)


async def test_a_flood_of_documents_is_bounded(planned: Any) -> None:
    async with planned(plan_cache=40, document_cache=20) as (api, planner):
        for number in range(150):
            answer = await api(f"{{ a{number}: pots(first: 1) {{ totalCount }} }}")
            assert answer[f"a{number}"] == {"totalCount": 0}
            assert len(planner.plans._kept) <= 40

        kept = planner.plans._kept
        assert kept._held <= KEPT_CHARACTERS
        assert await counted(api) == (0, 150)
        await api("{ a149: pots(first: 1) { totalCount } }")
        await api("{ a0: pots(first: 1) { totalCount } }")
        assert await counted(api) == (1, 151)


async def test_a_flood_of_variables_of_one_document_is_bounded(planned: Any) -> None:
    query = "query ($where: PotWhere, $first: Int) { pots(where: $where, first: $first) { totalCount nodes { id } } }"
    filters = [
        {"title": {"eq": "x"}},
        {"title": {"isNull": True}},
        {"status": {"eq": "OPEN"}},
        {"viewCount": {"gt": 5}},
    ]
    shapes = [list(shape) for size in range(4) for shape in itertools.product(filters, repeat=size)]
    async with planned(plan_cache=60) as (api, planner):
        for index, shape in enumerate(shapes[:90] + shapes[:90]):
            variables = {"where": {"or": shape}, "first": index % 3}
            assert (await api(query, variables)).body["data"]["pots"]["totalCount"] == 0
            assert len(planner.plans._kept) <= 60
            assert planner.plans._kept._held <= KEPT_CHARACTERS


async def test_values_alone_make_no_new_plan(planned: Any) -> None:
    query = "query ($id: ID!, $text: String, $ids: [ID!]!) { pot(id: $id) { id } pots(where: {title: {eq: $text}}) { totalCount } nodes(ids: $ids) { id } }"
    async with planned() as (api, planner):
        before = None
        for number in range(200):
            ids = [global_id(Pot, (uuid4(),)) for _ in range(number % 5 + 1)]
            await api(query, {"id": str(uuid4()), "text": f"{number}", "ids": ids})
            before = before or len(planner.plans._kept)

        assert len(planner.plans._kept) == before
        assert await counted(api) == (199, 1)


@pytest.mark.parametrize("fields", ["rowId", "svg"], ids=["planned", "with a field of Python's"])
async def test_plans_do_not_keep_the_texts_of_large_documents(planned: Any, fields: str) -> None:
    """Thirty documents of 200 KB each, nearly all of it a comment: their own cache keeps 2 MB of such texts."""
    async with planned(document_cache=10) as (api, planner):
        for number in range(30):
            await api(f"# {number} {'x' * 200_000}\n{{ qrCodes {{ nodes {{ {fields} }} }} }}")

        texts = {
            id(source): len(source.body)
            for kept, _ in planner.plans._kept._items.values()
            if isinstance(kept, Plan)
            for root in kept.roots
            for placeholder in (root.statement.placeholders if root.statement else ())
            for source in (placeholder.nodes[0].loc.source,)  # type: ignore[union-attr]
        }
        assert sum(texts.values()) <= CACHED_CHARACTERS


DEEP = "query ($yes: Boolean!) {{ {roots} }} fragment F on Pot {{ {fields} }}"


def aliased(number: int) -> str:
    """A fragment with fifty directives inside each other, spread often: within all limits of a document."""
    fields = "... @include(if: $yes) { " * 50 + "id" + " }" * 50
    roots = " ".join(f"a{place}: pots(first: 1) {{ nodes {{ ...F }} }}" for place in range(number // 50))
    return DEEP.format(roots=roots, fields=fields)


@pytest.mark.parametrize(
    "number",
    [
        100,
        600,
        pytest.param(1_200),
    ],
)
async def test_a_document_that_uses_its_variables_often(planned: Any, number: int) -> None:
    async with planned() as (api, _):
        for _ in range(3):
            answer = await api(aliased(number), {"yes": True})
            assert answer.codes == []
        assert await counted(api) == (2, 1)


async def test_one_document_does_not_drive_out_all_others(planned: Any) -> None:
    async with planned() as (api, _):
        await api("{ pots { totalCount } }")
        for _ in range(2):
            assert (await api(aliased(2_500), {"yes": True})).codes == []
        await api("{ pots { totalCount } }")

        assert await counted(api) == (2, 2)


# Whose values


WHOSE = """query ($title: String!, $id: ID!) {
  viewer { rowId }
  mine: pots(where: {title: {eq: $title}}) { nodes { rowId } }
  literal: pots(where: {title: {startsWith: "caches"}}) { nodes { title } }
  pot(id: $id) { title }
}"""


@pytest.fixture
async def members(make: Factory) -> list[SimpleNamespace]:
    """Six, each with a private pot."""
    made = []
    for number in range(6):
        user = await make(User)
        title = f"caches {number} {uuid4().hex}"
        made.append(SimpleNamespace(id=user.id, pot=await make(Pot, owner_user_id=user.id, title=title), title=title))
    return made


def expected(member: SimpleNamespace) -> dict[str, Any]:
    return {
        "viewer": {"rowId": str(member.id)},
        "mine": {"nodes": [{"rowId": str(member.pot.id)}]},
        "literal": {"nodes": [{"title": member.title}]},
        "pot": {"title": member.title},
    }


async def test_the_same_document_of_many_at_once(planned: Any, members: list[SimpleNamespace]) -> None:
    """The first makes the plan while the others ask; what is one's own is never in it."""
    async with planned() as (api, _):

        async def ask(member: SimpleNamespace) -> None:
            answer = await api(WHOSE, {"title": member.title, "id": str(member.pot.id)}, as_=member)
            assert answer.data == expected(member)

        await asyncio.gather(*(ask(member) for member in members * 10))


async def test_no_plan_holds_a_value(planned: Any, members: list[SimpleNamespace], make: Factory) -> None:
    admin = await make.staff()
    async with planned() as (api, planner):
        for member in members:
            await api(WHOSE, {"title": member.title, "id": str(member.pot.id)}, as_=member)
        await api(WHOSE, {"title": members[0].title, "id": str(members[0].pot.id)}, as_=admin, roles=STAFF)

        plans = [kept for kept, _ in planner.plans._kept._items.values() if isinstance(kept, Plan)]
        sql = " ".join(root.statement.sql for plan in plans for root in plan.roots if root.statement)
        keys = repr(list(planner.plans._kept._items))
        for member in [*members, admin]:
            assert str(member.id) not in sql + keys
        for member in members:
            assert member.title not in sql + keys
        # One for members and one for staff, who are shown more and of whom it is noted.
        assert len(plans) == 2


async def test_a_role_has_its_own_plan(planned: Any, members: list[SimpleNamespace], make: Factory) -> None:
    admin = await make.staff()
    query = "query ($id: ID!) { pot(id: $id) { title ownerUser { email } } }"
    async with planned() as (api, _):
        for _ in range(2):
            values = {"id": str(members[0].pot.id)}
            assert (await api(query, values, as_=members[1]))["pot"] is None
            assert (await api(query, values, as_=admin, roles=STAFF))["pot"]["title"] == members[0].title
            assert (await api(query, values))["pot"] is None
            assert (await api(query, values, as_=members[0]))["pot"]["title"] == members[0].title


# One document, many variables that decide


DECISIVE = """query ($first: Int, $last: Int, $after: String, $before: String, $by: [PotOrder!], $where: PotWhere,
    $yes: Boolean!, $no: Boolean = false, $status: PotStatus, $id: ID, $ids: [ID!]!) {
  viewer {
    pots(first: $first, last: $last, after: $after, before: $before, orderBy: $by, where: $where) {
      nodes { title closedAt @include(if: $yes) ... @skip(if: $no) { status } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      totalCount @include(if: $yes)
    }
  }
  some: pots(where: {status: {eq: $status}}, first: $first) { totalCount nodes { title } }
  pot(id: $id) @include(if: $yes) { title }
  nodes(ids: $ids) { __typename id ... on Pot { title @skip(if: $no) } }
}"""
TITLES = ["a", "b", "c", "d", "e"]
STATUSES = ["draft", "scheduled", "open", "closed"]


class Shelf:
    """A member with five pots, of which some have never been closed; the planner with a small cache, and without."""

    def __init__(self, planned: Api, ordinary: Api, member: SimpleNamespace, pots: list[SimpleNamespace]) -> None:
        self.planned, self.ordinary, self.member, self.pots = planned, ordinary, member, pots
        self.cursors: list[str | None] = [None]

    async def both(self, variables: dict[str, Any]) -> dict[str, Any]:
        answers = [await api(DECISIVE, variables, as_=self.member) for api in (self.planned, self.ordinary)]
        bodies = [answer.body for answer in answers]
        for body in bodies:
            body["errors"] = sorted(json.dumps(error) for error in body.get("errors", []))
        assert [json.dumps(body) for body in bodies[:1]] == [json.dumps(body) for body in bodies[1:]], variables
        assert answers[0].response.status_code == answers[1].response.status_code
        return bodies[0]


@pytest.fixture(scope="module")
async def shelf(settings: Settings, make: Factory, ordinary: Api) -> AsyncIterator[Shelf]:
    member = await make(User)
    closed = [None, "2026-01-01T00:00:00+00:00", None, "2025-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"]
    from datetime import datetime

    pots = [
        await make(
            Pot, owner_user_id=member.id, title=title, closed_at=at and datetime.fromisoformat(at), view_count=number
        )
        for number, (title, at) in enumerate(zip(TITLES, closed, strict=True))
    ]
    async with AsyncExitStack() as stack:
        small = settings.model_copy(update={"plan_cache": 30, "pool_size": 2})
        api = await stack.enter_async_context(Api.alone(small))
        found = Shelf(api, ordinary, member, pots)
        for by in ORDERS:
            body = await found.both({"by": by, "yes": True, "ids": []})
            page = "query ($by: [PotOrder!]) { pots(orderBy: $by) { edges { cursor } } }"
            answer = await ordinary(page, {"by": by}, as_=member)
            assert len(body["data"]["viewer"]["pots"]["nodes"]) == 5
            found.cursors += [edge["cursor"] for edge in answer["pots"]["edges"]]
        yield found


ORDERS: list[Any] = [
    None, [], [{"closedAt": "ASC"}], [{"closedAt": "DESC"}], [{"title": "DESC"}],
    [{"closedAt": "ASC_NULLS_FIRST"}, {"title": "ASC"}],
]  # fmt: skip
WHERES: list[Any] = [
    None, {}, {"title": {"eq": "a"}}, {"title": {"eq": "b"}}, {"title": {"in": ["a", "c"]}}, {"closedAt": {"isNull": True}},
    {"closedAt": {"isNull": False}}, {"or": [{"title": {"eq": "a"}}, {"title": {"eq": "e"}}]}, {"not": {"title": {"eq": "a"}}},
    {"or": []}, {"title": None}, {"title": {"eq": None}}, {"and": [{"title": {"startsWith": "a"}}]}, {"closedAt": {}},
]  # fmt: skip
SIZES = [None, 0, 1, 2, 3, 100, 101, -1]
ABSENT = object()


def maybe(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([ABSENT, *values])


ASKED = st.fixed_dictionaries(
    {
        "first": maybe(SIZES), "last": maybe([None, None, None, 1, 2]), "after": maybe(list(range(26))),
        "before": maybe([None, None, 0, 7, 13]), "by": maybe(ORDERS), "where": maybe(WHERES),
        "yes": st.booleans(), "no": maybe([True, False]), "status": maybe([None, "OPEN", "CLOSED", "DRAFT"]),
        "id": maybe([None, 0, 1, 2]), "ids": st.lists(st.sampled_from(range(7)), max_size=4),
    }
)  # fmt: skip


@how(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(ASKED, min_size=1, max_size=4))
async def test_one_document_with_many_variables_that_decide(shelf: Shelf, combinations: list[dict[str, Any]]) -> None:
    """Whatever was asked before, in whichever order: the answer is that of the ordinary executor."""
    ids = [global_id(Pot, (pot.id,)) for pot in shelf.pots] + [global_id(User, (shelf.member.id,)), str(uuid4())]
    for each in combinations:
        variables = {name: value for name, value in each.items() if value is not ABSENT}
        for name in ("after", "before"):
            if isinstance(variables.get(name), int):
                variables[name] = shelf.cursors[variables[name]]
        if isinstance(variables.get("id"), int):
            variables["id"] = str(shelf.pots[variables["id"]].id)
        variables["ids"] = [ids[place] for place in variables["ids"]]
        await shelf.both(variables)


@pytest.mark.parametrize("directive", ["skip", "include"])
async def test_a_condition_that_is_null(shelf: Shelf, directive: str) -> None:
    query = f"query ($if: Boolean = false) {{ viewer {{ id title: rowId @{directive}(if: $if) }} }}"

    answers = [await api(query, {"if": None}, as_=shelf.member) for api in (shelf.planned, shelf.ordinary)]

    assert [answer.codes for answer in answers] == [["BAD_USER_INPUT"]] * 2
    assert answers[0].body == answers[1].body


async def test_the_same_in_many_random_orders(shelf: Shelf) -> None:
    chance = random.Random(9)
    base: dict[str, Any] = {"yes": True, "ids": []}
    cursors = [cursor for cursor in shelf.cursors[6:11] if cursor]
    combinations = [
        base, base | {"first": None}, base | {"first": 1}, base | {"first": 2}, base | {"last": 1}, base | {"last": 2},
        base | {"where": None}, base | {"where": WHERES[2]}, base | {"where": WHERES[3]}, base | {"status": None},
        base | {"status": "OPEN"}, base | {"status": "DRAFT"}, base | {"by": ORDERS[2]}, base | {"by": ORDERS[3]},
        base | {"yes": False}, base | {"no": True}, base | {"no": False},
        *(base | {"by": by, "after": cursor} for by in ORDERS[1:3] for cursor in cursors),
    ]  # fmt: skip
    known: dict[str, Any] = {}
    for _ in range(2):
        chance.shuffle(combinations)
        for variables in combinations:
            body = await shelf.both(variables)
            assert known.setdefault(json.dumps(variables), body) == body
