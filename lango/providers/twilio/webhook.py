"""Twilio's delivery reports: signed forms, which come to the address that was given with the message."""

from __future__ import annotations

from uuid import UUID

from lango.providers.addresses import public_url
from lango.providers.payloads import form
from lango.providers.twilio.settings import TwilioSettings
from lango.providers.twilio.signature import HEADER, verify
from lango.providers.webhook import Webhook, WebhookRequest
from lango.settings import Settings

PATH = "/webhooks/twilio"


def report_url(settings: Settings, reference: UUID) -> str:
    """Where Twilio reports what became of a message of ours."""
    return f"{public_url(settings)}{PATH}?delivery={reference}"


def is_signed(settings: Settings, request: WebhookRequest) -> bool:
    signatures = request.headers.getlist(HEADER)
    # By the settings, never by the Host header: that is what Twilio was told, whatever proxies stand between.
    url = f"{public_url(settings)}{request.path}" + (f"?{request.query}" if request.query else "")
    tokens = settings.section(TwilioSettings).tokens
    return len(signatures) == 1 and verify(tokens, signatures[0], url, request.body)


REPORTS = Webhook(PATH, verify=is_signed, read=form)
