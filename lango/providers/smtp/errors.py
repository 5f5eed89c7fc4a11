"""What may go wrong in sending an email."""

from __future__ import annotations

from lango.providers.errors import ProviderRefused, ProviderUnavailable
from lango.providers.warnings import MESSAGE_PROVIDER_REFUSED, MESSAGE_PROVIDER_UNAVAILABLE

NAME = "smtp"


class SmtpUnavailable(ProviderUnavailable):
    """The mail server cannot be reached, does not know us, or takes nothing for the moment."""

    provider = NAME
    warning = MESSAGE_PROVIDER_UNAVAILABLE


class SmtpRefused(ProviderRefused):
    """The mail server takes nothing for this address."""

    provider = NAME
    warning = MESSAGE_PROVIDER_REFUSED
