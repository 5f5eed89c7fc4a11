"""What goes wrong in a planned read, as a client sees it: the code, the path, the siblings, nothing inside."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import segno

from gql.kit.node import global_id
from lango.actor import NOBODY
from lango.db.pipeline import Pipeline
from lango.db.reads import Reads
from lango.graphql.context import Context
from lango.settings import Settings
from models.identity import User
from models.pots import Pot
from models.redemption import QrCode
from tests.client import Answer, Api
from tests.factories import Factory
from tests.reads.conftest import activity


@pytest.fixture
def gateway(gateway_url: str, settings: Settings) -> Callable[..., Any]:
    """`async with gateway(statement_timeout=0.3) as api`: a gateway of other settings."""

    @asynccontextmanager
    async def make(url: str = gateway_url, **changed: Any) -> AsyncIterator[Api]:
        async with Api.alone(settings.model_copy(update={"pool_size": 2} | changed), url) as api:
            yield api

    return make


@pytest.fixture
async def member(make: Factory) -> SimpleNamespace:
    return await make(User)


@asynccontextmanager
async def locked(owner: Any, table: str) -> AsyncIterator[None]:
    """Meanwhile nobody reads that table."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def inside(answer: Answer) -> list[str]:
    """What no answer may hold."""
    words = ("identity.users", "SELECT", "asyncpg", "Traceback", "lango_gateway", "set_config", "127.0.0.1:")
    return [word for word in words if word in answer.response.text]


async def test_a_statement_that_takes_too_long_leaves_its_siblings(
    gateway: Any, owner: Any, member: SimpleNamespace
) -> None:
    async with gateway(statement_timeout=0.3) as api:
        async with locked(owner, "pots.pots"):
            answer = await api("{ pots { totalCount } viewer { rowId } __typename }", as_=member)

        assert answer.body["data"] == {"pots": None, "viewer": {"rowId": str(member.id)}, "__typename": "Query"}
        (error,) = answer.errors
        assert (error["path"], error["extensions"]["code"]) == (["pots"], "QUERY_TOO_COMPLEX")
        assert answer.response.status_code == 200
        assert not inside(answer)
        assert (await api("{ pots { totalCount } }", as_=member))["pots"] == {"totalCount": 0}


async def test_the_same_field_twice_that_takes_too_long(gateway: Any, owner: Any, member: SimpleNamespace) -> None:
    async with gateway(statement_timeout=0.3) as api, locked(owner, "pots.pots"):
        answer = await api("{ a: pots { totalCount } b: pots { totalCount } }", as_=member)

    assert answer.codes == ["QUERY_TOO_COMPLEX"] * 2


async def test_the_database_is_down(gateway: Any, member: SimpleNamespace) -> None:
    async with gateway("postgresql://lango_gateway@127.0.0.1:1/nothing") as api:
        for query in ("{ pots { totalCount } }", "{ viewer { rowId } pots { totalCount } __typename }"):
            answer = await api(query, as_=member)

            assert answer.response.status_code == 503
            assert answer.codes == ["SERVICE_UNAVAILABLE"]
            assert answer.response.headers["retry-after"] == "2"
            assert not inside(answer)


async def test_no_connection_is_free(gateway: Any, owner: Any, member: SimpleNamespace) -> None:
    async with gateway(pool_size=1, pool_timeout=0.3) as api:
        await api("{ viewer { rowId } }", as_=member)
        async with locked(owner, "pots.pots"):
            busy = asyncio.create_task(api("{ pots { totalCount } }", as_=member))
            await asyncio.sleep(0.1)
            answer = await api("{ viewer { rowId } }", as_=member)
        assert (await busy)["pots"] == {"totalCount": 0}

    assert (answer.response.status_code, answer.codes) == (503, ["SERVICE_UNAVAILABLE"])


async def test_an_operation_that_takes_too_long(gateway: Any, owner: Any, member: SimpleNamespace) -> None:
    async with gateway(execution_timeout=0.2) as api:
        async with locked(owner, "pots.pots"):
            answer = await api("{ pots { totalCount } viewer { rowId } }", as_=member)
        assert (answer.response.status_code, answer.codes) == (504, ["TIMEOUT"])
        assert (await api("{ pots { totalCount } }", as_=member))["pots"] == {"totalCount": 0}


@pytest.mark.filterwarnings("ignore:Exception ignored in. <function Connection.__del__")
@pytest.mark.filterwarnings("ignore:unclosed connection:ResourceWarning")
async def test_the_server_ends_under_way(
    gateway: Any, owner: Any, member: SimpleNamespace, end: Callable[[int], Any]
) -> None:
    async with gateway(pool_size=1) as api:
        await api("{ viewer { rowId } }", as_=member)
        (connection,) = api.pipeline._open
        async with locked(owner, "pots.pots"):
            reading = asyncio.create_task(api("{ pots { totalCount } viewer { rowId } }", as_=member))
            await asyncio.sleep(0.1)
            await end(connection._opened.get_server_pid())
            await asyncio.sleep(0.1)
        assert (await reading).data == {"pots": {"totalCount": 0}, "viewer": {"rowId": str(member.id)}}
        connection.close()


async def both(api: Api, ordinary: Api, query: str, variables: dict[str, Any] | None = None, **caller: Any) -> Answer:
    """The answer, which both ways give."""
    planned, other = await api(query, variables, **caller), await ordinary(query, variables, **caller)
    answers = []
    for answer in (planned, other):
        body = answer.body
        for error in body.get("errors", []):
            error["extensions"].pop("requestId", None)
        answers.append((answer.response.status_code, json.dumps(body)))
    assert answers[0] == answers[1]
    return planned


@pytest.mark.parametrize(
    "query",
    [
        '{ viewer { rowId } pots(where: {closedAt: {gt: "0000-00-00T00:00:00Z"}}) { totalCount } }',
        '{ viewer { rowId } pots(after: "bm8=") { totalCount nodes { id } } }',
        '{ viewer { rowId } pots(first: 1000) { totalCount } }',
        '{ viewer { rowId } pots(first: -1) { totalCount } }',
        '{ viewer { rowId } pots(where: {id: {in: ["UG90Ong="]}}) { totalCount } }',
        '{ viewer { pots(first: 1000) { totalCount } rowId } }',
        '{ viewer { rowId pots(after: "bm8=") { nodes { id } } } }',
        '{ viewer { rowId } node(id: "UG90Ong=") { id } }',
        '{ viewer { rowId } nodes(ids: ["UG90Ong=", "x"]) { id } }',
        '{ viewer { rowId } potsAggregate(groupBy: [{createdAt: DAY}], timeZone: "No/Where") { count } }',
        '{ viewer { rowId potsAggregate: pots(first: 1) { totalCount } } }',
    ],
)  # fmt: skip
async def test_errors_of_a_field_match_the_executors(
    api: Api, ordinary: Api, member: SimpleNamespace, query: str
) -> None:
    answer = await both(api, ordinary, query, as_=member)

    assert set(answer.codes) <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX"}
    assert not inside(answer)


async def test_an_error_of_class_22_has_the_path_of_its_field(
    api: Api, ordinary: Api, make: Factory, member: SimpleNamespace
) -> None:
    """A number that the column cannot hold, deep in a filter, beside a field that is answered."""
    await make(Pot, owner_user_id=member.id)
    query = """query ($much: Int!) {
      a: viewer { rowId pots(where: {viewCount: {lt: $much}}) { totalCount } }
      b: viewer { pots(where: {qrCodes: {some: {priceCfa: {gt: $much}}}}) { totalCount } }
    }"""
    for much in (2**31 - 1, -(2**31), 0):
        answer = await both(api, ordinary, query, {"much": much}, as_=member)
        assert not inside(answer)


async def test_errors_of_the_database_are_masked(
    api: Api, owner: Any, member: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lango.db.connection.CONTEXT", "SELECT nothing_of_this_kind, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10"
    )
    answer = await api("{ viewer { rowId } __typename }", as_=member)

    # The ordinary executor, which sets its context in another way, answers.
    assert answer.body["data"] == {"viewer": {"rowId": str(member.id)}, "__typename": "Query"}
    assert not inside(answer)


async def test_an_error_that_nobody_can_mend_is_masked_and_logged(
    api: Api, member: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lango.db.pipeline import context_of

    monkeypatch.setattr(
        "lango.db.pipeline.context_of",
        lambda *given, **options: context_of(*given, **options)._replace(role="lango_rules", read_only="maybe"),
    )
    answer = await api("{ viewer { rowId } __typename }", as_=member)

    assert answer.response.status_code == 200
    assert not inside(answer)


# Planned roots beside others, and fields that need Python


SVG = """query ($id: ID!) {
  __typename
  qrCode(id: $id) { code svg pot { title } }
  viewer { rowId }
  missing: node(id: "x") { id }
  __type(name: "Pot") { name }
  last: pots(first: 1) { totalCount }
}"""


@pytest.fixture
async def till(make: Factory) -> Any:
    return await make.code_at_the_till()


async def test_planned_fields_beside_those_of_the_executor(api: Api, ordinary: Api, till: Any) -> None:
    answer = await both(api, ordinary, SVG, {"id": str(till.code.id)}, as_=till.owner)

    data = answer.body["data"]
    assert list(data) == ["__typename", "qrCode", "viewer", "missing", "__type", "last"]
    assert data["qrCode"]["code"] == till.code.code
    assert data["qrCode"]["svg"].startswith("<svg")
    assert (data["__type"], data["last"]) == ({"name": "Pot"}, {"totalCount": 1})
    assert [error["path"] for error in answer.errors] == [["missing"]]


LISTED = """{
  viewer { rowId }
  qrCodes { nodes { id svg pot { title qrCodes { nodes { again: svg code } } } } totalCount }
}"""


@pytest.fixture
async def reads(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Reads]]:
    """Every transaction of reads that operations begin meanwhile; those that nobody ends are ended at last."""
    made: list[Reads] = []

    class Noted(Reads):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr("lango.graphql.context.Reads", Noted)
    yield made
    await asyncio.sleep(0.05)
    for each in made:
        await each.abandon()


@pytest.fixture
async def broken(make: Factory, till: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pot with two codes, of which one cannot be drawn."""
    await make(QrCode, pot_id=till.pot.id, pack_id=till.pack.id)
    drawn = segno.make

    def sometimes(code: str, **options: Any) -> Any:
        if code == till.code.code:
            raise RuntimeError("the secret inside")
        return drawn(code, **options)

    monkeypatch.setattr("gql.redemption.segno.make", sometimes)


async def test_a_field_in_python_that_fails_is_null_at_its_place(
    api: Api, ordinary: Api, till: Any, broken: None, reads: list[Reads]
) -> None:
    answer = await both(api, ordinary, LISTED, as_=till.owner)

    assert answer.body["data"]["viewer"] == {"rowId": str(till.owner.id)}
    assert set(answer.codes) == {"INTERNAL"}
    assert all(error["path"][:1] == ["qrCodes"] and "svg" in (error["path"][-1], "svg") for error in answer.errors)
    assert "the secret inside" not in answer.response.text
    assert not inside(answer)


@pytest.mark.parametrize("planner", ["on", "off"])
async def test_a_field_that_fails_leaves_no_transaction_behind(
    gateway: Any, till: Any, broken: None, reads: list[Reads], planner: str
) -> None:
    """A connection is lost to the pool each time; ten such queries and a worker answers 503."""
    async with gateway(planner=planner, pool_size=5) as api:
        for _ in range(3):
            assert "INTERNAL" in (await api(LISTED, as_=till.owner)).codes
            await asyncio.sleep(0.05)

        assert not any(each.is_open for each in reads)
        assert api.pipeline.shares._free == 5


async def test_a_value_of_python_is_computed_once_for_all_its_places(
    api: Api, till: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, calls = segno.make, []
    monkeypatch.setattr(
        "gql.redemption.segno.make", lambda code, **options: calls.append(code) or drawn(code, **options)
    )
    query = """query ($id: ID!) { qrCode(id: $id) { pot { a: qrCodes { nodes { svg } } b: qrCodes { nodes { id } }
      c: qrCodes { nodes { pot { qrCodes { nodes { svg } } } } } } } }"""
    answer = await api(query, {"id": str(till.code.id)}, as_=till.owner)

    pot = answer["qrCode"]["pot"]
    assert pot["a"]["nodes"][0]["svg"] == pot["c"]["nodes"][0]["pot"]["qrCodes"]["nodes"][0]["svg"]
    assert len(calls) <= 2


async def test_a_row_that_goes_between_the_plans_read_and_pythons(
    api: Api, make: Factory, owner: Any, till: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gone is then asked for again as a whole: null, and no error."""
    other = await make(QrCode, pot_id=till.pot.id, pack_id=till.pack.id)
    fetch = api.pipeline.fetch  # type: ignore[union-attr]

    async def then_delete(*given: Any, **options: Any) -> Any:
        outcomes = await fetch(*given, **options)
        await owner.execute("DELETE FROM redemption.qr_codes WHERE id = $1", other.id)
        return outcomes

    monkeypatch.setattr(api.pipeline, "fetch", then_delete)
    query = "query ($id: ID!) { qrCode(id: $id) { id svg } qrCodes { nodes { id svg } } viewer { rowId } }"
    answer = await api(query, {"id": str(other.id)}, as_=till.owner)

    assert answer["qrCode"] is None
    assert [node["id"] for node in answer["qrCodes"]["nodes"]] == [global_id(QrCode, (till.code.id,))]
    assert answer["viewer"] == {"rowId": str(till.owner.id)}


async def test_slow_values_of_python_do_not_outlive_the_answer(
    api: Api, make: Factory, till: Any, reads: list[Reads], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fails at once and the field is read anew; the other, still under way, must not read on after the end."""
    await make(QrCode, pot_id=till.pot.id, pack_id=till.pack.id)
    from gql.schema import schema

    field = schema._schema.get_type("QrCode").fields["svg"]
    late: list[str] = []
    answered = asyncio.Event()

    async def resolve(row: Any, info: Any) -> str:
        if row.code == till.code.code:
            raise RuntimeError("at once")
        if not late:
            late.append("started")
            await answered.wait()
            late.append("went on after the answer")
        return "drawn"

    monkeypatch.setattr(field, "resolve", resolve)
    answer = await asyncio.wait_for(api("{ qrCodes { nodes { svg } } }", as_=till.owner), 5)
    answered.set()
    await asyncio.sleep(0.05)

    assert answer.codes
    assert late == ["started"]


# Hostile ids and cursors


HOSTILE = ["\ud800", "\0", "", "\x01\x02", "é", "x" * 3000, "-1", "1e999999", "0001-01-01T00:00:00+23:59"]


@pytest.mark.parametrize("part", HOSTILE)
async def test_hostile_ids_and_cursors(api: Api, ordinary: Api, member: SimpleNamespace, part: str) -> None:
    global_id = base64.b64encode(f"User:{part}".encode(errors="surrogatepass")).decode()
    mark = base64.b64encode(json.dumps(["00000000", part, part]).encode()).decode()
    query = """query ($id: ID!, $ids: [ID!]!, $after: String) {
      node(id: $id) { id } nodes(ids: $ids) { id } user(id: $id) { id } pots(after: $after) { nodes { id } }
      viewer { pots(after: $after) { nodes { id } } }
    }"""
    answer = await both(api, ordinary, query, {"id": global_id, "ids": [global_id], "after": mark}, as_=member)

    assert "INTERNAL" not in answer.codes
    assert not inside(answer)


@pytest.mark.usefixtures("directly")
async def test_after_all_of_that_no_connection_is_in_a_transaction(api: Api, owner: Any, member: Any) -> None:
    await api("{ viewer { rowId } }", as_=member)
    assert api.pipeline is not None
    pids = [connection.server_pid for connection in api.pipeline._open]

    found = await activity(owner, "SELECT state, xact_start FROM pg_stat_activity WHERE pid = ANY ($1)", pids)

    assert {tuple(row) for row in found} == {("idle", None)}


async def test_a_share_token_opens_its_pot_for_the_planned_fields_after_it(
    api: Api, ordinary: Api, make: Factory, member: SimpleNamespace
) -> None:
    """`Reads.present`: for the rest of the operation its holder sees what it opens."""
    token = uuid4().hex
    pot = await make(Pot, title="Behind a link", visibility="private", share_token=token)
    query = "query ($t: String!, $id: ID!) { s: pot(shareToken: $t) { title } p: pot(id: $id) { title } }"

    answer = await both(api, ordinary, query, {"t": token, "id": str(pot.id)}, as_=member)

    assert answer.data == {"s": {"title": "Behind a link"}, "p": {"title": "Behind a link"}}


async def test_a_cancelled_field_takes_nothing_from_those_that_wait_for_the_same_row(pipeline: Pipeline) -> None:
    release = asyncio.Event()

    async def batch(keys: list[str]) -> list[str]:
        await release.wait()
        return keys

    loader = Context(pipeline, NOBODY).loader("rows", batch)

    async def field() -> str:
        return str(await loader.load("a"))

    cancelled, waiting = asyncio.create_task(field()), asyncio.create_task(field())
    await asyncio.sleep(0)

    cancelled.cancel()
    await asyncio.wait([cancelled])
    release.set()

    assert cancelled.cancelled()
    assert await waiting == "a"
