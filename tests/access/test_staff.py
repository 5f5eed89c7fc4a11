"""Staff read everything, and what they read of people is written down."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import orjson

from models.identity import User
from models.profiles import Profile
from tests.client import STAFF, Api
from tests.factories import Factory

PROFILES = "query ($id: ID!) { user(id: $id) { email profile { fullName } } packs { totalCount } }"


async def reads(owner: asyncpg.Pool[Any], request_id: str) -> list[Any]:
    rows = await owner.fetch(
        "SELECT * FROM admin.audit_logs WHERE request_id = $1 AND action = 'staff_read'", request_id
    )
    return list(rows)


async def test_staff_reading_a_persons_rows_is_audited(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    admin, person = await make.staff(), await make(User)
    await make(Profile, user_id=person.id)
    request_id = uuid4().hex

    await api(PROFILES, {"id": str(person.id)}, as_=admin, roles=STAFF, headers={"X-Request-Id": request_id})

    (row,) = await reads(owner, request_id)
    assert (row["actor_user_id"], row["actor_type"]) == (admin.id, "user")
    assert sorted(orjson.loads(row["metadata"])["rows"]) == [f"Profile:{person.id}", f"User:{person.id}"]


async def test_staff_reading_rows_of_nobody_is_not_audited(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    admin, request_id = await make.staff(), uuid4().hex

    await api("{ packs { nodes { name } } }", as_=admin, roles=STAFF, headers={"X-Request-Id": request_id})

    assert await reads(owner, request_id) == []


async def test_users_reading_their_own_rows_is_not_audited(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    person, request_id = await make(User), uuid4().hex

    await api(PROFILES, {"id": str(person.id)}, as_=person, headers={"X-Request-Id": request_id})

    assert await reads(owner, request_id) == []


async def test_a_role_that_the_database_does_not_confirm_counts_for_nothing(api: Api, make: Factory) -> None:
    pretender, other = await make(User), await make(User)

    answer = await api(PROFILES, {"id": str(other.id)}, as_=pretender, roles=("admin", "super_admin"))

    assert answer["user"] is None
