"""Values that are not known while a plan is made: what a variable, or the caller, will give.

A plan is made once for many requests, so what differs from one to the next stands in it as a `DeferredValue`. Where the
planner must know a value after all (a page's size, the direction of an ordering), it decides: the value becomes a
condition, and the plan then serves only requests that meet it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from lango.errors import BadUserInput


class RequestValues(NamedTuple):
    """What one request brings: its variables, coerced, who is asking, and the key of the row that a rule made."""

    variables: Mapping[str, Any]
    user_id: UUID | None = None
    key: tuple[Any, ...] = ()


Read = Callable[[RequestValues], Any]


class PlanConditions:
    """What the planner had to know of a plan's first request, in the order in which it read it."""

    def __init__(self, given: RequestValues) -> None:
        self._given: RequestValues | None = given
        self._answers: dict[Read, Hashable] = {}

    def evaluate(self, read: Read) -> Any:
        """What the request gives, recorded as a condition of the plan. The answer must be hashable."""
        assert self._given is not None, "a finished plan takes no more conditions"
        if read not in self._answers:
            self._answers[read] = read(self._given)
        return self._answers[read]

    @property
    def answers(self) -> list[tuple[Read, Hashable]]:
        """What was read, in order and each once, with what the first request gave."""
        return list(self._answers.items())

    def close(self) -> None:
        """Forget the request: the plan outlives it."""
        self._given = None


@dataclass(frozen=True, slots=True, eq=False)
class DeferredValue:
    """A value that each request supplies."""

    read: Read
    conditions: PlanConditions

    def then(self, change: Callable[[Any], Any]) -> DeferredValue:
        """What `change` will make of the value."""
        read = self.read
        return DeferredValue(lambda given: change(read(given)), self.conditions)

    def decide(self, about: Callable[[Any], Any] | None = None) -> Any:
        """The value, or what `about` says of it, as a condition of the plan."""
        return self.conditions.evaluate(self.read if about is None else self.then(about).read)


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """What `change` makes of a value, now or when it is known."""
    if isinstance(value, DeferredValue):
        return value.then(change)
    if isinstance(value, list) and any(isinstance(item, DeferredValue) for item in value):
        return together(value).then(change)
    return change(value)


def together(values: list[Any]) -> DeferredValue:
    """A list of which at least one item is deferred, as one deferred value."""
    readers = [item.read if isinstance(item, DeferredValue) else _constant(item) for item in values]
    conditions = next(item.conditions for item in values if isinstance(item, DeferredValue))
    return DeferredValue(lambda given: [read(given) for read in readers], conditions)


def decided(value: Any) -> Any:
    """The value itself, because what is made of it depends on it."""
    return value.decide() if isinstance(value, DeferredValue) else value


def _constant(value: Any) -> Read:
    return lambda _: value


class NotPlanned(BadUserInput):
    """This cannot be planned: the ordinary executor answers it."""
