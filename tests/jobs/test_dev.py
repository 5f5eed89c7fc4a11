"""`lango dev` has a worker, which is there when it serves and gone when it is."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lango.db.pipeline import make_pipeline
from lango.db.postgres import connect
from lango.embedded import embedded
from lango.rules.services import Services
from lango.settings import Settings
from models.identity import OneTimeCodeChannel
from resolvers.messages.messages import Address, Message, send

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Open to be walked into: as root the server runs as an ordinary user."""
    made = Path(tempfile.mkdtemp(prefix="lango-jobs-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_dev_runs_jobs_and_its_worker_ends_with_it(data_dir: Path, number: signal.Signals) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = data_dir / "said"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    with said.open("w") as writing:
        developing = subprocess.Popen(
            [sys.executable, "-m", "lango", "dev", "--port", str(port)], cwd=ROOT,
            env=clean | {"LANGO_DATA_DIR": str(data_dir)}, stdout=writing, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        wait(lambda: answers(port), 120)
        with embedded(data_dir, "dev") as server:
            assert asyncio.run(runs_a_job(server.owner_url("lango")))
            assert asyncio.run(sends_a_code(server.gateway_url("lango"), data_dir, port))
            assert f"http://127.0.0.1:{port}/sandbox/messages" in said.read_text()
            begun = children(developing.pid)
            assert begun
            # One that is killed is started again.
            os.kill(*children(developing.pid, "multiprocessing.spawn"), signal.SIGKILL)
            assert asyncio.run(runs_a_job(server.owner_url("lango")))
        begun = children(developing.pid)
        assert begun
    finally:
        developing.send_signal(number)
        developing.wait(60)

    wait(lambda: not any(map(alive, begun)), 60)


async def runs_a_job(url: str) -> bool:
    """Whether somebody runs the worker's own job, enqueued now."""
    connection = await connect(url)
    try:
        await connection.execute(
            "INSERT INTO jobs.pgqueuer (priority, status, entrypoint) VALUES (0, 'queued', 'worker.forget_old_log')"
        )
        for _ in range(300):
            if await connection.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint LIKE 'worker.%'") == 0:
                return True
            await asyncio.sleep(0.1)
        return False
    finally:
        await connection.close()


async def sends_a_code(url: str, data_dir: Path, port: int) -> bool:
    """Whether the worker sends a message that a rule has written, and the gateway's page shows it with its code."""
    # Other tests have keys of their own in the environment; the gateway has none.
    settings = Settings(_env_file=None, data_dir=data_dir, allow_dev_key=True, encryption_keys=None)
    pipeline = make_pipeline(url, settings)
    code = f"{secrets.randbelow(10**6):06}"
    try:
        async with Services(pipeline, settings).work() as tx:
            to = Address(OneTimeCodeChannel.EMAIL, "awa@example.sn")
            send(tx, Message.SIGN_IN_CODE, to, secrets={"code": code}, minutes=5)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(300):
                found = (await client.get("/sandbox/messages.json", params={"to": to.to})).json()
                if any(code in each["text"] for each in found):
                    return True
                await asyncio.sleep(0.1)
    finally:
        pipeline.close()
    return False


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def children(parent: int, what: str = "multiprocessing") -> list[int]:
    """The processes of the parent that are Python's: the embedded server outlives it a little, on purpose."""
    command = [shutil.which("ps") or "ps", "-A", "-o", "pid=,ppid=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [int(pid) for pid, ppid, args in rows if int(ppid) == parent and what in args]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
