"""A provider that is added is a folder and a module with its handlers: everything else finds them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.conftest import KEY
from tests.donations.test_sandbox import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = ("kiosk", "open sesame")
FACTS = """
import orjson
from tests.providers.added import join
join()
from lango.cli.database import sandbox
from lango.providers.registry import PROVIDERS, WARNINGS
from lango.settings import settings
from lango.cli.settings_page import page
print(orjson.dumps({
    "names": [provider.name for provider in PROVIDERS],
    "warnings": [warning.code for warning in WARNINGS],
    "development": sandbox(settings()),
    "page": page(),
}).decode())
"""


def environment(tmp_path: Path, **given: Any) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    return clean | {"LANGO_DATA_DIR": str(tmp_path), "LANGO_TOKEN_KEYS": KEY, **given}


async def output_of(*command: str, env: dict[str, str]) -> str:
    running = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(running.communicate(), 120)
    return output.decode()


async def test_it_is_in_the_registry_the_settings_and_the_warnings(tmp_path: Path) -> None:
    found = orjson.loads(await output_of("-c", FACTS, env=environment(tmp_path)))

    assert found["names"] == [
        "africas_talking", "github", "google", "kiosk", "mpesa", "smtp", "telegram", "twilio", "wave",
    ]  # fmt: skip
    assert found["warnings"] == [
        "KIOSK_CLOSED", "PAYMENT_PROVIDER_UNAVAILABLE", "PAYMENT_PROVIDER_REFUSED", "NOT_YET_FINISHED",
    ]  # fmt: skip
    assert {"LANGO_KIOSK_LIMIT": "100", "LANGO_WAVE": "sandbox"}.items() <= found["development"].items()
    assert "| `LANGO_KIOSK_LIMIT` | `1000` | Francs up to which a kiosk sells on account. |" in found["page"]


async def test_the_doctor_looks_at_it(tmp_path: Path) -> None:
    nowhere = f"postgresql://lango_gateway@/lango?host={tmp_path}"
    env = environment(tmp_path, DATABASE_URL=nowhere, LANGO_KIOSK_LIMITS="1", LANGO_KIOSK_LIMIT="1")

    findings = orjson.loads(await output_of("-m", "tests.providers.added", "doctor", "--json", env=env))

    said = [finding["says"] for finding in findings]
    assert "No kiosk can call." in said
    assert [says for says in said if "is no setting" in says] == ["LANGO_KIOSK_LIMITS is no setting of lango."]


@pytest.fixture
async def served(gateway_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """`lango serve`, with the added provider."""
    port = free_port()
    env = environment(
        tmp_path, DATABASE_URL=gateway_url, LANGO_KIOSK_PASSWORD=PASSWORD[1], LANGO_KIOSK_LIMIT="500",
        LANGO_SHUTDOWN_DELAY="0",
    )  # fmt: skip
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.providers.added", "serve", "--port", str(port), cwd=ROOT, env=env,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client, asyncio.timeout(120):
        while serving.returncode is None:
            with suppress(httpx.TransportError):
                await client.get("/healthz")
                break
            await asyncio.sleep(0.2)
        yield client
    if serving.returncode is None:
        serving.send_signal(signal.SIGTERM)
    assert await serving.wait() == 0


async def test_its_webhook_is_answered_with_what_the_handler_computes(served: httpx.AsyncClient) -> None:
    url = "/webhooks/kiosk/dakar/purchases"

    sold = await served.post(url, data={"francs": "500"}, auth=PASSWORD)
    refused = await served.post(url, data={"francs": "501"}, auth=PASSWORD)
    stranger = await served.post(url, data={"francs": "1"}, auth=("kiosk", "sesame"))
    page = await served.get("/sandbox/kiosk")
    wave = await served.post("/webhooks/wave", json={})
    codes = await served.post("/graphql", json={"query": '{ __type(name: "WarningCode") { enumValues { name } } }'})

    assert (sold.status_code, sold.text, sold.headers["x-kiosk"]) == (200, "sell at dakar as lango_rules", "1")
    assert (refused.status_code, refused.text) == (402, "refuse at dakar as lango_rules")
    assert (stranger.status_code, page.text, wave.status_code) == (401, "The kiosk is open.", 401)
    assert {"name": "KIOSK_CLOSED"} in codes.json()["data"]["__type"]["enumValues"]
