"""What tests of signatures do again and again: propose, approve, and look at what became of it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from tests.client import Answer
from tests.factories import now
from tests.treasury.house import House, key_of


async def proposed(
    house: House, dao: Any, *signers: Any, by: Any = None, recipient: Any = None, amount: str = "100"
) -> str:
    """The `rowId` of a transfer to the DAO's last member, which these signers have approved since."""
    answer = await house.call(
        "proposeTreasuryTransfer", by or dao.admin, daoId=dao, recipientId=recipient or dao.members[-1], amount=amount,
        purpose="Seeds",
    )  # fmt: skip
    assert answer.refusals("proposeTreasuryTransfer") == []
    transfer = str(answer["proposeTreasuryTransfer"]["transfer"]["rowId"])
    for signer in signers:
        assert await decided(house, transfer, signer) == []
    return transfer


async def decided(house: House, transfer: str, signer: Any, name: str = "approve") -> list[str]:
    """The codes with which `approve` or `reject` of a transfer was refused; none where it was done."""
    return await house.refused(f"{name}TreasuryTransfer", signer, transferId=transfer)


async def executed(house: House, transfer: str, signer: Any) -> list[str]:
    return await house.refused("executeTreasuryTransfer", signer, transferId=transfer)


async def row_of(house: House, transfer: Any) -> Any:
    return await house.owner.fetchrow("SELECT * FROM treasury.treasury_transfers WHERE id = $1", key_of(transfer))


async def status_of(house: House, transfer: Any) -> str:
    return str((await row_of(house, transfer))["status"])


async def decisions(house: House, transfer: Any) -> list[tuple[str, str | None]]:
    """What was decided on a transfer, in the order of time, and why each counts no more."""
    found = await house.owner.fetch(
        "SELECT decision, void_reason FROM treasury.treasury_approvals WHERE transfer_id = $1 ORDER BY created_at",
        key_of(transfer),
    )
    return [tuple(each) for each in found]


async def change(house: House, dao: Any, by: Any = None, **given: Any) -> Answer:
    """Propose a change of signers: `change(house, dao, remove=[person], threshold=1)`."""
    return await house.call("proposeSignerChange", by or dao.signers[0], daoId=dao, **given)


async def proposed_change(house: House, dao: Any, *signers: Any, by: Any = None, **given: Any) -> str:
    """The `rowId` of a change of signers, which these signers have approved since."""
    answer = await change(house, dao, by, **given)
    assert answer.refusals("proposeSignerChange") == []
    key = str(answer["proposeSignerChange"]["change"]["rowId"])
    for signer in signers:
        assert await house.refused("approveSignerChange", signer, changeId=key) == []
    return key


async def treasury_of(house: House, dao: Any) -> Any:
    return await house.owner.fetchrow("SELECT * FROM treasury.dao_treasuries WHERE dao_id = $1", dao.id)


async def signers_of(house: House, dao: Any) -> set[Any]:
    return set((await treasury_of(house, dao))["signers"])


async def set_treasury(house: House, dao: Any, **values: Any) -> None:
    """As if the signers had decided so."""
    for name, value in values.items():
        await house.owner.execute(f"UPDATE treasury.dao_treasuries SET {name} = $2 WHERE dao_id = $1", dao.id, value)


async def time_passes(house: House, row: str, table: str = "treasury_transfers", **by: int) -> None:
    """The time of a transfer, or of a change of signers, ends that much earlier."""
    await house.owner.execute(
        f"UPDATE treasury.{table} SET expires_at = expires_at - $2::interval WHERE id = $1", key_of(row),
        timedelta(**by),
    )  # fmt: skip


async def membership_becomes(house: House, dao: Any, person: Any, status: str) -> None:
    """Somebody's membership ends, or begins again."""
    await house.owner.execute(
        "WITH m AS (UPDATE treasury.dao_members SET status = $3 WHERE dao_id = $1 AND user_id = $2)"
        " UPDATE treasury.daos SET member_count = member_count + $4 WHERE id = $1",
        dao.id, person.id, status, 1 if status == "approved" else -1,
    )  # fmt: skip


async def suspended(house: House, person: Any, is_active: bool = False) -> None:
    await house.owner.execute("UPDATE identity.users SET is_active = $2 WHERE id = $1", person.id, is_active)


async def a_minor(house: House) -> SimpleNamespace:
    """A child, with their guardian."""
    guardian = await house.person()
    born = (now() - timedelta(days=365 * 12)).date()
    profile = {"date_of_birth": born, "guardian_user_id": guardian.id, "relationship_type": "parent"}
    return await house.person(profile=profile)
