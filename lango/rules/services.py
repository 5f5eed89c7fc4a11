"""What a rule or a job may use besides its transaction: the database itself, the settings, and outside services."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from lango.actor import Actor
from lango.observability.metrics import JobMetrics
from lango.providers.chosen import Close, make_wave
from lango.providers.wave.client import Wave
from lango.rules.transaction import RuleTransaction
from lango.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Made once by each process that serves or works."""

    engine: AsyncEngine
    settings: Settings
    wave: Wave
    closing: list[Close] = field(default_factory=list)
    # What a worker counts; the gateway counts no jobs.
    metrics: JobMetrics | None = None

    def work(self, actor: Actor | None = None) -> RuleTransaction:
        """A transaction in the rules' role, for what the system does by itself, or on behalf of `actor`.

        Never call an outside service while one is open.
        """
        return RuleTransaction(self, actor or Actor(), system=actor is None)

    async def close(self) -> None:
        """Close what the outside services hold open; the engine stays its owner's."""
        for close in self.closing:
            await close()


def make_services(settings: Settings, engine: AsyncEngine, metrics: JobMetrics | None = None) -> Services:
    """What the settings choose. Raises BadProvider."""
    wave, closing = make_wave(settings)
    return Services(engine, settings, wave, closing, metrics)
