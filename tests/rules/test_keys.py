"""The claim of an idempotency key: fresh, taken and done, taken and running, expired, and two at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.actor import Actor
from lango.errors import BadUserInput
from tests.reads.conftest import Pool, assert_clean
from tests.rules.conftest import Run, Titles, runs
from tests.rules.trials import plan

Kept = Callable[[str], Awaitable[Any]]


@pytest.fixture
def key() -> str:
    return str(uuid4())


async def test_a_fresh_one_is_claimed_in_the_batch_of_the_begin(do: Run, pool: Pool, key: str, kept: Kept) -> None:
    sent: list[list[str]] = []
    pool.listeners.append(lambda statements: sent.append([*statements]))
    outcome = await do(plan, title="A", ending="well", key=key)

    assert outcome.refusals == []
    assert [batch[0] for batch in sent].count("BEGIN") == 1
    assert "idempotency_keys" in sent[0][2]
    assert "idempotency_keys" in " ".join(sent[-1])
    assert sum("idempotency_keys" in sql for batch in sent for sql in batch) == 2
    assert (await kept(key))["outcome"]


async def test_one_that_is_taken_and_done_answers_as_the_first_call_did(
    do: Run, pool: Pool, owner: Any, key: str, titles: Titles
) -> None:
    first = await do(plan, title="A", ending="well", key=key)
    again = await do(plan, title="A", ending="well", key=key)

    assert again.values == first.values
    assert await titles() == ["A"]
    await assert_clean(pool, owner)


async def test_a_refusal_is_answered_again_too(do: Run, pool: Pool, owner: Any, key: str) -> None:
    outcomes = [await do(plan, title="A", ending="refused", key=key) for _ in range(2)]

    assert [[refusal["code"] for refusal in outcome.refusals] for outcome in outcomes] == [["NOT_TODAY"]] * 2
    await assert_clean(pool, owner)


@pytest.mark.parametrize("ending", ["in SQL", "in Python", "in the last batch", "by a constraint"])
async def test_after_an_error_the_key_is_free(
    do: Run, pool: Pool, owner: Any, key: str, kept: Kept, titles: Titles, ending: str
) -> None:
    with pytest.raises((asyncpg.PostgresError, KeyError)):
        await do(plan, title="A", ending=ending, key=key)

    assert await kept(key) is None
    await assert_clean(pool, owner)
    assert (await do(plan, title="A", ending="well", key=key)).refusals == []
    assert await titles() == ["A"]


async def test_another_input_under_the_same_key_is_refused(
    do: Run, pool: Pool, owner: Any, key: str, titles: Titles
) -> None:
    await do(plan, title="A", ending="well", key=key)
    outcome = await do(plan, title="B", ending="well", key=key)

    assert [refusal["code"] for refusal in outcome.refusals] == ["IDEMPOTENCY_KEY_REUSED"]
    assert await titles() == ["A"]
    await assert_clean(pool, owner)


async def test_one_that_is_taken_by_a_call_that_runs_is_in_progress(
    make_pool: Callable[..., Pool], owner: asyncpg.Pool[Any], caller: Actor, key: str, titles: Titles
) -> None:
    """After a lock has been waited for as long as the settings allow."""
    pool = make_pool(2, lock_timeout=0.2)
    do = runs(pool, caller)
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO platform.idempotency_keys (scope, operation, key, request_hash, expires_at)"
            " VALUES ($1, 'plan', $2, 'x', now() + interval '1 hour')",
            f"user:{caller.user_id}", key,
        )  # fmt: skip
        began = asyncio.get_running_loop().time()
        outcome = await do(plan, title="A", ending="well", key=key)
        waited = asyncio.get_running_loop().time() - began

        assert [refusal["code"] for refusal in outcome.refusals] == ["IN_PROGRESS"]
        assert 0.2 <= waited < 5
        await connection.execute("DELETE FROM platform.idempotency_keys WHERE key = $1", key)

    assert (await do(plan, title="A", ending="well", key=key)).refusals == []
    assert await titles() == ["A"]
    await assert_clean(pool, owner)


async def test_one_that_has_expired_is_claimed_anew(
    do: Run, pool: Pool, owner: asyncpg.Pool[Any], key: str, titles: Titles
) -> None:
    await do(plan, title="A", ending="well", key=key)
    await owner.execute("UPDATE platform.idempotency_keys SET expires_at = now() WHERE key = $1", key)
    other = await do(plan, title="B", ending="well", key=key)
    again = await do(plan, title="B", ending="well", key=key)

    assert other.refusals == []
    assert again.values == other.values
    assert await titles() == ["A", "B"]
    await assert_clean(pool, owner)


async def test_an_expired_one_is_free_again_where_the_new_call_fails(
    do: Run, pool: Pool, owner: asyncpg.Pool[Any], key: str, titles: Titles
) -> None:
    await do(plan, title="A", ending="well", key=key)
    await owner.execute("UPDATE platform.idempotency_keys SET expires_at = now() WHERE key = $1", key)
    with pytest.raises(KeyError):
        await do(plan, title="A", ending="in Python", key=key)

    assert (await do(plan, title="A", ending="well", key=key)).refusals == []
    assert await titles() == ["A", "A"]
    await assert_clean(pool, owner)


@pytest.mark.parametrize("pools", [1, 2])
async def test_many_at_once_are_one_call(
    make_pool: Callable[..., Pool], owner: Any, caller: Actor, key: str, titles: Titles, pools: int
) -> None:
    """Over one gateway, and over two that know nothing of each other."""
    over = [make_pool(4) for _ in range(pools)]
    outcomes = await asyncio.gather(
        *(runs(over[number % pools], caller)(plan, title="A", ending="well", key=key) for number in range(24))
    )

    assert [outcome.refusals for outcome in outcomes] == [[]] * 24
    assert len({outcome.values["pot"][0] for outcome in outcomes}) == 1
    assert await titles() == ["A"]
    for each in over:
        await assert_clean(each, owner)


async def test_many_at_once_whose_first_calls_fail_are_done_once(
    make_pool: Callable[..., Pool], owner: Any, caller: Actor, key: str, titles: Titles, monkeypatch: Any
) -> None:
    """Whoever waited for a call that failed claims the key itself."""
    pool, tries = make_pool(4), 0
    from tests.rules import trials

    made = trials.pot_of

    def sometimes(*given: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise KeyError("a bug")
        return made(*given)

    monkeypatch.setattr(trials, "pot_of", sometimes)
    outcomes = await asyncio.gather(
        *(runs(pool, caller)(plan, title="A", ending="well", key=key) for _ in range(12)), return_exceptions=True
    )

    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(error) for error in failed] == [KeyError] * 3
    assert tries == 4
    assert await titles() == ["A"]
    await assert_clean(pool, owner)


async def test_what_is_no_key_is_refused_before_anything_is_sent(do: Run, pool: Pool) -> None:
    with pytest.raises(BadUserInput):
        await do(plan, title="A", ending="well", key="")

    assert not pool._open


async def test_a_key_is_ones_own(pool: Pool, caller: Actor, make: Any, key: str, titles: Titles) -> None:
    from models.identity import User

    other = Actor((await make(User)).id)
    await runs(pool, other)(plan, title="A", ending="well", key=key)
    assert (await runs(pool, caller)(plan, title="A", ending="well", key=key)).refusals == []

    assert await titles() == ["A"]
