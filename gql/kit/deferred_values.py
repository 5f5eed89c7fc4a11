"""Values that are not known while a plan is made: what a variable, or the caller, will give.

A plan is made once for many requests, so what differs from one to the next stands in it as a `Slot`. Where the making
must know a value after all (a page's size, the direction of an ordering), it decides: the plan then serves only those
requests that give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from lango.errors import BadUserInput


class Given(NamedTuple):
    """What one request brings: its variables, coerced, who is asking, and the key of the row that a rule made."""

    variables: Mapping[str, Any]
    user_id: UUID | None = None
    key: tuple[Any, ...] = ()


Read = Callable[[Given], Any]


class Questions:
    """What the making of a plan had to know of its first request, in the order in which it asked."""

    def __init__(self, given: Given) -> None:
        self._given: Given | None = given
        self._answers: dict[Read, Hashable] = {}

    def ask(self, read: Read) -> Any:
        """What the request gives, noted as a condition of the plan. The answer must be hashable."""
        assert self._given is not None, "a plan that is made asks nothing more"
        if read not in self._answers:
            self._answers[read] = read(self._given)
        return self._answers[read]

    @property
    def asked(self) -> list[tuple[Read, Hashable]]:
        """The questions in their order, each once, with their answers."""
        return list(self._answers.items())

    def close(self) -> None:
        """Forget the request: the plan outlives it."""
        self._given = None


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A value that each request gives anew."""

    read: Read
    questions: Questions

    def then(self, change: Callable[[Any], Any]) -> Slot:
        """The slot of what `change` makes of the value."""
        read = self.read
        return Slot(lambda given: change(read(given)), self.questions)

    def decide(self, about: Callable[[Any], Any] | None = None) -> Any:
        """The value, or what `about` says of it, as a condition of the plan."""
        return self.questions.ask(self.read if about is None else self.then(about).read)


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """What `change` makes of a value, now or when it is known."""
    if isinstance(value, Slot):
        return value.then(change)
    if isinstance(value, list) and any(isinstance(item, Slot) for item in value):
        return together(value).then(change)
    return change(value)


def together(values: list[Any]) -> Slot:
    """The slot of a list of which at least one item is a slot."""
    readers = [item.read if isinstance(item, Slot) else _constant(item) for item in values]
    questions = next(item.questions for item in values if isinstance(item, Slot))
    return Slot(lambda given: [read(given) for read in readers], questions)


def decided(value: Any) -> Any:
    """The value itself, because what is made of it depends on it."""
    return value.decide() if isinstance(value, Slot) else value


def _constant(value: Any) -> Read:
    return lambda _: value


class NotPlanned(BadUserInput):
    """This cannot be planned: the ordinary executor answers it."""
