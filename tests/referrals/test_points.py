"""Points are earned once for each reason, mature, and may be taken back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from lango.values import codes
from models.donations import Refund
from models.identity import User
from models.pots import Pot
from models.referrals import PointsLedgerEntry, Referral
from models.referrals import PointsLedgerEntryEventType as Event
from resolvers.points import points
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory, now
from tests.referrals.calls import error_of
from tests.referrals.conftest import matured, minor, person

LONG_AGO = timedelta(days=14, seconds=1)


async def sponsored(make: Factory, sponsor: Any, guest: Any, **given: Any) -> SimpleNamespace:
    return await make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=guest.id, status="accepted",
                      referral_code=codes.new(), **given)  # fmt: skip


async def pending(make: Factory, referral: SimpleNamespace, **given: Any) -> SimpleNamespace:
    return await make(PointsLedgerEntry, **{
        "sponsor_user_id": referral.sponsor_user_id, "referral_id": referral.id, "event_type": "referral_accepted",
        "points_earned": 100, "created_at": now() - LONG_AGO, "matures_at": now() - timedelta(seconds=1), **given,
    })  # fmt: skip


async def status_of(owner: asyncpg.Pool[Any], entry: SimpleNamespace) -> str:
    return str(await owner.fetchval("SELECT status FROM referrals.points_ledger WHERE id = $1", entry.id))


async def earn(services: Services, guest: Any, reason: Any) -> None:
    async with services.work() as tx:
        points.earn_what_is_found(tx, reason, *await tx.fetch(*points.earning(guest.id, reason)))


# Earning


@pytest.mark.parametrize("reason", [Event.POT_OPENED, Event.FIRST_DONATION])
async def test_the_sponsor_earns_50_points_for_each_reason_once(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any], books: Books, reason: Any
) -> None:
    guest = await person(make)
    referral = await sponsored(make, sponsor, guest)

    await asyncio.gather(*(earn(services, guest, reason) for _ in range(10)))
    await earn(services, guest, reason)

    (row,) = await owner.fetch("SELECT * FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id)
    assert (row["points_earned"], row["event_type"], row["status"]) == (50, reason.value, "pending")
    assert row["referral_id"] == referral.id
    assert await books.events(row["id"]) == ["points.earned"]


async def test_a_guardian_does_not_earn_by_the_minor_who_came_before(
    make: Factory, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    child, guardian = await minor(make)
    await sponsored(make, guardian, child)

    await earn(services, child, Event.POT_OPENED)

    assert await earned(owner, guardian) == []


async def test_who_has_no_sponsor_earns_nobody_anything(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make)
    await make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=None, referral_code=codes.new())

    await earn(services, guest, Event.POT_OPENED)

    assert (
        await owner.fetchval("SELECT count(*) FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id) == 0
    )


async def test_a_reason_that_is_worth_nothing_earns_nothing(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any], configure: Any
) -> None:
    guest = await person(make)
    await sponsored(make, sponsor, guest)
    await configure("points.pot_opened", 0)

    await earn(services, guest, Event.POT_OPENED)

    assert (
        await owner.fetchval("SELECT count(*) FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id) == 0
    )


async def test_what_was_taken_back_is_not_earned_again(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make)
    await pending(make, await sponsored(make, sponsor, guest), event_type="pot_opened", status="revoked")

    await earn(services, guest, Event.POT_OPENED)

    rows = await owner.fetch("SELECT status FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id)
    assert [row["status"] for row in rows] == ["revoked"]


# Maturing


async def test_points_mature_after_14_days(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any], books: Books
) -> None:
    referral = await sponsored(make, sponsor, await person(make))
    due = await pending(make, referral)
    fresh = await pending(make, referral, event_type="pot_opened", matures_at=now() + timedelta(hours=1))

    await points.mature_points(services)
    await points.mature_points(services)

    assert [await status_of(owner, each) for each in (due, fresh)] == ["matured", "pending"]
    assert await owner.fetchval("SELECT matured_at FROM referrals.points_ledger WHERE id = $1", due.id) is not None
    assert await books.events(due.id) == ["points.matured"]


async def test_after_how_many_days_is_staffs_to_change(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any], configure: Any
) -> None:
    guest = await person(make)
    await sponsored(make, sponsor, guest)
    await configure("points.maturation_days", 2)

    await earn(services, guest, Event.POT_OPENED)
    await configure("points.maturation_days", 30)

    row = await owner.fetchrow("SELECT * FROM referrals.points_ledger WHERE sponsor_user_id = $1", sponsor.id)
    assert timedelta(days=2) <= row["matures_at"] - row["created_at"] < timedelta(days=2, minutes=1)


async def test_a_sponsor_sees_when_points_mature(api: Api, make: Factory, sponsor: Any) -> None:
    await pending(
        make, await sponsored(make, sponsor, await person(make)), matures_at=datetime(2031, 5, 6, 7, tzinfo=UTC)
    )
    await matured(make, sponsor, 0, points_spent=100, event_type="conversion", matures_at=None)

    answer = await api(
        "{ pointsLedgerEntries(first: 5, orderBy: [{maturesAt: ASC}]) { nodes { maturesAt takenBackAt } } }",
        as_=sponsor,
    )

    assert answer["pointsLedgerEntries"]["nodes"] == [
        {"maturesAt": "2031-05-06T07:00:00.000000Z", "takenBackAt": None},
        {"maturesAt": None, "takenBackAt": None},
    ]


@pytest.mark.parametrize("young", ["sponsor", "sponsored"])
async def test_a_minors_points_wait_for_both_identities(
    make: Factory, services: Services, owner: asyncpg.Pool[Any], young: str
) -> None:
    child, adult = (await minor(make))[0], await person(make)
    people = (child, adult) if young == "sponsor" else (adult, child)
    referral = await sponsored(make, *people)
    entry = await pending(make, referral)
    seen = []

    for change in (None, "id_type = 'passport'", "id_verified_at = now()"):
        for each in people if change else ():
            await owner.execute(f"UPDATE profiles.profiles SET {change} WHERE user_id = $1", each.id)
            await points.mature_points(services)
            seen.append(await status_of(owner, entry))

    assert seen == ["pending", "pending", "pending", "matured"]
    row = await owner.fetchrow("SELECT * FROM referrals.referrals WHERE id = $1", referral.id)
    assert (row["both_ids_collected"], row["sponsor_id_verified"], row["sponsored_id_verified"]) == (True, True, True)


async def test_an_adults_points_need_no_identities(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    entry = await pending(make, await sponsored(make, sponsor, await make(User)))

    await points.mature_points(services)

    assert await status_of(owner, entry) == "matured"


async def test_many_workers_mature_each_entry_once(
    make: Factory, sponsor: Any, services: Services, books: Books
) -> None:
    entries = [await pending(make, await sponsored(make, sponsor, await make(User))) for _ in range(30)]

    await asyncio.gather(*(points.mature_points(services) for _ in range(5)))
    await points.mature_points(services)

    assert [await books.events(entry.id) for entry in entries] == [["points.matured"]] * 30


# Taking back what was earned by something that was undone


async def take_back(services: Services, guest: Any) -> int:
    async with services.work() as tx:
        return await points.take_back(tx, guest.id, why="The donation was given back.")


async def earned(owner: asyncpg.Pool[Any], sponsor: Any) -> list[tuple[str, str, int]]:
    rows = await owner.fetch(
        "SELECT event_type, status, points_earned FROM referrals.points_ledger WHERE sponsor_user_id = $1"
        " ORDER BY created_at, id",
        sponsor.id,
    )
    return [tuple(row) for row in rows]


async def given(make: Factory, guest: Any, amount: int = 100, **more: Any) -> tuple[SimpleNamespace, SimpleNamespace]:
    """A donation for a new pot of that person."""
    pot = await make(Pot, owner_user_id=guest.id)
    return pot, await make.donation(pot_id=pot.id, amount_cfa=amount, **more)


async def test_points_of_a_first_donation_go_back_with_it_and_are_earned_by_the_next(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any], books: Books
) -> None:
    guest = await person(make)
    await sponsored(make, sponsor, guest)
    _, donation = await given(make, guest)
    await earn(services, guest, Event.FIRST_DONATION)
    stands = await take_back(services, guest)

    await owner.execute("UPDATE donations.donations SET status = 'refunded' WHERE id = $1", donation.id)
    back = [await take_back(services, guest) for _ in range(2)]
    await given(make, guest)
    await asyncio.gather(*(earn(services, guest, Event.FIRST_DONATION) for _ in range(5)))

    assert (stands, back) == (0, [50, 0])
    assert await earned(owner, sponsor) == [("first_donation", "revoked", 50), ("first_donation", "pending", 50)]
    row = await owner.fetchrow(
        "SELECT * FROM referrals.points_ledger WHERE sponsor_user_id = $1 AND status = 'revoked'", sponsor.id
    )
    assert row["description"] == "Revoked: The donation was given back."
    assert row["taken_back_at"] is not None
    assert await books.events(row["id"]) == ["points.earned", "points.revoked"]


@pytest.mark.parametrize(("back", "taken"), [(900, 0), (901, 50)])
async def test_a_donation_stands_while_no_less_is_left_than_the_smallest(
    make: Factory, sponsor: Any, services: Services, back: int, taken: int
) -> None:
    guest = await person(make)
    await sponsored(make, sponsor, guest)
    _, donation = await given(make, guest, 1000)
    await earn(services, guest, Event.FIRST_DONATION)
    await make(Refund, donation_id=donation.id, amount_cfa=back)

    assert await take_back(services, guest) == taken


async def test_points_stay_while_another_donation_does(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make)
    await sponsored(make, sponsor, guest)
    _, first = await given(make, guest)
    await earn(services, guest, Event.FIRST_DONATION)
    await given(make, guest)
    await owner.execute("UPDATE donations.donations SET status = 'refunded' WHERE id = $1", first.id)

    assert await take_back(services, guest) == 0


async def test_points_of_an_opened_pot_go_back_when_it_is_called_off(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make)
    await sponsored(make, sponsor, guest)
    pots = [await make(Pot, owner_user_id=guest.id) for _ in range(2)]
    await earn(services, guest, Event.POT_OPENED)
    taken = []

    for pot in pots:
        await owner.execute("UPDATE pots.pots SET status = 'cancelled' WHERE id = $1", pot.id)
        taken.append(await take_back(services, guest))

    assert taken == [0, 50]


async def test_only_pending_points_go_back_with_what_earned_them(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make)
    await pending(make, await sponsored(make, sponsor, guest), event_type="first_donation", status="matured")

    assert await take_back(services, guest) == 0
    assert await earned(owner, sponsor) == [("first_donation", "matured", 100)]


async def test_a_donation_that_counts_beside_one_that_goes_back_keeps_the_points(
    make: Factory, sponsor: Any, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make)
    await sponsored(make, sponsor, guest)
    _, first = await given(make, guest)
    await earn(services, guest, Event.FIRST_DONATION)
    await owner.execute("UPDATE donations.donations SET status = 'refunded' WHERE id = $1", first.id)
    await given(make, guest)

    await asyncio.gather(*(earn(services, guest, Event.FIRST_DONATION), take_back(services, guest)))

    assert [status for _, status, _ in await earned(owner, sponsor)].count("pending") == 1


# Taking back by staff


@pytest.mark.parametrize("status", ["pending", "matured"])
async def test_staff_take_points_back_with_a_reason(
    api: Api, make: Factory, staff: Any, sponsor: Any, books: Books, status: str
) -> None:
    entry = await pending(make, await sponsored(make, sponsor, await person(make)), status=status)

    answer = await api.mutate(
        "revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="An account before"
    )

    shown = answer["revokePoints"]["pointsLedgerEntry"]
    assert shown == {"status": "REVOKED", "description": "Revoked: An account before", "pointsEarned": 100}
    assert await books.events(entry.id) == ["points.revoked"]


async def test_points_that_were_spent_are_not_taken_back(
    api: Api, make: Factory, staff: Any, sponsor: Any, changes: Changes
) -> None:
    entry = await matured(make, sponsor, 100)
    await matured(make, sponsor, 0, points_spent=40, event_type="conversion")
    before = await changes.mark()

    error = error_of(
        await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="Why not"),
        "revokePoints",
    )

    assert (error["code"], error["details"]) == ("ALREADY_SPENT", {"available": 60})
    assert await changes.since(before) == []


async def test_what_others_points_pay_for_may_be_taken_back(api: Api, make: Factory, staff: Any, sponsor: Any) -> None:
    entry = await matured(make, sponsor, 100)
    await matured(make, sponsor, 50)
    await matured(make, sponsor, 0, points_spent=50, event_type="conversion")

    answer = await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="Why not")

    assert answer.refusals("revokePoints") == []


async def test_points_are_taken_back_once(api: Api, make: Factory, staff: Any, sponsor: Any) -> None:
    entry = await matured(make, sponsor, 100)

    answers = await asyncio.gather(
        *(api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="x") for _ in range(10))
    )

    assert sorted(answer.refusals("revokePoints") for answer in answers) == [[]] + [["INVALID_STATE"]] * 9


async def test_what_was_spent_is_not_earned(
    api: Api, make: Factory, staff: Any, sponsor: Any, changes: Changes
) -> None:
    await matured(make, sponsor, 500)
    entry = await matured(make, sponsor, 0, points_spent=100, event_type="conversion")
    before = await changes.mark()

    answer = await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="x")

    assert answer.refusals("revokePoints") == ["NOT_EARNED"]
    assert await changes.since(before) == []


async def test_a_reason_must_be_given(api: Api, make: Factory, staff: Any, sponsor: Any) -> None:
    entry = await matured(make, sponsor, 100)

    answer = await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="  ")

    assert answer.refusals("revokePoints") == ["TEXT_MISSING"]


async def test_only_staff_take_points_back(api: Api, make: Factory, sponsor: Any, changes: Changes) -> None:
    entry, another = await matured(make, sponsor, 100), await person(make)
    before = await changes.mark()
    values = {"pointsLedgerEntryId": str(entry.id), "reason": "x"}

    assert (await api.mutate("revokePoints", sponsor, **values)).codes == ["FORBIDDEN"]
    assert (await api.mutate("revokePoints", another, **values)).codes == ["FORBIDDEN"]
    # A claim that the database does not bear out is none.
    assert (await api.mutate("revokePoints", sponsor, roles=STAFF, **values)).codes == ["FORBIDDEN"]
    assert (await api.mutate("revokePoints", None, **values)).codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("part", ["sponsor", "sponsored"])
async def test_staff_take_no_points_back_that_they_have_a_part_in(
    api: Api, make: Factory, staff: Any, sponsor: Any, changes: Changes, part: str
) -> None:
    sides = (staff, await person(make)) if part == "sponsor" else (sponsor, staff)
    entry = await pending(make, await sponsored(make, *sides))
    before = await changes.mark()

    answer = await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="x")

    assert answer.refusals("revokePoints") == ["OWN_MATTER"]
    assert await changes.since(before) == []


async def test_an_entry_that_is_none_is_not_found(api: Api, staff: Any) -> None:
    answer = await api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(staff.id), reason="x")

    assert answer.refusals("revokePoints") == ["NOT_FOUND"]
