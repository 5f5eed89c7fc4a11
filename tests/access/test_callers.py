"""Who is still served: accounts that are active and sessions that run, looked at as each request comes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.security.account_status import STANDING
from lango.security.authentication import mint
from models.identity import User, UserSession
from models.packs import Partner
from tests.client import Answer, Api
from tests.factories import Factory, now

SUSPENDED = "UPDATE identity.users SET is_active = false WHERE id = $1"
DELETED = "UPDATE identity.users SET deleted_at = now() WHERE id = $1"
VIEWER = "{ viewer { rowId } }"


class Caller:
    """A user with a token of one session."""

    def __init__(self, api: Api, user_id: Any, session_id: Any = None, roles: tuple[str, ...] = ()) -> None:
        self.api = api
        token = mint(api.settings, user_id, roles, session_id=session_id)
        self.headers = {"Authorization": f"Bearer {token}"}

    async def __call__(self, query: str, variables: dict[str, Any] | None = None) -> Answer:
        return await self.api(query, variables, headers=self.headers)

    async def register(self, name: str) -> Answer:
        return await self.api.mutate("registerPartner", headers=self.headers, name=name, type="restaurant")

    async def is_served(self) -> bool:
        return not (await self(VIEWER)).errors


async def a_second() -> None:
    """As long as what was seen of a caller is believed, and a little longer."""
    await asyncio.sleep(1.05)


def assert_unauthenticated(answer: Answer) -> None:
    assert answer.response.status_code == 401
    assert answer.response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert answer.codes == ["UNAUTHENTICATED"]
    assert "data" not in answer.body


@pytest.mark.parametrize("change", [SUSPENDED, DELETED])
@pytest.mark.parametrize("role", [None, "admin"])
async def test_whoever_is_suspended_or_deleted_neither_reads_nor_writes(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], change: str, role: str | None
) -> None:
    roles = (role,) if role else ()
    user = await make(User, roles=["user", *roles])
    caller = Caller(api, user.id, roles=roles)
    assert (await caller(VIEWER))["viewer"] == {"rowId": str(user.id)}
    name = f"Chez {uuid4().hex}"

    await owner.execute(change, user.id)
    await a_second()

    assert_unauthenticated(await caller(VIEWER))
    assert_unauthenticated(await caller("{ __typename }"))
    assert_unauthenticated(await caller.register(name))
    assert await owner.fetchval("SELECT count(*) FROM packs.partners WHERE name = $1", name) == 0


async def test_whoever_is_active_again_is_served_at_once(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await make(User, is_active=False)
    caller = Caller(api, user.id)
    assert not await caller.is_served()

    await owner.execute("UPDATE identity.users SET is_active = true WHERE id = $1", user.id)

    assert await caller.is_served()


async def session_of(make: Factory, user: SimpleNamespace, **given: Any) -> SimpleNamespace:
    return await make(UserSession, user_id=user.id, **given)


async def test_a_revoked_session_is_refused_and_the_users_others_are_not(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await make(User)
    session, other = await session_of(make, user), await session_of(make, user)
    caller, still = Caller(api, user.id, session.id), Caller(api, user.id, other.id)
    assert await caller.is_served()
    assert await still.is_served()

    await owner.execute("UPDATE identity.user_sessions SET is_revoked = true WHERE id = $1", session.id)
    await a_second()

    answer = await caller(VIEWER)
    assert_unauthenticated(answer)
    assert answer.errors[0]["message"] == "The session has ended: sign in again."
    assert await still.is_served()


async def test_a_session_that_has_expired_or_is_anothers_is_refused(api: Api, make: Factory) -> None:
    user = await make(User)
    over = await session_of(make, user, expires_at=now() - timedelta(seconds=1))
    anothers = await session_of(make, await make(User))

    assert not await Caller(api, user.id, over.id).is_served()
    assert not await Caller(api, user.id, anothers.id).is_served()


async def test_a_session_that_is_not_kept_here_is_judged_by_its_user(api: Api, make: Factory) -> None:
    user = await make(User)

    assert await Caller(api, user.id, uuid4()).is_served()


async def test_an_unknown_user_counts_as_not_signed_in(api: Api, owner: asyncpg.Pool[Any]) -> None:
    caller, name = Caller(api, uuid4()), f"Chez {uuid4().hex}"

    answer = await caller.register(name)

    assert_unauthenticated(answer)
    assert answer.errors[0]["message"] == "There is no account for this access token: sign in again."
    assert_unauthenticated(await caller(VIEWER))
    assert await owner.fetchval(f"SELECT count(*) FROM {Partner.table().fullname} WHERE name = $1", name) == 0


# What staff claim


async def test_requests_of_one_caller_at_once_share_a_look_at_what_it_claims(api: Api, make: Factory) -> None:
    staff = Caller(api, (await make.staff()).id, roles=("admin",))
    looks: list[str] = []
    api.pipeline.listeners.append(looks.append)
    try:
        answers = await asyncio.gather(*(staff("{ users { totalCount } }") for _ in range(20)))
    finally:
        api.pipeline.listeners.remove(looks.append)

    assert not any(answer.errors for answer in answers)
    assert len({answer["users"]["totalCount"] for answer in answers}) == 1
    assert looks.count(STANDING) <= 3


async def test_a_request_is_confirmed_by_a_look_that_began_after_it_came(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, other = await make.staff(), await make(User)
    staff = Caller(api, user.id, roles=("admin",))
    run, looked, go_on = api.pipeline.run, asyncio.Event(), asyncio.Event()

    async def slow(actor: Any, sql: str, *given: Any, **options: Any) -> Any:
        found = await run(actor, sql, *given, **options)
        if sql == STANDING and not looked.is_set():
            looked.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(api.pipeline, "run", slow)
    query, given = "query ($id: ID!) { user(id: $id) { rowId } }", {"id": str(other.id)}
    first = asyncio.create_task(staff(query, given))
    await looked.wait()
    await owner.execute("UPDATE identity.users SET roles = '{user}' WHERE id = $1", user.id)
    second = asyncio.create_task(staff(query, given))
    await asyncio.sleep(0.05)
    go_on.set()

    assert (await first)["user"] is not None
    assert (await second)["user"] is None
