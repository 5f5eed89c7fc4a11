"""Wave's webhook: every event of a payment, in JSON, signed by one of the secrets that are in use."""

from __future__ import annotations

import time

from lango.providers.payloads import json_object
from lango.providers.wave.settings import WaveSettings
from lango.providers.wave.signature import HEADER, verify
from lango.providers.webhook import Webhook, WebhookRequest
from lango.settings import Settings


def is_signed(settings: Settings, request: WebhookRequest) -> bool:
    signatures = request.headers.getlist(HEADER)
    secrets = settings.section(WaveSettings).secrets
    return len(signatures) == 1 and verify(secrets, signatures[0], request.body, time.time())


EVENTS = Webhook("/webhooks/wave", verify=is_signed, read=json_object)
