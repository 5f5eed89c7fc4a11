"""A donation from end to end: a real server, the sandbox in Wave's place, its page, its signed webhook, the worker."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import make_url

from gql.schema import schema
from lango.db.pipeline import Pipeline
from lango.http.app import create_app, server_options
from lango.providers.wave.settings import WaveSettings
from lango.settings import Settings
from resolvers.donations.wave_events import receive_wave_event
from tests.donations.giving import RECEIPT
from tests.payloads import document

ROOT = Path(__file__).resolve().parents[2]
BUTTON = re.compile(r'<button formaction="(\?outcome=\w+)">(\w+)</button>')


@dataclass
class Site:
    """The gateway as a donor without an account meets it."""

    http: httpx.AsyncClient
    settings: Settings

    async def ask(self, query: str, **variables: Any) -> Any:
        answer = (await self.http.post("/graphql", json={"query": query, "variables": variables})).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def donate(self, pot: Any, amount: int) -> Any:
        given = (await self.ask(document("donate"), input={"potId": str(pot.id), "amountCfa": amount}))["donate"]
        assert given["userErrors"] == []
        return given

    async def raised(self, pot: Any) -> int:
        found = await self.ask("query ($id: ID!) { pot(id: $id) { raisedCfa } }", id=str(pot.id))
        return int(found["pot"]["raisedCfa"])

    async def receipt(self, given: Any) -> Any:
        return (await self.ask(RECEIPT, token=given["receiptToken"]))["donationReceipt"]

    async def press(self, url: str, button: str, more: str = "") -> httpx.Response:
        """Open the page at which one pays, and press one of its buttons."""
        page = await self.http.get(url)
        actions = {name: action for action, name in BUTTON.findall(page.text)}
        return await self.http.post(url + actions[button] + more)

    async def webhooks(self) -> float:
        """How many webhooks were taken."""
        counted = re.search(
            r'lango_webhooks_total\{outcome="accepted".*\} (\S+)', (await self.http.get("/metrics")).text
        )
        return float(counted[1]) if counted else 0.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def serving(settings: Settings, pipeline: Pipeline) -> AsyncIterator[Site]:
    """The application, put together as lango/asgi.py does it, under uvicorn."""
    app = create_app(
        schema,
        settings,
        pipeline,
        handlers=[receive_wave_event],
    )
    server = uvicorn.Server(uvicorn.Config(app, **server_options(settings)))
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as client:
        yield Site(client, settings)
    server.should_exit = True
    await task


@pytest.fixture
async def site(settings: Settings, pipeline: Pipeline, tmp_path: Path) -> AsyncIterator[Site]:
    """A gateway with LANGO_WAVE=sandbox."""
    given = settings.model_copy(update={"data_dir": tmp_path, "port": free_port()})
    async with serving(given.with_section(WaveSettings(_env_file=None, chosen="sandbox")), pipeline) as site:
        yield site


@pytest.fixture
async def without_wave(site: Site, pipeline: Pipeline) -> AsyncIterator[Site]:
    """Another gateway over the same database, whose Wave does not answer."""
    silent = f"http://127.0.0.1:{free_port()}"
    wave = WaveSettings(_env_file=None, chosen="live", api_url=silent, api_key="k")  # type: ignore[arg-type]
    given = site.settings.model_copy(update={"port": free_port()}).with_section(wave)
    async with serving(given, pipeline) as gateway:
        yield gateway


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def has_raised(site: Site, pot: Any, amount: int) -> None:
    """Wait until the pot shows it: the webhook comes after the page's answer."""

    async def shown() -> bool:
        return await site.raised(pot) == amount

    await until(shown)


async def test_paying_on_the_page_completes_the_donation(site: Site, pot: Any) -> None:
    given = await site.donate(pot, 2500)
    before = await site.raised(pot)

    page = await site.http.get(given["paymentUrl"])
    paid = await site.press(given["paymentUrl"], "Pay")

    assert given["warnings"] == []
    assert given["paymentUrl"].startswith(f"http://127.0.0.1:{site.settings.port}/sandbox/wave/cos-")
    assert "2500 francs" in page.text
    assert before == 0
    assert paid.status_code == 303
    assert "Thank you" in (await site.http.get(paid.headers["location"])).text
    await has_raised(site, pot, 2500)
    receipt = await site.receipt(given)
    assert (receipt["status"], receipt["amountCfa"], receipt["paymentUrl"]) == ("SUCCEEDED", 2500, None)


async def test_a_webhook_that_comes_twice_counts_once(site: Site, pot: Any, owner: Any) -> None:
    given = await site.donate(pot, 2500)

    await site.press(given["paymentUrl"], "Pay", "&twice=1")

    async def taken_twice() -> bool:
        return await site.webhooks() == 2

    await until(taken_twice)
    assert await site.raised(pot) == 2500
    stored = "SELECT count(*), min(processing_error) FROM donations.wave_webhook_events WHERE donation_id = $1::uuid"
    assert tuple(await owner.fetchrow(stored, given["reference"])) == (1, None)


async def test_a_failed_payment_may_succeed_later(site: Site, pot: Any) -> None:
    given = await site.donate(pot, 2500)

    failed = await site.press(given["paymentUrl"], "Fail")

    async def has_failed() -> bool:
        return bool((await site.receipt(given))["status"] == "FAILED")

    await until(has_failed)
    assert "payment=error" in failed.headers["location"]
    assert await site.raised(pot) == 0
    await site.press(given["paymentUrl"], "Pay")
    await has_raised(site, pot, 2500)


async def test_a_refusal_of_the_sandbox_shows_its_reason(site: Site, pot: Any) -> None:
    given = await site.donate(pot, 422)

    assert given["warnings"] == [{"code": "PAYMENT_PROVIDER_REFUSED"}]
    assert given["paymentUrl"] is None
    assert (await site.receipt(given))["status"] == "FAILED"


async def test_with_wave_down_the_worker_opens_the_checkout(
    site: Site, without_wave: Site, pot: Any, owner: Any, owner_url: str
) -> None:
    given = await without_wave.donate(pot, 2500)
    waiting = await site.receipt(given)
    # The queue holds what other tests left; and what this one did is given to the worker at once.
    await owner.execute(
        "DELETE FROM jobs.pgqueuer WHERE payload IS NULL OR position($1 IN convert_from(payload, 'UTF8')) = 0",
        given["reference"],
    )
    await owner.execute("UPDATE jobs.pgqueuer SET execute_after = now() - interval '1 second'")

    await work_once(site, owner_url)

    assert given["warnings"] == [{"code": "PAYMENT_PROVIDER_UNAVAILABLE"}]
    assert given["paymentUrl"] is None
    assert (waiting["status"], waiting["paymentUrl"]) == ("PENDING", None)
    url = (await site.receipt(given))["paymentUrl"]
    assert url.startswith(f"http://127.0.0.1:{site.settings.port}/sandbox/wave/cos-")
    await site.press(url, "Pay")
    await has_raised(site, pot, 2500)


async def work_once(site: Site, owner_url: str) -> None:
    """`lango work --once`, in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    given = {
        "DATABASE_WORKER_URL": make_url(owner_url).set(username="lango_worker").render_as_string(hide_password=False),
        "LANGO_WAVE": "sandbox",
        "LANGO_DATA_DIR": str(site.settings.data_dir),
        "LANGO_PUBLIC_URL": f"http://127.0.0.1:{site.settings.port}",
    }
    working = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lango", "work", "--once", cwd=ROOT, env=clean | given,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(working.communicate(), 60)
    assert working.returncode == 0, output.decode()
