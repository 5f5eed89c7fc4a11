"""Africa's Talking: SMS in Africa."""

from __future__ import annotations

from lango.providers.africastalking.errors import NAME
from lango.providers.africastalking.modes import checks, in_development, is_sandbox, make
from lango.providers.africastalking.settings import AfricasTalkingSettings
from lango.providers.africastalking.webhook import REPORTS
from lango.providers.mailbox_page import routes_where
from lango.providers.messages import SmsCarrier
from lango.providers.provider import Provider

__all__ = ["AFRICAS_TALKING", "AfricasTalkingSettings"]

AFRICAS_TALKING: Provider[SmsCarrier] = Provider(
    NAME,
    make,
    settings=AfricasTalkingSettings,
    webhooks=[REPORTS],
    routes=routes_where(is_sandbox),
    checks=checks,
    development=in_development,
)
