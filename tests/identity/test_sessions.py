"""Sessions: how many there may be, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from models.admin import SystemConfig
from models.identity import UserSession
from tests.client import Api
from tests.factories import Factory, now
from tests.identity.conftest import Person, bearing, refresh, sign_in, viewer

Events = Callable[[UUID], Awaitable[list[str]]]


async def ended(owner: asyncpg.Pool[Any], session: dict[str, Any]) -> str | None:
    row = await owner.fetchrow(
        "SELECT is_revoked, ended_at, end_reason FROM identity.user_sessions WHERE id = $1", UUID(session["rowId"])
    )
    assert row["is_revoked"] == (row["ended_at"] is not None) == (row["end_reason"] is not None)
    return None if row["end_reason"] is None else str(row["end_reason"])


async def test_signing_out_ends_the_session(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person()
    here, there = [(await sign_in(api, user))["signInWithPassword"] for _ in range(2)]

    answer = await api.mutate("signOut", headers=bearing(here["accessToken"]))

    assert answer["signOut"]["ended"] == 1
    assert [await ended(owner, each["session"]) for each in (here, there)] == ["signed_out", None]
    assert (await refresh(api, here["refreshToken"])).refusals("refreshSession") == ["SESSION_ENDED"]
    audits = await owner.fetch(
        "SELECT action FROM security.session_audits WHERE session_id = $1 ORDER BY created_at",
        UUID(here["session"]["rowId"]),
    )
    assert [row["action"] for row in audits] == ["session_created", "session_terminated"]
    await asyncio.sleep(1.1)
    assert (await viewer(api, here["accessToken"])).codes == ["UNAUTHENTICATED"]
    assert (await viewer(api, there["accessToken"]))["viewer"] is not None


async def test_a_token_of_no_session_that_is_kept_ends_none(api: Api, person: Person) -> None:
    assert (await api.mutate("signOut", await person()))["signOut"]["ended"] == 0


async def test_signing_out_everywhere_ends_all(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user, other = await person(), await person()
    sessions = [(await sign_in(api, user))["signInWithPassword"] for _ in range(3)]
    of_other = (await sign_in(api, other))["signInWithPassword"]

    but = await api.mutate("signOutEverywhere", headers=bearing(sessions[0]["accessToken"]), exceptThis=True)
    assert but["signOutEverywhere"]["ended"] == 2
    assert [await ended(owner, each["session"]) for each in sessions] == [None, "signed_out", "signed_out"]

    all_ = await api.mutate("signOutEverywhere", headers=bearing(sessions[0]["accessToken"]))
    assert all_["signOutEverywhere"]["ended"] == 1
    assert await ended(owner, sessions[0]["session"]) == "signed_out"
    assert await ended(owner, of_other["session"]) is None
    assert (await viewer(api, of_other["accessToken"]))["viewer"] is not None


async def test_a_session_elsewhere_is_revoked_after_a_recent_proof(
    api: Api, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    here, there = [(await sign_in(api, user))["signInWithPassword"] for _ in range(2)]
    await owner.execute(
        "UPDATE identity.user_sessions SET authenticated_at = now() - interval '6 minutes' WHERE id = $1",
        UUID(here["session"]["rowId"]),
    )

    async def revoke(session: dict[str, Any]) -> list[str]:
        answer = await api.mutate(
            "revokeSession", headers=bearing(here["accessToken"]),
            sessionId=session["id"],
        )  # fmt: skip
        return answer.refusals("revokeSession")

    assert await revoke(there["session"]) == ["REAUTHENTICATION_REQUIRED"]
    assert await ended(owner, there["session"]) is None
    await owner.execute(
        "UPDATE identity.user_sessions SET authenticated_at = now() WHERE id = $1", UUID(here["session"]["rowId"])
    )
    assert await revoke(there["session"]) == []
    assert await ended(owner, there["session"]) == "revoked"
    assert (await refresh(api, there["refreshToken"])).refusals("refreshSession") == ["SESSION_ENDED"]


async def test_nobody_revokes_the_session_of_another(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user, stranger = await person(), await person()
    session = (await sign_in(api, user))["signInWithPassword"]["session"]
    bearer = bearing((await sign_in(api, stranger))["signInWithPassword"]["accessToken"])

    answer = await api.mutate("revokeSession", headers=bearer, sessionId=session["id"])

    assert answer.refusals("revokeSession") == ["NOT_FOUND"]
    assert await ended(owner, session) is None


async def test_of_too_many_the_one_ends_that_rested_longest(
    api: Api, person: Person, make: Factory, owner: asyncpg.Pool[Any], events: Events
) -> None:
    user = await person()
    row = await make(SystemConfig, config_key="security.sessions_per_user", config_value="3")
    try:
        sessions = [(await sign_in(api, user))["signInWithPassword"] for _ in range(3)]
        # The first was used since, so the second has rested longest.
        await refresh(api, sessions[0]["refreshToken"])
        sessions.append((await sign_in(api, user))["signInWithPassword"])
    finally:
        await owner.execute("DELETE FROM admin.system_config WHERE id = $1", row.id)

    assert [await ended(owner, each["session"]) for each in sessions] == [None, "too_many", None, None]
    assert (await events(user.id)).count("too_many_sessions") == 1


async def test_sign_ins_at_once_leave_no_more_than_there_may_be(
    api: Api, person: Person, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    row = await make(SystemConfig, config_key="security.sessions_per_user", config_value="2")
    try:
        await asyncio.gather(*(sign_in(api, user, deviceFingerprint=f"d{number}") for number in range(6)))
    finally:
        await owner.execute("DELETE FROM admin.system_config WHERE id = $1", row.id)

    assert await owner.fetchval(
        "SELECT count(*) FROM identity.user_sessions WHERE user_id = $1 AND NOT is_revoked", user.id
    ) == 2  # fmt: skip


async def test_twenty_sessions_are_enough(api: Api, person: Person, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await person()
    old = [
        await make(UserSession, user_id=user.id, token_hash=uuid4().hex, created_at=now() - timedelta(days=30 - number),
                   expires_at=now() + timedelta(days=1))
        for number in range(20)
    ]  # fmt: skip

    await sign_in(api, user)

    revoked = await owner.fetch("SELECT id FROM identity.user_sessions WHERE user_id = $1 AND is_revoked", user.id)
    assert [row["id"] for row in revoked] == [old[0].id]


async def test_the_user_sees_where_they_are_signed_in(api: Api, person: Person) -> None:
    user = await person()
    signed_in = (await sign_in(api, user, deviceFingerprint="one"))["signInWithPassword"]

    answer = await api(
        "{ userSessions { nodes { rowId ipAddress lastUsedAt endReason device { deviceFingerprint trusted } } } }",
        headers=bearing(signed_in["accessToken"]),
    )

    (session,) = answer["userSessions"]["nodes"]
    assert session["rowId"] == signed_in["session"]["rowId"]
    assert session["device"] == {"deviceFingerprint": "one", "trusted": False}
