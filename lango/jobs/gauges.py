"""Gauges of what waits in the database, for Prometheus: counted by workers at intervals, by gateways when scraped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from lango.jobs.queue import LOST
from lango.observability.metrics import GaugeCollector
from lango.rules.services import Services

log = structlog.get_logger("lango.jobs.gauges")

# Seconds that a count may take, and for how long a gateway shows what was counted.
TIMEOUT, KEPT = 5.0, 15.0

# How many there are of each value of the label.
Count = Callable[[Services], Awaitable[Mapping[str, int]]]


@dataclass(frozen=True, slots=True, eq=False)
class GaugeDefinition:
    """A gauge, and the function that counts for it."""

    name: str
    label: str
    description: str
    count: Count


_known: dict[str, GaugeDefinition] = {}


def gauge(name: str, label: str) -> Callable[[Count], Count]:
    """Make a gauge of `async def what(services)`, which gives a count for each value of the label.

    Each process calls it every 15 seconds at most: it must cost next to nothing. Its docstring is the gauge's.
    """

    def register(count: Count) -> Count:
        _known[name] = GaugeDefinition(name, label, " ".join((count.__doc__ or "").split()), count)
        return count

    return register


def gauge_definitions() -> Sequence[GaugeDefinition]:
    """All gauges of the modules that have been imported, by name."""
    return [_known[name] for name in sorted(_known)]


async def update_gauges(services: Services, gauges: GaugeCollector) -> None:
    """Count again for every gauge."""
    for each in gauge_definitions():
        counts: Mapping[str, int] = {}
        try:
            async with asyncio.timeout(TIMEOUT):
                counts = await each.count(services)
        except (*LOST, SQLAlchemyError) as error:
            log.warning("not measured", measure=each.name, exc_info=error)
        # What is not known is not shown: the last count would look like the present one.
        gauges.set(each.name, each.description, each.label, counts)


class Gauges:
    """The gauges as a gateway shows them: counted when they are scraped, and kept some seconds."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._collector = GaugeCollector()
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)
        self._lock = asyncio.Lock()
        self._counted_at: float | None = None

    async def text(self) -> bytes:
        """In Prometheus' text format."""
        async with self._lock:
            if self._counted_at is None or time.monotonic() - self._counted_at > KEPT:
                await update_gauges(self._services, self._collector)
                self._counted_at = time.monotonic()
            return generate_latest(self._registry)
