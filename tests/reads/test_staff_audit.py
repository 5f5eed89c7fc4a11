"""What staff are shown by a plan is written down before they get it: those rows, all of them, and no others."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from gql.kit.node import MIRRORED, global_id, parse_global_id
from models.admin import AuditLog
from models.analytics import AnalyticsEvent
from models.identity import User
from models.packs import Pack
from models.pots import Pot
from models.profiles import Profile
from models.redemption import QrCode
from tests.client import STAFF, Answer, Api
from tests.factories import Factory

Shown = Counter[tuple[str, str]]


@pytest.fixture
async def till(make: Factory) -> Any:
    return await make.code_at_the_till()


async def noted(owner: asyncpg.Pool[Any], request_id: str) -> Shown:
    rows = await owner.fetch(
        "SELECT metadata FROM admin.audit_logs WHERE request_id = $1 AND action = 'staff_read'", request_id
    )
    assert len(rows) <= 1
    read = [(name, key) for row in rows for name, keys in orjson.loads(row["metadata"]).items() for key in keys]
    return Counter(read)


def shown(value: Any) -> Shown:
    """The rows of persons in an answer; each object there says its type and its id."""
    found: Shown = Counter()
    if isinstance(value, list):
        for item in value:
            found += shown(item)
    elif isinstance(value, dict):
        name = value.get("__typename")
        if name in MIRRORED and MIRRORED[name].__access__ is not None and MIRRORED[name].__access__.of_person:
            found[name, ",".join(map(str, parse_global_id(value["id"])[1]))] += 1
        for item in value.values():
            found += shown(item)
    return found


async def ask(api: Api, query: str, variables: dict[str, Any] | None = None, **caller: Any) -> tuple[Answer, str]:
    request_id = uuid4().hex
    answer = await api(query, variables, headers={"X-Request-Id": request_id}, **caller)
    assert not {"\x01", "\x02"} & set(answer.response.text)
    return answer, request_id


T = "__typename id"
NESTED = f"""query ($id: ID!, $node: ID!, $nodes: [ID!]!) {{
  pot(id: $id) {{
    {T} ownerUser {{ {T} profile {{ {T} }}
      some: pots(first: 2) {{ edges {{ node {{ {T} }} }} pageInfo {{ hasNextPage }} }}
      last: pots(last: 1) {{ nodes {{ {T} }} pageInfo {{ hasPreviousPage startCursor }} }}
      empty: pots(first: 0) {{ nodes {{ {T} }} totalCount }}
      skipped: pots @skip(if: true) {{ nodes {{ {T} }} }}
    }}
    qrCodes(first: 2) {{ edges {{ node {{ {T} pot {{ {T} }} }} }} pageInfo {{ hasNextPage }} }}
    last: qrCodes(last: 1) {{ nodes {{ {T} pack {{ {T} partner {{ {T} }} }} }} pageInfo {{ hasPreviousPage }} }}
  }}
  node(id: $node) {{ {T} ... on User {{ pots(first: 1) {{ nodes {{ {T} }} }} }} }}
  nodes(ids: $nodes) {{ {T} }}
  again: pot(id: $id) {{ {T} }}
  packs(first: 1) {{ nodes {{ {T} }} }}
}}"""


@pytest.fixture
async def variables(make: Factory, till: Any) -> dict[str, Any]:
    """Variables of NESTED: a pot with its codes, its owner with six pots, and more by their ids."""
    await make(Profile, user_id=till.owner.id)
    for _ in range(3):
        await make(QrCode, pot_id=till.pot.id, pack_id=till.pack.id)
    for _ in range(5):
        await make(Pot, owner_user_id=till.owner.id)
    cashier = global_id(User, (till.cashier.id,))
    return {
        "id": str(till.pot.id),
        "node": global_id(User, (till.owner.id,)),
        "nodes": [cashier, global_id(Pot, (till.pot.id,)), global_id(User, (uuid4(),)), cashier],
    }


async def test_what_is_in_the_answer_is_in_the_log_and_nothing_else(
    api: Api, owner: asyncpg.Pool[Any], staff: Any, variables: dict[str, Any]
) -> None:
    answer, request_id = await ask(api, NESTED, variables, as_=staff, roles=STAFF)

    found = shown(answer.data)
    # Codes and packs are nobody's. Of the six pots: that one, the first two and the last; none beyond a page.
    assert {name for name, _ in found} == {"Pot", "User", "Profile"}
    assert sum(1 for name, _ in found if name == "Pot") < 6
    assert set(await noted(owner, request_id)) == set(found)


async def test_a_row_that_stands_often_in_an_answer_is_noted_once(
    api: Api, ordinary: Api, owner: asyncpg.Pool[Any], staff: Any, variables: dict[str, Any]
) -> None:
    logged = []
    for each in (api, ordinary):
        _, request_id = await ask(each, NESTED, variables, as_=staff, roles=STAFF)
        logged.append(await noted(owner, request_id))

    assert set(logged[1].values()) == {1}
    assert set(logged[0].values()) == {1}


async def test_the_ordinary_executor_notes_the_same_rows_and_those_beyond_a_page(
    api: Api, ordinary: Api, owner: asyncpg.Pool[Any], staff: Any, variables: dict[str, Any]
) -> None:
    logged = []
    for each in (api, ordinary):
        answer, request_id = await ask(each, NESTED, variables, as_=staff, roles=STAFF)
        logged.append((answer.data, set(await noted(owner, request_id))))

    assert logged[0][0] == logged[1][0]
    assert logged[0][1] <= logged[1][1]
    assert {name for name, _ in logged[1][1] - logged[0][1]} <= {"Pot"}


async def test_a_key_with_a_moment_in_it_is_written_alike_both_ways(
    api: Api, ordinary: Api, make: Factory, owner: asyncpg.Pool[Any], staff: Any
) -> None:
    event = await make(AnalyticsEvent, user_id=staff.id)
    logged = []
    for each in (api, ordinary):
        query = f"query ($id: ID!) {{ analyticsEvent(id: $id) {{ {T} }} }}"
        values = {"id": global_id(AnalyticsEvent, (event.id, event.created_at))}
        _, request_id = await ask(each, query, values, as_=staff, roles=STAFF)
        logged.append(await noted(owner, request_id))

    assert set(logged[1]) == {("AnalyticsEvent", f"{event.id},{event.created_at.isoformat()}")}
    assert logged[0] == logged[1]


@pytest.mark.parametrize("query", [NESTED, "{ viewer { __typename id } }"])
async def test_nothing_is_noted_of_members(
    api: Api, owner: asyncpg.Pool[Any], till: Any, variables: dict[str, Any], query: str
) -> None:
    values = variables if "$id" in query else None
    answer, request_id = await ask(api, query, values, as_=till.owner)

    assert shown(answer.data)
    assert not await noted(owner, request_id)


async def test_nothing_is_noted_of_what_counts_only(api: Api, owner: asyncpg.Pool[Any], staff: Any) -> None:
    query = "{ pots { totalCount pageInfo { hasNextPage } } potsAggregate { count } none: users(first: 0) { nodes { id } } }"
    _, request_id = await ask(api, query, as_=staff, roles=STAFF)

    assert not await noted(owner, request_id)


async def test_it_is_written_before_the_answer_goes_out(
    api: Api, staff: Any, till: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the log does not take it, there is no answer; and one that it refuses is never given."""
    run, release = api.pipeline.run, asyncio.Event()  # type: ignore[union-attr]

    async def slow(actor: Any, sql: str, *given: Any, **options: Any) -> Any:
        if "audit_logs" in sql:
            await release.wait()
        return await run(actor, sql, *given, **options)

    monkeypatch.setattr(api.pipeline, "run", slow)
    task = asyncio.create_task(
        api("query ($id: ID!) { pot(id: $id) { id title } }", {"id": str(till.pot.id)}, as_=staff, roles=STAFF)
    )
    await asyncio.sleep(0.1)
    assert not task.done()
    release.set()

    assert (await task)["pot"]["title"] == till.pot.title


async def test_rows_whose_audit_fails_are_not_shown(
    api: Api, staff: Any, till: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the log is full")

    run = api.pipeline.run  # type: ignore[union-attr]
    monkeypatch.setattr(
        api.pipeline,
        "run",
        lambda actor, sql, *rest, **o: (broken if "audit_logs" in sql else run)(actor, sql, *rest, **o),
    )
    answer = await api(
        "query ($id: ID!) { pot(id: $id) { id title } }", {"id": str(till.pot.id)}, as_=staff, roles=STAFF
    )

    assert answer.codes == ["INTERNAL"]
    assert till.pot.title not in answer.response.text


async def test_beside_fields_of_the_executor_and_of_python(
    api: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any
) -> None:
    query = f"""query ($id: ID!) {{ __type(name: "Pot") {{ name }} qrCode(id: $id) {{ {T} svg pot {{ {T} }} }}
      bad: node(id: "x") {{ {T} }} }}"""
    answer, request_id = await ask(api, query, {"id": str(till.code.id)}, as_=staff, roles=STAFF)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert set(await noted(owner, request_id)) == {("Pot", str(till.pot.id))}


async def test_in_the_payload_of_a_mutation(api: Api, make: Factory, owner: asyncpg.Pool[Any], till: Any) -> None:
    """A cashier who is staff as well."""
    staff = await make.staff()
    await make.member(till.partner, staff)
    mutation = f"""mutation ($input: RedeemQrCodeInput!) {{ redeemQrCode(input: $input) {{
      qrCode {{ {T} status svg pot {{ {T} ownerUser {{ {T} }} }} }} userErrors {{ code }} }} }}"""
    answer, request_id = await ask(api, mutation, {"input": {"code": till.code.code}}, as_=staff, roles=STAFF)

    assert answer["redeemQrCode"]["qrCode"]["status"] == "REDEEMED"
    assert set(await noted(owner, request_id)) == {
        ("Pot", str(till.pot.id)),
        ("User", str(till.owner.id)),
    }


async def test_a_thousand_rows_are_listed_and_the_rest_counted(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], staff: Any
) -> None:
    """Twelve lists of a hundred: each row of them is another one."""
    user = await make(User)
    values = await make.values(Pot, owner_user_id=user.id)
    columns = ", ".join(values)
    places = ", ".join(f"${number + 1}" for number in range(len(values)))
    async with owner.acquire() as connection:
        await connection.execute(
            "CREATE TEMP TABLE made AS SELECT gen_random_uuid() AS id FROM generate_series(1, 1200)"
        )
        statement = f"INSERT INTO pots.pots (id, {columns}) SELECT id, {places} FROM made RETURNING id"
        await connection.fetch(statement, *values.values())
        await connection.execute("DROP TABLE made")
    first = await api("query ($id: ID!) { user(id: $id) { pots(first: 100) { nodes { id } pageInfo { endCursor } } } }",
                      {"id": str(user.id)}, as_=staff, roles=STAFF)  # fmt: skip
    assert len(first["user"]["pots"]["nodes"]) == 100
    lists = " ".join(f"a{number}: nodes(ids: $i{number}) {{ __typename id }}" for number in range(12))
    ids = [row["id"] for row in await owner.fetch("SELECT id FROM pots.pots WHERE owner_user_id = $1", user.id)]
    given = {
        f"i{number}": [global_id(Pot, (key,)) for key in ids[number * 100 : number * 100 + 100]] for number in range(12)
    }
    query = f"query ({', '.join(f'$i{number}: [ID!]!' for number in range(12))}) {{ {lists} }}"
    _, request_id = await ask(api, query, given, as_=staff, roles=STAFF)

    (row,) = await owner.fetch(
        "SELECT metadata FROM admin.audit_logs WHERE request_id = $1 AND action = 'staff_read'", request_id
    )
    metadata = orjson.loads(row["metadata"])
    assert (len(set(metadata["Pot"])), metadata["Pot not listed"]) == (1000, 200)
    await owner.execute("DELETE FROM pots.pots WHERE owner_user_id = $1", user.id)


async def test_nobody_is_hidden_behind_a_row_that_is_shown_a_thousand_times(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], staff: Any
) -> None:
    """Who works for the platform could look at a person, and the log would not say at whom."""
    person = await make(User)
    own = [global_id(User, (staff.id,))] * 100
    lists = " ".join(f"a{number}: nodes(ids: $own) {{ {T} }}" for number in range(11))
    query = f"query ($own: [ID!]!, $id: ID!) {{ {lists} user(id: $id) {{ {T} email }} }}"
    answer, request_id = await ask(api, query, {"own": own, "id": str(person.id)}, as_=staff, roles=STAFF)

    assert answer["user"]["email"] == person.email
    (row,) = await owner.fetch(
        "SELECT metadata FROM admin.audit_logs WHERE request_id = $1 AND action = 'staff_read'", request_id
    )
    assert str(person.id) in orjson.loads(row["metadata"])["User"]


# The marks


MARKS = [
    "\x01",
    "\x02",
    "\x020:VXNlcjp4\x02",
    "\x010:VXNlcjp4\x01",
    "a\x02b\x02c",
    "\x02" * 50,
    "\\u0002",
    "\\\x02",
    '"\x01"',
]


@pytest.fixture
async def marked(make: Factory, till: Any, owner: asyncpg.Pool[Any]) -> AsyncIterator[list[SimpleNamespace]]:
    """Pots of the till's owner whose texts, lists and JSON hold the very letters that the plan marks places by."""
    user = [
        await make(
            Pot,
            owner_user_id=till.owner.id,
            title=mark,
            description=mark * 3,
            gallery_images=json.dumps([mark, f"x{mark}"]),
        )
        for mark in MARKS
    ]
    await make(Pack, partner_id=till.partner.id, marketing_tags=[*MARKS, "plain"])
    await make(Profile, user_id=till.owner.id, full_name=MARKS[2], bio=MARKS[3])
    yield user
    await owner.execute("DELETE FROM packs.packs WHERE marketing_tags = $1", [*MARKS, "plain"])


LETTERS = f"""query ($id: ID!, $code: ID!, $partner: ID!) {{
  user(id: $id) {{ {T} profile {{ {T} fullName bio }}
    pots(first: 50, orderBy: [{{title: ASC}}]) {{ edges {{ cursor node {{ {T} title description galleryImages
      ownerUser {{ {T} profile {{ fullName }} }} }} }} pageInfo {{ hasNextPage startCursor endCursor }} }} }}
  qrCode(id: $code) {{ {T} code svg pot {{ ownerUser {{ profile {{ bio }} pots {{ nodes {{ title }} }} }} }} }}
  packs(where: {{partnerId: {{eq: $partner}}, marketingTags: {{has: "\\u0002"}}}}, first: 3) {{ nodes {{ marketingTags }} }}
  potsAggregate(where: {{ownerUserId: {{eq: $id}}}}, groupBy: [{{title: true}}]) {{ count group {{ title }} }}
}}"""


@pytest.mark.parametrize("is_staff", [True, False])
async def test_texts_that_hold_the_marks_come_out_as_they_are(
    api: Api, ordinary: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any, marked: Any, is_staff: bool
) -> None:
    caller: dict[str, Any] = {"as_": staff, "roles": STAFF} if is_staff else {"as_": till.owner}
    values = {"id": str(till.owner.id), "code": str(till.code.id), "partner": str(till.partner.id)}

    answer, request_id = await ask(api, LETTERS, values, **caller)
    other, _ = await ask(ordinary, LETTERS, values, **caller)

    assert json.dumps(answer.data) == json.dumps(other.data)
    pots = [edge["node"] for edge in answer["user"]["pots"]["edges"]]
    assert {pot["title"] for pot in pots} >= set(MARKS)
    assert all(pot["galleryImages"] == [pot["title"], f"x{pot['title']}"] for pot in pots if pot["title"] in MARKS)
    assert answer["packs"]["nodes"] == [{"marketingTags": [*MARKS, "plain"]}]
    assert answer["qrCode"]["svg"].startswith("<svg")
    wanted = set(shown(answer.data)) if is_staff else set()
    found = set(await noted(owner, request_id))
    assert wanted <= found
    # What has neither type nor id in this answer is of the same owner.
    assert {key for name, key in found - wanted} <= {str(till.owner.id)} | {str(pot.id) for pot in [*marked, till.pot]}


async def test_a_share_of_json_and_of_choices_with_the_marks(
    api: Api, ordinary: Api, owner: asyncpg.Pool[Any], make: Factory, staff: Any
) -> None:
    """Columns of JSON as PostgreSQL keeps them, and the filters and the cursors over such texts."""
    log = await make(
        AuditLog, metadata='{"\\u0002a": ["\\u0001", "\\\\u0002"], "b": 1.10}', action="\x02act\x01", resource_id=None
    )
    query = f"query ($id: ID!) {{ auditLog(id: $id) {{ {T} action metadata }} }}"
    values = {"id": global_id(AuditLog, (log.id, log.created_at))}

    answer, _ = await ask(api, query, values, as_=staff, roles=("super_admin", "admin"))
    other, _ = await ask(ordinary, query, values, as_=staff, roles=("super_admin", "admin"))

    assert answer.response.content == other.response.content
    assert answer["auditLog"]["action"] == "\x02act\x01"
    assert answer["auditLog"]["metadata"] == {"\x02a": ["\x01", "\\u0002"], "b": 1.1}
