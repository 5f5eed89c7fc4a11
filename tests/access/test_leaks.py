"""Nothing of one request reaches the next on the same connection, however the first one ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, TimeoutError  # noqa: A004 - the pool's own

from lango.actor import Actor, DatabaseRole, Role
from lango.db.pipeline import Pipeline, make_pipeline
from lango.db.transaction import Reads, acting_as, opening, set_role
from lango.errors import Refused
from lango.graphql.context import Context
from lango.rules.transaction import RuleTransaction
from lango.settings import Settings

SETTINGS = ("user_id", "roles", "session_id", "request_id", "ip", "share_tokens", "opened_rows", "user_agent")
STATE = text(
    "SELECT current_user, session_user, "
    + ", ".join(f"coalesce(current_setting('lango.{name}', true), '')" for name in SETTINGS)
)
CLEAN = ("lango_gateway", "lango_gateway", *[""] * len(SETTINGS))


@pytest.fixture
async def pipeline(gateway_url: str, settings: Settings) -> AsyncIterator[Pipeline]:
    """One connection, which everybody gets in turn; who does not give it back lets the next one wait in vain."""
    one = make_pipeline(gateway_url, settings.model_copy(update={"pool_timeout": 5.0}), pool_size=1)
    yield one
    one.close()


def staff() -> Actor:
    """A caller of whom everything is set."""
    return Actor(uuid4(), frozenset({Role.ADMIN, Role.SUPER_ADMIN}), uuid4(), str(uuid4()), None, "An agent; 'quoted'")


async def assert_clean(pipeline: Pipeline) -> None:
    """The pool's one connection is free, outside a transaction, its own login, with no context."""
    async with pipeline.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        assert not driver.is_in_transaction()
        assert tuple((await connection.execute(STATE)).one()) == CLEAN
    assert pipeline.pool.checkedout() == 0  # type: ignore[attr-defined]
    async with acting_as(pipeline, Actor(request_id="next"), read_only=True) as tx:
        found = (await tx.execute(STATE)).one()
    assert tuple(found) == ("lango_anonymous", "lango_gateway", "", "", "", "next", "", "", "", "")


async def backend(pipeline: Pipeline) -> int:
    async with pipeline.connect() as connection:
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def test_after_a_request(pipeline: Pipeline) -> None:
    caller, before = staff(), await backend(pipeline)

    async with acting_as(pipeline, caller, read_only=True) as tx:
        found = (await tx.execute(STATE)).one()

    assert found[0] == "lango_staff"
    assert found[2:4] == (str(caller.user_id), "admin,super_admin")
    await assert_clean(pipeline)
    assert await backend(pipeline) == before


async def test_after_an_error_in_sql(pipeline: Pipeline) -> None:
    before = await backend(pipeline)

    with pytest.raises(DBAPIError):
        async with acting_as(pipeline, staff(), read_only=True) as tx:
            await tx.execute(text("SELECT 1 / 0"))

    await assert_clean(pipeline)
    assert await backend(pipeline) == before


async def test_after_an_error_of_another_kind(pipeline: Pipeline) -> None:
    with pytest.raises(KeyError):  # noqa: PT012
        async with acting_as(pipeline, staff()) as tx:
            await tx.execute(STATE)
            raise KeyError("a bug")

    await assert_clean(pipeline)


async def test_a_failed_field_leaves_its_siblings_a_transaction_of_the_same_caller(pipeline: Pipeline) -> None:
    caller = staff()
    reads = Reads(pipeline, caller)

    first = await reads.rows(STATE)
    with pytest.raises(DBAPIError):
        await reads.rows(text("SELECT 1 / 0"))
    second = await reads.rows(STATE)
    await reads.close()

    assert first == second
    assert first[0][0] == "lango_staff"
    await assert_clean(pipeline)


async def test_after_reads_with_a_share_token(pipeline: Pipeline) -> None:
    reads = Reads(pipeline, Actor(uuid4()))
    await reads.present("a-token-of-a-pot")
    assert (await reads.rows(STATE))[0][-3] == "a-token-of-a-pot"

    with pytest.raises(DBAPIError):
        await reads.rows(text("SELECT 1 / 0"))
    assert (await reads.rows(STATE))[0][-3] == "a-token-of-a-pot"
    await reads.close()

    await assert_clean(pipeline)


async def test_reads_cannot_write(pipeline: Pipeline) -> None:
    reads = Reads(pipeline, staff())
    assert await reads.scalars(text("SHOW transaction_read_only")) == ["on"]
    await reads.close()
    with pytest.raises(DBAPIError, match="read-only"):
        async with acting_as(pipeline, staff(), read_only=True, role=DatabaseRole.RULES) as tx:
            await tx.execute(text("DELETE FROM identity.users"))

    await assert_clean(pipeline)


class NotToday(Refused):
    """Not today."""


async def test_after_a_rule_that_refused(pipeline: Pipeline) -> None:
    caller = staff()
    tx = rules_of(pipeline, caller)
    await tx.begin(role_of_rule=tx.actor.database_role)
    await set_role(tx, DatabaseRole.RULES)
    with pytest.raises(NotToday):
        raise NotToday
    await tx.undo()
    # The savepoint brought back the role from before it.
    assert (await tx.execute(STATE)).one()[0] == "lango_rules"
    await tx.commit()

    await assert_clean(pipeline)


async def test_after_a_rule_that_broke(pipeline: Pipeline) -> None:
    tx = rules_of(pipeline, staff())
    await tx.begin(role_of_rule=tx.actor.database_role)
    with pytest.raises(DBAPIError) as broken:
        await tx.execute(text("SELECT 1 / 0"))
    await tx.fail(broken.value)

    await assert_clean(pipeline)


async def test_after_a_commit_that_failed(pipeline: Pipeline) -> None:
    """A deferred constraint speaks at COMMIT: a ledger transaction without entries."""
    with pytest.raises(Exception, match="no entries"):
        async with acting_as(pipeline, staff(), role=DatabaseRole.RULES) as tx:
            await tx.execute(text("INSERT INTO ledger.ledger_transactions (kind) VALUES ('test')"))

    await assert_clean(pipeline)


async def test_after_a_connection_that_broke(pipeline: Pipeline, owner: Any) -> None:
    with pytest.raises(DBAPIError):  # noqa: PT012
        async with acting_as(pipeline, staff()) as tx:
            pid = tx.driver.get_server_pid()
            async with owner.acquire() as other:
                await other.execute("RESET ROLE")
                await other.fetchval("SELECT pg_terminate_backend($1)", pid)
            await tx.execute(STATE)

    await assert_clean(pipeline)


async def sleep(pipeline: Pipeline) -> None:
    async with acting_as(pipeline, staff()) as tx:
        await tx.execute(text("SELECT pg_sleep(10)"))


async def test_after_a_client_went_away(pipeline: Pipeline) -> None:
    task = asyncio.create_task(sleep(pipeline))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.wait_for(assert_clean(pipeline), 3)


async def test_after_reads_were_abandoned(pipeline: Pipeline) -> None:
    context = Context(pipeline, staff())
    task = asyncio.create_task(context.reads.rows(text("SELECT pg_sleep(10)")))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await context.abandon()

    await asyncio.wait_for(assert_clean(pipeline), 3)


async def a_read(pipeline: Pipeline) -> None:
    context = Context(pipeline, staff())
    try:
        await context.reads.rows(STATE)
        await context.reads.rows(text("SELECT pg_sleep(0.002)"))
    except BaseException:
        await context.abandon()
        raise
    await context.close()


def rules_of(pipeline: Pipeline, actor: Actor) -> RuleTransaction:
    services: Any = SimpleNamespace(pipeline=pipeline)
    return RuleTransaction(services, actor)


async def a_rule(pipeline: Pipeline) -> None:
    tx = rules_of(pipeline, staff())
    try:
        await tx.begin()
        await tx.start(tx.actor.database_role)
        await set_role(tx, DatabaseRole.RULES)
        await tx.execute(text("SELECT pg_sleep(0.002)"))
        await tx.keep()
    except BaseException as error:
        await tx.fail(error)
        raise
    await tx.commit()


@pytest.mark.parametrize("request_", [a_read, a_rule])
async def test_however_often_clients_go_away(pipeline: Pipeline, request_: Any) -> None:
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
        async with pipeline.connect() as connection:
            assert tuple((await connection.execute(STATE)).one()) == CLEAN

    assert cancelled > 10
    await assert_clean(pipeline)


@pytest.mark.parametrize("request_id", ["x'); DROP SCHEMA lango; --", "", "a b", "ü", "1" * 65, "x\n", "x\0y", "١٢"])
async def test_a_hostile_request_id_is_replaced(pipeline: Pipeline, request_id: str) -> None:
    caller = Actor(uuid4(), request_id=request_id)

    assert caller.request_id != request_id
    async with acting_as(pipeline, caller, read_only=True) as tx:
        assert (await tx.execute(STATE)).one()[5] == caller.request_id


@pytest.mark.parametrize(
    "begun", [lambda pipeline: Reads(pipeline, staff()).rows(STATE), lambda pipeline: failing(pipeline)]
)
async def test_a_request_that_got_no_connection_says_so(pipeline: Pipeline, begun: Any) -> None:
    """Nothing was entered, so there is nothing to leave: the pool's own error is raised."""
    hurried = make_pipeline(
        pipeline.url.render_as_string(hide_password=False), Settings(_env_file=None, pool_timeout=0.05), pool_size=1
    )
    try:
        async with hurried.connect():
            with pytest.raises(TimeoutError):
                await begun(hurried)
        await assert_clean(hurried)
    finally:
        hurried.close()


async def failing(pipeline: Pipeline) -> None:
    tx = rules_of(pipeline, staff())
    try:
        await tx.begin()
    except BaseException as error:
        await tx.fail(error)
        raise


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
    """Typed as they are they cannot come here; should they, they are refused, not written into SQL."""
    with pytest.raises((TypeError, ValueError)):
        opening(Actor(**given), DatabaseRole.MEMBER, read_only=True)


async def test_a_zone_of_an_address_is_not_written_into_sql(pipeline: Pipeline) -> None:
    from ipaddress import IPv6Address

    caller = Actor(uuid4(), ip=IPv6Address("fe80::1%'); SELECT 1; --"))

    async with acting_as(pipeline, caller, read_only=True) as tx:
        assert (await tx.execute(STATE)).one()[6] == "fe80::1"
