"""People who can sign in, and the codes that were sent to them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pyotp
import pytest

from lango.rules.services import Services
from lango.security import passwords
from models.identity import User
from models.security import TwoFactorAuth
from resolvers.identity import one_time_codes
from resolvers.security import backup_codes
from tests.client import Answer, Api
from tests.factories import Factory, now

PASSWORD = "sous le baobab de Thiès"

Person = Callable[..., Awaitable[SimpleNamespace]]


@pytest.fixture(autouse=True)
async def no_limit_is_used_up(owner: asyncpg.Pool[Any]) -> None:
    """All tests call from one address."""
    await owner.execute("DELETE FROM security.rate_limits")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes that are made meanwhile, in their order: they are stored nowhere in clear."""
    made: list[str] = []
    new_code = one_time_codes.new_code

    def noting() -> str:
        made.append(new_code())
        return made[-1]

    monkeypatch.setattr(one_time_codes, "new_code", noting)
    return made


@pytest.fixture(scope="session")
async def stored_password() -> str:
    return await passwords.hashed(PASSWORD)


@pytest.fixture
def person(make: Factory, stored_password: str) -> Person:
    """Makes a user with a verified email and `PASSWORD`."""

    async def make_person(**given: Any) -> SimpleNamespace:
        usual = {"email_verified_at": now(), "password_hash": stored_password}
        return await make(User, **(usual | given))

    return make_person


@pytest.fixture
def second_factor(make: Factory, services: Services) -> Callable[..., Awaitable[SimpleNamespace]]:
    """Gives a user an authenticator app: its `secret`, and ten `codes` for when it is lost."""

    async def enable(user: SimpleNamespace) -> SimpleNamespace:
        secret, key, codes = pyotp.random_base32(), uuid4(), backup_codes.new_codes()
        sealed = services.keyring.seal(secret, TwoFactorAuth.secret, key)
        hashes = backup_codes.hashes_of(services.keyring, codes)
        row = await make(
            TwoFactorAuth,
            id=key,
            user_id=user.id,
            method="totp",
            enabled=True,
            secret=sealed,
            backup_codes=orjson.dumps(hashes).decode(),
        )
        return SimpleNamespace(id=row.id, secret=secret, codes=codes)

    return enable


@pytest.fixture
def inbox(owner: asyncpg.Pool[Any]) -> Callable[[str], Awaitable[list[str]]]:
    """Which messages were written to a phone or an email, the oldest first."""

    async def templates(contact: str) -> list[str]:
        found = await owner.fetch(
            "SELECT template, created_at FROM security.email_delivery_log WHERE to_email = $1 UNION ALL"
            " SELECT template, created_at FROM security.sms_delivery_log WHERE to_phone = $1 ORDER BY created_at",
            contact,
        )
        return [row["template"] for row in found]

    return templates


@pytest.fixture
def events(owner: asyncpg.Pool[Any]) -> Callable[[UUID], Awaitable[list[str]]]:
    """What has happened to the safety of a user's account."""

    async def types(user_id: UUID) -> list[str]:
        found = await owner.fetch(
            "SELECT event_type FROM security.security_events WHERE user_id = $1 ORDER BY created_at", user_id
        )
        return [row["event_type"] for row in found]

    return types


def right(factor: SimpleNamespace, ahead: int = 0) -> str:
    """The app's code now, or so many steps of 30 seconds ahead."""
    return pyotp.TOTP(factor.secret).at(int(time.time()), counter_offset=ahead)


def wrong(factor: SimpleNamespace) -> str:
    """Six digits that are right at no time near."""
    near = {right(factor, step) for step in range(-3, 4)}
    return next(code for code in (f"{number:06d}" for number in range(10)) if code not in near)


def new_phone() -> str:
    return f"+22177{uuid4().int % 10_000_000:07d}"


def new_email() -> str:
    return f"awa-{uuid4().hex[:10]}@test.example"


async def sign_in(api: Api, user: SimpleNamespace, password: str = PASSWORD, **input: Any) -> Answer:
    return await api.mutate("signInWithPassword", identifier=user.email or user.phone, password=password, **input)


async def request_code(api: Api, contact: str, **input: Any) -> str:
    """Have a code sent to sign in with, and give its challenge."""
    answer = await api.mutate("requestOtp", identifier=contact, **input)
    return str(answer["requestOtp"]["challengeId"])


async def refresh(api: Api, token: str) -> Answer:
    return await api.mutate("refreshSession", refreshToken=token)


def refused(answers: Sequence[Answer], field: str) -> list[str]:
    """The codes of those that were refused."""
    return [code for answer in answers for code in answer.refusals(field)]


def bearing(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}


async def viewer(api: Api, access_token: str) -> Answer:
    """Whom the gateway takes that token for."""
    return await api("{ viewer { rowId } }", headers=bearing(access_token))
