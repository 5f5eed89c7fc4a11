"""The second step: nothing but finish is possible without it, and nobody tries codes for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import jwt
import orjson
import pytest

from lango.security import passwords
from tests.client import Answer, Api
from tests.identity.conftest import Person, refused, request_code, right, sign_in, viewer, wrong

Enable = Callable[..., Awaitable[SimpleNamespace]]
Inbox = Callable[[str], Awaitable[list[str]]]
Events = Callable[[UUID], Awaitable[list[str]]]


async def challenge(api: Api, user: SimpleNamespace) -> str:
    """Show the password, and get what the second factor completes."""
    return str((await sign_in(api, user, deviceFingerprint="one"))["signInWithPassword"]["challengeId"])


async def verify(api: Api, challenge_id: str, **proof: str) -> Answer:
    return await api.mutate("verifyTwoFactor", challengeId=challenge_id, **proof)


async def test_a_password_alone_is_not_enough(
    api: Api, person: Person, second_factor: Enable, owner: asyncpg.Pool[Any], inbox: Inbox
) -> None:
    user = await person()
    await second_factor(user)

    waiting = (await sign_in(api, user))["signInWithPassword"]

    assert waiting["challengeId"] is not None
    assert {waiting[each] for each in ("accessToken", "accessTokenExpiresAt", "refreshToken", "session")} == {None}
    # What is half done has left nothing that could be used, and nobody is warned yet.
    for table in ("identity.user_sessions", "security.refresh_tokens", "security.user_devices"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", user.id) == 0
    assert await owner.fetchval("SELECT last_login_at FROM identity.users WHERE id = $1", user.id) is None
    assert await inbox(user.email) == []


async def test_a_challenge_opens_nothing_else(api: Api, person: Person, second_factor: Enable) -> None:
    user = await person()
    await second_factor(user)
    waiting = await challenge(api, user)

    by_code = await api.mutate("signInWithOtp", challengeId=waiting, code="000000")
    by_sign_up = await api.mutate("confirmSignUp", challengeId=waiting, code="000000")
    as_token = await viewer(api, waiting)
    as_refresh = await api.mutate("refreshSession", refreshToken=waiting)

    assert by_code.refusals("signInWithOtp") == by_sign_up.refusals("confirmSignUp") == ["CHALLENGE_EXPIRED"]
    assert as_token.codes == ["UNAUTHENTICATED"]
    assert as_refresh.refusals("refreshSession") == ["REFRESH_TOKEN_INVALID"]


async def test_the_code_completes_it(
    api: Api, person: Person, second_factor: Enable, owner: asyncpg.Pool[Any], inbox: Inbox
) -> None:
    user = await person()
    factor = await second_factor(user)

    signed_in = (await verify(api, await challenge(api, user), code=right(factor)))["verifyTwoFactor"]

    assert signed_in["session"]["assuranceLevel"] == 2
    assert signed_in["session"]["methods"] == ["pwd", "totp"]
    claims = jwt.decode(signed_in["accessToken"], options={"verify_signature": False})
    assert (claims["amr"], claims["aal"]) == (["pwd", "totp"], 2)
    assert (await viewer(api, signed_in["accessToken"]))["viewer"] == {"rowId": str(user.id)}
    assert await owner.fetchval("SELECT device_fingerprint FROM security.user_devices WHERE user_id = $1", user.id) == (
        "one"
    )
    assert await inbox(user.email) == ["new_sign_in"]


async def test_a_code_that_was_sent_wants_the_second_factor_too(
    api: Api, person: Person, second_factor: Enable, sent: list[str]
) -> None:
    user = await person()
    factor = await second_factor(user)
    asked = await request_code(api, user.email)

    waiting = (await api.mutate("signInWithOtp", challengeId=asked, code=sent[-1]))["signInWithOtp"]
    signed_in = (await verify(api, waiting["challengeId"], code=right(factor)))["verifyTwoFactor"]

    assert waiting["accessToken"] is None
    assert signed_in["session"]["methods"] == ["otp", "totp"]


async def test_a_code_works_once(api: Api, person: Person, second_factor: Enable) -> None:
    user = await person()
    factor = await second_factor(user)
    code = right(factor)
    waiting = [await challenge(api, user) for _ in range(5)]

    answers = await asyncio.gather(*(verify(api, each, code=code) for each in waiting))

    assert refused(answers, "verifyTwoFactor") == ["TWO_FACTOR_INVALID"] * 4


async def test_a_challenge_is_completed_once(api: Api, person: Person, second_factor: Enable) -> None:
    user = await person()
    factor = await second_factor(user)
    waiting = await challenge(api, user)

    answers = await asyncio.gather(*(verify(api, waiting, backupCode=code) for code in factor.codes))

    assert refused(answers, "verifyTwoFactor") == ["CHALLENGE_EXPIRED"] * 9


async def test_a_backup_code_stands_in_once(
    api: Api, person: Person, second_factor: Enable, owner: asyncpg.Pool[Any], inbox: Inbox, events: Events
) -> None:
    user = await person()
    factor = await second_factor(user)
    waiting = [await challenge(api, user) for _ in range(5)]
    typed = f" {factor.codes[0].lower().replace('-', '')} "

    answers = await asyncio.gather(*(verify(api, each, backupCode=typed) for each in waiting))

    assert refused(answers, "verifyTwoFactor") == ["TWO_FACTOR_INVALID"] * 4
    (done,) = [each["verifyTwoFactor"] for each in answers if each["verifyTwoFactor"]["session"]]
    assert (done["session"]["methods"], done["session"]["assuranceLevel"]) == (["pwd", "backup"], 2)
    left = await owner.fetchval("SELECT backup_codes FROM security.two_factor_auth WHERE user_id = $1", user.id)
    assert len(orjson.loads(left)) == 9
    assert sorted(await inbox(user.email)) == ["backup_code_used", "new_sign_in"]
    assert "backup_code_used" in await events(user.id)


async def test_the_last_two_backup_codes_are_said(
    api: Api, person: Person, second_factor: Enable, inbox: Inbox
) -> None:
    user = await person()
    factor = await second_factor(user)

    for code in factor.codes[:8]:
        await verify(api, await challenge(api, user), backupCode=code)

    assert (await inbox(user.email)).count("backup_codes_low") == 1


async def test_five_wrong_codes_end_the_challenge(api: Api, person: Person, second_factor: Enable) -> None:
    user = await person()
    factor = await second_factor(user)
    waiting = await challenge(api, user)

    answers = [await verify(api, waiting, code=wrong(factor)) for _ in range(5)]
    late = await verify(api, waiting, code=right(factor))
    anew = await verify(api, await challenge(api, user), code=right(factor))

    assert refused(answers, "verifyTwoFactor") == ["TWO_FACTOR_INVALID"] * 5
    assert late.refusals("verifyTwoFactor") == ["CHALLENGE_EXPIRED"]
    assert anew["verifyTwoFactor"]["accessToken"] is not None


async def test_twenty_wrong_codes_in_an_hour_lock_the_step(
    api: Api, person: Person, second_factor: Enable, owner: asyncpg.Pool[Any], inbox: Inbox, events: Events
) -> None:
    """Of the account, however many challenges there are: a right password takes nothing back."""
    user = await person()
    factor = await second_factor(user)
    waiting = [await challenge(api, user) for _ in range(6)]

    answers = await asyncio.gather(*(verify(api, each, code=wrong(factor)) for each in waiting for _ in range(4)))
    locked = await verify(api, await challenge(api, user), code=right(factor))
    by_backup = await verify(api, await challenge(api, user), backupCode=factor.codes[0])

    assert sorted(refused(answers, "verifyTwoFactor")) == ["TWO_FACTOR_INVALID"] * 20 + ["TWO_FACTOR_LOCKED"] * 4
    assert refused([locked, by_backup], "verifyTwoFactor") == ["TWO_FACTOR_LOCKED"] * 2
    assert (await inbox(user.email)).count("second_factor_locked") == 1
    assert (await events(user.id)).count("two_factor_failed") == 20
    assert (await events(user.id)).count("two_factor_locked") == 1
    # An hour later they are forgotten.
    await owner.execute(
        "UPDATE security.security_events SET created_at = created_at - interval '61 minutes' WHERE user_id = $1",
        user.id,
    )
    assert (await verify(api, await challenge(api, user), code=right(factor)))["verifyTwoFactor"]["accessToken"]


async def test_a_challenge_ends_with_the_password_that_it_was_given_for(
    api: Api, person: Person, second_factor: Enable, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    factor = await second_factor(user)
    waiting = await challenge(api, user)
    await owner.execute(
        "UPDATE identity.users SET password_hash = $2 WHERE id = $1",
        user.id,
        await passwords.hashed("tout autre chose"),
    )

    assert (await verify(api, waiting, code=right(factor))).refusals("verifyTwoFactor") == ["CHALLENGE_EXPIRED"]


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()"])
async def test_a_challenge_ends_with_the_account(
    api: Api, person: Person, second_factor: Enable, owner: asyncpg.Pool[Any], change: str
) -> None:
    user = await person()
    factor = await second_factor(user)
    waiting = await challenge(api, user)
    await owner.execute(f"UPDATE identity.users SET {change} WHERE id = $1", user.id)

    assert (await verify(api, waiting, code=right(factor))).refusals("verifyTwoFactor") == ["CHALLENGE_EXPIRED"]


async def test_a_challenge_lasts_five_minutes(
    api: Api, person: Person, second_factor: Enable, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    factor = await second_factor(user)
    waiting = await challenge(api, user)
    await owner.execute("UPDATE identity.one_time_codes SET expires_at = now() WHERE id = $1", waiting)

    assert (await verify(api, waiting, code=right(factor))).refusals("verifyTwoFactor") == ["CHALLENGE_EXPIRED"]


async def test_one_of_code_and_backup_code_is_wanted(api: Api, person: Person, second_factor: Enable) -> None:
    user = await person()
    await second_factor(user)

    assert (await verify(api, await challenge(api, user))).refusals("verifyTwoFactor") == ["TWO_FACTOR_REQUIRED"]


@pytest.mark.parametrize("typed", ["●●●●●●", "", "12345", "1234567", "١٢٣٤٥x"])
async def test_what_is_no_code_is_wrong_and_no_error(
    api: Api, person: Person, second_factor: Enable, typed: str
) -> None:
    user = await person()
    await second_factor(user)

    answer = await verify(api, await challenge(api, user), code=typed)

    assert answer.refusals("verifyTwoFactor") == ["TWO_FACTOR_INVALID"]


async def test_one_document_gives_the_session_and_the_challenge(
    api: Api, person: Person, second_factor: Enable, capsys: pytest.CaptureFixture[str]
) -> None:
    """How its payload is read is planned once, for outcomes with a session and without."""
    without, having = await person(), await person()
    await second_factor(having)

    answers = [(await sign_in(api, each))["signInWithPassword"] for each in (without, having, without)]

    assert [each["session"] is not None for each in answers] == [True, False, True]
    assert "payload not planned" not in capsys.readouterr().out
