"""What nobody waits for any more is cancelled at the server, and an answer that is too large is not read to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from lango.actor import Actor
from lango.db.connection import CONTEXT, Connection
from lango.db.wire import name_of
from lango.errors import AnswerTooLarge
from tests.reads.conftest import WHO, Pool, activity, assert_clean, staff


async def working(owner: Any, mark: str) -> int:
    ((number,),) = await activity(
        owner,
        f"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{mark}%' AND state = 'active'"
        " AND pid <> pg_backend_pid() AND datname = current_database()",
    )
    return int(number)


async def test_a_cancelled_read_is_cancelled_at_the_server(
    make_pool: Callable[..., Pool], owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a request of its own: closing the connection alone is noticed only when the server looks."""
    pool = make_pool(2)
    await pool.ask("SELECT set_config('client_connection_check_interval', '0', false)")
    mark = uuid4().hex
    task = asyncio.create_task(pool.ask(f"SELECT '{mark}', pg_sleep(30)::text"))
    while not await working(owner, mark):  # noqa: ASYNC110 - the server is asked, nothing here could tell
        await asyncio.sleep(0.01)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    started = time.monotonic()
    # Long before a statement takes too long.
    while await working(owner, mark) and time.monotonic() - started < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert not await working(owner, mark)
    await assert_clean(pool, owner)


async def test_an_answer_that_is_too_large_is_refused_while_it_is_read(
    make_pool: Callable[..., Pool], owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, received, most = make_pool(1, max_answer_bytes=100_000), Connection.data_received, 0

    def watched(self: Connection, data: bytes) -> None:
        nonlocal most
        received(self, data)
        most = max(most, len(self._buffer))

    monkeypatch.setattr(Connection, "data_received", watched)
    with pytest.raises(AnswerTooLarge, match="100000 bytes"):
        await pool.ask("SELECT repeat('x', 50000000)")

    assert most < 1_000_000
    assert await pool.ask("SELECT repeat('x', 90000)") == b"x" * 90_000
    await assert_clean(pool, owner)


async def test_the_statements_of_an_operation_have_one_limit_together(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(1, max_answer_bytes=100_000)
    asked = [("SELECT repeat('x', 30000)", ())] * 3
    assert [len(each) for each in await pool.ask_all(asked) if isinstance(each, bytes)] == [30_000] * 3

    with pytest.raises(AnswerTooLarge):
        await pool.ask_all([*asked, asked[0]])


async def test_statements_are_named_by_their_text(pool: Pool) -> None:
    await pool.ask("SELECT 'one'")
    await pool.ask("SELECT 'other'")

    (connection,) = await pool.connections()
    assert connection._statements == {sql: name_of(sql) for sql in (CONTEXT, "SELECT 'one'", "SELECT 'other'")}
    assert name_of("SELECT 'one'") != name_of("SELECT 'other'")


async def test_a_statement_that_the_server_knows_already_is_used(pool: Pool, owner: Any) -> None:
    """As on a server connection of a pooler, on which another client has prepared it."""
    await pool.ask(WHO)
    (connection,) = await pool.connections()
    for sql in (WHO, CONTEXT):
        del connection._statements[sql]
    caller = staff()

    answers = [await pool.ask(WHO, as_=caller) for _ in range(3)]

    assert answers == [f'["lango_staff", "{caller.user_id}"]'.encode()] * 3
    assert await pool.connections() == [connection]
    assert set(connection._statements) == {CONTEXT, WHO}
    await assert_clean(pool, owner)


async def test_statements_that_the_server_has_lost_are_prepared_again(pool: Pool, owner: Any) -> None:
    """As on another server connection of a pooler than the last time."""
    caller = Actor(uuid4())
    asked = [(WHO, ()), ("SELECT 'other'", ())]
    await pool.ask_all(asked, as_=caller)
    (connection,) = await pool.connections()
    await pool.ask("DEALLOCATE ALL")

    answers = [await pool.ask_all(asked, as_=caller) for _ in range(3)]

    assert answers == [[f'["lango_member", "{caller.user_id}"]'.encode(), b"other"]] * 3
    assert await pool.connections() == [connection]
    await assert_clean(pool, owner)
