"""What may go wrong in a call of Wave."""

from __future__ import annotations

from lango.providers.errors import ProviderRefused, ProviderUnavailable, ProviderUndecided
from lango.providers.warnings import PAYMENT_PROVIDER_REFUSED, PAYMENT_PROVIDER_UNAVAILABLE

NAME = "wave"


class WaveUnavailable(ProviderUnavailable):
    """Wave cannot be reached, or says that it is not well: the call may be made again later."""

    provider = NAME
    warning = PAYMENT_PROVIDER_UNAVAILABLE


class WaveUndecided(WaveUnavailable, ProviderUndecided):
    """Wave has the call, and has not decided it yet: the same call, made again later, returns the outcome."""


class WaveRefused(ProviderRefused):
    """Wave understood the call and will not do it: made again it would be refused again."""

    provider = NAME
    warning = PAYMENT_PROVIDER_REFUSED
