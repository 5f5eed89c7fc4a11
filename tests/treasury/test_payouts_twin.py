"""Payouts and reversals from the call to their end, with the sandbox in M-Pesa's place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from resolvers.treasury.outgoing import query_payouts
from tests.client import STAFF
from tests.treasury.test_mpesa_twin import Site, site, until  # noqa: F401 - fixtures


async def withdraw(site: Site, person: Any, amount: str) -> Any:  # noqa: F811
    begun = (await site.house.call("withdrawByMpesa", person, amount=amount))["withdrawByMpesa"]
    assert (begun["userErrors"], begun["warnings"]) == ([], [])
    return begun["mpesaTransaction"]


async def ends(site: Site, payment: Any, status: str) -> None:  # noqa: F811
    async def has_ended() -> bool:
        return str((await site.row(payment))["status"]) == status

    await until(has_ended)


@pytest.mark.parametrize(
    ("amount", "status", "available"), [("1000", "completed", "3990"), ("402", "failed", "5000")]
)  # fmt: skip
async def test_a_payout_ends_as_m_pesa_says(
    site: Site,  # noqa: F811
    amount: str,
    status: str,
    available: str,
) -> None:
    person = await site.house.person(KES="5000")

    payment = await withdraw(site, person, amount)
    await ends(site, payment, status)

    assert await site.house.balance(person, "KES") == available
    assert await site.house.balance(person, "KES", "pending") == "0"


async def test_a_payout_is_found_by_a_query_where_its_result_is_slow(site: Site) -> None:  # noqa: F811
    person = await site.house.person(KES="5000")
    payment = await withdraw(site, person, "202")
    assert payment["status"] == "PROCESSING"
    await site.house.owner.execute(
        "UPDATE treasury.mpesa_transactions SET next_query_at = next_query_at - $2::interval WHERE id = $1::uuid",
        payment["rowId"], timedelta(minutes=1),
    )  # fmt: skip

    await query_payouts(site.house.services)

    row = await site.row(payment)
    assert (row["status"], row["queries"]) == ("processing", 1)
    assert await site.house.balance(person, "KES", "pending") == "204.02"


async def test_a_deposit_goes_back_to_the_phone(site: Site) -> None:  # noqa: F811
    person, staff = await site.house.person(), await site.house.make.staff()
    deposit = await site.deposit(person)
    await site.press(person)
    await site.has(person, "975")

    given = {"mpesaTransactionId": deposit["rowId"], "reason": "paid twice"}
    reversing = (await site.house.call("reverseMpesaPayment", staff, STAFF, **given))["reverseMpesaPayment"]
    await ends(site, reversing["reversal"], "completed")

    assert (await site.row(deposit))["status"] == "reversed"
    assert await site.house.balance(person, "KES") == "0"
