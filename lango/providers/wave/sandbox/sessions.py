"""The sandbox's checkout sessions and payouts, in a SQLite file: the gateway opens them, a worker gives them back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

FILE = "sandbox-wave.sqlite3"
# Seconds to wait for another process that writes.
LOCK_TIMEOUT = 5.0
TABLES = """
    CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, reference TEXT, session BLOB NOT NULL, refunded TEXT);
    CREATE INDEX IF NOT EXISTS sessions_reference ON sessions (reference);
    CREATE TABLE IF NOT EXISTS payouts (id TEXT PRIMARY KEY, payout BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS answers (
        key TEXT PRIMARY KEY, request BLOB NOT NULL, status INTEGER NOT NULL, answer BLOB NOT NULL
    );
"""

# A checkout session, and a payout, in Wave's JSON.
Session = dict[str, Any]
Payout = dict[str, Any]


class Kept(NamedTuple):
    """The answer to a call with an idempotency key, and the call."""

    request: bytes
    status: int
    answer: bytes


class Sessions:
    """One transaction, which no other process is in at the same time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def add(self, session: Session) -> None:
        self.connection.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, NULL)",
            (session["id"], session["client_reference"], orjson.dumps(session)),
        )

    def get(self, session_id: str) -> Session | None:
        row = self.connection.execute("SELECT session FROM sessions WHERE id = ?", (session_id,)).fetchone()
        return as_of_now(orjson.loads(row[0])) if row else None

    def of(self, reference: str) -> list[Session]:
        rows = self.connection.execute("SELECT session FROM sessions WHERE reference = ? ORDER BY rowid", (reference,))
        return [as_of_now(orjson.loads(row[0])) for row in rows]

    def put(self, session: Session) -> None:
        values = (orjson.dumps(session), session["id"])
        self.connection.execute("UPDATE sessions SET session = ? WHERE id = ?", values)

    def refund(self, session_id: str) -> None:
        """Once; again changes nothing."""
        self.connection.execute(
            "UPDATE sessions SET refunded = coalesce(refunded, ?) WHERE id = ?", (moment(), session_id)
        )

    def refunded(self, session_id: str) -> str | None:
        """When it was given back."""
        row = self.connection.execute("SELECT refunded FROM sessions WHERE id = ?", (session_id,)).fetchone()
        return row[0] if row else None

    def pay_out(self, payout: Payout) -> None:
        self.connection.execute("INSERT INTO payouts VALUES (?, ?)", (payout["id"], orjson.dumps(payout)))

    def payout(self, payout_id: str) -> Payout | None:
        """As it was made: what became of it since is not written down."""
        row = self.connection.execute("SELECT payout FROM payouts WHERE id = ?", (payout_id,)).fetchone()
        return orjson.loads(row[0]) if row else None

    def kept(self, key: str) -> Kept | None:
        row = self.connection.execute("SELECT request, status, answer FROM answers WHERE key = ?", (key,)).fetchone()
        return Kept(*row) if row else None

    def keep(self, key: str, kept: Kept) -> None:
        self.connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (key, *kept))


@contextmanager
def sessions(folder: Path) -> Iterator[Sessions]:
    """The sessions kept in this folder; what is changed stays if nothing is raised. Blocks: not for the event loop."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / FILE, timeout=LOCK_TIMEOUT, isolation_level=None)) as connection:
        connection.executescript(TABLES)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Sessions(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def as_of_now(session: Session) -> Session:
    """The session, expired where its time is over."""
    if session["checkout_status"] == "open" and datetime.fromisoformat(session["when_expires"]) <= datetime.now(UTC):
        session |= expired_at(session["when_expires"])
    return session


def expired_at(when: str) -> Session:
    """What an expired session has that an open one has not."""
    return {"checkout_status": "expired", "payment_status": "cancelled", "when_completed": when}


def moment(time: datetime | None = None) -> str:
    """A moment as Wave writes it."""
    return (time or datetime.now(UTC)).isoformat(timespec="seconds").replace("+00:00", "Z")
