"""Changing a password, and setting one anew by a link: what that ends, and whom it tells nothing."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import asyncpg
import pyotp
import pytest

from lango.security import passwords
from models.identity import User
from models.profiles import Profile
from models.security import PasswordHistoryEntry
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory, now
from tests.identity.conftest import PASSWORD, Person, new_email, new_phone, sign_in, viewer
from tests.security.conftest import Session, SignIn, last

NEW = "trois mangues vertes au vent"
NEWER = "quatre pirogues bleues à quai"


async def test_it_ends_all_other_sessions_and_says_so(
    api: Api, signed_in: SignIn, person: Person, account: Any
) -> None:
    user = await person(phone=new_phone(), phone_verified_at=now())
    session, *others = [await signed_in(user) for _ in range(3)]

    changed = await session.call("changePassword", current=PASSWORD, new=NEW)

    assert changed.refusals("changePassword") == []
    assert await account(user).live_sessions() == [session.id]
    assert await account(user).live_tokens() == 1
    assert (await viewer(api, session.access_token))["viewer"] == {"rowId": str(user.id)}
    for other in others:
        assert await other.is_refused_within_a_second()
    assert (await sign_in(api, user)).refusals("signInWithPassword") == ["CREDENTIALS_INVALID"]
    assert (await sign_in(api, user, NEW)).refusals("signInWithPassword") == []
    assert await account(user).events() == ["password_changed"]
    assert await account(user).messages() == [("password_changed", user.email), ("password_changed", user.phone)]


async def test_the_present_password_is_asked_for(
    signed_in: SignIn, person: Person, account: Any, changes: Changes
) -> None:
    user = await person()
    session = await signed_in(user)
    before = await changes.mark()

    assert await session.refused("changePassword", new=NEW) == ["PASSWORD_MISSING"]
    assert await session.refused("changePassword", current="not the password", new=NEW) == ["PASSWORD_WRONG"]
    assert await session.refused("changePassword", current="é" * 600, new=NEW) == ["PASSWORD_WRONG"]
    but = ("security.security_events", "security.rate_limits")
    assert await changes.since(before, but=but) == []
    assert await account(user).events() == ["password_change_failed"] * 2


async def test_a_stolen_session_does_not_try_passwords_for_ever(signed_in: SignIn, person: Person) -> None:
    session = await signed_in(await person())

    answers = [await session.call("changePassword", current=f"guess {n}", new=NEW) for n in range(11)]

    assert answers[-1].codes == ["RATE_LIMITED"]


async def test_what_it_must_be_is_said(signed_in: SignIn, person: Person, make: Factory) -> None:
    user = await person()
    await make(Profile, user_id=user.id, full_name="Awa Diop")
    session = await signed_in(user)

    refusals = {
        password: await session.refused("changePassword", current=PASSWORD, new=password)
        for password in ("court", "motdepasse1234", "password123456789", "Awa Diop 1990-01-01", PASSWORD, "é" * 600)
    }

    assert [codes for (codes,) in refusals.values()] == [
        "PASSWORD_TOO_SHORT", "PASSWORD_TOO_SHORT", "PASSWORD_COMMON", "PASSWORD_PERSONAL", "PASSWORD_REUSED",
        "PASSWORD_TOO_LONG",
    ]  # fmt: skip


async def test_none_of_the_last_ten_is_taken_and_the_eleventh_is(
    signed_in: SignIn, person: Person, make: Factory
) -> None:
    user = await person(password_hash=None)
    old = [f"{word} sous le grand baobab" for word in ("un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit",
                                                       "neuf", "dix", "onze")]  # fmt: skip
    for number, password in enumerate(old):
        hashed = await passwords.hashed(password)
        moment = now().replace(year=2020, month=number + 1)
        await make(PasswordHistoryEntry, user_id=user.id, password_hash=hashed, created_at=moment)
    await make.owner.execute("UPDATE identity.users SET password_hash = $2 WHERE id = $1", user.id, hashed)
    session = await signed_in(user, password=old[-1])

    assert await session.refused("changePassword", current=old[-1], new=old[1]) == ["PASSWORD_REUSED"]
    assert await session.refused("changePassword", current=old[-1], new=old[0]) == []


async def test_whoever_has_none_sets_one_by_a_recent_proof(
    api: Api, person: Person, sent: list[str], account: Any
) -> None:
    user = await person(password_hash=None)
    challenge = (await api.mutate("requestOtp", identifier=user.email))["requestOtp"]["challengeId"]
    answer = await api.mutate("signInWithOtp", challengeId=challenge, code=sent[-1])
    session = Session(api, user, answer["signInWithOtp"])
    await account(user).pass_time()

    assert await session.refused("changePassword", new=NEW) == ["REAUTHENTICATION_REQUIRED"]
    await account(user).pass_time(-6)
    assert await session.refused("changePassword", new=NEW) == []
    assert (await sign_in(api, user, NEW)).refusals("signInWithPassword") == []


async def test_with_a_second_factor_twelve_characters_will_do_and_the_proof_is_recent(
    signed_in: SignIn, person: Person, second_factor: Any, account: Any
) -> None:
    user = await person()
    older = await signed_in(user)
    app = await second_factor(user)
    session = await signed_in(user, pyotp.TOTP(app.secret).now())

    assert await older.refused("changePassword", current=PASSWORD, new=NEW) == ["REAUTHENTICATION_REQUIRED"]
    assert await session.refused("changePassword", current=PASSWORD, new="vert pomme x9") == []


async def test_of_two_changes_at_once_one_wins(api: Api, signed_in: SignIn, person: Person) -> None:
    user = await person()
    session = await signed_in(user)

    answers = await asyncio.gather(
        *(session.call("changePassword", current=PASSWORD, new=each) for each in (NEW, NEWER))
    )

    assert sorted(answer.refusals("changePassword") for answer in answers) == [[], ["PASSWORD_WRONG"]]
    opened = [(await sign_in(api, user, each)).refusals("signInWithPassword") for each in (PASSWORD, NEW, NEWER)]
    assert opened.count([]) == 1
    assert opened[0] != []


async def test_a_link_sets_a_new_password_ends_every_session_and_lifts_the_lock(
    api: Api, signed_in: SignIn, person: Person, links: list[str], account: Any, owner: asyncpg.Pool[Any]
) -> None:
    user = await person()
    session = await signed_in(user)
    for _ in range(5):
        await sign_in(api, user, "wrong password, certainly")
    assert (await sign_in(api, user)).refusals("signInWithPassword") == ["ACCOUNT_LOCKED"]

    await api.mutate("requestPasswordReset", identifier=user.email.upper())
    reset = (await api.mutate("resetPassword", token=last(links, "lp_"), new=NEW))["resetPassword"]

    assert (reset["challengeId"], (await viewer(api, reset["accessToken"]))["viewer"]) == (
        None,
        {"rowId": str(user.id)},
    )
    assert await session.is_refused_within_a_second()
    assert [str(each) for each in await account(user).live_sessions()] == [reset["session"]["rowId"]]
    assert (await sign_in(api, user, NEW)).refusals("signInWithPassword") == []
    assert (await account(user).events())[-1] == "password_reset"
    sent = await account(user).messages()
    assert [each for each in sent if each[0].startswith("password")] == [
        ("password_reset", user.email), ("password_changed", user.email),
    ]  # fmt: skip
    stored = await owner.fetchval("SELECT token FROM security.account_recovery WHERE user_id = $1", user.id)
    assert stored != last(links, "lp_")


async def test_a_link_goes_no_way_round_the_second_factor(
    api: Api, person: Person, links: list[str], second_factor: Any, account: Any
) -> None:
    user = await person()
    app = await second_factor(user)
    await api.mutate("requestPasswordReset", identifier=user.email)

    reset = (await api.mutate("resetPassword", token=last(links, "lp_"), new=NEW))["resetPassword"]

    assert (reset["accessToken"], reset["refreshToken"], reset["session"]) == (None, None, None)
    assert await account(user).live_sessions() == []
    waiting = reset["challengeId"]
    done = await api.mutate("verifyTwoFactor", challengeId=waiting, code=pyotp.TOTP(app.secret).now())
    assert done["verifyTwoFactor"]["session"]["assuranceLevel"] == 2


async def test_a_link_serves_once_also_for_many_at_once(api: Api, person: Person, links: list[str]) -> None:
    user = await person()
    await api.mutate("requestPasswordReset", identifier=user.email)
    token = last(links, "lp_")

    answers = await asyncio.gather(
        *(api.mutate("resetPassword", token=token, new=f"{word} pirogues à quai") for word in ("six", "sept", "huit"))
    )
    again = await api.mutate("resetPassword", token=token, new=NEWER)

    assert sorted(answer.refusals("resetPassword") for answer in answers) == [[], *[["RESET_LINK_INVALID"]] * 2]
    assert again.refusals("resetPassword") == ["RESET_LINK_INVALID"]


async def test_a_refused_password_does_not_use_the_link_up(api: Api, person: Person, links: list[str]) -> None:
    user = await person()
    await api.mutate("requestPasswordReset", identifier=user.email)
    token = last(links, "lp_")

    assert (await api.mutate("resetPassword", token=token, new="court")).refusals("resetPassword") == [
        "PASSWORD_TOO_SHORT"
    ]
    assert (await api.mutate("resetPassword", token=token, new=PASSWORD)).refusals("resetPassword") == [
        "PASSWORD_REUSED"
    ]
    assert (await api.mutate("resetPassword", token=token, new=NEW)).refusals("resetPassword") == []


@pytest.mark.parametrize("by", ["another link", "a change", "time", "suspension"])
async def test_a_link_dies_by(
    api: Api, signed_in: SignIn, person: Person, links: list[str], owner: asyncpg.Pool[Any], by: str
) -> None:
    user = await person()
    session = await signed_in(user)
    await api.mutate("requestPasswordReset", identifier=user.email)
    token = last(links, "lp_")

    if by == "another link":
        await api.mutate("requestPasswordReset", identifier=user.email)
    elif by == "a change":
        assert await session.refused("changePassword", current=PASSWORD, new=NEWER) == []
    elif by == "time":
        await owner.execute(
            "UPDATE security.account_recovery SET expires_at = now() - interval '1 second' WHERE user_id = $1", user.id
        )
    else:
        await owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", user.id)

    assert (await api.mutate("resetPassword", token=token, new=NEW)).refusals("resetPassword") == ["RESET_LINK_INVALID"]


@pytest.mark.parametrize("token", ["", "lp_", "lp_" + "A" * 51, "lr_" + "A" * 51, "' OR 1=1", "●" * 54])
async def test_a_made_up_link_is_refused_without_a_query(api: Api, token: str) -> None:
    async with api.counting() as statements:
        answer = await api.mutate("resetPassword", token=token, new=NEW)

    assert answer.refusals("resetPassword") == ["RESET_LINK_INVALID"]
    assert [each for each in statements if "rate_limits" not in each] == []


async def test_nobody_learns_whether_there_is_an_account(
    api: Api, person: Person, owner: asyncpg.Pool[Any], links: list[str]
) -> None:
    """By what is answered, and by how long that takes."""
    known = [(await person()).email for _ in range(15)]
    unknown = [new_email() for _ in range(15)]
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    answers = set()
    for pair in zip(known, unknown, strict=True):
        for kind, email in zip(times, pair, strict=True):
            began = time.perf_counter()
            answer = await api.mutate("requestPasswordReset", identifier=email)
            times[kind].append(time.perf_counter() - began)
            answers.add(str(answer.body))

    assert len(answers) == 1
    assert len([each for each in links if each.startswith("lp_")]) == 15
    medians = {kind: statistics.median(found) for kind, found in times.items()}
    assert 0.4 < medians["known"] / medians["unknown"] < 2.5, medians


async def test_links_are_sent_three_times_in_a_quarter_of_an_hour(api: Api, person: Person) -> None:
    for email in ((await person()).email, new_email()):
        answers = [await api.mutate("requestPasswordReset", identifier=email) for _ in range(4)]
        assert [answer.codes for answer in answers] == [[], [], [], ["RATE_LIMITED"]]


async def test_a_link_by_sms_verifies_the_phone(
    api: Api, make: Factory, links: list[str], owner: asyncpg.Pool[Any], account: Any
) -> None:
    user = await make(User, phone=new_phone(), email=None)
    await api.mutate("requestPasswordReset", identifier=user.phone)

    answer = await api.mutate("resetPassword", token=last(links, "lp_"), new=NEW)

    assert answer.refusals("resetPassword") == []
    assert (await account(user).row())["phone_verified_at"] is not None
    assert ("password_reset", user.phone) in await account(user).messages()
