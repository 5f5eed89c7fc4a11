"""What is answered of an operation by finished JSON, before the executor fills in the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Answered:
    """The root fields that are answered: finished JSON by response key, in the order of the answer.

    `waiting` are those that the executor is to finish; `complete` says that nothing is left for it.
    """

    finished: dict[str, bytes] = field(default_factory=dict)
    waiting: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    # How it was answered, where the caller may see that.
    report: dict[str, Any] | None = None


NOTHING = Answered()
