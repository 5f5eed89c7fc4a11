"""Calling off a pot to which thousands gave: the money leaves it at once, and is refunded in portions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from lango.rules.services import Services
from models.identity import User
from models.pots import Pot
from models.referrals import Referral
from resolvers.donations.pot_cancellation import PORTION, refund_donations
from resolvers.ledger import ledger
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.donations.giving import Giving
from tests.factories import Factory, now
from tests.pots.planning import Planning

AMOUNT = 1000
# Donations that were paid by Wave, as many as are wanted, with their postings.
GIVEN = f"""
    WITH given AS (
        INSERT INTO donations.donations (pot_id, amount_cfa, status, confirmed_at, wave_checkout_session_id)
        SELECT $1, {AMOUNT}, 'succeeded', now(), 'cos-' || gen_random_uuid() FROM generate_series(1, $2::int)
        RETURNING id
    ), posted AS (
        INSERT INTO ledger.ledger_transactions (kind, reference_type, reference_id)
        SELECT 'donation', 'donation', id FROM given RETURNING id
    )
    INSERT INTO ledger.ledger_entries (transaction_id, account_id, amount)
    SELECT p.id, a.id, CASE a.owner_type WHEN 'pot' THEN -{AMOUNT} ELSE {AMOUNT} END FROM posted p
    JOIN ledger.ledger_accounts a ON a.code IN ('provider:wave:XOF', 'pot:' || $1 || ':balance')
"""
# Of each transaction that refunded donations of a pot, how many it refunded, in their order.
TRANSACTIONS = """
    SELECT count(*) FROM platform.outbox_events WHERE topic = 'donation.refunded' AND payload ->> 'pot_id' = $1::text
    GROUP BY xid ORDER BY min(id)
"""
JOBS = "SELECT convert_from(payload, 'UTF8') FROM jobs.pgqueuer WHERE entrypoint = $1"
# Who waits for a lock of that backend.
WAITING = "SELECT pid FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid))"


@pytest.fixture
async def pot(make: Factory, owner_of_pots: Any) -> Any:
    return await make(Pot, owner_user_id=owner_of_pots.id, visibility="public", target_amount_cfa=100_000_000)


@pytest.fixture
def crowd(owner: asyncpg.Pool[Any], make: Factory) -> Any:
    """Has many give to a pot."""

    async def give(pot: Any, many: int) -> None:
        # The first opens the accounts, and leaves nothing in them.
        for there_and_back in (1, -1):
            await make.move("provider:wave:XOF", f"pot:{pot.id}:balance", there_and_back, "pot_carry_over")
        async with owner.acquire() as connection, connection.transaction():
            await connection.execute(GIVEN, pot.id, many)
            changed = "UPDATE pots.pots SET raised_cfa = raised_cfa + $2, balance_cfa = balance_cfa + $2 WHERE id = $1"
            await connection.execute(changed, pot.id, AMOUNT * many)

    return give


async def cancel(planning: Planning, pot: Any, as_: Any, roles: tuple[str, ...] = ()) -> Any:
    return await planning("cancelPot", as_, roles, potId=str(pot.id))


async def the_rest(services: Services, pot: Any, by: Any) -> None:
    await refund_donations(services, pot_id=pot.id, cancelled_by=by.id)


async def refunds(owner: asyncpg.Pool[Any], pot: Any) -> list[tuple[Any, ...]]:
    """How many refunds there are of a pot's donations, of how many donations, of how much, and of what kinds."""
    rows = await owner.fetch(
        "SELECT count(*), count(DISTINCT r.donation_id), sum(r.amount_cfa), r.reason, r.wave_refund_status, d.status,"
        " r.refunded_by_user_id FROM donations.refunds r JOIN donations.donations d ON d.id = r.donation_id"
        " WHERE d.pot_id = $1 GROUP BY 4, 5, 6, 7",
        pot.id,
    )
    return [tuple(row) for row in rows]


async def queued(owner: asyncpg.Pool[Any], name: str, wanted: Sequence[UUID]) -> int:
    """How many jobs of that name there are for these rows."""
    keys = {str(key) for key in wanted}
    payloads = [orjson.loads(row[0]) for row in await owner.fetch(JOBS, name)]
    return sum(not keys.isdisjoint(payload.values()) for payload in payloads)


async def is_proved(owner: asyncpg.Pool[Any], pot: Any) -> bool:
    """Whether the ledger bears out what concerns the pot."""
    return all(str(pot.id) not in difference.key for difference in await ledger.verify(owner))


@asynccontextmanager
async def one_is_locked(owner: asyncpg.Pool[Any], pot: Any, place: int) -> AsyncIterator[int]:
    """Meanwhile a backend, whose number it gives, holds the lock of the donation at that place in the order of ids."""
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM donations.donations WHERE id = ("
            " SELECT id FROM donations.donations WHERE pot_id = $1 ORDER BY id OFFSET $2 LIMIT 1) FOR UPDATE",
            pot.id, place,
        )  # fmt: skip
        yield await connection.fetchval("SELECT pg_backend_pid()")


async def waiting(owner: asyncpg.Pool[Any], blocker: int) -> int:
    """The backend that waits for a lock of that one, once there is one."""
    async with asyncio.timeout(10):
        while not (pid := await owner.fetchval(WAITING, blocker)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return int(pid)


async def test_five_thousand_donations_are_refunded_once_each(
    planning: Planning, services: Services, crowd: Any, pot: Any, owner_of_pots: Any, owner: asyncpg.Pool[Any],
    books: Books,
) -> None:  # fmt: skip
    suspense = await books.owed("platform:suspense:XOF")
    await crowd(pot, 5000)

    answer = await cancel(planning, pot, owner_of_pots)

    cancelled = answer["cancelPot"]["pot"]
    assert answer.refusals("cancelPot") == []
    assert (cancelled["status"], cancelled["raisedCfa"], cancelled["balanceCfa"]) == ("CANCELLED", 0, 0)
    assert await books.owed("platform:suspense:XOF") == suspense + 5000 * AMOUNT
    # What the rule itself has locked, and leaves to the job.
    assert [row[0] for row in await owner.fetch(TRANSACTIONS, str(pot.id))] == [PORTION]
    assert await queued(owner, refund_donations.name, [pot.id]) == 1
    assert await is_proved(owner, pot)

    await the_rest(services, pot, owner_of_pots)

    assert await refunds(owner, pot) == [
        (5000, 5000, 5000 * AMOUNT, "failed_pot", "pending", "refunded", owner_of_pots.id)
    ]
    assert [row[0] for row in await owner.fetch(TRANSACTIONS, str(pot.id))] == [PORTION] * (5000 // PORTION)
    written = await owner.fetch(
        "SELECT r.id FROM donations.refunds r JOIN donations.donations d ON d.id = r.donation_id WHERE d.pot_id = $1",
        pot.id,
    )
    assert await queued(owner, "refunds.send_refund", [row["id"] for row in written]) == 5000
    assert await books.owed("platform:suspense:XOF") == suspense + 5000 * AMOUNT
    assert await is_proved(owner, pot)


async def test_the_rule_does_the_same_however_many_gave(
    planning: Planning, services: Services, crowd: Any, make: Factory, owner_of_pots: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    few, many = [await make(Pot, owner_user_id=owner_of_pots.id, target_amount_cfa=100_000_000) for _ in range(2)]
    await crowd(few, 3)
    await crowd(many, 3 * PORTION)
    sent: list[str] = []
    monkeypatch.setattr(services.pipeline, "listeners", [sent.extend])
    statements = []

    for pot in (few, many):
        sent.clear()
        await cancel(planning, pot, owner_of_pots)
        statements.append(
            [each for each in sent if "INSERT INTO jobs.pgqueuer (priority" not in each or "WITH" in each]
        )

    assert statements[0] == statements[1]


async def test_a_job_that_is_cancelled_half_way_is_taken_up_again(
    planning: Planning, services: Services, crowd: Any, pot: Any, owner_of_pots: Any, owner: asyncpg.Pool[Any]
) -> None:
    await crowd(pot, 4 * PORTION + 7)
    await cancel(planning, pot, owner_of_pots)

    async with one_is_locked(owner, pot, 2 * PORTION + 5) as blocker:
        running = asyncio.create_task(the_rest(services, pot, owner_of_pots))
        await waiting(owner, blocker)
        running.cancel()
        await asyncio.wait([running])

    ((half_way, *_),) = await refunds(owner, pot)
    assert (running.cancelled(), half_way) == (True, 2 * PORTION)
    assert await is_proved(owner, pot)
    await the_rest(services, pot, owner_of_pots)
    many = 4 * PORTION + 7
    assert [row[:3] for row in await refunds(owner, pot)] == [(many, many, many * AMOUNT)]
    assert await is_proved(owner, pot)


async def test_a_job_whose_backend_is_killed_half_way_is_taken_up_again(
    planning: Planning, services: Services, crowd: Any, pot: Any, owner_of_pots: Any, owner: asyncpg.Pool[Any]
) -> None:
    await crowd(pot, 4 * PORTION)
    await cancel(planning, pot, owner_of_pots)

    async with one_is_locked(owner, pot, 2 * PORTION + 5) as blocker:
        running = asyncio.create_task(the_rest(services, pot, owner_of_pots))
        # Nothing of it was done, so it is done again once by itself.
        for _ in range(2):
            pid = await waiting(owner, blocker)
            async with owner.acquire() as connection:
                await connection.execute("RESET ROLE")
                await connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await running

    ((half_way, *_),) = await refunds(owner, pot)
    assert half_way == 2 * PORTION
    await the_rest(services, pot, owner_of_pots)
    assert [row[:3] for row in await refunds(owner, pot)] == [(4 * PORTION, 4 * PORTION, 4 * PORTION * AMOUNT)]


async def test_two_workers_beside_each_other_refund_nothing_twice(
    planning: Planning, services: Services, crowd: Any, pot: Any, owner_of_pots: Any, owner: asyncpg.Pool[Any]
) -> None:
    many = 5 * PORTION + 1
    await crowd(pot, many)
    await cancel(planning, pot, owner_of_pots)

    await asyncio.gather(*(the_rest(services, pot, owner_of_pots) for _ in range(3)))
    await the_rest(services, pot, owner_of_pots)

    assert [row[:3] for row in await refunds(owner, pot)] == [(many, many, many * AMOUNT)]


async def test_what_waits_for_its_refund_is_not_given_back_otherwise(
    planning: Planning, giving: Giving, services: Services, crowd: Any, pot: Any, owner_of_pots: Any,
    donor: Any, owner: asyncpg.Pool[Any], changes: Changes, make: Factory,
) -> None:  # fmt: skip
    await crowd(pot, 2 * PORTION)
    await giving.owner.execute("UPDATE donations.donations SET donor_user_id = $2 WHERE pot_id = $1", pot.id, donor.id)
    staff = await make.staff()
    await cancel(planning, pot, owner_of_pots)
    key = await owner.fetchval(
        "SELECT id FROM donations.donations WHERE pot_id = $1 AND status = 'succeeded' LIMIT 1", pot.id
    )
    before = await changes.mark()

    by_staff = await giving.refund(staff, STAFF, donationId=key)
    by_donor = await giving.refund(donor, donationId=key, amountCfa=1)
    again = await cancel(planning, pot, owner_of_pots)

    assert [each.refusals("refundDonation") for each in (by_staff, by_donor)] == [["INVALID_STATE"]] * 2
    assert again.refusals("cancelPot") == ["INVALID_STATE"]
    assert await changes.since(before) == []
    await the_rest(services, pot, owner_of_pots)
    after = await giving.refund(staff, STAFF, donationId=key)
    assert after.refusals("refundDonation") == ["INVALID_STATE"]
    assert await giving.refunds(key) == [(AMOUNT, "pending", "failed_pot")]


async def test_cancelling_beside_refunds_and_itself_gives_every_franc_back_once(
    planning: Planning, giving: Giving, services: Services, crowd: Any, pot: Any, owner_of_pots: Any,
    owner: asyncpg.Pool[Any], make: Factory,
) -> None:  # fmt: skip
    many = PORTION + 50
    await crowd(pot, many)
    staff = await make.staff()
    keys = [row["id"] for row in await owner.fetch("SELECT id FROM donations.donations WHERE pot_id = $1", pot.id)]

    answers = await asyncio.gather(
        *(
            giving.refund(staff, STAFF, donationId=key, amountCfa=amount)
            for key, amount in zip(keys[::40], (400, 1000) * 4, strict=False)
        ),
        cancel(planning, pot, owner_of_pots),
        cancel(planning, pot, owner_of_pots),
        *(giving.refund(staff, STAFF, donationId=key) for key in keys[20::60]),
    )
    await the_rest(services, pot, owner_of_pots)

    assert sorted(each.refusals("cancelPot") for each in answers if "cancelPot" in each.data) == [[], ["INVALID_STATE"]]
    rows = await owner.fetch(
        "SELECT d.status, sum(r.amount_cfa) AS amount FROM donations.donations d"
        " LEFT JOIN donations.refunds r ON r.donation_id = d.id WHERE d.pot_id = $1 GROUP BY d.id",
        pot.id,
    )
    assert {tuple(row) for row in rows} == {("refunded", AMOUNT)}
    assert await planning.money(pot) == (0, 0)
    assert await is_proved(owner, pot)


async def test_what_waits_for_its_refund_counts_nowhere(
    planning: Planning, services: Services, crowd: Any, make: Factory, owner_of_pots: Any, owner: asyncpg.Pool[Any],
    pot: Any, giving: Giving, donor: Any,
) -> None:  # fmt: skip
    sponsor = await make(User)
    await make(
        Referral, sponsor_user_id=sponsor.id, sponsored_user_id=owner_of_pots.id, status="accepted", accepted_at=now()
    )
    await giving.given(pot, 500, donor)
    await crowd(pot, 2 * PORTION)

    await cancel(planning, pot, owner_of_pots)

    left = "SELECT count(*) FROM donations.donations WHERE pot_id = $1 AND status = 'succeeded'"
    assert await owner.fetchval(left, pot.id) == PORTION + 1
    points = "SELECT event_type, status FROM referrals.points_ledger WHERE sponsor_user_id = $1"
    assert [tuple(row) for row in await owner.fetch(points, sponsor.id)] == [("first_donation", "revoked")]
    assert await owner.fetchval("SELECT count(*) FROM donations.contributions WHERE pot_id = $1", pot.id) == 0


async def test_a_job_refunds_nothing_of_a_pot_that_is_not_cancelled(
    services: Services, crowd: Any, pot: Any, owner_of_pots: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    await crowd(pot, 3)
    before = await changes.mark()

    await the_rest(services, pot, owner_of_pots)

    assert await changes.since(before) == []
