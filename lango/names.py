"""Names: of a class in snake case, as codes, fields and references write it."""

from __future__ import annotations

import re
from functools import lru_cache

# A capital begins a word also where the one before is a word by itself.
WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    """`qr_code` of `QrCode`."""
    return WORD.sub("_", name).lower()
