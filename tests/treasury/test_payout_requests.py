"""What every mutation about payouts keeps to: a dry run keeps nothing, and the same request twice is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.changes import Changes
from tests.client import STAFF
from tests.treasury.house import House
from tests.treasury.test_referral_payouts import _rate, accepted, approved, requested  # noqa: F401 - fixtures
from tests.treasury.test_reversals import held_receipt
from tests.treasury.withdrawing import Withdrawing

# Who calls, and with what.
Prepared = tuple[Any, tuple[str, ...], dict[str, Any]]


async def withdrawing_now(withdrawing: Withdrawing, house: House) -> Prepared:
    return await house.person(KES="5000"), (), {"amount": "1000"}


async def taking_back(withdrawing: Withdrawing, house: House) -> Prepared:
    person = await house.person(KES="5000")
    withdrawing.daraja.down = True
    payout = await withdrawing.begun(person)
    withdrawing.daraja.restore()
    return person, (), {"mpesaTransactionId": payout.id}


async def settling(withdrawing: Withdrawing, house: House) -> Prepared:
    payout = await withdrawing.begun(await house.person(KES="5000"))
    await withdrawing.later(payout, hours=25)
    return await house.make.staff(), STAFF, {"mpesaTransactionId": payout.id, "paid": False, "reason": "not sent"}


async def reversing(withdrawing: Withdrawing, house: House) -> Prepared:
    deposit = await withdrawing.depositing.paid(await house.person(), "1000")
    return await house.make.staff(), STAFF, {"mpesaTransactionId": deposit.id, "reason": "by mistake"}


async def returning(withdrawing: Withdrawing, house: House) -> Prepared:
    held = await held_receipt(withdrawing)
    return await house.make.staff(), STAFF, {"receiptId": held.key, "reason": "too little"}


async def requesting(withdrawing: Withdrawing, house: House) -> Prepared:
    referral = await accepted(house)
    return referral.sponsor, (), {"referralId": referral.id, "method": "MPESA"}


async def approving(withdrawing: Withdrawing, house: House) -> Prepared:
    return await house.make.staff(), STAFF, {"payoutId": (await requested(house, "MPESA")).id}


async def rejecting(withdrawing: Withdrawing, house: House) -> Prepared:
    return await house.make.staff(), STAFF, {"payoutId": (await requested(house)).id, "notes": "not ours"}


async def retrying(withdrawing: Withdrawing, house: House) -> Prepared:
    payout = await approved(house)
    await withdrawing.hear(withdrawing.result(payout.payment, 1))
    return await house.make.staff(), STAFF, {"payoutId": payout.id}


MUTATIONS: dict[str, Callable[[Withdrawing, House], Awaitable[Prepared]]] = {
    "withdrawByMpesa": withdrawing_now, "cancelMpesaWithdrawal": taking_back, "settleMpesaPayout": settling,
    "reverseMpesaPayment": reversing, "returnHeldPayment": returning, "requestReferralPayout": requesting,
    "approveReferralPayout": approving, "rejectReferralPayout": rejecting, "retryReferralPayout": retrying,
}  # fmt: skip


async def kept(changes: Changes, before: Any) -> list[str]:
    """What was written since, but for that staff have read a payload."""
    return [each for each in await changes.since(before) if not each.startswith("staff_read")]


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_dry_run_keeps_nothing_and_calls_nobody(
    withdrawing: Withdrawing, house: House, changes: Changes, name: str
) -> None:
    caller, roles, given = await MUTATIONS[name](withdrawing, house)
    before = await changes.mark()
    withdrawing.daraja.calls.clear()

    assert await house.refused(name, caller, roles, **given, validateOnly=True) == []

    assert await kept(changes, before) == []
    assert withdrawing.daraja.calls == []


@pytest.mark.parametrize("name", MUTATIONS)
async def test_the_same_request_twice_is_done_once(
    withdrawing: Withdrawing, house: House, changes: Changes, name: str
) -> None:
    caller, roles, given = await MUTATIONS[name](withdrawing, house)
    first = await house.call(name, caller, roles, **given, idempotencyKey="once")
    before = await changes.mark()
    withdrawing.daraja.calls.clear()

    again = await house.call(name, caller, roles, **given, idempotencyKey="once")

    assert again[name] == first[name]
    assert await kept(changes, before) == []
    assert withdrawing.daraja.calls == []
