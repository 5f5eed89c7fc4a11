"""What may go wrong in a call of a provider. Each provider has subclasses of its own, with its name and warnings."""

from __future__ import annotations

from typing import ClassVar

from lango.providers.warnings import ProviderWarning, WarningKind


class BadProvider(ValueError):
    """A provider cannot be used as the settings have it."""


class ProviderError(Exception):
    """A provider has not done what a call wants. The message is for the log; callers see the warning."""

    provider: ClassVar[str]
    warning: ClassVar[WarningKind]
    # How the call is counted in `lango_outside_calls`.
    outcome: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(f"{self.provider}: {message}")

    @classmethod
    def for_callers(cls) -> ProviderWarning:
        return cls.warning.about(cls.provider)


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached, or says that it is not well: the call may be made again later."""

    outcome = "unreached"


class ProviderUndecided(ProviderUnavailable):
    """The provider has the call, and has not decided it yet: the same call, made again later, returns the outcome."""


class ProviderRefused(ProviderError):
    """The provider understood the call and will not do it: made again it would be refused again."""

    outcome = "refused"

    def __init__(self, code: str, message: str) -> None:
        """`code` is the provider's own."""
        Exception.__init__(self, f"{self.provider} refused ({code}): {message}")
        self.code = code
