"""What a provider declares of itself. The rest of the gateway asks the registry, and names no provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.routing import BaseRoute

from lango.observability.finding import Finding
from lango.providers.errors import ProviderError
from lango.providers.warnings import WarningKind
from lango.providers.webhook import Webhook
from lango.settings import Section, Settings

Client = TypeVar("Client", covariant=True)


def _nothing(_settings: Settings) -> tuple[()]:
    return ()


def _no_names(_settings: Settings) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class Provider(Generic[Client]):
    """An outside service; rules reach its client by `services.client(THE_PROVIDER)`."""

    name: str
    # Makes the client that the settings choose; what it holds open is to be closed by the stack. Raises BadProvider.
    make: Callable[[Settings, AsyncExitStack], Client]
    settings: type[Section] | None = None
    # What its calls may raise: their warnings become codes of the API.
    errors: Sequence[type[ProviderError]] = ()
    # What it sends. Each has one handler among the rules.
    webhooks: Sequence[Webhook[Any]] = ()
    # Routes of its own: the pages of its sandbox, where that is on.
    routes: Callable[[Settings], Iterable[BaseRoute]] = _nothing
    # What `lango doctor` says of the settings, without calling anybody.
    checks: Callable[[Settings], Iterable[Finding]] = _nothing
    # What `lango dev` and the embedded server add to the environment, so that nothing tried there costs money.
    development: Callable[[Settings], Mapping[str, str]] = _no_names

    @property
    def warnings(self) -> Sequence[WarningKind]:
        """What its calls may warn of."""
        return tuple(dict.fromkeys(error.warning for error in self.errors))
