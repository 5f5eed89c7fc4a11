"""Coins that leave, a sentence of the rules a test: within the wallet's limits, and back where the chain took none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from models.profiles import Profile
from models.trading import CryptoTransaction, CryptoWallet
from models.treasury import UserBalance
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory, now
from tests.trading.conftest import Desk

# withdrawCrypto


@pytest.fixture
async def holder(desk: Desk) -> Any:
    """Somebody with a hundred coins and a wallet for them, without limits."""
    coin = await desk.coin()
    user = await desk.person(coin, "100")
    user.coin, user.wallet = coin, await wallet_of(desk, user, coin)
    return user


async def wallet_of(desk: Desk, user: Any, coin: str, **given: Any) -> Any:
    return await desk.make(CryptoWallet, user_id=user.id, currency=coin, chain_type="celo", is_connected=True, **given)


async def withdraw(desk: Desk, user: Any, amount: str, wallet: Any = None, **given: Any) -> list[str]:
    key = (wallet or user.wallet).id
    answer = await desk.ask("withdrawCrypto", user, walletId=key, amount=amount, **given)
    return answer.refusals("withdrawCrypto")


async def test_withdrawing_is_the_reverse_of_a_deposit(desk: Desk, holder: Any, books: Books) -> None:
    answer = await desk.ask(
        "withdrawCrypto", holder, walletId=holder.wallet.id, amount="40.5", destinationName="mine", note="savings"
    )

    sent = answer["withdrawCrypto"]["transaction"]
    assert (sent["status"], sent["amount"], sent["toAddress"]) == (
        "PENDING",
        "40.50000000",
        holder.wallet.wallet_address,
    )
    assert await desk.holds(holder, holder.coin) == ("59.5", "0")
    assert await books.owed(f"provider:chain:{holder.coin}") == -59
    assert await books.events(UUID(sent["rowId"])) == ["crypto_withdrawal.requested"]


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "AMOUNT_NOT_POSITIVE"), ("-1", "AMOUNT_NOT_POSITIVE"), ("1000000000000", "AMOUNT_OUT_OF_RANGE"),
        ("100.00000001", "INSUFFICIENT_FUNDS"),
    ],
)  # fmt: skip
async def test_an_amount_that_cannot_be_withdrawn_is_refused(
    desk: Desk, holder: Any, amount: str, code: str, changes: Changes
) -> None:
    before = await changes.mark()

    assert await withdraw(desk, holder, amount) == [code]
    assert await changes.since(before) == []


async def test_what_is_locked_in_an_escrow_cannot_be_withdrawn(desk: Desk) -> None:
    deal = await desk.funded("100")
    deal.seller.wallet = await wallet_of(desk, deal.seller, deal.coin)

    assert await withdraw(desk, deal.seller, "0.00000001") == ["INSUFFICIENT_FUNDS"]


async def test_withdrawing_goes_to_ones_own_connected_wallet(desk: Desk, holder: Any, changes: Changes) -> None:
    other, staff = await desk.person(holder.coin, "5"), await desk.staff()
    off = await desk.make(CryptoWallet, user_id=holder.id, currency=holder.coin, is_connected=False)
    deleted = await wallet_of(desk, holder, holder.coin, deleted_at=now())
    before = await changes.mark()

    assert await withdraw(desk, other, "1", holder.wallet) == ["NOT_FOUND"]
    assert await withdraw(desk, holder, "1", off) == ["WALLET_NOT_CONNECTED"]
    assert await withdraw(desk, holder, "1", deleted) == ["NOT_FOUND"]
    answer = await desk.ask("withdrawCrypto", staff, STAFF, walletId=holder.wallet.id, amount="1")
    assert answer.refusals("withdrawCrypto") == ["NOT_YOUR_WALLET"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("limit", "period"), [("withdrawal_limit_daily", "day"), ("withdrawal_limit_monthly", "month")]
)
async def test_withdrawals_stay_within_the_wallets_limits(desk: Desk, holder: Any, limit: str, period: str) -> None:
    wallet = await wallet_of(desk, holder, holder.coin, **{limit: Decimal(10)})

    assert await withdraw(desk, holder, "6", wallet) == []
    answer = await desk.ask("withdrawCrypto", holder, walletId=wallet.id, amount="4.00000001")
    assert answer.refusals("withdrawCrypto") == ["LIMIT_EXCEEDED"]
    assert answer["withdrawCrypto"]["userErrors"][0]["details"] == {"period": period, "left": "4.00000000"}
    assert await withdraw(desk, holder, "4", wallet) == []
    assert await withdraw(desk, holder, "0.00000001", wallet) == ["LIMIT_EXCEEDED"]


async def test_another_wallet_is_no_way_round_a_limit(desk: Desk, holder: Any) -> None:
    narrow = await wallet_of(desk, holder, holder.coin, withdrawal_limit_daily=Decimal(10))
    wide = await wallet_of(desk, holder, holder.coin, withdrawal_limit_daily=Decimal(50))

    assert await withdraw(desk, holder, "10", narrow) == []
    assert await withdraw(desk, holder, "0.1", narrow) == ["LIMIT_EXCEEDED"]
    assert await withdraw(desk, holder, "0.1", wide) == ["LIMIT_EXCEEDED"]
    # Nor is one that has no limit, nor to disconnect the narrow one.
    await desk.owner.execute("UPDATE trading.crypto_wallets SET is_connected = false WHERE id = $1", narrow.id)
    assert await withdraw(desk, holder, "0.1") == ["LIMIT_EXCEEDED"]
    assert await desk.holds(holder, holder.coin) == ("90", "0")


async def test_limits_are_of_one_coin(desk: Desk, holder: Any) -> None:
    coin = await desk.coin()
    await desk.make(UserBalance, user_id=holder.id, currency=coin)
    await desk.give(holder, coin, "100")
    narrow = await wallet_of(desk, holder, holder.coin, withdrawal_limit_daily=Decimal(10))

    assert await withdraw(desk, holder, "10", narrow) == []
    assert await withdraw(desk, holder, "40", await wallet_of(desk, holder, coin)) == []


async def test_who_has_no_wallet_with_limits_has_those_that_are_configured(desk: Desk) -> None:
    coin = await desk.coin("3000")
    user = await desk.person(coin, "100")
    wallets = [await wallet_of(desk, user, coin) for _ in range(2)]

    # 10,000 dollars a day are three coins and a third.
    assert await withdraw(desk, user, "3", wallets[0]) == []
    answer = await desk.ask("withdrawCrypto", user, walletId=wallets[1].id, amount="0.33333334")
    assert answer.refusals("withdrawCrypto") == ["LIMIT_EXCEEDED"]
    assert answer["withdrawCrypto"]["userErrors"][0]["details"] == {"period": "day", "left": "0.33333333"}
    assert await withdraw(desk, user, "0.33333333", wallets[1]) == []


async def test_through_two_wallets_at_once_nobody_exceeds_a_limit(desk: Desk, holder: Any) -> None:
    narrow = await wallet_of(desk, holder, holder.coin, withdrawal_limit_daily=Decimal(35))

    refusals = await asyncio.gather(*(withdraw(desk, holder, "10", wallet) for wallet in (narrow, holder.wallet) * 10))

    assert sorted(refusals) == [[]] * 3 + [["LIMIT_EXCEEDED"]] * 17


async def test_a_wallet_that_was_just_connected_waits_also_when_it_is_connected_again(
    desk: Desk, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    coin = await desk.coin()
    user = await desk.person(coin, "100")

    async def connect() -> Any:
        answer = await desk.ask(
            "connectWallet", user, walletAddress="0x" + "b" * 40, chainType="ethereum", currency=coin
        )
        return answer["connectWallet"]["wallet"]["rowId"]

    async def wait(key: Any) -> None:
        await owner.execute("UPDATE trading.crypto_wallets SET payable_from = now() WHERE id = $1", UUID(key))

    key = await connect()
    begins = await owner.fetchval("SELECT payable_from FROM trading.crypto_wallets WHERE id = $1", UUID(key))
    before = await changes.mark()
    answer = await desk.ask("withdrawCrypto", user, walletId=key, amount="1")

    assert timedelta(hours=23, minutes=59) < begins - now() <= timedelta(hours=24)
    assert answer.refusals("withdrawCrypto") == ["WALLET_TOO_NEW"]
    (error,) = answer["withdrawCrypto"]["userErrors"]
    assert error["details"] == {"payableFrom": begins.isoformat()}
    assert f"{begins:%Y-%m-%d at %H:%M} UTC" in error["message"]
    assert await changes.since(before) == []
    await wait(key)
    assert (await desk.ask("withdrawCrypto", user, walletId=key, amount="1")).refusals("withdrawCrypto") == []
    await desk.ask("disconnectWallet", user, walletId=key)
    assert await connect() == key
    assert (await desk.ask("withdrawCrypto", user, walletId=key, amount="1")).refusals("withdrawCrypto") == [
        "WALLET_TOO_NEW"
    ]


async def test_what_failed_or_left_another_day_or_in_another_coin_does_not_count(
    desk: Desk, holder: Any, owner: asyncpg.Pool[Any]
) -> None:
    wallet = await wallet_of(desk, holder, holder.coin, withdrawal_limit_daily=Decimal(10))
    begin = await owner.fetchval(
        "SELECT date_trunc('day', now() AT TIME ZONE 'Africa/Dakar') AT TIME ZONE 'Africa/Dakar'"
    )
    before = begin - timedelta(microseconds=1)
    for given in (
        {"wallet_id": wallet.id, "status": "failed"},
        {"wallet_id": wallet.id, "status": "confirmed", "currency": await desk.coin()},
        {"wallet_id": wallet.id, "status": "confirmed", "timestamp": before},
    ):  # fmt: skip
        await desk.make(CryptoTransaction, user_id=holder.id, amount=10, transaction_type="withdrawal",
                        **{"currency": holder.coin} | given)  # fmt: skip

    assert await withdraw(desk, holder, "10", wallet) == []
    assert await withdraw(desk, holder, "0.1", wallet) == ["LIMIT_EXCEEDED"]


async def test_the_day_of_a_limit_is_the_users_own(
    desk: Desk, make: Factory, owner: asyncpg.Pool[Any], holder: Any
) -> None:
    zone = "Pacific/Kiritimati"
    await make(Profile, user_id=holder.id, timezone=zone)
    wallet = await wallet_of(desk, holder, holder.coin, withdrawal_limit_daily=Decimal(10))
    begin = await owner.fetchval("SELECT date_trunc('day', now() AT TIME ZONE $1) AT TIME ZONE $1", zone)
    sent = {"user_id": holder.id, "wallet_id": wallet.id, "currency": holder.coin, "transaction_type": "withdrawal"}
    await make(CryptoTransaction, **sent, amount=10, status="confirmed", timestamp=begin - timedelta(seconds=1))
    await make(CryptoTransaction, **sent, amount=4, status="confirmed", timestamp=begin + timedelta(microseconds=1))

    assert await withdraw(desk, holder, "6.00000001", wallet) == ["LIMIT_EXCEEDED"]
    assert await withdraw(desk, holder, "6", wallet) == []


async def test_withdrawals_at_once_exceed_neither_the_limit_nor_the_balance(desk: Desk, holder: Any) -> None:
    limited = await wallet_of(desk, holder, holder.coin, withdrawal_limit_daily=Decimal(35))

    by_limit = await asyncio.gather(*(withdraw(desk, holder, "10", limited) for _ in range(20)))
    await desk.owner.execute(
        "UPDATE trading.crypto_wallets SET withdrawal_limit_daily = NULL WHERE id = $1", limited.id
    )
    by_balance = await asyncio.gather(*(withdraw(desk, holder, "10") for _ in range(20)))

    assert sorted(by_limit) == [[]] * 3 + [["LIMIT_EXCEEDED"]] * 17
    assert sorted(by_balance) == [[]] * 7 + [["INSUFFICIENT_FUNDS"]] * 13
    assert await desk.holds(holder, holder.coin) == ("0", "0")


async def test_two_wallets_at_once_spend_one_balance_once(desk: Desk, holder: Any) -> None:
    second = await wallet_of(desk, holder, holder.coin)

    refusals = await asyncio.gather(*(withdraw(desk, holder, "60", wallet) for wallet in (holder.wallet, second) * 3))

    assert sorted(refusals) == [[]] + [["INSUFFICIENT_FUNDS"]] * 5


async def test_funding_and_withdrawing_at_once_spend_a_balance_once(desk: Desk) -> None:
    for _ in range(6):
        deal = await desk.taken("100")
        deal.seller.wallet = await wallet_of(desk, deal.seller, deal.coin)

        funded, withdrawn = await asyncio.gather(
            desk.ask("fundEscrow", deal.seller, escrowId=deal.escrow), withdraw(desk, deal.seller, "100")
        )

        assert sorted([funded.refusals("fundEscrow"), withdrawn]) == [[], ["INSUFFICIENT_FUNDS"]]


async def test_a_replayed_withdrawal_leaves_once(desk: Desk, holder: Any) -> None:
    key = str(uuid4())

    refusals = await asyncio.gather(*(withdraw(desk, holder, "10", idempotencyKey=key) for _ in range(5)))

    assert refusals == [[]] * 5
    assert await desk.holds(holder, holder.coin) == ("90", "0")


async def test_withdrawing_while_wallets_change_holds_nobody_up(desk: Desk, holder: Any) -> None:
    others = [await wallet_of(desk, holder, holder.coin) for _ in range(3)]

    answers = await asyncio.gather(
        *(withdraw(desk, holder, "1", wallet) for wallet in others * 4),
        *(make_primary(desk, holder, wallet) for wallet in others * 4),
    )

    assert answers == [[]] * 24
    assert await desk.holds(holder, holder.coin) == ("88", "0")


async def make_primary(desk: Desk, user: Any, wallet: Any) -> list[str]:
    return (await desk.ask("setPrimaryWallet", user, walletId=wallet.id)).refusals("setPrimaryWallet")


# confirmCryptoWithdrawal, failCryptoWithdrawal

CONFIRM, FAIL = "confirmCryptoWithdrawal", "failCryptoWithdrawal"


def a_hash() -> str:
    return f"0x{uuid4().hex}{uuid4().hex}"


async def sent(desk: Desk, user: Any, amount: str = "40", wallet: Any = None) -> UUID:
    """A withdrawal whose end nobody knows yet."""
    answer = await desk.ask("withdrawCrypto", user, walletId=(wallet or user.wallet).id, amount=amount)
    return UUID(answer["withdrawCrypto"]["transaction"]["rowId"])


async def confirm(desk: Desk, staff: Any, key: UUID, told: str | None = None, **given: Any) -> list[str]:
    answer = await desk.ask(CONFIRM, staff, STAFF, transactionId=key, transactionHash=told or a_hash(), **given)
    return answer.refusals(CONFIRM)


async def fail(desk: Desk, staff: Any, key: UUID, reason: str = "out of gas", **given: Any) -> list[str]:
    return (await desk.ask(FAIL, staff, STAFF, transactionId=key, reason=reason, **given)).refusals(FAIL)


async def test_what_the_chain_has_taken_is_confirmed_and_stays_gone(desk: Desk, holder: Any, books: Books) -> None:
    key, staff, told = await sent(desk, holder), await desk.staff(), a_hash()

    answer = await desk.ask(CONFIRM, staff, STAFF, transactionId=key, transactionHash=f" {told.upper()} ")

    assert answer[CONFIRM] == {
        "transaction": {"rowId": str(key), "status": "CONFIRMED", "transactionHash": told, "metadata": None},
        "userErrors": [],
    }
    assert await desk.holds(holder, holder.coin) == ("60", "0")
    assert await books.events(key) == ["crypto_withdrawal.requested", "crypto_withdrawal.confirmed"]


async def test_what_the_chain_did_not_take_goes_back_and_its_owner_reads_why(
    desk: Desk, holder: Any, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    key, staff = await sent(desk, holder, "40.00000001"), await desk.staff()

    answer = await desk.ask(FAIL, staff, STAFF, transactionId=key, reason=" the address is of another chain ")

    why = {"failure_reason": "the address is of another chain"}
    failed = {"rowId": str(key), "status": "FAILED", "transactionHash": None, "metadata": why}
    assert answer[FAIL] == {"transaction": failed, "userErrors": []}
    assert await desk.holds(holder, holder.coin) == ("100", "0")
    assert await books.owed(f"provider:chain:{holder.coin}") == -100
    assert await books.events(key) == ["crypto_withdrawal.requested", "crypto_withdrawal.failed"]
    kinds = await owner.fetch("SELECT kind FROM ledger.ledger_transactions WHERE reference_id = $1 ORDER BY kind", key)
    assert [row["kind"] for row in kinds] == ["crypto_withdrawal", "crypto_withdrawal_reversal"]
    told = await desk.api("query ($id: ID!) { cryptoTransaction(id: $id) { metadata } }", {"id": str(key)}, as_=holder)
    assert told["cryptoTransaction"] == {"metadata": why}


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
    again = await desk.ask(FAIL, staff, STAFF, transactionId=confirmed, reason="late")

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
    keys, staff, told = [await sent(desk, holder, "1") for _ in range(10)], await desk.staff(), a_hash()

    refusals = await asyncio.gather(*(confirm(desk, staff, key, told) for key in keys))

    assert sorted(refusals) == [[]] + [["HASH_TAKEN"]] * 9
    states = await owner.fetch(
        "SELECT status, transaction_hash FROM trading.crypto_transactions WHERE user_id = $1", holder.id
    )
    assert (
        sorted((row["status"], row["transaction_hash"]) for row in states)
        == [("confirmed", told)] + [("pending", None)] * 9
    )
    left = keys[next(place for place, codes in enumerate(refusals) if codes)]
    assert await confirm(desk, staff, left, told.upper()) == ["HASH_TAKEN"]
    assert await confirm(desk, staff, left) == []


@pytest.mark.parametrize(
    "told", ["", "0x123", "x" * 129, "two words here", "hash\nof lines", "ハッシュハッシュハッシュ"]
)
async def test_what_is_no_hash_confirms_nothing(desk: Desk, holder: Any, told: str, changes: Changes) -> None:
    key, staff = await sent(desk, holder), await desk.staff()
    before = await changes.mark()

    answer = await desk.ask(CONFIRM, staff, STAFF, transactionId=key, transactionHash=told)

    assert answer.refusals(CONFIRM) == ["HASH_NOT_VALID"]
    assert answer[CONFIRM]["userErrors"][0]["field"] == ["transactionHash"]
    assert await changes.since(before) == []


async def test_a_hash_that_is_not_hexadecimal_keeps_its_case(desk: Desk, holder: Any) -> None:
    key, staff, told = await sent(desk, holder), await desk.staff(), f"5VERv8NMvzbJMEkV8xnrLkEaWRtSz9Cos{uuid4().hex}"

    answer = await desk.ask(CONFIRM, staff, STAFF, transactionId=key, transactionHash=told)

    assert answer[CONFIRM]["transaction"]["transactionHash"] == told


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
            assert (await desk.ask(name, who, transactionId=key, **more)).codes == ["FORBIDDEN"]
            # With a token that claims a role which the database does not know of.
            assert (await desk.ask(name, who, STAFF, transactionId=key, **more)).codes == ["FORBIDDEN"]
        assert (await desk.ask(name, None, transactionId=key, **more)).codes == ["UNAUTHENTICATED"]
        assert (await desk.ask(name, staff, STAFF, transactionId=own, **more)).refusals(name) == ["OWN_MATTER"]
        assert (await desk.ask(name, staff, STAFF, transactionId=uuid4(), **more)).refusals(name) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_a_replayed_end_answers_as_the_first_did(desk: Desk, holder: Any) -> None:
    confirmed, failed = await sent(desk, holder, "10"), await sent(desk, holder, "20")
    staff, key, told = await desk.staff(), str(uuid4()), a_hash()

    first = await asyncio.gather(*(confirm(desk, staff, confirmed, told, idempotencyKey=key) for _ in range(5)))
    other = await asyncio.gather(*(fail(desk, staff, failed, idempotencyKey=key) for _ in range(5)))

    assert first == other == [[]] * 5
    assert await confirm(desk, staff, failed, told, idempotencyKey=key) == ["IDEMPOTENCY_KEY_REUSED"]
    assert await desk.holds(holder, holder.coin) == ("90", "0")
