"""Sessions of administrators: opened with a fresh second factor, with a level and an end."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from lango.rules.services import Services
from lango.security.authentication import mint
from models.identity import UserSession
from resolvers.admin.sessions import end_lapsed_sessions
from tests.admin.conftest import Staff
from tests.client import STAFF, Answer, Api
from tests.factories import Factory, now

SUPER = ("admin", "super_admin")


class Desk:
    """One of the staff at work, in a session of their own."""

    def __init__(self, api: Api, user: SimpleNamespace, roles: tuple[str, ...], session: SimpleNamespace) -> None:
        self.api, self.user, self.session = api, user, session
        token = mint(api.settings, user.id, roles, session_id=session.id)
        self.headers = {"Authorization": f"Bearer {token}"}

    async def start(self, **given: Any) -> Answer:
        given = {"level": "REGULAR", "reason": "Support"} | given
        return await self.api.mutate("startAdminSession", headers=self.headers, **given)

    async def end(self, session_id: str) -> list[str]:
        answer = await self.api.mutate("terminateAdminSession", headers=self.headers, adminSessionId=UUID(session_id))
        return answer.refusals("terminateAdminSession")


@pytest.fixture
def desk(api: Api, staff: Staff, make: Factory) -> Any:
    async def made(*roles: str, level: int = 2, minutes: float = 1) -> Desk:
        user = await staff.member(*(roles or STAFF))
        session = await make(
            UserSession, user_id=user.id, token_hash="x", expires_at=now() + timedelta(days=1), assurance_level=level,
            authenticated_at=now() - timedelta(minutes=minutes),
        )  # fmt: skip
        return Desk(api, user, roles or STAFF, session)

    return made


async def test_a_session_has_a_level_an_end_and_a_token_that_is_kept_nowhere(
    desk: Any, owner: asyncpg.Pool[Any], staff: Staff
) -> None:
    at = await desk()

    started = (await at.start(minutes=30))["startAdminSession"]

    row = await owner.fetchrow(
        "SELECT * FROM admin.admin_sessions WHERE id = $1", UUID(started["adminSession"]["rowId"])
    )
    assert started["adminSession"]["adminLevel"] == "REGULAR"
    assert timedelta(minutes=29) < row["expires_at"] - now() <= timedelta(minutes=30)
    assert started["token"] not in str(dict(row))
    assert await staff.events(at.user) == ["admin_session_started"]


async def test_it_needs_a_second_factor_and_a_recent_proof(desk: Any) -> None:
    assert (await (await desk(level=1)).start()).refusals("startAdminSession") == ["SECOND_FACTOR_NEEDED"]
    assert (await (await desk(minutes=10)).start()).refusals("startAdminSession") == ["REAUTHENTICATION_REQUIRED"]


async def test_a_super_session_is_for_super_administrators(desk: Any) -> None:
    assert (await (await desk()).start(level="SUPER")).refusals("startAdminSession") == ["LEVEL_NOT_YOURS"]
    assert (await (await desk(*SUPER)).start(level="SUPER")).refusals("startAdminSession") == []


@pytest.mark.parametrize("minutes", [0, 4, 721])
async def test_it_lasts_minutes_to_hours(desk: Any, minutes: int) -> None:
    assert (await (await desk()).start(minutes=minutes)).refusals("startAdminSession") == ["DURATION_NOT_VALID"]


async def test_a_later_one_ends_the_first(desk: Any, owner: asyncpg.Pool[Any]) -> None:
    at = await desk()
    first = (await at.start())["startAdminSession"]["adminSession"]["rowId"]
    second = (await at.start())["startAdminSession"]["adminSession"]["rowId"]

    assert await at.end(first) == ["INVALID_STATE"]
    assert await at.end(second) == []
    reasons = await owner.fetch("SELECT termination_reason FROM admin.admin_sessions WHERE user_id = $1", at.user.id)
    assert [row[0] for row in reasons] == ["logout", "logout"]


async def test_others_sessions_are_a_super_administrators_to_end(desk: Any, owner: asyncpg.Pool[Any]) -> None:
    one, other, above = await desk(), await desk(), await desk(*SUPER)
    session = (await one.start())["startAdminSession"]["adminSession"]["rowId"]

    assert await other.end(session) == ["NOT_FOUND"]
    assert await above.end(session) == []
    reason = await owner.fetchval("SELECT termination_reason FROM admin.admin_sessions WHERE id = $1", UUID(session))
    assert reason == "revoked"


async def test_one_whose_time_has_run_out_is_written_down(
    desk: Any, owner: asyncpg.Pool[Any], services: Services
) -> None:
    at = await desk()
    session = UUID((await at.start())["startAdminSession"]["adminSession"]["rowId"])
    await owner.execute("UPDATE admin.admin_sessions SET expires_at = now() - interval '1 s' WHERE id = $1", session)

    await end_lapsed_sessions(services)

    row = await owner.fetchrow(
        "SELECT termination_reason, terminated_at <= now() FROM admin.admin_sessions WHERE id = $1", session
    )
    assert tuple(row) == ("timeout", True)
