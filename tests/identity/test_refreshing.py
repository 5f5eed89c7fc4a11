"""Refreshing: each token once, the same answer for tabs that come at once, and the end of what was stolen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import jwt
import pytest
from pydantic import SecretStr

from lango.db.pipeline import Pipeline
from lango.rules.services import Services
from lango.security import opaque_tokens
from lango.settings import Settings
from models.admin import SystemConfig
from resolvers.identity.sessions import PREFIX
from tests.client import Api
from tests.factories import Factory, now
from tests.identity.conftest import Person, bearing, refresh, refused, sign_in, viewer
from tests.keys import KEYS

Inbox = Callable[[str], Awaitable[list[str]]]
Events = Callable[[UUID], Awaitable[list[str]]]


async def begun(api: Api, person: Person) -> dict[str, Any]:
    return dict((await sign_in(api, await person()))["signInWithPassword"])


async def later(owner: asyncpg.Pool[Any], session_id: str, seconds: float) -> None:
    """Let the exchanges of a session have been so long ago."""
    await owner.execute(
        "UPDATE security.refresh_tokens SET revoked_at = revoked_at - make_interval(secs => $2) WHERE session_id = $1",
        UUID(session_id), float(seconds),
    )  # fmt: skip


async def session_of(owner: asyncpg.Pool[Any], session_id: str) -> asyncpg.Record:
    return await owner.fetchrow("SELECT * FROM identity.user_sessions WHERE id = $1", UUID(session_id))


async def test_a_token_is_exchanged_for_the_next(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    signed_in = await begun(api, person)

    first = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]
    second = (await refresh(api, first["refreshToken"]))["refreshSession"]

    assert len({signed_in["refreshToken"], first["refreshToken"], second["refreshToken"]}) == 3
    assert first["session"]["rowId"] == second["session"]["rowId"] == signed_in["session"]["rowId"]
    assert (await viewer(api, second["accessToken"]))["viewer"] is not None
    claims = [jwt.decode(each["accessToken"], options={"verify_signature": False}) for each in (signed_in, second)]
    # To have renewed a session proves nothing new.
    assert claims[0]["auth_time"] == claims[1]["auth_time"]
    assert claims[0]["sid"] == claims[1]["sid"]
    session = await session_of(owner, signed_in["session"]["rowId"])
    assert session["last_used_at"] is not None
    reasons = await owner.fetch(
        "SELECT revoked_reason, family_id FROM security.refresh_tokens WHERE session_id = $1 ORDER BY created_at",
        session["id"],
    )
    assert [row["revoked_reason"] for row in reasons] == ["rotated", "rotated", None]
    assert len({row["family_id"] for row in reasons}) == 1


async def test_three_tabs_at_once_get_the_same_token(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    signed_in = await begun(api, person)

    answers = await asyncio.gather(*(refresh(api, signed_in["refreshToken"]) for _ in range(3)))

    tokens = {answer["refreshSession"]["refreshToken"] for answer in answers}
    assert len(tokens) == 1
    assert None not in tokens
    after = await asyncio.gather(*(refresh(api, token) for token in tokens))
    assert refused(after, "refreshSession") == []
    assert await owner.fetchval(
        "SELECT count(*) FROM security.refresh_tokens WHERE session_id = $1", UUID(signed_in["session"]["rowId"])
    ) == 3  # fmt: skip


async def test_a_lost_answer_is_given_again_within_the_leeway(
    api: Api, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    signed_in = await begun(api, person)
    first = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]
    await later(owner, signed_in["session"]["rowId"], 8)

    again = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]

    assert again["refreshToken"] == first["refreshToken"]
    assert not (await session_of(owner, signed_in["session"]["rowId"]))["is_revoked"]


async def test_after_the_leeway_it_was_stolen(
    api: Api, person: Person, owner: asyncpg.Pool[Any], inbox: Inbox, events: Events
) -> None:
    user = await person()
    signed_in = (await sign_in(api, user, deviceFingerprint="one"))["signInWithPassword"]
    first = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]
    await later(owner, signed_in["session"]["rowId"], 11)

    stolen = await refresh(api, signed_in["refreshToken"])

    assert stolen.refusals("refreshSession") == ["REFRESH_TOKEN_REUSED"]
    session = await session_of(owner, signed_in["session"]["rowId"])
    assert (session["is_revoked"], session["end_reason"]) == (True, "token_reused")
    # Whoever has the newest, thief or owner, is out as well; and the access tokens are refused within a second.
    assert (await refresh(api, first["refreshToken"])).refusals("refreshSession") == ["SESSION_ENDED"]
    await asyncio.sleep(1.1)
    assert (await viewer(api, first["accessToken"])).codes == ["UNAUTHENTICATED"]
    assert (await events(user.id)).count("refresh_token_reused") == 1
    severity = (
        "SELECT severity FROM security.security_events WHERE user_id = $1 AND event_type = 'refresh_token_reused'"
    )
    assert await owner.fetchval(severity, user.id) == "critical"
    assert (await inbox(user.email)).count("session_reused") == 1


async def test_an_older_one_was_stolen_also_within_the_leeway(
    api: Api, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    signed_in = await begun(api, person)
    first = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]
    await refresh(api, first["refreshToken"])

    stolen = await refresh(api, signed_in["refreshToken"])

    assert stolen.refusals("refreshSession") == ["REFRESH_TOKEN_REUSED"]
    assert (await session_of(owner, signed_in["session"]["rowId"]))["end_reason"] == "token_reused"


async def test_a_theft_ends_one_session_and_no_other(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person()
    one, other = [(await sign_in(api, user))["signInWithPassword"] for _ in range(2)]
    await refresh(api, one["refreshToken"])
    await later(owner, one["session"]["rowId"], 11)

    await refresh(api, one["refreshToken"])

    assert (await refresh(api, other["refreshToken"]))["refreshSession"]["accessToken"] is not None


async def test_the_leeway_is_a_setting(api: Api, person: Person, owner: asyncpg.Pool[Any], make: Factory) -> None:
    signed_in = await begun(api, person)
    await refresh(api, signed_in["refreshToken"])
    row = await make(SystemConfig, config_key="security.refresh_leeway_seconds", config_value="0")
    try:
        again = await refresh(api, signed_in["refreshToken"])
    finally:
        await owner.execute("DELETE FROM admin.system_config WHERE id = $1", row.id)

    assert again.refusals("refreshSession") == ["REFRESH_TOKEN_REUSED"]


async def test_what_was_made_up_reaches_no_table(api: Api, services: Services) -> None:
    ours = opaque_tokens.made(services.keyring, PREFIX)
    made_up = ["", "lr_", "x" * 60, f"{ours[:-1]}{'A' if ours[-1] != 'A' else 'B'}", f"lk_{ours[3:]}", f"{ours}é"]

    async with api.counting() as statements:
        answers = [await refresh(api, token) for token in made_up]

    assert refused(answers, "refreshSession") == ["REFRESH_TOKEN_INVALID"] * len(made_up)
    assert not any("refresh_tokens" in statement for statement in statements)
    # One that might have been made here is nobody's all the same.
    assert (await refresh(api, ours)).refusals("refreshSession") == ["REFRESH_TOKEN_INVALID"]


async def test_a_session_rests_for_a_month_at_most(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    signed_in = await begun(api, person)
    session_id = UUID(signed_in["session"]["rowId"])
    ends = await owner.fetchval("SELECT expires_at FROM security.refresh_tokens WHERE session_id = $1", session_id)
    await owner.execute("UPDATE security.refresh_tokens SET expires_at = now() WHERE session_id = $1", session_id)

    answers = [await refresh(api, signed_in["refreshToken"]) for _ in range(2)]

    assert abs(ends - now() - timedelta(days=30)) < timedelta(minutes=1)
    assert refused(answers, "refreshSession") == ["SESSION_EXPIRED"] * 2
    session = await session_of(owner, signed_in["session"]["rowId"])
    assert (session["is_revoked"], session["end_reason"]) == (True, "idle")


async def test_a_session_lasts_three_months_however_it_is_used(
    api: Api, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    signed_in = await begun(api, person)
    session_id = UUID(signed_in["session"]["rowId"])
    session = await session_of(owner, signed_in["session"]["rowId"])
    assert session["expires_at"] - session["created_at"] == timedelta(days=90)
    await owner.execute(
        "UPDATE identity.user_sessions SET expires_at = now() + interval '1 day' WHERE id = $1", session_id
    )
    renewed = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]
    last = await owner.fetchval(
        "SELECT max(expires_at) FROM security.refresh_tokens WHERE session_id = $1 AND revoked_at IS NULL", session_id
    )
    assert last - now() < timedelta(days=1)
    await owner.execute("UPDATE identity.user_sessions SET expires_at = now() WHERE id = $1", session_id)

    over = await refresh(api, renewed["refreshToken"])

    assert over.refusals("refreshSession") == ["SESSION_EXPIRED"]
    assert (await session_of(owner, signed_in["session"]["rowId"]))["end_reason"] == "expired"


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()"])
async def test_a_closed_account_is_not_renewed(api: Api, person: Person, owner: asyncpg.Pool[Any], change: str) -> None:
    user = await person()
    signed_in = (await sign_in(api, user))["signInWithPassword"]
    await owner.execute(f"UPDATE identity.users SET {change} WHERE id = $1", user.id)

    assert (await refresh(api, signed_in["refreshToken"])).refusals("refreshSession") == ["SESSION_ENDED"]


async def test_new_roles_are_in_the_next_token(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person()
    signed_in = (await sign_in(api, user))["signInWithPassword"]
    await owner.execute("UPDATE identity.users SET roles = '{user,partner}' WHERE id = $1", user.id)

    renewed = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]

    assert jwt.decode(renewed["accessToken"], options={"verify_signature": False})["roles"] == ["partner", "user"]


async def test_a_token_outlives_a_change_of_keys(
    pipeline: Pipeline, settings: Settings, api: Api, person: Person
) -> None:
    """The token that was given again is the same one, though a new key makes new ones."""
    signed_in = await begun(api, person)
    first = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]
    keys = f"newer:{'A' * 43}=,{KEYS}"

    async with Api.over(pipeline, settings.model_copy(update={"encryption_keys": SecretStr(keys)})) as changed:
        again = (await refresh(changed, signed_in["refreshToken"]))["refreshSession"]
        onwards = (await refresh(changed, first["refreshToken"]))["refreshSession"]

    assert again["refreshToken"] == first["refreshToken"]
    assert onwards["accessToken"] is not None


async def test_refreshing_while_the_session_is_ended_leaves_it_ended(
    api: Api, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    signed_in = await begun(api, person)
    bearer = bearing(signed_in["accessToken"])

    renewed, _ = await asyncio.gather(
        refresh(api, signed_in["refreshToken"]),
        api.mutate("signOutEverywhere", headers=bearer),
    )

    session_id = UUID(signed_in["session"]["rowId"])
    assert await owner.fetchval("SELECT is_revoked FROM identity.user_sessions WHERE id = $1", session_id)
    assert await owner.fetchval(
        "SELECT count(*) FROM security.refresh_tokens WHERE session_id = $1 AND revoked_at IS NULL", session_id
    ) == 0  # fmt: skip
    if not renewed.refusals("refreshSession"):
        token = renewed["refreshSession"]["refreshToken"]
        assert (await refresh(api, token)).refusals("refreshSession") == ["SESSION_ENDED"]
