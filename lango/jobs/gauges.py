"""Measures: what waits in the database, for Prometheus: counted by workers now and again, by gateways when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from lango.jobs.queue import LOST
from lango.observability.metrics import Measured
from lango.rules.services import Services

log = structlog.get_logger("lango.jobs.gauges")

# Seconds that a count may take, and for how long a gateway shows what was counted.
TIMEOUT, KEPT = 5.0, 15.0

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

    Each process asks every 15 seconds at most: it must cost next to nothing. Its docstring is the gauge's.
    """

    def register(count: Count) -> Count:
        _known[name] = Measure(name, label, " ".join((count.__doc__ or "").split()), count)
        return count

    return register


def measures_of() -> Sequence[Measure]:
    """All measures of the modules that have been imported, by name."""
    return [_known[name] for name in sorted(_known)]


async def measure_all(services: Services, measured: Measured) -> None:
    """Count for every measure anew."""
    for each in measures_of():
        counts: Mapping[str, int] = {}
        try:
            async with asyncio.timeout(TIMEOUT):
                counts = await each.count(services)
        except (*LOST, SQLAlchemyError) as error:
            log.warning("not measured", measure=each.name, exc_info=error)
        # What is not known is not shown: the last count would look like the present one.
        measured.set(each.name, each.says, each.label, counts)


class Gauges:
    """The measures as a gateway shows them: counted when they are asked for, and kept some seconds."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._measured = Measured()
        self._registry = CollectorRegistry()
        self._registry.register(self._measured)
        self._lock = asyncio.Lock()
        self._counted_at: float | None = None

    async def text(self) -> bytes:
        """In Prometheus' text format."""
        async with self._lock:
            if self._counted_at is None or time.monotonic() - self._counted_at > KEPT:
                await measure_all(self._services, self._measured)
                self._counted_at = time.monotonic()
            return generate_latest(self._registry)
