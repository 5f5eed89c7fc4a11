"""The embedded server: joined, left, killed and found again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lango.db.postgres import connect
from lango.embedded import EmbeddedError, Server, embedded
from lango.embedded.leftovers import sweep
from lango.embedded.places import LONGEST_SOCKET

# Enters the server, says so, and stays until its input ends.
STAY = """
import sys
from pathlib import Path
from lango.embedded import embedded
with embedded(Path(sys.argv[1]), "test") as server:
    print(server.owner_url("postgres"), flush=True)
    sys.stdin.read()
"""


class Other:
    """Another process that uses the server of a folder."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", STAY, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


def postmaster(folder: Path) -> psutil.Process:
    number = int((folder / "postgres-18" / "data" / "postmaster.pid").read_text().split("\n")[0])
    return psutil.Process(number)


def processes(folder: Path) -> list[int]:
    """Every process that has this folder in its command line, ourselves aside."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid", "status"]):
        line = process.info["cmdline"] or []
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and process.info["pid"] != os.getpid() and any(str(folder) in part for part in line):
            found.append(process.info["pid"])
    return found


def gone_within(seconds: float, folder: Path) -> bool:
    deadline = time.monotonic() + seconds
    while processes(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes(folder)


async def answer(url: str, query: str = "SELECT 1") -> object:
    connection = await connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_starts_answers_and_stops(tmp_path: Path) -> None:
    with embedded(tmp_path, "test") as server:
        assert await answer(server.owner_url("postgres"), "SHOW fsync") == "off"
        assert await answer(server.owner_url("postgres"), "SHOW listen_addresses") == ""
        assert await answer(server.owner_url("postgres"), "SELECT upper('é')") == "É"

    assert processes(tmp_path) == []


async def test_a_second_start_finds_the_data(tmp_path: Path) -> None:
    with embedded(tmp_path, "dev") as server:
        await answer(server.owner_url("postgres"), "CREATE DATABASE kept")

    with embedded(tmp_path, "dev") as server:
        assert await answer(server.owner_url("kept")) == 1
        assert await answer(server.owner_url("kept"), "SHOW fsync") == "on"


async def test_the_last_one_out_stops_it(tmp_path: Path) -> None:
    other = Other(tmp_path)
    url = other.url()
    with embedded(tmp_path, "test") as server:
        assert server.owner_url("postgres") == url
    assert await answer(url) == 1

    other.leave()

    assert processes(tmp_path) == []


async def test_it_outlives_whoever_started_it_while_another_uses_it(tmp_path: Path) -> None:
    starter = Other(tmp_path)
    starter.url()
    with embedded(tmp_path, "test") as server:
        starter.leave()
        assert await answer(server.owner_url("postgres")) == 1
    assert processes(tmp_path) == []


async def test_many_at_once_share_one_server(tmp_path: Path) -> None:
    others = [Other(tmp_path) for _ in range(4)]

    urls = {other.url() for other in others}

    assert len(urls) == 1
    assert await answer(urls.pop()) == 1
    for other in others:
        other.leave()
    assert processes(tmp_path) == []


async def test_a_killed_user_leaves_no_process_behind(tmp_path: Path) -> None:
    other = Other(tmp_path)
    other.url()

    other.kill()

    assert gone_within(30, tmp_path)
    with embedded(tmp_path, "test") as server:
        assert await answer(server.owner_url("postgres")) == 1


async def test_a_killed_keeper_leaves_no_server_behind(tmp_path: Path) -> None:
    other = Other(tmp_path)
    other.url()
    keeper = postmaster(tmp_path).parent()
    assert keeper is not None
    keeper.kill()
    other.kill()
    # A signal sent is not yet a process ended: until then its lock stands, and its server looks well kept.
    keeper.wait(30)

    with embedded(tmp_path, "test") as server:
        assert await answer(server.owner_url("postgres")) == 1

    assert gone_within(30, tmp_path)


async def test_a_killed_server_recovers(tmp_path: Path) -> None:
    with embedded(tmp_path, "dev") as server:
        await answer(server.owner_url("postgres"), "CREATE DATABASE kept")
        postmaster(tmp_path).send_signal(signal.SIGKILL)

    with embedded(tmp_path, "dev") as server:
        assert await answer(server.owner_url("kept")) == 1
    assert processes(tmp_path) == []


async def test_a_killed_server_is_started_anew_for_whoever_comes_next(tmp_path: Path) -> None:
    with embedded(tmp_path, "dev"):
        killed = postmaster(tmp_path)
        killed.send_signal(signal.SIGKILL)
        while killed.is_running() and killed.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)  # noqa: ASYNC251 - its end is a matter of the kernel
        # The keeper has not heard of it yet, or is on its way out; and we still count as its user.
        with embedded(tmp_path, "dev") as again:
            assert await answer(again.owner_url("postgres")) == 1
            assert postmaster(tmp_path).pid != killed.pid


async def test_a_stale_pid_file_is_no_obstacle(tmp_path: Path) -> None:
    with embedded(tmp_path, "test"):
        pid_file = tmp_path / "postgres-18" / "data" / "postmaster.pid"
        lines = pid_file.read_text()
    # Our own number: a living process that is no server.
    pid_file.write_text(str(os.getpid()) + lines[lines.index("\n") :])

    with embedded(tmp_path, "test") as server:
        assert await answer(server.owner_url("postgres")) == 1


async def test_an_interrupted_creation_is_begun_again(tmp_path: Path) -> None:
    partial = tmp_path / "postgres-18" / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")

    with embedded(tmp_path, "test") as server:
        assert await answer(server.owner_url("postgres")) == 1


async def test_a_path_too_long_for_a_socket_serves(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "with space, comma and %"
    with embedded(folder, "test") as server:
        assert len(str(server.socket)) < LONGEST_SOCKET
        assert await answer(server.owner_url("postgres")) == 1
        socket = server.socket
    assert not socket.exists()


def test_only_our_own_account_may_enter_the_socket(newest: Server) -> None:
    assert newest.socket.stat().st_mode & 0o077 == 0


def test_a_failed_start_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with embedded(tmp_path, "test"):
        pass
    (tmp_path / "postgres-18" / "data" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedError, match="no_such_setting"), embedded(tmp_path, "test"):
        pass

    assert processes(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can keep the server's account out of its home")
async def test_root_with_a_closed_home_changes_no_permission(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    with embedded(home / ".lango", "test") as server:
        assert await answer(server.owner_url("postgres")) == 1

    assert home.stat().st_mode & 0o777 == 0o700
    sheltered = (home / ".lango" / "postgres-18" / "data").resolve()
    assert sheltered.is_dir()
    shutil.rmtree(home)
    sweep()
    assert not sheltered.exists()
