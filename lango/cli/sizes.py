"""How much demo data there may be."""

from __future__ import annotations

from enum import StrEnum


class Size(StrEnum):
    """How much demo data."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
