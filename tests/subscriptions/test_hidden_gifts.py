"""Gifts that hide their amount: strangers see them after a while, and in one total."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.donations import Donation
from models.identity import User
from models.pots import Pot
from tests.factories import Factory
from tests.subscriptions.conftest import Served, World

POT = "subscription ($id: ID!) { potUpdated(potId: $id) { topic pot { raisedCfa } } }"
CONTRIBUTION = (
    "subscription ($id: ID!) { contributionReceived(potId: $id) { topic contribution { pot { raisedCfa } } } }"
)
SECONDS = 1.5


@pytest.fixture
async def pot(make: Factory) -> Any:
    return await make(Pot, owner_user_id=(await make(User)).id, visibility="public", target_amount_cfa=1_000_000)


async def give(make: Factory, world: World, pot: Any, amount: int, *, hidden: bool) -> None:
    donation = await make(Donation, pot_id=pot.id, amount_cfa=amount, show_amount=not hidden)
    await make.move("provider:wave:XOF", f"pot:{pot.id}:balance", amount, "donation", of=("donation", donation.id))
    await make.owner.execute(
        "UPDATE pots.pots SET raised_cfa = raised_cfa + $2, balance_cfa = balance_cfa + $2 WHERE id = $1",
        pot.id,
        amount,
    )
    until = (datetime.now(UTC) + timedelta(seconds=SECONDS)).isoformat()
    about = {"pot_id": pot.id} | ({"hidden_until": until} if hidden else {})
    await world.happen("donation.succeeded", donation.id, **about)


async def test_strangers_get_one_total_of_the_hidden_gift_and_the_next(
    served: Served, make: Factory, world: World, pot: Any
) -> None:
    async with served.socket(as_=await make(User)) as client:
        await client.subscribe(POT, id=str(pot.id))
        await give(make, world, pot, 100, hidden=False)
        seen = await client.event()
        await give(make, world, pot, 700, hidden=True)
        await give(make, world, pot, 1000, hidden=False)
        await client.nothing()

        events = [await client.event(), await client.event()]

    assert seen["pot"] == {"raisedCfa": 100}
    # Neither of both amounts is the difference of two totals.
    assert [event["pot"]["raisedCfa"] for event in events] == [1800, 1800]


async def test_the_total_is_sent_also_when_nothing_follows(
    served: Served, make: Factory, world: World, pot: Any
) -> None:
    async with served.socket(as_=await make(User)) as client:
        await client.subscribe(CONTRIBUTION, id=str(pot.id))
        await give(make, world, pot, 700, hidden=True)
        await client.nothing()

        assert (await client.event())["contribution"] == {"pot": {"raisedCfa": 700}}


async def test_the_owner_gets_the_event_at_once(served: Served, make: Factory, world: World, pot: Any) -> None:
    owner = await make(User)
    await make.owner.execute("UPDATE pots.pots SET owner_user_id = $2 WHERE id = $1", pot.id, owner.id)
    async with served.socket(as_=owner) as client:
        await client.subscribe(POT, id=str(pot.id))
        async with asyncio.timeout(SECONDS):
            for amount in (700, 800):
                await give(make, world, pot, amount, hidden=True)
                assert (await client.event())["pot"]["raisedCfa"] in (700, 1500)
