"""Coins that came in on a chain, a sentence of the rules a test: credited once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from models.identity import User
from models.trading import CryptoTransaction
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory
from tests.trading.conftest import Desk


async def deposit(desk: Desk, user: Any, coin: str, amount: str = "5", **given: Any) -> Any:
    """A row of the chain's, which nobody has credited yet."""
    values = {"status": "confirmed", "transaction_type": "deposit", "confirmations": 24} | given
    return await desk.make(CryptoTransaction, user_id=user.id, currency=coin, amount=Decimal(amount), **values)


async def record(desk: Desk, row: Any, staff: Any, **given: Any) -> list[str]:
    answer = await desk.call("recordCryptoDeposit", staff, STAFF, transactionId=row.id, **given)
    return answer.refusals("recordCryptoDeposit")


async def test_a_confirmed_deposit_is_credited_once(desk: Desk, make: Factory, books: Books) -> None:
    coin, user, staff = await desk.coin(), await make(User), await desk.staff()
    row = await deposit(desk, user, coin, "5.5")

    assert await record(desk, row, staff) == []
    assert await record(desk, row, staff) == ["ALREADY_CREDITED"]

    assert await desk.holds(user, coin) == ("5.5", "0")
    assert await books.events(row.id) == ["crypto_deposit.credited"]


async def test_of_twenty_who_record_a_deposit_at_once_one_credits_it(desk: Desk, make: Factory) -> None:
    coin, user, staff = await desk.coin(), await make(User), await desk.staff()
    row = await deposit(desk, user, coin)

    refusals = await asyncio.gather(*(record(desk, row, staff) for _ in range(20)))

    assert sorted(refusals) == [[]] + [["ALREADY_CREDITED"]] * 19
    assert await desk.holds(user, coin) == ("5", "0")


async def test_many_deposits_of_one_coin_at_once_add_up(desk: Desk, make: Factory) -> None:
    coin, user, staff = await desk.coin(), await make(User), await desk.staff()
    rows = [await deposit(desk, user, coin, "1.00000001") for _ in range(15)]

    assert await asyncio.gather(*(record(desk, row, staff) for row in rows)) == [[]] * 15
    assert await desk.holds(user, coin) == ("15.00000015", "0")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"status": "pending"}, "INVALID_STATE"),
        ({"status": "failed"}, "INVALID_STATE"),
        ({"transaction_type": "withdrawal"}, "NO_DEPOSIT"),
        ({"transaction_type": "escrow_release"}, "NO_DEPOSIT"),
        ({"amount": "0"}, "AMOUNT_NOT_POSITIVE"),
        ({"amount": "-5"}, "AMOUNT_NOT_POSITIVE"),
    ],
)
async def test_what_is_no_confirmed_deposit_is_not_credited(
    desk: Desk, given: dict[str, Any], code: str, changes: Changes
) -> None:
    coin, user, staff = await desk.coin(), await desk.person(), await desk.staff()
    row = await deposit(desk, user, coin, **given)
    before = await changes.mark()

    assert await record(desk, row, staff) == [code]
    assert await changes.since(before) == []


async def test_deposits_are_recorded_by_staff_and_not_their_own(desk: Desk, changes: Changes) -> None:
    coin, user, staff = await desk.coin(), await desk.person(), await desk.staff()
    row, own = await deposit(desk, user, coin), await deposit(desk, staff, coin)
    before = await changes.mark()

    assert (await desk.call("recordCryptoDeposit", user, transactionId=row.id)).codes == ["FORBIDDEN"]
    assert (await desk.call("recordCryptoDeposit", None, transactionId=row.id)).codes == ["UNAUTHENTICATED"]
    assert await record(desk, own, staff) == ["OWN_MATTER"]
    assert (await desk.call("recordCryptoDeposit", staff, STAFF, transactionId=uuid4())).refusals(
        "recordCryptoDeposit"
    ) == ["NOT_FOUND"]
    assert await changes.since(before) == []
