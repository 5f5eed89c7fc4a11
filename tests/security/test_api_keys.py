"""API keys: shown once, refused when they are not what was made, and within a second of what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest

from lango.security import api_keys
from models.identity import User
from models.packs import Pack
from models.pots import Pot
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory
from tests.security.keys import MAKE, by, make_key, with_key

ME = "{ viewer { id } }"


@pytest.fixture
async def owner_of_keys(make: Factory) -> SimpleNamespace:
    return await make(User)


@pytest.fixture
async def elsewhere(api: Api) -> AsyncIterator[Api]:
    """Another process, which nobody has called yet."""
    async with Api.alone(api.settings) as other:
        yield other


async def test_a_key_is_shown_once_and_kept_as_a_hash(
    api: Api, owner: asyncpg.Pool[Any], owner_of_keys: SimpleNamespace
) -> None:
    key = await make_key(api, owner_of_keys, "read:Pot", "mutate:createPot", rateLimit=7)

    assert key.text.startswith(key.keyPrefix)
    assert key.text.startswith("lk_live_")
    assert (key.permissions, key.rateLimit) == (["mutate:createPot", "read:Pot"], 7)
    row = await owner.fetchrow("SELECT * FROM security.api_keys WHERE id = $1::text::uuid", key.id)
    recognised = api_keys.recognised(key.text, "live")
    assert recognised is not None
    assert row["key_hash"] == recognised.digest
    assert key.text not in str(dict(row))
    events = await owner.fetch("SELECT event_type FROM security.security_events WHERE user_id = $1", owner_of_keys.id)
    assert [each["event_type"] for each in events] == ["api_key_created"]


async def test_its_owner_has_word_of_a_new_key(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    proved = await make(User, phone="+221770000417", phone_verified_at=datetime.now(UTC))

    await api.mutate("createApiKey", proved, name="Till", permissions=["read:*"])

    sent = await owner.fetch("SELECT template, message FROM security.sms_delivery_log WHERE user_id = $1", proved.id)
    assert [each["template"] for each in sent] == ["api_key_created"]
    assert "Till" in sent[0]["message"]


async def test_a_key_calls_in_its_owners_name(api: Api, make: Factory, owner_of_keys: SimpleNamespace) -> None:
    pot = await make(Pot, owner_user_id=owner_of_keys.id, visibility="private", title="Mine")
    await make(Pot, visibility="private", title="Another's")
    key = await make_key(api, owner_of_keys, "read:Pot")

    shown = await with_key(api, key, "{ pots { nodes { rowId title } } }")

    mine = [each for each in shown["pots"]["nodes"] if each["title"] in ("Mine", "Another's")]
    assert mine == [{"rowId": str(pot.id), "title": "Mine"}]


async def test_making_a_key_wants_a_recent_proof(api: Api, changes: Changes, owner_of_keys: SimpleNamespace) -> None:
    from lango.security.authentication import mint

    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    token = mint(api.settings, owner_of_keys.id, authenticated_at=long_ago)
    before = await changes.mark()

    refused = await api(
        MAKE,
        {"input": {"name": "Till", "permissions": ["read:*"]}},
        headers={"Authorization": f"Bearer {token}"},
    )

    assert refused.refusals("createApiKey") == ["REAUTHENTICATION_REQUIRED"]
    assert await changes.since(before) == []


@pytest.mark.parametrize(
    ("input", "code", "field"),
    [
        ({"permissions": []}, "PERMISSION_MISSING", ["permissions"]),
        ({"permissions": ["read:Nothing"]}, "PERMISSION_UNKNOWN", ["permissions"]),
        ({"permissions": ["pots:read"]}, "PERMISSION_UNKNOWN", ["permissions"]),
        ({"permissions": ["mutate:createApiKey"]}, "PERMISSION_UNKNOWN", ["permissions"]),
        ({"permissions": ["read:PotConnection"]}, "PERMISSION_UNKNOWN", ["permissions"]),
        ({"name": "  "}, "TEXT_MISSING", ["name"]),
        ({"rateLimit": 0}, "RATE_NOT_VALID", ["rateLimit"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "EXPIRY_NOT_VALID", ["expiresAt"]),
        ({"ipWhitelist": ["192.0.2.1", "192.0.2.300"]}, "ADDRESS_NOT_VALID", ["ipWhitelist", "1"]),
        ({"ipWhitelist": ["192.0.2.1/24"]}, "ADDRESS_NOT_VALID", ["ipWhitelist", "0"]),
        ({"ipWhitelist": ["example.org"]}, "ADDRESS_NOT_VALID", ["ipWhitelist", "0"]),
        ({"permissions": ["read:Pot"] * 201}, "TOO_MANY", ["permissions"]),
    ],
)
async def test_what_is_not_right_makes_no_key(
    api: Api, changes: Changes, owner_of_keys: SimpleNamespace, input: dict[str, Any], code: str, field: list[str]
) -> None:
    before = await changes.mark()

    answer = await api(MAKE, {"input": {"name": "Till", "permissions": ["read:*"]} | input}, as_=owner_of_keys)

    (error,) = answer["createApiKey"]["userErrors"]
    assert (error["code"], error["field"]) == (code, field)
    assert await changes.since(before) == []


async def test_a_user_has_at_most_fifty_live_keys(
    api: Api, owner: asyncpg.Pool[Any], owner_of_keys: SimpleNamespace
) -> None:
    await owner.execute(
        "INSERT INTO security.api_keys (user_id, name, key_hash, key_prefix)"
        " SELECT $1, 'k', 'of ' || n || gen_random_uuid(), 'lk_' FROM generate_series(1, 50) n", owner_of_keys.id
    )  # fmt: skip

    answer = await api(MAKE, {"input": {"name": "Till", "permissions": ["read:*"]}}, as_=owner_of_keys)

    assert answer.refusals("createApiKey") == ["TOO_MANY"]


def changed(text: str, at: int) -> str:
    return text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]


async def test_made_up_keys_are_refused_without_a_query(api: Api, owner_of_keys: SimpleNamespace) -> None:
    key = await make_key(api, owner_of_keys)
    others = [
        changed(key.text, 20), changed(key.text, -1), changed(key.text, 40), key.text[:-1], key.text + "0",
        key.text.replace("lk_live_", "lk_test_"), api_keys.made("test").text, "lk_", "lk_live_" + "0" * 61,
    ]  # fmt: skip

    async with api.sending() as batches:
        answers = [await with_key(api, other, ME) for other in others]

    assert {answer.response.status_code for answer in answers} == {401}
    assert {code for answer in answers for code in answer.codes} == {"UNAUTHENTICATED"}
    assert batches == []


async def test_well_formed_keys_that_do_not_exist_are_counted_by_address(
    api: Api, owner_of_keys: SimpleNamespace
) -> None:
    key = await make_key(api, owner_of_keys)
    async with Api.alone(api.settings) as attacked:
        assert (await with_key(attacked, key, ME)).response.status_code == 200

        statuses = [(await with_key(attacked, api_keys.made("live").text, ME)).response.status_code for _ in range(22)]

        assert statuses == [401] * 20 + [429] * 2
        # The owner, at the same address, is not locked out, nor is anybody at another.
        assert (await with_key(attacked, key, ME)).response.status_code == 200


async def end_by(api: Api, owner: asyncpg.Pool[Any], key: SimpleNamespace, user: SimpleNamespace, how: str) -> None:
    match how:
        case "revoked":
            answer = await api.mutate("revokeApiKey", user, apiKeyId=key.id)
            assert answer.refusals("revokeApiKey") == []
        case "rotated":
            answer = await api.mutate("rotateApiKey", user, apiKeyId=key.id)
            assert answer.refusals("rotateApiKey") == []
        case "disabled":
            await owner.execute("UPDATE security.api_keys SET enabled = false WHERE id = $1::text::uuid", key.id)
        case "deleted":
            await owner.execute("UPDATE security.api_keys SET deleted_at = now() WHERE id = $1::text::uuid", key.id)
        case "suspended":
            await owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", user.id)


@pytest.mark.parametrize("how", ["revoked", "rotated", "disabled", "deleted", "suspended"])
async def test_what_ends_a_key_ends_it_within_a_second_everywhere(
    api: Api, elsewhere: Api, owner: asyncpg.Pool[Any], owner_of_keys: SimpleNamespace, how: str
) -> None:
    key = await make_key(api, owner_of_keys)
    for process in (api, elsewhere):
        assert (await with_key(process, key, ME)).response.status_code == 200

    await end_by(api, owner, key, owner_of_keys, how)
    await asyncio.sleep(1.0)

    for process in (api, elsewhere):
        refused = await with_key(process, key, ME)
        assert (refused.response.status_code, refused.codes) == (401, ["UNAUTHENTICATED"])


async def test_a_key_expires_to_the_moment(api: Api, owner_of_keys: SimpleNamespace) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=1.2)
    key = await make_key(api, owner_of_keys, expiresAt=ends.isoformat())
    assert (await with_key(api, key, ME)).response.status_code == 200

    await asyncio.sleep((ends - datetime.now(UTC)).total_seconds())

    assert (await with_key(api, key, ME)).response.status_code == 401


async def test_rotation_lets_the_old_key_serve_for_a_while(
    api: Api, owner: asyncpg.Pool[Any], owner_of_keys: SimpleNamespace
) -> None:
    old = await make_key(api, owner_of_keys, "read:User", rateLimit=9, ipWhitelist=["127.0.0.0/8"])

    show = "key apiKey { rowId permissions rateLimit ipWhitelist }"
    rotated = await api.mutate("rotateApiKey", owner_of_keys, apiKeyId=old.id, overlapSeconds=2, show=show)
    new = rotated["rotateApiKey"]

    assert new["apiKey"] | {"rowId": ""} == {
        "rowId": "", "permissions": ["read:User"], "rateLimit": 9, "ipWhitelist": ["127.0.0.0/8"]
    }  # fmt: skip
    for text in (old.text, new["key"]):
        assert (await with_key(api, text, ME)).response.status_code == 200
    await asyncio.sleep(2.1)
    assert (await with_key(api, old, ME)).response.status_code == 401
    assert (await with_key(api, new["key"], ME)).response.status_code == 200
    again = await api.mutate("rotateApiKey", owner_of_keys, apiKeyId=old.id)
    assert again.refusals("rotateApiKey") == ["KEY_NOT_LIVE"]


async def test_a_rotation_never_lengthens_a_keys_life(api: Api, owner_of_keys: SimpleNamespace) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=60)
    old = await make_key(api, owner_of_keys, expiresAt=ends.isoformat())

    await api.mutate("rotateApiKey", owner_of_keys, apiKeyId=old.id, overlapSeconds=86_400)

    shown = await api("query ($id: ID!) { apiKey(id: $id) { expiresAt } }", {"id": old.id}, as_=owner_of_keys)
    assert datetime.fromisoformat(shown["apiKey"]["expiresAt"]) == ends


async def test_nobody_revokes_or_rotates_anothers_key(
    api: Api, make: Factory, changes: Changes, owner_of_keys: SimpleNamespace
) -> None:
    key = await make_key(api, owner_of_keys)
    stranger = await make(User)
    before = await changes.mark()

    for mutation in ("revokeApiKey", "rotateApiKey"):
        answer = await api.mutate(mutation, stranger, apiKeyId=key.id)
        assert answer.refusals(mutation) == ["NOT_FOUND"]

    assert await changes.since(before) == []


async def test_staff_revoke_anybodys_key(
    api: Api, make: Factory, owner_of_keys: SimpleNamespace, staff: SimpleNamespace
) -> None:
    key = await make_key(api, owner_of_keys)

    answer = await api.mutate("revokeApiKey", staff, ("admin",), apiKeyId=key.id, reason="Leaked")

    assert answer.refusals("revokeApiKey") == []


async def test_a_removed_role_is_gone_within_a_second(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    staff = await make.staff()
    other = await make(User)
    key = await make_key(api, staff, "read:User")
    query = "query ($id: ID!) { user(id: $id) { rowId } }"
    assert (await with_key(api, key, query, id=str(other.id)))["user"] == {"rowId": str(other.id)}

    await owner.execute("UPDATE identity.users SET roles = '{user}' WHERE id = $1", staff.id)
    await asyncio.sleep(1.0)

    assert (await with_key(api, key, query, id=str(other.id)))["user"] is None


@pytest.mark.parametrize(
    ("listed", "address", "allowed"),
    [
        ([], "198.51.100.7", True),
        (["198.51.100.7"], "198.51.100.7", True),
        (["198.51.100.0/24"], "198.51.100.7", True),
        (["198.51.100.0/24"], "198.51.101.7", False),
        (["198.51.100.0/24"], "::ffff:198.51.100.7", True),
        (["::ffff:198.51.100.0/120"], "198.51.100.7", True),
        (["2001:db8::/32"], "2001:db8:1::5", True),
        (["2001:db8::/32"], "2001:db9::5", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["198.51.100.7", "2001:db8::1"], "2001:db8::1", True),
    ],
)
async def test_a_key_is_used_from_its_addresses(
    api: Api, make: Factory, listed: list[str], address: str, allowed: bool
) -> None:
    settings = api.settings.model_copy(update={"trusted_proxies": "127.0.0.1"})
    key = await make_key(api, await make(User), ipWhitelist=listed)
    async with Api.over(api.pipeline, settings) as behind:
        answer = await behind(ME, headers=by(key) | {"X-Forwarded-For": address})

    # Never 401, for which a client would throw a good key away.
    assert answer.response.status_code == (200 if allowed else 403)
    assert answer.codes == ([] if allowed else ["FORBIDDEN"])


async def test_a_row_with_a_bad_address_lets_nobody_in(
    api: Api, owner: asyncpg.Pool[Any], owner_of_keys: SimpleNamespace
) -> None:
    key = await make_key(api, owner_of_keys)
    await owner.execute(
        """UPDATE security.api_keys SET ip_whitelist = '["here", 5]' WHERE id = $1::text::uuid""", key.id
    )

    assert (await with_key(api, key, ME)).response.status_code == 403


PERSONAL = [
    'mutation { createApiKey(input: {name: "x", permissions: ["read:*"]}) { key } }',
    'mutation { rotateApiKey(input: {apiKeyId: "%s"}) { key } }',
    'mutation { revokeApiKey(input: {apiKeyId: "%s"}) { apiKey { id } } }',
]


@pytest.mark.parametrize("mutation", PERSONAL)
async def test_a_key_does_nothing_to_keys(
    api: Api, ordinary: Api, changes: Changes, owner_of_keys: SimpleNamespace, mutation: str
) -> None:
    key = await make_key(api, owner_of_keys, "mutate:*", "read:*")
    before = await changes.mark()
    document = mutation.replace("%s", key.id)

    for process in (api, ordinary):
        answer = await with_key(process, key, document)
        assert (answer.response.status_code, answer.codes) == (403, ["FORBIDDEN"])

    assert await changes.since(before) == []


async def test_keys_have_idempotency_keys_of_their_own(api: Api, make: Factory, owner_of_keys: SimpleNamespace) -> None:
    one, other = [await make_key(api, owner_of_keys, "mutate:createPot") for _ in range(2)]
    mutation = (
        """mutation ($input: CreatePotInput!) { createPot(input: $input) { pot { rowId } userErrors { code } } }"""
    )
    given = {
        "title": "Awa", "birthday": str(datetime.now(UTC).date() + timedelta(days=90)), "targetAmountCfa": 100_000,
        "idempotencyKey": "once",
    }  # fmt: skip

    made = [(await with_key(api, key, mutation, input=given))["createPot"] for key in (one, one, other)]

    assert [each["userErrors"] for each in made] == [[], [], []]
    assert made[0] == made[1]
    assert made[0] != made[2]


async def test_two_authorization_headers_are_refused(api: Api, owner_of_keys: SimpleNamespace) -> None:
    key = await make_key(api, owner_of_keys)
    headers = httpx.Headers([("authorization", f"Bearer {key.text}"), ("authorization", f"Bearer {key.text}")])

    answer = await api.client.post("/graphql", json={"query": ME}, headers=headers)

    assert answer.status_code in (400, 401)


async def test_many_calls_of_a_key_look_it_up_once(api: Api, owner_of_keys: SimpleNamespace, make: Factory) -> None:
    key = await make_key(api, owner_of_keys, "read:Pack")
    await make(Pack)

    async with api.counting() as statements:
        await asyncio.gather(*(with_key(api, key, "{ packs { nodes { rowId } } }") for _ in range(10)))

    assert sum("lango.api_keys" in each for each in statements) == 1
