"""Connections end and networks fail under a rule: what was to be done is done once, and what is not known is said so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.actor import Actor
from lango.db.connection import Connection
from lango.db.postgres import async_url
from lango.db.transaction import COMMIT, OpenTransaction
from lango.db.wire import name_of
from lango.errors import OutcomeUnknown
from lango.rules.transaction import IMMEDIATE
from resolvers.kernel import idempotency
from tests.reads.conftest import BACKEND, Pool, assert_clean
from tests.relay import Relay
from tests.rules.conftest import Run, Titles, runs, services_over
from tests.rules.trials import SLOW, WHO, plan, rename_both

# Where a rule is cut off that looks as the caller, as the rules, and once more, and then commits.
BEFORE_COMMIT = {
    "before its first batch": "BEGIN",
    "within its first batch": f"/* lango_member */ {WHO.sql}",
    "between two batches": WHO.sql,
    "before its last batch": IMMEDIATE.sql,
    "before the commit": COMMIT.sql,
}


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("sql", BEFORE_COMMIT.values(), ids=BEFORE_COMMIT)
async def test_a_connection_that_breaks_before_the_commit_has_reached_the_server(
    network: tuple[Relay, str], relayed: Pool, do_relayed: Run, owner: Any, titles: Titles, sql: str, key: bool
) -> None:
    """Nothing was done. Done again where that is certain or a key decides; else it is not guessed at."""
    await do_relayed(plan, title="before", ending="well")
    network[0].cut_before(sql)
    given = {"title": "A", "ending": "well", "key": str(uuid4()) if key else None}
    if key or sql not in (IMMEDIATE.sql, COMMIT.sql):
        assert (await do_relayed(plan, **given)).refusals == []
        assert await titles() == ["before", "A"]
    else:
        # From here it cannot be seen whether the last batch arrived.
        with pytest.raises(OutcomeUnknown):
            await do_relayed(plan, **given)
        assert await titles() == ["before"]

    assert network[0].sent_as_planned
    await assert_clean(relayed, owner)


async def test_a_commit_whose_answer_is_lost_is_not_guessed_at(
    network: tuple[Relay, str], relayed: Pool, do_relayed: Run, owner: Any, titles: Titles
) -> None:
    network[0].lose_the_answer_of_commit()
    with pytest.raises(OutcomeUnknown):
        await do_relayed(plan, title="A", ending="well")

    assert await titles() == ["A"]
    await assert_clean(relayed, owner)


async def test_with_a_key_the_outcome_is_found(
    network: tuple[Relay, str], relayed: Pool, do_relayed: Run, owner: Any, titles: Titles
) -> None:
    network[0].lose_the_answer_of_commit()
    outcome = await do_relayed(plan, title="A", ending="well", key=str(uuid4()))

    (made,) = await owner.fetch("SELECT id FROM pots.pots WHERE title = 'A' ORDER BY created_at DESC LIMIT 1")
    assert outcome.values == {"pot": [str(made["id"])]}
    assert await titles() == ["A"]
    await assert_clean(relayed, owner)


async def test_a_refusal_whose_answer_is_lost_is_found_by_its_key(
    network: tuple[Relay, str], relayed: Pool, do_relayed: Run, owner: Any, kept: Callable[[str], Awaitable[Any]]
) -> None:
    key = str(uuid4())
    network[0].lose_the_answer_of_commit()
    outcome = await do_relayed(plan, title="A", ending="refused", key=key)

    assert [refusal["code"] for refusal in outcome.refusals] == ["NOT_TODAY"]
    assert await kept(key)
    await assert_clean(relayed, owner)


async def test_where_it_cannot_be_asked_for_either_it_stays_unknown(
    network: tuple[Relay, str], do_relayed: Run, titles: Titles
) -> None:
    key = str(uuid4())
    network[0].lose_the_answer_of_commit(and_be_away=True)
    with pytest.raises(OutcomeUnknown):
        await do_relayed(plan, title="A", ending="well", key=key)
    network[0].is_away = False

    assert (await do_relayed(plan, title="A", ending="well", key=key)).refusals == []
    assert await titles() == ["A"]


async def test_a_server_that_ends_after_its_answer_to_the_commit_has_done_it(
    network: tuple[Relay, str], relayed: Pool, do_relayed: Run, owner: Any, titles: Titles
) -> None:
    """It says so before it is shut down: nothing is unknown, and nothing done twice."""
    network[0].end_after_commit()
    outcome = await do_relayed(plan, title="A", ending="well")

    assert outcome.refusals == []
    assert await titles() == ["A"]
    await assert_clean(relayed, owner)


async def test_a_server_that_ends_after_its_answer_to_a_look_up_is_asked_again(
    network: tuple[Relay, str], relayed: Pool, do_relayed: Run, owner: Any, titles: Titles
) -> None:
    for nth in (1, 2):
        network[0].end_before_ready(nth)
        outcome = await do_relayed(plan, title=f"A{nth}", ending="well")
        assert outcome.refusals == []

    assert await titles() == ["A1", "A2"]
    await assert_clean(relayed, owner)


@pytest.mark.usefixtures("directly")
async def test_a_connection_that_was_closed_while_it_was_idle(
    pool: Pool, do: Run, owner: Any, titles: Titles, end: Callable[[int], Any]
) -> None:
    await do(plan, title="before", ending="well")
    pid = await pool.pid()
    await end(pid)

    assert (await do(plan, title="A", ending="well")).refusals == []
    assert await titles() == ["before", "A"]
    assert await pool.pid() != pid
    await assert_clean(pool, owner)


@pytest.mark.usefixtures("directly")
@pytest.mark.parametrize("at", ["the first", "a later", "the last"])
async def test_a_server_process_that_is_ended(
    pool: Pool, do: Run, owner: Any, titles: Titles, end: Callable[[int], Any], monkeypatch: Any, at: str
) -> None:
    """By an administrator, before that batch; once. Also without a key: it had not come to the commit."""
    await do(plan, title="before", ending="well")
    exchange, met, loop = Connection.exchange, list[str](), asyncio.get_running_loop()
    wanted = {"the first": "BEGIN", "a later": SLOW.sql, "the last": COMMIT.sql}[at]

    async def ended_first(connection: Connection, commands: Any, options: Any) -> Any:
        await end(connection.server_pid)
        await asyncio.sleep(0.05)
        return await exchange(connection, commands, **options)

    def noted(connection: Connection, commands: Any, **options: Any) -> Any:
        if not met and any(command.sql == wanted for command in commands):
            met.append(wanted)
            return loop.create_task(ended_first(connection, commands, options))
        return exchange(connection, commands, **options)

    monkeypatch.setattr(Connection, "exchange", noted)
    assert (await do(plan, title="A", ending="well")).refusals == []

    assert met
    assert await titles() == ["before", "A"]
    await assert_clean(pool, owner)


@pytest.mark.usefixtures("directly")
async def test_a_server_process_that_is_ended_within_the_last_batch(
    pool: Pool, do: Run, owner: asyncpg.Pool[Any], titles: Titles, end: Callable[[int], Any]
) -> None:
    """It waits for a row that somebody else has locked, so it had not come to the commit: done again."""
    await do(plan, title="one", ending="well")
    one = str(await owner.fetchval("SELECT id FROM pots.pots WHERE title = 'one' ORDER BY created_at DESC LIMIT 1"))
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM pots.pots WHERE id = $1::uuid FOR UPDATE", one)
        task = asyncio.create_task(do(rename_both, first=one, second=one))
        await asyncio.sleep(0.2)
        (pid,) = pool.pids
        await end(pid)
    assert (await task).refusals == []

    assert len(await titles()) == 2
    await assert_clean(pool, owner)


async def test_the_database_is_away(make_pool: Any, settings: Any, caller: Actor) -> None:
    nowhere = Pool(async_url("postgresql://lango_gateway@127.0.0.1:1/nothing"), settings)
    with pytest.raises(OSError, match="Connect call failed"):
        await runs(nowhere, caller)(plan, title="A", ending="well")

    assert nowhere.busy == 0
    assert nowhere.shares.waiting() == 0


async def test_what_the_server_says_may_arrive_in_any_pieces(pool: Pool, monkeypatch: Any, caller: Actor) -> None:
    """Byte by byte, and in pieces of every size: the rows of a transaction are the same."""
    received, size = Connection.data_received, 1

    def in_pieces(connection: Connection, data: bytes) -> None:
        for place in range(0, len(data), size):
            received(connection, data[place : place + size])

    monkeypatch.setattr(Connection, "data_received", in_pieces)
    for size in (1, 2, 3, 5, 7, 13, 64):  # noqa: B007 - `in_pieces` reads it
        tx = OpenTransaction(pool, caller)
        found = await tx.texts(
            [("SELECT repeat('é', 40)", ()), ("SELECT NULL::text", ()), ("SELECT 'x' WHERE false", ())]
        )
        await tx.commit()
        assert found == [("é" * 40).encode(), None, None]


async def test_a_claim_that_is_lost_with_its_connection_is_made_again(
    network: tuple[Relay, str], do_relayed: Run, titles: Titles, kept: Callable[[str], Awaitable[Any]]
) -> None:
    await do_relayed(plan, title="before", ending="well", key=str(uuid4()))
    key = str(uuid4())
    network[0].cut_before(idempotency.CLAIM.sql)
    assert (await do_relayed(plan, title="A", ending="well", key=key)).refusals == []

    assert await titles() == ["before", "A"]
    assert await kept(key)


def test_the_statements_that_are_cut_off_are_named_as_on_the_wire() -> None:
    assert len({name_of(sql) for sql in BEFORE_COMMIT.values()}) == len(BEFORE_COMMIT)


async def test_a_cancelled_commit_tells_nobody_anything_false(
    network: tuple[Relay, str], relayed: Pool, do_relayed: Run, owner: Any, titles: Titles
) -> None:
    """Cancelled while the COMMIT's answer is under way: it was done, and the same key finds it."""
    key = str(uuid4())
    await do_relayed(plan, title="before", ending="well")
    network[0].delay = 0.3
    task = asyncio.create_task(do_relayed(plan, title="A", ending="well", key=key))
    async with asyncio.timeout(10):
        while network[0].seen["COMMIT"] < 2:  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    network[0].delay = 0.0

    assert task.cancelled()
    assert (await do_relayed(plan, title="A", ending="well", key=key)).refusals == []
    assert await titles() == ["before", "A"]
    assert await relayed.ask(BACKEND)
    await assert_clean(relayed, owner)


async def test_last_look_ups_go_with_the_commit_and_are_done_again_where_their_answer_is_lost(
    network: tuple[Relay, str], relayed: Pool, owner: Any
) -> None:
    sent: list[list[str]] = []
    relayed.listeners.append(lambda batch: sent.append([*batch]))

    async def look() -> Any:
        async with services_over(relayed).work() as tx:
            return await tx.fetch_last(WHO.query())

    found = await look()
    assert [(batch[0], batch[-1]) for batch in sent] == [("BEGIN", "COMMIT")]
    network[0].lose_the_answer_of_commit()

    assert await look() == found
    assert network[0].seen["COMMIT"] == 3
    await assert_clean(relayed, owner)
