"""Addresses: of each type one is the default, whoever adds how many at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg

from tests.client import Api
from tests.profiles.conftest import People


async def add(api: Api, as_: SimpleNamespace, **given: Any) -> Any:
    answer = await api.mutate("addAddress", as_, **given)
    return answer.refusals("addAddress") or SimpleNamespace(id=UUID(answer["addAddress"]["userAddress"]["rowId"]))


async def defaults(owner: asyncpg.Pool[Any], user: SimpleNamespace) -> dict[str, list[UUID]]:
    found: dict[str, list[UUID]] = {}
    for row in await owner.fetch(
        "SELECT type, id FROM profiles.user_addresses WHERE user_id = $1 AND is_default AND deleted_at IS NULL", user.id
    ):
        found.setdefault(row["type"], []).append(row["id"])
    return found


async def test_the_first_of_a_type_is_its_default(api: Api, people: People, owner: asyncpg.Pool[Any]) -> None:
    user = await people.adult()

    home = await add(api, user, city="Dakar", streetAddress="Rue 10", country="SEN")
    await add(api, user, city="Thiès")
    bill = await add(api, user, type="BILLING", city="Dakar")

    assert await defaults(owner, user) == {"primary": [home.id], "billing": [bill.id]}


async def test_many_at_once_have_one_default(api: Api, people: People, owner: asyncpg.Pool[Any]) -> None:
    user = await people.adult()

    await asyncio.gather(*(add(api, user, city=f"Ville {n}", isDefault=True) for n in range(10)))

    assert [len(each) for each in (await defaults(owner, user)).values()] == [1]
    assert await owner.fetchval("SELECT count(*) FROM profiles.user_addresses WHERE user_id = $1", user.id) == 10


async def test_another_becomes_the_default_and_none_gives_it_up_alone(
    api: Api, people: People, owner: asyncpg.Pool[Any]
) -> None:
    user = await people.adult()
    first, second = await add(api, user, city="Dakar"), await add(api, user, city="Thiès")

    kept = await api.mutate("updateAddress", user, addressId=first, isDefault=False, city="Pikine")
    assert await defaults(owner, user) == {"primary": [first.id]}
    await api.mutate("updateAddress", user, addressId=second, isDefault=True)

    assert kept.refusals("updateAddress") == []
    assert await defaults(owner, user) == {"primary": [second.id]}
    assert await owner.fetchval("SELECT city FROM profiles.user_addresses WHERE id = $1", first.id) == "Pikine"


async def test_removing_the_default_promotes_the_newest(api: Api, people: People, owner: asyncpg.Pool[Any]) -> None:
    user = await people.adult()
    first, _, third = [await add(api, user, city=city) for city in ("Dakar", "Thiès", "Mbour")]

    removed = await api.mutate("removeAddress", user, addressId=first)
    again = await api.mutate("removeAddress", user, addressId=first)

    assert removed["removeAddress"]["address"] == {"rowId": str(third.id), "isDefault": True}
    assert again.refusals("removeAddress") == ["NOT_FOUND"]
    assert await defaults(owner, user) == {"primary": [third.id]}


async def test_only_their_owner_and_a_guardian_change_addresses(api: Api, people: People) -> None:
    guardian, stranger = await people.adult(), await people.adult()
    child = await people.child(guardian)
    theirs = await add(api, guardian, userId=child, city="Dakar")

    refused = await api.mutate("updateAddress", stranger, addressId=theirs, city="?")
    changed = await api.mutate("updateAddress", guardian, addressId=theirs, city="Rufisque")

    assert refused.refusals("updateAddress") == ["NOT_FOUND"]
    assert changed.refusals("updateAddress") == []
    assert await add(api, stranger, userId=child, city="?") == ["NOT_FOUND"]


async def test_a_country_is_a_code_and_addresses_have_an_end(
    api: Api, people: People, owner: asyncpg.Pool[Any]
) -> None:
    user = await people.adult()
    await owner.execute(
        "INSERT INTO profiles.user_addresses (user_id, city) SELECT $1, 'Dakar' FROM generate_series(1, 50)", user.id
    )

    assert await add(api, user, country="SN") == ["COUNTRY_UNKNOWN"]
    assert await add(api, user, country="SEN") == ["TOO_MANY_ADDRESSES"]
