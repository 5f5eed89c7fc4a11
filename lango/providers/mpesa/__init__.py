"""M-Pesa: mobile money in KES, by Safaricom's Daraja."""

from __future__ import annotations

from lango.providers.mpesa.client import Mpesa
from lango.providers.mpesa.errors import NAME, MpesaRefused, MpesaUnavailable
from lango.providers.mpesa.modes import checks, in_development, make
from lango.providers.mpesa.sandbox.page import routes
from lango.providers.mpesa.settings import MpesaSettings
from lango.providers.mpesa.webhook import CALLBACKS, NOTICES, PAYMENT_CALLBACKS, RESULTS
from lango.providers.provider import Provider

__all__ = ["MPESA", "MpesaSettings"]

MPESA: Provider[Mpesa] = Provider(
    NAME,
    make,
    settings=MpesaSettings,
    errors=[MpesaUnavailable, MpesaRefused],
    webhooks=[CALLBACKS, PAYMENT_CALLBACKS, RESULTS, NOTICES],
    routes=routes,
    checks=checks,
    development=in_development,
)
