"""Balances, payments from treasuries and payments by M-Pesa are sent to who may see them, when they change."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from models.treasury import MpesaTransaction, TreasuryTransfer
from tests.client import Api
from tests.factories import Factory
from tests.subscriptions.conftest import Served, World
from tests.treasury.house import House

BALANCE = """subscription ($id: ID!) { balanceUpdated(userId: $id) {
    topic userBalance { currency availableBalance holds { amount } } } }"""
TRANSFER = "subscription ($id: ID!) { treasuryTransferUpdated(transferId: $id) { topic treasuryTransfer { rowId } } }"
MPESA = """subscription ($id: ID!) { mpesaTransactionUpdated(mpesaTransactionId: $id) {
    topic mpesaTransaction { rowId status } } }"""


@pytest.fixture
def house(api: Api, make: Factory, services: Services) -> House:
    return House(api, make, services)


async def test_a_balance_is_sent_when_something_is_posted(served: Served, house: House) -> None:
    person, other = await house.person(KES="100"), await house.person()
    async with served.socket(as_=person) as client, served.socket(as_=other) as stranger:
        await client.subscribe(BALANCE, id=str(person.id))
        await stranger.subscribe(BALANCE, id=str(person.id))

        # In a currency of which they had no balance when they subscribed.
        await house.give(person, "cUSD", "2.5")

        event = await client.event()
        assert event == {
            "topic": "balance.changed",
            "userBalance": {"currency": "cUSD", "availableBalance": "2.50000000", "holds": []},
        }
        await house.give(other, "KES", "1")
        await client.nothing()
        await stranger.nothing(0.05)


async def test_an_own_balance_is_asked_for_by_its_owners_id(served: Served, house: House) -> None:
    person, other = await house.person(KES="100"), await house.person()
    async with served.socket(as_=person) as client:
        await client.subscribe(BALANCE, id=str(other.id))

        await house.give(person, "cUSD", "1")

        await client.nothing()


async def test_members_get_what_becomes_of_a_transfer(
    served: Served, house: House, world: World, owner: asyncpg.Pool[Any]
) -> None:
    dao, stranger = await house.dao(members=2, KES="100"), await house.person()
    transfer, another = [
        await house.make(TreasuryTransfer, treasury_id=dao.treasury.id, proposed_by=dao.admin.id) for _ in range(2)
    ]
    leaving = await house.join(dao)
    async with (
        served.socket(as_=dao.members[1]) as client,
        served.socket(as_=leaving) as gone,
        served.socket(as_=stranger) as other,
    ):
        for socket in (client, gone, other):
            await socket.subscribe(TRANSFER, id=str(transfer.id))

        await world.happen("treasury_transfer.approved", transfer.id, dao_id=dao.id)
        assert (await gone.event())["topic"] == "treasury_transfer.approved"
        await owner.execute("UPDATE treasury.dao_members SET status = 'banned' WHERE id = $1", leaving.membership.id)
        await owner.execute("UPDATE treasury.daos SET member_count = member_count - 1 WHERE id = $1", dao.id)
        await world.happen("treasury_transfer.executed", another.id, dao_id=dao.id)
        await world.happen("treasury_transfer.executed", transfer.id, dao_id=dao.id)

        events = [await client.event() for _ in range(2)]
        assert [event["topic"] for event in events] == ["treasury_transfer.approved", "treasury_transfer.executed"]
        assert {event["treasuryTransfer"]["rowId"] for event in events} == {str(transfer.id)}
        await client.nothing()
        # Who left hears no more of it, and a stranger nothing at all.
        await gone.nothing(0.05)
        await other.nothing(0.05)


async def test_the_payer_gets_what_becomes_of_a_payment(served: Served, house: House, world: World) -> None:
    person, stranger = await house.person(), await house.person()
    payment = await house.make(MpesaTransaction, user_id=person.id, status="pending")
    async with served.socket(as_=person) as client, served.socket(as_=stranger) as other:
        await client.subscribe(MPESA, id=str(payment.id))
        await other.subscribe(MPESA, id=str(payment.id))

        await world.happen("mpesa_payment.sent", payment.id, user_id=person.id)
        await world.happen("mpesa_message.unprocessed", payment.id)

        assert await client.event() == {
            "topic": "mpesa_payment.sent", "mpesaTransaction": {"rowId": str(payment.id), "status": "PENDING"},
        }  # fmt: skip
        await client.nothing()
        await other.nothing(0.05)
