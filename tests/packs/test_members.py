"""Who acts for a partner: its owners say so, and one of them always stays."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from models.identity import User
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory


async def roles(owner: asyncpg.Pool[Any], partner: Any) -> dict[Any, str]:
    rows = await owner.fetch("SELECT user_id, role FROM packs.partner_members WHERE partner_id = $1", partner.id)
    return {row["user_id"]: row["role"] for row in rows}


async def member(owner: asyncpg.Pool[Any], partner: Any, user: Any) -> SimpleNamespace:
    key = await owner.fetchval(
        "SELECT id FROM packs.partner_members WHERE partner_id = $1 AND user_id = $2", partner.id, user.id
    )
    return SimpleNamespace(id=key)


@pytest.mark.parametrize("who", ["manager", "cashier"])
async def test_who_is_no_owner_adds_changes_and_removes_nobody(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any], who: str, changes: Changes
) -> None:
    caller, before = getattr(shop, who), await changes.mark()
    own = await member(owner, shop.partner, caller)

    added = await api.mutate(
        "invitePartnerMember", caller, partnerId=shop.partner, email="somebody@test.example", role="OWNER"
    )
    raised = await api.mutate("changePartnerMemberRole", caller, partnerMemberId=own, role="OWNER")

    assert added.refusals("invitePartnerMember") == ["NOT_PARTNER_OWNER"]
    assert raised.refusals("changePartnerMemberRole") == ["NOT_PARTNER_OWNER"]
    assert await changes.since(before) == []


async def test_a_manager_sees_the_members_and_removes_none(api: Api, shop: Any, owner: asyncpg.Pool[Any]) -> None:
    cashier = await member(owner, shop.partner, shop.cashier)

    answer = await api.mutate("removePartnerMember", shop.manager, partnerMemberId=cashier)

    assert answer.refusals("removePartnerMember") == ["NOT_PARTNER_OWNER"]
    assert shop.cashier.id in await roles(owner, shop.partner)


async def test_to_a_stranger_there_is_no_partner_and_no_member(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    stranger, cashier = await make(User), await member(owner, shop.partner, shop.cashier)

    added = await api.mutate(
        "invitePartnerMember", stranger, partnerId=shop.partner, email="somebody@test.example", role="OWNER"
    )
    changed = await api.mutate("changePartnerMemberRole", stranger, partnerMemberId=cashier, role="OWNER")
    removed = await api.mutate("removePartnerMember", stranger, partnerMemberId=cashier)

    assert added.refusals("invitePartnerMember") == ["NOT_FOUND"]
    assert changed.refusals("changePartnerMemberRole") == ["NOT_FOUND"]
    assert removed.refusals("removePartnerMember") == ["NOT_FOUND"]


async def test_an_owner_makes_a_cashier_a_manager_and_removes_a_manager(
    api: Api, shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    cashier = await member(owner, shop.partner, shop.cashier)
    manager = await member(owner, shop.partner, shop.manager)

    changed = await api.mutate("changePartnerMemberRole", shop.owner, partnerMemberId=cashier, role="MANAGER")
    removed = await api.mutate("removePartnerMember", shop.owner, partnerMemberId=manager)

    assert changed["changePartnerMemberRole"]["partnerMember"]["role"] == "MANAGER"
    assert removed.refusals("removePartnerMember") == []
    assert await roles(owner, shop.partner) == {shop.owner.id: "owner", shop.cashier.id: "manager"}


async def test_a_member_may_leave(api: Api, shop: Any, owner: asyncpg.Pool[Any]) -> None:
    own = await member(owner, shop.partner, shop.cashier)

    answer = await api.mutate("removePartnerMember", shop.cashier, partnerMemberId=own)

    # Who has left no longer sees the partner.
    assert answer["removePartnerMember"] == {"partner": None, "userErrors": []}
    assert shop.cashier.id not in await roles(owner, shop.partner)


async def test_the_last_owner_neither_leaves_nor_steps_down(
    api: Api, shop: Any, owner: asyncpg.Pool[Any], changes: Changes
) -> None:
    own, before = await member(owner, shop.partner, shop.owner), await changes.mark()

    left = await api.mutate("removePartnerMember", shop.owner, partnerMemberId=own)
    stepped = await api.mutate("changePartnerMemberRole", shop.owner, partnerMemberId=own, role="MANAGER")
    stayed = await api.mutate("changePartnerMemberRole", shop.owner, partnerMemberId=own, role="OWNER")

    assert left.refusals("removePartnerMember") == ["LAST_OWNER"]
    assert stepped.refusals("changePartnerMemberRole") == ["LAST_OWNER"]
    assert stayed.refusals("changePartnerMemberRole") == []
    assert await changes.since(before) == []


async def test_not_even_staff_take_the_last_owner_away(api: Api, shop: Any, staff: Any, owner: Any) -> None:
    own = await member(owner, shop.partner, shop.owner)

    answer = await api.mutate("removePartnerMember", staff, STAFF, partnerMemberId=own)

    assert answer.refusals("removePartnerMember") == ["LAST_OWNER"]


async def test_two_owners_who_go_at_once_leave_one(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], shop: Any
) -> None:
    for _ in range(10):
        second = await make(User)
        await make.member(shop.partner, second, "owner")
        keys = [await member(owner, shop.partner, user) for user in (shop.owner, second)]

        left, stepped = await asyncio.gather(
            api.mutate("removePartnerMember", second, partnerMemberId=keys[1]),
            api.mutate("changePartnerMemberRole", shop.owner, partnerMemberId=keys[0], role="CASHIER"),
        )

        refusals = left.refusals("removePartnerMember") + stepped.refusals("changePartnerMemberRole")
        assert refusals == ["LAST_OWNER"]
        assert list((await roles(owner, shop.partner)).values()).count("owner") == 1
        await owner.execute("DELETE FROM packs.partner_members WHERE user_id = $1", second.id)
        await owner.execute("UPDATE packs.partner_members SET role = 'owner' WHERE user_id = $1", shop.owner.id)


async def test_one_member_removed_by_many_at_once_goes_once(api: Api, shop: Any, owner: asyncpg.Pool[Any]) -> None:
    cashier = await member(owner, shop.partner, shop.cashier)

    answers = await asyncio.gather(
        *(api.mutate("removePartnerMember", shop.owner, partnerMemberId=cashier) for _ in range(20))
    )

    refusals = [answer.refusals("removePartnerMember") for answer in answers]
    assert sorted(refusals) == [[]] + [["NOT_FOUND"]] * 19


async def test_an_owner_who_was_removed_meanwhile_does_nothing_more(
    api: Api, make: Factory, shop: Any, owner: asyncpg.Pool[Any]
) -> None:
    second = await make(User)
    await make.member(shop.partner, second, "owner")
    key = await member(owner, shop.partner, second)
    async with owner.acquire() as connection, connection.transaction():
        # Somebody holds the partner, so that both wait for it after they have seen it.
        await connection.execute("SELECT FROM packs.partners WHERE id = $1 FOR UPDATE", shop.partner.id)
        removing = asyncio.create_task(api.mutate("removePartnerMember", shop.owner, partnerMemberId=key))
        await asyncio.sleep(0.3)
        changing = asyncio.create_task(api.mutate("updatePartner", second, partnerId=shop.partner, name="Mine now"))
        await asyncio.sleep(0.3)

    assert (await removing).refusals("removePartnerMember") == []
    assert (await changing).refusals("updatePartner") == ["NOT_PARTNER_OWNER"]
