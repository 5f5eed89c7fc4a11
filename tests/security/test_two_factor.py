"""Setting up a second factor, its backup codes, and switching it off."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pyotp
import pytest

from resolvers.security import backup_codes
from tests.client import Api
from tests.identity.conftest import Person, sign_in
from tests.security.conftest import Session, SignIn


async def enrolled(session: Session) -> tuple[pyotp.TOTP, list[str]]:
    """An authenticator app that was set up, and the backup codes that came with it."""
    begun = (await session.call("enableTwoFactor"))["enableTwoFactor"]
    app = pyotp.TOTP(begun["secret"])
    confirmed = (await session.call("confirmTwoFactor", code=app.now()))["confirmTwoFactor"]
    return app, confirmed["backupCodes"]


async def test_an_app_is_set_up_by_an_address_and_a_picture(signed_in: SignIn, person: Person) -> None:
    user = await person(email="awa.b+x@test.example")
    session = await signed_in(user)

    begun = (await session.call("enableTwoFactor"))["enableTwoFactor"]

    address = urlsplit(begun["otpauthUri"])
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert address.path == "/lango:awa.b%2Bx%40test.example"
    assert parse_qs(address.query) == {"secret": [begun["secret"]], "issuer": ["lango"]}
    # 160 bits, which other apps read as this one does.
    assert len(begun["secret"]) == 32
    read = pyotp.parse_uri(begun["otpauthUri"])
    assert (read.issuer, unquote(read.name)) == ("lango", "awa.b+x@test.example")
    assert begun["qrSvg"].startswith("<svg")


async def test_nothing_is_asked_before_a_code_was_shown(
    api: Api, signed_in: SignIn, person: Person, account: Any
) -> None:
    user = await person()
    session = await signed_in(user)
    first = (await session.call("enableTwoFactor"))["enableTwoFactor"]["secret"]
    second = (await session.call("enableTwoFactor"))["enableTwoFactor"]["secret"]

    assert (await sign_in(api, user))["signInWithPassword"]["challengeId"] is None
    assert first != second
    assert await session.refused("confirmTwoFactor", code=pyotp.TOTP(first).now()) == ["TWO_FACTOR_INVALID"]
    assert await session.refused("confirmTwoFactor", code="●●●●●●") == ["TWO_FACTOR_INVALID"]
    assert await session.refused("confirmTwoFactor", code=pyotp.TOTP(second).now()) == []
    assert (await sign_in(api, user))["signInWithPassword"]["challengeId"] is not None
    assert await account(user).events() == ["two_factor_enabled"]
    assert await account(user).messages() == [("second_factor_enabled", user.email)]


async def test_confirming_gives_ten_codes_once_and_raises_the_session(
    signed_in: SignIn, person: Person, account: Any, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    session = await signed_in(user)

    app, codes = await enrolled(session)

    assert len(set(codes)) == 10
    stored = await owner.fetchval("SELECT backup_codes FROM security.two_factor_auth WHERE user_id = $1", user.id)
    assert not any(code.replace("-", "") in str(stored) for code in codes)
    assert await account(user).levels() == [2]
    assert await session.refused("confirmTwoFactor", code=app.now()) == ["TWO_FACTOR_ALREADY_ENABLED"]


async def test_an_open_session_does_not_swap_the_factor(signed_in: SignIn, person: Person) -> None:
    session = await signed_in(await person())
    await enrolled(session)

    assert await session.refused("enableTwoFactor") == ["TWO_FACTOR_ALREADY_ENABLED"]


async def test_without_a_beginning_there_is_nothing_to_confirm(signed_in: SignIn, person: Person) -> None:
    session = await signed_in(await person())

    assert await session.refused("confirmTwoFactor", code="123456") == ["TWO_FACTOR_NOT_BEGUN"]
    for mutation in ("disableTwoFactor", "regenerateBackupCodes"):
        assert await session.refused(mutation) == ["TWO_FACTOR_NOT_ENABLED"]


@pytest.mark.parametrize(
    ("mutation", "input"),
    [
        ("enableTwoFactor", {}),
        ("confirmTwoFactor", {"code": "123456"}),
        ("disableTwoFactor", {}),
        ("regenerateBackupCodes", {}),
    ],
)
async def test_all_of_it_wants_a_recent_proof(
    signed_in: SignIn, person: Person, account: Any, mutation: str, input: dict[str, Any]
) -> None:
    user = await person()
    session = await signed_in(user)
    await account(user).pass_time()

    assert await session.refused(mutation, **input) == ["REAUTHENTICATION_REQUIRED"]


@pytest.mark.parametrize("mutation", ["enableTwoFactor", "disableTwoFactor", "regenerateBackupCodes"])
async def test_a_session_of_one_proof_changes_nothing_of_the_second(
    signed_in: SignIn, person: Person, mutation: str
) -> None:
    """An older session, from before the second factor was set up."""
    user = await person()
    older, session = await signed_in(user), await signed_in(user)
    await enrolled(session)

    assert await older.refused(mutation) == ["REAUTHENTICATION_REQUIRED"]


async def test_switching_it_off_lowers_every_session(
    api: Api, signed_in: SignIn, person: Person, account: Any, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    session = await signed_in(user)
    app, codes = await enrolled(session)
    await owner.execute("UPDATE security.two_factor_auth SET last_counter = 0 WHERE user_id = $1", user.id)
    await signed_in(user, app.now())
    waiting = (await sign_in(api, user))["signInWithPassword"]["challengeId"]
    assert await account(user).levels() == [2, 2]

    off = (await session.call("disableTwoFactor"))["disableTwoFactor"]

    assert off["twoFactorAuth"]["enabled"] is False
    assert await account(user).levels() == [1, 1]
    assert (await sign_in(api, user))["signInWithPassword"]["challengeId"] is None
    for proof in ({"code": app.now()}, {"backupCode": codes[0]}):
        refused = await api.mutate("verifyTwoFactor", challengeId=waiting, **proof)
        assert refused.refusals("verifyTwoFactor") == ["CHALLENGE_EXPIRED"]
    secrets = await owner.fetchrow(
        "SELECT secret, backup_codes FROM security.two_factor_auth WHERE user_id = $1", user.id
    )
    assert [*secrets] == [None, "[]"]
    assert (await account(user).events())[-1] == "two_factor_disabled"
    assert ("second_factor_disabled", user.email) in await account(user).messages()


async def test_new_codes_take_the_place_of_the_old_ones(
    api: Api, signed_in: SignIn, person: Person, account: Any
) -> None:
    user = await person()
    session = await signed_in(user)
    _, old = await enrolled(session)
    new = (await session.call("regenerateBackupCodes"))["regenerateBackupCodes"]["backupCodes"]

    async def shows(code: str) -> list[str]:
        waiting = (await sign_in(api, user))["signInWithPassword"]["challengeId"]
        answer = await api.mutate("verifyTwoFactor", challengeId=waiting, backupCode=code)
        return answer.refusals("verifyTwoFactor")

    assert await shows(old[0]) == ["TWO_FACTOR_INVALID"]
    assert await shows(new[0].lower().replace("-", " ")) == []
    assert await shows(new[1].replace("-", "")) == []
    assert await shows(new[1]) == ["TWO_FACTOR_INVALID"]
    assert ("backup_codes_replaced", user.email) in await account(user).messages()


async def test_a_backup_code_opens_one_session_however_many_bring_it(
    api: Api, signed_in: SignIn, person: Person, account: Any
) -> None:
    user = await person()
    session = await signed_in(user)
    _, codes = await enrolled(session)
    waiting = [(await sign_in(api, user))["signInWithPassword"]["challengeId"] for _ in range(5)]

    answers = await asyncio.gather(
        *(api.mutate("verifyTwoFactor", challengeId=each, backupCode=codes[0]) for each in waiting)
    )

    assert sorted(answer.refusals("verifyTwoFactor") for answer in answers) == [[], *[["TWO_FACTOR_INVALID"]] * 4]
    assert len(await account(user).live_sessions()) == 2
    assert [each for each, _ in await account(user).messages()].count("backup_code_used") == 1


async def test_with_two_left_there_is_a_notice(api: Api, signed_in: SignIn, person: Person, account: Any) -> None:
    user = await person()
    session = await signed_in(user)
    _, codes = await enrolled(session)
    for number, code in enumerate(codes[:8], start=1):
        waiting = (await sign_in(api, user))["signInWithPassword"]["challengeId"]
        answer = await api.mutate("verifyTwoFactor", challengeId=waiting, backupCode=code)
        assert answer.refusals("verifyTwoFactor") == []
        sent = [each for each, _ in await account(user).messages()]
        assert sent.count("backup_code_used") == number
        assert sent.count("backup_codes_low") == (1 if number == 8 else 0)


async def test_two_who_set_it_up_at_once_have_one(signed_in: SignIn, person: Person, owner: asyncpg.Pool[Any]) -> None:
    user = await person()
    first, second = await signed_in(user), await signed_in(user)

    answers = await asyncio.gather(*(each.call("enableTwoFactor") for each in (first, second, first, second)))

    assert [answer.refusals("enableTwoFactor") for answer in answers] == [[]] * 4
    secrets = [answer["enableTwoFactor"]["secret"] for answer in answers]
    right = [each for each in secrets if await first.refused("confirmTwoFactor", code=pyotp.TOTP(each).now()) == []]
    assert len(right) == 1


def test_a_backup_code_has_more_than_112_bits() -> None:
    """So that a fast hash will do (ASVS 6.5.2): none is guessed from a stolen table."""
    (code, *_) = backup_codes.new_codes()
    assert len(code.replace("-", "")) * 5 >= 112
