"""Twilio: SMS everywhere."""

from __future__ import annotations

from lango.providers.mailbox_page import routes_where
from lango.providers.provider import Provider
from lango.providers.twilio.client import Twilio
from lango.providers.twilio.errors import NAME
from lango.providers.twilio.modes import checks, in_development, is_sandbox, make
from lango.providers.twilio.settings import TwilioSettings
from lango.providers.twilio.webhook import REPORTS

__all__ = ["TWILIO", "TwilioSettings"]

TWILIO: Provider[Twilio] = Provider(
    NAME,
    make,
    settings=TwilioSettings,
    webhooks=[REPORTS],
    routes=routes_where(is_sandbox),
    checks=checks,
    development=in_development,
)
