"""Coins that leave, a sentence of the rules a test: within the limits of a wallet and of a user."""

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
from tests.trading.conftest import Desk, wallet_of, withdraw


async def test_withdrawing_is_the_reverse_of_a_deposit(desk: Desk, holder: Any, books: Books) -> None:
    answer = await desk.call(
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
    answer = await desk.call("withdrawCrypto", staff, STAFF, walletId=holder.wallet.id, amount="1")
    assert answer.refusals("withdrawCrypto") == ["NOT_YOUR_WALLET"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("limit", "period"), [("withdrawal_limit_daily", "day"), ("withdrawal_limit_monthly", "month")]
)
async def test_withdrawals_stay_within_the_wallets_limits(desk: Desk, holder: Any, limit: str, period: str) -> None:
    wallet = await wallet_of(desk, holder, holder.coin, **{limit: Decimal(10)})

    assert await withdraw(desk, holder, "6", wallet) == []
    answer = await desk.call("withdrawCrypto", holder, walletId=wallet.id, amount="4.00000001")
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
    answer = await desk.call("withdrawCrypto", user, walletId=wallets[1].id, amount="0.33333334")
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
        answer = await desk.call(
            "connectWallet", user, walletAddress="0x" + "b" * 40, chainType="ethereum", currency=coin
        )
        return answer["connectWallet"]["wallet"]["rowId"]

    async def wait(key: Any) -> None:
        await owner.execute("UPDATE trading.crypto_wallets SET payable_from = now() WHERE id = $1", UUID(key))

    key = await connect()
    begins = await owner.fetchval("SELECT payable_from FROM trading.crypto_wallets WHERE id = $1", UUID(key))
    before = await changes.mark()
    answer = await desk.call("withdrawCrypto", user, walletId=key, amount="1")

    assert timedelta(hours=23, minutes=59) < begins - now() <= timedelta(hours=24)
    assert answer.refusals("withdrawCrypto") == ["WALLET_TOO_NEW"]
    (error,) = answer["withdrawCrypto"]["userErrors"]
    assert error["details"] == {"payableFrom": begins.isoformat()}
    assert f"{begins:%Y-%m-%d at %H:%M} UTC" in error["message"]
    assert await changes.since(before) == []
    await wait(key)
    assert (await desk.call("withdrawCrypto", user, walletId=key, amount="1")).refusals("withdrawCrypto") == []
    await desk.call("disconnectWallet", user, walletId=key)
    assert await connect() == key
    assert (await desk.call("withdrawCrypto", user, walletId=key, amount="1")).refusals("withdrawCrypto") == [
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
            desk.call("fundEscrow", deal.seller, escrowId=deal.escrow), withdraw(desk, deal.seller, "100")
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
    return (await desk.call("setPrimaryWallet", user, walletId=wallet.id)).refusals("setPrimaryWallet")
