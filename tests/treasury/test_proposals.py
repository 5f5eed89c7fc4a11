"""Payments from a treasury are proposed, changed, withdrawn and closed by those who may, and wait for signers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lango.rules.services import Services
from resolvers.treasury.proposals import expire_due
from tests.books import Books
from tests.changes import Changes
from tests.factories import now
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


async def test_a_transfer_is_proposed_and_waits(house: House, books: Books) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="10000")

    answer = await house.call(
        "proposeTreasuryTransfer", dao.admin, daoId=dao, recipientId=dao.members[2], amount="250.50", purpose=" Seeds "
    )

    transfer = answer["proposeTreasuryTransfer"]["transfer"]
    assert (transfer["status"], transfer["amount"], transfer["purpose"]) == ("PROPOSED", "250.50000000", "Seeds")
    row = await row_of(house, transfer["rowId"])
    assert row["currency"] == "KES"
    assert row["threshold_at_proposal"] == 2
    assert row["signers_at_proposal"] == [person.id for person in dao.signers]
    assert timedelta(days=6.9) < row["expires_at"] - now() <= timedelta(days=7)
    assert await house.holds(dao) == "10000"
    assert await books.events(row["id"]) == ["treasury_transfer.proposed"]


async def test_proposing_is_not_approving(house: House) -> None:
    dao = await house.dao(members=2, signers=1, threshold=1, KES="1000")

    transfer = await proposed(house, dao)

    assert await status_of(house, transfer) == "proposed"
    assert await decisions(house, transfer) == []


async def test_a_signer_may_approve_as_they_propose(house: House) -> None:
    dao = await house.dao(members=2, signers=1, threshold=1, KES="1000")
    given = {"daoId": dao, "recipientId": dao.members[1], "amount": "400", "purpose": "Seeds"}

    answer = await house.call("proposeTreasuryTransfer", dao.admin, **given, approve=True)

    assert answer["proposeTreasuryTransfer"]["transfer"]["status"] == "EXECUTED"
    assert await house.balance(dao.members[1], "KES") == "400"


async def test_who_is_no_signer_cannot_approve_by_proposing(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=1, threshold=1, KES="1000")
    proposer = await house.join(dao, role="proposer")
    before = await changes.mark()

    refused = await house.refused(
        "proposeTreasuryTransfer", proposer, daoId=dao, recipientId=dao.members[1], amount="1", purpose="Seeds",
        approve=True,
    )  # fmt: skip

    assert refused == ["NOT_A_SIGNER"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(("role", "codes"), [("member", ["ROLE_TOO_LOW"]), ("proposer", []), ("elder", [])])
async def test_who_may_propose(house: House, role: str, codes: list[str]) -> None:
    dao = await house.dao(members=2, KES="1000")
    person = await house.join(dao, role=role)

    refused = await house.refused(
        "proposeTreasuryTransfer", person, daoId=dao, recipientId=person, amount="1", purpose="Seeds"
    )

    assert refused == codes


async def test_a_signer_may_propose_whatever_their_role(house: House) -> None:
    dao = await house.dao(members=2, signers=2, KES="1000")

    assert await status_of(house, await proposed(house, dao, by=dao.signers[1])) == "proposed"


async def test_strangers_may_not(house: House, changes: Changes) -> None:
    dao = await house.dao(members=2, KES="1000")
    hidden = await house.dao(members=2, dao={"access": "private"}, KES="1000")
    stranger = await house.person()
    before = await changes.mark()
    given = {"recipientId": dao.members[1], "amount": "1", "purpose": "Seeds"}

    assert await house.refused("proposeTreasuryTransfer", stranger, daoId=dao, **given) == ["NOT_A_MEMBER"]
    assert await house.refused("proposeTreasuryTransfer", stranger, daoId=hidden, **given) == ["NOT_FOUND"]
    assert await changes.since(before) == []


@pytest.mark.parametrize("how", ["stranger", "pending", "banned", "left", "suspended", "minor"])
async def test_only_an_active_adult_member_is_paid(house: House, changes: Changes, how: str) -> None:
    dao = await house.dao(members=1, KES="1000")
    person = await (a_minor(house) if how == "minor" else house.person())
    if how in ("pending", "banned", "left"):
        await house.join(dao, person, status=how)
    elif how != "stranger":
        await house.join(dao, person)
    if how == "suspended":
        await suspended(house, person)
    before = await changes.mark()

    refused = await house.refused(
        "proposeTreasuryTransfer", dao.admin, daoId=dao, recipientId=person, amount="1", purpose="Seeds"
    )

    assert refused == ["NOT_OF_AGE" if how == "minor" else "RECIPIENT_NOT_MEMBER"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"amount": "0"}, "AMOUNT_NOT_POSITIVE"),
        ({"amount": "-5"}, "AMOUNT_NOT_POSITIVE"),
        ({"amount": "0.001"}, "AMOUNT_OUT_OF_RANGE"),
        ({"amount": "1" + "0" * 11}, "AMOUNT_OUT_OF_RANGE"),
        ({"purpose": "  "}, "TEXT_MISSING"),
    ],
)
async def test_what_is_proposed_makes_sense(house: House, changes: Changes, given: dict[str, Any], code: str) -> None:
    dao = await house.dao(members=2, KES="1000")
    before = await changes.mark()
    usual = {"daoId": dao, "recipientId": dao.members[1], "amount": "1", "purpose": "Seeds"}

    assert await house.refused("proposeTreasuryTransfer", dao.admin, **(usual | given)) == [code]
    assert await changes.since(before) == []


async def test_without_signers_nothing_is_proposed(house: House) -> None:
    dao = await house.dao(members=2, signers=0, KES="1000")
    given = {"daoId": dao, "recipientId": dao.members[1], "amount": "1", "purpose": "Seeds"}

    assert await house.refused("proposeTreasuryTransfer", dao.admin, **given) == ["NO_SIGNERS"]


async def test_a_dao_that_is_suspended_proposes_nothing(house: House) -> None:
    dao = await house.dao(members=2, dao={"status": "suspended"}, KES="1000")
    given = {"daoId": dao, "recipientId": dao.members[1], "amount": "1", "purpose": "Seeds"}

    assert await house.refused("proposeTreasuryTransfer", dao.admin, **given) == ["DAO_NOT_ACTIVE"]


async def test_the_same_key_proposes_once(house: House) -> None:
    dao = await house.dao(members=2, KES="1000")
    given = {"daoId": dao, "recipientId": dao.members[1], "amount": "1", "purpose": "Seeds", "idempotencyKey": "once"}

    keys = {
        (await house.call("proposeTreasuryTransfer", dao.admin, **given))["proposeTreasuryTransfer"]["transfer"][
            "rowId"
        ]
        for _ in range(2)
    }

    assert len(keys) == 1


async def test_a_dry_run_proposes_nothing(house: House, changes: Changes) -> None:
    dao = await house.dao(members=2, KES="1000")
    before = await changes.mark()
    given = {"daoId": dao, "recipientId": dao.members[1], "amount": "1", "purpose": "Seeds"}

    answer = await house.call("proposeTreasuryTransfer", dao.admin, **given, validateOnly=True)

    assert answer["proposeTreasuryTransfer"]["transfer"]["status"] == "PROPOSED"
    assert await changes.since(before) == []


@pytest.mark.parametrize("field", ["amount", "recipientId", "purpose"])
async def test_a_change_voids_what_was_decided(house: House, field: str) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[0])
    assert await decided(house, transfer, dao.signers[1], "reject") == []
    await time_passes(house, transfer, days=3)
    value = {"amount": "90", "recipientId": dao.members[1], "purpose": "Water"}[field]

    changed = await house.call("changeTreasuryTransfer", dao.admin, transferId=transfer, **{field: value})

    assert changed.refusals("changeTreasuryTransfer") == []
    assert await decisions(house, transfer) == [("approve", "transfer_changed"), ("reject", "transfer_changed")]
    assert (await row_of(house, transfer))["expires_at"] - now() > timedelta(days=6.9)
    # One more is not enough: the first counts no more, and has to be given again.
    assert await decided(house, transfer, dao.signers[2]) == []
    assert await status_of(house, transfer) == "proposed"
    assert await decided(house, transfer, dao.signers[0]) == []
    assert await status_of(house, transfer) == "executed"


async def test_a_change_of_what_was_approved_opens_it_again(house: House, books: Books) -> None:
    dao = await house.dao(members=2, threshold=1, treasury={"daily_spending_limit": 10}, KES="1000")
    transfer = await proposed(house, dao, dao.admin)
    assert (await row_of(house, transfer))["blocked_by"] == "DAILY_LIMIT"

    await house.call("changeTreasuryTransfer", dao.admin, transferId=transfer, amount="10")

    row = await row_of(house, transfer)
    assert (row["status"], row["blocked_by"], row["amount"]) == ("proposed", None, 10)
    assert await executed(house, transfer, dao.admin) == ["APPROVALS_MISSING"]
    assert (await books.events(row["id"]))[-1] == "treasury_transfer.changed"


async def test_only_the_proposer_changes_it(house: House, changes: Changes) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
    transfer, stranger = await proposed(house, dao, by=dao.signers[1]), await house.person()
    before = await changes.mark()

    assert await house.refused("changeTreasuryTransfer", dao.admin, transferId=transfer, amount="9") == [
        "NOT_THE_PROPOSER"
    ]
    assert await house.refused("changeTreasuryTransfer", dao.signers[1], transferId=transfer, amount="100") == [
        "NOTHING_CHANGES"
    ]
    assert await house.refused("changeTreasuryTransfer", dao.signers[1], transferId=transfer, amount="0") == [
        "AMOUNT_NOT_POSITIVE"
    ]
    assert await house.refused("changeTreasuryTransfer", dao.signers[1], transferId=transfer, recipientId=stranger) == [
        "RECIPIENT_NOT_MEMBER"
    ]
    assert await changes.since(before) == []


async def test_who_proposes_no_more_changes_no_more(house: House) -> None:
    dao = await house.dao(members=2, KES="1000")
    proposer = await house.join(dao, role="proposer")
    transfer = await proposed(house, dao, by=proposer)
    await house.owner.execute("UPDATE treasury.dao_members SET role = 'member' WHERE id = $1", proposer.membership.id)

    refused = await house.refused("changeTreasuryTransfer", proposer, transferId=transfer, amount="9")

    assert refused == ["ROLE_TOO_LOW"]


async def test_proposer_or_admin_withdraw_it(house: House, books: Books) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
    first, second, third = [await proposed(house, dao, by=dao.signers[1]) for _ in range(3)]

    assert await house.refused("cancelTreasuryTransfer", dao.members[2], transferId=first) == ["NOT_THE_PROPOSER"]
    assert await house.refused("cancelTreasuryTransfer", dao.signers[1], transferId=first, reason="Too dear") == []
    assert await house.refused("cancelTreasuryTransfer", dao.admin, transferId=second) == []
    await membership_becomes(house, dao, dao.signers[1], "left")
    assert await house.refused("cancelTreasuryTransfer", dao.signers[1], transferId=third) == ["NOT_FOUND"]

    row = await row_of(house, first)
    assert (row["status"], row["closed_by"], row["closing_reason"]) == ("cancelled", dao.signers[1].id, "Too dear")
    assert (await books.events(row["id"]))[-1] == "treasury_transfer.cancelled"
    assert await house.refused("cancelTreasuryTransfer", dao.admin, transferId=first) == ["INVALID_STATE"]
    for name in ("approve", "reject"):
        assert await decided(house, first, dao.admin, name) == ["INVALID_STATE"]
    assert await executed(house, first, dao.admin) == ["INVALID_STATE"]


async def test_what_is_too_late_is_closed_by_any_signer(house: House, books: Books) -> None:
    dao = await house.dao(members=3, signers=2, threshold=1, treasury={"daily_spending_limit": 10}, KES="1000")
    transfer = await proposed(house, dao, dao.admin)
    closing = "closeExpiredTreasuryTransfer"

    assert await house.refused(closing, dao.signers[1], transferId=transfer) == ["INVALID_STATE"]
    await time_passes(house, transfer, days=7)
    await set_treasury(house, dao, daily_spending_limit=None)
    # Approved, and expired: it is never paid.
    assert await executed(house, transfer, dao.admin) == ["TRANSFER_EXPIRED"]
    assert await decided(house, transfer, dao.signers[1]) == ["TRANSFER_EXPIRED"]
    assert await house.refused("changeTreasuryTransfer", dao.admin, transferId=transfer, amount="9") == [
        "TRANSFER_EXPIRED"
    ]
    assert await house.refused(closing, dao.members[2], transferId=transfer) == ["NOT_A_SIGNER"]
    assert await house.refused(closing, dao.signers[1], transferId=transfer) == []

    row = await row_of(house, transfer)
    assert (row["status"], row["closed_by"]) == ("expired", dao.signers[1].id)
    assert (await books.events(row["id"]))[-1] == "treasury_transfer.expired"
    assert await house.holds(dao) == "1000"


async def test_the_worker_closes_what_is_too_late(house: House, services: Services, books: Books) -> None:
    dao = await house.dao(members=2, KES="1000")
    late, in_time = await proposed(house, dao), await proposed(house, dao)
    await time_passes(house, late, days=7)

    for _ in range(2):
        await expire_due(services)

    assert [await status_of(house, each) for each in (late, in_time)] == ["expired", "proposed"]
    assert (await books.events((await row_of(house, late))["id"])).count("treasury_transfer.expired") == 1
    assert (await row_of(house, late))["closed_by"] is None
