"""With a real server: a till's key redeems and does nothing else, and what was called is written down at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from lango.settings import Settings
from models.identity import User
from tests.client import Api
from tests.factories import Factory
from tests.http.test_server import free_port
from tests.keys import KEYS
from tests.security.keys import by, make_key

ROOT = Path(__file__).parents[2]
TILL = """mutation ($code: String!) { redeemQrCode(input: {code: $code}) {
    qrCode { status } userErrors { code } } }"""
START_SECONDS = 120


@pytest.fixture
async def server(settings: Settings, tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    """`lango serve` with two workers over this worker's database."""
    port = free_port()
    assert settings.database_url is not None
    assert settings.token_keys is not None
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "LANGO_TOKEN_KEYS": settings.token_keys.get_secret_value(),
        "LANGO_ENCRYPTION_KEYS": KEYS,
        "LANGO_DATA_DIR": str(tmp_path),
        "LANGO_SHUTDOWN_DELAY": "0",
        "LANGO_POOL_SIZE": "5",
        "PYTHONPATH": str(ROOT),
    }
    process = started(port, environment, tmp_path)
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)
    try:
        await ready(client, process)
        yield SimpleNamespace(client=client, process=process)
    finally:
        await client.aclose()
        process.kill()
        await asyncio.to_thread(process.wait, 10)


def started(port: int, environment: dict[str, str], directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "lango", "serve", "--port", str(port), "--workers", "2"]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(command, env=environment, cwd=directory, stdout=log, stderr=log)


async def ready(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.2)
    raise AssertionError("the server did not come up")


async def test_a_tills_key_redeems_and_all_calls_are_written_down_at_the_end(
    server: SimpleNamespace, api: Api, make: Factory, owner: Any
) -> None:
    till, reader = await make.code_at_the_till(), await make(User)
    till_key = await make_key(api, till.cashier, "mutate:redeemQrCode", rateLimit=10_000)
    other = await make_key(api, reader, "read:Pack", rateLimit=10_000)

    async def call(key: SimpleNamespace, query: str, **variables: Any) -> httpx.Response:
        return await server.client.post("/graphql", json={"query": query, "variables": variables}, headers=by(key))

    redeemed = (await call(till_key, TILL, code=till.code.code)).json()["data"]["redeemQrCode"]
    assert redeemed == {"qrCode": {"status": "REDEEMED"}, "userErrors": []}
    for document in (
        "{ viewer { id } }",
        "{ packs { nodes { id } } }",
        'mutation { createApiKey(input: {name: "x", permissions: ["read:*"]}) { key } }',
        'mutation { updatePack(input: {packId: "x"}) { pack { id } } }',
        TILL.replace("status", "pot { title }"),
    ):
        refused = await call(till_key, document, code="x")
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")

    answers = await asyncio.gather(*(call(other, "{ packs(first: 1) { nodes { rowId } } }") for _ in range(50)))
    server.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(server.process.wait, 60)

    assert [answer.status_code for answer in answers] == [200] * 50
    count = "SELECT count(*), sum(cost)::int FROM usage.api_usage WHERE api_key_id = $1::text::uuid"
    assert tuple(await owner.fetchrow(count, other.id)) == (50, 50)
    assert tuple(await owner.fetchrow(count, till_key.id)) == (6, 1)
    used = "SELECT calls_this_month FROM usage.user_subscriptions WHERE user_id = $1"
    assert await owner.fetchval(used, reader.id) == 50
