"""A real PgBouncer, where one is installed."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
KEEPS_APART = (1, 21)


def version() -> tuple[int, int]:
    """That of the program, as it says it itself."""
    assert PROGRAM is not None
    printed = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", printed)
    assert found is not None
    return int(found[1]), int(found[2])


@contextmanager
def pgbouncer(server_url: str, folder: Path, mode: str = "transaction", size: int = 2, *more: str) -> Iterator[str]:
    """PgBouncer before this server, with so many server connections; gives its address for the same login."""
    assert PROGRAM is not None
    url = make_url(server_url)
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    server = {
        "host": url.query.get("host") or url.host, "port": url.port, "dbname": url.database, "user": url.username,
        "password": url.password,
    }  # fmt: skip
    words = " ".join(f"{name}='{value}'" for name, value in server.items() if value)
    configuration = folder / "pgbouncer.ini"
    lines = [
        "[databases]", f"* = {words}", "[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}",
        "unix_socket_dir =", "auth_type = any", f"pool_mode = {mode}", f"default_pool_size = {size}",
        f"logfile = {folder / 'pgbouncer.log'}", *more,
    ]  # fmt: skip
    configuration.write_text("\n".join(lines) + "\n")
    command = [PROGRAM, "-q", str(configuration)]
    directory = Path(str(server["host"]))
    if directory.is_absolute() and directory.owner() != folder.owner():
        # The embedded server's socket is for its own account, which is not root.
        account = directory.owner()
        shutil.chown(folder, account)
        folder.chmod(0o755)
        command[1:1] = ["-u", account]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / "pgbouncer.log").read_text()
            time.sleep(0.05)
        yield url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
    finally:
        process.kill()
        process.wait()
