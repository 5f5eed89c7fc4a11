"""A redemption that was a mistake is taken back by staff: in time, once, and not when it is settled."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.identity import User
from models.notifications import NotificationTemplate
from models.profiles import Profile
from models.redemption import PartnerSettlement
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Answer, Api
from tests.factories import Factory, now


async def reverse(api: Api, code: Any, as_: Any, roles: tuple[str, ...] = STAFF, **more: Any) -> Answer:
    return await api.mutate("reverseRedemption", as_, roles, **{"qrCodeId": code, "reason": "scanned twice", **more})


@pytest.fixture
async def redeemed(api: Api, till: Any) -> Any:
    assert (await api.redeem(till.code.code, as_=till.cashier)).refusals("redeemQrCode") == []
    return till


async def test_the_price_goes_back_and_the_code_is_issued_again(
    api: Api, redeemed: Any, staff: Any, books: Books, owner: asyncpg.Pool[Any]
) -> None:
    commission = await books.owed("platform:commission:XOF")

    answer = await reverse(api, redeemed.code, staff)

    assert answer.refusals("reverseRedemption") == []
    assert answer["reverseRedemption"]["qrCode"] == {
        "rowId": str(redeemed.code.id), "status": "ISSUED", "redeemedAt": None, "redeemedByPartnerId": None,
        "redeemedAtVenue": None, "partnerNotes": None, "partnerShareCfa": None,
    }  # fmt: skip
    assert await books.owed(f"partner:{redeemed.partner.id}:payable") == 0
    assert await books.owed(f"pot:{redeemed.pot.id}:reserved") == 5000
    assert await books.owed("platform:commission:XOF") == commission - 1000
    assert (await books.events(redeemed.code.id))[-1] == "qr_code.reversed"
    note = await owner.fetchrow(
        "SELECT * FROM redemption.qr_redemption_logs WHERE qr_code_id = $1 AND validation_result = 'reversed'",
        redeemed.code.id,
    )
    assert (note["partner_id"], note["error_message"], note["partner_user_id"]) == (
        redeemed.partner.id, "scanned twice", None,
    )  # fmt: skip


async def test_the_code_is_redeemed_or_given_back_as_if_nothing_had_been(
    api: Api, redeemed: Any, staff: Any, books: Books
) -> None:
    await reverse(api, redeemed.code, staff)

    again = await api.redeem(redeemed.code.code, as_=redeemed.cashier)
    twice = await reverse(api, redeemed.code, staff)

    assert again.refusals("redeemQrCode") == []
    assert twice.refusals("reverseRedemption") == []
    assert await books.owed(f"partner:{redeemed.partner.id}:payable") == 0


async def test_the_owner_and_the_partners_managers_are_notified(
    api: Api, make: Factory, redeemed: Any, staff: Any, owner: asyncpg.Pool[Any]
) -> None:
    manager = await make(User)
    await make.member(redeemed.partner, manager, "manager")
    await make(NotificationTemplate, template_key="redemption_reversed", body_text="{pack} {amount} {reason}",
               channels=["email"], is_active=True, locale="fr")  # fmt: skip

    await reverse(api, redeemed.code, staff)

    notifications = await owner.fetch(
        "SELECT user_id, body FROM notifications.notifications WHERE body LIKE '%scanned twice'"
    )
    assert {row["user_id"] for row in notifications} == {redeemed.owner.id, manager.id}
    assert {row["body"] for row in notifications} == {f"{redeemed.pack.name} 5000 scanned twice"}
    await owner.execute("DELETE FROM notifications.notifications WHERE body LIKE '%scanned twice'")
    await owner.execute("DELETE FROM notifications.notification_templates WHERE template_key = 'redemption_reversed'")


async def test_of_many_at_once_one_takes_it_back(api: Api, redeemed: Any, staff: Any, books: Books) -> None:
    answers = await asyncio.gather(*(reverse(api, redeemed.code, staff) for _ in range(20)))

    refusals = [answer.refusals("reverseRedemption") for answer in answers]
    assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 19
    assert (await books.events(redeemed.code.id)).count("qr_code.reversed") == 1


async def test_a_retry_with_its_key_is_one(api: Api, redeemed: Any, staff: Any, books: Books) -> None:
    key = str(uuid4())

    answers = [await reverse(api, redeemed.code, staff, idempotencyKey=key) for _ in range(2)]

    assert [answer.refusals("reverseRedemption") for answer in answers] == [[], []]
    assert (await books.events(redeemed.code.id)).count("qr_code.reversed") == 1


async def test_what_was_not_redeemed_is_too_old_or_settled_stays(
    api: Api, make: Factory, till: Any, staff: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    issued = await reverse(api, till.code, staff)
    assert issued["reverseRedemption"]["userErrors"][0]["details"] == {"state": "issued"}
    await api.redeem(till.code.code, as_=till.cashier)
    settlement = await make(PartnerSettlement, partner_id=till.partner.id, total_redemptions_count=1,
                            total_revenue_cfa=5000, partner_share_cfa=4000, wolo_commission_cfa=1000)  # fmt: skip

    async def refused(**values: Any) -> list[str]:
        ((name, value),) = values.items()
        old = await owner.fetchval(f"SELECT {name} FROM redemption.qr_codes WHERE id = $1", till.code.id)
        await owner.execute(f"UPDATE redemption.qr_codes SET {name} = $1 WHERE id = $2", value, till.code.id)
        before = await changes.mark()
        answer = await reverse(api, till.code, staff)
        assert await changes.since(before) == []
        await owner.execute(f"UPDATE redemption.qr_codes SET {name} = $1 WHERE id = $2", old, till.code.id)
        return answer.refusals("reverseRedemption")

    a_day_ago = await owner.fetchval("SELECT now() - interval '24 hours'")
    assert await refused(redeemed_at=a_day_ago) == ["REVERSAL_TOO_LATE"]
    assert await refused(settlement_id=settlement.id) == ["REDEMPTION_SETTLED"]
    await owner.execute("DELETE FROM redemption.partner_settlements WHERE id = $1", settlement.id)
    assert (await reverse(api, till.code, staff, reason=" ")).refusals("reverseRedemption") == ["TEXT_MISSING"]
    assert (await reverse(api, till.code, staff)).refusals("reverseRedemption") == []


async def test_staff_take_back_no_redemption_that_is_their_own_matter(
    api: Api, make: Factory, redeemed: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    cashier, guardian = await make.staff(), await make.staff()
    await make.member(redeemed.partner, cashier)
    await make(Profile, user_id=redeemed.owner.id, date_of_birth=now().date().replace(year=now().year - 12, day=1),
               guardian_user_id=guardian.id, relationship_type="parent", guardian_accepted_at=now())  # fmt: skip
    before = await changes.mark()

    for who in (cashier, guardian):
        assert (await reverse(api, redeemed.code, who)).refusals("reverseRedemption") == ["OWN_MATTER"]
    for who in (redeemed.owner, redeemed.cashier):
        assert (await reverse(api, redeemed.code, who, ())).codes == ["FORBIDDEN"]
    assert await changes.since(before) == []


async def test_who_holds_a_code_sees_its_pack_also_when_it_is_withdrawn(
    api: Api, make: Factory, till: Any, owner: asyncpg.Pool[Any]
) -> None:
    query = "query ($id: ID!) { qrCode(id: $id) { pack { name description } } pack(id: $pack) { name } }"
    query = query.replace("($id: ID!)", "($id: ID!, $pack: ID!)")
    given = {"id": str(till.code.id), "pack": str(till.pack.id)}
    await owner.execute("UPDATE packs.packs SET is_active = false WHERE id = $1", till.pack.id)
    shown = {"name": till.pack.name, "description": till.pack.description}

    held = await api(query, given, as_=till.owner)
    await api.redeem(till.code.code, as_=till.cashier)
    used = await api(query, given, as_=till.owner)
    stranger = await api(query, given, as_=await make(User))

    assert held["qrCode"]["pack"] == used["qrCode"]["pack"] == shown
    assert held["pack"] == {"name": till.pack.name}
    assert (stranger["qrCode"], stranger["pack"]) == (None, None)
