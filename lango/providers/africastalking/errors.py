"""What may go wrong in sending an SMS by Africa's Talking."""

from __future__ import annotations

from lango.providers.errors import ProviderRefused, ProviderUnavailable
from lango.providers.warnings import MESSAGE_PROVIDER_REFUSED, MESSAGE_PROVIDER_UNAVAILABLE

NAME = "africas_talking"


class AfricasTalkingUnavailable(ProviderUnavailable):
    """Africa's Talking cannot be reached, does not serve this account now, or has no way to the number."""

    provider = NAME
    warning = MESSAGE_PROVIDER_UNAVAILABLE


class AfricasTalkingRefused(ProviderRefused):
    """The number is none, or its owner wants no messages."""

    provider = NAME
    warning = MESSAGE_PROVIDER_REFUSED
