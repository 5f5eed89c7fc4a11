"""Worker processes and the one that supervises them: none goes on serving when that one has died."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any

import structlog

log = structlog.get_logger("lango.jobs.supervision")

INTERVAL = 1.0
# Seconds before a process that ended is started again: at first, twice as long each time, and at most. One that ran
# for as long as the longest of them starts over with the first.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


@asynccontextmanager
async def bound_to_supervisor() -> AsyncIterator[None]:
    """Meanwhile, stop as upon SIGTERM when the supervisor has ended; a process that serves alone has none."""
    supervisor = parent_process()
    if supervisor is None:
        yield
        return
    watch = asyncio.create_task(_end_with(supervisor))
    try:
        yield
    finally:
        watch.cancel()


async def _end_with(supervisor: BaseProcess) -> None:
    # Not by our parent's number: who is forked has the fork server for a parent, which outlives the supervisor.
    while supervisor.is_alive():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(INTERVAL)
    signal.raise_signal(signal.SIGTERM)


@contextmanager
def kept_running(target: Callable[..., None], *args: Any, name: str, grace: float) -> Iterator[None]:
    """Meanwhile, a process of its own, started again whenever it ends, however it does.

    At the end it is signalled to stop, and killed after `grace` seconds.
    """
    supervised = Supervised(target, args, name)
    supervised.start()
    watch = threading.Thread(target=supervised.watch, name=f"{name} (watched)", daemon=True)
    watch.start()
    try:
        yield
    finally:
        supervised.stop()
        watch.join(grace)
        supervised.kill()
        watch.join()


class Supervised:
    """A process, and the thread that waits for its end to start it again."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], name: str) -> None:
        self._made = target, args, name
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: SpawnProcess

    def start(self) -> None:
        target, args, name = self._made
        # It would take our mask away, if it began with the process.
        resource_tracker.ensure_running()
        process = get_context("spawn").Process(target=_begin, args=(target, args), name=name, daemon=True)
        # Ctrl-C goes to all processes of the terminal: this one is stopped by us. A mask is inherited.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._process = process

    def watch(self) -> None:
        pause = FIRST_PAUSE
        while True:
            begun = time.monotonic()
            self._process.join()
            if time.monotonic() - begun > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            if not self._stopping.is_set():
                log.warning("started again", process=self._process.name, exit_code=self._process.exitcode, after=pause)
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, LONGEST_PAUSE)
            with self._lock:
                if self._stopping.is_set():
                    return
                self.start()

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _begin(target: Callable[..., None], args: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    target(*args)
