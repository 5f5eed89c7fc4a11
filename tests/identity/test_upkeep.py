"""What is over ends by itself, and what is long over is not kept."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import OneTimeCode, UserSession
from models.security import LoginAttempt, RefreshToken
from resolvers.identity.upkeep import delete_old_rows, end_idle_sessions
from tests.client import Api
from tests.factories import Factory, now
from tests.identity.conftest import Person, refresh, sign_in

LATER, BEFORE = timedelta(days=1), timedelta(minutes=1)


async def session(make: Factory, *, ends: timedelta, refreshable: timedelta | None) -> SimpleNamespace:
    made = await make(UserSession, token_hash=uuid4().hex, expires_at=now() + ends)
    if refreshable is not None:
        await make(
            RefreshToken, user_id=made.user_id, session_id=made.id, token_hash=uuid4().hex, family_id=uuid4(),
            ip_address="::1", expires_at=now() + refreshable,
        )  # fmt: skip
    return made


async def test_what_is_over_ends(services: Services, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    live = await session(make, ends=LATER, refreshable=LATER)
    bare = await session(make, ends=LATER, refreshable=None)
    idle = await session(make, ends=LATER, refreshable=-BEFORE)
    expired = await session(make, ends=-BEFORE, refreshable=LATER)

    for _ in range(2):
        await end_idle_sessions(services)

    async def reason(made: SimpleNamespace) -> Any:
        return await owner.fetchval("SELECT end_reason FROM identity.user_sessions WHERE id = $1", made.id)

    assert [await reason(each) for each in (live, bare, idle, expired)] == [None, None, "idle", "expired"]
    tokens = await owner.fetch(
        "SELECT revoked_reason FROM security.refresh_tokens WHERE session_id = ANY ($1)", [idle.id, expired.id]
    )
    assert {row["revoked_reason"] for row in tokens} == {"expired"}
    assert await owner.fetchval(
        "SELECT count(*) FROM security.session_audits WHERE session_id = ANY ($1)", [idle.id, expired.id]
    ) == 2  # fmt: skip


async def test_a_session_in_use_goes_on(api: Api, person: Person, services: Services) -> None:
    signed_in = (await sign_in(api, await person()))["signInWithPassword"]
    renewed = (await refresh(api, signed_in["refreshToken"]))["refreshSession"]

    await end_idle_sessions(services)

    assert (await refresh(api, renewed["refreshToken"])).refusals("refreshSession") == []


@pytest.mark.parametrize(
    ("model", "column", "days", "given"),
    [
        (OneTimeCode, "expires_at", 7, {"identifier": "a@b.example", "purpose": "sign_in", "code_hash": "x"}),
        (RefreshToken, "expires_at", 90, {"family_id": uuid4(), "ip_address": "::1"}),
        (LoginAttempt, "created_at", 365, {"identifier": "a@b.example", "ip_address": "::1", "attempt_result": "x"}),
    ],
)
async def test_what_is_long_over_is_deleted(
    services: Services,
    make: Factory,
    owner: asyncpg.Pool[Any],
    model: Any,
    column: str,
    days: int,
    given: dict[str, Any],
) -> None:
    rows = []
    for age in (days - 1, days + 1):
        unique = {"token_hash": uuid4().hex} if model is RefreshToken else {}
        rows.append(await make(model, **given, **unique, **{column: now() - timedelta(days=age)}))

    await delete_old_rows(services)

    table = model.table()
    left = await owner.fetch(
        f"SELECT id FROM {table.schema}.{table.name} WHERE id = ANY ($1)", [row.id for row in rows]
    )
    assert [row["id"] for row in left] == [rows[0].id]
