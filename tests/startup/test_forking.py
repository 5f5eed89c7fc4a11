"""Several workers: each is forked from one process that has made the schema, and one that dies is replaced at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import httpx
import psutil
import pytest
from uvicorn import _subprocess

from lango.cli.forking import modules_served, workers_forked_after
from tests.conftest import KEY
from tests.http.test_server import free_port

ROOT = Path(__file__).resolve().parents[2]


class Serving:
    """`lango serve` with two workers."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    @property
    def server(self) -> psutil.Process:
        """The process of which workers are forked."""
        (found,) = (
            each for each in psutil.Process(self.process.pid).children() if "forkserver" in " ".join(each.cmdline())
        )
        return found

    @property
    def workers(self) -> list[psutil.Process]:
        return [each for each in self.server.children() if each.status() != psutil.STATUS_ZOMBIE]

    def status(self) -> int | None:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5).status_code
        except httpx.TransportError:
            return None

    def until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 180
        while not what():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def serve(gateway_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Serving]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LANGO_", "DATABASE_"))}
    environment = clean | {"DATABASE_URL": gateway_url, "LANGO_TOKEN_KEYS": KEY, "LANGO_SHUTDOWN_DELAY": "0"}
    started: list[subprocess.Popen[bytes]] = []

    def start() -> Serving:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "lango", "serve", "--workers", "2", "--port", str(port)], cwd=ROOT,
            env=environment | {"LANGO_DATA_DIR": str(tmp_path_factory.mktemp("data"))},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        started.append(process)
        made = Serving(process, port)
        made.until(lambda: process.poll() is not None or (made.status() == 200 and len(made.workers) == 2))
        return made

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def serving(serve: Callable[[], Serving]) -> Serving:
    return serve()


def test_workers_are_forked_from_the_process_that_made_the_schema(serving: Serving) -> None:
    server, workers = serving.server, serving.workers

    assert {each.ppid() for each in workers} == {server.pid}
    assert server.ppid() == serving.process.pid
    making = sum(server.cpu_times()[:2])
    assert [spent for each in workers if (spent := sum(each.cpu_times()[:2])) > making / 2] == []


def test_a_worker_that_died_is_replaced(serving: Serving) -> None:
    killed, other = serving.workers

    killed.kill()

    serving.until(lambda: len(serving.workers) == 2 and killed.pid not in {each.pid for each in serving.workers})
    assert other.pid in {each.pid for each in serving.workers}
    serving.until(lambda: serving.status() == 200)


def test_workers_are_replaced_one_by_one_on_sighup(serving: Serving) -> None:
    before = {each.pid for each in serving.workers}

    def replaced() -> bool:
        # uvicorn keeps the old ones where a new one is not ready within five seconds, as on a busy machine.
        serving.process.send_signal(signal.SIGHUP)
        time.sleep(2)
        return len(serving.workers) == 2 and not before & {each.pid for each in serving.workers}

    serving.until(replaced)
    assert serving.status() == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left(serve: Callable[[], Serving], number: signal.Signals) -> None:
    """Not even where the supervisor is killed and can end none of them: workers look whether it is there."""
    serving = serve()
    below = psutil.Process(serving.process.pid).children(recursive=True)

    serving.process.send_signal(number)

    assert serving.process.wait(120) == (0 if number is not signal.SIGKILL else -number)
    assert psutil.wait_procs(below, timeout=60)[1] == []


def test_a_worker_imports_nothing_that_takes_long_after_the_fork() -> None:
    """What it imports then, each worker imports for itself: nothing of ours but the door, and no library."""
    program = """
import sys, threading
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
assert threading.active_count() == 1
before = set(sys.modules)
import lango.asgi
import lango.asgi_dev
print(*sorted(set(sys.modules) - before))
"""

    done = subprocess.run(
        [sys.executable, "-c", program, *modules_served()], check=True, capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "postgresql://lango_gateway@127.0.0.1:1/none", "LANGO_ALLOW_DEV_KEY": "1"},
    )  # fmt: skip

    assert set(done.stdout.split()) <= {"lango.asgi", "lango.asgi_dev", "lango.http.demo"}


def test_uvicorn_takes_its_workers_from_where_we_think() -> None:
    assert _subprocess.spawn is get_context("spawn")

    with workers_forked_after(["json"]):
        assert _subprocess.spawn is get_context("forkserver")

    assert _subprocess.spawn is get_context("spawn")


def test_without_a_fork_server_workers_are_spawned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])

    with workers_forked_after(["json"]):
        assert _subprocess.spawn is get_context("spawn")
