"""What the sandbox knows, in a SQLite file: the gateway pushes and shows the phone, a worker pays out and queries."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

FILE = "sandbox-mpesa.sqlite3"
# Seconds to wait for another process that writes.
LOCK_TIMEOUT = 5.0
TOKEN_LIFETIME = timedelta(seconds=3599)
# How long a phone waits for the PIN.
PUSH_LIFETIME = timedelta(seconds=120)
UNREACHABLE = "1037"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
TABLES = """
    CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, until TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS pushes (id TEXT PRIMARY KEY, phone TEXT NOT NULL, push BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS pushes_phone ON pushes (phone);
    CREATE TABLE IF NOT EXISTS movements (
        receipt TEXT PRIMARY KEY, at TEXT NOT NULL, key TEXT UNIQUE, movement BLOB NOT NULL
    );
"""


@dataclass(slots=True)
class Push:
    """An STK push. It has no code until it is decided."""

    id: str
    merchant_id: str
    phone: str
    amount: int
    reference: str
    description: str
    url: str
    created_at: str
    code: str | None = None
    receipt: str | None = None

    @property
    def outcome(self) -> str | None:
        """Its code; None while the phone waits."""
        waited = datetime.now(UTC) - datetime.fromisoformat(self.created_at)
        return self.code or (UNREACHABLE if waited > PUSH_LIFETIME else None)


@dataclass(slots=True)
class Movement:
    """Money that came (`amount` as it was paid), went, or was given back."""

    receipt: str
    kind: str
    amount: int
    phone: str
    # When it was or will be done.
    at: str
    conversation_id: str
    # Of a payout the key that it came with, which no other has; of the rest the sandbox's own.
    key: str
    reference: str = ""
    # `0`, or M-Pesa's code for why it failed.
    code: str = "0"
    reversed_by: str | None = None

    @property
    def is_done(self) -> bool:
        return datetime.fromisoformat(self.at) <= datetime.now(UTC)


class Book:
    """One transaction, which no other process is in at the same time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def issue_token(self) -> str:
        token = secrets.token_urlsafe(21)
        self.connection.execute("DELETE FROM tokens WHERE until < ?", (moment(),))
        self.connection.execute("INSERT INTO tokens VALUES (?, ?)", (token, moment(datetime.now(UTC) + TOKEN_LIFETIME)))
        return token

    def knows_token(self, token: str) -> bool:
        found = self.connection.execute("SELECT 1 FROM tokens WHERE token = ? AND until > ?", (token, moment()))
        return found.fetchone() is not None

    def put_push(self, push: Push) -> None:
        values = (push.id, push.phone, orjson.dumps(asdict(push)))
        self.connection.execute("INSERT OR REPLACE INTO pushes VALUES (?, ?, ?)", values)

    def push(self, push_id: str) -> Push | None:
        row = self.connection.execute("SELECT push FROM pushes WHERE id = ?", (push_id,)).fetchone()
        return Push(**orjson.loads(row[0])) if row else None

    def pushes_to(self, phone: str) -> list[Push]:
        """The newest first."""
        found = self.connection.execute("SELECT push FROM pushes WHERE phone = ?", (phone,))
        pushes = [Push(**orjson.loads(row[0])) for row in found]
        return sorted(pushes, key=lambda push: push.created_at, reverse=True)

    def put_movement(self, movement: Movement) -> None:
        values = (movement.receipt, movement.at, movement.key, orjson.dumps(asdict(movement)))
        self.connection.execute("INSERT OR REPLACE INTO movements VALUES (?, ?, ?, ?)", values)

    def movement(self, receipt: str) -> Movement | None:
        return self._movement("receipt = ?", receipt)

    def movement_by(self, key: str) -> Movement | None:
        return self._movement("key = ?", key)

    def movements(self, begin: datetime, end: datetime) -> list[Movement]:
        """What was done meanwhile, in order."""
        found = self.connection.execute(
            "SELECT movement FROM movements WHERE at >= ? AND at < ? ORDER BY at, receipt", (moment(begin), moment(end))
        )
        return [Movement(**orjson.loads(row[0])) for row in found]

    def _movement(self, where: str, value: str) -> Movement | None:
        row = self.connection.execute(f"SELECT movement FROM movements WHERE {where}", (value,)).fetchone()
        return Movement(**orjson.loads(row[0])) if row else None


@contextmanager
def book(folder: Path) -> Iterator[Book]:
    """What is kept in this folder; what is changed stays if nothing is raised. Blocks: not for the event loop."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / FILE, timeout=LOCK_TIMEOUT, isolation_level=None)) as connection:
        connection.executescript(TABLES)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Book(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def moment(at: datetime | None = None) -> str:
    """A moment as it is kept: in UTC, so that texts sort as moments do."""
    return (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def new_receipt() -> str:
    """A receipt's number, in M-Pesa's form."""
    return "S" + "".join(secrets.choice(LETTERS) for _ in range(9))


def new_conversation() -> str:
    return f"AG_{datetime.now(UTC):%Y%m%d}_{secrets.token_hex(10)}"
