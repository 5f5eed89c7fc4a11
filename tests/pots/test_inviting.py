"""Invitations to a pot, their links, and what is noted of visits."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from uuid import uuid4

import orjson
import pytest

from lango.rules.services import Services
from models.identity import User
from models.pots import Pot, PotInvitation
from resolvers.pots.views import count_views
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory
from tests.pots.planning import Planning


@pytest.fixture
async def pot(make: Factory, owner_of_pots: Any) -> Any:
    return await make(Pot, owner_user_id=owner_of_pots.id)


async def invite(planning: Planning, pot: Any, as_: Any, recipient: str = "+221771234567", **more: Any) -> Any:
    given = {"potId": str(pot.id), "method": "WHATSAPP", "recipient": recipient} | more
    return await planning("inviteToPot", as_, **given)


async def invitation(planning: Planning, key: Any) -> Any:
    return await planning.owner.fetchrow("SELECT * FROM pots.pot_invitations WHERE id = $1", key)


async def visits(planning: Planning, pot: Any, name: str) -> list[Any]:
    rows = await planning.owner.fetch(
        "SELECT * FROM analytics.analytics_events WHERE event_name = $1 AND properties ->> 'potId' = $2",
        name,
        str(pot.id),
    )
    return list(rows)


# inviteToPot


async def test_an_invitation_goes_out_with_a_link_of_its_own(
    planning: Planning, pot: Any, owner_of_pots: Any, templates: Any
) -> None:
    await templates("pot_invitation", "{message} {pot_title} {token}")

    answer = await invite(planning, pot, owner_of_pots, "77 123 45 67", message="Viens !")

    made = answer["inviteToPot"]
    row = await invitation(planning, made["invitation"]["rowId"])
    assert answer.refusals("inviteToPot") == []
    assert (row["recipient_identifier"], row["custom_message"]) == ("+221771234567", "Viens !")
    assert (row["invited_by_user_id"], row["opened_at"], row["clicked_at"]) == (owner_of_pots.id, None, None)
    assert row["token_hash"] == hashlib.sha256(made["token"].encode()).hexdigest()
    sent = await planning.owner.fetchrow(
        "SELECT * FROM notifications.notifications WHERE recipient_identifier = '+221771234567' ORDER BY created_at DESC"
    )
    assert (sent["channel"], sent["body"]) == ("whatsapp", f"Viens ! {pot.title} {made['token']}")


@pytest.mark.parametrize(
    ("method", "recipient", "stored"),
    [("SMS", "+221 77 765 43 21", "+221777654321"), ("EMAIL", " Awa@Test.Example ", "awa@test.example"),
     ("SOCIAL", " @awa🎂 ", "@awa🎂")],
)  # fmt: skip
async def test_each_way_has_its_own_addresses(
    planning: Planning, pot: Any, owner_of_pots: Any, method: str, recipient: str, stored: str
) -> None:
    made = (await invite(planning, pot, owner_of_pots, recipient, method=method))["inviteToPot"]["invitation"]

    assert made["recipientIdentifier"] == stored


@pytest.mark.parametrize(
    ("method", "recipient", "refusal"),
    [("SMS", "12", "PHONE_NOT_VALID"), ("WHATSAPP", "awa@test.example", "PHONE_NOT_VALID"),
     ("EMAIL", "+221771234567", "EMAIL_NOT_VALID"), ("EMAIL", "@", "EMAIL_NOT_VALID"), ("SOCIAL", "  ", "TEXT_MISSING"),
     ("EMAIL", "", "TEXT_MISSING")],
)  # fmt: skip
async def test_what_is_no_address_is_refused(
    planning: Planning, pot: Any, owner_of_pots: Any, changes: Changes, method: str, recipient: str, refusal: str
) -> None:
    before = await changes.mark()

    assert (await invite(planning, pot, owner_of_pots, recipient, method=method)).refusals("inviteToPot") == [refusal]
    assert await changes.since(before) == []


async def test_nobody_is_invited_twice_to_a_pot(
    planning: Planning, make: Factory, pot: Any, owner_of_pots: Any
) -> None:
    other = await make(Pot, owner_user_id=owner_of_pots.id)

    answers = await asyncio.gather(*(invite(planning, pot, owner_of_pots) for _ in range(10)))

    assert sorted(answer.refusals("inviteToPot") for answer in answers) == [[]] + [["ALREADY_INVITED"]] * 9
    assert (await invite(planning, other, owner_of_pots)).refusals("inviteToPot") == []


async def test_the_days_last_invitation_is_sent_once(
    planning: Planning, pot: Any, owner_of_pots: Any, configure: Any
) -> None:
    await configure("pots.daily_invitations", 3)

    answers = await asyncio.gather(
        *(invite(planning, pot, owner_of_pots, f"+22177123450{number}") for number in range(8))
    )

    assert sorted(answer.refusals("inviteToPot") for answer in answers) == [[]] * 3 + [["DAILY_LIMIT_REACHED"]] * 5


async def test_a_known_person_is_known_by_their_contact(
    planning: Planning, make: Factory, pot: Any, owner_of_pots: Any, api: Api
) -> None:
    friend = await make(User, phone="+221771239999")
    await planning.owner.execute("UPDATE pots.pots SET visibility = 'friends_only' WHERE id = $1", pot.id)

    made = (await invite(planning, pot, owner_of_pots, "+221771239999"))["inviteToPot"]

    assert (await invitation(planning, made["invitation"]["rowId"]))["invited_user_id"] == friend.id
    seen = await api("query ($id: ID!) { pot(id: $id) { rowId } }", {"id": str(pot.id)}, as_=friend)
    assert seen["pot"] == {"rowId": str(pot.id)}


@pytest.mark.parametrize("status", ["closed", "expired", "cancelled"])
async def test_to_an_ended_pot_nobody_is_invited(
    planning: Planning, make: Factory, owner_of_pots: Any, status: str
) -> None:
    pot = await make(Pot, owner_user_id=owner_of_pots.id, status=status)

    assert (await invite(planning, pot, owner_of_pots)).refusals("inviteToPot") == ["INVALID_STATE"]


async def test_only_the_owner_invites(planning: Planning, make: Factory, pot: Any, changes: Changes) -> None:
    public, stranger = await make(Pot, visibility="public"), await make(User)
    before = await changes.mark()

    assert (await invite(planning, pot, stranger)).refusals("inviteToPot") == ["NOT_FOUND"]
    assert (await invite(planning, public, stranger)).refusals("inviteToPot") == ["NOT_YOUR_POT"]
    assert (await invite(planning, public, None)).codes == ["UNAUTHENTICATED"]
    assert await changes.since(before) == []


async def test_the_token_is_shown_once(planning: Planning, pot: Any, owner_of_pots: Any) -> None:
    key = str(uuid4())

    first = (await invite(planning, pot, owner_of_pots, idempotencyKey=key))["inviteToPot"]
    again = (await invite(planning, pot, owner_of_pots, idempotencyKey=key))["inviteToPot"]

    assert again == first | {"token": None}


# openPotInvitation


async def test_opening_marks_the_invitation_and_shows_the_pot(
    planning: Planning, make: Factory, pot: Any, owner_of_pots: Any, api: Api
) -> None:
    made = (await invite(planning, pot, owner_of_pots))["inviteToPot"]
    friend, other = await make(User), await make(User)

    nobody = (await planning("openPotInvitation", None, token=made["token"]))["openPotInvitation"]
    first = await invitation(planning, made["invitation"]["rowId"])
    await planning("openPotInvitation", friend, token=made["token"].lower())
    await planning("openPotInvitation", other, token=made["token"])
    last = await invitation(planning, made["invitation"]["rowId"])

    assert nobody["pot"] == {"rowId": str(pot.id), "title": pot.title}
    assert first["opened_at"] is not None
    assert (first["invited_user_id"], first["clicked_at"]) == (None, None)
    assert (last["opened_at"], last["invited_user_id"]) == (first["opened_at"], friend.id)
    query = "query ($token: String!) { pot(shareToken: $token) { rowId } }"
    assert (await api(query, {"token": nobody["shareToken"]}))["pot"] == {"rowId": str(pot.id)}


async def test_the_owner_who_opens_it_is_not_its_guest(planning: Planning, pot: Any, owner_of_pots: Any) -> None:
    made = (await invite(planning, pot, owner_of_pots))["inviteToPot"]

    await planning("openPotInvitation", owner_of_pots, token=made["token"])

    assert (await invitation(planning, made["invitation"]["rowId"]))["invited_user_id"] is None


@pytest.mark.parametrize("token", ["", "x" * 22, "' OR 1=1 --", "🎂" * 16, "a,b" * 8])
async def test_a_token_of_no_invitation_opens_none(planning: Planning, make: Factory, token: str) -> None:
    answer = await planning("openPotInvitation", await make(User), token=token)

    assert answer.refusals("openPotInvitation") == ["NOT_FOUND"]
    assert answer["openPotInvitation"]["shareToken"] is None


# recordPotView, recordPotShare


async def test_a_view_is_only_an_event(planning: Planning, make: Factory, api: Api) -> None:
    pot, viewer = await make(Pot, visibility="public"), await make(User)

    mine = await planning("recordPotView", viewer, potId=str(pot.id), platform="MOBILE_APP", visitor="v-1")
    nobodys = await planning("recordPotView", None, potId=str(pot.id), visitor="v-1", referrer="https://wa.me/")

    assert mine["recordPotView"]["pot"] == nobodys["recordPotView"]["pot"] == {"rowId": str(pot.id)}
    rows = await visits(planning, pot, "pot_viewed")
    assert sorted((str(row["user_id"]), row["anonymous_id"], row["platform"]) for row in rows) == sorted(
        [(str(viewer.id), None, "mobile_app"), ("None", "v-1", None)]
    )
    assert {orjson.loads(row["properties"])["potId"] for row in rows} == {str(pot.id)}
    assert (await planning.row(pot.id))["view_count"] == 0


async def test_views_and_shares_are_counted_from_time_to_time_and_never_twice(
    planning: Planning, make: Factory, services: Services
) -> None:
    pot, other = await make(Pot, visibility="public"), await make(Pot, visibility="public", view_count=7)
    for _ in range(3):
        await planning("recordPotView", None, potId=str(pot.id))
    await planning("recordPotView", None, potId=str(other.id))
    await planning("recordPotShare", None, potId=str(pot.id))

    await asyncio.gather(*(count_views(services) for _ in range(3)))
    await count_views(services)

    counted = await planning.row(pot.id)
    assert (counted["view_count"], counted["share_count"]) == (3, 1)
    # What was counted before stays, although its events may be gone.
    assert (await planning.row(other.id))["view_count"] == 8


async def test_who_comes_by_an_invitation_has_clicked_it(planning: Planning, pot: Any, owner_of_pots: Any) -> None:
    made = (await invite(planning, pot, owner_of_pots))["inviteToPot"]
    opened = (await planning("openPotInvitation", None, token=made["token"]))["openPotInvitation"]
    given = {"shareToken": opened["shareToken"], "invitationToken": made["token"]}

    await planning("recordPotView", None, **given)
    first = await invitation(planning, made["invitation"]["rowId"])
    await planning("recordPotView", None, **given)
    last = await invitation(planning, made["invitation"]["rowId"])

    assert first["clicked_at"] is not None
    assert last["clicked_at"] == first["clicked_at"]
    assert len(await visits(planning, pot, "pot_viewed")) == 2


async def test_an_invitation_to_another_pot_is_not_clicked(
    planning: Planning, make: Factory, pot: Any, owner_of_pots: Any
) -> None:
    made = (await invite(planning, pot, owner_of_pots))["inviteToPot"]
    other = await make(Pot, visibility="public")

    await planning("recordPotView", None, potId=str(other.id), invitationToken=made["token"])

    assert (await invitation(planning, made["invitation"]["rowId"]))["clicked_at"] is None


async def test_a_share_is_only_an_event(planning: Planning, make: Factory) -> None:
    pot = await make(Pot, share_token=uuid4().hex)

    hidden = await planning("recordPotShare", None, potId=str(pot.id))
    shared = await planning("recordPotShare", None, shareToken=pot.share_token, channel="whatsapp")

    assert hidden.refusals("recordPotShare") == ["NOT_FOUND"]
    assert shared.refusals("recordPotShare") == []
    (row,) = await visits(planning, pot, "pot_shared")
    assert orjson.loads(row["properties"]) == {"potId": str(pot.id), "channel": "whatsapp"}
    assert (await planning.row(pot.id))["share_count"] == 0


async def test_views_of_many_at_once_are_all_kept_and_lock_nothing(planning: Planning, make: Factory) -> None:
    pot = await make(Pot, visibility="public")
    async with planning.owner.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM pots.pots WHERE id = $1 FOR UPDATE", pot.id)
        await asyncio.gather(*(planning("recordPotView", None, potId=str(pot.id)) for _ in range(50)))

    assert len(await visits(planning, pot, "pot_viewed")) == 50


async def test_a_private_pot_is_not_viewed_by_its_id(planning: Planning, make: Factory) -> None:
    pot, stranger = await make(Pot), await make(User)

    answer = await planning("recordPotView", stranger, potId=str(pot.id))

    assert answer.refusals("recordPotView") == ["NOT_FOUND"]
    assert await visits(planning, pot, "pot_viewed") == []
    assert (await planning("recordPotView", stranger)).codes == ["BAD_USER_INPUT"]


async def test_an_invitation_is_read_by_its_owner_and_its_guest_alone(
    planning: Planning, make: Factory, pot: Any, owner_of_pots: Any, api: Api
) -> None:
    guest, stranger = await make(User), await make(User)
    row = await make(PotInvitation, pot_id=pot.id, invited_by_user_id=owner_of_pots.id, invited_user_id=guest.id)
    query = "query ($id: ID!) { potInvitation(id: $id) { rowId } }"

    seen = [
        (await api(query, {"id": str(row.id)}, as_=who))["potInvitation"]
        for who in (owner_of_pots, guest, stranger, None)
    ]

    assert seen == [{"rowId": str(row.id)}, {"rowId": str(row.id)}, None, None]
