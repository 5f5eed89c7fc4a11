"""Signing up: an account is there when its contact is proved, and nobody learns who has one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from lango.db.pipeline import Pipeline
from lango.settings import Settings
from tests.client import Answer, Api
from tests.factories import now
from tests.identity.conftest import (
    PASSWORD,
    Person,
    new_email,
    new_phone,
    refused,
    sign_in,
    viewer,
)

Inbox = Callable[[str], Awaitable[list[str]]]


async def sign_up(api: Api, **input: Any) -> str:
    answer = await api.mutate("signUp", **input)
    return str(answer["signUp"]["challengeId"])


async def confirm(api: Api, challenge: str, code: str, **input: Any) -> Answer:
    return await api.mutate("confirmSignUp", challengeId=challenge, code=code, **input)


async def users_with(owner: asyncpg.Pool[Any], contact: str) -> list[asyncpg.Record]:
    return list(await owner.fetch("SELECT * FROM identity.users WHERE email = $1 OR phone = $1", contact))


async def test_an_account_is_there_when_its_contact_is_proved(
    api: Api, owner: asyncpg.Pool[Any], sent: list[str], inbox: Inbox
) -> None:
    email = new_email()

    challenge = await sign_up(api, email=email.upper(), password=PASSWORD)
    assert await users_with(owner, email) == []
    answer = await confirm(api, challenge, sent[-1], deviceFingerprint="a")

    signed_in = answer["confirmSignUp"]
    (user,) = await users_with(owner, email)
    assert (user["phone"], user["phone_verified_at"], list(user["roles"])) == (None, None, ["user"])
    assert user["email_verified_at"] is not None
    assert user["password_hash"].startswith("$argon2id$")
    assert await owner.fetchval(
        "SELECT password_hash FROM security.password_history WHERE user_id = $1", user["id"]
    ) == user["password_hash"]  # fmt: skip
    assert (await viewer(api, signed_in["accessToken"]))["viewer"] == {"rowId": str(user["id"])}
    # Nobody is warned of the first device of their account.
    assert await inbox(email) == ["sign_up_code"]


async def test_a_phone_signs_up_without_a_password(api: Api, owner: asyncpg.Pool[Any], sent: list[str]) -> None:
    phone = new_phone()

    challenge = await sign_up(api, phone=f"{phone[4:6]} {phone[6:9]} {phone[9:]}")
    await confirm(api, challenge, sent[-1])

    (user,) = await users_with(owner, phone)
    assert (user["email"], user["password_hash"]) == (None, None)
    assert user["phone_verified_at"] is not None


async def test_of_two_contacts_each_is_proved_by_a_code_of_its_own(
    api: Api, owner: asyncpg.Pool[Any], sent: list[str], inbox: Inbox
) -> None:
    phone, email = new_phone(), new_email()

    challenge = await sign_up(api, phone=phone, email=email)
    confirmed = (await confirm(api, challenge, sent[-1]))["confirmSignUp"]

    assert (await inbox(email), await inbox(phone)) == (["sign_up_code"], ["verify_contact_code"])
    (user,) = await users_with(owner, email)
    assert user["phone"] is None
    row = await owner.fetchrow("SELECT * FROM identity.one_time_codes WHERE id = $1", confirmed["contactChallengeId"])
    assert (row["purpose"], row["identifier"], row["user_id"]) == ("verify_contact", phone, user["id"])


async def test_without_a_contact_nobody_signs_up(api: Api) -> None:
    answer = await api.mutate("signUp", password=PASSWORD)

    assert answer.refusals("signUp") == ["CONTACT_MISSING"]


@pytest.mark.parametrize(
    ("password", "code"),
    [("court", "PASSWORD_TOO_SHORT"), ("passwordpassword", "PASSWORD_COMMON"), ("é" * 600, "PASSWORD_TOO_LONG")],
)
async def test_a_weak_password_is_refused(api: Api, sent: list[str], password: str, code: str) -> None:
    answer = await api.mutate("signUp", email=new_email(), password=password)

    assert answer.refusals("signUp") == [code]
    assert sent == []


async def test_an_existing_contact_answers_as_a_new_one(
    api: Api, owner: asyncpg.Pool[Any], person: Person, sent: list[str], inbox: Inbox
) -> None:
    user, email = await person(), new_email()

    async def rows() -> dict[str, int]:
        tables = "identity.users", "identity.one_time_codes", "security.login_attempts", "security.security_events"
        return {table: await owner.fetchval(f"SELECT count(*) FROM {table}") for table in tables}

    answers, written = [], []
    for contact in (email, user.email):
        before = await rows()
        answers.append(await api.mutate("signUp", email=contact, password=PASSWORD))
        after = await rows()
        written.append({table: after[table] - before[table] for table in after})

    new, existing = (answer["signUp"] for answer in answers)
    assert new.keys() == existing.keys()
    assert new["userErrors"] == existing["userErrors"] == []
    assert written[0] == written[1] == {
        "identity.users": 0, "identity.one_time_codes": 1, "security.login_attempts": 0, "security.security_events": 0,
    }  # fmt: skip
    assert (await inbox(email), await inbox(user.email)) == (["sign_up_code"], ["account_exists"])
    # No code opens it: not even the one that was made and sent to nobody.
    answer = await confirm(api, existing["challengeId"], sent[-1])
    assert answer.refusals("confirmSignUp") == ["CODE_INVALID"]


async def test_the_owner_hears_once_an_hour(api: Api, owner: asyncpg.Pool[Any], person: Person, inbox: Inbox) -> None:
    user = await person()

    await sign_up(api, email=user.email)
    await sign_up(api, email=user.email)
    assert await inbox(user.email) == ["account_exists"]

    await owner.execute(
        "UPDATE security.email_delivery_log SET created_at = created_at - interval '61 minutes' WHERE user_id = $1",
        user.id,
    )
    await sign_up(api, email=user.email)
    assert await inbox(user.email) == ["account_exists", "account_exists"]


async def test_nobody_takes_a_contact_before_its_owner_comes(
    api: Api, owner: asyncpg.Pool[Any], sent: list[str]
) -> None:
    """Pre-hijacking: somebody signs up with the email of another, and waits for the other to confirm it."""
    email, of_attacker = new_email(), "une porte dérobée bien longue"
    begun = await sign_up(api, email=email, password=of_attacker)
    to_attackers_request = sent[-1]

    challenge = await sign_up(api, email=email, password=PASSWORD)
    # The owner has two messages, and may bring the code of either.
    wrong = await confirm(api, challenge, to_attackers_request)
    right = await confirm(api, challenge, sent[-1])
    late = await confirm(api, begun, to_attackers_request)

    assert wrong.refusals("confirmSignUp") == ["CODE_INVALID"]
    assert right["confirmSignUp"]["accessToken"] is not None
    assert late.refusals("confirmSignUp") == ["CHALLENGE_EXPIRED"]
    assert len(await users_with(owner, email)) == 1
    attack = await api.mutate("signInWithPassword", identifier=email, password=of_attacker)
    assert attack.refusals("signInWithPassword") == ["CREDENTIALS_INVALID"]


async def test_a_code_is_good_for_one_of_many_at_once(api: Api, owner: asyncpg.Pool[Any], sent: list[str]) -> None:
    email = new_email()
    challenge = await sign_up(api, email=email)

    answers = await asyncio.gather(*(confirm(api, challenge, sent[-1]) for _ in range(10)))

    assert refused(answers, "confirmSignUp") == ["CHALLENGE_EXPIRED"] * 9
    assert len(await users_with(owner, email)) == 1


async def test_two_that_are_sent_at_once_leave_one_good(api: Api, sent: list[str]) -> None:
    email = new_email()

    challenges = await asyncio.gather(*(sign_up(api, email=email) for _ in range(3)))
    answers = [await confirm(api, challenge, code) for challenge in challenges for code in set(sent)]

    assert sum(answer["confirmSignUp"]["accessToken"] is not None for answer in answers) == 1


async def test_five_wrong_codes_end_it(api: Api, sent: list[str]) -> None:
    challenge = await sign_up(api, email=new_email())
    wrong = f"{(int(sent[-1]) + 1) % 1_000_000:06d}"

    answers = [await confirm(api, challenge, wrong) for _ in range(5)]
    late = await confirm(api, challenge, sent[-1])

    assert refused(answers, "confirmSignUp") == ["CODE_INVALID"] * 5
    assert late.refusals("confirmSignUp") == ["CHALLENGE_EXPIRED"]


async def test_wrong_codes_at_once_are_all_counted(api: Api, owner: asyncpg.Pool[Any], sent: list[str]) -> None:
    challenge = await sign_up(api, email=new_email())
    wrong = f"{(int(sent[-1]) + 1) % 1_000_000:06d}"

    answers = await asyncio.gather(*(confirm(api, challenge, wrong) for _ in range(20)))

    assert sorted(refused(answers, "confirmSignUp")) == ["CHALLENGE_EXPIRED"] * 15 + ["CODE_INVALID"] * 5
    assert await owner.fetchval("SELECT tries FROM identity.one_time_codes WHERE id = $1", challenge) == 5


async def test_after_five_minutes_it_is_over(api: Api, owner: asyncpg.Pool[Any], sent: list[str]) -> None:
    challenge = await sign_up(api, email=new_email())
    lasts = await owner.fetchval("SELECT expires_at - created_at FROM identity.one_time_codes WHERE id = $1", challenge)
    await owner.execute("UPDATE identity.one_time_codes SET expires_at = now() WHERE id = $1", challenge)

    answer = await confirm(api, challenge, sent[-1])

    assert abs(lasts - timedelta(minutes=5)) < timedelta(seconds=5)
    assert answer.refusals("confirmSignUp") == ["CHALLENGE_EXPIRED"]


async def test_somebody_who_got_the_contact_meanwhile_keeps_it(
    api: Api, person: Person, owner: asyncpg.Pool[Any], sent: list[str]
) -> None:
    email = new_email()
    challenge = await sign_up(api, email=email)
    await person(email=email)

    answer = await confirm(api, challenge, sent[-1])

    assert answer.refusals("confirmSignUp") == ["CHALLENGE_EXPIRED"]
    assert len(await users_with(owner, email)) == 1


async def test_letters_that_look_alike_are_one_address(api: Api, sent: list[str], owner: asyncpg.Pool[Any]) -> None:
    email = new_email()
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in email)

    await confirm(api, await sign_up(api, email=wide), sent[-1])

    assert [row["email"] for row in await users_with(owner, email)] == [email]


async def test_a_dotless_i_is_another_address(api: Api, person: Person, owner: asyncpg.Pool[Any], inbox: Inbox) -> None:
    """CVE-2019-19844: upper case made one address of two, and what was for one was sent to the other."""
    victim = await person(email=f"mike-{new_email()}")
    lookalike = victim.email.replace("mike", "mıke")

    await sign_up(api, email=lookalike)

    assert await inbox(victim.email) == []
    assert await inbox(lookalike) == ["sign_up_code"]


async def test_a_contact_gets_three_messages_in_a_quarter_of_an_hour(api: Api, sent: list[str]) -> None:
    email = new_email()
    for _ in range(3):
        await sign_up(api, email=email)

    answer = await api.mutate("signUp", email=email)

    assert answer.codes == ["RATE_LIMITED"]
    assert answer.response.headers["retry-after"]
    assert len(sent) == 3
    # A contact of its own, each.
    await sign_up(api, email=new_email())


async def test_a_country_that_is_not_served_gets_no_sms(
    pipeline: Pipeline, settings: Settings, sent: list[str]
) -> None:
    async with Api.over(pipeline, settings.model_copy(update={"sms_prefixes": "+221, +254"})) as api:
        served = await api.mutate("signUp", phone=new_phone())
        other = await api.mutate("signUp", phone="+33612345678")
        unknown = await api.mutate("requestOtp", identifier="+33612345678")

    assert served["signUp"]["challengeId"] is not None
    assert other.refusals("signUp") == unknown.refusals("requestOtp") == ["PHONE_NOT_SERVED"]
    assert len(sent) == 1


async def test_the_code_is_stored_nowhere_in_clear(api: Api, owner: asyncpg.Pool[Any], sent: list[str]) -> None:
    challenge = await sign_up(api, email=new_email(), password=PASSWORD)

    row = await owner.fetchrow("SELECT * FROM identity.one_time_codes WHERE id = $1", challenge)
    kept = " ".join(str(value) for value in row.values())

    assert sent[-1] not in kept.replace(str(row["id"]), "").split()
    assert PASSWORD not in kept
    assert row["expires_at"] > now()


async def test_a_new_account_signs_in_by_its_password(api: Api, sent: list[str]) -> None:
    email = new_email()
    await confirm(api, await sign_up(api, email=email, password=PASSWORD), sent[-1])

    assert (await sign_in(api, SimpleNamespace(email=email)))["signInWithPassword"]["accessToken"] is not None
