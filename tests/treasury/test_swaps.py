"""Quotes and swaps, a sentence of the rules a test."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import now
from tests.treasury.house import House, plain
from tests.treasury.market import Market

COUNTED = ("security.rate_limits",)
KES_CUSD = {"fromCurrency": "KES", "toCurrency": "cUSD"}


@pytest.fixture
async def shillings(market: Market) -> Market:
    """100 shillings are 0.77 dollars less a percent, and a dollar 129.50 shillings less a percent."""
    await market.rate("KES", "cUSD", "0.0077", "0.01")
    await market.rate("cUSD", "KES", "129.5", "0.01")
    return market


async def quoted(house: House, person: Any, amount: str = "100", **given: Any) -> Any:
    return (await house.call("quoteSwap", person, amount=amount, **(KES_CUSD | given)))["quoteSwap"]["quote"]


async def test_a_quote_says_what_a_swap_comes_to(house: House, shillings: Market) -> None:
    person, before = await house.person(), now()

    quote = await quoted(house, person)

    assert quote["rowId"] is not None
    assert {name: quote[name] for name in ("fromAmount", "toAmount", "rate", "fee")} == {
        "fromAmount": "100.00000000", "toAmount": "0.75848850", "rate": "0.00762300", "fee": "0.50000000",
    }  # fmt: skip
    good_for = datetime.fromisoformat(quote["expiresAt"]) - before
    assert timedelta(seconds=60) <= good_for < timedelta(seconds=75)


async def test_a_quote_that_is_taken_moves_exactly_its_amounts(
    house: House, shillings: Market, books: Books, market: Market
) -> None:
    person = await house.person(KES="1000")
    quote = await quoted(house, person)
    # The rate has become much worse meanwhile, and the quote is good all the same.
    await market.rate("KES", "cUSD", "0.004", "0.01")

    swapped = (await house.call("swapCurrency", person, quoteId=quote["rowId"]))["swapCurrency"]

    swap, moved = swapped["swap"], swapped["walletTransaction"]
    assert (swap["fromAmount"], swap["toAmount"], swap["totalFee"]) == ("100.00000000", "0.75848850", "0.50000000")
    assert (swap["exchangeRate"], swap["status"]) == ("0.00762300", "COMPLETED")
    assert (moved["type"], moved["amount"]) == ("SWAP", "100.00000000")
    assert await house.balance(person, "KES") == "900"
    assert await house.balance(person, "cUSD") == "0.7584885"
    assert sorted(await house.posted(swap["rowId"])) == sorted([
        ("swap", f"user:{person.id}:available:KES", "100"),
        ("swap", "platform:fx:KES", "-99.5"),
        ("swap", "platform:fees:KES", "-0.5"),
        ("swap", "platform:fx:cUSD", "0.7584885"),
        ("swap", f"user:{person.id}:available:cUSD", "-0.7584885"),
    ])  # fmt: skip
    assert await books.events(swap["rowId"]) == ["swap.completed"]
    (fee,) = await house.owner.fetch(
        "SELECT * FROM treasury.transaction_fees WHERE transaction_id::text = $1", swap["rowId"]
    )
    assert (fee["fee_amount"], fee["fee_percentage"], fee["fee_category"]) == (
        Decimal("0.5"), Decimal("0.005"), "currency_swap",
    )  # fmt: skip
    row = await house.owner.fetchrow("SELECT * FROM treasury.currency_swaps WHERE id::text = $1", swap["rowId"])
    assert (str(row["quote_id"]), row["provider"], row["market_rate"]) == (quote["rowId"], "manual", Decimal("0.004"))


async def test_without_a_quote_the_rate_of_now_holds(house: House, shillings: Market) -> None:
    person = await house.person(cUSD="10")

    swapped = await house.call("swapCurrency", person, fromCurrency="cUSD", toCurrency="KES", amount="10")

    # 9.95 dollars at 129.5 less a percent: 1275.63975 shillings, rounded down.
    assert swapped["swapCurrency"]["swap"]["toAmount"] == "1275.63000000"
    assert (await house.balance(person, "cUSD"), await house.balance(person, "KES")) == ("0", "1275.63")


async def test_a_quote_is_taken_once_by_many_at_once(house: House, shillings: Market) -> None:
    person = await house.person(KES="1000")
    quote = await quoted(house, person)

    refusals = await asyncio.gather(*(house.refused("swapCurrency", person, quoteId=quote["rowId"]) for _ in range(6)))

    assert sorted(refusals) == [[], *[["QUOTE_USED"]] * 5]
    assert await house.balance(person, "KES") == "900"


async def test_a_quote_is_its_users_and_good_for_a_minute(house: House, shillings: Market, changes: Changes) -> None:
    person, other, staff = await house.person(KES="1000"), await house.person(KES="1000"), await house.make.staff()
    await house.give(staff, "KES", "1000")
    quote, late = await quoted(house, person), await quoted(house, person)
    await house.owner.execute(
        "UPDATE treasury.swap_quotes SET created_at = created_at - interval '61 s', expires_at = expires_at - interval '61 s'"
        " WHERE id::text = $1", late["rowId"],
    )  # fmt: skip
    before = await changes.mark()

    assert await house.refused("swapCurrency", other, quoteId=quote["rowId"]) == ["NOT_FOUND"]
    assert await house.refused("swapCurrency", staff, STAFF, quoteId=quote["rowId"]) == ["NOT_FOUND"]
    assert await house.refused("swapCurrency", person, quoteId=late["rowId"]) == ["QUOTE_EXPIRED"]
    assert await changes.since(before) == []
    assert await house.refused("swapCurrency", person, quoteId=quote["rowId"]) == []


async def test_a_rate_that_is_too_old_or_missing(
    house: House, market: Market, configure: Any, changes: Changes
) -> None:
    person = await house.person(KES="1000")
    await market.rate("KES", "cUSD", "0.0077", age=timedelta(seconds=86_500))
    before = await changes.mark()

    for name in ("quoteSwap", "swapCurrency"):
        assert await house.refused(name, person, amount="100", **KES_CUSD) == ["RATE_STALE"]
        assert await house.refused(name, person, amount="100", fromCurrency="KES", toCurrency="MTAA") in (
            ["RATE_STALE"], ["RATE_MISSING"],
        )  # fmt: skip
    assert await changes.since(before, but=COUNTED) == []

    await configure("treasury.rate_max_age", 90_000)
    assert await house.refused("swapCurrency", person, amount="100", **KES_CUSD) == []


async def test_a_pair_that_was_never_stored_has_no_rate(house: House, market: Market) -> None:
    person = await house.person(KES="1000")
    async with house.owner.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE treasury.swap_quotes SET rate_id = NULL")
        await connection.execute("DELETE FROM treasury.exchange_rates")

    assert await house.refused("quoteSwap", person, amount="100", **KES_CUSD) == ["RATE_MISSING"]


async def test_a_rate_that_holds_later_does_not_hold_yet(house: House, shillings: Market) -> None:
    person = await house.person(KES="1000")
    await shillings.rate("KES", "cUSD", "0.001", age=-timedelta(hours=1))

    assert (await quoted(house, person))["rate"] == "0.00762300"


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"toCurrency": "KES"}, "SAME_CURRENCY", "toCurrency"),
        ({"toCurrency": "XOF"}, "CURRENCY_NOT_SERVED", "toCurrency"),
        ({"fromCurrency": "kes"}, "CURRENCY_NOT_SERVED", "fromCurrency"),
        ({"amount": "0"}, "AMOUNT_NOT_POSITIVE", "amount"),
        ({"amount": "-1"}, "AMOUNT_NOT_POSITIVE", "amount"),
        ({"amount": "0.001"}, "AMOUNT_OUT_OF_RANGE", "amount"),
        ({"amount": "10000000000"}, "AMOUNT_OUT_OF_RANGE", "amount"),
        ({"amount": "0.01"}, "AMOUNT_TOO_SMALL", "amount"),
    ],
)
async def test_what_is_exchanged_for_nothing(
    house: House, shillings: Market, changes: Changes, given: dict[str, Any], code: str, field: str
) -> None:
    person = await house.person(KES="1000")
    before = await changes.mark()

    for name in ("quoteSwap", "swapCurrency"):
        answer = await house.call(name, person, **(KES_CUSD | {"amount": "100"} | given))
        (error,) = answer[name]["userErrors"]
        assert (error["code"], error["field"]) == (code, [field])
    assert await changes.since(before, but=COUNTED) == []


async def test_what_is_too_much_to_be_held_is_not_offered(house: House, market: Market) -> None:
    await market.rate("KES", "MTAA", "9999999999")

    assert await house.refused(
        "quoteSwap", await house.person(), fromCurrency="KES", toCurrency="MTAA", amount="999999999.99"
    ) == ["AMOUNT_OUT_OF_RANGE"]


async def test_what_is_not_there_is_not_exchanged(house: House, shillings: Market, changes: Changes) -> None:
    person, minor = await house.person(KES="99.99"), await house.minor(KES="1000")
    quote = await quoted(house, person)
    before = await changes.mark()

    assert await house.refused("swapCurrency", person, quoteId=quote["rowId"]) == ["INSUFFICIENT_FUNDS"]
    assert await house.refused("swapCurrency", person, amount="100", **KES_CUSD) == ["INSUFFICIENT_FUNDS"]
    assert await house.refused("swapCurrency", minor, amount="100", **KES_CUSD) == ["NOT_OF_AGE"]
    assert await changes.since(before) == []


async def test_a_swap_is_named_by_a_quote_or_by_what_is_exchanged(house: House, shillings: Market) -> None:
    person = await house.person(KES="1000")
    quote = await quoted(house, person)

    assert await house.refused("swapCurrency", person) == ["SWAP_NOT_NAMED"]
    assert await house.refused("swapCurrency", person, fromCurrency="KES", amount="1") == ["SWAP_NOT_NAMED"]
    assert await house.refused("swapCurrency", person, quoteId=quote["rowId"], amount="100") == ["SWAP_NOT_NAMED"]


async def test_a_rate_that_has_slipped_too_far_is_refused(house: House, market: Market, changes: Changes) -> None:
    person = await house.person(KES="1000")
    await market.rate("KES", "cUSD", "0.0100")
    quote = await quoted(house, person)
    await market.rate("KES", "cUSD", "0.0098")
    before = await changes.mark()

    async def swap(**given: Any) -> list[str]:
        return await house.refused("swapCurrency", person, **given)

    wanted = {"amount": "100", "expectedRate": "0.01"} | KES_CUSD
    assert await swap(quoteId=quote["rowId"], maxSlippage="0.0199") == ["SLIPPAGE_EXCEEDED"]
    assert await swap(**wanted) == ["SLIPPAGE_EXCEEDED"]
    assert await swap(**wanted, maxSlippage="0.0199") == ["SLIPPAGE_EXCEEDED"]
    assert await swap(**(wanted | {"expectedRate": None}), maxSlippage="0.02") == ["EXPECTED_RATE_MISSING"]
    assert await swap(**wanted, maxSlippage="1") == ["AMOUNT_OUT_OF_RANGE"]
    assert await swap(**wanted, maxSlippage="-0.01") == ["AMOUNT_OUT_OF_RANGE"]
    assert await swap(**(wanted | {"expectedRate": "0"})) == ["AMOUNT_NOT_POSITIVE"]
    assert await changes.since(before) == []

    assert await swap(**wanted, maxSlippage="0.02") == []
    assert await swap(quoteId=quote["rowId"], maxSlippage="0.02") == []
    slipped = await house.owner.fetch("SELECT slippage FROM treasury.currency_swaps WHERE user_id = $1", person.id)
    assert [plain(row["slippage"]) for row in slipped] == ["0.02", "0.02"]


async def test_many_at_once_swap_no_more_than_there_is_and_both_ways_without_a_deadlock(
    house: House, shillings: Market
) -> None:
    person = await house.person(KES="500", cUSD="5")
    out = {"amount": "100"} | KES_CUSD
    back = {"fromCurrency": "cUSD", "toCurrency": "KES", "amount": "1"}

    refusals = await asyncio.gather(*(house.refused("swapCurrency", person, **each) for each in (out, back) * 8))

    assert {code for codes in refusals for code in codes} <= {"INSUFFICIENT_FUNDS"}
    assert refusals.count([]) >= 10
    assert Decimal(await house.balance(person, "KES")) >= 0
    assert Decimal(await house.balance(person, "cUSD")) >= 0


async def test_there_and_back_comes_to_less_at_any_rates(house: House, market: Market, configure: Any) -> None:
    # Together they would be a gift to everybody.
    await market.rate("KES", "cUSD", "0.02")
    await market.rate("cUSD", "KES", "150")
    await configure("treasury.swap_fee", 0)
    person = await house.person(KES="100")

    assert await house.refused("swapCurrency", person, amount="100", **KES_CUSD) == []
    back = {"fromCurrency": "cUSD", "toCurrency": "KES", "amount": await house.balance(person, "cUSD")}
    assert await house.refused("swapCurrency", person, **back) == []

    # Each holds as far as the other allows: 1 / 150 there, 1 / 0.02 back.
    assert await house.balance(person, "KES") == "33.33"


async def test_the_same_key_swaps_once_and_a_dry_run_nothing(house: House, shillings: Market, changes: Changes) -> None:
    person = await house.person(KES="1000")
    wanted = {"amount": "100"} | KES_CUSD
    before = await changes.mark()
    assert await house.refused("swapCurrency", person, validateOnly=True, **wanted) == []
    assert await changes.since(before) == []

    first, again = [await house.call("swapCurrency", person, idempotencyKey="once", **wanted) for _ in range(2)]

    assert first["swapCurrency"] == again["swapCurrency"]
    assert await house.balance(person, "KES") == "900"


async def test_quotes_are_limited(house: House, shillings: Market) -> None:
    person = await house.person()

    answers = [await house.call("quoteSwap", person, amount="100", **KES_CUSD) for _ in range(121)]

    assert [answer.codes for answer in answers[-2:]] == [[], ["RATE_LIMITED"]]
