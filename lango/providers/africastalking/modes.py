"""Africa's Talking as the settings have it: live, in the sandbox, or off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx

from lango.observability.finding import Finding, Level
from lango.providers import sandboxes
from lango.providers.africastalking.client import HttpAfricasTalking, NoAfricasTalking
from lango.providers.africastalking.sandbox import SandboxAfricasTalking
from lango.providers.africastalking.settings import AfricasTalkingSettings
from lango.providers.errors import BadProvider
from lango.providers.mailbox import Mailbox
from lango.providers.messages import SmsCarrier
from lango.settings import Settings

# They guard nothing, as the sandbox's secret.
SANDBOX_USERNAME, SANDBOX_KEY = "sandbox", "africas_talking_sandbox_key"


def make(settings: Settings, closing: AsyncExitStack) -> SmsCarrier:
    """The client. Raises BadProvider."""
    own = settings.section(AfricasTalkingSettings)
    if own.mode == "off":
        return NoAfricasTalking()
    transport = None
    if own.mode == "sandbox":
        username, key = SANDBOX_USERNAME, SANDBOX_KEY
        assert own.secret is not None, "the sandbox has one of its own"
        sandbox = SandboxAfricasTalking(Mailbox(settings.data_dir), username, key, own.secret)
        transport = httpx.ASGITransport(sandbox.app, raise_app_exceptions=False)
    else:
        username, key = own.live_account
    client = httpx.AsyncClient(
        base_url=own.api_url,
        headers={"apikey": key, "accept": "application/json"},
        timeout=own.timeout,
        transport=transport,
    )
    closing.push_async_callback(client.aclose)
    return HttpAfricasTalking(client, username=username, sender=own.sender, timeout=own.timeout)


def is_sandbox(settings: Settings) -> bool:
    return settings.section(AfricasTalkingSettings).mode == "sandbox"


in_development = sandboxes.in_development(AfricasTalkingSettings)


def checks(settings: Settings) -> Iterator[Finding]:
    own = settings.section(AfricasTalkingSettings)
    yield from sandboxes.exposed(
        settings, own.mode, "Africa's Talking is", "nobody gets an SMS",
        "Set LANGO_AFRICAS_TALKING to live, with LANGO_AFRICAS_TALKING_API_KEY, or to off.",
    )  # fmt: skip
    if own.mode != "live":
        return
    try:
        _ = own.live_account
    except BadProvider as error:
        yield Finding("settings", Level.ERROR, str(error), "The gateway does not start like this.")
    if own.secret is None:
        yield Finding(
            "settings", Level.WARNING,
            "Africa's Talking is live and its delivery reports are not taken: nobody sees whether an SMS arrived.",
            "Set LANGO_AFRICAS_TALKING_REPORT_SECRET to 16 characters or more, and the callback address there to "
            "/webhooks/africas-talking/<secret>.",
        )  # fmt: skip
