"""Wave as the settings have it: live, in the sandbox, or off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx

from lango.observability.finding import Finding, Level
from lango.providers import sandboxes
from lango.providers.addresses import public_url, return_url
from lango.providers.errors import BadProvider
from lango.providers.wave.client import HttpWave, NoWave, Wave
from lango.providers.wave.sandbox.api import SandboxWave
from lango.providers.wave.sandbox.page import PAY_PATH
from lango.providers.wave.settings import WaveSettings
from lango.settings import Settings

# It guards nothing, as the sandbox's secret.
SANDBOX_KEY = "wave_sandbox_key"


def make(settings: Settings, closing: AsyncExitStack) -> Wave:
    """The client. Raises BadProvider."""
    own = settings.section(WaveSettings)
    if own.mode == "off":
        return NoWave()
    if own.mode == "sandbox":
        key = SANDBOX_KEY
        pages = public_url(settings) + PAY_PATH
        sandbox = SandboxWave(settings.data_dir, key, lambda session_id: f"{pages}/{session_id}")
        transport = httpx.ASGITransport(sandbox.app, raise_app_exceptions=False)
    else:
        key, transport = own.live_key, None
    client = httpx.AsyncClient(
        base_url=own.api_url,
        headers={"authorization": f"Bearer {key}", "accept": "application/json"},
        timeout=own.timeout,
        transport=transport,
    )
    closing.push_async_callback(client.aclose)
    return HttpWave(client, return_url=return_url(settings), timeout=own.timeout)


in_development = sandboxes.in_development(WaveSettings)


def checks(settings: Settings) -> Iterator[Finding]:
    own = settings.section(WaveSettings)
    yield from sandboxes.exposed(
        settings, own.mode, "Wave is", "pots fill for nothing",
        "Set LANGO_WAVE to live, with LANGO_WAVE_API_KEY, or to off.",
    )  # fmt: skip
    if own.mode != "live":
        return
    try:
        _ = own.live_key
    except BadProvider as error:
        yield Finding("settings", Level.ERROR, str(error), "The gateway does not start like this.")
    if not own.secrets:
        yield Finding(
            "settings", Level.ERROR, "Wave is live and its webhooks cannot be verified: no payment is ever reported.",
            "Set LANGO_WAVE_WEBHOOK_SECRETS to what Wave's portal shows for the webhook.",
        )  # fmt: skip
    if not return_url(settings).startswith("https://"):
        yield Finding(
            "settings", Level.ERROR, f"Wave sends donors back to https addresses only, not to {return_url(settings)}.",
            "Set LANGO_PUBLIC_URL or LANGO_PAYMENT_RETURN_URL.",
        )  # fmt: skip
