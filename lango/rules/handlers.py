"""Handlers of webhooks: what the rules do with what a provider has sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any, Generic, TypeVar

from lango.providers.provider import Provider
from lango.providers.webhook import Delivery, Handled, Webhook
from lango.rules.services import Services

Payload = TypeVar("Payload")


class BadHandlers(TypeError):
    """Webhooks and handlers do not belong together one by one; the message says which."""


@dataclass(frozen=True, slots=True, eq=False)
class Handler(Generic[Payload]):
    """A function that takes in what comes to a webhook; called, it does so."""

    webhook: Webhook[Payload]
    function: Callable[[Services, Delivery[Payload]], Awaitable[Handled]]

    def __call__(self, services: Services, delivery: Delivery[Payload]) -> Awaitable[Handled]:
        return self.function(services, delivery)


def handles(
    webhook: Webhook[Payload],
) -> Callable[[Callable[[Services, Delivery[Payload]], Awaitable[Handled]]], Handler[Payload]]:
    """Make `async def …(services, delivery)` the handler of this webhook.

    It stores the event, with a job that makes sure of it, commits, and gives what is still to be done; or it decides,
    commits, and gives the reply. What it raises is answered 503, and the provider sends it again: the same twice must
    change nothing.
    """

    def declare(function: Callable[[Services, Delivery[Payload]], Awaitable[Handled]]) -> Handler[Payload]:
        return Handler(webhook, function)

    return declare


def handlers_in(package: ModuleType, providers: Iterable[Provider[Any]]) -> Sequence[Handler[Any]]:
    """The handlers of all webhooks of the providers, from the modules of the package. Raises BadHandlers."""
    modules = [import_module(found.name) for found in walk_packages(package.__path__, f"{package.__name__}.")]
    # By identity: a module may import another's handler.
    found = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Handler)}
    handled = [handler.webhook for handler in found.values()]
    declared = [webhook for provider in providers for webhook in provider.webhooks]
    for webhook in declared:
        if (count := handled.count(webhook)) != 1:
            raise BadHandlers(f"{webhook.path} has {count} handlers in {package.__name__}: it needs one.")
    if strange := [webhook.path for webhook in handled if webhook not in declared]:
        raise BadHandlers(f"No provider declares {', '.join(strange)}, for which {package.__name__} has a handler.")
    return list(found.values())
