"""One thing that was looked at: in order, doubtful or wrong, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: only an error makes `lango doctor` fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`area` is what was examined, `remedy` what to do; it is empty when nothing has to be done."""

    area: str
    level: Level
    says: str
    remedy: str = ""
