"""Only who signs now decides, once; what enough of them approve is paid, and what they reject never is."""

from __future__ import annotations

from types import SimpleNamespace

from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.treasury.house import House
from tests.treasury.signing import (
    decided,
    decisions,
    executed,
    membership_becomes,
    proposed,
    row_of,
    set_treasury,
    status_of,
    suspended,
)


async def test_with_the_last_approval_it_is_paid(house: House, books: Books) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0], amount="300")
    assert await status_of(house, transfer) == "proposed"

    answer = await house.call("approveTreasuryTransfer", dao.signers[1], transferId=transfer, comment="Fine")

    payload = answer["approveTreasuryTransfer"]
    assert (payload["transfer"]["status"], payload["approval"]["comment"]) == ("EXECUTED", "Fine")
    assert (await house.holds(dao), await house.balance(dao.members[3], "KES")) == ("700", "300")
    row = await row_of(house, transfer)
    assert row["executed_by"] == dao.signers[1].id
    assert await house.posted(row["id"]) == [
        ("treasury_transfer", f"dao:{dao.id}:available:KES", "300"),
        ("treasury_transfer", f"user:{dao.members[3].id}:available:KES", "-300"),
    ]
    assert await books.events(row["id"]) == ["treasury_transfer.proposed", "treasury_transfer.executed"]
    movement = await house.owner.fetchrow(
        "SELECT * FROM treasury.wallet_transactions WHERE id = $1", row["wallet_transaction_id"]
    )
    assert (movement["type"], movement["amount"], movement["dao_id"]) == ("payout", 300, dao.id)
    assert movement["to_user_id"] == dao.members[3].id


async def test_each_signer_decides_once(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0])
    before = await changes.mark()

    for name in ("approve", "reject"):
        assert await decided(house, transfer, dao.signers[0], name) == ["ALREADY_DECIDED"]
    assert await changes.since(before) == []
    assert await status_of(house, transfer) == "proposed"


async def test_only_signers_decide(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=1, threshold=1, KES="1000")
    other = await house.dao(members=1, signers=1)
    transfer = await proposed(house, dao)
    before = await changes.mark()

    for name in ("approve", "reject"):
        assert await decided(house, transfer, dao.members[1], name) == ["NOT_A_SIGNER"]
        # Another DAO's signer does not even see it.
        assert await decided(house, transfer, other.admin, name) == ["NOT_FOUND"]
    assert await executed(house, transfer, dao.members[1]) == ["NOT_A_SIGNER"]
    assert await changes.since(before) == []


async def test_staff_see_it_and_do_not_decide(house: House, staff: SimpleNamespace) -> None:
    dao = await house.dao(members=2, KES="1000")
    transfer = await proposed(house, dao)

    for name in ("approve", "reject", "execute"):
        refused = await house.refused(f"{name}TreasuryTransfer", staff, STAFF, transferId=transfer)
        assert refused == ["NOT_A_SIGNER"]
    assert await decisions(house, transfer) == []


async def test_an_admin_alone_decides_nothing(house: House) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
    await house.owner.execute("UPDATE treasury.dao_members SET role = 'admin' WHERE user_id = $1", dao.members[2].id)
    transfer = await proposed(house, dao, by=dao.members[2])

    assert await decided(house, transfer, dao.members[2]) == ["NOT_A_SIGNER"]
    assert await executed(house, transfer, dao.members[2]) == ["NOT_A_SIGNER"]


async def test_it_is_rejected_when_too_few_are_left(house: House, books: Books) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0])

    assert await decided(house, transfer, dao.signers[1], "reject") == []
    assert await status_of(house, transfer) == "proposed"
    assert await decided(house, transfer, dao.signers[2], "reject") == []

    row = await row_of(house, transfer)
    assert (row["status"], row["closed_by"]) == ("rejected", dao.signers[2].id)
    assert (await books.events(row["id"]))[-1] == "treasury_transfer.rejected"
    # For good: neither who has not decided nor another threshold brings it back.
    await set_treasury(house, dao, required_signatures=1)
    assert await executed(house, transfer, dao.signers[0]) == ["INVALID_STATE"]
    assert await decided(house, transfer, dao.signers[0]) == ["INVALID_STATE"]
    assert await house.holds(dao) == "1000"


async def test_where_all_must_agree_one_rejects(house: House) -> None:
    dao = await house.dao(members=3, signers=3, threshold=3, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0], dao.signers[1])

    assert await decided(house, transfer, dao.signers[2], "reject") == []

    assert await status_of(house, transfer) == "rejected"


async def test_who_is_suspended_does_not_count(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0])
    await suspended(house, dao.signers[0])

    assert await decided(house, transfer, dao.signers[1]) == []
    assert await status_of(house, transfer) == "proposed"
    assert await executed(house, transfer, dao.signers[1]) == ["APPROVALS_MISSING"]

    # Back again, all have decided who need to: a signer executes it.
    await suspended(house, dao.signers[0], is_active=True)
    assert await executed(house, transfer, dao.signers[1]) == []
    assert await status_of(house, transfer) == "executed"


async def test_a_rejection_of_a_suspended_signer_does_not_count_either(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao)
    assert await decided(house, transfer, dao.signers[0], "reject") == []
    await suspended(house, dao.signers[0])

    assert await decided(house, transfer, dao.signers[1], "reject") == []

    assert await status_of(house, transfer) == "proposed"


async def test_who_is_no_member_any_more_does_not_count(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[1])
    await membership_becomes(house, dao, dao.signers[1], "banned")

    assert await decided(house, transfer, dao.signers[2]) == []

    assert await status_of(house, transfer) == "proposed"


async def test_more_than_enough_is_enough(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=3, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0], dao.signers[1])
    # Fewer are enough now than have approved: a signer has to act, but need not be another one.
    await set_treasury(house, dao, required_signatures=1)
    assert await status_of(house, transfer) == "proposed"

    assert await decided(house, transfer, dao.signers[2]) == []

    assert await status_of(house, transfer) == "executed"


async def test_the_recipient_may_sign(house: House) -> None:
    dao = await house.dao(members=2, signers=2, threshold=2, KES="1000")

    transfer = await proposed(house, dao, *dao.signers, recipient=dao.admin)

    assert await status_of(house, transfer) == "executed"
    assert await house.balance(dao.admin, "KES") == "100"


async def test_a_large_amount_wants_a_second_factor(house: House, changes: Changes) -> None:
    dao = await house.dao(members=2, signers=1, threshold=1, KES="50000")
    transfer = await proposed(house, dao, amount="10000.01")
    before = await changes.mark()

    assert await decided(house, transfer, dao.admin) == ["TWO_FACTOR_REQUIRED"]
    given = {"daoId": dao, "recipientId": dao.members[1], "amount": "20000", "purpose": "Seeds", "approve": True}
    assert await house.refused("proposeTreasuryTransfer", dao.admin, **given) == ["TWO_FACTOR_REQUIRED"]
    assert await changes.since(before) == []
    assert await decided(house, transfer, dao.admin, "reject") == []


async def test_the_same_key_approves_once(house: House) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
    transfer = await proposed(house, dao)

    for _ in range(2):
        given = {"transferId": transfer, "idempotencyKey": "once"}
        assert await house.refused("approveTreasuryTransfer", dao.signers[0], **given) == []

    assert await decisions(house, transfer) == [("approve", None)]


async def test_a_dry_run_pays_nothing(house: House, changes: Changes) -> None:
    dao = await house.dao(members=2, KES="1000")
    transfer = await proposed(house, dao)
    before = await changes.mark()

    answer = await house.call("approveTreasuryTransfer", dao.admin, transferId=transfer, validateOnly=True)

    assert answer["approveTreasuryTransfer"]["transfer"]["status"] == "EXECUTED"
    assert await changes.since(before) == []
