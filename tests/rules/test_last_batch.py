"""What goes with the COMMIT: constraints, errors that another attempt mends, and the payload, which takes nothing back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.actor import Actor, DatabaseRole
from lango.errors import AnswerTooLarge, RowsBusy
from lango.rules.transaction import RuleTransaction
from resolvers.kernel.running import ATTEMPTS, Outcome
from tests.reads.conftest import BROKEN, Pool, assert_clean
from tests.rules.conftest import Run, Titles, runs, services_over
from tests.rules.trials import PAUSE, UNBALANCED, WHO, fail_sometimes, plan, pot_of, rename_both

Trials = Callable[[], Awaitable[int]]
WHO_READS = "SELECT current_user || ' ' || current_setting('lango.user_id')"


def reading(*sql: str) -> Any:
    """How a payload is read, by statements of the test's."""

    async def statements(_: Outcome) -> list[tuple[str, list[Any]]]:
        return [(each, []) for each in sql]

    return statements


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("state", ["40P01", "40001"])
async def test_what_another_attempt_may_mend_is_tried_again(
    do: Run, pool: Pool, owner: Any, titles: Titles, trials: Trials, state: str, key: bool
) -> None:
    keyed = str(uuid4()) if key else None
    outcome = await do(fail_sometimes, state=state, times=ATTEMPTS - 1, key=keyed)

    assert outcome.refusals == []
    assert await trials() == ATTEMPTS
    assert await titles() == ["at last"]
    await assert_clean(pool, owner)


async def test_not_without_end(do: Run, pool: Pool, owner: Any, titles: Titles, trials: Trials) -> None:
    with pytest.raises(asyncpg.SerializationError):
        await do(fail_sometimes, state="40001", times=100)

    assert await trials() == ATTEMPTS
    assert await titles() == []
    await assert_clean(pool, owner)


async def test_any_other_error_is_not(do: Run, titles: Titles, trials: Trials) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await do(fail_sometimes, state="23514", times=1)

    assert await trials() == 1
    assert await titles() == []


async def test_two_rules_that_wait_for_each_other_in_their_last_batches(
    make_pool: Callable[..., Pool], owner: Any, caller: Actor, titles: Titles
) -> None:
    """PostgreSQL ends one of them, which is done again: both are done, once."""
    pool = make_pool(2)
    do = runs(pool, caller)
    one, other = [str((await do(plan, title=title, ending="well")).values["pot"][0]) for title in "ab"]
    sent: list[list[str]] = []
    pool.listeners.append(lambda statements: sent.append([*statements]))

    outcomes = await asyncio.gather(do(rename_both, first=one, second=other), do(rename_both, first=other, second=one))

    assert [outcome.refusals for outcome in outcomes] == [[], []]
    assert sum(PAUSE in batch for batch in sent) == 3
    assert sorted(await titles()) == sorted(["renamed", "renamed", f"{one} {other}", f"{other} {one}"])
    await assert_clean(pool, owner)


async def test_a_lock_that_is_waited_for_too_long_in_the_last_batch(
    make_pool: Callable[..., Pool], owner: asyncpg.Pool[Any], caller: Actor, titles: Titles
) -> None:
    pool = make_pool(1, lock_timeout=0.1)
    do = runs(pool, caller)
    one = str((await do(plan, title="a", ending="well")).values["pot"][0])
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM pots.pots WHERE id = $1::uuid FOR UPDATE", one)
        with pytest.raises(RowsBusy):
            await do(rename_both, first=one, second=one)

    assert await titles() == ["a"]
    await assert_clean(pool, owner)


@pytest.mark.parametrize("key", [False, True])
async def test_a_deferred_constraint_takes_everything_back(
    do: Run, pool: Pool, owner: Any, titles: Titles, kept: Callable[[str], Awaitable[Any]], key: bool
) -> None:
    """And before the payload is read: nothing is shown of what was not done."""
    keyed, sent = str(uuid4()), list[list[str]]()
    pool.listeners.append(lambda statements: sent.append([*statements]))
    with pytest.raises(asyncpg.PostgresError, match="no entries"):
        await do(plan, title="A", ending="by a constraint", key=keyed if key else None, reading=reading(WHO_READS))

    assert await titles() == []
    assert await kept(keyed) is None
    assert sum("SAVEPOINT payload" in batch for batch in sent) == 1
    await assert_clean(pool, owner)


async def test_the_payload_is_read_as_the_caller_in_the_batch_of_the_commit(
    do: Run, pool: Pool, owner: Any, caller: Actor
) -> None:
    sent: list[list[str]] = []
    pool.listeners.append(lambda statements: sent.append([*statements]))
    outcome = await do(plan, title="A", ending="well", reading=reading(WHO_READS, "SELECT NULL::text"))

    assert outcome.payload == [f"lango_member {caller.user_id}".encode(), None]
    assert sent[-1][-2:] == ["SELECT NULL::text", "COMMIT"]
    assert sum("COMMIT" in batch for batch in sent) == 1
    await assert_clean(pool, owner)


async def test_what_is_opened_is_open_to_the_payload_alone(pool: Pool, owner: Any, caller: Actor) -> None:
    tx = RuleTransaction(services_over(pool), caller)
    tx.begin(caller.database_role)
    await WHO.run(tx)
    opened = uuid4()
    tx.open_to_caller(opened)
    found = await tx.finish([("SELECT current_setting('lango.opened_rows')", ())])

    assert found == [str(opened).encode()]
    assert await pool.ask("SELECT current_setting('lango.opened_rows')") == b""
    await assert_clean(pool, owner)


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("failing", [[BROKEN], ["SELECT 'seen'", BROKEN], ["SELEKT"], ["SELECT no_such_column"]])
async def test_a_payload_that_fails_takes_nothing_back(
    do: Run,
    pool: Pool,
    owner: Any,
    titles: Titles,
    kept: Callable[[str], Awaitable[Any]],
    failing: list[str],
    key: bool,
) -> None:
    keyed = str(uuid4())
    outcome = await do(plan, title="A", ending="well", key=keyed if key else None, reading=reading(*failing))

    assert isinstance(outcome.payload, asyncpg.PostgresError)
    assert outcome.refusals == []
    assert outcome.values["pot"]
    assert await titles() == ["A"]
    assert (await kept(keyed) is not None) is key
    await assert_clean(pool, owner)


async def test_a_payload_that_is_too_large_takes_nothing_back(
    make_pool: Callable[..., Pool], owner: Any, caller: Actor, titles: Titles
) -> None:
    """It is not kept either, and the connection goes on being used."""
    pool = make_pool(1, max_answer_bytes=100_000)
    before = await pool.pid()
    large = reading("SELECT repeat('x', 60000)", "SELECT repeat('x', 50000000)", "SELECT 'after'")
    outcome = await runs(pool, caller)(plan, title="A", ending="well", reading=large)

    assert isinstance(outcome.payload, AnswerTooLarge)
    assert await titles() == ["A"]
    assert await pool.pid() == before
    (connection,) = await pool.connections()
    assert len(connection._buffer) == 0
    await assert_clean(pool, owner)


async def test_a_payload_that_cannot_be_planned_is_no_error_of_the_rule(do: Run, titles: Titles) -> None:
    async def broken(_: Outcome) -> Any:
        raise RuntimeError("a bug")

    outcome = await do(plan, title="A", ending="well", reading=broken)

    assert outcome.payload is None
    assert await titles() == ["A"]


async def test_a_refusal_reads_no_payload(do: Run, pool: Pool) -> None:
    sent: list[list[str]] = []
    pool.listeners.append(lambda statements: sent.append([*statements]))
    outcome = await do(plan, title="A", ending="refused", reading=reading(WHO_READS))

    assert not outcome.payload
    assert not any(WHO_READS in batch for batch in sent)


async def test_a_dry_run_says_what_the_constraints_say(pool: Pool, owner: Any, caller: Actor, titles: Titles) -> None:
    tx = RuleTransaction(services_over(pool), caller)
    tx.begin(caller.database_role)
    await WHO.run(tx)
    tx.set_role(DatabaseRole.RULES)
    tx.save(pot_of(caller.user_id, "never"))  # type: ignore[arg-type]
    tx.send(UNBALANCED)
    with pytest.raises(asyncpg.PostgresError, match="no entries"):
        await tx.check()
    await tx.rollback()

    assert await titles() == []
    await assert_clean(pool, owner)
