"""How withdrawals end, a sentence of the rules a test: their coins have left for good, or come back."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from models.trading import CryptoTransaction
from models.treasury import UserBalance
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.trading.conftest import Desk, wallet_of, withdraw

CONFIRM, FAIL = "confirmCryptoWithdrawal", "failCryptoWithdrawal"


def a_hash() -> str:
    return f"0x{uuid4().hex}{uuid4().hex}"


async def sent(desk: Desk, user: Any, amount: str = "40", wallet: Any = None) -> UUID:
    """A withdrawal whose end nobody knows yet."""
    answer = await desk.call("withdrawCrypto", user, walletId=(wallet or user.wallet).id, amount=amount)
    return UUID(answer["withdrawCrypto"]["transaction"]["rowId"])


async def confirm(desk: Desk, staff: Any, key: UUID, hash_: str | None = None, **given: Any) -> list[str]:
    answer = await desk.call(CONFIRM, staff, STAFF, transactionId=key, transactionHash=hash_ or a_hash(), **given)
    return answer.refusals(CONFIRM)


async def fail(desk: Desk, staff: Any, key: UUID, reason: str = "out of gas", **given: Any) -> list[str]:
    return (await desk.call(FAIL, staff, STAFF, transactionId=key, reason=reason, **given)).refusals(FAIL)


async def test_what_the_chain_has_taken_is_confirmed_and_stays_gone(desk: Desk, holder: Any, books: Books) -> None:
    key, staff, hash_ = await sent(desk, holder), await desk.staff(), a_hash()

    answer = await desk.call(CONFIRM, staff, STAFF, transactionId=key, transactionHash=f" {hash_.upper()} ")

    assert answer[CONFIRM] == {
        "transaction": {"rowId": str(key), "status": "CONFIRMED", "transactionHash": hash_, "metadata": None},
        "userErrors": [],
    }
    assert await desk.holds(holder, holder.coin) == ("60", "0")
    assert await books.events(key) == ["crypto_withdrawal.requested", "crypto_withdrawal.confirmed"]


async def test_what_the_chain_did_not_take_goes_back_and_its_owner_reads_why(
    desk: Desk, holder: Any, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    key, staff = await sent(desk, holder, "40.00000001"), await desk.staff()

    answer = await desk.call(FAIL, staff, STAFF, transactionId=key, reason=" the address is of another chain ")

    why = {"failure_reason": "the address is of another chain"}
    failed = {"rowId": str(key), "status": "FAILED", "transactionHash": None, "metadata": why}
    assert answer[FAIL] == {"transaction": failed, "userErrors": []}
    assert await desk.holds(holder, holder.coin) == ("100", "0")
    assert await books.owed(f"provider:chain:{holder.coin}") == -100
    assert await books.events(key) == ["crypto_withdrawal.requested", "crypto_withdrawal.failed"]
    kinds = await owner.fetch("SELECT kind FROM ledger.ledger_transactions WHERE reference_id = $1 ORDER BY kind", key)
    assert [row["kind"] for row in kinds] == ["crypto_withdrawal", "crypto_withdrawal_reversal"]
    shown = await desk.api("query ($id: ID!) { cryptoTransaction(id: $id) { metadata } }", {"id": str(key)}, as_=holder)
    assert shown["cryptoTransaction"] == {"metadata": why}


@pytest.mark.parametrize("limit", ["withdrawal_limit_daily", "withdrawal_limit_monthly"])
async def test_what_failed_leaves_its_part_of_the_limit_free(desk: Desk, holder: Any, limit: str) -> None:
    wallet, staff = await wallet_of(desk, holder, holder.coin, **{limit: Decimal(10)}), await desk.staff()
    failed, confirmed = await sent(desk, holder, "6", wallet), await sent(desk, holder, "4", wallet)

    assert [await fail(desk, staff, failed), await confirm(desk, staff, confirmed)] == [[], []]

    assert await withdraw(desk, holder, "6.00000001", wallet) == ["LIMIT_EXCEEDED"]
    assert await withdraw(desk, holder, "6", wallet) == []


async def test_a_withdrawal_ends_once(desk: Desk, holder: Any, changes: Changes) -> None:
    confirmed, failed, staff = await sent(desk, holder, "10"), await sent(desk, holder, "20"), await desk.staff()
    assert [await confirm(desk, staff, confirmed), await fail(desk, staff, failed)] == [[], []]
    before = await changes.mark()

    for key in (confirmed, failed):
        assert await confirm(desk, staff, key) == ["INVALID_STATE"]
        assert await fail(desk, staff, key) == ["INVALID_STATE"]
    again = await desk.call(FAIL, staff, STAFF, transactionId=confirmed, reason="late")

    assert again[FAIL]["userErrors"][0]["details"] == {"state": "confirmed"}
    assert await changes.since(before) == []
    assert await desk.holds(holder, holder.coin) == ("90", "0")


async def test_of_twenty_who_end_a_withdrawal_at_once_exactly_one_does(
    desk: Desk, holder: Any, owner: asyncpg.Pool[Any]
) -> None:
    staff = await desk.staff()
    for turn in range(4):
        key, calls = await sent(desk, holder, "1"), [confirm, fail] * 10
        before = Decimal((await desk.holds(holder, holder.coin))[0])

        refusals = await asyncio.gather(*(call(desk, staff, key) for call in (calls if turn % 2 else calls[::-1])))

        assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 19
        state = await owner.fetchval("SELECT status FROM trading.crypto_transactions WHERE id = $1", key)
        winner = (calls if turn % 2 else calls[::-1])[refusals.index([])]
        assert state == ("confirmed" if winner is confirm else "failed")
        assert Decimal((await desk.holds(holder, holder.coin))[0]) - before == (state == "failed")


async def test_of_twenty_who_fail_it_at_once_one_gives_the_coins_back(desk: Desk, holder: Any) -> None:
    key, staff = await sent(desk, holder), await desk.staff()

    refusals = await asyncio.gather(*(fail(desk, staff, key) for _ in range(20)))

    assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 19
    assert await desk.holds(holder, holder.coin) == ("100", "0")


async def test_coins_that_come_back_while_others_leave_add_up(desk: Desk, holder: Any) -> None:
    keys, staff = [await sent(desk, holder, "5") for _ in range(10)], await desk.staff()

    refusals = await asyncio.gather(
        *(fail(desk, staff, key) for key in keys), *(withdraw(desk, holder, "2") for _ in range(10))
    )

    assert refusals == [[]] * 20
    assert await desk.holds(holder, holder.coin) == ("80", "0")


async def test_a_hash_is_of_one_transaction(desk: Desk, holder: Any, owner: asyncpg.Pool[Any]) -> None:
    keys, staff, hash_ = [await sent(desk, holder, "1") for _ in range(10)], await desk.staff(), a_hash()

    refusals = await asyncio.gather(*(confirm(desk, staff, key, hash_) for key in keys))

    assert sorted(refusals) == [[]] + [["HASH_TAKEN"]] * 9
    states = await owner.fetch(
        "SELECT status, transaction_hash FROM trading.crypto_transactions WHERE user_id = $1", holder.id
    )
    assert (
        sorted((row["status"], row["transaction_hash"]) for row in states)
        == [("confirmed", hash_)] + [("pending", None)] * 9
    )
    left = keys[next(place for place, codes in enumerate(refusals) if codes)]
    assert await confirm(desk, staff, left, hash_.upper()) == ["HASH_TAKEN"]
    assert await confirm(desk, staff, left) == []


@pytest.mark.parametrize(
    "hash_", ["", "0x123", "x" * 129, "two words here", "hash\nof lines", "ハッシュハッシュハッシュ"]
)
async def test_what_is_no_hash_confirms_nothing(desk: Desk, holder: Any, hash_: str, changes: Changes) -> None:
    key, staff = await sent(desk, holder), await desk.staff()
    before = await changes.mark()

    answer = await desk.call(CONFIRM, staff, STAFF, transactionId=key, transactionHash=hash_)

    assert answer.refusals(CONFIRM) == ["HASH_NOT_VALID"]
    assert answer[CONFIRM]["userErrors"][0]["field"] == ["transactionHash"]
    assert await changes.since(before) == []


async def test_a_hash_that_is_not_hexadecimal_keeps_its_case(desk: Desk, holder: Any) -> None:
    key, staff, hash_ = await sent(desk, holder), await desk.staff(), f"5VERv8NMvzbJMEkV8xnrLkEaWRtSz9Cos{uuid4().hex}"

    answer = await desk.call(CONFIRM, staff, STAFF, transactionId=key, transactionHash=hash_)

    assert answer[CONFIRM]["transaction"]["transactionHash"] == hash_


async def test_a_failure_has_a_reason(desk: Desk, holder: Any, changes: Changes) -> None:
    key, staff = await sent(desk, holder), await desk.staff()
    before = await changes.mark()

    assert await fail(desk, staff, key, " ") == ["TEXT_MISSING"]
    assert await changes.since(before) == []


async def test_what_was_taken_from_no_balance_is_neither_confirmed_nor_given_back(
    desk: Desk, holder: Any, changes: Changes
) -> None:
    staff, given = await desk.staff(), {"user_id": holder.id, "currency": holder.coin, "amount": 10}
    rows = [
        await desk.make(CryptoTransaction, **given, transaction_type=kind, status="pending")
        for kind in ("withdrawal", "deposit", "transfer", "escrow_release")
    ]
    before = await changes.mark()

    for row in rows:
        assert await confirm(desk, staff, row.id) == ["NO_WITHDRAWAL"]
        assert await fail(desk, staff, row.id) == ["NO_WITHDRAWAL"]
    assert await changes.since(before) == []


async def test_coins_that_the_balance_cannot_hold_any_more_stay_pending(
    desk: Desk, holder: Any, changes: Changes
) -> None:
    key, staff = await sent(desk, holder), await desk.staff()
    await desk.give(holder, holder.coin, "99999999999999999939.99999999")
    before = await changes.mark()

    assert await fail(desk, staff, key) == ["AMOUNT_OUT_OF_RANGE"]
    assert await changes.since(before) == []


async def test_withdrawals_are_ended_by_staff_and_not_their_own(desk: Desk, holder: Any, changes: Changes) -> None:
    staff, stranger = await desk.staff(), await desk.person()
    key = await sent(desk, holder)
    await desk.make(UserBalance, user_id=staff.id, currency=holder.coin)
    await desk.give(staff, holder.coin, "5")
    own = await sent(desk, staff, "5", await wallet_of(desk, staff, holder.coin))
    before = await changes.mark()

    for name, more in ((CONFIRM, {"transactionHash": a_hash()}), (FAIL, {"reason": "lost"})):
        for who in (holder, stranger):
            assert (await desk.call(name, who, transactionId=key, **more)).codes == ["FORBIDDEN"]
            # With a token that claims a role which the database does not know of.
            assert (await desk.call(name, who, STAFF, transactionId=key, **more)).codes == ["FORBIDDEN"]
        assert (await desk.call(name, None, transactionId=key, **more)).codes == ["UNAUTHENTICATED"]
        assert (await desk.call(name, staff, STAFF, transactionId=own, **more)).refusals(name) == ["OWN_MATTER"]
        assert (await desk.call(name, staff, STAFF, transactionId=uuid4(), **more)).refusals(name) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_a_replayed_end_answers_as_the_first_did(desk: Desk, holder: Any) -> None:
    confirmed, failed = await sent(desk, holder, "10"), await sent(desk, holder, "20")
    staff, key, hash_ = await desk.staff(), str(uuid4()), a_hash()

    first = await asyncio.gather(*(confirm(desk, staff, confirmed, hash_, idempotencyKey=key) for _ in range(5)))
    other = await asyncio.gather(*(fail(desk, staff, failed, idempotencyKey=key) for _ in range(5)))

    assert first == other == [[]] * 5
    assert await confirm(desk, staff, failed, hash_, idempotencyKey=key) == ["IDEMPOTENCY_KEY_REUSED"]
    assert await desk.holds(holder, holder.coin) == ("90", "0")
