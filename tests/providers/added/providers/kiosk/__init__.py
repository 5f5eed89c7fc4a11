"""A chain of kiosks that asks before it sells on account, and says how many are open."""

from __future__ import annotations

from lango.providers.kiosk.client import Kiosk, KioskClosed, make
from lango.providers.kiosk.gateway import PURCHASES, checks, routes
from lango.providers.kiosk.settings import KioskSettings
from lango.providers.provider import Provider

KIOSK: Provider[Kiosk] = Provider(
    "kiosk",
    make,
    settings=KioskSettings,
    errors=[KioskClosed],
    webhooks=[PURCHASES],
    routes=routes,
    checks=checks,
    development=lambda _settings: {"LANGO_KIOSK_LIMIT": "100"},
)
