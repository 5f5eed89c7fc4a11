"""The process that owns an embedded server: starts it, and stops it when nobody holds the lock any more.

It runs as a program of its own, with nothing but the standard library, so that it starts in a blink. A lock that the
kernel gives back, rather than a list of process ids, says who still uses the server: it cannot go stale.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
FAST_SHUTDOWN, IMMEDIATE_SHUTDOWN = signal.SIGINT, signal.SIGQUIT
STOP_TIMEOUT = 60.0


class Ended(Exception):
    """The wait is over."""


class Watch:
    """A handler of signals that ends the wait: also when the signal comes just before it begins."""

    def __init__(self) -> None:
        self.waiting = False
        self.signalled = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.signalled = True
        if self.waiting:
            raise Ended


def die_with_parent() -> Callable[[], None] | None:
    """What the server's process does first: ask Linux to stop it should the keeper be killed."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded before the fork: after it, only async-signal-safe work is allowed.
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(FAST_SHUTDOWN), 0, 0, 0)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server: clients are disconnected, data is written; harder when it does not obey."""
    for number, timeout in ((FAST_SHUTDOWN, STOP_TIMEOUT), (IMMEDIATE_SHUTDOWN, 10.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            if server.poll() is None:
                server.send_signal(number)
            server.wait(timeout)
            return


def keep(arguments: argparse.Namespace) -> int:
    watch = Watch()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, watch)
    own = os.open(arguments.keeper_lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    as_user = {} if arguments.uid is None else {"user": arguments.uid, "group": arguments.gid, "extra_groups": []}
    server = subprocess.Popen(  # noqa: S603 - the arguments come from our own parent
        arguments.command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        umask=0o077,
        preexec_fn=die_with_parent(),
        **as_user,
    )
    try:
        users = os.open(arguments.users_lock, os.O_RDWR | os.O_CREAT, 0o600)
        watch.waiting = True
        if not watch.signalled:
            # Every user holds it shared: this returns when the last one has let go, or died.
            fcntl.flock(users, fcntl.LOCK_EX)
    except Ended:
        pass
    finally:
        watch.waiting = False
        stop(server)
        if arguments.remove:
            shutil.rmtree(arguments.remove, ignore_errors=True)
    return server.returncode or 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users-lock", type=Path, required=True)
    parser.add_argument("--keeper-lock", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--remove", type=Path, help="a temporary folder to remove at the end")
    parser.add_argument("command", nargs="+")
    return keep(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
