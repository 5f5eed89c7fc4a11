"""All providers: each folder beside this module declares one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import lango.providers
from lango.providers.provider import Provider
from lango.providers.warnings import NOT_YET_FINISHED, WarningKind


class BadRegistry(TypeError):
    """The folders of the providers do not fit together; the message says which."""


def providers_in(package: ModuleType) -> tuple[Provider[Any], ...]:
    """The provider of each folder of the package, by name. Raises BadRegistry."""
    folders = [module.name for module in iter_modules(package.__path__, f"{package.__name__}.") if module.ispkg]
    found = tuple(sorted(map(_provider_of, folders), key=lambda provider: provider.name))
    _once("provider", (provider.name for provider in found))
    _once("webhook", (webhook.path for provider in found for webhook in provider.webhooks))
    _agreed(warning for provider in found for warning in provider.warnings)
    return found


def _provider_of(folder: str) -> Provider[Any]:
    declared = [value for value in vars(import_module(folder)).values() if isinstance(value, Provider)]
    if len(declared) != 1:
        raise BadRegistry(f"{folder} declares {len(declared)} providers: a folder is one.")
    return declared[0]


def _once(what: str, names: Iterable[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise BadRegistry(f"There are two of the {what} {', '.join(twice)}.")


def _agreed(warnings: Iterable[WarningKind]) -> None:
    """Providers may share a warning, but a code has one meaning."""
    _once("warning", (kind.code for kind in {*warnings, NOT_YET_FINISHED}))


def _warnings(providers: Sequence[Provider[Any]]) -> Iterator[WarningKind]:
    for provider in providers:
        yield from provider.warnings
    yield NOT_YET_FINISHED


PROVIDERS = providers_in(lango.providers)
# What a mutation may warn of: the codes of the API.
WARNINGS = tuple(dict.fromkeys(_warnings(PROVIDERS)))
