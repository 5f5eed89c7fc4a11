"""The load generator: a process of its own, a closed loop on so many connections. One job a line, one result a line."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import cast

import orjson
import uvloop

from benchmarks.places import ROOT, stop
from benchmarks.servers import LOOPBACK
from benchmarks.usage import Meter

OK = b"HTTP/1.1 200"
HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"
CHUNKED_END = b"0\r\n\r\n"
DRAIN = 30.0
SETTLING = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """What to send, how, and whose processor time to measure meanwhile."""

    port: int
    requests: list[str]
    connections: int
    warm: float
    seconds: float
    # What a good answer does not hold.
    forbidden: list[str]
    groups: dict[str, list[int]]
    # Sent once each, and nothing after the last: each spends what was put there for it.
    once: list[str] = field(default_factory=list)
    # Every how many-th request is one of those.
    every: int = 1
    # Stop after so many requests, instead of after `seconds`; 0 for no end.
    many: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """What one job came to. Times are in milliseconds, the processor's in seconds by group."""

    requests: int
    seconds: float
    errors: int
    example: str
    size: float
    p50: float
    p99: float
    longest: float
    cpu: dict[str, float]

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Sender:
    """Where the connections take their requests from, and where they report."""

    def __init__(self, job: Job) -> None:
        self.requests = [request.encode() for request in job.requests]
        self.forbidden = [each.encode() for each in job.forbidden]
        self.once = iter([request.encode() for request in job.once]) if job.once else None
        self.every = job.every
        self.many = job.many or sys.maxsize
        self.turn = 0
        self.open = True
        self.measuring = False
        self.latencies = array("Q")
        self.bytes = 0
        self.errors = 0
        self.example = b""
        self.done = asyncio.Event()
        self.busy = 0

    def next(self) -> bytes | None:
        """The next request; None at the end."""
        if not self.open or self.turn >= self.many:
            return None
        self.turn += 1
        if self.once is not None and self.turn % self.every == 0:
            return next(self.once, None)
        return self.requests[self.turn % len(self.requests)]

    def report(self, nanoseconds: int, answer: bytes) -> None:
        good = answer.startswith(OK) and not any(each in answer for each in self.forbidden)
        if not good:
            self.errors += 1
            self.example = self.example or answer[:2000]
        if self.measuring:
            self.latencies.append(nanoseconds)
            self.bytes += len(answer)

    def leave(self) -> None:
        self.busy -= 1
        if self.busy == 0:
            self.done.set()


class Connection(asyncio.Protocol):
    """One connection: the next request goes out when the answer is whole."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.transport: asyncio.Transport | None = None
        self.parts: list[bytes] = []
        self.have = 0
        self.total = 0
        self.sent = 0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is an asyncio.Transport in all but its class.
        self.transport = cast(asyncio.Transport, transport)
        self.sender.busy += 1
        self.send()

    def send(self) -> None:
        assert self.transport is not None
        request = self.sender.next()
        if request is None:
            self.waiting = False
            self.transport.close()
            return
        self.waiting = True
        self.sent = time.perf_counter_ns()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        self.have += len(data)
        if self.total == 0:
            self.total = length_of(data)
        if self.total < 0:
            # Chunked, or a head in several parts: rare, so it may cost.
            whole = b"".join(self.parts)
            self.total = length_of(whole)
            if self.total < 0 and not (HEAD_END in whole and whole.endswith(CHUNKED_END)):
                return
        if self.have < self.total:
            return
        elapsed = time.perf_counter_ns() - self.sent
        answer = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts, self.have, self.total = [], 0, 0
        self.sender.report(elapsed, answer)
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting:
            self.sender.errors += 1
            self.sender.example = self.sender.example or f"the connection was lost: {exc}".encode()
        self.sender.leave()


def length_of(data: bytes) -> int:
    """The bytes of a whole answer; -1 where the head does not tell, or is not whole."""
    head = data.find(HEAD_END)
    if head < 0:
        return -1
    lower = data[:head].lower()
    place = lower.find(LENGTH)
    if place < 0:
        return -1
    begin = place + len(LENGTH)
    end = lower.find(b"\r", begin)
    return head + len(HEAD_END) + int(lower[begin : end if end >= 0 else head])


async def run(job: Job) -> Slice:
    """Warm up, then measure for a while, or until so many requests are answered."""
    loop = asyncio.get_running_loop()
    sender = Sender(job)
    meter = Meter(job.groups)
    sender.measuring = bool(job.many)
    begun = time.perf_counter()
    for _ in range(job.connections):
        await loop.create_connection(lambda: Connection(sender), LOOPBACK, job.port)
    if not job.many:
        await asyncio.sleep(job.warm)
        meter = Meter(job.groups)
        # What waited while the processes were listed is not to be measured.
        await asyncio.sleep(SETTLING)
        sender.measuring = True
        begun = time.perf_counter()
    meter.start()
    with suppress(TimeoutError):
        async with asyncio.timeout(None if job.many else job.seconds):
            await sender.done.wait()
    sender.measuring = sender.open = False
    elapsed = time.perf_counter() - begun
    used = meter.stop()
    async with asyncio.timeout(DRAIN):
        await sender.done.wait()
    return result(sender, elapsed, used)


def result(sender: Sender, elapsed: float, used: dict[str, float]) -> Slice:
    ordered = sorted(sender.latencies)
    many = len(ordered)

    def at(part: float) -> float:
        return ordered[min(many - 1, int(many * part))] / 1e6 if many else 0.0

    size = sender.bytes / many if many else 0.0
    example = sender.example.decode(errors="replace")
    return Slice(many, elapsed, sender.errors, example, size, at(0.5), at(0.99), at(1.0), used)


class Generator:
    """The load generator's process, from outside."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def run(self, job: Job) -> Slice:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(orjson.dumps(asdict(job)) + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            stop("The load generator has ended by itself.")
        return Slice(**orjson.loads(line))


@contextmanager
def generator() -> Iterator[Generator]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield Generator(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        process.wait()


def main() -> None:
    for line in sys.stdin.buffer:
        outcome = uvloop.run(run(Job(**orjson.loads(line))))
        sys.stdout.buffer.write(orjson.dumps(asdict(outcome)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
