"""What a rule or a job may use besides its transaction: the database itself, the settings, and outside services."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from lango.actor import Actor, DatabaseRole
from lango.providers.wave import Wave
from lango.session import acting_as
from lango.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Made once by each process that serves or works."""

    engine: AsyncEngine
    settings: Settings
    wave: Wave

    def work(self, actor: Actor | None = None) -> AbstractAsyncContextManager[AsyncSession]:
        """A transaction in the rules' role, for what the system does by itself, or on behalf of `actor`.

        Never call an outside service while one is open.
        """
        return acting_as(self.engine, actor or Actor(), role=DatabaseRole.RULES)
