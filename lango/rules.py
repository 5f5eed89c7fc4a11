"""What a rule declares of itself: whom it serves, what it may answer, and whether a retry is the same call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lango.errors import Refused

LONGEST_IDEMPOTENCY_KEY = 255
IDEMPOTENCY_KEY_FORM = f"must have 1 to {LONGEST_IDEMPOTENCY_KEY} printable characters, and not blanks alone."


def is_idempotency_key(text: str) -> bool:
    """Whether that may be an idempotency key; it is compared as it is."""
    return len(text) <= LONGEST_IDEMPOTENCY_KEY and text.isprintable() and bool(text.strip())


class IdempotencyKeyReused(Refused):
    """This idempotency key was used with another input."""


class InProgress(Refused):
    """The first call with this idempotency key is still running: ask again shortly."""


class NotFound(Refused):
    """There is no such thing that you may see."""


class InvalidState(Refused):
    """This cannot be done in the state it is in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: `run(session, actor, **arguments)` gives what it made, or raises one of `refusals`."""

    run: Callable[..., Awaitable[Any]]
    refusals: tuple[type[Refused], ...]
    idempotent: bool
    anonymous: bool
    staff: bool
    as_rules: bool
    calls: bool

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def doc(self) -> str:
        """The rule's docstring up to its first empty line, in one line."""
        return " ".join((self.run.__doc__ or "").strip().split("\n\n")[0].split())


def rule(
    *refusals: type[Refused],
    idempotent: bool = True,
    anonymous: bool = False,
    staff: bool = False,
    as_rules: bool = False,
    calls: bool = False,
) -> Callable[[Callable[..., Awaitable[Any]]], Rule]:
    """Declares a rule: `idempotent` takes an idempotency key, `anonymous` needs no token, `staff` is for staff;
    `as_rules` has nothing to read as the caller, and begins in the rules' role; `calls` asks an outside service when
    it is done, by `lango.calls.call_soon`."""
    always = (IdempotencyKeyReused, InProgress) if idempotent else ()

    def declare(run: Callable[..., Awaitable[Any]]) -> Rule:
        return Rule(run, (*refusals, *always), idempotent, anonymous, staff, as_rules, calls)

    return declare
