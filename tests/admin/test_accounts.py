"""Accounts in the hands of staff: suspended with all that is signed in, given back, unlocked."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.security.authentication import mint
from models.identity import UserSession
from models.security import RefreshToken, SecurityEvent
from tests.admin.conftest import Staff
from tests.client import STAFF, Api
from tests.factories import Factory, now

SUPER = ("admin", "super_admin")


async def act(api: Api, name: str, admin: SimpleNamespace, user: SimpleNamespace, *roles: str) -> list[str]:
    answer = await api.mutate(name, admin, roles or STAFF, userId=user, reason="Fraud")
    return answer.refusals(name)


async def test_a_suspended_users_tokens_and_sessions_are_refused_within_a_second(
    api: Api, staff: Staff, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    admin, user = await staff.member("admin"), await staff.adult()
    session = await make(UserSession, user_id=user.id, token_hash="x", expires_at=now() + timedelta(days=1))
    await make(RefreshToken, user_id=user.id, session_id=session.id, expires_at=now() + timedelta(days=1),
               token_hash=str(session.id), ip_address="192.0.2.1")  # fmt: skip
    held = {"Authorization": f"Bearer {mint(api.settings, user.id, session_id=session.id)}"}
    served = (await api("{ viewer { rowId } }", headers=held)).errors

    suspended = await act(api, "suspendUser", admin, user)
    await asyncio.sleep(1.1)
    refused = (await api("{ viewer { rowId } }", headers=held)).codes

    assert (served, suspended, refused) == ([], [], ["UNAUTHENTICATED"])
    row = await owner.fetchrow("SELECT * FROM identity.user_sessions WHERE id = $1", session.id)
    assert (row["is_revoked"], row["end_reason"]) == (True, "account_closed")
    revoked = await owner.fetchval("SELECT revoked_at FROM security.refresh_tokens WHERE session_id = $1", session.id)
    assert revoked is not None
    assert await staff.events(user) == ["account_suspended"]


async def test_suspended_once_and_given_back_once(api: Api, staff: Staff) -> None:
    admin, user = await staff.member("admin"), await staff.adult()

    at_once = await asyncio.gather(*(act(api, "suspendUser", admin, user) for _ in range(5)))
    back = [await act(api, "reactivateUser", admin, user) for _ in range(2)]

    assert sorted(at_once) == [[], *[["INVALID_STATE"]] * 4]
    assert back == [[], ["INVALID_STATE"]]
    assert (await api("{ viewer { rowId } }", as_=user)).errors == []


async def test_staff_suspend_neither_themselves_nor_other_staff(api: Api, staff: Staff) -> None:
    admin, other, super_admin = await staff.member("admin"), await staff.member("admin"), await staff.member(*SUPER)

    assert await act(api, "suspendUser", admin, admin) == ["OWN_MATTER"]
    assert await act(api, "suspendUser", admin, other) == ["STAFF_ACCOUNT"]
    assert await act(api, "suspendUser", super_admin, other, *SUPER) == []


async def test_a_guardian_is_suspended_when_the_child_has_somebody_else(api: Api, staff: Staff) -> None:
    admin, guardian, other = await staff.member("admin"), await staff.adult(), await staff.adult()
    child = await staff.child(guardian)

    kept = await act(api, "suspendUser", admin, guardian)
    await api.mutate(
        "replaceGuardian", admin, STAFF, userId=child, guardianId=other, relationshipType="aunt", reason="x"
    )

    assert kept == ["SUCCESSOR_NEEDED"]
    assert await act(api, "suspendUser", admin, guardian) == []


async def test_a_lock_is_lifted(api: Api, staff: Staff, owner: asyncpg.Pool[Any]) -> None:
    admin, user = await staff.member("admin"), await staff.adult()
    await owner.execute(
        "UPDATE identity.users SET login_attempts = 5, locked_until = now() + interval '1 hour' WHERE id = $1", user.id
    )

    assert [await act(api, "unlockUser", admin, user) for _ in range(2)] == [[], ["INVALID_STATE"]]
    row = await owner.fetchrow("SELECT login_attempts, locked_until FROM identity.users WHERE id = $1", user.id)
    assert tuple(row) == (0, None)


async def test_a_security_event_is_resolved_once(api: Api, staff: Staff, make: Factory) -> None:
    admin, user = await staff.member("admin"), await staff.adult()
    event = await make(SecurityEvent, user_id=user.id, event_type="new_device", severity="medium")
    own = await make(SecurityEvent, user_id=admin.id, event_type="new_device", severity="medium")

    async def resolve(which: SimpleNamespace) -> list[str]:
        answer = await api.mutate("resolveSecurityEvent", admin, STAFF, eventId=which, notes="It was the owner.")
        return answer.refusals("resolveSecurityEvent")

    assert sorted(await asyncio.gather(*(resolve(event) for _ in range(4)))) == [[], *[["INVALID_STATE"]] * 3]
    assert await resolve(own) == ["OWN_MATTER"]


@pytest.mark.parametrize("name", ["suspendUser", "reactivateUser", "unlockUser"])
async def test_others_than_staff_do_none_of_it(api: Api, staff: Staff, name: str) -> None:
    one, other = await staff.adult(), await staff.adult()

    answer = await api.mutate(name, one, userId=other, reason="?")

    assert answer.codes == ["FORBIDDEN"]
