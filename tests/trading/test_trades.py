"""Trades, a sentence of the rules a test: placed, taken, cancelled, marked paid, rated."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from models.profiles import Profile
from resolvers.trading.escrows import expire_lapsed_offers
from resolvers.trading.traders import begin_trading_days
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory, now
from tests.trading.conftest import Desk, plain

# placeTrade


async def test_an_offer_is_open_and_everyone_signed_in_sees_it(desk: Desk, books: Books) -> None:
    deal = await desk.placed("2.5")

    trade = await desk.trade(deal)
    shown = await desk.api(
        "query ($id: ID!) { tradeOffers(where: {id: {eq: $id}}) { nodes { pair side price totalValue } } }",
        {"id": str(deal.trade)}, as_=deal.taker,
    )  # fmt: skip
    assert (trade["status"], trade["order_type"], trade["seller_id"], trade["buyer_id"]) == (
        "open",
        "p2p",
        deal.seller.id,
        None,
    )
    assert plain(trade["total_value"]) == "323.75"
    assert [node["totalValue"] for node in shown["tradeOffers"]["nodes"]] == ["323.75000000"]
    assert await books.events(deal.trade) == ["trade.placed"]


async def test_who_offers_to_buy_is_the_buyer(desk: Desk) -> None:
    deal = await desk.placed(side="BUY")

    trade = await desk.trade(deal)
    assert (trade["buyer_id"], trade["seller_id"]) == (deal.buyer.id, None)


async def test_who_never_traded_begins_with_the_configured_limits(desk: Desk, make: Factory) -> None:
    coin, user = await desk.coin(), await make(User)

    answer = await desk.call("placeTrade", user, side="SELL", pair=f"{coin}/KES", price="1", amount="10")

    assert answer.refusals("placeTrade") == []
    profile = await desk.profile(user)
    assert (profile["daily_limit"], profile["monthly_limit"], profile["kyc_status"]) == (1000, 10_000, "pending")


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"pair": "BTC"}, "CODE_NOT_VALID", "pair"),
        ({"pair": "BTC/USD/EUR"}, "CODE_NOT_VALID", "pair"),
        ({"pair": "₿/USD"}, "CODE_NOT_VALID", "pair"),
        ({"pair": "/"}, "CODE_NOT_VALID", "pair"),
        ({"pair": "USD/USD"}, "CODE_NOT_VALID", "pair"),
        ({"pair": "NOSUCHCOIN/USD"}, "COIN_NOT_TRADED", "pair"),
        ({"price": "0"}, "AMOUNT_NOT_POSITIVE", "price"),
        ({"amount": "-1"}, "AMOUNT_NOT_POSITIVE", "amount"),
        ({"price": "1000000000000"}, "AMOUNT_OUT_OF_RANGE", "price"),
        ({"amount": "99999999999999999999"}, "AMOUNT_OUT_OF_RANGE", "amount"),
        ({"price": "999999999999", "amount": "2"}, "AMOUNT_OUT_OF_RANGE", "amount"),
        ({"price": "0.00000001", "amount": "0.00000001"}, "AMOUNT_NOT_POSITIVE", "amount"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "EXPIRY_PAST", "expiresAt"),
    ],
)
async def test_placing_is_refused_and_changes_nothing(
    desk: Desk, given: dict[str, Any], code: str, field: str, changes: Changes
) -> None:
    coin, user = await desk.coin(), await desk.person()
    before = await changes.mark()

    answer = await desk.call(
        "placeTrade", user, **{"side": "SELL", "pair": f"{coin}/KES", "price": "1", "amount": "1", **given}
    )

    assert answer.refusals("placeTrade") == [code]
    assert answer["placeTrade"]["userErrors"][0]["field"] == [field]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("profile", "code"),
    [
        ({"daily_limit": Decimal(1000), "current_daily_volume": Decimal("950.01")}, "LIMIT_EXCEEDED"),
        ({"monthly_limit": Decimal(1000), "current_monthly_volume": Decimal("950.01")}, "LIMIT_EXCEEDED"),
        ({"banned_until": datetime(2200, 1, 1, tzinfo=UTC)}, "TRADER_BANNED"),
        ({"kyc_status": "rejected"}, "KYC_REJECTED"),
    ],
)
async def test_a_limit_a_ban_or_a_rejected_identity_keeps_from_placing_and_taking(
    desk: Desk, profile: dict[str, Any], code: str, changes: Changes
) -> None:
    deal, kept = await desk.placed("50"), await desk.person(**profile)
    before = await changes.mark()

    placed = await desk.call("placeTrade", kept, side="SELL", pair=f"{deal.coin}/KES", price="1", amount="50")
    taken = await desk.call("takeTrade", kept, tradeId=deal.trade)

    assert placed.refusals("placeTrade") == [code]
    assert taken.refusals("takeTrade") == [code]
    assert await changes.since(before) == []


async def test_up_to_the_limit_one_may_trade(desk: Desk) -> None:
    coin = await desk.coin("2")
    user = await desk.person(daily_limit=Decimal(1000), current_daily_volume=Decimal(900))

    at = await desk.call("placeTrade", user, side="SELL", pair=f"{coin}/KES", price="1", amount="50")
    above = await desk.call("placeTrade", user, side="SELL", pair=f"{coin}/KES", price="1", amount="50.00000001")

    assert at.refusals("placeTrade") == []
    assert above["placeTrade"]["userErrors"][0]["details"] == {"period": "day", "leftUsd": "100.00"}


async def test_a_ban_that_is_over_is_none(desk: Desk) -> None:
    coin, user = await desk.coin(), await desk.person(banned_until=now() - timedelta(seconds=1))

    answer = await desk.call("placeTrade", user, side="BUY", pair=f"{coin}/KES", price="1", amount="1")

    assert answer.refusals("placeTrade") == []


async def test_what_is_under_way_counts_against_the_limit(desk: Desk) -> None:
    first, second = await desk.placed("60"), await desk.placed("60")
    taker = await desk.person(daily_limit=Decimal(100))

    one = await desk.call("takeTrade", taker, tradeId=first.trade)
    two = await desk.call("takeTrade", taker, tradeId=second.trade)

    assert one.refusals("takeTrade") == []
    assert two.refusals("takeTrade") == ["LIMIT_EXCEEDED"]


async def test_many_takes_at_once_stay_within_the_limit(desk: Desk) -> None:
    offers = [await desk.placed("30") for _ in range(8)]
    taker = await desk.person(daily_limit=Decimal(100))

    answers = await asyncio.gather(*(desk.call("takeTrade", taker, tradeId=offer.trade) for offer in offers))

    refusals = [answer.refusals("takeTrade") for answer in answers]
    assert sorted(refusals) == [[]] * 3 + [["LIMIT_EXCEEDED"]] * 5


async def test_the_volumes_begin_anew_with_the_day_and_the_month(desk: Desk) -> None:
    coin, today = await desk.coin(), date.today()
    full = {"daily_limit": Decimal(10), "current_daily_volume": Decimal(10)}
    whole = {"monthly_limit": Decimal(10), "current_monthly_volume": Decimal(10)}
    yesterday = await desk.person(**full, volume_day=today - timedelta(days=1))
    last_month = await desk.person(**whole, volume_day=today.replace(day=1) - timedelta(days=1))
    this_day = await desk.person(**full, volume_day=today)

    async def place(user: Any) -> list[str]:
        answer = await desk.call("placeTrade", user, side="BUY", pair=f"{coin}/KES", price="1", amount="10")
        return answer.refusals("placeTrade")

    assert await place(yesterday) == []
    assert await place(last_month) == []
    assert await place(this_day) == ["LIMIT_EXCEEDED"]
    assert (await desk.profile(yesterday))["current_daily_volume"] == 0


async def test_the_day_is_the_traders_own(desk: Desk, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    coin, zone = await desk.coin(), "Pacific/Kiritimati"
    # Fourteen hours ahead: there it is a day later than in Honolulu at any time.
    there = await owner.fetchval("SELECT (now() AT TIME ZONE $1)::date", zone)
    full = {"daily_limit": Decimal(10), "current_daily_volume": Decimal(10), "volume_day": there - timedelta(days=1)}
    ahead, behind = await desk.person(**full), await desk.person(**full)
    await make(Profile, user_id=ahead.id, timezone=zone)
    await make(Profile, user_id=behind.id, timezone="Pacific/Honolulu")

    async def place(user: Any) -> list[str]:
        answer = await desk.call("placeTrade", user, side="BUY", pair=f"{coin}/KES", price="1", amount="1")
        return answer.refusals("placeTrade")

    assert await place(ahead) == []
    assert await place(behind) == ["LIMIT_EXCEEDED"]


async def test_volumes_of_yesterday_are_cleared_also_where_nobody_trades(desk: Desk, services: Services) -> None:
    volumes = {"current_daily_volume": Decimal(7), "current_monthly_volume": Decimal(9)}
    today = date.today()
    last_month = await desk.person(**volumes, volume_day=today.replace(day=1) - timedelta(days=1))
    this_day = await desk.person(**volumes, volume_day=today)

    await asyncio.gather(*(begin_trading_days(services) for _ in range(3)))

    cleared, kept = await desk.profile(last_month), await desk.profile(this_day)
    assert (cleared["current_daily_volume"], cleared["current_monthly_volume"]) == (0, 0)
    assert (kept["current_daily_volume"], kept["current_monthly_volume"]) == (7, 9)


# cancelTrade


async def test_who_placed_an_offer_cancels_it(desk: Desk, books: Books) -> None:
    deal = await desk.placed()

    answer = await desk.call("cancelTrade", deal.maker, tradeId=deal.trade)

    assert answer["cancelTrade"]["trade"]["status"] == "CANCELLED"
    assert (await desk.trade(deal))["cancelled_at"] is not None
    assert await books.events(deal.trade) == ["trade.placed", "trade.cancelled"]


async def test_a_trade_that_was_taken_is_cancelled_as_long_as_no_coins_are_locked(desk: Desk, books: Books) -> None:
    deal = await desk.taken()

    answer = await desk.call("cancelTrade", deal.maker, tradeId=deal.trade)

    assert answer["cancelTrade"]["trade"]["status"] == "CANCELLED"
    assert (await desk.escrow(deal))["status"] == "expired"
    assert (await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow)).refusals("fundEscrow") == [
        "ESCROW_EXPIRED"
    ]


async def test_cancelling_is_for_who_placed_it_and_not_once_coins_are_locked(desk: Desk, changes: Changes) -> None:
    deal, stranger = await desk.funded(), await desk.person()
    before = await changes.mark()

    async def cancel(user: Any) -> list[str]:
        return (await desk.call("cancelTrade", user, tradeId=deal.trade)).refusals("cancelTrade")

    assert await cancel(deal.maker) == ["INVALID_STATE"]
    assert await cancel(deal.taker) == ["INVALID_STATE"]
    assert await cancel(stranger) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_a_guardian_cancels_for_the_minor(desk: Desk, make: Factory) -> None:
    deal, guardian = await desk.placed(), await make(User)
    born = date.today() - timedelta(days=12 * 365)
    await make(Profile, user_id=deal.maker.id, date_of_birth=born, guardian_user_id=guardian.id,
               relationship_type="parent", guardian_accepted_at=now())  # fmt: skip

    assert (await desk.call("cancelTrade", guardian, tradeId=deal.trade)).refusals("cancelTrade") == []


# takeTrade


@pytest.mark.parametrize("side", ["SELL", "BUY"])
async def test_taking_makes_an_escrow_that_is_pending_for_half_an_hour(desk: Desk, books: Books, side: str) -> None:
    deal = await desk.taken(side=side)

    trade, escrow = await desk.trade(deal), await desk.escrow(deal)
    assert (trade["status"], trade["seller_id"], trade["buyer_id"]) == ("matched", deal.seller.id, deal.buyer.id)
    assert (escrow["status"], escrow["amount"], escrow["currency"]) == ("pending", 100, deal.coin)
    assert (escrow["seller_id"], escrow["buyer_id"]) == (deal.seller.id, deal.buyer.id)
    assert escrow["expires_at"] - escrow["created_at"] == timedelta(minutes=30)
    assert await books.events(deal.trade) == ["trade.placed", "trade.taken"]
    assert await books.events(deal.escrow) == ["escrow.created"]


async def test_an_offer_is_taken_by_the_id_under_which_it_is_shown(desk: Desk) -> None:
    deal = await desk.placed()
    shown = await desk.api(
        "query ($id: ID!) { tradeOffers(where: {id: {eq: $id}}) { nodes { id } } }",
        {"id": str(deal.trade)},
        as_=deal.taker,
    )
    (offer,) = shown["tradeOffers"]["nodes"]

    answer = await desk.call("takeTrade", deal.taker, tradeId=offer["id"])

    assert answer["takeTrade"]["trade"]["rowId"] == str(deal.trade)


async def test_ones_own_offer_is_not_taken(desk: Desk, changes: Changes) -> None:
    deal = await desk.placed()
    before = await changes.mark()

    assert (await desk.call("takeTrade", deal.maker, tradeId=deal.trade)).refusals("takeTrade") == ["OWN_TRADE"]
    assert await changes.since(before) == []


async def test_who_comes_too_late_hears_for_a_while_what_became_of_an_offer(
    desk: Desk, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    lapsed, taken, stranger = await desk.placed(), await desk.taken(), await desk.person()
    expired, cancelled, done = await desk.placed(), await desk.placed(), await desk.completed()
    await owner.execute("UPDATE trading.crypto_trades SET expires_at = now() WHERE id = $1", lapsed.trade)
    await owner.execute("UPDATE trading.crypto_trades SET status = 'expired' WHERE id = $1", expired.trade)
    await desk.call("cancelTrade", cancelled.maker, tradeId=cancelled.trade)
    before = await changes.mark()

    async def take(user: Any, trade: UUID) -> list[str]:
        return (await desk.call("takeTrade", user, tradeId=trade)).refusals("takeTrade")

    assert await take(taken.taker, taken.trade) == ["ALREADY_TAKEN"]
    assert await take(stranger, taken.trade) == await take(stranger, done.trade) == ["ALREADY_TAKEN"]
    assert await take(stranger, lapsed.trade) == await take(stranger, expired.trade) == ["OFFER_EXPIRED"]
    assert await take(stranger, cancelled.trade) == ["INVALID_STATE"]
    assert await take(stranger, uuid4()) == ["NOT_FOUND"]
    assert await changes.since(before) == []


async def test_what_became_of_an_offer_long_ago_is_for_its_parties(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    taken, stranger = await desk.taken(), await desk.person()
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE trading.crypto_trades DISABLE TRIGGER touch")
        await connection.execute(
            "UPDATE trading.crypto_trades SET created_at = now() - interval '1 day',"
            " updated_at = now() - interval '2 hours' WHERE id = $1",
            taken.trade,
        )
        await connection.execute("ALTER TABLE trading.crypto_trades ENABLE TRIGGER touch")

    assert (await desk.call("takeTrade", stranger, tradeId=taken.trade)).refusals("takeTrade") == ["NOT_FOUND"]
    assert (await desk.call("takeTrade", taken.taker, tradeId=taken.trade)).refusals("takeTrade") == ["ALREADY_TAKEN"]


async def test_of_fifty_takers_at_once_exactly_one_takes_it(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.placed()
    takers = [await desk.person() for _ in range(50)]

    answers = await asyncio.gather(*(desk.call("takeTrade", taker, tradeId=deal.trade) for taker in takers))

    refusals = [answer.refusals("takeTrade") for answer in answers]
    assert sorted(refusals) == [[]] + [["ALREADY_TAKEN"]] * 49
    assert await owner.fetchval("SELECT count(*) FROM trading.crypto_escrows WHERE trade_id = $1", deal.trade) == 1


@pytest.mark.parametrize("kept", [{"banned_until": datetime(2200, 1, 1, tzinfo=UTC)}, {"daily_limit": Decimal(1)}])
async def test_the_offer_of_a_user_who_may_not_trade_is_refused_without_the_reason(
    desk: Desk, owner: asyncpg.Pool[Any], kept: dict[str, Any]
) -> None:
    deal = await desk.placed()
    ((name, value),) = kept.items()
    await owner.execute(f"UPDATE trading.crypto_profiles SET {name} = $1 WHERE user_id = $2", value, deal.maker.id)

    (error,) = (await desk.call("takeTrade", deal.taker, tradeId=deal.trade))["takeTrade"]["userErrors"]

    assert (error["code"], error["details"]) == ("COUNTERPARTY_NOT_AVAILABLE", None)


async def test_a_replayed_take_is_one(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal, key = await desk.placed(), str(uuid4())

    answers = await asyncio.gather(
        *(desk.call("takeTrade", deal.taker, tradeId=deal.trade, idempotencyKey=key) for _ in range(5))
    )

    assert [answer.refusals("takeTrade") for answer in answers] == [[]] * 5
    assert len({answer["takeTrade"]["trade"]["escrow"]["rowId"] for answer in answers}) == 1


async def test_nobody_without_a_token_trades(desk: Desk) -> None:
    deal = await desk.placed()

    assert (await desk.call("takeTrade", None, tradeId=deal.trade)).codes == ["UNAUTHENTICATED"]
    assert (await desk.call("cancelTrade", None, tradeId=deal.trade)).codes == ["UNAUTHENTICATED"]


async def test_an_offer_that_nobody_took_in_time_expires(
    desk: Desk, services: Services, owner: asyncpg.Pool[Any], books: Books
) -> None:
    lapsed, lasting = await desk.placed(), await desk.placed()
    await owner.execute("UPDATE trading.crypto_trades SET expires_at = now() WHERE id = $1", lapsed.trade)

    await asyncio.gather(*(expire_lapsed_offers(services) for _ in range(3)))

    assert (await desk.trade(lapsed))["status"] == "expired"
    assert (await desk.trade(lasting))["status"] == "open"
    assert await books.events(lapsed.trade) == ["trade.placed", "trade.expired"]


# markTradePaid


async def test_the_buyer_marks_a_trade_paid_once(desk: Desk, books: Books) -> None:
    deal = await desk.funded()

    first = await desk.call("markTradePaid", deal.buyer, tradeId=deal.trade)
    again = await desk.call("markTradePaid", deal.buyer, tradeId=deal.trade)

    assert first["markTradePaid"]["trade"]["paidAt"] is not None
    assert again.refusals("markTradePaid") == ["ALREADY_PAID"]
    assert (await books.events(deal.trade))[-1] == "trade.paid"


async def test_marking_paid_is_for_the_buyer_of_a_funded_trade(desk: Desk, changes: Changes) -> None:
    funded, placed, taken, stranger = (
        await desk.funded(),
        await desk.placed(side="BUY"),
        await desk.taken(),
        await desk.person(),
    )
    before = await changes.mark()

    async def mark(user: Any, trade: UUID) -> list[str]:
        return (await desk.call("markTradePaid", user, tradeId=trade)).refusals("markTradePaid")

    assert await mark(funded.seller, funded.trade) == ["NOT_THE_BUYER"]
    assert await mark(stranger, funded.trade) == ["NOT_FOUND"]
    assert await mark(placed.buyer, placed.trade) == ["INVALID_STATE"]
    assert await mark(taken.buyer, taken.trade) == ["NOT_FUNDED"]
    assert await changes.since(before) == []


# rateTrade


async def test_each_party_rates_the_other_once(desk: Desk, books: Books) -> None:
    deal = await desk.completed()

    by_buyer = await desk.call("rateTrade", deal.buyer, tradeId=deal.trade, rating="5", feedback="rapide")
    by_seller = await desk.call("rateTrade", deal.seller, tradeId=deal.trade, rating="3.5")
    again = await desk.call("rateTrade", deal.buyer, tradeId=deal.trade, rating="1")

    assert by_buyer["rateTrade"]["trade"]["sellerRating"] == "5.00"
    assert by_seller["rateTrade"]["trade"]["buyerRating"] == "3.50"
    assert again.refusals("rateTrade") == ["ALREADY_RATED"]
    assert (await desk.profile(deal.seller))["average_rating"] == 5
    assert (await desk.profile(deal.buyer))["average_rating"] == Decimal("3.50")
    assert (await books.events(deal.trade)).count("trade.rated") == 2


async def test_the_average_is_of_all_that_was_given_on_either_side(desk: Desk) -> None:
    first = await desk.completed()
    coin = first.coin
    answer = await desk.call("placeTrade", first.buyer, side="SELL", pair=f"{coin}/KES", price="1", amount="10")
    trade = answer["placeTrade"]["trade"]["rowId"]
    taken = await desk.call("takeTrade", first.seller, tradeId=trade)
    escrow = taken["takeTrade"]["trade"]["escrow"]["rowId"]
    await desk.call("fundEscrow", first.buyer, escrowId=escrow)
    await desk.call("releaseEscrow", first.buyer, escrowId=escrow)

    await desk.call("rateTrade", first.buyer, tradeId=first.trade, rating="5")
    await desk.call("rateTrade", first.buyer, tradeId=trade, rating="2.25")

    assert (await desk.profile(first.seller))["average_rating"] == Decimal("3.62")


@pytest.mark.parametrize("rating", ["0.99", "5.01", "-1", "4.001", "99999999999999999999"])
async def test_a_rating_is_from_one_to_five(desk: Desk, rating: str) -> None:
    deal = await desk.completed()

    assert (await desk.call("rateTrade", deal.buyer, tradeId=deal.trade, rating=rating)).refusals("rateTrade") == [
        "RATING_OUT_OF_RANGE"
    ]


async def test_only_the_parties_of_a_completed_trade_rate_it(desk: Desk) -> None:
    done, funded, stranger, staff = await desk.completed(), await desk.funded(), await desk.person(), await desk.staff()

    async def rate(user: Any, trade: UUID, roles: tuple[str, ...] = ()) -> list[str]:
        return (await desk.call("rateTrade", user, roles, tradeId=trade, rating="5")).refusals("rateTrade")

    assert await rate(funded.buyer, funded.trade) == ["NOT_COMPLETED"]
    assert await rate(stranger, done.trade) == ["NOT_FOUND"]
    assert await rate(staff, done.trade, STAFF) == ["NOT_INVOLVED"]


async def test_of_many_ratings_by_one_party_at_once_one_counts(desk: Desk) -> None:
    deal = await desk.completed()

    answers = await asyncio.gather(
        *(desk.call("rateTrade", deal.buyer, tradeId=deal.trade, rating=str(1 + turn % 5)) for turn in range(10))
    )

    refusals = [answer.refusals("rateTrade") for answer in answers]
    assert sorted(refusals) == [[]] + [["ALREADY_RATED"]] * 9
