"""The rates that staff store."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.changes import Changes
from tests.client import STAFF
from tests.factories import now
from tests.treasury.house import House
from tests.treasury.market import Market


def a_rate(here: str, there: str, rate: str, **given: Any) -> dict[str, Any]:
    return {"fromCurrency": here, "toCurrency": there, "rate": rate, "source": "a bank"} | given


async def store(house: House, *rates: dict[str, Any], **given: Any) -> list[str]:
    return await house.refused("upsertExchangeRates", await house.make.staff(), STAFF, rates=[*rates], **given)


async def test_staff_store_rates_that_hold_at_once(house: House, market: Market) -> None:
    staff = await house.make.staff()

    answer = await house.call(
        "upsertExchangeRates", staff, STAFF,
        rates=[a_rate("KES", "cUSD", "0.0077", spread="0.01"), a_rate("cUSD", "KES", "129.5")],
    )  # fmt: skip

    one, other = answer["upsertExchangeRates"]["rates"]
    assert (one["rate"], one["spread"], one["source"]) == ("0.00770000", "0.0100", "a bank")
    assert (other["fromCurrency"], other["toCurrency"], other["spread"]) == ("cUSD", "KES", "0.0000")
    assert (
        await house.refused("quoteSwap", await house.person(), fromCurrency="KES", toCurrency="cUSD", amount="9") == []
    )


async def test_a_later_rate_is_replaced_and_one_that_holds_stays(house: House, market: Market) -> None:
    later = (now() + timedelta(hours=2)).isoformat()

    assert await store(house, a_rate("KES", "CELO", "0.0124")) == []
    assert await store(house, a_rate("KES", "CELO", "0.0130", validFrom=later)) == []
    assert await store(house, a_rate("KES", "CELO", "0.0120", validFrom=later)) == []

    rows = await house.owner.fetch(
        "SELECT rate FROM treasury.exchange_rates WHERE from_currency = 'KES' AND to_currency = 'CELO'"
        " AND valid_from > now() - interval '1 hour' ORDER BY valid_from"
    )
    assert [str(row["rate"]) for row in rows] == ["0.01240000", "0.01200000"]


CIRCLE = (a_rate("KES", "cUSD", "0.0077"), a_rate("cUSD", "CELO", "1.6"), a_rate("CELO", "KES", "81.0"))


async def test_rates_with_which_a_circle_gains_are_refused(house: House, market: Market, changes: Changes) -> None:
    staff = await house.make.staff()
    before = await changes.mark()
    gains = [*CIRCLE[:2], CIRCLE[2] | {"rate": "81.2"}]

    answer = await house.call("upsertExchangeRates", staff, STAFF, rates=gains)

    (error,) = answer["upsertExchangeRates"]["userErrors"]
    assert (error["code"], error["details"]) == ("RATES_GAIN", {"way": ["CELO", "KES", "cUSD", "CELO"]})
    assert await changes.since(before) == []
    assert await store(house, *CIRCLE) == []
    # Together with those that are stored, and also later.
    assert await store(house, a_rate("KES", "cUSD", "0.0078")) == ["RATES_GAIN"]
    later = (now() + timedelta(hours=1)).isoformat()
    assert await store(house, a_rate("KES", "cUSD", "0.0078", validFrom=later)) == ["RATES_GAIN"]
    assert await store(house, a_rate("KES", "cUSD", "0.0078", spread="0.02")) == []


async def test_two_who_store_rates_at_once_do_not_make_a_circle_together(house: House, market: Market) -> None:
    for _ in range(5):
        await market.close()
        assert await store(house, CIRCLE[0]) == []

        refusals = await asyncio.gather(store(house, CIRCLE[1] | {"rate": "1.61"}), store(house, CIRCLE[2]))

        assert sorted(refusals) == [[], ["RATES_GAIN"]]


async def test_a_rate_that_nobody_swaps_at_any_more_gains_nothing(house: House, market: Market) -> None:
    assert await store(house, *CIRCLE[:2]) == []
    await market.close()

    assert await store(house, CIRCLE[2] | {"rate": "200"}) == []


@pytest.mark.parametrize(
    ("rates", "code", "field"),
    [
        ([a_rate("KES", "KES", "1")], "SAME_CURRENCY", ["rates", "0", "toCurrency"]),
        ([a_rate("KES", "XOF", "4.2")], "CURRENCY_NOT_SERVED", ["rates", "0", "toCurrency"]),
        ([a_rate("BTC", "KES", "4.2")], "CURRENCY_NOT_SERVED", ["rates", "0", "fromCurrency"]),
        ([a_rate("KES", "MTAA", "0")], "AMOUNT_NOT_POSITIVE", ["rates", "0", "rate"]),
        ([a_rate("KES", "MTAA", "10000000000")], "AMOUNT_OUT_OF_RANGE", ["rates", "0", "rate"]),
        ([a_rate("KES", "MTAA", "1", spread="1")], "SPREAD_NOT_VALID", ["rates", "0", "spread"]),
        ([a_rate("KES", "MTAA", "1", spread="-0.1")], "SPREAD_NOT_VALID", ["rates", "0", "spread"]),
        ([a_rate("KES", "MTAA", "1", spread="0.00001")], "SPREAD_NOT_VALID", ["rates", "0", "spread"]),
        ([a_rate("KES", "MTAA", "1", source=" ")], "TEXT_MISSING", ["rates", "0", "source"]),
        ([a_rate("KES", "MTAA", "1", validFrom="2026-01-01T00:00:00Z")], "RATE_PAST", ["rates", "0", "validFrom"]),
        ([a_rate("KES", "MTAA", "1"), a_rate("KES", "MTAA", "2")], "RATE_TWICE", ["rates"]),
        ([a_rate("KES", "MTAA", "1")] * 101, "TOO_MANY", ["rates"]),
    ],
)
async def test_rates_that_are_none(
    house: House, market: Market, changes: Changes, rates: Any, code: str, field: list[str]
) -> None:
    staff, before = await house.make.staff(), await changes.mark()

    answer = await house.call("upsertExchangeRates", staff, STAFF, rates=rates)

    (error,) = answer["upsertExchangeRates"]["userErrors"]
    assert (error["code"], error["field"]) == (code, field)
    assert await changes.since(before) == []


async def test_only_staff_store_rates(house: House, market: Market) -> None:
    answer = await house.call("upsertExchangeRates", await house.person(), rates=[a_rate("KES", "MTAA", "1")])

    assert answer.codes == ["FORBIDDEN"]
