"""What may go wrong in a call of M-Pesa."""

from __future__ import annotations

from lango.providers.errors import ProviderRefused, ProviderUnavailable, ProviderUndecided
from lango.providers.warnings import PAYMENT_PROVIDER_REFUSED, PAYMENT_PROVIDER_UNAVAILABLE

NAME = "mpesa"


class MpesaUnavailable(ProviderUnavailable):
    """M-Pesa cannot be reached, or says that it is not well: nothing was begun, and the call may be made again."""

    provider = NAME
    warning = PAYMENT_PROVIDER_UNAVAILABLE


class MpesaUndecided(MpesaUnavailable, ProviderUndecided):
    """M-Pesa has the call or may have it: what becomes of it is learnt by a callback or a query, never by a repeat."""


class MpesaRefused(ProviderRefused):
    """M-Pesa understood the call and has not begun anything: made again it would be refused again."""

    provider = NAME
    warning = PAYMENT_PROVIDER_REFUSED
