"""Pots open and expire on their day, once, however many workers look; what remains goes to the owner's next pot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from models.pots import Pot
from models.referrals import Referral
from resolvers.pots import lifecycle
from resolvers.pots.lifecycle import expire_due_pots, open_due_pots
from tests.books import Books
from tests.changes import Changes
from tests.factories import Factory, now
from tests.pauses import end_pauses
from tests.pots.planning import Planning


async def due_pot(make: Factory, owner: Any, **given: Any) -> SimpleNamespace:
    """A scheduled pot whose day to open has come."""
    usual = {"status": "scheduled", "scheduled_open_at": now() - timedelta(minutes=1)}
    return await make(Pot, owner_user_id=owner.id, **usual | given)


async def left_pot(make: Factory, owner: Any, amount: int, **given: Any) -> SimpleNamespace:
    """An ended pot in which something remains."""
    usual = {"status": "closed", "closed_at": now(), "owner_user_id": owner.id}
    return await make.funded_pot(amount, **usual | given)


async def born(pot_zone: str, days: int) -> date:
    """The birthday that is so many days ago there."""
    return datetime.now(ZoneInfo(pot_zone)).date() - timedelta(days=days)


# Opening


async def test_a_pot_opens_when_its_time_has_come(
    services: Services, planning: Planning, make: Factory, owner_of_pots: Any, templates: Any, books: Books
) -> None:
    await templates("pot_opened", "{pot_title}")
    sponsor = await make(User)
    await make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=owner_of_pots.id, status="accepted")
    due = await due_pot(make, owner_of_pots, title="Dix ans")
    later = await due_pot(make, owner_of_pots, scheduled_open_at=now() + timedelta(minutes=5))
    gone = await due_pot(make, owner_of_pots, deleted_at=now())

    await open_due_pots(services)

    row = await planning.row(due.id)
    assert (row["status"], row["actual_opened_at"] is None) == ("open", False)
    assert [(await planning.row(each.id))["status"] for each in (later, gone)] == ["scheduled", "scheduled"]
    assert await books.events(due.id) == ["pot.opened"]
    bodies = await planning.owner.fetch(
        "SELECT body FROM notifications.notifications WHERE user_id = $1", owner_of_pots.id
    )
    assert [body["body"] for body in bodies] == ["Dix ans"]
    points = await planning.owner.fetch(
        "SELECT event_type, points_earned FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id
    )
    assert [tuple(row) for row in points] == [("pot_opened", 50)]


async def test_many_workers_at_once_open_each_pot_once(
    services: Services, planning: Planning, make: Factory, books: Books
) -> None:
    owners = [await make(User) for _ in range(5)]
    pots = [await due_pot(make, owner) for owner in owners for _ in range(4)]
    left = [await left_pot(make, owner, 1000) for owner in owners]

    await asyncio.gather(*(open_due_pots(services) for _ in range(6)))

    assert [(await planning.row(pot.id))["status"] for pot in pots] == ["open"] * 20
    for pot in pots:
        assert await books.events(pot.id) == ["pot.opened"]
    assert [(await planning.money(pot))[1] for pot in left] == [0] * 5
    assert sum([(await planning.money(pot))[1] for pot in pots]) == 5000


async def test_run_again_nothing_happens(
    services: Services, make: Factory, owner_of_pots: Any, changes: Changes
) -> None:
    await due_pot(make, owner_of_pots)
    await open_due_pots(services)
    before = await changes.mark()

    await open_due_pots(services)

    assert await changes.since(before) == []


async def test_one_that_fails_does_not_hold_up_the_others_and_is_done_the_next_time(
    services: Services, planning: Planning, make: Factory, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pots = [await due_pot(make, await make(User)) for _ in range(3)]
    original = lifecycle.publish

    def broken(tx: Any, topic: str, key: Any, **payload: Any) -> None:
        if key == pots[0].id:
            raise RuntimeError("killed half-way")
        original(tx, topic, key, **payload)

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "publish", broken)
        await open_due_pots(services)
    first = [(await planning.row(pot.id))["status"] for pot in pots]
    await end_pauses(owner)
    await open_due_pots(services)

    assert first == ["scheduled", "open", "open"]
    assert [(await planning.row(pot.id))["status"] for pot in pots] == ["open"] * 3


async def test_many_of_the_same_owners_are_opened_at_once_and_carry_over_and_earn_once(
    services: Services, planning: Planning, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    sponsor, owners = await make(User), [await make(User) for _ in range(4)]
    for each in owners:
        await make(
            Referral, sponsor_user_id=sponsor.id, sponsored_user_id=each.id, status="accepted", accepted_at=now()
        )
    left = [await left_pot(make, each, 1000) for each in owners]
    pots = [await due_pot(make, each) for _ in range(5) for each in owners]

    await open_due_pots(services)

    assert [(await planning.row(pot.id))["status"] for pot in pots] == ["open"] * 20
    assert [await planning.money(pot) for pot in left] == [(1000, 0)] * 4
    assert sorted([(await planning.money(pot))[1] for pot in pots]) == [0] * 16 + [1000] * 4
    points = "SELECT count(*), count(DISTINCT referral_id) FROM referrals.points_ledger WHERE sponsor_user_id = $1"
    assert tuple(await owner.fetchrow(points, sponsor.id)) == (4, 4)
    assert await owner.fetchval("SELECT count(*) FROM platform.due_failures") == 0


async def test_opening_takes_two_round_trips(
    services: Services, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sponsor, person = await make(User), await make(User)
    await make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=person.id, status="accepted", accepted_at=now())
    await left_pot(make, person, 1000)
    pot = await due_pot(make, person)
    sent: list[Sequence[str]] = []
    monkeypatch.setattr(services.pipeline, "listeners", [sent.append])

    async with services.work() as tx:
        await lifecycle._open_due(tx, pot.id, person.id)

    assert len(sent) == 2


# Carrying over


async def test_what_remains_goes_to_the_next_pot_when_that_opens(
    services: Services, planning: Planning, make: Factory, owner_of_pots: Any, books: Books
) -> None:
    closed = await left_pot(make, owner_of_pots, 3000)
    expired = await left_pot(make, owner_of_pots, 4000, status="expired")
    foreign = await left_pot(make, await make(User), 5000)
    await open_due_pots(services)
    before = [await planning.money(pot) for pot in (closed, expired)]

    pot = await due_pot(make, owner_of_pots, target_amount_cfa=1000)
    await open_due_pots(services)

    assert before == [(3000, 3000), (4000, 4000)]
    assert [await planning.money(each) for each in (closed, expired)] == [(3000, 0), (4000, 0)]
    # What was carried over was not raised here: the pot is not funded by it.
    assert await planning.money(pot) == (0, 7000)
    assert (await planning.row(pot.id))["status"] == "open"
    assert await planning.money(foreign) == (5000, 5000)
    assert await books.owed(f"pot:{pot.id}:balance") == 7000
    assert await books.events(closed.id) == ["pot.carried_over"]


async def test_it_goes_to_a_pot_that_opens_as_soon_as_it_is_planned(
    planning: Planning, make: Factory, owner_of_pots: Any
) -> None:
    closed = await left_pot(make, owner_of_pots, 3000)

    later = (await planning.create(owner_of_pots, in_days=60))["createPot"]["pot"]
    at_once = (await planning.create(owner_of_pots, in_days=10))["createPot"]["pot"]

    assert (later["balanceCfa"], at_once["balanceCfa"]) == (0, 3000)
    assert await planning.money(closed) == (3000, 0)


async def test_pots_that_open_at_once_share_nothing_twice(
    planning: Planning, make: Factory, owner_of_pots: Any
) -> None:
    await left_pot(make, owner_of_pots, 3000)
    await left_pot(make, owner_of_pots, 2000)

    answers = await asyncio.gather(*(planning.create(owner_of_pots, in_days=10) for _ in range(8)))

    balances = [answer["createPot"]["pot"]["balanceCfa"] for answer in answers]
    assert sum(balances) == 5000


async def test_what_would_not_fit_stays_where_it_is(
    services: Services, planning: Planning, make: Factory, owner_of_pots: Any
) -> None:
    left = [await left_pot(make, owner_of_pots, 1_070_000_000) for _ in range(3)]

    pot = await due_pot(make, owner_of_pots)
    await open_due_pots(services)

    assert (await planning.money(pot))[1] == 2_140_000_000
    assert sorted([(await planning.money(each))[1] for each in left]) == [0, 0, 1_070_000_000]


async def test_nothing_is_carried_from_a_pot_that_is_open_or_deleted(
    services: Services, planning: Planning, make: Factory, owner_of_pots: Any
) -> None:
    opened = await make.funded_pot(1000, owner_user_id=owner_of_pots.id)
    deleted = await left_pot(make, owner_of_pots, 1000, deleted_at=now())

    pot = await due_pot(make, owner_of_pots)
    await open_due_pots(services)

    assert await planning.money(pot) == (0, 0)
    assert [await planning.money(each) for each in (opened, deleted)] == [(1000, 1000)] * 2


# Expiring


@pytest.mark.parametrize("zone", ["Africa/Dakar", "Pacific/Kiritimati", "Pacific/Honolulu"])
async def test_a_pot_expires_30_days_after_the_birthday_in_its_time_zone(
    services: Services, planning: Planning, make: Factory, zone: str, books: Books
) -> None:
    given = {"time_zone": zone, "scheduled_open_at": now() - timedelta(days=400)}
    over = await make.funded_pot(700, birthday_date=await born(zone, 30), **given)
    funded = await make(Pot, birthday_date=await born(zone, 300), status="funded", **given)
    not_yet = await make(Pot, birthday_date=await born(zone, 29), **given)

    await asyncio.gather(*(expire_due_pots(services) for _ in range(4)))

    rows = [await planning.row(pot.id) for pot in (over, funded, not_yet)]
    assert [row["status"] for row in rows] == ["expired", "expired", "open"]
    assert [row["closed_at"] is None for row in rows] == [False, False, True]
    assert await planning.money(over) == (700, 700)
    assert await books.events(over.id) == ["pot.expired"]


async def test_staff_may_change_after_how_many_days(
    services: Services, planning: Planning, make: Factory, configure: Any
) -> None:
    pot = await make(Pot, birthday_date=await born("Africa/Dakar", 7), scheduled_open_at=now() - timedelta(days=60))
    await configure("pots.expiry_days", 8)
    await expire_due_pots(services)
    before = (await planning.row(pot.id))["status"]

    await configure("pots.expiry_days", 7)
    await expire_due_pots(services)

    assert (before, (await planning.row(pot.id))["status"]) == ("open", "expired")


@pytest.mark.parametrize("status", ["closed", "cancelled", "expired"])
async def test_what_has_ended_does_not_expire(services: Services, make: Factory, books: Books, status: str) -> None:
    pot = await make(
        Pot, birthday_date=await born("Africa/Dakar", 90), scheduled_open_at=now() - timedelta(days=150), status=status
    )

    await expire_due_pots(services)

    assert await books.events(pot.id) == []


async def test_a_pot_that_was_never_opened_opens_late_and_then_expires(
    services: Services, planning: Planning, make: Factory, owner_of_pots: Any
) -> None:
    pot = await due_pot(
        make, owner_of_pots, birthday_date=await born("Africa/Dakar", 40), scheduled_open_at=now() - timedelta(days=70)
    )

    await expire_due_pots(services)
    untouched = (await planning.row(pot.id))["status"]
    await open_due_pots(services)
    await expire_due_pots(services)

    assert (untouched, (await planning.row(pot.id))["status"]) == ("scheduled", "expired")
