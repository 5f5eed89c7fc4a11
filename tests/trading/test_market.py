"""What staff say of the market and of traders: prices, identities, limits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.identity import User
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory
from tests.trading.conftest import Desk

ADDRESS = "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B"
DETAILS = "Ecobank SN011 01520 000123456789, Awa Ndiaye"


async def prices(desk: Desk, staff: Any, *coins: dict[str, Any], roles: tuple[str, ...] = STAFF) -> Any:
    return await desk.call("upsertCryptoPrices", staff, roles, prices=list(coins))


async def test_prices_are_added_and_what_is_left_out_stays(desk: Desk) -> None:
    staff, symbol = await desk.staff(), f"N{uuid4().hex[:8]}"

    new = await prices(
        desk, staff, {"symbol": symbol, "priceUsd": "2.5", "name": "New", "marketCapRank": 7, "high24h": "3"}
    )
    again = await prices(desk, staff, {"symbol": symbol, "priceUsd": "2.75"})

    first = {"symbol": symbol, "name": "New", "priceUsd": "2.50000000", "marketCapRank": 7, "high24h": "3.00000000"}
    assert new["upsertCryptoPrices"]["prices"] == [first]
    assert again["upsertCryptoPrices"]["prices"] == [first | {"priceUsd": "2.75000000"}]


async def test_a_coin_without_a_name_goes_by_its_code(desk: Desk) -> None:
    staff, symbol = await desk.staff(), f"N{uuid4().hex[:8]}"

    answer = await prices(desk, staff, {"symbol": symbol, "priceUsd": "1"})

    assert answer["upsertCryptoPrices"]["prices"][0]["name"] == symbol


@pytest.mark.parametrize(
    ("coins", "code", "field"),
    [
        ([{"symbol": "€", "priceUsd": "1"}], "CODE_NOT_VALID", ["prices", "0", "symbol"]),
        ([{"symbol": "BTC", "priceUsd": "0"}], "AMOUNT_NOT_POSITIVE", ["prices", "0", "priceUsd"]),
        ([{"symbol": "ETH", "priceUsd": "1"}, {"symbol": "BTC", "priceUsd": "9999999999999"}], "AMOUNT_OUT_OF_RANGE",
         ["prices", "1", "priceUsd"]),
        ([{"symbol": "BTC", "priceUsd": "1", "priceChange24h": "1.234"}], "AMOUNT_OUT_OF_RANGE", ["prices", "0", "priceChange24h"]),
        ([{"symbol": "BTC", "priceUsd": "1"}, {"symbol": "BTC", "priceUsd": "2"}], "NAMED_TWICE", ["prices"]),
        ([{"symbol": f"A{turn}", "priceUsd": "1"} for turn in range(501)], "TOO_MANY", ["prices"]),
    ],
)  # fmt: skip
async def test_prices_that_are_none_change_nothing(
    desk: Desk, coins: list[dict[str, Any]], code: str, field: list[str], changes: Changes
) -> None:
    staff = await desk.staff()
    before = await changes.mark()

    answer = await prices(desk, staff, *coins)

    assert answer.refusals("upsertCryptoPrices") == [code]
    assert answer["upsertCryptoPrices"]["userErrors"][0]["field"] == field
    assert await changes.since(before) == []


async def test_many_who_write_the_same_prices_at_once_do_not_cross(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    staff, symbols = await desk.staff(), [f"M{uuid4().hex[:8]}" for _ in range(10)]
    coins = [{"symbol": symbol, "priceUsd": "1"} for symbol in symbols]

    answers = await asyncio.gather(*(prices(desk, staff, *(coins if turn % 2 else coins[::-1])) for turn in range(10)))

    assert [answer.refusals("upsertCryptoPrices") for answer in answers] == [[]] * 10
    count = "SELECT count(*) FROM trading.crypto_prices WHERE symbol = ANY ($1)"
    assert await owner.fetchval(count, symbols) == 10


async def test_prices_and_identities_are_for_staff(desk: Desk, make: Factory) -> None:
    user, other = await make(User), await make(User)

    assert (await prices(desk, user, {"symbol": "BTC", "priceUsd": "1"}, roles=())).codes == ["FORBIDDEN"]
    assert (await desk.call("setKycStatus", user, userId=other.id, status="VERIFIED")).codes == ["FORBIDDEN"]


async def test_staff_confirm_or_reject_an_identity_and_set_limits(desk: Desk, make: Factory) -> None:
    user, staff = await make(User), await desk.staff()

    yes = await desk.call("setKycStatus", staff, STAFF, userId=user.id, status="VERIFIED", dailyLimit="5000")
    no = await desk.call("setKycStatus", staff, STAFF, userId=user.id, status="REJECTED")

    shown = yes["setKycStatus"]["profile"]
    assert (shown["kycStatus"], shown["isVerifiedTrader"], shown["dailyLimit"]) == ("VERIFIED", True, "5000.00000000")
    assert shown["monthlyLimit"] == "10000.00000000"
    assert datetime.fromisoformat(shown["kycVerifiedAt"]) <= datetime.now(UTC)
    kept = no["setKycStatus"]["profile"]
    assert (kept["kycStatus"], kept["isVerifiedTrader"], kept["kycVerifiedAt"]) == ("REJECTED", False, None)
    assert Decimal(kept["dailyLimit"]) == 5000


async def test_staff_do_not_confirm_their_own_identity_nor_anybodys_who_is_not_there(
    desk: Desk, make: Factory, changes: Changes
) -> None:
    user, staff = await make(User), await desk.staff()
    before = await changes.mark()

    async def set_to(who: Any, **given: Any) -> list[str]:
        answer = await desk.call("setKycStatus", staff, STAFF, userId=who, status="VERIFIED", **given)
        return answer.refusals("setKycStatus")

    assert await set_to(staff.id) == ["OWN_MATTER"]
    assert await set_to(uuid4()) == ["NOT_FOUND"]
    assert await set_to(user.id, dailyLimit="0") == ["AMOUNT_NOT_POSITIVE"]
    assert await set_to(user.id, monthlyLimit="1000000000000") == ["AMOUNT_OUT_OF_RANGE"]
    assert await changes.since(before) == []
