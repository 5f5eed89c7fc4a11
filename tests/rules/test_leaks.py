"""Nothing of one rule reaches the next on the same connection, however the first one ended."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.actor import Actor, DatabaseRole
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.pots import Pot
from tests.factories import Factory
from tests.reads.conftest import BACKEND, Pool, assert_clean, staff
from tests.relay import Relay
from tests.rules.conftest import Run, Titles, runs, services_over
from tests.rules.trials import BROKEN, WHO, plan, pot_of

ENDINGS: dict[str, type[Exception] | None] = {
    "well": None,
    "refused": None,
    "in SQL": asyncpg.DivisionByZeroError,
    "in Python": KeyError,
    "in the last batch": asyncpg.DivisionByZeroError,
    "by a constraint": asyncpg.PostgresError,
}


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize(("ending", "error"), ENDINGS.items(), ids=ENDINGS)
@pytest.mark.usefixtures("directly")
async def test_after_a_rule(
    do: Run,
    pool: Pool,
    owner: Any,
    make: Factory,
    titles: Titles,
    ending: str,
    error: type[Exception] | None,
    key: bool,
) -> None:
    """The connection stays, and whoever is next has their own role and context."""
    before = await pool.pid()
    given = {"title": "A", "ending": ending, "key": str(uuid4()) if key else None}
    if error is None:
        outcome = await do(plan, **given)
        assert [refusal["code"] for refusal in outcome.refusals] == (["NOT_TODAY"] if ending == "refused" else [])
    else:
        with pytest.raises(error):
            await do(plan, **given)

    await assert_clean(pool, owner)
    assert await pool.pid() == before
    assert await titles() == (["A"] if ending == "well" else [])
    # As another caller, on the same connection.
    assert (await runs(pool, Actor((await make(User)).id))(plan, title="B", ending="refused")).refusals
    await assert_clean(pool, owner)


async def test_a_read_after_a_rule_has_its_own_context(do: Run, pool: Pool) -> None:
    await do(plan, title="A", ending="well")
    who = "SELECT current_user || ' ' || current_setting('lango.user_id') || current_setting('transaction_read_only')"

    assert await pool.ask(who, as_=Actor()) == b"lango_anonymous on"


async def test_after_a_rule_that_neither_looked_nor_wrote(pool: Pool, owner: Any, caller: Actor) -> None:
    tx = RuleTransaction(services_over(pool), caller)
    tx.begin(caller.database_role)
    assert await tx.finish() is None

    assert not pool._open
    await assert_clean(pool, owner)


async def test_what_is_undone_leaves_what_a_refusal_keeps(
    pool: Pool, owner: asyncpg.Pool[Any], caller: Actor, titles: Titles
) -> None:
    """Both where it had been sent, and where it had not."""
    for sent in (True, False):
        tx = RuleTransaction(services_over(pool), caller)
        tx.begin(caller.database_role)
        tx.set_role(DatabaseRole.RULES)
        tx.save(pot_of(caller.user_id, "taken back"))  # type: ignore[arg-type]
        if sent:
            await WHO.run(tx)
        tx.undo()
        tx.save(pot_of(caller.user_id, f"kept {sent}"))  # type: ignore[arg-type]
        await tx.finish()
        await assert_clean(pool, owner)

    assert await titles() == ["kept True", "kept False"]


async def test_after_a_statement_that_failed_the_rule_may_still_be_undone(
    pool: Pool, owner: asyncpg.Pool[Any], caller: Actor, titles: Titles
) -> None:
    """What a constraint says against what it wrote, a rule may make a refusal of; also in its first batch."""
    for looked in (False, True):
        tx = RuleTransaction(services_over(pool), caller)
        tx.begin(DatabaseRole.RULES)
        if looked:
            await WHO.run(tx)
        tx.save(pot := pot_of(caller.user_id, "twice"), Pot(**vars_of(pot)))  # type: ignore[arg-type]
        with pytest.raises(asyncpg.UniqueViolationError):
            await tx.flush()
        tx.undo()
        tx.save(pot_of(caller.user_id, f"kept {looked}"))  # type: ignore[arg-type]
        await tx.finish()
        await assert_clean(pool, owner)

    assert await titles() == ["kept False", "kept True"]


def vars_of(pot: Pot) -> dict[str, Any]:
    return {name: value for name, value in vars(pot).items() if not name.startswith("_")}


async def test_a_transaction_that_is_left_is_rolled_back(
    pool: Pool, owner: asyncpg.Pool[Any], caller: Actor, titles: Titles
) -> None:
    async def fail() -> None:
        async with services_over(pool).work(caller) as tx:
            tx.save(pot_of(tx.user_id, "never"))
            await WHO.run(tx)
            await BROKEN.run(tx)

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail()

    await assert_clean(pool, owner)
    assert await titles() == []


@pytest.mark.parametrize("key", [False, True])
async def test_however_often_clients_go_away(
    network: tuple[Relay, str], relayed: Pool, owner: asyncpg.Pool[Any], caller: Actor, titles: Titles, key: bool
) -> None:
    """At any moment at all: before the BEGIN, between two batches, within the COMMIT. What was done was done whole."""
    chance, cancelled, done = random.Random(7), 0, 0
    network[0].delay = 0.001
    do = runs(relayed, caller)
    await do(plan, title="first", ending="well")
    for number in range(200):
        keyed = {"key": str(uuid4())} if key else {}
        task = asyncio.create_task(do(plan, title=f"{number}", ending="well", **keyed))
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        await asyncio.sleep(chance.random() * 0.05)
        task.cancel()
        try:
            await asyncio.wait_for(task, 5)
            done += 1
        except asyncio.CancelledError:
            cancelled += 1
        assert relayed.busy == 0

    assert cancelled > 10
    assert done > 10
    await assert_clean(relayed, owner)
    made = await titles()
    # Of those that were cancelled within the COMMIT some were done.
    assert done + 1 <= len(made) <= 201
    assert len(set(made)) == len(made)
    if key:
        assert await owner.fetchval(
            "SELECT count(*) = (SELECT count(*) FROM platform.idempotency_keys WHERE scope = $1) - $3::int"
            " FROM pots.pots WHERE owner_user_id = $2 AND title <> 'first'",
            f"user:{caller.user_id}", caller.user_id, 0,
        )  # fmt: skip


async def test_what_nobody_waits_for_any_more_is_not_worked_on(pool: Pool, owner: Any, caller: Actor) -> None:
    tx = RuleTransaction(services_over(pool), caller)
    tx.begin(caller.database_role)
    await WHO.run(tx)
    pid = tx._connection.server_pid  # type: ignore[union-attr]
    task = asyncio.create_task(tx.texts([("SELECT pg_sleep(30)::text", ())]))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await tx.rollback(asyncio.CancelledError())

    assert pool.busy == 0
    async with asyncio.timeout(5):
        while await owner.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await assert_clean(pool, owner)
    assert await pool.ask(BACKEND) != str(pid).encode()


async def test_callers_of_every_kind_at_once(make_pool: Any, owner: Any, make: Factory) -> None:
    """Eight callers over two connections: each rule sees its own, though every third one fails."""
    pool = make_pool(2)
    people = [Actor((await make(User)).id) for _ in range(6)] + [staff(), staff()]
    chance = random.Random(5)

    async def one() -> None:
        do, ending = runs(pool, chance.choice(people[:6])), chance.choice([*ENDINGS, "well"])
        if (error := ENDINGS[ending]) is None:
            await do(plan, title="A", ending=ending)
        else:
            with pytest.raises(error):
                await do(plan, title="A", ending=ending)

    async def read() -> None:
        actor = chance.choice(people)
        who = await pool.ask("SELECT current_user || ' ' || current_setting('lango.user_id')", as_=actor)
        assert who == f"{actor.database_role.value} {actor.user_id}".encode()

    for _ in range(20):
        await asyncio.gather(*(chance.choice((one, read))() for _ in range(12)))
    await assert_clean(pool, owner)
