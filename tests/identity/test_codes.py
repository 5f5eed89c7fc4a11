"""Signing in by a code that is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median
from typing import Any

import asyncpg
import pytest

from tests.client import Answer, Api
from tests.factories import now
from tests.identity.conftest import (
    Person,
    new_email,
    new_phone,
    refused,
    request_code,
    viewer,
)

Inbox = Callable[[str], Awaitable[list[str]]]


async def bring(api: Api, challenge: str, code: str, **input: Any) -> Answer:
    return await api.mutate("signInWithOtp", challengeId=challenge, code=code, **input)


async def test_a_code_signs_in(
    api: Api, person: Person, sent: list[str], owner: asyncpg.Pool[Any], inbox: Inbox
) -> None:
    user = await person(phone=new_phone())

    challenge = await request_code(api, user.phone)
    signed_in = (await bring(api, challenge, sent[-1], identifier=user.phone))["signInWithOtp"]

    assert (signed_in["session"]["methods"], signed_in["session"]["assuranceLevel"]) == (["otp"], 1)
    assert (await viewer(api, signed_in["accessToken"]))["viewer"] == {"rowId": str(user.id)}
    assert await inbox(user.phone) == ["sign_in_code", "new_sign_in"]
    # Whoever reads what comes there has shown that it is theirs.
    assert await owner.fetchval("SELECT phone_verified_at FROM identity.users WHERE id = $1", user.id) is not None


@pytest.mark.parametrize("written", ["{} {}", "{}-{}", "{}\u00a0{}", "\u200e{}{} "])
async def test_a_code_is_typed_as_it_is_read(api: Api, person: Person, sent: list[str], written: str) -> None:
    user = await person()
    challenge = await request_code(api, user.email)

    answer = await bring(api, challenge, written.format(sent[-1][:3], sent[-1][3:]))

    assert answer["signInWithOtp"]["accessToken"] is not None


@pytest.mark.parametrize("zero", ["٠", "०", "０"])
async def test_a_code_is_typed_in_any_digits(api: Api, person: Person, sent: list[str], zero: str) -> None:
    user = await person()
    challenge = await request_code(api, user.email)

    answer = await bring(api, challenge, "".join(chr(ord(zero) + int(digit)) for digit in sent[-1]))

    assert answer["signInWithOtp"]["accessToken"] is not None


async def test_a_new_code_replaces_the_one_before(api: Api, person: Person, sent: list[str]) -> None:
    user = await person()
    first, second = await request_code(api, user.email), await request_code(api, user.email)

    answers = [await bring(api, first, sent[0]), await bring(api, second, sent[0]), await bring(api, second, sent[1])]

    assert refused(answers[:2], "signInWithOtp") == ["CHALLENGE_EXPIRED", "CODE_INVALID"]
    assert answers[2]["signInWithOtp"]["accessToken"] is not None


async def test_a_code_belongs_to_its_request_and_its_contact(api: Api, person: Person, sent: list[str]) -> None:
    user, other = await person(), await person()
    challenge, of_other = await request_code(api, user.email), await request_code(api, other.email)

    crossed = await bring(api, challenge, sent[1])
    named = await bring(api, of_other, sent[1], identifier=user.email)

    assert crossed.refusals("signInWithOtp") == ["CODE_INVALID"]
    assert named.refusals("signInWithOtp") == ["CHALLENGE_EXPIRED"]


async def test_a_code_is_good_once(api: Api, person: Person, sent: list[str]) -> None:
    user = await person()
    challenge = await request_code(api, user.email)

    answers = await asyncio.gather(*(bring(api, challenge, sent[-1]) for _ in range(12)))

    assert refused(answers, "signInWithOtp") == ["CHALLENGE_EXPIRED"] * 11


async def test_wrong_codes_at_once_end_it_after_five(api: Api, person: Person, sent: list[str]) -> None:
    user = await person()
    challenge = await request_code(api, user.email)
    wrong = f"{(int(sent[-1]) + 1) % 1_000_000:06d}"

    answers = await asyncio.gather(*(bring(api, challenge, wrong) for _ in range(20)))

    assert sorted(refused(answers, "signInWithOtp")) == ["CHALLENGE_EXPIRED"] * 15 + ["CODE_INVALID"] * 5


async def test_nobody_learns_who_has_an_account(
    api: Api, person: Person, sent: list[str], owner: asyncpg.Pool[Any], inbox: Inbox
) -> None:
    user, unknown = await person(), new_email()
    suspended, erased = await person(is_active=False), await person(deleted_at=now())

    answers = [
        await api.mutate("requestOtp", identifier=each) for each in (user.email, unknown, suspended.email, erased.email)
    ]

    assert len({tuple(answer["requestOtp"]) for answer in answers}) == 1
    assert refused(answers, "requestOtp") == []
    assert [await inbox(each) for each in (user.email, unknown, suspended.email, erased.email)] == [
        ["sign_in_code"], [], [], [],
    ]  # fmt: skip
    for code, answer in list(zip(sent, answers, strict=True))[1:]:
        tried = await bring(api, answer["requestOtp"]["challengeId"], code)
        assert tried.refusals("signInWithOtp") == ["CODE_INVALID"]
    rows = await owner.fetch(
        "SELECT identifier, purpose, channel, used_at FROM identity.one_time_codes WHERE identifier = ANY ($1)",
        [user.email, unknown],
    )
    assert {tuple(row.values())[1:] for row in rows} == {("sign_in", "email", None)}


async def test_nobody_learns_it_by_the_time_it_takes(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> None:
    async def seconds(contact: str) -> float:
        begun = time.perf_counter()
        await request_code(api, contact)
        return time.perf_counter() - begun

    known, unknown = [], []
    for _ in range(25):
        known.append(await seconds((await person()).email))
        unknown.append(await seconds(new_email()))

    assert 0.4 < median(known) / median(unknown) < 2.5


async def test_a_locked_account_is_signed_in_to_by_code(api: Api, person: Person, sent: list[str]) -> None:
    """The lock is of passwords: nobody who tries them keeps the owner out."""
    user = await person(locked_until=now() + timedelta(hours=1), login_attempts=5)

    answer = await bring(api, await request_code(api, user.email), sent[-1])

    assert answer["signInWithOtp"]["accessToken"] is not None


async def test_an_account_that_was_suspended_meanwhile_is_not_signed_in_to(
    api: Api, person: Person, sent: list[str], owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    challenge = await request_code(api, user.email)
    await owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", user.id)

    assert (await bring(api, challenge, sent[-1])).refusals("signInWithOtp") == ["CHALLENGE_EXPIRED"]


async def test_a_code_dies_with_the_contact_it_was_sent_to(
    api: Api, person: Person, sent: list[str], owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    challenge = await request_code(api, user.email)
    await owner.execute("UPDATE identity.users SET email = $2 WHERE id = $1", user.id, new_email())

    assert (await bring(api, challenge, sent[-1])).refusals("signInWithOtp") == ["CHALLENGE_EXPIRED"]


async def test_it_goes_to_the_other_contact_where_that_is_wished_and_verified(
    api: Api, person: Person, sent: list[str], inbox: Inbox
) -> None:
    user = await person(phone=new_phone(), phone_verified_at=now())
    unverified = await person(phone=new_phone())

    challenge = await request_code(api, user.email, channel="SMS")
    nowhere = await request_code(api, unverified.email, channel="SMS")

    assert (await inbox(user.phone), await inbox(user.email)) == (["sign_in_code"], [])
    assert (await inbox(unverified.phone), await inbox(unverified.email)) == ([], [])
    assert (await bring(api, nowhere, sent[-1])).refusals("signInWithOtp") == ["CODE_INVALID"]
    assert (await bring(api, challenge, sent[0]))["signInWithOtp"]["accessToken"] is not None


async def test_three_are_sent_in_a_quarter_of_an_hour_to_nobody_as_to_anybody(api: Api, person: Person) -> None:
    user = await person()

    for contact in (user.email, new_email()):
        for _ in range(3):
            await request_code(api, contact)
        answer = await api.mutate("requestOtp", identifier=contact)
        assert answer.codes == ["RATE_LIMITED"]
        assert answer.response.status_code == 429
