"""What staff are shown by a plan is written down before they get it: those rows, all of them, and no others."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from gql.kit.kinds import kind_of
from gql.kit.node import MIRRORED, global_id, key_columns, parse_global_id
from lango.actor import DatabaseRole
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


async def entries(owner: asyncpg.Pool[Any], request_id: str) -> list[dict[str, Any]]:
    """The metadata of what the log has of a request: an entry a statement, and one for all that was loaded."""
    rows = await owner.fetch(
        "SELECT metadata FROM admin.audit_logs WHERE request_id = $1 AND action = 'staff_read'", request_id
    )
    return [orjson.loads(row["metadata"]) for row in rows]


async def noted(owner: asyncpg.Pool[Any], request_id: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for entry in await entries(owner, request_id):
        assert entry.keys() == {"rows"}
        assert len(entry["rows"]) == len(set(entry["rows"])), "a row stands twice in one entry"
        found |= {(name, key) for name, _, key in (row.partition(":") for row in entry["rows"])}
    return found


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
    assert await noted(owner, request_id) == set(found)


async def test_an_entry_is_of_one_statement_and_the_request_ties_them_together(
    api: Api, ordinary: Api, owner: asyncpg.Pool[Any], staff: Any, variables: dict[str, Any]
) -> None:
    logged = []
    for each in (api, ordinary):
        _, request_id = await ask(each, NESTED, variables, as_=staff, roles=STAFF)
        logged.append(await entries(owner, request_id))

    # `pot`, `node`, `nodes` and `again`; packs are nobody's.
    types = [{row.partition(":")[0] for row in entry["rows"]} for entry in logged[0]]
    assert sorted(map(sorted, types)) == [["Pot"], ["Pot", "Profile", "User"], ["Pot", "User"], ["Pot", "User"]]
    # The ordinary executor's rows are written down together.
    assert len(logged[1]) == 1


async def test_the_ordinary_executor_notes_the_same_rows_and_those_beyond_a_page(
    api: Api, ordinary: Api, owner: asyncpg.Pool[Any], staff: Any, variables: dict[str, Any]
) -> None:
    logged = []
    for each in (api, ordinary):
        answer, request_id = await ask(each, NESTED, variables, as_=staff, roles=STAFF)
        logged.append((answer.data, await noted(owner, request_id)))

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

    assert logged[1] == {("AnalyticsEvent", f"{event.id},{event.created_at.isoformat()}")}
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


ONE = f"query ($id: ID!) {{ pot(id: $id) {{ {T} title ownerUser {{ {T} }} }} }}"


async def test_one_round_trip_reads_and_writes_it_down(api: Api, staff: Any, till: Any) -> None:
    async with api.counting() as statements:
        await api(ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF)

    (statement,) = statements
    assert statement.startswith("/* lango_staff */ SELECT lango.audit_shown(answer.text) FROM (")


async def test_an_entry_says_who_read_from_where_with_what(
    api: Api, ordinary: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any
) -> None:
    logged = []
    for each in (api, ordinary):
        request_id = uuid4().hex
        headers = {"X-Request-Id": request_id, "User-Agent": "Till'; DROP TABLE x é".encode()}
        await each(ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF, headers=headers)
        (row,) = await owner.fetch("SELECT * FROM admin.audit_logs WHERE request_id = $1", request_id)
        varies = ("id", "request_id", "timestamp", "created_at", "metadata")
        logged.append({name: value for name, value in row.items() if name not in varies})
        assert sorted(orjson.loads(row["metadata"])["rows"]) == [f"Pot:{till.pot.id}", f"User:{till.owner.id}"]

    assert logged[0] == logged[1]
    said = logged[0]
    assert (said["actor_user_id"], said["actor_type"], str(said["actor_ip"])) == (staff.id, "user", "127.0.0.1")
    assert (said["action"], said["resource_type"]) == ("staff_read", "rows")
    assert said["user_agent"].startswith("Till'; DROP TABLE x ")


async def test_ten_at_once_leave_ten_entries(api: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any) -> None:
    asked = await asyncio.gather(*(ask(api, ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF) for _ in range(10)))

    logged = [entry for _, request_id in asked for entry in await entries(owner, request_id)]
    assert [sorted(entry["rows"]) for entry in logged] == [[f"Pot:{till.pot.id}", f"User:{till.owner.id}"]] * 10


@asynccontextmanager
async def log_that_waits(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    """As long as it lasts, nothing can be written to the log."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE admin.audit_logs IN EXCLUSIVE MODE")
        yield


async def waiting(owner: asyncpg.Pool[Any]) -> list[int]:
    """The server's processes whose read waits for the log."""
    for _ in range(500):
        rows = await owner.fetch(
            "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'admin.audit_logs'::regclass"
        )
        if rows:
            return [row["pid"] for row in rows]
        await asyncio.sleep(0.01)
    raise AssertionError("no read waits for the log")


async def test_there_is_no_answer_before_it_is_written(
    api: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any
) -> None:
    async with log_that_waits(owner):
        task = asyncio.create_task(ask(api, ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF))
        await waiting(owner)
        assert not task.done()
    answer, request_id = await task

    assert answer["pot"]["title"] == till.pot.title
    assert len(await entries(owner, request_id)) == 1


async def test_a_read_whose_server_process_ends_is_repeated_and_written_down(
    api: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any, end: Callable[[int], Any]
) -> None:
    # So that there is a connection which the server may have ended long ago.
    await api(ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF)
    async with log_that_waits(owner):
        task = asyncio.create_task(ask(api, ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF))
        (pid,) = await waiting(owner)
        await end(pid)
    answer, request_id = await task

    assert answer["pot"]["title"] == till.pot.title
    assert len(await entries(owner, request_id)) == 1


async def test_nothing_is_shown_where_the_server_process_ends_before_it_is_written(
    api: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any, end: Callable[[int], Any]
) -> None:
    async with log_that_waits(owner):
        task = asyncio.create_task(ask(api, ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF))
        while not task.done():
            with suppress(AssertionError):
                for pid in await asyncio.wait_for(waiting(owner), 0.5):
                    await end(pid)
    answer, request_id = await task

    assert answer.codes == ["SERVICE_UNAVAILABLE"]
    assert till.pot.title not in answer.response.text
    assert await entries(owner, request_id) == []


@pytest.mark.parametrize(
    ("sqlstate", "code"), [("P0001", "INTERNAL"), ("42501", "FORBIDDEN"), ("22000", "BAD_USER_INPUT")]
)
async def test_rows_whose_audit_fails_are_not_shown(
    api: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any, sqlstate: str, code: str
) -> None:
    """Whatever the log refuses them with, also where the ordinary executor then has a look of its own."""
    await owner.execute(
        "CREATE FUNCTION lango.tests_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'the log is full' USING ERRCODE = '{sqlstate}'; END $$;"
        "CREATE TRIGGER tests_refuse BEFORE INSERT ON admin.audit_logs FOR EACH ROW"
        " WHEN (NEW.action = 'staff_read') EXECUTE FUNCTION lango.tests_refuse()"
    )
    try:
        answer, request_id = await ask(api, ONE, {"id": str(till.pot.id)}, as_=staff, roles=STAFF)
    finally:
        await owner.execute("DROP FUNCTION lango.tests_refuse() CASCADE")

    assert answer.codes == [code]
    assert till.pot.title not in answer.response.text
    assert await entries(owner, request_id) == []


async def test_nobody_else_writes_to_the_log_through_it_and_staff_only_so(owner: asyncpg.Pool[Any]) -> None:
    may = "SELECT has_function_privilege($1, 'lango.audit_shown(text)', 'EXECUTE')"
    roles = [role for role in DatabaseRole if role is not DatabaseRole.STAFF]

    assert await owner.fetchval(may, DatabaseRole.STAFF.value)
    assert not [role for role in roles if await owner.fetchval(may, role.value)]
    assert not await owner.fetchval("SELECT has_any_column_privilege('lango_staff', 'admin.audit_logs', 'INSERT')")


def test_no_key_of_a_persons_row_can_hold_the_letter_of_the_marks() -> None:
    kinds = {
        kind_of(column).name
        for model in MIRRORED.values()
        if model.__access__ is not None and model.__access__.of_person
        for column in key_columns(model)
    }

    assert kinds == {"uuid", "moment"}


async def test_beside_fields_of_the_executor_and_of_python(
    api: Api, owner: asyncpg.Pool[Any], staff: Any, till: Any
) -> None:
    query = f"""query ($id: ID!) {{ __type(name: "Pot") {{ name }} qrCode(id: $id) {{ {T} svg pot {{ {T} }} }}
      bad: node(id: "x") {{ {T} }} }}"""
    answer, request_id = await ask(api, query, {"id": str(till.code.id)}, as_=staff, roles=STAFF)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert await noted(owner, request_id) == {("Pot", str(till.pot.id))}


async def test_in_the_payload_of_a_mutation(api: Api, make: Factory, owner: asyncpg.Pool[Any], till: Any) -> None:
    """A cashier who is staff as well."""
    staff = await make.staff()
    await make.member(till.partner, staff)
    mutation = f"""mutation ($input: RedeemQrCodeInput!) {{ redeemQrCode(input: $input) {{
      qrCode {{ {T} status svg pot {{ {T} ownerUser {{ {T} }} }} }} userErrors {{ code }} }} }}"""
    answer, request_id = await ask(api, mutation, {"input": {"code": till.code.code}}, as_=staff, roles=STAFF)

    assert answer["redeemQrCode"]["qrCode"]["status"] == "REDEEMED"
    assert await noted(owner, request_id) == {
        ("Pot", str(till.pot.id)),
        ("User", str(till.owner.id)),
    }


async def test_thousands_of_rows_are_listed_each_once_and_the_rest_counted(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], staff: Any
) -> None:
    """51 people with a hundred pots each, and the person again under each pot."""
    people = [await make(User) for _ in range(51)]
    values = await make.values(Pot, owner_user_id=people[0].id)
    del values["owner_user_id"]
    columns = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(2, len(values) + 2))
    keys = [person.id for person in people]
    query = f"""query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ {T}
      ... on User {{ pots(first: 100) {{ nodes {{ {T} ownerUser {{ {T} email }} }} }} }} }} }}"""
    try:
        await owner.execute(
            f"INSERT INTO pots.pots (owner_user_id, {columns})"
            f" SELECT person, {places} FROM unnest($1::uuid[]) AS person, generate_series(1, 100)",
            keys,
            *values.values(),
        )
        answer, request_id = await ask(
            api, query, {"ids": [global_id(User, (key,)) for key in keys]}, as_=staff, roles=STAFF
        )
    finally:
        await owner.execute("DELETE FROM pots.pots WHERE owner_user_id = ANY ($1)", keys)

    shown_to_staff = {f"{name}:{key}" for name, key in shown(answer.data)}
    assert len(shown_to_staff) == 5151
    (entry,) = await entries(owner, request_id)
    assert entry.keys() == {"rows", "not listed"}
    assert (len(set(entry["rows"])), entry["not listed"]) == (5000, 151)
    assert set(entry["rows"]) <= shown_to_staff


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
    found = await noted(owner, request_id)
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
