"""Pots that open at the same moment share a transaction, and each opens as if it had one of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from models.pots import Pot
from models.referrals import Referral
from resolvers.kernel import due
from resolvers.pots import lifecycle
from resolvers.pots.lifecycle import open_due_pots
from tests.books import Books
from tests.factories import Factory, now
from tests.pauses import end_pauses

ROOT = Path(__file__).parents[2]
# Who waits for a lock of that backend, or for the end of its transaction.
WAITING = "SELECT pid FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid))"
EARNED = """
    INSERT INTO referrals.points_ledger (sponsor_user_id, referral_id, event_type, points_earned)
    VALUES ($1, $2, 'pot_opened', 50)
"""
# A worker that would wait longer for what holds it up than one in earnest does.
WORKER = """
import asyncio

from lango.db.pipeline import make_pipeline
from lango.rules.services import Services
from lango.settings import settings
from resolvers.kernel import due
from resolvers.pots.lifecycle import open_due_pots

due.LOCK_TIMEOUT = due.TOGETHER_TIMEOUT = 60.0


async def work():
    await open_due_pots(Services(make_pipeline(settings().database_url.get_secret_value(), settings()), settings()))


asyncio.run(work())
"""


@pytest.fixture
async def sponsor(make: Factory) -> SimpleNamespace:
    return await make(User)


@pytest.fixture
async def pots(make: Factory, sponsor: SimpleNamespace, services: Services, templates: Any) -> list[SimpleNamespace]:
    """Pots that are due, of an owner each, whom the sponsor has brought and who has money left in another."""
    await open_due_pots(services)
    await templates("pot_opened", "{pot_title}")
    return [await due_pot(make, sponsor, place) for place in range(12)]


async def due_pot(make: Factory, sponsor: SimpleNamespace, place: int) -> SimpleNamespace:
    person = await make(User)
    people = {"sponsor_user_id": sponsor.id, "sponsored_user_id": person.id}
    referral = await make(Referral, **people, status="accepted", accepted_at=now())
    left = await make.funded_pot(1000 + place, status="closed", closed_at=now(), owner_user_id=person.id)
    opens_at = now() - timedelta(minutes=place + 1)
    pot = await make(Pot, owner_user_id=person.id, title=f"Pot {place}", status="scheduled", scheduled_open_at=opens_at)
    return SimpleNamespace(id=pot.id, owner_user_id=person.id, title=pot.title, referral=referral, left=left)


class Opened:
    """What has become of the pots."""

    def __init__(self, owner: asyncpg.Pool[Any], books: Books) -> None:
        self.owner, self.books = owner, books

    async def statuses(self, pots: Sequence[Any]) -> list[str]:
        found = await self.owner.fetch(
            "SELECT id, status FROM pots.pots WHERE id = ANY ($1)", [each.id for each in pots]
        )
        by_id = {row["id"]: row["status"] for row in found}
        return [by_id[each.id] for each in pots]

    async def are_whole(self, pots: Sequence[Any], sponsor: Any) -> None:
        """Each is open, and all that goes with it has been done once."""
        assert await self.statuses(pots) == ["open"] * len(pots)
        points = await self.owner.fetch(
            "SELECT referral_id, event_type, points_earned FROM referrals.points_ledger WHERE sponsor_user_id = $1",
            sponsor.id,
        )
        assert sorted(map(tuple, points)) == sorted((each.referral.id, "pot_opened", 50) for each in pots)
        for place, pot in enumerate(pots):
            assert await self.books.events(pot.id) == ["pot.opened"]
            assert await self.books.events(pot.left.id) == ["pot.carried_over"]
            assert await self.books.owed(f"pot:{pot.id}:balance") == 1000 + place
            bodies = "SELECT body FROM notifications.notifications WHERE user_id = $1"
            assert [row["body"] for row in await self.owner.fetch(bodies, pot.owner_user_id)] == [pot.title]
            audited = "SELECT count(*) FROM admin.audit_logs WHERE resource_id = $1 AND action = 'pot_updated'"
            assert await self.owner.fetchval(audited, pot.id) == 1


@pytest.fixture
def opened(owner: asyncpg.Pool[Any], books: Books) -> Opened:
    return Opened(owner, books)


@pytest.fixture
def sent(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The statements of each batch."""
    batches: list[Sequence[str]] = []
    monkeypatch.setattr(services.pipeline, "listeners", [batches.append])
    return batches


def transactions(sent: Sequence[Sequence[str]]) -> list[Sequence[Sequence[str]]]:
    """The batches of each transaction that writes to pots, where one follows the other."""
    found: list[list[Sequence[str]]] = []
    for batch in sent:
        if batch[0] == "BEGIN":
            found.append([])
        found[-1].append(batch)
    return [each for each in found if any("UPDATE pots.pots" in sql for batch in each for sql in batch)]


async def test_all_are_opened_in_two_round_trips(
    services: Services, pots: list[Any], sponsor: Any, opened: Opened, sent: list[Sequence[str]]
) -> None:
    await open_due_pots(services)

    ((looks, writes),) = transactions(sent)
    await opened.are_whole(pots, sponsor)
    # BEGIN and the context; the locks, the time, names, recipients, referrals, wards and what is configured.
    assert len(looks) == 2 + 7
    # A posting for each pot that inherits; the rest for all together, and COMMIT.
    postings = [sql for sql in writes if "ledger.ledger_entries" in sql]
    assert len(postings) == len(pots)
    assert len(writes) - len(postings) <= 8
    assert writes[-1] == "COMMIT"


async def test_more_pots_are_no_more_statements(services: Services, make: Factory, sent: list[Sequence[str]]) -> None:
    await open_due_pots(services)
    counts = []
    for many in (3, 30):
        for _ in range(many):
            person = await make(User)
            await make(Pot, owner_user_id=person.id, status="scheduled", scheduled_open_at=now() - timedelta(minutes=1))
        sent.clear()
        await open_due_pots(services)
        counts.append([[len(batch) for batch in each] for each in transactions(sent)])

    assert counts[0] == counts[1] != []


@pytest.mark.parametrize("way", ["in Python", "in SQL", "at the end"])
async def test_one_that_fails_is_left_and_all_others_open(
    services: Services, pots: list[Any], sponsor: Any, opened: Opened, owner: asyncpg.Pool[Any],
    monkeypatch: pytest.MonkeyPatch, way: str,
) -> None:  # fmt: skip
    original, broken = lifecycle.publish, pots[5]

    def failing(tx: Any, topic: str, key: Any, **payload: Any) -> None:
        original(tx, topic, key, **payload)
        if key == broken.id and way == "in Python":
            raise RuntimeError("a bug")
        if key == broken.id:
            # What has no entries is refused when the transaction ends.
            unbalanced = "INSERT INTO ledger.ledger_transactions (kind) VALUES ('test')"
            tx.send("SELECT 1 / 0" if way == "in SQL" else unbalanced)

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "publish", failing)
        await open_due_pots(services)

    others = [pot for pot in pots if pot is not broken]
    assert await opened.statuses([broken]) == ["scheduled"]
    assert await opened.statuses(others) == ["open"] * len(others)
    failed = await owner.fetch("SELECT row_key FROM platform.due_failures WHERE job = 'openings.open_due_pots'")
    assert [row["row_key"] for row in failed] == [broken.id]
    await end_pauses(owner)
    await open_due_pots(services)
    await opened.are_whole(pots, sponsor)


async def test_several_workers_at_once_open_none_twice(
    services: Services, pots: list[Any], sponsor: Any, opened: Opened, owner: asyncpg.Pool[Any]
) -> None:
    await asyncio.gather(*(open_due_pots(services) for _ in range(4)))

    await opened.are_whole(pots, sponsor)
    assert await owner.fetchval("SELECT count(*) FROM platform.due_failures") == 0


@asynccontextmanager
async def held(owner: asyncpg.Pool[Any], sql: str, *values: Any) -> AsyncIterator[int]:
    """Meanwhile a backend, whose number it gives, holds what the statement has locked."""
    async with owner.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(sql, *values)
            yield await connection.fetchval("SELECT pg_backend_pid()")
        finally:
            await transaction.rollback()


async def test_one_that_somebody_else_has_locked_holds_up_none_of_the_others(
    services: Services, pots: list[Any], sponsor: Any, opened: Opened, owner: asyncpg.Pool[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(due, "ROW_TIMEOUT", 1.0)
    others = [pot for pot in pots if pot is not pots[3]]
    async with held(owner, "SELECT FROM pots.pots WHERE id = $1 FOR UPDATE", pots[3].id):
        await open_due_pots(services)
        assert await opened.statuses(others) == ["open"] * len(others)
    await end_pauses(owner)
    await open_due_pots(services)

    await opened.are_whole(pots, sponsor)


async def test_a_worker_that_is_killed_has_opened_none_of_those_that_it_had_begun(
    services: Services, pots: list[Any], sponsor: Any, opened: Opened, owner: asyncpg.Pool[Any], gateway_url: str
) -> None:
    """It is killed while it writes: all pots are locked, and the points of one wait for another transaction."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    async with held(owner, EARNED, sponsor.id, pots[-1].referral.id) as blocker:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, env=clean | {"DATABASE_URL": gateway_url, "PYTHONPATH": str(ROOT)}
        )
        try:
            async with asyncio.timeout(60):
                while not (pid := await owner.fetchval(WAITING, blocker)):
                    assert worker.returncode is None
                    await asyncio.sleep(0.05)
            async with owner.acquire() as connection:
                await connection.execute("RESET ROLE")
                writes = await connection.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid)
        finally:
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
        # The server finds out for itself; before that it would go on to the COMMIT, and all of them were open.
        async with asyncio.timeout(10):
            while await owner.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert "INSERT INTO referrals.points_ledger" in writes
    assert await opened.statuses(pots) == ["scheduled"] * len(pots)
    assert await owner.fetchval("SELECT count(*) FROM platform.due_failures") == 0

    await open_due_pots(services)

    await opened.are_whole(pots, sponsor)


async def test_a_backend_that_is_killed_has_opened_none_and_they_open_in_the_same_run(
    services: Services, pots: list[Any], sponsor: Any, opened: Opened, owner: asyncpg.Pool[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(due, "LOCK_TIMEOUT", 60.0)
    async with held(owner, EARNED, sponsor.id, pots[-1].referral.id) as blocker:
        running = asyncio.create_task(open_due_pots(services))
        async with asyncio.timeout(10):
            while not (pid := await owner.fetchval(WAITING, blocker)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        async with owner.acquire() as connection:
            await connection.execute("RESET ROLE")
            await connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await running

    await opened.are_whole(pots, sponsor)
