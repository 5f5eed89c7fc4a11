"""Signing in by password: the session that comes of it, and what a wrong password comes to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import argon2
import asyncpg
import jwt
import pytest

from lango.db.pipeline import Pipeline
from lango.rules.services import Services
from lango.security import opaque_tokens, passwords
from lango.settings import Settings
from models.admin import SystemConfig
from models.identity import User
from models.security import UserDevice
from resolvers.identity.sign_in import TRUST
from tests.client import Api
from tests.factories import Factory, now
from tests.identity.conftest import PASSWORD, Person, new_email, new_phone, refused, sign_in, viewer

WRONG = "ce n'est pas le bon mot"
Inbox = Callable[[str], Awaitable[list[str]]]
Events = Callable[[UUID], Awaitable[list[str]]]


async def attempts_of(owner: asyncpg.Pool[Any], identifier: str) -> list[str]:
    found = await owner.fetch(
        "SELECT attempt_result FROM security.login_attempts WHERE identifier = $1 ORDER BY created_at", identifier
    )
    return [row["attempt_result"] for row in found]


def nobody() -> SimpleNamespace:
    """Somebody without an account."""
    return SimpleNamespace(email=new_email())


async def test_a_password_signs_in(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person(phone=new_phone())

    answer = await sign_in(api, user, deviceFingerprint="phone-1")

    signed_in = answer["signInWithPassword"]
    assert (signed_in["session"]["assuranceLevel"], signed_in["session"]["methods"]) == (1, ["pwd"])
    assert signed_in["challengeId"] is None
    assert (await viewer(api, signed_in["accessToken"]))["viewer"] == {"rowId": str(user.id)}
    assert await attempts_of(owner, user.email) == ["success"]
    by_phone = await sign_in(api, SimpleNamespace(email=f"00{user.phone[1:]}"))
    assert by_phone["signInWithPassword"]["accessToken"] is not None


async def test_the_token_says_who_how_and_when(api: Api, person: Person) -> None:
    user = await person(roles=["user", "partner"])

    signed_in = (await sign_in(api, user))["signInWithPassword"]

    token = signed_in["accessToken"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "tests", "typ": "JWT"}
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("lango", "lango", str(user.id))
    assert (claims["sid"], claims["roles"]) == (signed_in["session"]["rowId"], ["partner", "user"])
    assert (claims["amr"], claims["aal"]) == (["pwd"], 1)
    assert claims["exp"] - claims["iat"] == 600
    assert abs(claims["auth_time"] - claims["iat"]) <= 1


async def test_nothing_that_opens_is_stored(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person()

    token = (await sign_in(api, user))["signInWithPassword"]["refreshToken"]

    (row,) = await owner.fetch("SELECT * FROM security.refresh_tokens WHERE user_id = $1", user.id)
    assert token.startswith("lr_")
    assert row["token_hash"] == opaque_tokens.hash_of(token)
    session = await owner.fetchrow("SELECT * FROM identity.user_sessions WHERE id = $1", row["session_id"])
    assert token not in str(dict(row)) + str(dict(session))


async def test_every_sign_in_is_a_session_of_its_own(api: Api, person: Person) -> None:
    """Session fixation: what the caller brings, also a token of somebody else, is not what they get."""
    victim, attacker = await person(), await person()
    brought = (await sign_in(api, attacker))["signInWithPassword"]

    answer = await api.mutate(
        "signInWithPassword", headers={"Authorization": f"Bearer {brought['accessToken']}"},
        identifier=victim.email, password=PASSWORD,
    )  # fmt: skip

    signed_in = answer["signInWithPassword"]
    assert signed_in["session"]["rowId"] != brought["session"]["rowId"]
    assert (await viewer(api, signed_in["accessToken"]))["viewer"] == {"rowId": str(victim.id)}
    assert (await viewer(api, brought["accessToken"]))["viewer"] == {"rowId": str(attacker.id)}


async def test_a_wrong_password_and_nobody_are_answered_alike(
    api: Api, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    user, unknown, bare = await person(), nobody(), await person(password_hash=None)

    answers = [await sign_in(api, each, WRONG) for each in (user, unknown, bare)]

    errors = [answer["signInWithPassword"]["userErrors"] for answer in answers]
    assert errors[0] == errors[1] == errors[2]
    assert refused(answers, "signInWithPassword") == ["CREDENTIALS_INVALID"] * 3
    assert await attempts_of(owner, user.email) == ["failed_password"]
    assert await attempts_of(owner, unknown.email) == ["failed_not_found"]
    # What is neither a phone nor an email is nobody's either.
    junk = await api.mutate("signInWithPassword", identifier="awa", password=PASSWORD)
    assert junk["signInWithPassword"]["userErrors"] == errors[0]


async def test_a_wrong_password_and_nobody_take_as_long(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    async def seconds(user: SimpleNamespace) -> float:
        begun = time.perf_counter()
        await sign_in(api, user, WRONG)
        return time.perf_counter() - begun

    known, unknown = [], []
    for _ in range(15):
        known.append(await seconds(await person()))
        unknown.append(await seconds(nobody()))

    # A hash takes longer than all else together: without one it would be a fraction.
    assert 0.5 < median(known) / median(unknown) < 2


async def test_failures_lock_whether_or_not_there_is_an_account(
    api: Api, person: Person, owner: asyncpg.Pool[Any], inbox: Inbox, events: Events
) -> None:
    user, unknown = await person(), nobody()

    for each in (user, unknown):
        wrong = [await sign_in(api, each, WRONG) for _ in range(5)]
        assert refused(wrong, "signInWithPassword") == ["CREDENTIALS_INVALID"] * 5
        locked = [await sign_in(api, each, password) for password in (WRONG, PASSWORD)]
        assert refused(locked, "signInWithPassword") == ["ACCOUNT_LOCKED"] * 2
        (error,) = locked[0]["signInWithPassword"]["userErrors"]
        assert 14 * 60 < error["details"]["retryAfter"] <= 15 * 60

    # A right password changes nothing, and the lock is no longer for the tries within it.
    row = await owner.fetchrow("SELECT login_attempts, locked_until FROM identity.users WHERE id = $1", user.id)
    assert row["login_attempts"] == 5
    assert timedelta(minutes=14) < row["locked_until"] - now() <= timedelta(minutes=15)
    assert await attempts_of(owner, user.email) == ["failed_password"] * 5 + ["account_locked"] * 2
    assert await inbox(user.email) == ["account_locked"]
    assert await events(user.id) == ["account_locked"]


async def test_each_lock_lasts_twice_as_long(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user, unknown = await person(), nobody()
    lasted: dict[str, list[int]] = {user.email: [], unknown.email: []}
    for each in (user, unknown):
        for _ in range(3):
            for _ in range(5):
                await sign_in(api, each, WRONG)
            (error,) = (await sign_in(api, each, PASSWORD))["signInWithPassword"]["userErrors"]
            lasted[each.email].append(round(error["details"]["retryAfter"] / 60))
            await owner.execute("UPDATE identity.users SET locked_until = now() WHERE email = $1", each.email)
            await owner.execute(
                "UPDATE security.login_attempts SET created_at = created_at - interval '2 hours' WHERE identifier = $1",
                each.email,
            )

    assert lasted == {user.email: [15, 30, 60], unknown.email: [15, 30, 60]}
    # It is over, and the right password begins anew.
    assert (await sign_in(api, user))["signInWithPassword"]["accessToken"] is not None
    assert await owner.fetchval("SELECT login_attempts FROM identity.users WHERE id = $1", user.id) == 0


async def test_failures_at_once_are_all_counted(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    for user in (await person(), nobody()):
        answers = await asyncio.gather(*(sign_in(api, user, WRONG) for _ in range(20)))

        assert sorted(refused(answers, "signInWithPassword")) == ["ACCOUNT_LOCKED"] * 15 + ["CREDENTIALS_INVALID"] * 5


async def test_right_passwords_at_once_all_sign_in(api: Api, person: Person) -> None:
    user = await person()

    answers = await asyncio.gather(*(sign_in(api, user) for _ in range(8)))

    sessions = {answer["signInWithPassword"]["session"]["rowId"] for answer in answers}
    assert len(sessions) == 8


async def test_nobody_signs_in_while_it_is_locked(api: Api, person: Person) -> None:
    user = await person(locked_until=now() + timedelta(minutes=5), login_attempts=5)

    answers = await asyncio.gather(*(sign_in(api, user) for _ in range(6)))

    assert refused(answers, "signInWithPassword") == ["ACCOUNT_LOCKED"] * 6


async def test_a_lock_is_as_long_as_staff_say(
    api: Api, person: Person, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    rows = [
        await make(SystemConfig, config_key=key, config_value=value)
        for key, value in (("security.lockout_threshold", "2"), ("security.lockout_minutes", "3"))
    ]
    try:
        for _ in range(2):
            await sign_in(api, user, WRONG)
        (error,) = (await sign_in(api, user))["signInWithPassword"]["userErrors"]
    finally:
        await owner.execute("DELETE FROM admin.system_config WHERE id = ANY ($1)", [row.id for row in rows])

    assert round(error["details"]["retryAfter"] / 60) == 3


async def trusted(make: Factory, services: Services, user: SimpleNamespace, **given: Any) -> tuple[str, UUID]:
    """A device that the user has trusted, by its token."""
    token = opaque_tokens.made(services.keyring, TRUST)
    usual = {"trusted": True, "trusted_at": now(), "trusted_until": now() + timedelta(days=30)}
    device = await make(
        UserDevice, user_id=user.id, device_fingerprint=uuid4().hex, trust_token_hash=opaque_tokens.hash_of(token),
        **(usual | given),
    )  # fmt: skip
    return token, device.id


async def test_nobody_keeps_the_owner_from_a_trusted_device(
    api: Api, person: Person, make: Factory, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    token, device = await trusted(make, services, user)
    for _ in range(5):
        await sign_in(api, user, WRONG)

    elsewhere = await sign_in(api, user)
    there = await sign_in(api, user, deviceToken=token)

    assert elsewhere.refusals("signInWithPassword") == ["ACCOUNT_LOCKED"]
    assert there["signInWithPassword"]["accessToken"] is not None
    # The lock of all others stays.
    assert await owner.fetchval("SELECT login_attempts FROM identity.users WHERE id = $1", user.id) == 5
    assert await owner.fetchval(
        "SELECT device_id FROM identity.user_sessions WHERE user_id = $1", user.id
    ) == device  # fmt: skip


async def test_a_trusted_device_has_failures_of_its_own(
    api: Api, person: Person, make: Factory, services: Services
) -> None:
    user = await person()
    token, _ = await trusted(make, services, user)

    for _ in range(5):
        await sign_in(api, user, WRONG, deviceToken=token)

    assert (await sign_in(api, user, deviceToken=token)).refusals("signInWithPassword") == ["ACCOUNT_LOCKED"]
    assert (await sign_in(api, user))["signInWithPassword"]["accessToken"] is not None


async def test_trust_is_a_token_that_lasts(api: Api, person: Person, make: Factory, services: Services) -> None:
    """Neither the fingerprint, nor another's token, nor one that has ended."""
    user, other = await person(), await person()
    ended, _ = await trusted(make, services, user, trusted_until=now())
    of_other, _ = await trusted(make, services, other)
    withdrawn, device = await trusted(make, services, user, trusted=False)
    fingerprint = await make.owner.fetchval(
        "SELECT device_fingerprint FROM security.user_devices WHERE id = $1", device
    )
    for _ in range(5):
        await sign_in(api, user, WRONG)

    answers = [await sign_in(api, user, deviceToken=token) for token in (ended, of_other, withdrawn, "lt_made-up")]
    answers.append(await sign_in(api, user, deviceFingerprint=fingerprint))

    assert refused(answers, "signInWithPassword") == ["ACCOUNT_LOCKED"] * 5


async def test_a_suspended_account_is_said_to_be_so_to_its_owner_alone(api: Api, person: Person) -> None:
    user = await person(is_active=False)

    right, wrong = await sign_in(api, user), await sign_in(api, user, WRONG)

    assert right.refusals("signInWithPassword") == ["ACCOUNT_SUSPENDED"]
    assert wrong.refusals("signInWithPassword") == ["CREDENTIALS_INVALID"]


async def test_an_erased_account_is_nobodys(api: Api, person: Person) -> None:
    user = await person(deleted_at=now())

    assert (await sign_in(api, user)).refusals("signInWithPassword") == ["CREDENTIALS_INVALID"]


async def test_a_device_that_is_new_is_said(
    api: Api, person: Person, owner: asyncpg.Pool[Any], inbox: Inbox, events: Events
) -> None:
    user = await person(phone=new_phone())
    agent = {"User-Agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/124.0 Mobile Safari/537"}

    for fingerprint in ("one", "one", "two"):
        await api.mutate(
            "signInWithPassword", headers=agent, identifier=user.email, password=PASSWORD,
            deviceFingerprint=fingerprint,
        )  # fmt: skip

    assert await events(user.id) == ["new_device", "new_device"]
    # To every verified contact: the phone is none.
    assert (await inbox(user.email), await inbox(user.phone)) == (["new_sign_in"] * 2, [])
    devices = await owner.fetch("SELECT * FROM security.user_devices WHERE user_id = $1", user.id)
    assert {row["device_fingerprint"] for row in devices} == {"one", "two"}
    assert {(row["device_name"], row["device_type"]) for row in devices} == {("Chrome on Android", "mobile")}
    assert not any(row["trusted"] for row in devices)


async def test_a_country_that_is_new_is_said(
    pipeline: Pipeline, settings: Settings, person: Person, owner: asyncpg.Pool[Any], inbox: Inbox, events: Events
) -> None:
    user = await person()
    proxied = settings.model_copy(update={"trusted_proxies": "127.0.0.1", "country_header": "CF-IPCountry"})

    async with Api.over(pipeline, proxied) as api:
        for country in ("SN", "sn", "XX", "T1", "KE", "KE"):
            await api.mutate(
                "signInWithPassword", headers={"CF-IPCountry": country}, identifier=user.email, password=PASSWORD,
                deviceFingerprint="one",
            )  # fmt: skip

    assert await events(user.id) == ["new_device", "new_country"]
    assert await inbox(user.email) == ["new_sign_in"] * 2
    found = await owner.fetch(
        "SELECT location ->> 'country' AS country FROM security.login_attempts WHERE user_id = $1 ORDER BY created_at",
        user.id,
    )
    assert [row["country"] for row in found] == ["SN", "SN", None, None, "KE", "KE"]


async def test_a_country_is_what_a_trusted_proxy_says(
    pipeline: Pipeline, settings: Settings, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    async with Api.over(pipeline, settings.model_copy(update={"country_header": "CF-IPCountry"})) as api:
        await api.mutate("signInWithPassword", headers={"CF-IPCountry": "SN"}, identifier=user.email, password=PASSWORD)

    assert await owner.fetchval("SELECT location FROM security.login_attempts WHERE user_id = $1", user.id) is None


async def test_a_password_of_old_parameters_is_hashed_anew(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person(password_hash=argon2.PasswordHasher(1, 8192, 1).hash(PASSWORD))

    await sign_in(api, user)

    stored = await owner.fetchval("SELECT password_hash FROM identity.users WHERE id = $1", user.id)
    assert user.password_hash.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await sign_in(api, user))["signInWithPassword"]["accessToken"] is not None


async def test_a_password_that_was_changed_while_it_was_hashed_opens_nothing(
    api: Api, person: Person, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute(
            "UPDATE identity.users SET password_hash = $2 WHERE id = $1", user.id, await passwords.hashed(WRONG)
        )
        signing_in = asyncio.create_task(sign_in(api, user))
        # It has read the old hash, and waits for the lock.
        await asyncio.sleep(1)

    assert (await signing_in).refusals("signInWithPassword") == ["CREDENTIALS_INVALID"]


async def test_fifty_sign_ins_hold_no_connection_while_they_are_hashed(
    api: Api, person: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, gate, begun = await person(), threading.Event(), []
    verified = passwords._verified

    def waiting(text: str, stored: str) -> bool:
        begun.append(text)
        gate.wait()
        return verified(text, stored)

    monkeypatch.setattr(passwords, "_verified", waiting)
    signing_in = [asyncio.create_task(sign_in(api, user, deviceFingerprint="one")) for _ in range(50)]
    queue = passwords._threads()._work_queue
    try:
        async with asyncio.timeout(30):
            # The threads are busy, and one sign-in more has been looked up.
            while len(begun) < passwords.THREADS or not queue.qsize():  # noqa: ASYNC110 - threads set no event of ours
                await asyncio.sleep(0.01)
        # Time for those that should wait for their turn.
        await asyncio.sleep(0.2)
        held, waits, hashing = sum(services.pipeline.shares._held.values()), queue.qsize(), len(begun)
    finally:
        gate.set()
    answers = await asyncio.gather(*signing_in)

    assert held == 0
    assert (hashing, waits) == (passwords.THREADS, passwords.AT_ONCE - passwords.THREADS)
    assert all(answer["signInWithPassword"]["accessToken"] for answer in answers)
    assert len(begun) == 50


async def test_fifty_sign_ins_leave_the_gateway_to_others(api: Api, person: Person, make: Factory) -> None:
    user, reader = await person(), await make(User)

    async def slowest(count: int) -> float:
        """The time that all but the slowest of a hundred reads take."""
        taken = []
        for _ in range(count):
            begun = time.perf_counter()
            await api("{ viewer { rowId } }", as_=reader)
            taken.append(time.perf_counter() - begun)
        return sorted(taken)[int(count * 0.99) - 1]

    await slowest(20)
    alone = await slowest(100)
    signing_in = asyncio.gather(*(sign_in(api, user, deviceFingerprint="one") for _ in range(50)))
    beside = await slowest(100)
    await signing_in

    # All of it runs in this one process, with the client: what must not be is that reads wait for hashes.
    assert beside < max(10 * alone, 0.25)


async def test_one_operation_tries_one_password(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person()
    fields = " ".join(
        f'a{number}: signInWithPassword(input: {{identifier: "{user.email}", password: "{WRONG}"}}) {{ challengeId }}'
        for number in range(100)
    )

    answer = await api(f"mutation {{ {fields} }}")

    assert answer.codes == ["BAD_USER_INPUT"]
    assert await attempts_of(owner, user.email) == []
