"""The keys of a directory as it is now: they are rotated and withdrawn by files that come and go, without a restart."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from lango.security.keys import BadKey, Key, Keys, keys_of_path

log = structlog.get_logger("lango.security.keys")

# Seconds between two looks at the directory: the keys of a file that is gone are refused within as many. Whoever brings
# a name that is not known has it looked at sooner.
LOOK, LOOK_FOR_UNKNOWN = 1.0, 0.1
SUFFIXES = (".json", ".pem")
# How `lango keys new` begins a name: when the key was made, which a copy does not change.
MADE = re.compile(r"(\d{8}T\d{6}Z)-")
MADE_FORM = "%Y%m%dT%H%M%SZ"


class Seen(NamedTuple):
    """What tells a file from what it was before."""

    modified: int
    size: int
    inode: int


class KeyFolder(Keys):
    """The keys of all `.json` and `.pem` files of a directory.

    All verify, as long as their files are there. The newest signs that is older than `delay` seconds: whoever verifies
    tokens elsewhere has read of it by then; the oldest, where none is. A file that cannot be read is left out, or as it
    was before.
    """

    def __init__(self, path: Path, delay: float) -> None:
        """Raises BadKey for a directory that cannot be used from the beginning."""
        self._path = path
        self._delay = delay
        self._files: dict[str, tuple[Seen, list[Key]]] = {}
        self._looked = float("-inf")
        listed = self._listed()
        super().__init__(key for name in sorted(listed) for key in self._read(name, listed[name]))
        self._looked = time.monotonic()

    def __len__(self) -> int:
        self._look(LOOK)
        return super().__len__()

    def __iter__(self) -> Iterator[Key]:
        self._look(LOOK)
        return super().__iter__()

    def get(self, kid: str | None) -> Key | None:
        self._look(LOOK)
        found = super().get(kid)
        if found is None:
            self._look(LOOK_FOR_UNKNOWN)
            found = super().get(kid)
        return found

    def _ordered_to_sign(self) -> list[Key]:
        signing = super()._ordered_to_sign()
        old_enough = [key for key in signing if time.time() - key.made_at >= self._delay]
        return sorted(old_enough, key=lambda key: -key.made_at) or sorted(signing, key=lambda key: key.made_at)

    def _look(self, seconds: float) -> None:
        """Read what has changed since the last look, if that is so many seconds ago."""
        now = time.monotonic()
        if now - self._looked < seconds:
            return
        self._looked = now
        try:
            listed = self._listed()
        except BadKey as error:
            log.error("keys of tokens not read", reason=str(error))
            return
        if listed != {name: seen for name, (seen, _) in self._files.items()}:
            self._read_again(listed)

    def _read_again(self, listed: dict[str, Seen]) -> None:
        found: dict[str, Key] = {}
        for name in sorted(listed):
            seen, before = self._files.get(name, (None, []))
            try:
                keys = before if seen == listed[name] else self._read(name, listed[name])
            except BadKey as error:
                log.error("keys of tokens not read", file=name, reason=str(error))
                keys = before
                # Not looked at again before it changes.
                self._files[name] = (listed[name], before)
            for key in keys:
                if found.setdefault(key.kid, key) is not key:
                    log.error("two keys of tokens have the same name", file=name, kid=key.kid)
        self._files = {name: each for name, each in self._files.items() if name in listed}
        self._keys = found
        log.info("keys of tokens read again", kids=sorted(found))

    def _listed(self) -> dict[str, Seen]:
        try:
            with os.scandir(self._path) as entries:
                return {
                    entry.name: Seen(status.st_mtime_ns, status.st_size, status.st_ino)
                    for entry in entries
                    if entry.name.endswith(SUFFIXES) and (status := _status(entry)) is not None
                }
        except OSError as error:
            raise BadKey(f"LANGO_TOKEN_KEYS: {self._path} cannot be read: {error.strerror}.") from error

    def _read(self, name: str, seen: Seen) -> list[Key]:
        made_at = made_of(name)
        at = seen.modified / 1e9 if made_at is None else made_at
        keys = [replace(key, made_at=at) for key in keys_of_path(self._path / name)]
        self._files[name] = (seen, keys)
        return keys


def made_of(name: str) -> float | None:
    """When the key was made, in seconds since 1970, as the name of its file says; None where it does not."""
    found = MADE.match(name)
    try:
        return None if found is None else datetime.strptime(found[1], MADE_FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        # It has gone this very moment.
        return None
