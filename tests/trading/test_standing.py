"""Whom age, a ban or a rejected identity keeps from trading, and from taking coins out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models.identity import User
from models.profiles import Profile
from models.trading import CryptoTransaction, CryptoWallet
from tests.changes import Changes
from tests.client import STAFF
from tests.factories import Factory, now
from tests.trading.conftest import Desk

DETAILS = "Ecobank SN011 01520 000123456789, Awa Ndiaye"
BANNED = {"banned_until": datetime(2200, 1, 1, tzinfo=UTC)}
REJECTED = {"kyc_status": "rejected"}
Profiled = Callable[..., Awaitable[None]]


@pytest.fixture
def born(make: Factory) -> Profiled:
    """So many days ago somebody was born; under 18 they have a guardian who has accepted."""

    async def written(user: Any, day: date, zone: str = "Africa/Dakar", guardian: Any = None) -> None:
        guardian = guardian or await make(User)
        await make(Profile, user_id=user.id, date_of_birth=day, timezone=zone, guardian_user_id=guardian.id,
                   relationship_type="parent", guardian_accepted_at=now())  # fmt: skip

    return written


async def set_profile(owner: asyncpg.Pool[Any], user: Any, values: dict[str, Any]) -> None:
    ((name, value),) = values.items()
    await owner.execute(f"UPDATE trading.crypto_profiles SET {name} = $1 WHERE user_id = $2", value, user.id)


async def place(desk: Desk, user: Any, coin: str) -> list[str]:
    answer = await desk.call("placeTrade", user, side="SELL", pair=f"{coin}/KES", price="1", amount="1")
    return answer.refusals("placeTrade")


async def test_a_minor_neither_trades_nor_adds_what_trading_needs(desk: Desk, born: Profiled, changes: Changes) -> None:
    coin, deal = await desk.coin(), await desk.placed()
    minor = await desk.person(coin, "10")
    wallet = await desk.make(CryptoWallet, user_id=minor.id, currency=coin, is_connected=True)
    await born(minor, date.today() - timedelta(days=12 * 365))
    before = await changes.mark()
    calls: dict[str, dict[str, Any]] = {
        "placeTrade": {"side": "SELL", "pair": f"{coin}/KES", "price": "1", "amount": "1"},
        "takeTrade": {"tradeId": deal.trade},
        "withdrawCrypto": {"walletId": wallet.id, "amount": "1"},
        "connectWallet": {"walletAddress": "0x" + "a" * 40, "chainType": "ethereum", "currency": coin},
        "addPaymentMethod": {"type": "bank_transfer", "provider": "Ecobank", "accountDetails": DETAILS},
    }

    for name, given in calls.items():
        answer = await desk.call(name, minor, **given)
        assert answer.refusals(name) == ["NOT_OF_AGE"], name

    assert await changes.since(before) == []


async def test_one_comes_of_age_at_midnight_of_ones_own_zone(
    desk: Desk, born: Profiled, owner: asyncpg.Pool[Any]
) -> None:
    coin = await desk.coin()
    ahead, behind = "Pacific/Kiritimati", "Pacific/Honolulu"
    # Where it is the later of the two days now, whoever was born 18 years before that day is of age.
    day = await owner.fetchval("SELECT (now() AT TIME ZONE $1)::date - interval '18 years'", ahead)
    of_age, not_yet = await desk.person(coin, "10"), await desk.person(coin, "10")
    await born(of_age, day.date(), ahead)
    await born(not_yet, day.date(), behind)

    assert await place(desk, of_age, coin) == []
    assert await place(desk, not_yet, coin) == ["NOT_OF_AGE"]


async def test_nobody_takes_a_minors_offer_and_the_reason_stays_hidden(desk: Desk, born: Profiled) -> None:
    deal = await desk.placed()
    await born(deal.maker, date.today() - timedelta(days=12 * 365))

    (error,) = (await desk.call("takeTrade", deal.taker, tradeId=deal.trade))["takeTrade"]["userErrors"]

    assert (error["code"], error["details"]) == ("COUNTERPARTY_NOT_AVAILABLE", None)


async def test_the_identity_of_a_minor_is_not_confirmed(desk: Desk, born: Profiled, changes: Changes) -> None:
    minor, staff = await desk.person(), await desk.staff()
    await born(minor, date.today() - timedelta(days=17 * 365))
    before = await changes.mark()

    answer = await desk.call("setKycStatus", staff, STAFF, userId=minor.id, status="VERIFIED")

    assert answer.refusals("setKycStatus") == ["NOT_OF_AGE"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(("kept", "code"), [(BANNED, "TRADER_BANNED"), (REJECTED, "KYC_REJECTED")])
async def test_a_banned_or_rejected_user_neither_funds_nor_withdraws(
    desk: Desk, owner: asyncpg.Pool[Any], kept: dict[str, Any], code: str, changes: Changes
) -> None:
    deal = await desk.taken()
    wallet = await desk.make(CryptoWallet, user_id=deal.seller.id, currency=deal.coin, is_connected=True)
    await set_profile(owner, deal.seller, kept)
    before = await changes.mark()

    funded = await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow)
    withdrawn = await desk.call("withdrawCrypto", deal.seller, walletId=wallet.id, amount="1")

    assert funded.refusals("fundEscrow") == [code]
    assert withdrawn.refusals("withdrawCrypto") == [code]
    assert await changes.since(before) == []


@pytest.mark.parametrize("kept", [BANNED, REJECTED])
async def test_for_a_buyer_who_is_barred_since_nobody_locks_coins(
    desk: Desk, owner: asyncpg.Pool[Any], kept: dict[str, Any], changes: Changes
) -> None:
    deal = await desk.taken()
    await set_profile(owner, deal.buyer, kept)
    before = await changes.mark()

    answer = await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow)

    assert answer.refusals("fundEscrow") == ["COUNTERPARTY_NOT_AVAILABLE"]
    assert await changes.since(before) == []


async def test_a_user_banned_since_may_still_end_a_trade_under_way(desk: Desk, owner: asyncpg.Pool[Any]) -> None:
    deal = await desk.funded("100")
    for party in (deal.seller, deal.buyer):
        await set_profile(owner, party, BANNED)

    answer = await desk.call("releaseEscrow", deal.seller, escrowId=deal.escrow)

    assert answer.refusals("releaseEscrow") == []
    assert await desk.holds(deal.buyer, deal.coin) == ("99.5", "0")


async def test_what_arrives_for_a_banned_trader_is_theirs_and_leaves_once_the_ban_is_lifted(
    desk: Desk, owner: asyncpg.Pool[Any]
) -> None:
    coin, staff = await desk.coin(), await desk.staff()
    user = await desk.person(**REJECTED)
    wallet = await desk.make(CryptoWallet, user_id=user.id, currency=coin, is_connected=True)
    deposit = await desk.make(CryptoTransaction, user_id=user.id, currency=coin, amount=5, status="confirmed",
                              transaction_type="deposit")  # fmt: skip

    async def withdraw() -> list[str]:
        return (await desk.call("withdrawCrypto", user, walletId=wallet.id, amount="5")).refusals("withdrawCrypto")

    credited = await desk.call("recordCryptoDeposit", staff, STAFF, transactionId=deposit.id)
    assert credited.refusals("recordCryptoDeposit") == []
    assert await withdraw() == ["KYC_REJECTED"]
    assert await desk.holds(user, coin) == ("5", "0")

    lifted = await desk.call("setKycStatus", staff, STAFF, userId=user.id, status="PENDING")
    assert lifted.refusals("setKycStatus") == []
    assert await withdraw() == []
    assert await desk.holds(user, coin) == ("0", "0")


async def test_whose_birthday_nobody_knows_trades_within_the_limits_of_an_unchecked_identity(
    desk: Desk, make: Factory
) -> None:
    coin, user = await desk.coin(), await make(User)

    assert await place(desk, user, coin) == []
    assert UUID(str((await desk.profile(user))["user_id"])) == user.id
    assert (await desk.profile(user))["kyc_status"] == "pending"


# Whoever may act for both parties


async def guarded(make: Factory, minor: Any, guardian: Any, *, accepted: bool = True) -> None:
    """Somebody of 17 years, whose guardian the other one is."""
    await make(Profile, user_id=minor.id, date_of_birth=date.today() - timedelta(days=17 * 365), full_name="Awa",
               guardian_user_id=guardian.id, relationship_type="parent",
               guardian_accepted_at=now() if accepted else None)  # fmt: skip


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("maker_is_minor", [True, False])
async def test_nobody_takes_the_offer_of_somebody_for_whom_they_act(
    desk: Desk, make: Factory, accepted: bool, maker_is_minor: bool, changes: Changes
) -> None:
    deal = await desk.placed()
    minor, guardian = (deal.maker, deal.taker) if maker_is_minor else (deal.taker, deal.maker)
    await guarded(make, minor, guardian, accepted=accepted)
    before = await changes.mark()

    answer = await desk.call("takeTrade", deal.taker, tradeId=deal.trade)

    assert answer.refusals("takeTrade") == ["OWN_TRADE"]
    assert await changes.since(before) == []


async def test_two_who_have_one_guardian_do_not_trade_with_each_other(desk: Desk, make: Factory) -> None:
    deal, guardian = await desk.placed(), await make(User)
    for minor in (deal.maker, deal.taker):
        await guarded(make, minor, guardian)

    answer = await desk.call("takeTrade", deal.taker, tradeId=deal.trade)

    assert answer.refusals("takeTrade") == ["OWN_TRADE"]


async def test_what_was_taken_before_one_became_the_others_guardian_is_not_funded(
    desk: Desk, make: Factory, changes: Changes
) -> None:
    deal = await desk.taken()
    await guarded(make, deal.buyer, deal.seller)
    before = await changes.mark()

    answer = await desk.call("fundEscrow", deal.seller, escrowId=deal.escrow)

    assert answer.refusals("fundEscrow") == ["OWN_TRADE"]
    assert await changes.since(before) == []


async def test_a_trade_of_a_guardian_with_the_minor_is_rated_by_neither(
    desk: Desk, make: Factory, changes: Changes
) -> None:
    deal = await desk.completed()
    await guarded(make, deal.buyer, deal.seller)
    before = await changes.mark()

    for party in (deal.buyer, deal.seller):
        answer = await desk.call("rateTrade", party, tradeId=deal.trade, rating="5")
        assert answer.refusals("rateTrade") == ["OWN_TRADE"]
    assert await changes.since(before) == []


async def test_staff_decide_no_dispute_of_a_minor_for_whom_they_act(
    desk: Desk, make: Factory, changes: Changes
) -> None:
    deal, staff = await desk.disputed(), await desk.staff()
    await guarded(make, deal.buyer, staff)
    before = await changes.mark()

    decided = await desk.call("resolveDispute", staff, STAFF, disputeId=deal.dispute, outcome="RELEASE")
    confirmed = await desk.call("setKycStatus", staff, STAFF, userId=deal.buyer.id, status="PENDING")

    assert decided.refusals("resolveDispute") == confirmed.refusals("setKycStatus") == ["OWN_MATTER"]
    assert await changes.since(before) == []
