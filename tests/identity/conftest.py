"""People who can sign in, and the codes that were sent to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
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
SIGNED_IN = (
    "accessToken accessTokenExpiresAt refreshToken challengeId session { id rowId userId assuranceLevel methods }"
)

Person = Callable[..., Awaitable[SimpleNamespace]]


@pytest.fixture(autouse=True)
async def no_limit_is_used_up(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    """All tests call from one address."""
    await owner.execute("DELETE FROM security.rate_limits")
    yield


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
            TwoFactorAuth, id=key, user_id=user.id, method="totp", enabled=True, secret=sealed, backup_codes=hashes
        )
        return SimpleNamespace(id=row.id, secret=secret, codes=codes)

    return enable


def new_phone() -> str:
    return f"+22177{uuid4().int % 10_000_000:07d}"


def new_email() -> str:
    return f"awa-{uuid4().hex[:10]}@test.example"


async def sign_in(api: Api, user: SimpleNamespace, password: str = PASSWORD, **input: Any) -> Answer:
    return await api.mutate(
        "signInWithPassword", show=SIGNED_IN, identifier=user.email or user.phone, password=password, **input
    )


async def viewer(api: Api, access_token: str) -> Answer:
    """Whom the gateway takes that token for."""
    return await api("{ viewer { rowId } }", headers={"Authorization": f"Bearer {access_token}"})
