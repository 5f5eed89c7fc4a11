"""Measures: what waits in the database, counted now and again by each worker, for Prometheus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from lango.services import Services

# How many there are of each value of the label.
Count = Callable[[Services], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """A gauge, and the function that counts for it."""

    name: str
    label: str
    says: str
    count: Count


_known: dict[str, Measure] = {}


def measure(name: str, label: str) -> Callable[[Count], Count]:
    """Make a gauge of `async def what(services)`, which gives a count for each value of the label.

    Each worker asks every 15 seconds: it must cost next to nothing. Its docstring is the gauge's.
    """

    def register(count: Count) -> Count:
        _known[name] = Measure(name, label, " ".join((count.__doc__ or "").split()), count)
        return count

    return register


def measures_of() -> Sequence[Measure]:
    """All measures of the modules that have been imported, by name."""
    return [_known[name] for name in sorted(_known)]
