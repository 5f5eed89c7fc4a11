"""What is due: each row is done by itself, and one that fails stops none of the others, on no run (docs/adr/0024)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    Uuid,
    all_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
)

from lango.db.pipeline import Pipeline
from lango.db.prepared import Lookup, Prepared
from lango.errors import state_of
from lango.jobs.gauges import gauge
from lango.jobs.job import Job
from lango.providers import ProviderUnavailable
from lango.rules.services import Services
from lango.rules.together import do_together
from lango.rules.transaction import RuleTransaction
from models.platform import DueFailure
from resolvers.kernel import clock
from resolvers.kernel.running import ATTEMPTS, RETRIED

log = structlog.get_logger("lango.due")

PAGE = 1000
# How many rows share a transaction; and the seconds that they wait for a lock, and may take in all, before each is done
# by itself: all that they have locked waits with them.
TOGETHER, LOCK_TIMEOUT, TOGETHER_TIMEOUT = 50, 0.25, 5.0
# Seconds that one row may take; and the parts of a job's time after which no row is begun, and none goes on: the job
# ends by itself, and a row that takes too long is noted, where the worker's own limit would let it be met first again.
ROW_TIMEOUT, SPENT, ENDED = 30.0, 0.8, 0.95
# Seconds until a row that failed is tried again: the first time, each time twice as long, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 60, 3600
# At most, where an outside service is away: that ends for all rows at once.
LONGEST_OUTAGE = 300
# How many calls of an outside service may be under way.
CALLS_AT_ONCE = 8

# A row that is due, and what it shares with those that it is done beside.
Row = tuple[UUID, Any]
# Acts on rows, all of them or none.
Act = Callable[[Services, Sequence[Row]], Awaitable[None]]
# Of a process's connections, those that the rows of all its jobs share.
_turns: WeakKeyDictionary[Pipeline, asyncio.Semaphore] = WeakKeyDictionary()
_failure = DueFailure.table().c
_of_job = _failure.job == bindparam("job", type_=Text)


class Due:
    """Which rows are due: a column with their ids, and how they are chosen.

    `how` gets the SELECT of that column and narrows it; a LIMIT it has no need of. Rows that have the same value of the
    column `beside` are done one after the other, where others are done at once: they would wait for the same lock.
    Whoever acts on a row then gets that value as well.
    """

    def __init__(self, key: Any, how: Callable[[Select[Any]], Select[Any]], *, beside: Any = None) -> None:
        self.have_beside = beside is not None
        self._beside = beside if self.have_beside else key
        failed = select(_failure.job).where(_of_job, _failure.row_key == key)
        paused = failed.where(_failure.next_try_at > bindparam("until"))
        self._fresh = self._chosen(key, how, ~failed.exists())
        self._again = self._chosen(key, how, failed.exists() & ~paused.exists())

    def _chosen(self, key: Any, how: Callable[[Select[Any]], Select[Any]], when: ColumnElement[bool]) -> Lookup:
        unseen = key != all_(bindparam("seen", type_=ARRAY(Uuid)))
        return Lookup([key, self._beside], lambda rows: how(rows).where(when, unseen).limit(literal_column(str(PAGE))))

    async def page(
        self, services: Services, job: str, without: set[UUID], again: datetime | None, given: dict[str, Any]
    ) -> list[Row]:
        """Some `without` these: those that have not failed; or `again`, those that may be tried again then."""
        async with services.work() as tx:
            if again is None:
                found = await self._fresh.all(tx, job=job, seen=list(without), **given)
            else:
                found = await self._again.all(tx, job=job, seen=list(without), until=again, **given)
        return [(key, beside) for key, beside in found]


async def each(
    services: Services,
    job: Job[..., Any],
    rows: Due,
    act: Callable[..., Awaitable[None]],
    *,
    part: str = "",
    together: int = 1,
    **given: Any,
) -> None:
    """Act on each row that is due: by `act(tx, key)`, or `act(tx, key, beside)` where there is one.

    `act` locks the row and looks again: another worker may have acted. `part` names which of several kinds of rows of
    one job it is. As many transactions run at once, of all such jobs, as leave half of the worker's connections to
    others; each locks in the one order of locks, as callers' rules do, which they meet anyway.

    So many rows are done `together`, in one transaction, and those of which any fails by themselves, each in its own:
    TOGETHER where rows that have nothing in common `beside` change nothing in common (lango/rules/together.py).
    """

    async def act_on(services: Services, some: Sequence[Row]) -> None:
        acts = [partial(on_row, key=key, beside=beside) for key, beside in some]
        if len(acts) > 1:
            await do_together(services, acts, LOCK_TIMEOUT)
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with services.work() as tx:
                    await acts[0](tx)
                return
            except Exception as error:
                if attempt == ATTEMPTS or state_of(error) not in RETRIED:
                    raise

    async def on_row(tx: RuleTransaction, *, key: UUID, beside: Any) -> None:
        await (act(tx, key, beside) if rows.have_beside else act(tx, key))

    at_once = services.settings.worker_concurrency // 2
    turns = _turns.setdefault(services.pipeline, asyncio.Semaphore(at_once))
    await _Run(services, job, rows, act_on, part, at_once, turns, given, together).run()


async def each_apart(
    services: Services,
    job: Job[..., Any],
    rows: Due,
    act: Callable[[Services, UUID], Awaitable[None]],
    *,
    at_once: int,
    **given: Any,
) -> None:
    """Act on each row that is due, where `act` opens its own transactions: none while it calls an outside service.

    So many of them `at_once`: CALLS_AT_ONCE where a service is called, which may answer slowly.
    """

    async def alone(services: Services, some: Sequence[Row]) -> None:
        ((key, _),) = some
        await act(services, key)

    await _Run(services, job, rows, alone, "", at_once, asyncio.Semaphore(at_once), given).run()


class _Run:
    """One run of a job: first the rows that have not failed before, then those whose pause is over."""

    def __init__(
        self,
        services: Services,
        job: Job[..., Any],
        rows: Due,
        act: Act,
        part: str,
        at_once: int,
        turns: asyncio.Semaphore,
        given: dict[str, Any],
        together: int = 1,
    ) -> None:
        """So many calls of `act` are made `at_once`, each for so many rows at most `together`, and in one of the
        `turns`."""
        self.services = services
        self.name = f"{job.name}.{part}" if part else job.name
        self.rows = rows
        self.act = act
        self.given = given
        self.together = together
        self.seen: set[UUID] = set()
        # Those that were due still after they had been done.
        self.still_due: set[UUID] = set()
        self.at_once, self.turns = at_once, turns
        now = asyncio.get_running_loop().time()
        self._last_begin, self._end = now + job.timeout * SPENT, now + job.timeout * ENDED

    async def run(self) -> None:
        await self._all(None)
        async with self.services.work() as tx:
            begun = await clock.now(tx)
        if await self._all(begun):
            async with self.services.work() as tx:
                FORGET.send(tx, job=self.name, until=begun)

    async def _all(self, again: datetime | None) -> bool:
        """Whether all were seen: what is left when the time is over is for the next run."""
        while left := await self._page(again):
            lanes = [asyncio.create_task(self._lane(left, again)) for _ in range(self.at_once)]
            try:
                all_done = all(await asyncio.gather(*lanes))
            finally:
                # Where one has failed, or the job is cancelled, no other goes on behind it.
                for lane in lanes:
                    lane.cancel()
                await asyncio.wait(lanes)
            if not all_done:
                log.warning("due_rows_left", job=self.name)
                return False
        return True

    async def _page(self, again: datetime | None) -> deque[tuple[Any, list[UUID]]]:
        """Some that have not been seen. Those of one list are done one after the other, beside what comes with it."""
        groups: dict[Any, list[UUID]] = {}
        while not groups:
            found = await self.rows.page(self.services, self.name, self.still_due, again, self.given)
            if not found:
                break
            # Few are: sent along with each page, all that have been seen would be more with each.
            self.still_due.update(key for key, _ in found if key in self.seen)
            for key, beside in found:
                if key not in self.seen:
                    groups.setdefault(beside, []).append(key)
        return deque(groups.items())

    async def _lane(self, left: deque[tuple[Any, list[UUID]]], again: datetime | None) -> bool:
        """Do what is left, beside others that do the same; False where the time is over before."""
        # What has failed before is likely to fail again.
        together = self.together if again is None else 1
        while left:
            groups = [left.popleft() for _ in range(min(together, len(left)))]
            some = [(keys.pop(0), beside) for beside, keys in groups]
            for key, beside in some if not await self._together(some) else ():
                async with self.turns:
                    if asyncio.get_running_loop().time() > self._last_begin:
                        return False
                    self.seen.add(key)
                    await self._one(key, beside, again)
            left.extend(group for group in groups if group[1])
        return True

    async def _together(self, rows: Sequence[Row]) -> bool:
        """Whether these rows have been done in one transaction; if not, nothing of it has."""
        if len(rows) == 1:
            return False
        async with self.turns:
            left = self._last_begin - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(min(TOGETHER_TIMEOUT, left)):
                    await self.act(self.services, rows)
            except Exception as error:
                # Which of them it was shows when each is done by itself.
                log.info("due_rows_done_singly", job=self.name, rows=len(rows), error=type(error).__name__)
                return False
        self.seen.update(key for key, _ in rows)
        return True

    async def _one(self, key: UUID, beside: Any, again: datetime | None) -> None:
        left = self._end - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(ROW_TIMEOUT, left)):
                await self.act(self.services, [(key, beside)])
        except Exception as error:
            await self._failed(key, error)
        else:
            if again is not None:
                async with self.services.work() as tx:
                    DONE.send(tx, job=self.name, key=key)

    async def _failed(self, key: UUID, error: Exception) -> None:
        longest = LONGEST_OUTAGE if isinstance(error, ProviderUnavailable) else LONGEST_PAUSE
        async with self.services.work() as tx:
            ((attempts,),) = await FAILED.run(tx, job=self.name, key=key, error=type(error).__name__, longest=longest)
        log.error("due_row_failed", job=self.name, key=str(key), attempts=attempts, exc_info=error)
        if self.services.metrics is not None:
            self.services.metrics.due_failed(self.name)


FAILED = Prepared(
    text(f"""
    INSERT INTO platform.due_failures AS f (job, row_key, attempts, last_error, next_try_at)
    VALUES (:job, :key, 1, :error, now() + make_interval(secs => {FIRST_PAUSE}))
    ON CONFLICT (job, row_key) DO UPDATE SET
        attempts = f.attempts + 1, last_error = EXCLUDED.last_error, failed_at = now(),
        next_try_at = now() + make_interval(
            secs => least({FIRST_PAUSE} * 2.0 ^ least(f.attempts, 20), CAST(:longest AS int)))
    RETURNING attempts
    """)
)
DONE = Prepared(delete(DueFailure.table()).where(_of_job, _failure.row_key == bindparam("key", type_=Uuid)))
# Those that might have been tried again and were not chosen: they are due no more.
FORGET = Prepared(delete(DueFailure.table()).where(_of_job, _failure.next_try_at <= bindparam("until")))
STANDING = Lookup([_failure.job, func.count()], lambda rows: rows.group_by(_failure.job))


@gauge("lango_due_failures", label="job")
async def standing(services: Services) -> dict[str, int]:
    """Rows that a scheduled job could not do something about and tries again later, by job."""
    async with services.work() as tx:
        return {job: int(count) for job, count in await STANDING.all(tx)}
