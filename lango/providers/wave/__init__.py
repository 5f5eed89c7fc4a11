"""Wave: mobile money in XOF."""

from __future__ import annotations

from lango.providers.provider import Provider
from lango.providers.wave.client import Wave
from lango.providers.wave.errors import NAME, WaveRefused, WaveUnavailable
from lango.providers.wave.modes import checks, in_development, make
from lango.providers.wave.sandbox.page import routes
from lango.providers.wave.settings import WaveSettings
from lango.providers.wave.webhook import EVENTS

WAVE: Provider[Wave] = Provider(
    NAME,
    make,
    settings=WaveSettings,
    errors=[WaveUnavailable, WaveRefused],
    webhooks=[EVENTS],
    routes=routes,
    checks=checks,
    development=in_development,
)
