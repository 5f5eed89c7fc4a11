"""Signing in by password: the session that comes of it, and what a wrong password comes to."""

from __future__ import annotations

from tests.client import Api
from tests.identity.conftest import Person, sign_in, viewer


async def test_a_password_signs_in(api: Api, person: Person) -> None:
    user = await person()

    answer = await sign_in(api, user, deviceFingerprint="phone-1")

    signed_in = answer["signInWithPassword"]
    assert (signed_in["session"]["assuranceLevel"], signed_in["session"]["methods"]) == (1, ["pwd"])
    assert signed_in["challengeId"] is None
    assert (await viewer(api, signed_in["accessToken"]))["viewer"] == {"rowId": str(user.id)}
