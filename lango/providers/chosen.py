"""Which providers the settings choose, and how they are reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal
from urllib.parse import urlsplit

import httpx
from starlette.routing import Route

from lango.providers.errors import BadProvider
from lango.providers.wave.client import HttpWave, NoWave, Wave
from lango.providers.wave.sandbox.api import SandboxWave
from lango.providers.wave.sandbox.page import PayPage
from lango.settings import Settings

RETURN_PATH = "/payments/return"
PAY_PATH = "/sandbox/wave"
WAVE_WEBHOOK = "/webhooks/wave"
# They guard nothing: in the sandbox whoever opens the page may pay.
SANDBOX_KEY = "wave_sandbox_key"
SANDBOX_SECRET = "wave_sandbox_secret"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Close = Callable[[], Awaitable[None]]


def public_url(settings: Settings) -> str:
    """Where people and providers reach the gateway."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def return_url(settings: Settings) -> str:
    """Where a provider sends donors back to."""
    return settings.payment_return_url or public_url(settings) + RETURN_PATH


def wave_mode(settings: Settings) -> Literal["live", "sandbox", "off"]:
    return settings.wave or ("live" if settings.wave_api_key else "off")


def wave_secrets(settings: Settings) -> list[str]:
    """What Wave's webhooks are signed with, the newest secret first; without any no webhook is taken."""
    given = settings.wave_webhook_secrets.get_secret_value() if settings.wave_webhook_secrets else ""
    secrets = [secret.strip() for secret in given.split(",") if secret.strip()]
    return secrets or ([SANDBOX_SECRET] if wave_mode(settings) == "sandbox" else [])


def live_key(settings: Settings) -> str:
    """The key of Wave's API. Raises BadProvider where there is none, or where it would be given away."""
    if settings.wave_api_key is None:
        raise BadProvider("LANGO_WAVE is live: set LANGO_WAVE_API_KEY, or LANGO_WAVE to sandbox or off.")
    address = urlsplit(settings.wave_api_url)
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        raise BadProvider("LANGO_WAVE_API_URL must be an https address: the key could be read on the way.")
    return settings.wave_api_key.get_secret_value()


def make_wave(settings: Settings) -> tuple[Wave, list[Close]]:
    """Wave as the settings have it, and what has to be closed at the end. Raises BadProvider."""
    mode = wave_mode(settings)
    if mode == "off":
        return NoWave(), []
    if mode == "sandbox":
        key = SANDBOX_KEY
        pages = public_url(settings) + PAY_PATH
        sandbox = SandboxWave(settings.data_dir, key, lambda session_id: f"{pages}/{session_id}")
        transport = httpx.ASGITransport(sandbox.app, raise_app_exceptions=False)
    else:
        key, transport = live_key(settings), None
    client = httpx.AsyncClient(
        base_url=settings.wave_api_url,
        headers={"authorization": f"Bearer {key}", "accept": "application/json"},
        timeout=settings.wave_timeout,
        transport=transport,
    )
    wave = HttpWave(client, return_url=return_url(settings), timeout=settings.wave_timeout)
    return wave, [wave.close]


def sandbox_routes(settings: Settings) -> list[Route]:
    """The pages on which checkouts are paid that cost nothing; none unless the sandbox is on."""
    if wave_mode(settings) != "sandbox":
        return []
    page = PayPage(settings.data_dir, wave_secrets(settings), WAVE_WEBHOOK)
    path = f"{PAY_PATH}/{{session}}"
    return [Route(path, page.show, methods=["GET"]), Route(path, page.act, methods=["POST"])]
