"""Ids of new rows, in the driver's kind of UUID: made, compared and written in a fraction of the time of Python's own.

They are UUIDs like any other, and what rows have that were read.
"""

from __future__ import annotations

import os

from lango.libraries.asyncpg import UUID

# Where a UUID says its version and its variant, and what they are of random ones: RFC 9562, version 4.
SAID = 0xF000_C000_0000_0000_0000
RANDOM = 0x4000_8000_0000_0000_0000


def new_id() -> UUID:
    """A random one, that nobody guesses."""
    number = int.from_bytes(os.urandom(16), "big")
    return UUID((number & ~SAID | RANDOM).to_bytes(16, "big"))
