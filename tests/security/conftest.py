"""People who are signed in, and the links that were sent to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from lango.security import opaque_tokens
from lango.security.encryption import Keyring
from tests.client import Answer, Api
from tests.identity.conftest import (  # noqa: F401
    Person,
    no_limit_is_used_up,
    person,
    second_factor,
    sent,
    sign_in,
    stored_password,
    viewer,
)


class Session:
    """Somebody who is signed in, on one device."""

    def __init__(self, api: Api, user: SimpleNamespace, signed_in: dict[str, Any]) -> None:
        self.api = api
        self.user = user
        self.access_token = signed_in["accessToken"]
        self.refresh_token = signed_in["refreshToken"]
        self.id = UUID(signed_in["session"]["rowId"])

    async def call(self, mutation: str, **input: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.access_token}"}
        return await self.api.mutate(mutation, headers=headers, **input)

    async def refused(self, mutation: str, **input: Any) -> list[str]:
        return (await self.call(mutation, **input)).refusals(mutation)

    async def is_refused_within_a_second(self) -> bool:
        """Whether the access token opens nothing any more, as soon as one that was just looked at may."""
        ends = time.monotonic() + 1.2
        while (await viewer(self.api, self.access_token)).codes != ["UNAUTHENTICATED"]:
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.05)
        return True


SignIn = Callable[..., Awaitable[Session]]


@pytest.fixture
def signed_in(api: Api) -> SignIn:
    """Signs somebody in by their password, and by the authenticator app whose code is given."""

    async def begin(user: SimpleNamespace, code: str | None = None, **input: Any) -> Session:
        answer = (await sign_in(api, user, **input))["signInWithPassword"]
        if answer["challengeId"] is not None:
            found = await api.mutate("verifyTwoFactor", challengeId=answer["challengeId"], code=code)
            answer = found["verifyTwoFactor"]
        return Session(api, user, answer)

    return begin


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that are made meanwhile, in their order: they are stored nowhere in clear."""
    tokens: list[str] = []
    made = opaque_tokens.made

    def noting(keyring: Keyring, prefix: str) -> str:
        tokens.append(made(keyring, prefix))
        return tokens[-1]

    monkeypatch.setattr(opaque_tokens, "made", noting)
    return tokens


def last(links: list[str], prefix: str) -> str:
    """The last link of that kind."""
    return [each for each in links if each.startswith(prefix)][-1]


class Account:
    """What is stored of somebody's account."""

    def __init__(self, owner: asyncpg.Pool[Any], user_id: UUID) -> None:
        self.owner = owner
        self.user_id = user_id

    async def row(self) -> Any:
        return await self.owner.fetchrow("SELECT * FROM identity.users WHERE id = $1", self.user_id)

    async def live_sessions(self) -> list[UUID]:
        found = await self.owner.fetch(
            "SELECT id FROM identity.user_sessions WHERE user_id = $1 AND NOT is_revoked ORDER BY created_at",
            self.user_id,
        )
        return [each["id"] for each in found]

    async def live_tokens(self) -> int:
        return int(
            await self.owner.fetchval(
                "SELECT count(*) FROM security.refresh_tokens WHERE user_id = $1 AND revoked_at IS NULL", self.user_id
            )
        )

    async def levels(self) -> list[int]:
        found = await self.owner.fetch(
            "SELECT assurance_level FROM identity.user_sessions WHERE user_id = $1 AND NOT is_revoked", self.user_id
        )
        return [each["assurance_level"] for each in found]

    async def events(self) -> list[str]:
        found = await self.owner.fetch(
            "SELECT event_type FROM security.security_events WHERE user_id = $1 ORDER BY created_at, id", self.user_id
        )
        return [each["event_type"] for each in found if each["event_type"] != "new_device"]

    async def messages(self) -> list[tuple[str, str]]:
        """What was sent, and where to, but for notices of a new device."""
        found = await self.owner.fetch(
            "SELECT template, to_email AS to, created_at FROM security.email_delivery_log WHERE user_id = $1"
            " UNION ALL SELECT template, to_phone, created_at FROM security.sms_delivery_log WHERE user_id = $1"
            " ORDER BY created_at, template",
            self.user_id,
        )
        return [(each["template"], each["to"]) for each in found if each["template"] != "new_sign_in"]

    async def pass_time(self, minutes: int = 6) -> None:
        """Let the last proof be so long ago."""
        await self.owner.execute(
            "UPDATE identity.user_sessions SET authenticated_at = authenticated_at - make_interval(mins => $2)"
            " WHERE user_id = $1",
            self.user_id, minutes,
        )  # fmt: skip


@pytest.fixture
def account(owner: asyncpg.Pool[Any]) -> Callable[[SimpleNamespace], Account]:
    return lambda user: Account(owner, user.id)
