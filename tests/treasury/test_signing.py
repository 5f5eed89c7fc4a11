"""What a transfer says of its signers: those of now count, and those of when it was proposed are there to compare."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.client import STAFF, Api
from tests.round_trips import recorded
from tests.treasury.house import House
from tests.treasury.signing import (
    decided,
    proposed,
    proposed_change,
    suspended,
    time_passes,
)

FIELDS = """signing { thresholdAtProposal thresholdNow signersAtProposal signersNow approvals missing blockedBy
    mayDecide }"""
ONE = f"query ($id: ID!) {{ treasuryTransfer(id: $id) {{ {FIELDS} }} }}"
MANY = f"""query ($dao: ID!, $first: Int!) {{
    treasuryTransfers(first: $first, where: {{treasury: {{daoId: {{eq: $dao}}}}}}) {{ nodes {{ rowId {FIELDS} }} }}
}}"""


async def signing(house: House, transfer: str, as_: Any, roles: tuple[str, ...] = ()) -> dict[str, Any]:
    answer = await house.api(ONE, {"id": transfer}, as_=as_, roles=roles)
    found: dict[str, Any] = answer["treasuryTransfer"]["signing"]
    return found


async def test_it_says_what_is_missing_and_who_may_decide(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    ids = [str(person.id) for person in dao.signers]
    transfer = await proposed(house, dao, dao.admin)

    assert await signing(house, transfer, dao.signers[1]) == {
        "thresholdAtProposal": 2, "thresholdNow": 2, "signersAtProposal": ids, "signersNow": ids, "approvals": 1,
        "missing": 1, "blockedBy": None, "mayDecide": True,
    }  # fmt: skip
    assert not (await signing(house, transfer, dao.admin))["mayDecide"]
    assert not (await signing(house, transfer, dao.members[3]))["mayDecide"]


async def test_it_says_what_holds_now(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    one, two, three = dao.signers
    transfer = await proposed(house, dao, one)

    await proposed_change(house, dao, two, three, remove=[one], threshold=1)

    found = await signing(house, transfer, two)
    assert (found["thresholdAtProposal"], found["thresholdNow"]) == (2, 1)
    assert (len(found["signersAtProposal"]), len(found["signersNow"])) == (3, 2)
    assert (found["approvals"], found["missing"], found["mayDecide"]) == (0, 1, True)
    assert not (await signing(house, transfer, one))["mayDecide"]


async def test_who_is_suspended_is_not_counted(house: House) -> None:
    dao = await house.dao(members=4, signers=3, threshold=2, KES="1000")
    transfer = await proposed(house, dao, dao.signers[1])
    await suspended(house, dao.signers[1])

    assert (await signing(house, transfer, dao.admin))["missing"] == 2


async def test_what_is_decided_or_too_late_is_decided_by_nobody(house: House) -> None:
    dao = await house.dao(members=3, signers=2, threshold=1, KES="1000")
    late, paid = await proposed(house, dao), await proposed(house, dao, dao.admin)
    await time_passes(house, late, days=7)

    for transfer in (late, paid):
        assert not (await signing(house, transfer, dao.signers[1]))["mayDecide"]


async def test_it_says_what_prevents_the_payment(house: House) -> None:
    dao = await house.dao(members=3, signers=2, treasury={"daily_spending_limit": 5}, KES="1000")
    transfer = await proposed(house, dao, dao.admin)

    found = await signing(house, transfer, dao.signers[1])

    assert (found["blockedBy"], found["missing"], found["mayDecide"]) == ("DAILY_LIMIT", 0, True)


async def test_a_payload_has_it(house: House) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="1000")
    transfer = await proposed(house, dao)

    answer = await house.api.mutate(
        "approveTreasuryTransfer", dao.admin, show="transfer { signing { missing mayDecide } }", transferId=transfer
    )

    found = answer["approveTreasuryTransfer"]["transfer"]["signing"]
    assert found == {"missing": 1, "mayDecide": False}


async def test_staff_see_it(house: House, staff: SimpleNamespace) -> None:
    dao = await house.dao(members=2, signers=1, KES="1000")
    transfer = await proposed(house, dao)

    found = await signing(house, transfer, staff, STAFF)

    assert (found["approvals"], found["missing"], found["mayDecide"]) == (0, 1, False)


@pytest.mark.parametrize("many", [1, 20])
async def test_many_take_as_many_statements_as_one(house: House, api: Api, many: int) -> None:
    dao = await house.dao(members=3, signers=2, threshold=2, KES="100000")
    for _ in range(many):
        transfer = await proposed(house, dao, amount="1")
        assert await decided(house, transfer, dao.admin) == []

    with recorded() as batches:
        answer = await api(MANY, {"dao": str(dao.id), "first": 50}, as_=dao.admin)

    nodes = answer["treasuryTransfers"]["nodes"]
    assert [each["signing"]["missing"] for each in nodes] == [1] * many
    # The list, the transfers of which a field is filled in, and what their signers have decided.
    assert len([each for each in batches if each != ["ROLLBACK"]]) == 3
