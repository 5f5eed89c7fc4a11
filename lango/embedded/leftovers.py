"""What servers that were killed, or whose home was removed, leave behind."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import psutil

from lango.embedded.keeper import FAST_SHUTDOWN
from lango.embedded.places import ORIGIN, SHELTER, EmbeddedError

STOP_TIMEOUT = 90.0


def put_to_rest(data: Path) -> None:
    """Stop a server whose keeper was killed, and take away a pid file that names a process of somebody else:
    PostgreSQL would refuse to start while any process has that number."""
    orphan = postmaster(data)
    if orphan is None:
        with suppress(FileNotFoundError):
            (data / "postmaster.pid").unlink()
        return
    orphan.send_signal(FAST_SHUTDOWN)
    try:
        orphan.wait(STOP_TIMEOUT)
    except psutil.TimeoutExpired:
        raise EmbeddedError(
            f"A PostgreSQL server left over from before (process {orphan.pid}) does not stop. End it, then try again."
        ) from None


def postmaster(data: Path) -> psutil.Process | None:
    """The living server of this data; another process may have got the number in its pid file since."""
    try:
        process = psutil.Process(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
        ours = process.status() != psutil.STATUS_ZOMBIE and str(data.resolve()) in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return process if ours else None


def sweep() -> None:
    """Remove the sheltered data whose home is no more: who removes a folder `.lango` means all of it."""
    for note in SHELTER.glob(f"*/{ORIGIN}"):
        with suppress(OSError):
            if not Path(note.read_text()).exists() and postmaster(note.parent / "data") is None:
                shutil.rmtree(note.parent, ignore_errors=True)
