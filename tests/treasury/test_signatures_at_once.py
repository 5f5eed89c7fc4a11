"""Many who sign at once: what is paid is paid once, by those who sign when it is paid, and within the day's limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from lango.rules.services import Services
from resolvers.treasury.proposals import expire_due
from tests.treasury.house import House, key_of
from tests.treasury.signing import (
    change,
    decided,
    decisions,
    executed,
    proposed,
    proposed_change,
    row_of,
    set_treasury,
    signers_of,
    status_of,
    time_passes,
)

TURNS = 6


async def in_order(turn: int, *calls: Awaitable[Any]) -> list[Any]:
    """All at once; in every other turn the last one is sent first. What each gave, in the order given."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(each) for each in (calls[::-1] if turn % 2 else calls)]
    found = await asyncio.gather(*tasks)
    return found[::-1] if turn % 2 else found


async def test_two_last_approvals_pay_once(house: House) -> None:
    for turn in range(TURNS):
        dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
        transfer = await proposed(house, dao, dao.signers[0])

        codes = await in_order(turn, *(decided(house, transfer, signer) for signer in dao.signers[1:]))

        assert sorted(codes) == [[], ["INVALID_STATE"]]
        assert (await house.holds(dao), await house.balance(dao.members[3], "KES")) == ("900", "100")
        assert len(await house.posted(transfer)) == 2


async def test_all_signers_at_once_pay_once(house: House) -> None:
    dao = await house.dao(members=9, signers=8, threshold=4, KES="1000")
    transfer = await proposed(house, dao)

    codes = await asyncio.gather(*(decided(house, transfer, signer) for signer in dao.signers))

    assert sorted(codes) == [[]] * 4 + [["INVALID_STATE"]] * 4
    assert [each for each, _ in await decisions(house, transfer)] == ["approve"] * 4
    assert (await house.holds(dao), len(await house.posted(transfer))) == ("900", 2)


async def test_one_signer_twice_at_once_is_one(house: House) -> None:
    for _ in range(TURNS):
        dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
        transfer = await proposed(house, dao)

        codes = await asyncio.gather(*(decided(house, transfer, dao.admin) for _ in range(4)))

        assert sorted(codes) == [[]] + [["ALREADY_DECIDED"]] * 3
        assert await status_of(house, transfer) == "proposed"


async def test_an_approval_against_the_removal_of_its_signer(house: House) -> None:
    """Either the approval came first, and was enough; or they were no signer any more, and it is not."""
    outcomes = set()
    for turn in range(2 * TURNS):
        dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
        one, two, three = dao.signers
        transfer = await proposed(house, dao, two)
        key = await proposed_change(house, dao, two, remove=[one])

        removing = house.refused("approveSignerChange", three, changeId=key)
        approval, removal = await in_order(turn, decided(house, transfer, one), removing)

        assert removal == []
        assert await signers_of(house, dao) == {two.id, three.id}
        status = await status_of(house, transfer)
        outcomes.add(status)
        assert (approval, status) in [([], "executed"), (["NOT_A_SIGNER"], "proposed")]
        assert await house.holds(dao) == ("900" if status == "executed" else "1000")
    assert outcomes <= {"executed", "proposed"}


@pytest.mark.parametrize("first", ["approval", "removal"])
async def test_an_approval_and_a_removal_in_either_order(house: House, first: str) -> None:
    dao = await house.dao(members=5, signers=4, threshold=3, KES="1000")
    one, two, three, four = dao.signers
    transfer = await proposed(house, dao, two)
    key = await proposed_change(house, dao, two, three, remove=[one])
    steps = [("approval", lambda: decided(house, transfer, one)),
             ("removal", lambda: house.refused("approveSignerChange", four, changeId=key))]  # fmt: skip

    found = {name: await step() for name, step in (steps if first == "approval" else steps[::-1])}

    assert found == {"approval": [] if first == "approval" else ["NOT_A_SIGNER"], "removal": []}
    # In both cases only one approval counts, and two more are needed.
    assert await decided(house, transfer, three) == []
    assert await status_of(house, transfer) == "proposed"
    assert await decided(house, transfer, four) == []
    assert await status_of(house, transfer) == "executed"


async def test_a_higher_threshold_against_the_last_approval(house: House) -> None:
    for turn in range(TURNS):
        dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
        one, two, three = dao.signers
        transfer = await proposed(house, dao, one)
        key = await proposed_change(house, dao, one, threshold=3)

        raising = house.refused("approveSignerChange", three, changeId=key)
        codes = await in_order(turn, decided(house, transfer, two), raising)

        assert codes == [[], []]
        row, needed = await row_of(house, transfer), 3
        paid = row["status"] == "executed"
        assert (await house.holds(dao), row["status"]) in [("900", "executed"), ("1000", "proposed")]
        assert not paid or row["executed_at"] is not None
        assert await executed(house, transfer, three) == (["INVALID_STATE"] if paid else ["APPROVALS_MISSING"])
        assert needed == await house.owner.fetchval(
            "SELECT required_signatures FROM treasury.dao_treasuries WHERE dao_id = $1", dao.id
        )


async def test_executions_at_once_stay_within_the_days_limit(house: House) -> None:
    dao = await house.dao(members=3, signers=2, threshold=1, treasury={"daily_spending_limit": 0}, KES="1000")
    transfers = [await proposed(house, dao, dao.admin) for _ in range(6)]
    await set_treasury(house, dao, daily_spending_limit=300)

    codes = await asyncio.gather(
        *(executed(house, each, dao.signers[place % 2]) for place, each in enumerate(transfers))
    )

    assert sorted(codes) == [[]] * 3 + [["DAILY_LIMIT"]] * 3
    assert (await house.holds(dao), await house.balance(dao.members[2], "KES")) == ("700", "300")


async def test_approvals_at_once_stay_within_the_days_limit(house: House) -> None:
    dao = await house.dao(members=3, signers=2, threshold=1, treasury={"daily_spending_limit": 250}, KES="1000")
    transfers = [await proposed(house, dao) for _ in range(5)]

    codes = await asyncio.gather(
        *(decided(house, each, dao.signers[place % 2]) for place, each in enumerate(transfers))
    )

    assert codes == [[]] * 5
    found = sorted([await status_of(house, each) for each in transfers])
    assert found == ["approved"] * 3 + ["executed"] * 2


async def test_executions_at_once_spend_what_there_is(house: House) -> None:
    dao = await house.dao(members=4, signers=2, threshold=1, KES="250")
    transfers = [await proposed(house, dao, recipient=dao.members[2 + place % 2]) for place in range(5)]

    await asyncio.gather(*(decided(house, each, dao.admin) for each in transfers))

    assert sorted([await status_of(house, each) for each in transfers]) == ["approved"] * 3 + ["executed"] * 2
    assert await house.holds(dao) == "50"


async def test_the_same_transfer_is_executed_once(house: House) -> None:
    for _ in range(TURNS):
        dao = await house.dao(members=4, signers=3, treasury={"daily_spending_limit": 0}, KES="1000")
        transfer = await proposed(house, dao, dao.admin)
        await set_treasury(house, dao, daily_spending_limit=None)

        codes = await asyncio.gather(*(executed(house, transfer, signer) for signer in dao.signers * 2))

        assert sorted(codes) == [[]] + [["INVALID_STATE"]] * 5
        assert (await house.holds(dao), len(await house.posted(transfer))) == ("900", 2)


async def test_an_approval_against_a_change_of_the_amount(house: House) -> None:
    for turn in range(TURNS):
        dao = await house.dao(members=2, signers=1, threshold=1, KES="1000")
        proposer = await house.join(dao, role="proposer")
        transfer = await proposed(house, dao, by=proposer)

        changing = house.refused("changeTreasuryTransfer", proposer, transferId=transfer, amount="900")
        approval, changed = await in_order(turn, decided(house, transfer, dao.admin), changing)

        # The amount that was approved is what is paid. Who approved after the change approved what it had become.
        assert approval == []
        assert (changed, await house.holds(dao)) in [(["INVALID_STATE"], "900"), ([], "100")]


async def test_an_approval_against_withdrawal_and_expiry(house: House, services: Services) -> None:
    for turn in range(TURNS):
        dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
        transfer = await proposed(house, dao, dao.signers[0])
        cancelling = house.refused("cancelTreasuryTransfer", dao.admin, transferId=transfer)

        approval, cancelled = await in_order(turn, decided(house, transfer, dao.signers[1]), cancelling)

        assert sorted([approval, cancelled]) == [[], ["INVALID_STATE"]]
        assert await status_of(house, transfer) == ("cancelled" if cancelled == [] else "executed")

        late = await proposed(house, dao, dao.signers[0])
        await time_passes(house, late, days=7)
        approval, _ = await in_order(turn, decided(house, late, dao.signers[1]), expire_due(services))
        assert approval in (["TRANSFER_EXPIRED"], ["INVALID_STATE"])
        assert await status_of(house, late) == "expired"


async def test_two_changes_at_once_are_one(house: House) -> None:
    for _ in range(TURNS):
        dao = await house.dao(members=3, signers=2, threshold=2)

        answers = await asyncio.gather(
            *(change(house, dao, signer, minimumReserve=str(place + 1)) for place, signer in enumerate(dao.signers))
        )

        assert sorted(each.refusals("proposeSignerChange") for each in answers) == [[], ["CHANGE_OPEN"]]


async def test_two_last_approvals_of_a_change_apply_it_once(house: House) -> None:
    for turn in range(TURNS):
        dao = await house.dao(members=4, signers=3, threshold=2)
        one, two, three = dao.signers
        key = await proposed_change(house, dao, one, add=[dao.members[3]])

        codes = await in_order(
            turn, *(house.refused("approveSignerChange", each, changeId=key) for each in (two, three))
        )

        assert sorted(codes) == [[], ["INVALID_STATE"]]
        assert len(await signers_of(house, dao)) == 4


async def test_two_daos_that_pay_each_others_members_do_not_wait_for_each_other(house: House) -> None:
    for turn in range(TURNS):
        one, other = [await house.dao(members=2, KES="1000") for _ in range(2)]
        for dao, person in ((one, other.admin), (other, one.admin)):
            await house.join(dao, person)
        transfers = [
            (dao, await proposed(house, dao, recipient=person))
            for dao, person in ((one, other.admin), (other, one.admin))
        ]

        codes = await in_order(turn, *(decided(house, transfer, dao.admin) for dao, transfer in transfers))

        assert codes == [[], []]
        assert [await house.balance(person, "KES") for person in (one.admin, other.admin)] == ["100", "100"]


async def test_whoever_is_suspended_at_once_is_paid_or_not(house: House) -> None:
    for turn in range(TURNS):
        dao = await house.dao(members=2, KES="1000")
        transfer, person = await proposed(house, dao), dao.members[1]
        suspending = house.owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", person.id)

        approval, _ = await in_order(turn, decided(house, transfer, dao.admin), suspending)

        row = await row_of(house, transfer)
        assert approval == []
        assert (row["status"], row["blocked_by"]) in [("executed", None), ("approved", "RECIPIENT_NOT_AVAILABLE")]
        assert row["id"] == key_of(transfer)
