"""Points become money for a pot, each once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.values import codes
from models.notifications import NotificationTemplate
from models.pots import Pot
from models.referrals import Referral
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Answer, Api
from tests.factories import Factory
from tests.referrals.calls import error_of
from tests.referrals.conftest import in_days, matured, minor, person

NAME = "convertPoints"


@pytest.fixture
async def pot(make: Factory, sponsor: Any) -> SimpleNamespace:
    return await make(Pot, owner_user_id=sponsor.id, target_amount_cfa=100_000)


async def convert(api: Api, as_: Any, points: int, pot: Any, **more: Any) -> Answer:
    return await api.mutate(NAME, as_, points=points, potId=str(pot.id), **more)


async def spent(owner: asyncpg.Pool[Any], user: SimpleNamespace) -> int:
    return int(await owner.fetchval(
        "SELECT coalesce(sum(points_spent), 0) FROM referrals.points_ledger WHERE sponsor_user_id = $1", user.id
    ))  # fmt: skip


async def test_points_become_money_for_the_pot(
    api: Api, make: Factory, sponsor: Any, pot: Any, owner: asyncpg.Pool[Any], books: Books
) -> None:
    await matured(make, sponsor, 300)
    promotion = await books.owed("platform:promotion:XOF")

    conversion = (await convert(api, sponsor, 200, pot))[NAME]["pointsConversion"]

    assert (conversion["pointsConverted"], conversion["creditsIssued"], conversion["conversionRate"]) == (
        200,
        1000,
        "5.0000",
    )
    assert conversion["appliedToPot"] == {"raisedCfa": 1000, "balanceCfa": 1000, "status": "OPEN"}
    assert await books.owed(f"pot:{pot.id}:balance") == 1000
    assert await books.owed("platform:promotion:XOF") - promotion == -1000
    row = await owner.fetchrow(
        "SELECT * FROM referrals.points_ledger WHERE sponsor_user_id = $1 AND event_type = 'conversion'", sponsor.id
    )
    assert (row["points_spent"], row["points_earned"], row["status"]) == (200, 0, "matured")
    assert await books.events(conversion["rowId"]) == ["points.converted"]
    posted = await owner.fetchrow(
        "SELECT kind, created_by FROM ledger.ledger_transactions WHERE reference_id = $1", conversion["rowId"]
    )
    assert tuple(posted) == ("points_conversion", sponsor.id)


async def test_the_pot_is_funded_by_points_too(api: Api, make: Factory, sponsor: Any, books: Books) -> None:
    pot = await make(Pot, owner_user_id=sponsor.id, target_amount_cfa=1000)
    await matured(make, sponsor, 400)

    first = await convert(api, sponsor, 200, pot)
    second = await convert(api, sponsor, 200, pot)

    assert first[NAME]["pointsConversion"]["appliedToPot"]["status"] == "FUNDED"
    assert second[NAME]["pointsConversion"]["appliedToPot"] == {
        "raisedCfa": 2000,
        "balanceCfa": 2000,
        "status": "FUNDED",
    }
    assert await books.events(pot.id) == ["pot.funded"]


async def test_the_rate_is_staffs_to_change_and_francs_are_whole(
    api: Api, make: Factory, sponsor: Any, pot: Any, configure: Any
) -> None:
    await matured(make, sponsor, 300)
    await configure("points.cfa_per_point", "7.555")

    conversion = (await convert(api, sponsor, 101, pot))[NAME]["pointsConversion"]

    assert (conversion["creditsIssued"], conversion["conversionRate"]) == (763, "7.5550")


@pytest.mark.parametrize("status", ["pending", "revoked"])
async def test_only_matured_points_count(
    api: Api, make: Factory, sponsor: Any, pot: Any, changes: Changes, status: str
) -> None:
    await matured(make, sponsor, 120)
    await matured(make, sponsor, 500, status=status)
    await matured(make, sponsor, 0, points_spent=10, event_type="conversion")
    before = await changes.mark()

    error = error_of(await convert(api, sponsor, 111, pot), NAME)

    assert (error["code"], error["field"], error["details"]) == ("INSUFFICIENT_POINTS", ["points"], {"available": 110})
    assert await changes.since(before) == []
    assert (await convert(api, sponsor, 110, pot)).refusals(NAME) == []


@pytest.mark.parametrize("points", [99, 1])
async def test_so_few_points_are_not_converted(
    api: Api, make: Factory, sponsor: Any, pot: Any, changes: Changes, points: int
) -> None:
    await matured(make, sponsor, 500)
    before = await changes.mark()

    error = error_of(await convert(api, sponsor, points, pot), NAME)

    assert (error["code"], error["details"]) == ("BELOW_MINIMUM", {"minimum": 100})
    assert await changes.since(before) == []


@pytest.mark.parametrize("minimum", [100, -10])
@pytest.mark.parametrize("points", [0, -5, -100, -(2**31)])
async def test_nothing_and_less_is_no_amount_whatever_the_minimum(
    api: Api, make: Factory, sponsor: Any, pot: Any, changes: Changes, configure: Any, minimum: int, points: int
) -> None:
    await configure("points.minimum_conversion", minimum)
    await matured(make, sponsor, 500)
    before = await changes.mark()

    error = error_of(await convert(api, sponsor, points, pot), NAME)

    assert (error["code"], error["field"]) == ("AMOUNT_NOT_POSITIVE", ["points"])
    assert await changes.since(before) == []


async def test_more_than_a_pot_can_hold_is_out_of_range(
    api: Api, make: Factory, sponsor: Any, pot: Any, changes: Changes
) -> None:
    await matured(make, sponsor, 2**31 - 1)
    before = await changes.mark()

    assert (await convert(api, sponsor, 2**31 - 1, pot)).refusals(NAME) == ["AMOUNT_OUT_OF_RANGE"]
    assert await changes.since(before) == []


async def test_a_conversion_that_would_overflow_the_pots_sum_is_out_of_range(
    api: Api, make: Factory, sponsor: Any, changes: Changes
) -> None:
    pot = await make.funded_pot(2**31 - 100, owner_user_id=sponsor.id)
    await matured(make, sponsor, 500)
    before = await changes.mark()

    assert (await convert(api, sponsor, 100, pot)).refusals(NAME) == ["AMOUNT_OUT_OF_RANGE"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("points", [2**31, 1.5, "100"])
async def test_an_amount_that_is_not_a_whole_number_is_bad_input(api: Api, sponsor: Any, pot: Any, points: Any) -> None:
    assert (await convert(api, sponsor, points, pot)).codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("status", ["scheduled", "closed", "expired", "cancelled"])
async def test_a_pot_that_takes_nothing_gets_nothing(
    api: Api, make: Factory, sponsor: Any, changes: Changes, status: str
) -> None:
    pot = await make(Pot, owner_user_id=sponsor.id, status=status)
    await matured(make, sponsor, 500)
    before = await changes.mark()

    error = error_of(await convert(api, sponsor, 100, pot), NAME)

    assert (error["code"], error["details"]) == ("POT_NOT_OPEN", {"state": status})
    assert await changes.since(before) == []


async def test_points_go_to_a_pot_of_somebody_they_sponsored(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make)
    await make(
        Referral, sponsor_user_id=sponsor.id, sponsored_user_id=guest.id, status="accepted", referral_code=codes.new()
    )
    template = await make(NotificationTemplate, template_key="points_converted", body_text="{user_name}: {amount}",
                          channels=["email"])  # fmt: skip
    pot = await make(Pot, owner_user_id=guest.id, visibility="public")
    await matured(make, sponsor, 500)

    answer = await convert(api, sponsor, 100, pot)
    await owner.execute("UPDATE notifications.notification_templates SET is_active = false WHERE id = $1", template.id)

    assert answer[NAME]["pointsConversion"]["appliedToPot"]["raisedCfa"] == 500
    row = await owner.fetchrow("SELECT * FROM notifications.notifications WHERE template_id = $1", template.id)
    assert (row["user_id"], row["body"]) == (guest.id, "Awa: 500")


async def test_points_go_to_the_pot_that_came_with_the_invitation(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    guest = await person(make, date_of_birth=in_days(5).replace(year=1990))
    invitation = await make(Referral, sponsor_user_id=sponsor.id, referral_code=codes.new())
    accepted = await api.mutate("acceptReferral", guest, code=invitation.referral_code, createPot={})
    pot = SimpleNamespace(id=accepted["acceptReferral"]["pot"]["rowId"])
    await matured(make, sponsor, 500)

    seen = await convert(api, sponsor, 100, pot)
    await owner.execute("UPDATE pots.pots SET visibility = 'private' WHERE id = $1", pot.id)
    hidden = await convert(api, sponsor, 100, pot)

    assert seen[NAME]["pointsConversion"]["appliedToPot"]["raisedCfa"] == 500
    assert hidden.refusals(NAME) == ["NOT_FOUND"]


async def test_a_private_pot_of_somebody_sponsored_is_reached_by_its_share_link(
    api: Api, make: Factory, sponsor: Any
) -> None:
    guest, token = await person(make), uuid4().hex
    await make(
        Referral, sponsor_user_id=sponsor.id, sponsored_user_id=guest.id, status="accepted", referral_code=codes.new()
    )
    pot = await make(Pot, owner_user_id=guest.id, share_token=token)
    await matured(make, sponsor, 500)

    unseen = await convert(api, sponsor, 100, pot)
    wrong = await convert(api, sponsor, 100, pot, shareToken=uuid4().hex)
    seen = await convert(api, sponsor, 100, pot, shareToken=token)

    assert unseen.refusals(NAME) == wrong.refusals(NAME) == ["NOT_FOUND"]
    assert seen[NAME]["pointsConversion"]["appliedToPot"]["raisedCfa"] == 500


@pytest.mark.parametrize("related", ["nobody", "invited", "sponsor"])
async def test_points_do_not_go_to_a_strangers_pot(
    api: Api, make: Factory, sponsor: Any, changes: Changes, related: str
) -> None:
    other = await person(make)
    if related == "invited":
        await make(
            Referral,
            sponsor_user_id=sponsor.id,
            sponsored_user_id=other.id,
            status="declined",
            referral_code=codes.new(),
        )
    if related == "sponsor":
        await make(
            Referral,
            sponsor_user_id=other.id,
            sponsored_user_id=sponsor.id,
            status="accepted",
            referral_code=codes.new(),
        )
    pot = await make(Pot, owner_user_id=other.id, visibility="public")
    await matured(make, sponsor, 500)
    before = await changes.mark()

    assert (await convert(api, sponsor, 100, pot)).refusals(NAME) == ["POT_NOT_ELIGIBLE"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("whose", ["minor's", "guardian's"])
async def test_points_do_not_go_from_a_minor_to_the_guardian_nor_back(
    api: Api, make: Factory, changes: Changes, whose: str
) -> None:
    child, guardian = await minor(make)
    sponsor, sponsored = (child, guardian) if whose == "minor's" else (guardian, child)
    await make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=sponsored.id, status="accepted",
               referral_code=codes.new())  # fmt: skip
    pot = await make(Pot, owner_user_id=sponsored.id)
    await matured(make, sponsor, 500)
    before = await changes.mark()

    answer = await convert(api, guardian, 100, pot, sponsorId=str(sponsor.id))

    assert answer.refusals(NAME) == ["POT_NOT_ELIGIBLE"]
    assert await changes.since(before) == []


async def test_a_pot_that_cannot_be_seen_is_not_found(api: Api, make: Factory, sponsor: Any) -> None:
    await matured(make, sponsor, 500)

    assert (await convert(api, sponsor, 100, await make(Pot))).refusals(NAME) == ["NOT_FOUND"]


async def test_staff_do_not_convert_for_others(
    api: Api, make: Factory, sponsor: Any, pot: Any, changes: Changes
) -> None:
    staff = await make.staff()
    await matured(make, sponsor, 500)
    before = await changes.mark()

    own = await api.mutate(NAME, staff, STAFF, points=100, potId=str(pot.id))
    others = await api.mutate(NAME, staff, STAFF, points=100, potId=str(pot.id), sponsorId=str(sponsor.id))

    assert (own.refusals(NAME), others.refusals(NAME)) == (["POT_NOT_ELIGIBLE"], ["NOT_FOUND"])
    assert await changes.since(before) == []


async def test_a_guardian_converts_a_minors_points(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    child, guardian = await minor(make)
    await matured(make, child, 200)
    pot = await make(Pot, owner_user_id=child.id)

    own = await convert(api, guardian, 100, pot)
    childs = await convert(api, guardian, 100, pot, sponsorId=str(child.id))

    assert (own.refusals(NAME), childs.refusals(NAME)) == (["POT_NOT_ELIGIBLE"], [])
    assert await spent(owner, child) == 100


async def test_without_a_token_nothing_is_converted(api: Api, pot: Any) -> None:
    assert (await convert(api, None, 100, pot)).codes == ["UNAUTHENTICATED"]


async def test_50_conversions_of_the_same_points_at_once_are_one(
    api: Api, make: Factory, sponsor: Any, pot: Any, owner: asyncpg.Pool[Any], books: Books
) -> None:
    await matured(make, sponsor, 199)

    answers = await asyncio.gather(*(convert(api, sponsor, 100, pot) for _ in range(50)))

    assert sorted(answer.refusals(NAME) for answer in answers) == [[]] + [["INSUFFICIENT_POINTS"]] * 49
    assert await spent(owner, sponsor) == 100
    assert await books.owed(f"pot:{pot.id}:balance") == 500


async def test_20_callers_at_once_over_many_pots_never_convert_a_point_twice(
    api: Api, make: Factory, sponsor: Any, owner: asyncpg.Pool[Any]
) -> None:
    pots = [await make(Pot, owner_user_id=sponsor.id) for _ in range(4)]
    await matured(make, sponsor, 750)

    answers = await asyncio.gather(*(convert(api, sponsor, 100, pots[place % 4]) for place in range(20)))

    assert sorted(answer.refusals(NAME) for answer in answers) == [[]] * 7 + [["INSUFFICIENT_POINTS"]] * 13
    assert await spent(owner, sponsor) == 700
    raised = await owner.fetchval("SELECT sum(raised_cfa) FROM pots.pots WHERE owner_user_id = $1", sponsor.id)
    assert raised == 3500


async def test_converting_and_taking_back_at_once_one_wins(api: Api, make: Factory, sponsor: Any, pot: Any) -> None:
    staff = await make.staff()
    for _ in range(8):
        entry = await matured(make, sponsor, 100)

        converted, revoked = await asyncio.gather(
            convert(api, sponsor, 100, pot),
            api.mutate("revokePoints", staff, STAFF, pointsLedgerEntryId=str(entry.id), reason="x"),
        )

        refusals = [*converted.refusals(NAME), *revoked.refusals("revokePoints")]
        assert refusals in (["INSUFFICIENT_POINTS"], ["ALREADY_SPENT"])


async def test_the_same_key_converts_once(
    api: Api, make: Factory, sponsor: Any, pot: Any, owner: asyncpg.Pool[Any]
) -> None:
    await matured(make, sponsor, 1000)
    key = str(uuid4())

    answers = await asyncio.gather(*(convert(api, sponsor, 100, pot, idempotencyKey=key) for _ in range(20)))
    other = await convert(api, sponsor, 200, pot, idempotencyKey=key)

    assert all(answer.data == answers[0].data for answer in answers)
    assert await spent(owner, sponsor) == 100
    assert other.refusals(NAME) == ["IDEMPOTENCY_KEY_REUSED"]
