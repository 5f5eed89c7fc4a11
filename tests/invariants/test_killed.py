"""The database, then the gateway, is killed in the midst of many calls: made again, each has been done exactly once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import psutil
import pytest

from lango.db import migrate, roles
from lango.embedded import Server, embedded
from lango.settings import Settings
from resolvers.donations.wave_events import process_wave_event
from tests.conftest import KEY
from tests.http.test_server import free_port
from tests.invariants.story import wrong
from tests.invariants.world import World, pick
from tests.payloads import document
from tests.planner.conftest import no_logs

ROOT = Path(__file__).parents[2]
CONVERSIONS, CODES, DEALS, DONATIONS, PAID = 20, 12, 10, 10, 15
POINTS = 100
AnyWorld = TypeVar("AnyWorld", bound=World)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of its own, as it is served from: what it said was committed is on the disk."""
    tmp_path.chmod(0o755)
    with embedded(tmp_path, "dev") as server:
        yield server


@contextmanager
def living(server: Server, settings: Settings, kind: type[AnyWorld]) -> Iterator[AnyWorld]:
    with asyncio.Runner() as runner, no_logs():
        runner.run(roles.create_database(server.owner_url("postgres"), "lango"))
        runner.run(roles.ensure(server.owner_url()))
        runner.run(migrate.upgrade(server.owner_url()))
        world = kind(runner, server.owner_url(), server.gateway_url(), settings)
        world.run(world.open())
        try:
            yield world
        finally:
            world.run(world.close())


Call = tuple[str, Any, str, dict[str, Any]]


async def calls_to_make(world: World) -> list[Call]:
    """Calls of many rules; each would be answered well, once, and brings a key."""
    sponsor, pot = world.people[0], world.pots[0]
    for number in range(4):
        await world.donate(6001 + 4 * number)
        await world.pay(number)
    for number in range(CODES):
        await world.issue(1 + 36 * number)
    for _ in range(DEALS):
        world.deals.append(await deal(world))
    calls: list[Call] = [
        ("convertPoints", sponsor, "pointsConversion { rowId }", {"points": POINTS, "potId": str(pot.id)})
        for _ in range(CONVERSIONS)
    ]
    calls += [("redeemQrCode", world.cashier, "qrCode { status }", {"code": code}) for _, _, code in world.issued]
    calls += [
        ("releaseEscrow", SimpleNamespace(id=each.seller_id), "escrow { status }", {"escrowId": str(each.escrow)})
        for each in world.deals
    ]
    calls += [
        ("donate", pick(world.people, number), "donation { rowId }", {"potId": str(pot.id), "amountCfa": 700})
        for number in range(DONATIONS)
    ]
    keyed = [(name, who, shown, given | {"idempotencyKey": uuid4().hex}) for name, who, shown, given in calls]
    # Of all kinds in turn, so that the end comes in the midst of each.
    return sorted(keyed, key=lambda call: call[3]["idempotencyKey"])


async def deal(world: World) -> SimpleNamespace:
    funded = await world.desk.funded("2.5")
    return SimpleNamespace(escrow=funded.escrow, seller_id=funded.seller.id, buyer_id=funded.buyer.id)


def text(call: Call) -> dict[str, Any]:
    name, _, shown, given = call
    return {"query": document(name, shown), "variables": {"input": given}}


async def check(world: World) -> None:
    """Each call has been done, and none of them twice."""
    count = world.owner.fetchval
    assert await count("SELECT sum(points_spent) FROM referrals.points_ledger") == CONVERSIONS * POINTS
    assert await count("SELECT count(*) FROM redemption.qr_codes WHERE status = 'redeemed'") == len(world.issued)
    assert await count("SELECT count(*) FROM trading.crypto_escrows WHERE status = 'released'") == DEALS
    assert await count("SELECT count(*) FROM donations.donations WHERE amount_cfa = 700") == DONATIONS
    assert await wrong(world.owner) == {}
    assert await world.differences() == []


def test_the_database_is_killed(server: Server, settings: Settings) -> None:
    with living(server, settings, World) as world:
        calls = world.run(calls_to_make(world))
        events = world.run(payments(world))
        begun = world.run(until_killed(world, calls, events, server))
        assert 0 < begun < len(calls)
    with embedded(server.home.parent, "dev") as again, asyncio.Runner() as runner, no_logs():
        back = World(runner, again.owner_url(), again.gateway_url(), settings)
        back.__dict__ |= {name: value for name, value in world.__dict__.items() if name in ("issued", "people", "wave")}
        back.run(back.connect())
        try:
            for name, who, shown, given in calls:
                payload = back.run(back.call(name, who, shown, **given))
                assert payload["userErrors"] == []
            # Wave reports again what was not received, and what was.
            for event in events:
                back.run(back.giving.hear(event))
            back.run(act_on_what_was_stored(back))
            back.run(check(back))
            counted = (
                "SELECT count(*) FROM ledger.ledger_transactions WHERE kind = 'donation' AND reference_id = ANY ($1)"
            )
            paid = [event["data"]["client_reference"] for event in events]
            assert back.run(back.owner.fetchval(counted, paid)) == len(paid) == PAID
        finally:
            back.run(back.close())


async def act_on_what_was_stored(world: World) -> None:
    """What was taken in, and not acted on when the end came, has a job: the worker's part."""
    left = await world.owner.fetch("SELECT id FROM donations.wave_webhook_events WHERE processed_at IS NULL")
    for event in left:
        await process_wave_event(world.giving.services, event_id=event["id"])


async def payments(world: World) -> list[dict[str, Any]]:
    """Wave's events of donations that were paid and are not known yet."""
    known = len(world.donations)
    for number in range(PAID):
        await world.donate(5002 + 4 * number)
    return [world.wave.paid(donation.checkout) for donation in world.donations[known:]]


async def until_killed(world: World, calls: list[Call], events: list[dict[str, Any]], server: Server) -> int:
    """Make the calls at once, and kill the server when a third of them have been answered; gives how many were."""
    answered = 0
    postmaster = psutil.Process(int((server.home / "data" / "postmaster.pid").read_text().split("\n")[0]))

    async def one(call: Call) -> None:
        nonlocal answered
        answer = await world.api(**dict(zip(("query", "variables"), text(call).values(), strict=True)), as_=call[1])
        if answer.errors:
            return
        answered += 1
        if answered == len(calls) // 3:
            for process in [postmaster, *postmaster.children()]:
                process.send_signal(signal.SIGKILL)

    heard = [world.giving.hear(event) for event in events]
    await asyncio.gather(*(one(call) for call in calls), *heard, return_exceptions=True)
    return answered


def test_the_gateway_is_killed(server: Server, settings: Settings) -> None:
    with living(server, settings, World) as world:
        calls = world.run(calls_to_make(world))
        with serving(server) as gateway:
            assert world.run(sent(world, gateway.url, calls, kill=gateway.process)) < len(calls)
        with serving(server) as gateway:
            assert world.run(sent(world, gateway.url, calls)) == len(calls)
        world.run(check(world))


async def sent(world: World, url: str, calls: list[Call], kill: subprocess.Popen[bytes] | None = None) -> int:
    """Make the calls at once over HTTP; with `kill`, that process ends when a third of them have been answered."""
    answered = 0
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:

        async def one(call: Call) -> None:
            nonlocal answered
            try:
                response = await client.post("/graphql", json=text(call), headers=world.api.headers(call[1]))
            except httpx.TransportError:
                return
            assert "errors" not in response.json(), response.text
            assert response.json()["data"][call[0]]["userErrors"] == []
            answered += 1
            if kill is not None and answered == len(calls) // 3:
                kill.kill()

        await asyncio.gather(*(one(call) for call in calls))
    return answered


@contextmanager
def serving(server: Server) -> Iterator[SimpleNamespace]:
    """`lango serve` in a process of its own."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    given = {"DATABASE_URL": server.gateway_url(), "LANGO_TOKEN_KEYS": KEY, "LANGO_WAVE": "sandbox"}
    command = [sys.executable, "-m", "lango", "serve", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean | given | {"LANGO_DATA_DIR": str(server.home.parent)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield SimpleNamespace(url=url, process=process)
    finally:
        process.kill()
        process.wait()
