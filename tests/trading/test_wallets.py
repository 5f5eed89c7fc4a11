"""Wallets, a sentence of the rules a test: connected, primary, disconnected."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from models.identity import User
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory
from tests.trading.conftest import Desk

ADDRESS = "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B"
DETAILS = "Ecobank SN011 01520 000123456789, Awa Ndiaye"


async def connect(desk: Desk, user: Any, address: str = ADDRESS, **given: Any) -> Any:
    wallet = {"walletAddress": address, "chainType": "ethereum", "currency": "ETH"} | given
    return await desk.call("connectWallet", user, **wallet)


async def test_the_first_wallet_is_the_primary_one(desk: Desk, make: Factory) -> None:
    user = await make(User)

    first = await connect(desk, user, chainType=" Ethereum ", supportedCurrencies=["ETH", "USDT"])
    second = await connect(
        desk, user, address="bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", chainType="bitcoin", currency="BTC"
    )

    assert first["connectWallet"]["wallet"] | {"rowId": ""} == {
        "rowId": "", "isPrimary": True, "isConnected": True, "walletAddress": ADDRESS, "chainType": "ethereum",
    }  # fmt: skip
    assert second["connectWallet"]["wallet"]["isPrimary"] is False


async def test_a_wallet_is_connected_once_and_again_after_it_was_disconnected(
    desk: Desk, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await make(User)
    key = (await connect(desk, user))["connectWallet"]["wallet"]["rowId"]

    twice = await connect(desk, user, address=ADDRESS.lower())
    off = await desk.call("disconnectWallet", user, walletId=key)
    off_twice = await desk.call("disconnectWallet", user, walletId=key)
    again = await connect(desk, user)

    assert twice.refusals("connectWallet") == ["ALREADY_CONNECTED"]
    assert off["disconnectWallet"]["wallet"]["isConnected"] is False
    assert off["disconnectWallet"]["wallet"]["isPrimary"] is False
    assert off_twice.refusals("disconnectWallet") == ["NOT_CONNECTED"]
    assert again["connectWallet"]["wallet"]["rowId"] == key
    assert again["connectWallet"]["wallet"]["isPrimary"] is True
    assert await owner.fetchval("SELECT count(*) FROM trading.crypto_wallets WHERE user_id = $1", user.id) == 1


async def test_of_many_who_connect_one_wallet_at_once_one_does(desk: Desk, make: Factory) -> None:
    user = await make(User)

    answers = await asyncio.gather(*(connect(desk, user) for _ in range(10)))

    assert sorted(answer.refusals("connectWallet") for answer in answers) == [[]] + [["ALREADY_CONNECTED"]] * 9


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"walletAddress": "0x"}, "ADDRESS_NOT_VALID"),
        ({"walletAddress": "two words of an address"}, "ADDRESS_NOT_VALID"),
        ({"walletAddress": "x" * 129}, "ADDRESS_NOT_VALID"),
        ({"walletAddress": "адрес-кошелька"}, "ADDRESS_NOT_VALID"),
        ({"chainType": ""}, "CHAIN_NOT_VALID"),
        ({"chainType": "' OR 1=1 --"}, "CHAIN_NOT_VALID"),
        ({"currency": "₿"}, "CODE_NOT_VALID"),
        ({"supportedCurrencies": ["ETH", ""]}, "CODE_NOT_VALID"),
        ({"supportedCurrencies": ["ETH"] * 51}, "TOO_MANY"),
    ],
)
async def test_what_is_no_wallet_is_not_connected(
    desk: Desk, make: Factory, given: dict[str, Any], code: str, changes: Changes
) -> None:
    user = await make(User)
    before = await changes.mark()

    assert (await connect(desk, user, **given)).refusals("connectWallet") == [code]
    assert await changes.since(before) == []


async def test_one_wallet_is_primary_also_when_many_are_made_so_at_once(
    desk: Desk, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await make(User)
    keys = [(await connect(desk, user, f"{ADDRESS}{turn}"))["connectWallet"]["wallet"]["rowId"] for turn in range(4)]

    answers = await asyncio.gather(*(desk.call("setPrimaryWallet", user, walletId=key) for key in keys * 3))

    assert [answer.refusals("setPrimaryWallet") for answer in answers] == [[]] * 12
    primary = "SELECT count(*) FROM trading.crypto_wallets WHERE user_id = $1 AND is_primary"
    assert await owner.fetchval(primary, user.id) == 1


async def test_a_wallet_is_its_owners_to_change(desk: Desk, make: Factory, changes: Changes) -> None:
    user, stranger, staff = await make(User), await make(User), await desk.staff()
    key = (await connect(desk, user))["connectWallet"]["wallet"]["rowId"]
    before = await changes.mark()

    for name in ("setPrimaryWallet", "disconnectWallet"):
        assert (await desk.call(name, stranger, walletId=key)).refusals(name) == ["NOT_FOUND"]
        assert (await desk.call(name, staff, STAFF, walletId=key)).refusals(name) == ["NOT_YOUR_WALLET"]
        assert (await desk.call(name, None, walletId=key)).codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []


async def test_a_disconnected_wallet_is_not_primary(desk: Desk, make: Factory) -> None:
    user = await make(User)
    key = (await connect(desk, user))["connectWallet"]["wallet"]["rowId"]
    await desk.call("disconnectWallet", user, walletId=key)

    assert (await desk.call("setPrimaryWallet", user, walletId=key)).refusals("setPrimaryWallet") == ["NOT_CONNECTED"]
