"""Each subscription sends the changes of its object to those who may see it now."""

from __future__ import annotations

from models.identity import User
from models.pots import Pot
from models.trading import CryptoEscrow, CryptoTrade
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.subscriptions.conftest import POT_UPDATED, Served, World


async def test_a_pots_owner_gets_its_events(served: Served, make: Factory, world: World) -> None:
    owner = await make(User)
    pot = await make(Pot, owner_user_id=owner.id, title="Awa is 30")
    async with served.socket(as_=owner) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))

        id_ = await world.happen("pot.updated", pot.id)

        event = await client.event()
        assert event["id"] == id_
        assert event["topic"] == "pot.updated"
        assert event["pot"] == {"rowId": str(pot.id), "title": "Awa is 30", "balanceCfa": 0}


async def test_a_pot_changes_also_by_what_is_given_and_issued(served: Served, make: Factory, world: World) -> None:
    owner = await make(User)
    pot, other = await make(Pot, owner_user_id=owner.id), await make(Pot, owner_user_id=owner.id)
    topics = [
        "donation.succeeded",
        "donation.refunded",
        "points.converted",
        "qr_code.issued",
        "qr_code.cancelled",
        "qr_code.expired",
    ]
    async with served.socket(as_=owner) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))

        for topic in topics:
            await world.happen(topic, other.id, pot_id=other.id)
            await world.happen(topic, owner.id, pot_id=pot.id)
        await world.happen("donation.failed", owner.id, pot_id=pot.id)
        await world.happen("potted.plant", pot.id)
        await world.happen("pot.closed", pot.id)

        events = [await client.event() for _ in range(len(topics) + 1)]
        assert [event["topic"] for event in events] == [*topics, "pot.closed"]
        assert {event["pot"]["rowId"] for event in events} == {str(pot.id)}
        await client.nothing()


async def test_a_contribution_is_shown_as_others_may_see_it(served: Served, make: Factory, world: World) -> None:
    owner, friend = await make(User), await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="public", show_donor_names=True)
    query = "subscription ($id: ID!) { contributionReceived(potId: $id) { topic at contribution { rowId amountCfa donorName } } }"
    async with served.socket(as_=friend) as client:
        await client.subscribe(query, id=str(pot.id))

        donation = await make.donation(
            pot_id=pot.id, amount_cfa=2500, show_amount=False, donor_name="Moussa", is_anonymous=False
        )
        await world.happen("donation.succeeded", donation.id, pot_id=pot.id)

        event = await client.event()
        assert event["topic"] == "donation.succeeded"
        assert event["contribution"] == {"rowId": str(donation.id), "amountCfa": None, "donorName": "Moussa"}


async def test_a_partner_sees_what_its_cashier_redeems(served: Served, api: Api, make: Factory) -> None:
    till = await make.code_at_the_till()
    stranger = await make(User)
    query = "subscription ($id: ID!) { qrCodeRedeemed(partnerId: $id) { topic qrCode { rowId status pack { name } } } }"
    async with served.socket(as_=till.cashier) as client, served.socket(as_=stranger) as other:
        await client.subscribe(query, id=str(till.partner.id))
        await other.subscribe(query, id=str(till.partner.id))

        redeemed = await api.redeem(till.code.code, as_=till.cashier)

        assert redeemed.refusals("redeemQrCode") == []
        event = await client.event()
        assert event["qrCode"]["rowId"] == str(till.code.id)
        assert event["qrCode"]["status"] == "REDEEMED"
        assert event["qrCode"]["pack"]["name"] == till.pack.name
        await other.nothing()


async def test_buyer_and_seller_get_events_of_the_trade_and_its_escrow(
    served: Served, make: Factory, world: World
) -> None:
    buyer, seller, stranger = await make(User), await make(User), await make(User)
    trade = await make(CryptoTrade, user_id=seller.id, buyer_id=buyer.id, seller_id=seller.id)
    escrow = await make(CryptoEscrow, trade_id=trade.id, buyer_id=buyer.id, seller_id=seller.id)
    trades = "subscription ($id: ID!) { tradeUpdated(tradeId: $id) { topic cryptoTrade { rowId status } } }"
    escrows = "subscription ($id: ID!) { escrowUpdated(escrowId: $id) { topic cryptoEscrow { rowId status } } }"
    async with served.socket(as_=buyer) as client, served.socket(as_=stranger) as other:
        await client.subscribe(trades, "t", id=str(trade.id))
        await client.subscribe(escrows, "e", id=str(escrow.id))
        await other.subscribe(trades, "t", id=str(trade.id))
        await other.subscribe(escrows, "e", id=str(escrow.id))

        await world.happen("trade.taken", trade.id, buyer_id=buyer.id, seller_id=seller.id, escrow_id=escrow.id)
        taken = await client.message()
        await world.happen("escrow.funded", escrow.id, trade_id=trade.id)
        funded = sorted([await client.message(), await client.message()], key=lambda message: message["id"])

        assert taken["id"] == "t"
        assert taken["payload"]["data"]["tradeUpdated"]["cryptoTrade"]["rowId"] == str(trade.id)
        assert funded[0]["payload"]["data"]["escrowUpdated"]["topic"] == "escrow.funded"
        assert funded[0]["payload"]["data"]["escrowUpdated"]["cryptoEscrow"]["rowId"] == str(escrow.id)
        assert funded[1]["payload"]["data"]["tradeUpdated"]["topic"] == "escrow.funded"
        await other.nothing()


async def test_who_may_not_see_a_pot_gets_no_event(served: Served, make: Factory, world: World) -> None:
    owner, stranger = await make(User), await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="private")
    async with served.socket(as_=stranger) as client, served.socket() as nobody:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        await nobody.subscribe(POT_UPDATED, id=str(pot.id))

        await world.happen("pot.updated", pot.id)

        await client.nothing()
        await nobody.nothing(0.05)


async def test_what_is_not_selected_must_be_visible_too(served: Served, make: Factory, world: World) -> None:
    owner, stranger = await make(User), await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="private")
    query = "subscription ($id: ID!) { potUpdated(potId: $id) { topic } }"
    async with served.socket(as_=stranger) as client, served.socket(as_=owner) as mine:
        await client.subscribe(query, id=str(pot.id))
        await mine.subscribe(query, id=str(pot.id))

        await world.happen("pot.updated", pot.id)

        assert await mine.event() == {"topic": "pot.updated"}
        await client.nothing()


async def test_a_permission_lost_midway_ends_the_events(served: Served, make: Factory, world: World) -> None:
    owner, friend = await make(User), await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="public")
    async with served.socket(as_=friend) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        assert (await client.event())["pot"]["rowId"] == str(pot.id)

        await world.run("UPDATE pots.pots SET visibility = 'private' WHERE id = $1", pot.id)
        await world.happen("pot.updated", pot.id)
        await client.nothing()

        await world.run("UPDATE pots.pots SET visibility = 'public' WHERE id = $1", pot.id)
        last = await world.happen("pot.updated", pot.id)
        assert (await client.event())["id"] == last


async def test_staff_lose_their_sight_with_their_role(served: Served, make: Factory, world: World) -> None:
    staff, pot = await make.staff(), await make(Pot, visibility="private")
    async with served.socket(token=served.token(staff, STAFF)) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        assert (await client.event())["pot"]["rowId"] == str(pot.id)

        await world.run("UPDATE identity.users SET roles = '{user}' WHERE id = $1", staff.id)
        await world.happen("pot.updated", pot.id)

        await client.nothing()


async def test_what_staff_are_shown_is_noted(served: Served, make: Factory, world: World) -> None:
    staff, owner = await make.staff(), await make(User)
    pot = await make(Pot, owner_user_id=owner.id, visibility="private")
    query = "subscription ($id: ID!) { potUpdated(potId: $id) { pot { ownerUser { email } } } }"
    async with served.socket(token=served.token(staff, STAFF)) as client:
        await client.subscribe(query, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        assert await client.event() == {"pot": {"ownerUser": {"email": owner.email}}}

    noted = await world.owner.fetch("SELECT metadata::text FROM admin.audit_logs WHERE actor_user_id = $1", staff.id)
    assert str(owner.id) in str(noted)


async def test_a_field_that_needs_python_is_filled_in(served: Served, api: Api, make: Factory) -> None:
    till = await make.code_at_the_till()
    query = "subscription ($id: ID!) { qrCodeRedeemed(partnerId: $id) { qrCode { rowId svg } } }"
    async with served.socket(as_=till.cashier) as client:
        await client.subscribe(query, id=str(till.partner.id))

        await api.redeem(till.code.code, as_=till.cashier)

        assert (await client.event())["qrCode"]["svg"].startswith("<svg")


async def test_the_ordinary_executor_sends_the_same_events(serve: object, make: Factory, world: World) -> None:
    served = await serve(planner="off")  # type: ignore[operator]
    owner = await make(User)
    pot = await make(Pot, owner_user_id=owner.id, title="Awa is 30")
    async with served.socket(as_=owner) as client:
        await client.subscribe(POT_UPDATED, id=str(pot.id))
        await world.happen("pot.updated", pot.id)
        assert (await client.event())["pot"] == {"rowId": str(pot.id), "title": "Awa is 30", "balanceCfa": 0}
