"""Adapters of outside services: each speaks one provider's protocol, and knows no table."""

from __future__ import annotations


class ProviderUnavailable(Exception):
    """The provider cannot be reached, or says that it is not well: the call may be made again later."""

    def __init__(self, provider: str, message: str) -> None:
        """`message` is for the log; callers are told only which provider it is."""
        super().__init__(f"{provider}: {message}")
        self.provider = provider


class ProviderUndecided(ProviderUnavailable):
    """The provider has the call, and has not said yet what becomes of it: made again later, the same call tells."""


class ProviderRefused(Exception):
    """The provider understood the call and will not do it: made again it would be refused again."""

    def __init__(self, provider: str, code: str, message: str) -> None:
        super().__init__(f"{provider} refused ({code}): {message}")
        self.provider = provider
        self.code = code
