"""With a real server: clients that go away, stopping, and several workers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.http.conftest import Api, Seen

ROOT = Path(__file__).parents[2]
SERVED = """
import asyncio, os
from lango.http.app import create_app
from lango.observability.logs import configure
from lango.settings import Settings
from tests.http.conftest import Seen, WatchedPipeline, schema

class Slow(Seen):
    async def work(self):
        await asyncio.sleep(1)

settings = Settings(_env_file=None)
configure(settings)
app = create_app(schema, settings, WatchedPipeline(settings, Slow()))
"""
RUN = """
import uvicorn
from lango.http.app import server_options
from lango.observability.metrics import share_metrics
from lango.settings import Settings

if __name__ == "__main__":
    settings = Settings(_env_file=None)
    if settings.workers > 1:
        share_metrics(settings)
    uvicorn.run("served:app", **server_options(settings))
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def running(api: Api) -> AsyncIterator[int]:
    """The application under uvicorn in this process, at a port of its own."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(api.app, port=port, log_config=None, lifespan="on", access_log=False))
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await task


async def send_raw(port: int, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /graphql HTTP/1.1\r\nHost: lango.test\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_query_ends_with_its_client(api: Api, seen: Seen) -> None:
    async with running(api) as port:
        _, writer = await send_raw(port, b'{"query": "{ slow }"}')
        await seen.started.wait()
        writer.transport.abort()
        await until(lambda: seen.cancelled == 1)
    assert seen.finished == 0
    assert api.app.state.metrics.registry.get_sample_value("lango_requests_in_flight") == 0


async def test_a_mutation_is_finished_without_its_client(api: Api, seen: Seen) -> None:
    async with running(api) as port:
        _, writer = await send_raw(port, b'{"query": "mutation { slow }"}')
        await seen.started.wait()
        writer.transport.abort()
        await asyncio.sleep(0.05)
        seen.release.set()
        await until(lambda: seen.finished == 1)
    assert seen.cancelled == 0


async def test_a_client_that_goes_away_in_its_body_harms_nobody(api: Api) -> None:
    async with running(api) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /graphql HTTP/1.1\r\nHost: lango.test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            answer = await client.post("/graphql", json={"query": "{ hello }"})
    assert answer.json()["data"] == {"hello": "hello world"}


class Gateway:
    """The gateway in processes of its own."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        (directory / "served.py").write_text(SERVED)
        (directory / "run.py").write_text(RUN)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{directory}:{ROOT}",
            "LANGO_DATA_DIR": str(directory / "data"),
            "LANGO_ALLOW_DEV_KEY": "1",
            "LANGO_PORT": str(self.port),
            "LANGO_LOG_FORMAT": "json",
            **{f"LANGO_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.log = (directory / "log").open("wb")
        command = [sys.executable, str(directory / "run.py")]
        self.process = subprocess.Popen(command, env=environment, stderr=self.log)

    def wait(self) -> None:
        for _ in range(400):
            try:
                if httpx.get(self.url + "/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise TimeoutError("the gateway did not come up")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    started: list[Gateway] = []

    def start(**settings: Any) -> Gateway:
        started.append(Gateway(tmp_path, **settings))
        started[-1].wait()
        return started[-1]

    yield start
    for one in started:
        one.close()


async def test_stopping_finishes_what_is_under_way_and_is_unready_first(gateway: Callable[..., Gateway]) -> None:
    running = await asyncio.to_thread(gateway, shutdown_delay=0.5)
    async with httpx.AsyncClient(base_url=running.url, timeout=10) as client:
        under_way = asyncio.create_task(client.post("/graphql", json={"query": "{ slow }"}))
        await asyncio.sleep(0.2)

        running.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        unready = await client.get("/readyz")
        still_served = await client.post("/graphql", json={"query": "{ hello }"})

        assert unready.status_code == 503
        assert unready.json()["reason"] == "the gateway is stopping"
        assert still_served.json()["data"] == {"hello": "hello world"}
        assert (await under_way).json()["data"] == {"slow": "done"}
    assert await asyncio.to_thread(running.process.wait, 5) in (0, -signal.SIGTERM)


async def test_an_operation_that_outlasts_the_stop_is_ended(gateway: Callable[..., Gateway]) -> None:
    running = await asyncio.to_thread(gateway, shutdown_delay=0, shutdown_timeout=1)
    async with httpx.AsyncClient(base_url=running.url, timeout=10) as client:
        requests = [asyncio.create_task(client.post("/graphql", json={"query": "{ slow }"})) for _ in range(3)]
        await asyncio.sleep(0.5)
        started = time.monotonic()
        running.process.send_signal(signal.SIGTERM)

        await asyncio.to_thread(running.process.wait, 5)

        assert time.monotonic() - started < 4
        await asyncio.gather(*requests, return_exceptions=True)


async def test_several_workers_are_counted_together(gateway: Callable[..., Gateway]) -> None:
    running = await asyncio.to_thread(gateway, workers=2)

    async def ask() -> int:
        async with httpx.AsyncClient(base_url=running.url, timeout=10) as client:
            return (await client.post("/graphql", json={"query": "{ hello }"})).status_code

    assert await asyncio.gather(*(ask() for _ in range(40))) == [200] * 40
    async with httpx.AsyncClient(base_url=running.url) as client:
        text = (await client.get("/metrics")).text

    assert 'lango_requests_total{operation="query",status="200"} 40.0' in text


async def test_workers_end_with_their_supervisor(gateway: Callable[..., Gateway]) -> None:
    running = await asyncio.to_thread(gateway, workers=2, shutdown_delay=0)

    running.process.kill()
    await asyncio.to_thread(running.process.wait, 5)

    async with asyncio.timeout(20):
        while await listening(running.port):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
