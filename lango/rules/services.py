"""What a rule or a job may use besides its transaction: the database itself, the settings, and outside services."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lango.actor import Actor
from lango.db.pipeline import Pipeline
from lango.observability.metrics import JobMetrics
from lango.providers.provider import Provider
from lango.providers.registry import PROVIDERS
from lango.rules.transaction import RuleTransaction
from lango.security import passwords
from lango.security.encryption import Keyring, usable_keyring
from lango.security.permissions import Known
from lango.settings import Settings

Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class Services:
    """Made once by each process that serves or works."""

    pipeline: Pipeline
    settings: Settings
    # How each provider is reached, as it has made it itself.
    clients: Mapping[Provider[Any], Any] = field(default_factory=dict)
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    # What a worker counts; the gateway counts no jobs.
    metrics: JobMetrics | None = None
    # What an API key may be permitted; only the gateway knows its API.
    permissions: Known = field(default_factory=Known)
    # The turns of rules that hash passwords: fifty who sign in at once come after each other, and others between them.
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(passwords.AT_ONCE))

    def client(self, provider: Provider[Client]) -> Client:
        """What calls this provider: `services.client(WAVE).checkout(…)`.

        Never call an outside service while a transaction is open.
        """
        found: Client = self.clients[provider]
        return found

    @property
    def keyring(self) -> Keyring:
        """The keys of encrypted columns. Raises ServiceUnavailable where there are none that can be used."""
        return usable_keyring(self.settings)

    def work(self, actor: Actor | None = None) -> RuleTransaction:
        """A transaction in the rules' role, for what the system does by itself, or on behalf of `actor`."""
        return RuleTransaction(self, actor or Actor(), system=actor is None)

    async def close(self) -> None:
        """Close what the outside services hold open; the connections to the database stay their owner's."""
        await self.closing.aclose()


def make_services(settings: Settings, pipeline: Pipeline, metrics: JobMetrics | None = None) -> Services:
    """What the settings choose. Raises BadProvider."""
    closing = AsyncExitStack()
    return Services(pipeline, settings, make_clients(settings, closing), closing, metrics)


def make_clients(settings: Settings, closing: AsyncExitStack) -> Mapping[Provider[Any], Any]:
    """How each provider is reached; what has to be closed at the end is put on the stack. Raises BadProvider."""
    return {provider: provider.make(settings, closing) for provider in PROVIDERS}


async def try_clients(settings: Settings) -> None:
    """Raises BadProvider where a provider cannot be used as the settings have it; calls nobody."""
    async with AsyncExitStack() as closing:
        make_clients(settings, closing)
