"""Proving once more, within a session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import jwt
import pytest

from lango.actor import Actor
from lango.rules.services import Services
from lango.security.authentication import mint
from lango.settings import Settings
from resolvers.identity import sessions
from resolvers.identity.sessions import ReauthenticationRequired
from tests.client import Answer, Api
from tests.factories import now
from tests.identity.conftest import (
    PASSWORD,
    Person,
    bearing,
    new_phone,
    refused,
    request_code,
    right,
    sign_in,
    viewer,
    wrong,
)

Enable = Callable[..., Awaitable[SimpleNamespace]]


class Session:
    """A session whose last proof was an hour ago."""

    def __init__(self, api: Api, user: SimpleNamespace, signed_in: dict[str, Any]) -> None:
        self.api, self.user, self.signed_in = api, user, signed_in
        self.id = UUID(signed_in["session"]["rowId"])

    async def prove(self, **proof: Any) -> Answer:
        bearer = bearing(self.signed_in["accessToken"])
        return await self.api.mutate("reauthenticate", headers=bearer, **proof)

    async def request(self, **input: Any) -> str:
        bearer = bearing(self.signed_in["accessToken"])
        answer = await self.api.mutate("requestReauthenticationCode", headers=bearer, **input)
        return str(answer["requestReauthenticationCode"]["challengeId"])


@pytest.fixture
def session(api: Api, person: Person, owner: asyncpg.Pool[Any]) -> Callable[..., Awaitable[Session]]:
    async def make(**given: Any) -> Session:
        user = await person(**given)
        made = Session(api, user, (await sign_in(api, user))["signInWithPassword"])
        await owner.execute(
            "UPDATE identity.user_sessions SET authenticated_at = now() - interval '1 hour' WHERE id = $1", made.id
        )
        return made

    return make


MakeSession = Callable[..., Awaitable[Session]]


async def is_recent(services: Services, session: Session, **claimed: Any) -> bool:
    actor = Actor(session.user.id, session_id=session.id, **claimed)
    try:
        async with services.work(actor) as tx:
            await sessions.demand_recent(tx)
    except ReauthenticationRequired:
        return False
    return True


async def test_the_password_proves_it(session: MakeSession, services: Services, api: Api) -> None:
    here = await session()
    assert not await is_recent(services, here)

    answer = (await here.prove(password=PASSWORD))["reauthenticate"]

    assert await is_recent(services, here)
    claims = jwt.decode(answer["accessToken"], options={"verify_signature": False})
    assert (claims["sid"], claims["amr"], claims["aal"]) == (str(here.id), ["pwd"], 1)
    assert abs(claims["auth_time"] - now().timestamp()) < 5
    assert (await viewer(api, answer["accessToken"]))["viewer"] == {"rowId": str(here.user.id)}


async def test_the_row_has_the_last_word(session: MakeSession, services: Services) -> None:
    """A token may be older than what has happened since, and says so itself."""
    here = await session()

    assert not await is_recent(services, here, authenticated_at=now(), assurance_level=2)


async def test_a_token_of_no_session_that_is_kept_speaks_for_itself(
    person: Person, services: Services, second_factor: Enable
) -> None:
    user = await person()
    elsewhere = SimpleNamespace(user=user, id=UUID(int=1))

    assert await is_recent(services, elsewhere, authenticated_at=now())  # type: ignore[arg-type]
    assert not await is_recent(services, elsewhere, authenticated_at=now() - timedelta(minutes=6))  # type: ignore[arg-type]
    assert not await is_recent(services, elsewhere)  # type: ignore[arg-type]
    await second_factor(user)
    assert not await is_recent(services, elsewhere, authenticated_at=now())  # type: ignore[arg-type]
    assert await is_recent(services, elsewhere, authenticated_at=now(), assurance_level=2)  # type: ignore[arg-type]


async def test_a_wrong_password_proves_nothing(
    session: MakeSession, services: Services, owner: asyncpg.Pool[Any]
) -> None:
    here = await session()

    answer = await here.prove(password="ce n'est pas lui")

    assert answer.refusals("reauthenticate") == ["CREDENTIALS_INVALID"]
    assert not await is_recent(services, here)
    # Whoever has stolen a session does not lock its owner out by it.
    assert await owner.fetchval("SELECT login_attempts FROM identity.users WHERE id = $1", here.user.id) == 0


async def test_passwords_are_not_tried_for_ever(session: MakeSession) -> None:
    here = await session()

    answers = await asyncio.gather(*(here.prove(password=f"essai {number}") for number in range(15)))

    assert sum(answer.codes == ["RATE_LIMITED"] for answer in answers if answer.errors) == 5


async def test_a_code_that_was_sent_proves_it(
    session: MakeSession, services: Services, sent: list[str], owner: asyncpg.Pool[Any]
) -> None:
    here = await session(phone=new_phone(), phone_verified_at=now())
    challenge = await here.request()
    by_sms = await here.request(channel="SMS")
    to = await owner.fetch(
        "SELECT id, identifier FROM identity.one_time_codes WHERE user_id = $1 AND purpose = 'reauthentication'",
        here.user.id,
    )
    assert {str(row["id"]): row["identifier"] for row in to} == {challenge: here.user.email, by_sms: here.user.phone}

    answer = (await here.prove(challengeId=challenge, code=sent[0]))["reauthenticate"]

    assert answer["session"]["methods"] == ["pwd", "otp"]
    assert await is_recent(services, here)
    assert (await here.prove(challengeId=challenge, code=sent[0])).refusals("reauthenticate") == ["CHALLENGE_EXPIRED"]


async def test_a_code_is_good_in_the_session_that_requested_it(
    session: MakeSession, api: Api, sent: list[str], services: Services
) -> None:
    here = await session()
    elsewhere = Session(api, here.user, (await sign_in(api, here.user))["signInWithPassword"])
    stranger = await session()
    challenge = await here.request()

    answers = [await each.prove(challengeId=challenge, code=sent[-1]) for each in (elsewhere, stranger)]
    signing_in = await api.mutate("signInWithOtp", challengeId=challenge, code=sent[-1])
    other = await request_code(api, here.user.email)
    by_other = await here.prove(challengeId=other, code=sent[-1])

    assert refused([*answers, by_other], "reauthenticate") == ["CHALLENGE_EXPIRED"] * 3
    assert signing_in.refusals("signInWithOtp") == ["CHALLENGE_EXPIRED"]
    assert (await here.prove(challengeId=challenge, code=sent[0]))["reauthenticate"]["accessToken"] is not None


async def test_with_a_second_factor_that_is_wanted(
    session: MakeSession, services: Services, second_factor: Enable
) -> None:
    here = await session()
    factor = await second_factor(here.user)
    # The session is older than the second factor, and proves one thing alone.
    assert not await is_recent(services, here)

    alone = await here.prove(password=PASSWORD)
    assert alone.refusals("reauthenticate") == ["TWO_FACTOR_REQUIRED"]
    assert not await is_recent(services, here)

    both = (await here.prove(password=PASSWORD, code=right(factor)))["reauthenticate"]
    assert (both["session"]["assuranceLevel"], both["session"]["methods"]) == (2, ["pwd", "totp"])
    assert await is_recent(services, here)


async def test_wrong_codes_count_for_the_account(
    session: MakeSession, second_factor: Enable, owner: asyncpg.Pool[Any]
) -> None:
    here = await session()
    factor = await second_factor(here.user)

    answers = [await here.prove(code=wrong(factor)) for _ in range(10)]
    await owner.execute("DELETE FROM security.rate_limits")
    answers += [await here.prove(code=wrong(factor)) for _ in range(10)]
    await owner.execute("DELETE FROM security.rate_limits")
    late = await here.prove(code=right(factor))

    assert refused(answers, "reauthenticate") == ["TWO_FACTOR_INVALID"] * 20
    assert late.refusals("reauthenticate") == ["TWO_FACTOR_LOCKED"]


async def test_a_backup_code_stands_in(session: MakeSession, second_factor: Enable, services: Services) -> None:
    here = await session()
    factor = await second_factor(here.user)

    assert (await here.prove(backupCode=factor.codes[3])).refusals("reauthenticate") == []
    assert (await here.prove(backupCode=factor.codes[3])).refusals("reauthenticate") == ["TWO_FACTOR_INVALID"]
    assert await is_recent(services, here)


async def test_without_a_second_factor_there_is_no_such_code(session: MakeSession, services: Services) -> None:
    here = await session()

    assert (await here.prove(code="123456")).refusals("reauthenticate") == ["TWO_FACTOR_INVALID"]
    assert (await here.prove()).refusals("reauthenticate") == ["PROOF_MISSING"]
    assert not await is_recent(services, here)


async def test_a_token_of_no_session_proves_nothing_here(api: Api, person: Person, settings: Settings) -> None:
    user = await person()

    answer = await api.mutate("reauthenticate", headers=bearing(mint(settings, user.id)), password=PASSWORD)

    assert answer.refusals("reauthenticate") == ["NO_SESSION"]


async def test_without_a_verified_contact_nothing_is_sent(session: MakeSession, sent: list[str], api: Api) -> None:
    here = await session(email_verified_at=None)

    answer = await api.mutate("requestReauthenticationCode", headers=bearing(here.signed_in["accessToken"]))

    assert answer.refusals("requestReauthenticationCode") == ["NO_CONTACT"]
    assert sent == []
