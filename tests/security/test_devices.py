"""Trusted devices: what trust is worth, how long it lasts, and what ends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models.security import UserDevice
from tests.client import STAFF, Api
from tests.factories import Factory, now
from tests.identity.conftest import PASSWORD, Person, sign_in
from tests.security.conftest import Session, SignIn

NEW = "trois mangues vertes au vent"


async def trusted(session: Session) -> tuple[UUID, str]:
    """The device of that session, which is trusted, and its token."""
    made = (await session.call("trustDevice"))["trustDevice"]
    assert made["device"]["trusted"] is True
    return UUID(made["device"]["rowId"]), made["deviceToken"]


async def test_a_device_is_trusted_for_thirty_days_by_a_token_that_is_not_kept(
    signed_in: SignIn, person: Person, owner: asyncpg.Pool[Any], account: Any
) -> None:
    user = await person()
    session = await signed_in(user, deviceFingerprint="a phone")

    device_id, token = await trusted(session)

    row = await owner.fetchrow("SELECT * FROM security.user_devices WHERE id = $1", device_id)
    assert row["device_fingerprint"] == "a phone"
    assert token not in str(dict(row))
    assert abs(row["trusted_until"] - now() - timedelta(days=30)) < timedelta(minutes=1)
    assert "device_trusted" in await account(user).events()


async def test_a_trusted_device_is_not_locked_out_by_failures_elsewhere(
    api: Api, signed_in: SignIn, person: Person
) -> None:
    user = await person()
    _, token = await trusted(await signed_in(user))
    for _ in range(5):
        await sign_in(api, user, "wrong password, certainly")

    assert (await sign_in(api, user)).refusals("signInWithPassword") == ["ACCOUNT_LOCKED"]
    assert (await sign_in(api, user, deviceToken=token)).refusals("signInWithPassword") == []


@pytest.mark.parametrize("by", ["a change of password", "revocation", "time", "a newer token"])
async def test_trust_dies_by(api: Api, signed_in: SignIn, person: Person, owner: asyncpg.Pool[Any], by: str) -> None:
    user = await person()
    session = await signed_in(user, deviceFingerprint="a phone")
    other = await signed_in(user, deviceFingerprint="another phone")
    device_id, token = await trusted(session)
    password = PASSWORD
    if by == "a change of password":
        assert await session.refused("changePassword", current=PASSWORD, new=NEW) == []
        password = NEW
    elif by == "revocation":
        assert await other.refused("revokeDevice", deviceId=device_id) == []
    elif by == "time":
        await owner.execute(
            "UPDATE security.user_devices SET trusted_until = now() - interval '1 second' WHERE id = $1", device_id
        )
    else:
        await trusted(session)
    for _ in range(5):
        await sign_in(api, user, "wrong password, certainly")

    answer = await sign_in(api, user, password, deviceToken=token)

    assert answer.refusals("signInWithPassword") == ["ACCOUNT_LOCKED"]


async def test_a_revoked_device_is_signed_out(api: Api, signed_in: SignIn, person: Person, account: Any) -> None:
    user = await person()
    session = await signed_in(user, deviceFingerprint="a phone")
    lost = [await signed_in(user, deviceFingerprint="a lost phone") for _ in range(2)]
    device_id, _ = await trusted(lost[0])

    revoked = (await session.call("revokeDevice", deviceId=device_id))["revokeDevice"]

    assert revoked["device"] == {"rowId": str(device_id), "trusted": False}
    for each in lost:
        assert await each.is_refused_within_a_second()
    assert await account(user).live_sessions() == [session.id]
    assert await account(user).live_tokens() == 1
    assert "device_revoked" in await account(user).events()


async def test_it_wants_a_recent_proof(signed_in: SignIn, person: Person, account: Any) -> None:
    user = await person()
    session = await signed_in(user)
    device_id, _ = await trusted(session)
    await account(user).pass_time()

    assert await session.refused("trustDevice") == ["REAUTHENTICATION_REQUIRED"]
    assert await session.refused("revokeDevice", deviceId=device_id) == ["REAUTHENTICATION_REQUIRED"]


async def test_nobody_trusts_or_revokes_a_device_that_is_not_theirs(
    api: Api, signed_in: SignIn, person: Person, make: Factory, staff: Any
) -> None:
    session = await signed_in(await person())
    others = await make(UserDevice)
    own = await make(UserDevice, user_id=session.user.id)

    assert await session.refused("revokeDevice", deviceId=others) == ["NOT_FOUND"]
    assert await session.refused("trustDevice", deviceId=others) == ["NOT_THIS_DEVICE"]
    assert await session.refused("trustDevice", deviceId=own) == ["NOT_THIS_DEVICE"]
    by_staff = await api.mutate("revokeDevice", staff, STAFF, deviceId=others)
    assert by_staff.refusals("revokeDevice") == ["NOT_FOUND"]


async def test_a_token_of_the_command_line_has_no_device(api: Api, person: Person) -> None:
    answer = await api.mutate("trustDevice", await person())

    assert answer.refusals("trustDevice") == ["NOT_THIS_DEVICE"]
