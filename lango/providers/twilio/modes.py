"""Twilio as the settings have it: live, in the sandbox, or off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from uuid import UUID

import httpx

from lango.observability.finding import Finding, Level
from lango.providers import sandboxes
from lango.providers.addresses import public_url
from lango.providers.errors import BadProvider
from lango.providers.mailbox import Mailbox
from lango.providers.twilio.client import HttpTwilio, NoTwilio, Twilio
from lango.providers.twilio.sandbox import SandboxTwilio
from lango.providers.twilio.settings import SANDBOX_ACCOUNT, TwilioSettings
from lango.providers.twilio.webhook import report_url
from lango.settings import Settings


def make(settings: Settings, closing: AsyncExitStack) -> Twilio:
    """The client. Raises BadProvider."""
    own = settings.section(TwilioSettings)
    if own.mode == "off":
        return NoTwilio()
    transport = None
    if own.mode == "sandbox":
        account, token = SANDBOX_ACCOUNT, own.tokens[0]
        sandbox = SandboxTwilio(Mailbox(settings.data_dir), account, token)
        transport = httpx.ASGITransport(sandbox.app, raise_app_exceptions=False)
    else:
        account, token = own.live_account
    client = httpx.AsyncClient(base_url=own.api_url, auth=(account, token), timeout=own.timeout, transport=transport)
    closing.push_async_callback(client.aclose)
    # Twilio refuses a message whose reports it could not bring.
    reachable = own.mode == "sandbox" or public_url(settings).startswith("https://")

    def reports_to(reference: UUID) -> str | None:
        return report_url(settings, reference) if reachable else None

    sender = own.sender or "lango"
    return HttpTwilio(client, account=account, sender=sender, timeout=own.timeout, report_url=reports_to)


def is_sandbox(settings: Settings) -> bool:
    return settings.section(TwilioSettings).mode == "sandbox"


in_development = sandboxes.in_development(TwilioSettings)


def checks(settings: Settings) -> Iterator[Finding]:
    own = settings.section(TwilioSettings)
    yield from sandboxes.exposed(
        settings, own.mode, "Twilio is", "nobody gets an SMS",
        "Set LANGO_TWILIO to live, with LANGO_TWILIO_AUTH_TOKENS, or to off.",
    )  # fmt: skip
    if own.mode != "live":
        return
    try:
        _ = own.live_account
    except BadProvider as error:
        yield Finding("settings", Level.ERROR, str(error), "The gateway does not start like this.")
    if not public_url(settings).startswith("https://"):
        yield Finding(
            "settings", Level.WARNING,
            f"Twilio reports to https addresses only, not to {public_url(settings)}: nobody sees what arrived.",
            "Set LANGO_PUBLIC_URL.",
        )  # fmt: skip
