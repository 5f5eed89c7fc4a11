"""Holds: why a part of a balance is pending or locked. Those of a part add up to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.treasury import UserBalance
from tests.client import Api
from tests.factories import Factory, now
from tests.trading.conftest import Desk
from tests.treasury.house import House
from tests.treasury.past import Past

HOLDS = """{ viewer { balances { nodes { currency lockedBalance pendingBalance
    holds { part amount currency kind reason referenceType rowId since until } } } } }"""


@pytest.fixture(params=["planned", "ordinary"])
def ask(request: pytest.FixtureRequest, api: Api, ordinary: Api) -> Api:
    """The gateway with its planner and without."""
    return api if request.param == "planned" else ordinary


@pytest.fixture
def desk(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> Desk:
    return Desk(api, make, owner)


async def balance_of(ask: Api, person: Any, currency: str) -> Any:
    nodes = (await ask(HOLDS, as_=person))["viewer"]["balances"]["nodes"]
    (found,) = (each for each in nodes if each["currency"] == currency)
    return found


async def test_a_funded_escrow_is_a_hold_until_its_time_is_over(ask: Api, desk: Desk) -> None:
    deal = await desk.funded("40", holds="100")
    escrow = await desk.escrow(deal)

    (hold,) = (await balance_of(ask, deal.seller, deal.coin))["holds"]

    assert hold | {"since": None, "until": None} == {
        "part": "LOCKED", "amount": "40.00000000", "currency": deal.coin, "kind": "escrow_fund",
        "reason": "Locked for a trade until it is completed, called off or decided.",
        "referenceType": "crypto_escrow", "rowId": str(deal.escrow), "since": None, "until": None,
    }  # fmt: skip
    assert hold["until"] == escrow["expires_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert hold["since"][:10] == escrow["funded_at"].strftime("%Y-%m-%d")


async def test_once_the_buyer_has_paid_it_ends_by_a_decision(ask: Api, desk: Desk) -> None:
    deal = await desk.funded("40", holds="100")
    await desk.call("markTradePaid", deal.buyer, tradeId=deal.trade)

    (hold,) = (await balance_of(ask, deal.seller, deal.coin))["holds"]

    assert hold["until"] is None


async def test_what_is_disputed_is_held_still(ask: Api, desk: Desk) -> None:
    deal = await desk.disputed("40", holds="100")

    (hold,) = (await balance_of(ask, deal.seller, deal.coin))["holds"]

    assert (hold["amount"], hold["until"]) == ("40.00000000", None)


@pytest.mark.parametrize(("name", "by"), [("releaseEscrow", "seller"), ("refundEscrow", "buyer")])
async def test_what_was_released_or_given_back_is_held_no_more(ask: Api, desk: Desk, name: str, by: str) -> None:
    deal = await desk.funded("40", holds="100")

    await desk.call(name, getattr(deal, by), escrowId=deal.escrow)

    balance = await balance_of(ask, deal.seller, deal.coin)
    assert (balance["holds"], balance["lockedBalance"]) == ([], "0.00000000")


async def test_a_partial_release_keeps_the_rest(ask: Api, house: House, owner: asyncpg.Pool[Any]) -> None:
    person = await house.person()
    past, row, at = Past(owner), ("wish", uuid4()), now()
    await house.make(UserBalance, user_id=person.id, currency="KES")
    user = f"user:{person.id}"
    await past.moves(at, "provider:bank", f"{user}:available", "5000")
    await past.moves(at, f"{user}:available", f"{user}:locked", "1010", kind="a_hold", of=row)
    await past.moves(at, f"{user}:locked", f"{user}:available", "10", kind="a_part_of_it", of=row)
    await past.proves(person)

    balance = await balance_of(ask, person, "KES")

    (hold,) = balance["holds"]
    assert (hold["part"], hold["amount"], hold["kind"]) == ("LOCKED", "1000.00000000", "a_hold")
    assert (hold["rowId"], hold["referenceType"], hold["reason"]) == (str(row[1]), "wish", None)
    assert balance["lockedBalance"] == "1000.00000000"


async def test_what_is_put_in_once_more_is_held_since_then(ask: Api, house: House, owner: asyncpg.Pool[Any]) -> None:
    person = await house.person()
    past, row = Past(owner), ("wish", uuid4())
    await house.make(UserBalance, user_id=person.id, currency="KES")
    locked, promotion = f"user:{person.id}:locked", "platform:promotion"
    first, second = now().replace(microsecond=0), now()
    await past.moves(first, promotion, locked, "50", kind="a_payout", of=row)
    await past.moves(first, locked, promotion, "50", kind="its_reversal", of=row)
    await past.moves(second, promotion, locked, "50", kind="a_payout", of=row)
    await past.proves(person)

    (hold,) = (await balance_of(ask, person, "KES"))["holds"]

    assert (hold["kind"], hold["amount"]) == ("a_payout", "50.00000000")
    assert hold["since"] == second.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def test_the_holds_of_a_part_add_up_to_it(ask: Api, desk: Desk, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    coin = await desk.coin()
    seller = await desk.person(coin, "100")
    for amount in ("1.5", "20", "0.00000001", "7"):
        placed = await desk.call("placeTrade", seller, side="SELL", pair=f"{coin}/KES", price="129.5", amount=amount)
        buyer = await desk.person(coin)
        trade = placed["placeTrade"]["trade"]["rowId"]
        taken = await desk.call("takeTrade", buyer, tradeId=trade)
        await desk.call("fundEscrow", seller, escrowId=taken["takeTrade"]["trade"]["escrow"]["rowId"])

    balance = await balance_of(ask, seller, coin)

    amounts = [Decimal(hold["amount"]) for hold in balance["holds"]]
    assert sum(amounts) == Decimal(balance["lockedBalance"]) == Decimal("28.50000001")
    # What has been held longest comes first.
    assert amounts == [Decimal("1.5"), Decimal(20), Decimal("0.00000001"), Decimal(7)]


async def test_nobody_sees_anothers_holds(ask: Api, desk: Desk) -> None:
    deal = await desk.funded("40", holds="100")

    nodes = (await ask("{ userBalances { nodes { holds { amount } } } }", as_=deal.buyer))["userBalances"]["nodes"]

    assert [each["holds"] for each in nodes if each["holds"]] == []
