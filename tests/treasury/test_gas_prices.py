"""What gas costs, as staff record it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from models.treasury import GasPrice
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import now
from tests.treasury.house import House


@pytest.fixture(autouse=True)
async def _nothing_recorded(house: House) -> None:
    await house.owner.execute("TRUNCATE treasury.gas_price_history")


async def before(house: House, price: str, age: timedelta, network: str = "celo") -> None:
    await house.make(GasPrice, network=network, gas_price=Decimal(price), timestamp=now() - age)


async def record(house: House, price: str, **given: Any) -> Any:
    answer = await house.call(
        "recordGasPrice", await house.make.staff(), STAFF, network="CELO", gasPrice=price, **given
    )
    return answer["recordGasPrice"]


async def test_means_and_extremes_are_of_the_hours_before(house: House) -> None:
    await before(house, "30", timedelta(minutes=59))
    await before(house, "20", timedelta(hours=23))
    await before(house, "1", timedelta(hours=25))
    await before(house, "900", timedelta(minutes=1), "alfajores")

    seen = (await record(house, "25", blockNumber=7))["gasPrice"]

    assert (seen["avgGasPrice1h"], seen["avgGasPrice24h"]) == ("27.50000000", "25.00000000")
    assert (seen["minGasPrice24h"], seen["maxGasPrice24h"]) == ("20.00000000", "30.00000000")
    assert (seen["gasPrice"], seen["blockNumber"]) == ("25.00000000", 7)


async def test_the_first_is_its_own_mean(house: House) -> None:
    seen = (await record(house, "25.00000001"))["gasPrice"]

    assert {seen[f"{name}GasPrice{hours}"] for name, hours in (("avg", "1h"), ("avg", "24h"), ("min", "24h"))} == {
        "25.00000001"
    }


async def test_a_block_is_recorded_once(house: House, changes: Changes) -> None:
    answers = await asyncio.gather(*(record(house, "25", blockNumber=9) for _ in range(4)))

    codes = sorted(error["code"] for answer in answers for error in answer["userErrors"])
    assert codes == ["BLOCK_RECORDED"] * 3
    await record(house, "25")
    await record(house, "25")
    assert await house.owner.fetchval("SELECT count(*) FROM treasury.gas_price_history") == 3


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"gasPrice": "0"}, "AMOUNT_NOT_POSITIVE", "gasPrice"),
        ({"gasPrice": "10000000000"}, "AMOUNT_OUT_OF_RANGE", "gasPrice"),
        ({"gasPrice": "1", "baseFee": "-1"}, "AMOUNT_OUT_OF_RANGE", "baseFee"),
        ({"gasPrice": "1", "blockTime": -1}, "AMOUNT_OUT_OF_RANGE", "blockTime"),
    ],
)
async def test_what_no_chain_costs(house: House, changes: Changes, given: Any, code: str, field: str) -> None:
    staff, mark = await house.make.staff(), await changes.mark()

    answer = await house.call("recordGasPrice", staff, STAFF, network="CELO", **given)

    (error,) = answer["recordGasPrice"]["userErrors"]
    assert (error["code"], error["field"]) == (code, [field])
    assert await changes.since(mark) == []


async def test_only_staff_record_what_gas_costs(house: House) -> None:
    answer = await house.call("recordGasPrice", uuid4(), network="CELO", gasPrice="1")

    assert answer.codes in (["FORBIDDEN"], ["UNAUTHENTICATED"])
