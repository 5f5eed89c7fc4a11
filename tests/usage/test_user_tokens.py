"""Developers' tokens for other services: kept encrypted, shown as their last four."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from lango.rules.services import Services
from models.identity import User
from models.usage import UserToken
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory

TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
SHOW = "userToken { rowId provider lastFour isValid }"


async def test_a_token_is_kept_encrypted(api: Api, make: Factory, owner: asyncpg.Pool[Any], services: Services) -> None:
    developer = await make(User)

    stored = await api.mutate("storeUserToken", developer, provider="GITHUB", token=f" {TOKEN}\n", show=SHOW)

    shown = stored["storeUserToken"]["userToken"]
    assert shown | {"rowId": ""} == {"rowId": "", "provider": "GITHUB", "lastFour": "8B4a"[-4:], "isValid": True}
    row = await owner.fetchrow("SELECT * FROM usage.user_tokens WHERE user_id = $1", developer.id)
    assert TOKEN not in str(dict(row))
    assert services.keyring.open(row["token_encrypted"], UserToken.token_encrypted, row["id"]) == TOKEN
    logged = await owner.fetch("SELECT new_values::text FROM admin.audit_logs WHERE resource_id = $1", row["id"])
    assert all(row["token_encrypted"] not in (each["new_values"] or "") for each in logged)


async def test_another_token_for_the_same_service_takes_its_place(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    developer = await make(User)

    for token in (TOKEN, TOKEN[::-1]):
        await api.mutate("storeUserToken", developer, provider="OPENAI", token=token)

    rows = await owner.fetch("SELECT last_four FROM usage.user_tokens WHERE user_id = $1", developer.id)
    assert [row["last_four"] for row in rows] == [TOKEN[::-1][-4:]]


@pytest.mark.parametrize("token", ["", "short", "has a blank in it", "has\x07a bell", "x" * 4001])
async def test_what_is_no_token_is_not_stored(api: Api, make: Factory, changes: Changes, token: str) -> None:
    developer = await make(User)
    before = await changes.mark()

    answer = await api.mutate("storeUserToken", developer, provider="GEMINI", token=token)

    assert (
        answer.codes == ["BAD_USER_INPUT"]
        if answer.errors
        else answer.refusals("storeUserToken") == ["TOKEN_NOT_VALID"]
    )
    assert await changes.since(before) == []


async def test_of_a_short_token_no_part_is_shown(api: Api, make: Factory) -> None:
    stored = await api.mutate("storeUserToken", await make(User), provider="GEMINI", token="12345678", show=SHOW)

    assert stored["storeUserToken"]["userToken"]["lastFour"] is None


async def test_a_token_is_deleted_by_its_owner_alone(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    developer, stranger, staff = await make(User), await make(User), await make.staff()
    stored = await api.mutate("storeUserToken", developer, provider="ANTHROPIC", token=TOKEN, show=SHOW)
    key = stored["storeUserToken"]["userToken"]["rowId"]

    for other, roles in ((stranger, ()), (staff, ("admin",))):
        answer = await api.mutate("deleteUserToken", other, roles, userTokenId=key)
        assert answer.refusals("deleteUserToken") == ["NOT_FOUND"]
    deleted = await api.mutate("deleteUserToken", developer, userTokenId=key)

    assert deleted["deleteUserToken"]["provider"] == "ANTHROPIC"
    assert await owner.fetchval("SELECT count(*) FROM usage.user_tokens WHERE user_id = $1", developer.id) == 0
