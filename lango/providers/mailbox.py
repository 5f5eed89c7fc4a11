"""What the sandboxes of message providers have sent, in a SQLite file: the worker sends, and the gateway shows it.

With the codes as they were sent, so the file is its owner's alone, and holds a few messages for a short time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

FILE = "sandbox-messages.sqlite3"
# Seconds to wait for another process that writes.
LOCK_TIMEOUT = 5.0
CAPACITY = 200
KEPT = timedelta(hours=1)
TABLE = """
    CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, recipient TEXT, at TEXT, message BLOB NOT NULL
    )
"""


@dataclass(frozen=True, slots=True)
class Callback:
    """The webhook in which a provider would report what became of a message, as it would send it."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as a provider's sandbox has taken it."""

    provider: str
    # `sms` or `email`.
    channel: str
    to: str
    sender: str
    text: str
    subject: str | None = None
    html: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    # The reports that the page can have sent, by what they say: `delivered`, `failed`.
    reports: dict[str, Callback] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid4().hex)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))


class Mailbox:
    """The messages of one folder. Its calls block: not for the event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, sent: Sent) -> None:
        """Keep a message, and forget what is old or too many."""
        with self._connected() as connection:
            values = (sent.id, sent.to, sent.at, orjson.dumps(asdict(sent)))
            connection.execute("INSERT INTO messages (id, recipient, at, message) VALUES (?, ?, ?, ?)", values)
            last = "SELECT coalesce(max(number), 0) - ? FROM messages"
            connection.execute(f"DELETE FROM messages WHERE number <= ({last})", (CAPACITY,))

    def newest(self, to: str | None = None) -> list[Sent]:
        """The messages, the newest first; only those to a number or address."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT message FROM messages WHERE ?1 IS NULL OR recipient = ?1 ORDER BY number DESC", (to,)
            ).fetchall()
        return [read(row[0]) for row in rows]

    def get(self, message_id: str) -> Sent | None:
        with self._connected() as connection:
            row = connection.execute("SELECT message FROM messages WHERE id = ?", (message_id,)).fetchone()
        return read(row[0]) if row else None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which no other process is in at the same time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / FILE
        # Nobody else reads it, also before SQLite has written to it.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None)) as connection:
            # What is deleted is gone from the file as well.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(TABLE)
            connection.execute("BEGIN IMMEDIATE")
            try:
                old = (datetime.now(UTC) - KEPT).isoformat(timespec="milliseconds")
                connection.execute("DELETE FROM messages WHERE at < ?", (old,))
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def read(kept: bytes) -> Sent:
    given: dict[str, Any] = orjson.loads(kept)
    reports = {outcome: Callback(**callback) for outcome, callback in given.pop("reports").items()}
    return Sent(**given, reports=reports)
