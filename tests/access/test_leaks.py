"""Nothing of one request reaches the next on the same connection, however the first one ended.

What holds for rules alone is in tests/rules, for planned reads in tests/reads.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from ipaddress import IPv6Address
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from lango.actor import Actor, DatabaseRole, Role
from lango.db import postgres
from lango.db.fair_queue import NoConnectionFree
from lango.db.pipeline import context_of
from lango.db.reads import Reads
from lango.db.transaction import acting_as
from lango.errors import Refused
from lango.graphql.context import Context
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.settings import Settings
from tests.reads import conftest as reading
from tests.reads.conftest import BACKEND, CLEAN, SETTINGS, Pool

STATE = text(
    "SELECT current_user, session_user, "
    + ", ".join(f"coalesce(current_setting('lango.{name}', true), '')" for name in SETTINGS)
)


@pytest.fixture
async def pipeline(gateway_url: str, settings: Settings) -> AsyncIterator[Pool]:
    """One connection, which everybody gets in turn; who does not give it back lets the next one wait in vain."""
    changed = {"pool_timeout": 5.0, "pool_size": 1}
    one = Pool(postgres.async_url(gateway_url), settings.model_copy(update=changed))
    yield one
    one.close()


def staff() -> Actor:
    """A caller of whom everything is set."""
    return Actor(uuid4(), frozenset({Role.ADMIN, Role.SUPER_ADMIN}), uuid4(), str(uuid4()), None, "An agent; 'quoted'")


async def assert_clean(pipeline: Pool) -> None:
    """The pool's one connection is free, outside a transaction, its own login, with no context."""
    for connection in await pipeline.connections():
        assert await reading.bare(connection, reading.STATE) == CLEAN
    assert pipeline.busy == 0
    async with acting_as(pipeline, Actor(request_id="next"), read_only=True) as tx:
        found = (await tx.execute(STATE)).one()
    assert tuple(found) == ("lango_anonymous", "lango_gateway", "", "", "", "next", "", "", "", "")


async def backend(pipeline: Pool) -> int:
    return int(await pipeline.ask(BACKEND) or 0)  # type: ignore[arg-type]


async def test_after_a_request(pipeline: Pool) -> None:
    caller, before = staff(), await backend(pipeline)

    async with acting_as(pipeline, caller, read_only=True) as tx:
        found = (await tx.execute(STATE)).one()

    assert found[0] == "lango_staff"
    assert found[2:4] == (str(caller.user_id), "admin,super_admin")
    await assert_clean(pipeline)
    assert await backend(pipeline) == before


async def test_after_an_error_in_sql(pipeline: Pool) -> None:
    before = await backend(pipeline)

    with pytest.raises(asyncpg.DivisionByZeroError):
        async with acting_as(pipeline, staff(), read_only=True) as tx:
            await tx.execute(text("SELECT 1 / 0"))

    await assert_clean(pipeline)
    assert await backend(pipeline) == before


async def test_after_an_error_of_another_kind(pipeline: Pool) -> None:
    with pytest.raises(KeyError):  # noqa: PT012
        async with acting_as(pipeline, staff()) as tx:
            await tx.execute(STATE)
            raise KeyError("a bug")

    await assert_clean(pipeline)


async def test_a_failed_field_leaves_its_siblings_a_transaction_of_the_same_caller(pipeline: Pool) -> None:
    caller = staff()
    reads = Reads(pipeline, caller)

    first = await reads.rows(STATE)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await reads.rows(text("SELECT 1 / 0"))
    second = await reads.rows(STATE)
    await reads.close()

    assert first == second
    assert first[0][0] == "lango_staff"
    await assert_clean(pipeline)


async def test_after_reads_with_a_share_token(pipeline: Pool) -> None:
    reads = Reads(pipeline, Actor(uuid4()))
    await reads.present("a-token-of-a-pot")
    assert (await reads.rows(STATE))[0][-3] == "a-token-of-a-pot"

    with pytest.raises(asyncpg.DivisionByZeroError):
        await reads.rows(text("SELECT 1 / 0"))
    assert (await reads.rows(STATE))[0][-3] == "a-token-of-a-pot"
    await reads.close()

    await assert_clean(pipeline)


async def test_reads_cannot_write(pipeline: Pool) -> None:
    reads = Reads(pipeline, staff())
    assert await reads.scalars(text("SHOW transaction_read_only")) == ["on"]
    await reads.close()
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with acting_as(pipeline, staff(), read_only=True, role=DatabaseRole.RULES) as tx:
            await tx.execute(text("DELETE FROM identity.users"))

    await assert_clean(pipeline)


class NotToday(Refused):
    """Not today."""


async def test_after_a_rule_that_refused(pipeline: Pool) -> None:
    caller = staff()
    tx = rules_of(pipeline, caller)
    tx.begin(caller.database_role)
    assert (await tx.execute(STATE)).one()[0] == "lango_staff"
    with pytest.raises(NotToday):
        raise NotToday
    tx.undo()
    # What a refusal keeps is written by the rules.
    assert (await tx.execute(STATE)).one()[0] == "lango_rules"
    await tx.finish()

    await assert_clean(pipeline)


async def test_after_a_rule_that_broke(pipeline: Pool) -> None:
    tx = rules_of(pipeline, staff())
    tx.begin(tx.actor.database_role)
    with pytest.raises(asyncpg.DivisionByZeroError) as broken:
        await tx.execute(text("SELECT 1 / 0"))
    await tx.rollback(broken.value)

    await assert_clean(pipeline)


async def test_after_a_commit_that_failed(pipeline: Pool) -> None:
    """A deferred constraint speaks at COMMIT: a ledger transaction without entries."""
    with pytest.raises(Exception, match="no entries"):
        async with acting_as(pipeline, staff(), role=DatabaseRole.RULES) as tx:
            await tx.execute(text("INSERT INTO ledger.ledger_transactions (kind) VALUES ('test')"))

    await assert_clean(pipeline)


async def test_after_a_connection_that_broke(pipeline: Pool, owner: Any) -> None:
    with pytest.raises((ConnectionError, asyncpg.AdminShutdownError)):  # noqa: PT012
        async with acting_as(pipeline, staff()) as tx:
            pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with owner.acquire() as other:
                await other.execute("RESET ROLE")
                await other.fetchval("SELECT pg_terminate_backend($1)", pid)
            await tx.execute(STATE)

    await assert_clean(pipeline)


async def sleep(pipeline: Pool) -> None:
    async with acting_as(pipeline, staff()) as tx:
        await tx.execute(text("SELECT pg_sleep(10)"))


async def test_after_a_client_went_away(pipeline: Pool) -> None:
    task = asyncio.create_task(sleep(pipeline))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.wait_for(assert_clean(pipeline), 3)


async def test_after_reads_were_abandoned(pipeline: Pool) -> None:
    context = Context(pipeline, staff())
    task = asyncio.create_task(context.reads.rows(text("SELECT pg_sleep(10)")))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await context.abandon()

    await asyncio.wait_for(assert_clean(pipeline), 3)


async def a_read(pipeline: Pool) -> None:
    context = Context(pipeline, staff())
    try:
        await context.reads.rows(STATE)
        await context.reads.rows(text("SELECT pg_sleep(0.002)"))
    except BaseException:
        await context.abandon()
        raise
    await context.close()


def rules_of(pipeline: Pool, actor: Actor) -> RuleTransaction:
    return RuleTransaction(Services(pipeline, pipeline._settings), actor)


async def a_rule(pipeline: Pool) -> None:
    tx = rules_of(pipeline, staff())
    try:
        tx.begin(tx.actor.database_role)
        await tx.execute(STATE)
        tx.set_role(DatabaseRole.RULES)
        await tx.execute(text("SELECT pg_sleep(0.002)"))
        await tx.finish()
    except BaseException as error:
        await tx.rollback(error)
        raise


@pytest.mark.parametrize("request_", [a_read, a_rule])
async def test_however_often_clients_go_away(pipeline: Pool, request_: Any) -> None:
    """At any moment at all: before the BEGIN, between two statements, within the COMMIT."""
    chance, cancelled = random.Random(7), 0
    for _ in range(200):
        task = asyncio.create_task(request_(pipeline))
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        await asyncio.sleep(chance.random() * 0.006)
        task.cancel()
        try:
            await asyncio.wait_for(task, 5)
        except asyncio.CancelledError:
            cancelled += 1
        for connection in await pipeline.connections():
            assert await reading.bare(connection, reading.STATE) == CLEAN

    assert cancelled > 10
    await assert_clean(pipeline)


@pytest.mark.parametrize("request_id", ["x'); DROP SCHEMA lango; --", "", "a b", "ü", "1" * 65, "x\n", "x\0y", "١٢"])
async def test_a_hostile_request_id_is_replaced(pipeline: Pool, request_id: str) -> None:
    caller = Actor(uuid4(), request_id=request_id)

    assert caller.request_id != request_id
    async with acting_as(pipeline, caller, read_only=True) as tx:
        assert (await tx.execute(STATE)).one()[5] == caller.request_id


async def a_look_of_a_rule(pipeline: Pool) -> None:
    tx = rules_of(pipeline, staff())
    try:
        tx.begin(tx.actor.database_role)
        await tx.execute(STATE)
    except BaseException as error:
        await tx.rollback(error)
        raise


@pytest.mark.parametrize("begun", [lambda pool: Reads(pool, staff()).rows(STATE), a_look_of_a_rule])
async def test_a_request_that_got_no_connection_says_so(gateway_url: str, settings: Settings, begun: Any) -> None:
    """Nothing was entered, so there is nothing to leave."""
    changed = {"pool_timeout": 0.05, "pool_size": 1}
    hurried = Pool(postgres.async_url(gateway_url), settings.model_copy(update=changed))
    try:
        async with acting_as(hurried, Actor()) as tx:
            await tx.execute(STATE)
            with pytest.raises(NoConnectionFree):
                await begun(hurried)
        await assert_clean(hurried)
    finally:
        hurried.close()


HOSTILE = "x', true); SET ROLE lango_staff; --"


@pytest.mark.parametrize(
    "given",
    [
        {"user_id": HOSTILE},
        {"session_id": HOSTILE},
        {"ip": HOSTILE},
        {"roles": frozenset({HOSTILE})},
        {"roles": frozenset({"admin,super_admin"})},
    ],
)
async def test_a_hostile_context_does_not_reach_the_database(given: dict[str, Any]) -> None:
    """Typed as they are they cannot come here; should they, they are refused."""
    with pytest.raises((TypeError, ValueError)):
        context_of(Actor(**given), DatabaseRole.MEMBER, ())


@pytest.mark.parametrize("name", ["user_id", "session_id", "ip"])
async def test_a_context_is_a_value_and_no_sql(pipeline: Pool, name: str) -> None:
    caller = Actor()
    object.__setattr__(caller, name, HOSTILE)
    async with acting_as(pipeline, caller, read_only=True, role=DatabaseRole.MEMBER) as tx:
        found = (await tx.execute(STATE)).one()

    assert found[0] == "lango_member"
    assert found[2 + SETTINGS.index(name)] == HOSTILE
    await assert_clean(pipeline)


async def test_a_zone_of_an_address_is_not_written_into_sql(pipeline: Pool) -> None:
    caller = Actor(uuid4(), ip=IPv6Address("fe80::1%'); SELECT 1; --"))

    async with acting_as(pipeline, caller, read_only=True) as tx:
        assert (await tx.execute(STATE)).one()[6] == "fe80::1"
