"""What may go wrong in sending an SMS by Twilio."""

from __future__ import annotations

from lango.providers.errors import ProviderRefused, ProviderUnavailable
from lango.providers.warnings import MESSAGE_PROVIDER_REFUSED, MESSAGE_PROVIDER_UNAVAILABLE

NAME = "twilio"


class TwilioUnavailable(ProviderUnavailable):
    """Twilio cannot be reached, does not serve this account now, or has no way to the number."""

    provider = NAME
    warning = MESSAGE_PROVIDER_UNAVAILABLE


class TwilioRefused(ProviderRefused):
    """The number is none, or its owner wants no messages."""

    provider = NAME
    warning = MESSAGE_PROVIDER_REFUSED
