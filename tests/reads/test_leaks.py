"""Nothing of one planned read reaches the next on the same connection, however the first one ended."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.actor import Actor, DatabaseRole
from lango.db.connection import ConnectionLost
from lango.db.pipeline import context_of
from lango.settings import Settings
from models.identity import User
from models.pots import Pot
from tests.client import Api
from tests.factories import Factory
from tests.reads.conftest import BROKEN, CLEAN, STATE, WHO, Pool, activity, assert_clean, bare, staff


async def state_of(pool: Pool, actor: Actor) -> list[str]:
    outcome = await pool.ask(STATE, as_=actor)
    assert isinstance(outcome, bytes)
    return list(json.loads(outcome))


async def test_a_read_has_its_callers_role_and_context_and_cannot_write(pool: Pool, owner: Any) -> None:
    caller = staff()

    assert await state_of(pool, caller) == [
        "lango_staff", "lango_gateway", str(caller.user_id), "admin,super_admin", str(caller.session_id),
        caller.request_id, "192.0.2.7", "", "", "", "on",
    ]  # fmt: skip
    await assert_clean(pool, owner)


async def test_the_next_caller_has_only_its_own(pool: Pool, owner: Any) -> None:
    before = await pool.pid()
    await pool.fetch(staff(), [(STATE, ())], ["a-token-of-a-pot"])

    assert await state_of(pool, Actor(request_id="next")) == [
        "lango_anonymous", "lango_gateway", "", "", "", "next", "", "", "", "", "on",
    ]  # fmt: skip
    assert await pool.pid() == before
    await assert_clean(pool, owner)


@pytest.fixture
def as_role(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """From now on each context names that role, whoever is asking."""

    def take(role: str) -> None:
        monkeypatch.setattr(
            "lango.db.pipeline.context_of",
            lambda *given, **options: context_of(*given, **options)._replace(role=role),
        )

    return take


FAILURES = {
    "in the statement": (BROKEN, (), "22012"),
    "in parsing it": ("SELECT no_such_column FROM pots.pots", (), "42703"),
    "in its syntax": ("SELEKT 1", (), "42601"),
    "in a parameter": ("SELECT ($1::uuid)::text", ("no uuid",), "22P02"),
    "in the number of parameters": ("SELECT ($1::text)", ("a", "b"), "08P01"),
    "in a policy": ("SELECT count(*)::text FROM platform.idempotency_keys", (), "42501"),
    "by writing": ("DELETE FROM identity.users RETURNING 'x'", (), "25006"),
    "by an unknown function": ("SELECT lango.no_such_function()", (), "42883"),
}


@pytest.mark.parametrize(("sql", "values", "state"), FAILURES.values(), ids=FAILURES)
@pytest.mark.usefixtures("directly")
async def test_after_an_error(pool: Pool, owner: Any, sql: str, values: tuple[Any, ...], state: str) -> None:
    before = await pool.pid()
    for _ in range(2):
        outcome = await pool.ask(sql, *values, as_=staff())
        assert isinstance(outcome, asyncpg.PostgresError)
        assert outcome.sqlstate == state

    await assert_clean(pool, owner)
    assert await pool.pid() == before
    assert await state_of(pool, Actor(request_id="next")) == [
        "lango_anonymous", "lango_gateway", "", "", "", "next", "", "", "", "", "on",
    ]  # fmt: skip


async def test_after_an_error_in_the_context(
    pool: Pool, owner: Any, as_role: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that does not exist: the statement behind it must not run, least of all as the connection's own login."""
    before = await pool.pid()
    as_role("lango_nobody")
    outcome = await pool.ask(STATE, as_=staff())
    monkeypatch.undo()

    assert isinstance(outcome, asyncpg.PostgresError)
    assert outcome.sqlstate == "22023"
    await assert_clean(pool, owner)
    assert await pool.pid() == before
    assert (await state_of(pool, staff()))[0] == "lango_staff"


@pytest.mark.parametrize("role", ["lango_owner", "lango_worker_x", "postgres", ""])
async def test_the_gateway_cannot_become_the_owner(pool: Pool, as_role: Callable[[str], None], role: str) -> None:
    as_role(role)

    assert isinstance(await pool.ask(STATE), asyncpg.PostgresError)


async def test_statements_of_one_batch_are_transactions_of_the_same_caller(pool: Pool, owner: Any) -> None:
    caller = staff()
    asked: list[Any] = [(STATE, ()), (BROKEN, ()), (STATE, ()), ("SELEKT 1", ()), (STATE + " ", ())]

    outcomes = await pool.ask_all(asked, caller)

    assert outcomes[0] == outcomes[2] == outcomes[4]
    assert json.loads(outcomes[0])[0] == "lango_staff"  # type: ignore[arg-type]
    assert [getattr(each, "sqlstate", None) for each in outcomes] == [None, "22012", None, "42601", None]
    await assert_clean(pool, owner)


WRITES = [
    "INSERT INTO identity.users (email) VALUES ('x@example.org') RETURNING 'written'",
    "UPDATE pots.pots SET title = 'x' RETURNING 'written'",
    "WITH gone AS (DELETE FROM pots.pots RETURNING 1) SELECT 'written' FROM gone",
    "SELECT 'written' FROM pots.pots FOR UPDATE",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT lo_create(0)::text",
    "SELECT pg_notify('x', 'y')::text || txid_current()::text",
    "SET TRANSACTION READ WRITE",
    "CREATE TEMP TABLE x (y int)",
]


@pytest.mark.parametrize("sql", WRITES)
@pytest.mark.parametrize("role", [DatabaseRole.STAFF, DatabaseRole.RULES])
async def test_reads_cannot_write(
    pool: Pool, owner: Any, as_role: Callable[[str], None], sql: str, role: DatabaseRole
) -> None:
    """Not even as the role that may write elsewhere."""
    counted = "SELECT (SELECT count(*) FROM identity.users), (SELECT count(*) FROM pots.pots WHERE title = 'x')"
    before = await owner.fetchrow(counted)
    as_role(role.value)

    outcome = await pool.ask(sql)

    # What does write nothing at all may pass; the transaction stays read-only and ends.
    assert isinstance(outcome, asyncpg.PostgresError) or b"written" not in (outcome or b"")
    assert await owner.fetchrow(counted) == before
    await assert_clean(pool, owner)


async def test_a_function_of_the_owner_cannot_write_in_a_read_either(pool: Pool, owner: Any) -> None:
    await owner.execute(
        "CREATE OR REPLACE FUNCTION lango.tests_write() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN UPDATE pots.pots SET share_count = 7; RETURN 'written'; END $$;"
        "GRANT EXECUTE ON FUNCTION lango.tests_write() TO PUBLIC"
    )
    try:
        outcome = await pool.ask("SELECT lango.tests_write()", as_=staff())
    finally:
        await owner.execute("DROP FUNCTION lango.tests_write()")

    assert isinstance(outcome, asyncpg.ReadOnlySQLTransactionError)
    await assert_clean(pool, owner)


# What is written through the pipeline: the staff's log


READ_ONLY = "SELECT current_user || ' ' || current_setting('transaction_read_only')"


async def test_after_a_write_the_next_is_a_read_again(pool: Pool, owner: Any) -> None:
    caller = staff()
    assert await pool.run(caller, READ_ONLY, [], role=DatabaseRole.RULES) == b"lango_rules off"

    assert await pool.ask(READ_ONLY, as_=caller) == b"lango_staff on"
    assert await pool.ask(READ_ONLY) == b"lango_member on"
    await assert_clean(pool, owner)


async def test_a_write_that_fails_leaves_nothing(pool: Pool, owner: Any) -> None:
    key = uuid4()
    insert = "INSERT INTO identity.users (id, email) VALUES ($1::uuid, $2) RETURNING 'written'"
    with pytest.raises(asyncpg.PostgresError):
        await pool.run(staff(), f"WITH one AS ({insert}) SELECT (1 / 0)::text FROM one", [key, f"{key}@example.org"],
                       role=DatabaseRole.RULES)  # fmt: skip

    assert await owner.fetchval("SELECT count(*) FROM identity.users WHERE id = $1", key) == 0
    await assert_clean(pool, owner)
    assert await pool.ask(READ_ONLY) == b"lango_member on"


async def test_a_write_whose_connection_breaks_is_not_sent_again(
    pool: Pool, owner: Any, end: Callable[[int], Any]
) -> None:
    """Nobody knows whether it was done."""
    pid = await pool.pid()
    task = asyncio.create_task(pool.run(staff(), "SELECT pg_sleep(5)::text", [], role=DatabaseRole.RULES))
    await asyncio.sleep(0.05)
    await end(pid)

    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(task, 2)
    assert await pool.ask(READ_ONLY) == b"lango_member on"


async def test_a_write_on_a_connection_that_ended_long_ago(pool: Pool, end: Callable[[int], Any]) -> None:
    await end(await pool.pid())
    await asyncio.sleep(0.02)

    assert await pool.run(staff(), READ_ONLY, [], role=DatabaseRole.RULES) == b"lango_rules off"


# Reads that are given up


async def test_cancelled_while_under_way(pool: Pool, owner: Any) -> None:
    before = await pool.pid()
    task = asyncio.create_task(pool.ask("SELECT pg_sleep(10)::text", as_=staff()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    # What the server is doing on it is unknown, so nobody gets that connection any more.
    assert await asyncio.wait_for(pool.pid(), 3) != before
    await assert_clean(pool, owner)


async def test_cancelled_while_connecting(pool: Pool, owner: Any) -> None:
    for turns in range(1, 40):
        task = asyncio.create_task(pool.ask(STATE, as_=staff()))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert pool.busy == 0

    assert (await asyncio.wait_for(state_of(pool, Actor(request_id="next")), 3))[0] == "lango_anonymous"
    await assert_clean(pool, owner)


async def test_cancelled_while_waiting_for_a_connection(pool: Pool, owner: Any) -> None:
    busy = asyncio.create_task(pool.ask("SELECT pg_sleep(0.1)::text"))
    await asyncio.sleep(0.05)
    waiting = [asyncio.create_task(pool.ask(WHO, as_=staff())) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert await busy == b""
    assert [isinstance(each, asyncio.CancelledError) for each in outcomes] == [True, False, True, False, True]
    await assert_clean(pool, owner)


async def test_cancelled_just_when_the_answer_arrives(pool: Pool, owner: Any) -> None:
    """In the very turn of the loop in which the batch is done and the caller has not yet been woken."""
    await pool.ask(WHO)
    for _ in range(20):
        (connection,) = await pool.connections()
        task = asyncio.create_task(pool.ask(WHO, as_=staff()))
        await asyncio.sleep(0)
        batch = connection._batch
        assert batch is not None
        batch.future.add_done_callback(lambda _, task=task: task.cancel())  # type: ignore[misc]
        await asyncio.gather(task, return_exceptions=True)
        assert (await asyncio.wait_for(state_of(pool, Actor(request_id="next")), 3))[0] == "lango_anonymous"

    await assert_clean(pool, owner)


async def test_timed_out(pool: Pool, owner: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await pool.ask("SELECT pg_sleep(10)::text", as_=staff())

    assert (await state_of(pool, Actor(request_id="next")))[0] == "lango_anonymous"
    await assert_clean(pool, owner)


@pytest.mark.parametrize("pool_size", [1, 3])
async def test_however_many_are_cancelled_each_answer_is_its_own_callers(
    make_pool: Callable[..., Pool], owner: Any, pool_size: int
) -> None:
    """Hundreds at once, cancelled at any moment, some that fail, all with their own name in the question's answer."""
    pool, chance, answered, cancelled = make_pool(pool_size), random.Random(11), 0, 0

    async def read() -> None:
        nonlocal answered
        caller = staff() if chance.random() < 0.5 else Actor(uuid4())
        role = "lango_staff" if caller.is_staff else "lango_member"
        outcomes = await pool.ask_all([(WHO, ()), (BROKEN, ()), (WHO, ())], caller)
        for each in (outcomes[0], outcomes[2]):
            assert isinstance(each, bytes)
            assert json.loads(each) == [role, str(caller.user_id)]
        answered += 1

    async def perhaps() -> None:
        nonlocal cancelled
        await asyncio.sleep(chance.random() * 0.5)
        task = asyncio.create_task(read())
        if chance.random() < 0.4:
            for _ in range(chance.randrange(9)):
                await asyncio.sleep(0)
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * 0.01)
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            cancelled += 1

    await asyncio.wait_for(asyncio.gather(*(perhaps() for _ in range(400))), 20)

    assert cancelled > 20
    assert answered == 400 - cancelled
    await assert_clean(pool, owner)


# Through HTTP


OWN = "query ($id: ID!) { viewer { rowId } mine: pots(first: 5) { nodes { rowId } } pot(id: $id) { title } }"


@pytest.fixture
async def narrow(settings: Settings) -> Any:
    """A gateway with two connections."""
    async with Api.alone(settings.model_copy(update={"pool_size": 2})) as api:
        yield api


async def test_members_through_http_whose_clients_go_away(narrow: Api, make: Factory) -> None:
    """Each sees its own private pot and nobody else's, while a third of all clients disappear at any moment."""
    members = [await make(User) for _ in range(8)]
    pots = {member.id: await make(Pot, owner_user_id=member.id, title=f"of {member.id}") for member in members}
    chance, gone, answered = random.Random(3), 0, 0

    async def ask(member: Any) -> None:
        nonlocal answered
        other = chance.choice([each for each in members if each is not member])
        answer = await narrow(OWN, {"id": str(pots[other.id].id)}, as_=member)
        assert answer.data == {
            "viewer": {"rowId": str(member.id)},
            "mine": {"nodes": [{"rowId": str(pots[member.id].id)}]},
            "pot": None,
        }
        answered += 1

    async def perhaps() -> None:
        nonlocal gone
        task = asyncio.create_task(ask(chance.choice(members)))
        if chance.random() < 0.4:
            await asyncio.sleep(chance.random() * 0.04)
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            gone += 1

    for _ in range(15):
        await asyncio.wait_for(asyncio.gather(*(perhaps() for _ in range(20))), 20)

    assert gone > 20
    assert answered == 300 - gone
    assert narrow.pipeline is not None
    assert len(narrow.pipeline._open) <= 2


async def test_a_client_that_goes_away_half_way_ends_its_read(settings: Settings, make: Factory, owner: Any) -> None:
    """What the server was doing is cancelled, and its connection never used by anybody else."""
    member = await make(User)
    async with Api.alone(settings.model_copy(update={"pool_size": 1})) as api:
        await api("{ viewer { rowId } }", as_=member)
        assert api.pipeline is not None
        (before,) = api.pipeline._open
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE profiles.profiles IN ACCESS EXCLUSIVE MODE")
            task = asyncio.create_task(api("{ viewer { profile { rowId } } }", as_=member))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        assert (await api("{ viewer { rowId } }", as_=member))["viewer"] == {"rowId": str(member.id)}
        assert before.is_lost


async def test_what_nobody_waits_for_any_more_is_not_worked_on(make_pool: Callable[..., Pool], owner: Any) -> None:
    """Clients that ask for something slow and go away must not leave a server full of their questions behind."""
    pool = make_pool(2)
    for _ in range(6):
        tasks = [asyncio.create_task(pool.ask("SELECT 'given up', pg_sleep(3)::text")) for _ in range(2)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.5)

    ((working,),) = await activity(
        owner,
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query LIKE '%given up%' AND state = 'active' AND pid <> pg_backend_pid()"
        " AND datname = current_database()",
    )
    assert working <= 2


async def test_the_server_ends_in_the_middle(pool: Pool, owner: Any, end: Callable[[int], Any]) -> None:
    pid = await pool.pid()
    task = asyncio.create_task(pool.ask("SELECT current_user::text || pg_sleep(0.3)::text", as_=staff()))
    await asyncio.sleep(0.05)
    await end(pid)

    assert await task == b"lango_staff"
    await assert_clean(pool, owner)


async def test_a_batch_without_a_role_between_two_others_sees_nothing(pool: Pool) -> None:
    await state_of(pool, staff())
    (connection,) = await pool.connections()

    assert await bare(connection, STATE) == CLEAN
    assert (await state_of(pool, staff()))[0] == "lango_staff"
    assert await bare(connection, "SELECT to_json(txid_current_if_assigned())::text") is None
