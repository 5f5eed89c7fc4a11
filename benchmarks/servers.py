"""The peers as processes: how each is started, found ready, and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.node import Node
from benchmarks.places import ROOT, WORK, stop
from benchmarks.tokens import Tokens

PATIENCE = 120.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Peer:
    """A gateway that is measured. `dialect` names its documents."""

    name: str
    title: str
    dialect: str


LANGO = Peer("lango", "lango", "lango")
WITHOUT = Peer("lango-off", "lango without the planner", "lango")
POSTGRAPHILE = Peer("postgraphile", "PostGraphile 5", "postgraphile")
MERCURIUS = Peer("mercurius", "Mercurius, JIT and loaders", "plain")
PLAIN = Peer("strawberry", "plain Strawberry", "plain")
# Another checkout of lango, as before a change.
BEFORE = Peer("before", "lango before", "lango")
ALL = (LANGO, WITHOUT, POSTGRAPHILE, MERCURIUS, PLAIN)
# lango without the check of its caller's account and session, to see what that costs.
UNCHECKED = Peer("lango-unchecked", "lango without the check of its session", "lango")
BY_NAME = {peer.name: peer for peer in (*ALL, BEFORE, UNCHECKED)}


@dataclass(frozen=True, slots=True)
class Setup:
    """What every peer is given alike."""

    database_url: str
    tokens: Tokens
    node: Node
    workers: int
    # Database connections of all workers together.
    pool: int
    # Another checkout, which has an environment of its own.
    before: Path | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that answers."""

    peer: Peer
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/graphql"

    def pids(self) -> list[int]:
        """Its processes: the one that was started and all below it."""
        top = psutil.Process(self.process.pid)
        return [top.pid, *(child.pid for child in top.children(recursive=True))]

    def workers(self) -> list[psutil.Process]:
        """The processes that serve, without their supervisors."""
        found = [psutil.Process(pid) for pid in self.pids()]
        return [process for process in found if not process.children()] or found


def command(peer: Peer, setup: Setup, port: int) -> tuple[list[str], dict[str, str], Path]:
    """What to run, with which environment, where."""
    environment = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("LANGO_", "PG", "NODE_", "GRAPHILE_"))
    }  # fmt: skip
    environment["DATABASE_URL"] = setup.database_url
    share = max(1, setup.pool // setup.workers)
    if peer.dialect == "lango" or peer is PLAIN:
        environment |= setup.tokens.environment | {
            "LANGO_DATA_DIR": str(WORK),
            "LANGO_POOL_SIZE": str(share),
            "LANGO_LOG_FORMAT": "json",
            "LANGO_PLANNER": "off" if peer is WITHOUT else "on",
            # Payments as `make dev` makes them; and the load generator is a proxy where a call comes from elsewhere.
            "LANGO_WAVE": "sandbox",
            "TRUSTED_PROXIES": LOOPBACK,
        }
    if peer.dialect == "lango":
        served = ["-m", "lango", "serve", "--port", str(port), "--workers", str(setup.workers)]
        if peer is UNCHECKED:
            served = ["-m", "benchmarks.peers.unchecked", str(port), str(setup.workers)]
        if peer is BEFORE:
            assert setup.before is not None
            return [str(setup.before / ".venv/bin/python"), *served], environment, setup.before
        return [sys.executable, *served], environment, ROOT
    if peer is PLAIN:
        served = [
            "-m", "uvicorn", "benchmarks.peers.plain.app:app", "--host", LOOPBACK, "--port", str(port), "--workers",
            str(setup.workers), "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
        ]  # fmt: skip
        return [sys.executable, *served], environment, ROOT
    environment |= setup.tokens.plain_environment | {
        "BENCH_PORT": str(port),
        "BENCH_WORKERS": str(setup.workers),
        "BENCH_POOL": str(share),
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
    }
    return [str(setup.node.program), str(setup.node.home / f"{peer.name}.mjs")], environment, setup.node.home


def log_of(peer: Peer) -> Path:
    return WORK / "logs" / f"{peer.name}.log"


@contextmanager
def running(peers: Sequence[Peer], setup: Setup) -> Iterator[list[Running]]:
    """Start the peers, wait until each answers, and stop them at the end, however it ends."""
    with ExitStack() as stack:
        started = [stack.enter_context(started_peer(peer, setup)) for peer in peers]
        for each in started:
            wait_until_ready(each)
        yield started


@contextmanager
def started_peer(peer: Peer, setup: Setup) -> Iterator[Running]:
    port = free_port()
    arguments, environment, where = command(peer, setup, port)
    log = log_of(peer)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # A process group of its own: Ctrl-C is for us, and we stop the whole group by its id.
        process = subprocess.Popen(  # noqa: S603 - our own command
            arguments, cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield Running(peer, port, process)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the group to stop, then make it."""
    for number, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    # A worker that outlived its supervisor is still in the group.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def wait_until_ready(server: Running) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with suppress(httpx.TransportError):
            if httpx.post(server.url, json={"query": "{ __typename }"}, timeout=10).status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    log = log_of(server.peer)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    stop(f"{server.peer.title} did not start. Its log, {log}, ends:\n{tail}")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port: int = taken.getsockname()[1]
        return port
