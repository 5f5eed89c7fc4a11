"""API keys for tests: made through the API, and what calls with one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.client import Answer, Api

MAKE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
    key apiKey { rowId keyPrefix permissions rateLimit ipWhitelist enabled expiresAt lastUsedAt }
    userErrors { code field details }
} }"""


async def make_key(api: Api, owner: SimpleNamespace, *permissions: str, **input: Any) -> SimpleNamespace:
    """A key of that user, with its `text`, its `id`, and what the payload shows of it."""
    given = {"name": "Till", "permissions": list(permissions) or ["read:*"], **input}
    made = (await api(MAKE, {"input": given}, as_=owner))["createApiKey"]
    assert made["userErrors"] == []
    return SimpleNamespace(text=made["key"], id=made["apiKey"]["rowId"], **made["apiKey"])


def by(key: SimpleNamespace | str) -> dict[str, str]:
    """The headers of whoever calls with that key."""
    return {"Authorization": f"Bearer {key if isinstance(key, str) else key.text}"}


async def with_key(api: Api, key: SimpleNamespace | str, query: str, **variables: Any) -> Answer:
    return await api(query, variables, headers=by(key))
