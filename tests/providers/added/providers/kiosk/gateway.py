from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lango.observability.finding import Finding, Level
from lango.providers.kiosk.settings import KioskSettings
from lango.providers.payloads import form
from lango.providers.webhook import Webhook, WebhookRequest
from lango.settings import Settings


def has_password(settings: Settings, request: WebhookRequest) -> bool:
    password = settings.section(KioskSettings).password
    if password is None:
        return False
    expected = b"Basic " + b64encode(b"kiosk:" + password.get_secret_value().encode())
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), expected)


PURCHASES = Webhook("/webhooks/kiosk/{place}/purchases", verify=has_password, read=form, within=2.0)


async def show(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("The kiosk is open.")


def routes(_settings: Settings) -> list[Route]:
    return [Route("/sandbox/kiosk", show)]


def checks(settings: Settings) -> Iterator[Finding]:
    if settings.section(KioskSettings).password is None:
        yield Finding("settings", Level.WARNING, "No kiosk can call.", "Set LANGO_KIOSK_PASSWORD.")
