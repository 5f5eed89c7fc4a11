"""The driver's connection, fit for a pooler: what its statements are called, and how its settings are pinned.

Behind a pooler in transaction mode many clients share a server connection. What one of them prepares there must not be
taken for another's statement, and what one sets for its session says nothing about the next transaction
(docs/adr/0017).
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lango.libraries.asyncpg import NamingConnection


@lru_cache(maxsize=1024)
def digest(sql: str) -> str:
    """The first 128 bits of a statement's SHA-256, in hexadecimal digits."""
    return hashlib.sha256(sql.encode()).hexdigest()[:32]


class DriverConnection(NamingConnection):
    """A connection whose statements bear names that mean the same text in every process, or nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The same text is prepared more than once, by the driver's cache and by SQLAlchemy's.
        self._suffixes = map(f"{secrets.token_hex(4)}{{:x}}".format, itertools.count())
        self._pins = ""
        self.opened_at = time.monotonic()
        self.preamble = ""
        """What each transaction has to add to its SELECT of `set_config(…)`: empty where the session keeps it."""

    @property
    def is_pooled(self) -> bool:
        """Whether something between here and the server speaks for it, so that a session may be shared."""
        return bool(self.preamble)

    async def pin(self, settings: Mapping[str, str]) -> None:
        """Give the settings these values: for the session where it is ours alone, else by the `preamble`.

        One round trip. Start-up parameters would cost none, but poolers refuse them. The values are our own and hold
        no quotes.
        """
        pairs = ", ".join(f"('{name}', '{value}')" for name, value in settings.items())
        self._pins = f"SELECT set_config(name, value, false) FROM (VALUES {pairs}) AS pinned (name, value)"
        # The server's process is the one that greeted us, unless a pooler did.
        done = await self.execute(f"{self._pins} WHERE pg_backend_pid() = {self.get_server_pid()}")
        if done == "SELECT 0":
            self.preamble = "".join(f", set_config('{name}', '{value}', true)" for name, value in settings.items())

    async def pin_session(self) -> None:
        """Once it is known that the pooler keeps a session for us, pin the settings for all of it."""
        await self.execute(self._pins)
        self.preamble = ""

    def get_reset_query(self) -> str:
        """What the driver's own pool runs between two borrowers: it forgets the pins, which are made again."""
        return f"{super().get_reset_query()}\n{self._pins};" if self._pins else super().get_reset_query()

    def name_of(self, query: str) -> str:
        """As its text, and unlike any other of this connection."""
        return f"{digest(query)}_{next(self._suffixes)}"
