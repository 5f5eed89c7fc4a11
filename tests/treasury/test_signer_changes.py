"""Who signs, how many must agree, and the limits change by the signers' own quorum; open transfers are judged anew."""

from __future__ import annotations

from typing import Any

import pytest

from lango.rules.services import Services
from resolvers.treasury.signer_changes import expire_due
from tests.books import Books
from tests.changes import Changes
from tests.treasury.house import House, key_of
from tests.treasury.signing import (
    change,
    decided,
    decisions,
    executed,
    membership_becomes,
    proposed,
    proposed_change,
    row_of,
    signers_of,
    status_of,
    time_passes,
    treasury_of,
)


async def row_of_change(house: House, key: str) -> Any:
    return await house.owner.fetchrow("SELECT * FROM treasury.signer_changes WHERE id = $1", key_of(key))


async def test_signers_and_threshold_change_by_the_quorum(house: House, books: Books) -> None:
    dao = await house.dao(members=4, signers=2, threshold=2)
    one, two, three, _ = dao.members

    key = await proposed_change(house, dao, one, add=[three], remove=[two], threshold=2)
    assert await signers_of(house, dao) == {one.id, two.id}
    assert await house.refused("approveSignerChange", two, changeId=key) == []

    treasury, row = await treasury_of(house, dao), await row_of_change(house, key)
    assert (treasury["signers"], treasury["required_signatures"]) == ([one.id, three.id], 2)
    assert (row["status"], row["closed_by"]) == ("applied", two.id)
    assert row["applied_at"] is not None
    assert await books.events(row["id"]) == ["signer_change.proposed", "signer_change.applied"]
    assert await house.refused("approveSignerChange", three, changeId=key) == ["INVALID_STATE"]


async def test_a_single_signer_takes_in_others(house: House) -> None:
    dao = await house.dao(members=2)

    await proposed_change(house, dao, dao.admin, add=[dao.members[1]], threshold=2)

    treasury = await treasury_of(house, dao)
    assert treasury["required_signatures"] == 2
    assert set(treasury["signers"]) == {member.id for member in dao.members}


async def test_limits_change_by_the_quorum(house: House) -> None:
    dao = await house.dao(members=2, signers=2, threshold=2, treasury={"daily_spending_limit": 5})

    key = await proposed_change(house, dao, dao.signers[0], minimumReserve="10.50", dailySpendingLimit="0")
    assert (await treasury_of(house, dao))["minimum_reserve"] == 0
    assert await house.refused("approveSignerChange", dao.signers[1], changeId=key) == []

    treasury = await treasury_of(house, dao)
    assert (str(treasury["minimum_reserve"])[:5], treasury["daily_spending_limit"]) == ("10.50", 0)
    await proposed_change(house, dao, *dao.signers, liftsDailyLimit=True, minimumReserve="0")
    treasury = await treasury_of(house, dao)
    assert (treasury["minimum_reserve"], treasury["daily_spending_limit"]) == (0, None)


async def test_an_admin_alone_changes_nothing(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2)
    admin = await house.join(dao, role="admin")

    key = await proposed_change(house, dao, by=admin, liftsDailyLimit=False, minimumReserve="1")
    before = await changes.mark()

    assert await house.refused("approveSignerChange", admin, changeId=key) == ["NOT_A_SIGNER"]
    assert await house.refused("rejectSignerChange", admin, changeId=key) == ["NOT_A_SIGNER"]
    assert await changes.since(before) == []
    # Nor can one stop what the signers want.
    assert await house.refused("cancelSignerChange", admin, changeId=key) == []
    key = await proposed_change(house, dao, dao.signers[0], minimumReserve="1")
    assert await house.refused("cancelSignerChange", admin, changeId=key) == ["NOT_THE_PROPOSER"]


async def test_who_may_propose_a_change(house: House, changes: Changes) -> None:
    dao, stranger = await house.dao(members=3, signers=1), await house.person()
    hidden = await house.dao(dao={"access": "private"})
    before = await changes.mark()

    for person in (dao.members[1], stranger):
        assert (await change(house, dao, person, minimumReserve="1")).refusals("proposeSignerChange") == [
            "NOT_A_SIGNER"
        ]
    assert (await change(house, hidden, stranger, minimumReserve="1")).refusals("proposeSignerChange") == ["NOT_FOUND"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("given", "code", "field"),
    # People by their places: the members, of whom the first two are signers, and a stranger.
    [
        ({"remove": [1]}, "TOO_FEW_SIGNERS", "remove"),
        ({"threshold": 3}, "TOO_FEW_SIGNERS", "threshold"),
        ({"remove": [0, 1], "threshold": 1}, "TOO_FEW_SIGNERS", "remove"),
        ({"threshold": 0}, "AMOUNT_NOT_POSITIVE", "threshold"),
        ({"add": [2, 2]}, "SIGNER_TWICE", "add"),
        ({"add": [0]}, "SIGNER_TWICE", "add"),
        ({"remove": [0, 0], "threshold": 1}, "SIGNER_TWICE", "remove"),
        ({"add": [2], "remove": [2]}, "SIGNER_TWICE", "add"),
        ({"remove": [2]}, "NOT_A_SIGNER", "remove"),
        ({"add": [3]}, "SIGNER_NOT_MEMBER", "add"),
        ({"threshold": 2}, "NOTHING_CHANGES", "daoId"),
        ({}, "NOTHING_CHANGES", "daoId"),
        ({"liftsDailyLimit": True, "dailySpendingLimit": "5"}, "LIMIT_SET_AND_LIFTED", "liftsDailyLimit"),
        ({"minimumReserve": "-1"}, "AMOUNT_NOT_POSITIVE", "minimumReserve"),
        ({"dailySpendingLimit": "0.001"}, "AMOUNT_OUT_OF_RANGE", "dailySpendingLimit"),
    ],
)
async def test_a_change_makes_sense(
    house: House, changes: Changes, given: dict[str, Any], code: str, field: str
) -> None:
    dao, stranger = await house.dao(members=3, signers=2, threshold=2), await house.person()
    before = await changes.mark()

    people = [*dao.members, stranger]
    named = {name: [people[place] for place in given[name]] for name in ("add", "remove") if name in given}

    answer = await change(house, dao, **(given | named))

    (error,) = answer["proposeSignerChange"]["userErrors"]
    assert (error["code"], error["field"]) == (code, [field])
    assert await changes.since(before) == []


async def test_one_change_is_open_at_a_time(house: House, books: Books) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2)
    key = await proposed_change(house, dao, minimumReserve="1")

    again = await change(house, dao, minimumReserve="2")
    assert again.refusals("proposeSignerChange") == ["CHANGE_OPEN"]
    await time_passes(house, key, "signer_changes", days=7)
    # One that is too late is in nobody's way.
    assert await house.refused("approveSignerChange", dao.admin, changeId=key) == ["CHANGE_EXPIRED"]
    await proposed_change(house, dao, minimumReserve="2")

    row = await row_of_change(house, key)
    assert row["status"] == "expired"
    assert (await books.events(row["id"]))[-1] == "signer_change.expired"


async def test_it_is_rejected_when_too_few_are_left(house: House, books: Books) -> None:
    dao = await house.dao(members=3, signers=3, threshold=2)
    one, two, three = dao.members
    key = await proposed_change(house, dao, one, threshold=1)

    for signer in (two, three):
        assert await house.refused("rejectSignerChange", signer, changeId=key, comment="No") == []

    row = await row_of_change(house, key)
    assert (row["status"], row["closed_by"]) == ("rejected", three.id)
    assert (await books.events(row["id"]))[-1] == "signer_change.rejected"
    assert (await treasury_of(house, dao))["required_signatures"] == 2
    assert await house.refused("approveSignerChange", one, changeId=key) == ["INVALID_STATE"]


async def test_each_signer_decides_once(house: House, changes: Changes) -> None:
    dao = await house.dao(members=2, signers=2, threshold=2)
    key = await proposed_change(house, dao, dao.admin, threshold=1)
    before = await changes.mark()

    for name in ("approveSignerChange", "rejectSignerChange"):
        assert await house.refused(name, dao.admin, changeId=key) == ["ALREADY_DECIDED"]
    assert await changes.since(before) == []


async def test_who_left_meanwhile_becomes_no_signer(house: House, changes: Changes) -> None:
    dao = await house.dao(members=2)
    key = await proposed_change(house, dao, add=[dao.members[1]])
    await membership_becomes(house, dao, dao.members[1], "left")
    before = await changes.mark()

    assert await house.refused("approveSignerChange", dao.admin, changeId=key) == ["SIGNER_NOT_MEMBER"]
    assert await changes.since(before) == []
    assert await house.refused("rejectSignerChange", dao.admin, changeId=key) == []


async def test_the_worker_closes_what_is_too_late(house: House, services: Services) -> None:
    dao = await house.dao(members=2)
    key = await proposed_change(house, dao, minimumReserve="1")
    await time_passes(house, key, "signer_changes", days=7)

    for _ in range(2):
        await expire_due(services)

    row = await row_of_change(house, key)
    assert (row["status"], row["closed_by"]) == ("expired", None)


# What becomes of the transfers that wait


async def test_the_approval_of_a_removed_signer_counts_no_more(house: House) -> None:
    dao = await house.dao(members=5, signers=4, threshold=3, KES="1000")
    one, two, three, four = dao.signers
    transfer = await proposed(house, dao, one, two)

    await proposed_change(house, dao, two, three, four, remove=[one])
    assert await decisions(house, transfer) == [("approve", "no_longer_signer"), ("approve", None)]
    assert await decided(house, transfer, one) == ["NOT_A_SIGNER"]
    assert await decided(house, transfer, three) == []

    assert await status_of(house, transfer) == "proposed"
    assert await decided(house, transfer, four) == []
    assert await status_of(house, transfer) == "executed"


async def test_it_does_not_come_back_with_the_signer(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    one, two, three = dao.signers
    transfer = await proposed(house, dao, one)

    await proposed_change(house, dao, two, three, remove=[one])
    await proposed_change(house, dao, two, three, by=two, add=[one])

    assert await decisions(house, transfer) == [("approve", "no_longer_signer")]
    assert await status_of(house, transfer) == "proposed"
    assert await decided(house, transfer, two) == []
    assert await status_of(house, transfer) == "proposed"
    # Decided anew, it counts.
    assert await decided(house, transfer, one) == []
    assert await status_of(house, transfer) == "executed"


async def test_a_lower_threshold_pays_nothing_by_itself(house: House, books: Books) -> None:
    dao = await house.dao(members=4, signers=3, threshold=3, KES="1000")
    one, two, three = dao.signers
    transfer = await proposed(house, dao, one, two)

    await proposed_change(house, dao, one, two, three, threshold=1)

    row = await row_of(house, transfer)
    assert (row["status"], row["threshold_at_proposal"]) == ("approved", 3)
    assert (await books.events(row["id"]))[-1] == "treasury_transfer.approved"
    assert await house.holds(dao) == "1000"
    assert await executed(house, transfer, three) == []


async def test_a_higher_threshold_takes_an_approval_back(house: House, books: Books) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, treasury={"daily_spending_limit": 5}, KES="1000")
    one, two, three = dao.signers
    transfer = await proposed(house, dao, one, two)
    assert await status_of(house, transfer) == "approved"

    await proposed_change(house, dao, one, two, threshold=3, liftsDailyLimit=True)

    row = await row_of(house, transfer)
    assert (row["status"], row["blocked_by"]) == ("proposed", None)
    assert (await books.events(row["id"]))[-1] == "treasury_transfer.reopened"
    assert await executed(house, transfer, one) == ["APPROVALS_MISSING"]
    assert await decided(house, transfer, three) == []
    assert await status_of(house, transfer) == "executed"


async def test_what_cannot_be_approved_any_more_is_rejected(house: House, books: Books) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    one, two, three = dao.signers
    transfer = await proposed(house, dao)
    assert await decided(house, transfer, three, "reject") == []

    await proposed_change(house, dao, one, two, threshold=3)

    row = await row_of(house, transfer)
    assert (row["status"], row["closed_by"]) == ("rejected", None)
    assert (await books.events(row["id"]))[-1] == "treasury_transfer.rejected"


async def test_the_rejection_of_a_removed_signer_counts_no_more(house: House) -> None:
    dao = await house.dao(members=5, signers=4, threshold=2, KES="1000")
    one, two, three, four = dao.signers
    transfer = await proposed(house, dao, one)
    for signer in (three, four):
        assert await decided(house, transfer, signer, "reject") == []

    await proposed_change(house, dao, one, two, remove=[three, four])

    assert await status_of(house, transfer) == "proposed"
    assert await decided(house, transfer, two) == []
    assert await status_of(house, transfer) == "executed"


async def test_other_treasuries_and_what_is_decided_stay(house: House, changes: Changes) -> None:
    dao, other = [await house.dao(members=4, signers=3, threshold=2, KES="1000") for _ in range(2)]
    one, two, three = dao.signers
    elsewhere = await proposed(house, other, other.signers[0])
    paid = await proposed(house, dao, one, two)
    before = [await decisions(house, paid), await decisions(house, elsewhere)]

    await proposed_change(house, dao, two, three, remove=[one])

    assert [await decisions(house, paid), await decisions(house, elsewhere)] == before
    assert await status_of(house, paid) == "executed"


async def test_a_limit_alone_changes_no_decision(house: House) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0])

    await proposed_change(house, dao, *dao.signers, minimumReserve="1")

    assert await status_of(house, transfer) == "proposed"
    assert await decisions(house, transfer) == [("approve", None)]


async def test_the_same_key_proposes_and_approves_once(house: House) -> None:
    dao = await house.dao(members=2, signers=2, threshold=2)
    keys = set()
    for _ in range(2):
        answer = await change(house, dao, minimumReserve="1", idempotencyKey="proposed")
        keys.add(answer["proposeSignerChange"]["change"]["rowId"])
    (key,) = keys

    for _ in range(2):
        assert await house.refused("approveSignerChange", dao.admin, changeId=key, idempotencyKey="approved") == []


async def test_a_dry_run_changes_nothing(house: House, changes: Changes) -> None:
    dao = await house.dao(members=2)
    key = await proposed_change(house, dao, add=[dao.members[1]])
    before = await changes.mark()

    answer = await house.call("approveSignerChange", dao.admin, changeId=key, validateOnly=True)

    assert answer["approveSignerChange"]["change"]["status"] == "APPLIED"
    assert await changes.since(before) == []
