"""What may prevent the payment of an approved transfer, and that it is kept for when that has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lango.rules.services import Services
from models.notifications import NotificationTemplate
from resolvers.treasury.execution import spending
from tests.books import Books
from tests.changes import Changes
from tests.factories import Factory, now
from tests.treasury.house import House
from tests.treasury.signing import (
    a_minor,
    decided,
    decisions,
    executed,
    membership_becomes,
    proposed,
    row_of,
    set_treasury,
    status_of,
    suspended,
    time_passes,
)

LIMIT = {"daily_spending_limit": 50}


async def test_what_prevents_it_is_noted_and_the_approval_kept(house: House, books: Books) -> None:
    dao = await house.dao(members=2, treasury=LIMIT, KES="1000")
    transfer = await proposed(house, dao)

    answer = await house.call("approveTreasuryTransfer", dao.admin, transferId=transfer)

    payload = answer["approveTreasuryTransfer"]
    assert payload["userErrors"] == []
    assert (payload["transfer"]["status"], payload["transfer"]["blockedBy"]) == ("APPROVED", "DAILY_LIMIT")
    assert await decisions(house, transfer) == [("approve", None)]
    assert await house.holds(dao) == "1000"
    assert (await books.events((await row_of(house, transfer))["id"]))[1:] == [
        "treasury_transfer.approved", "treasury_transfer.blocked",
    ]  # fmt: skip


async def test_a_signer_executes_it_once_that_has_passed(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=2, treasury=LIMIT, KES="1000")
    transfer = await proposed(house, dao, dao.admin)
    before = await changes.mark()
    assert await executed(house, transfer, dao.signers[1]) == ["DAILY_LIMIT"]
    assert await changes.since(before) == []
    await set_treasury(house, dao, daily_spending_limit=100)

    assert await executed(house, transfer, dao.signers[1]) == []

    row = await row_of(house, transfer)
    assert (row["status"], row["blocked_by"], row["executed_by"]) == ("executed", None, dao.signers[1].id)
    assert await executed(house, transfer, dao.admin) == ["INVALID_STATE"]
    assert (await house.holds(dao), await house.balance(dao.members[2], "KES")) == ("900", "100")


async def test_another_approval_tries_again(house: House) -> None:
    dao = await house.dao(members=3, signers=2, treasury=LIMIT, KES="1000")
    transfer = await proposed(house, dao, dao.admin)
    await set_treasury(house, dao, daily_spending_limit=None)

    assert await decided(house, transfer, dao.signers[1]) == []

    assert await status_of(house, transfer) == "executed"


async def test_more_than_there_is_waits(house: House) -> None:
    dao = await house.dao(members=2, KES="99.99")
    transfer = await proposed(house, dao, dao.admin)
    assert (await row_of(house, transfer))["blocked_by"] == "INSUFFICIENT_FUNDS"
    assert await executed(house, transfer, dao.admin) == ["INSUFFICIENT_FUNDS"]

    await house.fill(dao, "0.01")

    assert await executed(house, transfer, dao.admin) == []
    assert await house.holds(dao) == "0"


@pytest.mark.parametrize(("reserve", "status"), [("900", "executed"), ("900.01", "approved")])
async def test_the_reserve_may_be_reached_and_not_undercut(house: House, reserve: str, status: str) -> None:
    dao = await house.dao(members=2, treasury={"minimum_reserve": reserve}, KES="1000")

    transfer = await proposed(house, dao, dao.admin)

    row = await row_of(house, transfer)
    assert (row["status"], row["blocked_by"]) == (status, None if status == "executed" else "BELOW_RESERVE")
    if status == "approved":
        assert await executed(house, transfer, dao.admin) == ["BELOW_RESERVE"]


@pytest.mark.parametrize(("limit", "codes"), [("300", []), ("299.99", ["DAILY_LIMIT"])])
async def test_the_limit_counts_what_was_paid_today(house: House, limit: str, codes: list[str]) -> None:
    dao = await house.dao(members=2, treasury={"daily_spending_limit": limit}, KES="1000")
    for _ in range(2):
        await proposed(house, dao, dao.admin)

    third = await proposed(house, dao, dao.admin)

    assert await status_of(house, third) == ("approved" if codes else "executed")
    assert await executed(house, third, dao.admin) == codes if codes else True


async def test_yesterday_does_not_count(house: House) -> None:
    dao = await house.dao(members=2, treasury={"daily_spending_limit": 100}, KES="1000")
    first = await proposed(house, dao, dao.admin)
    second = await proposed(house, dao, dao.admin)
    assert await status_of(house, second) == "approved"
    local = datetime.now(ZoneInfo("Africa/Nairobi")).replace(hour=0, minute=0, second=0, microsecond=0)
    # At midnight the day has begun; a minute before it was another.
    for paid_at, codes in ((local, ["DAILY_LIMIT"]), (local - timedelta(minutes=1), [])):
        await house.owner.execute(
            "UPDATE treasury.treasury_transfers SET executed_at = $2 WHERE id = $1",
            (await row_of(house, first))["id"], paid_at,
        )  # fmt: skip
        assert await executed(house, second, dao.admin) == codes


@pytest.mark.parametrize(
    ("zone", "paid_at", "looked_at", "counts"),
    [
        # 23:59 and 00:01 in Nairobi, which in UTC are one day.
        ("Africa/Nairobi", "2026-03-05T20:59", "2026-03-05T21:01", False),
        ("Africa/Nairobi", "2026-03-05T21:00", "2026-03-05T21:01", True),
        # One day in Nairobi, and two in UTC.
        ("Africa/Nairobi", "2026-03-05T23:59", "2026-03-06T00:01", True),
        # West of UTC: still the evening before.
        ("America/New_York", "2026-03-06T00:30", "2026-03-06T04:30", True),
        ("America/New_York", "2026-03-06T04:30", "2026-03-06T05:30", False),
        # The day on which clocks are put forward has 23 hours.
        ("America/New_York", "2026-03-08T05:00", "2026-03-09T03:59", True),
        ("America/New_York", "2026-03-08T04:59", "2026-03-09T03:59", False),
    ],
)
async def test_a_day_is_one_of_the_daos_zone(
    house: House, services: Services, zone: str, paid_at: str, looked_at: str, counts: bool
) -> None:
    dao = await house.dao(members=2, KES="1000")
    transfer = await proposed(house, dao, dao.admin)
    moment, seen = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (paid_at, looked_at))
    await house.owner.execute(
        "UPDATE treasury.treasury_transfers SET executed_at = $2 WHERE id = $1",
        (await row_of(house, transfer))["id"], moment,
    )  # fmt: skip

    async with services.work() as tx:
        (((spent,),),) = await tx.fetch(spending(dao.treasury.id, zone, seen))

    assert spent == (100 if counts else 0)


async def test_other_treasuries_and_states_do_not_count(house: House) -> None:
    dao, other = [await house.dao(members=2, treasury={"daily_spending_limit": 100}, KES="1000") for _ in range(2)]
    await proposed(house, other, other.admin)
    await proposed(house, dao)

    assert await status_of(house, await proposed(house, dao, dao.admin)) == "executed"


@pytest.mark.parametrize("how", ["left", "banned", "suspended", "deleted"])
async def test_a_recipient_who_has_gone_is_not_paid(house: House, how: str) -> None:
    dao = await house.dao(members=3, signers=1, KES="1000")
    person = dao.members[2]
    transfer = await proposed(house, dao, recipient=person)
    if how in ("left", "banned"):
        await membership_becomes(house, dao, person, how)
    elif how == "suspended":
        await suspended(house, person)
    else:
        await house.owner.execute("UPDATE identity.users SET deleted_at = now() WHERE id = $1", person.id)

    assert await decided(house, transfer, dao.admin) == []

    row = await row_of(house, transfer)
    assert (row["status"], row["blocked_by"]) == ("approved", "RECIPIENT_NOT_AVAILABLE")
    assert await executed(house, transfer, dao.admin) == ["RECIPIENT_NOT_AVAILABLE"]
    assert await house.holds(dao) == "1000"


async def test_whose_birthday_became_known_as_a_minors_is_not_paid(house: House) -> None:
    dao = await house.dao(members=2, KES="1000")
    minor = await house.join(dao, await a_minor(house))
    transfer = await proposed(house, dao)
    await house.owner.execute(
        "UPDATE treasury.treasury_transfers SET recipient_user_id = $2 WHERE id = $1",
        (await row_of(house, transfer))["id"], minor.id,
    )  # fmt: skip

    assert await decided(house, transfer, dao.admin) == []

    assert (await row_of(house, transfer))["blocked_by"] == "RECIPIENT_NOT_AVAILABLE"


async def test_a_dao_that_is_suspended_pays_nothing(house: House) -> None:
    dao = await house.dao(members=2, KES="1000")
    transfer = await proposed(house, dao)
    await house.owner.execute("UPDATE treasury.daos SET status = 'suspended' WHERE id = $1", dao.id)

    assert await decided(house, transfer, dao.admin) == []
    assert (await row_of(house, transfer))["blocked_by"] == "DAO_NOT_ACTIVE"
    assert await executed(house, transfer, dao.admin) == ["DAO_NOT_ACTIVE"]

    await house.owner.execute("UPDATE treasury.daos SET status = 'active' WHERE id = $1", dao.id)
    assert await executed(house, transfer, dao.admin) == []


async def test_a_balance_that_would_overflow_is_not_paid_into(house: House) -> None:
    dao = await house.dao(members=2, KES="1000")
    await house.give(dao.members[1], "KES", "99999999999999999950")
    transfer = await proposed(house, dao, dao.admin)

    assert (await row_of(house, transfer))["blocked_by"] == "AMOUNT_OUT_OF_RANGE"


async def test_too_few_approvals_are_not_executed(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.admin)
    before = await changes.mark()

    answer = await house.call("executeTreasuryTransfer", dao.admin, transferId=transfer)

    (error,) = answer["executeTreasuryTransfer"]["userErrors"]
    assert error["code"] == "APPROVALS_MISSING"
    assert await changes.since(before) == []


async def test_the_last_second_is_in_time(house: House) -> None:
    dao = await house.dao(members=2, treasury=LIMIT, KES="1000")
    transfer = await proposed(house, dao, dao.admin)
    await set_treasury(house, dao, daily_spending_limit=None)
    await time_passes(house, transfer, days=6, hours=23, minutes=59)
    assert (await row_of(house, transfer))["expires_at"] > now()

    assert await executed(house, transfer, dao.admin) == []


async def test_people_are_notified(house: House, make: Factory) -> None:
    templates = ("treasury_transfer_proposed", "treasury_transfer_blocked", "treasury_transfer_executed")
    for name in templates:
        await make(NotificationTemplate, template_key=name, body_text="{dao_name}: {amount} {currency} {reason}")
    dao = await house.dao(members=3, signers=2, threshold=2, treasury=LIMIT, KES="1000")
    transfer = await proposed(house, dao, *dao.signers)
    await set_treasury(house, dao, daily_spending_limit=None)
    assert await executed(house, transfer, dao.admin) == []

    found = await house.owner.fetch(
        "SELECT t.template_key, n.user_id, n.body FROM notifications.notifications n"
        " JOIN notifications.notification_templates t ON t.id = n.template_id"
        " WHERE n.user_id = ANY ($1) ORDER BY n.created_at",
        [person.id for person in dao.members],
    )
    assert [(key, user) for key, user, _ in found] == [
        (templates[0], dao.signers[1].id), (templates[1], dao.admin.id), (templates[2], dao.members[2].id),
    ]  # fmt: skip
    assert all("100 KES" in body for _, _, body in found)
