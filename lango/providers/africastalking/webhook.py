"""Africa's Talking's delivery reports: forms without a signature, so a secret is part of their address."""

from __future__ import annotations

import hmac

from lango.providers.africastalking.settings import AfricasTalkingSettings
from lango.providers.payloads import form
from lango.providers.webhook import Webhook, WebhookRequest
from lango.settings import Settings


def is_addressed(settings: Settings, request: WebhookRequest) -> bool:
    secret = settings.section(AfricasTalkingSettings).secret
    return secret is not None and hmac.compare_digest(request.parameters["secret"].encode(), secret.encode())


REPORTS = Webhook("/webhooks/africas-talking/{secret}", verify=is_addressed, read=form)
