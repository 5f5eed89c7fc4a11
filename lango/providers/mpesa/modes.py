"""M-Pesa as the settings have it: live, in the sandbox, or off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx

from lango.observability.finding import Finding, Level
from lango.providers import sandboxes
from lango.providers.errors import BadProvider
from lango.providers.mpesa.client import Mpesa, NoMpesa
from lango.providers.mpesa.daraja import Business, HttpMpesa
from lango.providers.mpesa.sandbox.api import SandboxMpesa
from lango.providers.mpesa.sandbox.delivery import Deliver, posted
from lango.providers.mpesa.settings import PRODUCTION, SANDBOX_PASSKEY, SANDBOX_SHORTCODE, MpesaSettings
from lango.providers.mpesa.webhook import FORBIDDEN, Addresses, is_usable
from lango.settings import Settings

# It guards nothing, as the sandbox's secret; nor does what stands for the initiator's encrypted password.
SANDBOX_KEY = ("mpesa-sandbox-key", "mpesa-sandbox-secret")
SANDBOX_INITIATOR, SANDBOX_CREDENTIAL = "sandbox", "mpesa-sandbox-credential"


def make(settings: Settings, closing: AsyncExitStack) -> Mpesa:
    """The client. Raises BadProvider."""
    match settings.section(MpesaSettings).mode:
        case "off":
            return NoMpesa()
        case "sandbox":
            return make_sandbox(settings, closing, posted)
        case "live":
            return make_live(settings, closing)


def make_live(settings: Settings, closing: AsyncExitStack) -> HttpMpesa:
    """The client that calls Daraja itself. Raises BadProvider."""
    own = settings.section(MpesaSettings)
    key = own.live_key
    passkey = own.passkey.get_secret_value() if own.passkey else ""
    business = _business(own, passkey, own.initiator or "", own.credential)
    # What cannot connect in half of the time has not been sent, and may be sent again.
    limits = httpx.Timeout(own.timeout, connect=own.timeout / 2, pool=own.timeout / 2)
    return _made(settings, closing, key, business, httpx.AsyncClient(base_url=own.api_url, timeout=limits))


def make_sandbox(settings: Settings, closing: AsyncExitStack, deliver: Deliver) -> HttpMpesa:
    """The client with the sandbox in Daraja's place, whose results are brought by `deliver`."""
    own = settings.section(MpesaSettings)
    business = _business(own, SANDBOX_PASSKEY, SANDBOX_INITIATOR, SANDBOX_CREDENTIAL)
    sandbox = SandboxMpesa(settings.data_dir, SANDBOX_KEY, business, deliver)
    closing.push_async_callback(sandbox.close)
    transport = httpx.ASGITransport(sandbox.app, raise_app_exceptions=False)
    client = httpx.AsyncClient(base_url=own.api_url, timeout=own.timeout, transport=transport)
    return _made(settings, closing, SANDBOX_KEY, business, client)


def _made(
    settings: Settings, closing: AsyncExitStack, key: tuple[str, str], business: Business, client: httpx.AsyncClient
) -> HttpMpesa:
    closing.push_async_callback(client.aclose)
    timeout = settings.section(MpesaSettings).timeout
    return HttpMpesa(client, key=key, business=business, addresses=Addresses(settings), timeout=timeout)


def _business(own: MpesaSettings, passkey: str, initiator: str, credential: str) -> Business:
    return Business(
        shortcode=own.shortcode,
        paying_shortcode=own.paying_shortcode,
        passkey=passkey,
        initiator=initiator,
        credential=credential,
        zone=own.time_zone,
        pull=own.pull or own.mode == "sandbox",
    )


in_development = sandboxes.in_development(MpesaSettings)


def checks(settings: Settings) -> Iterator[Finding]:
    own = settings.section(MpesaSettings)
    yield from sandboxes.exposed(
        settings, own.mode, "M-Pesa is", "balances fill for nothing",
        "Set LANGO_MPESA to live, with what it needs, or to off.",
    )  # fmt: skip
    if own.mode != "live":
        return
    try:
        _ = own.live_key
    except BadProvider as error:
        yield Finding("settings", Level.ERROR, str(error), "The gateway does not start like this.")
    yield from _credential(own)
    if own.secrets and not Addresses(settings).base.startswith("https://"):
        yield Finding(
            "settings", Level.ERROR,
            f"M-Pesa posts to https addresses only, not to {Addresses(settings).base}: no payment is ever reported.",
            "Set LANGO_MPESA_CALLBACK_URL, or LANGO_PUBLIC_URL.",
        )  # fmt: skip
    if own.api_url == PRODUCTION and own.shortcode == SANDBOX_SHORTCODE:
        yield Finding(
            "settings", Level.ERROR, f"{SANDBOX_SHORTCODE} is the Paybill number of Daraja's sandbox: nobody can pay.",
            "Set LANGO_MPESA_SHORTCODE.",
        )  # fmt: skip
    if weak := [secret for secret in own.secrets if not is_usable(secret)]:
        yield Finding(
            "settings", Level.ERROR,
            f"{len(weak)} of LANGO_MPESA_CALLBACK_SECRETS cannot be part of an address, or can be guessed: M-Pesa "
            "signs nothing, so whoever knows one can report payments.",
            "Take 32 letters and digits, without the words that M-Pesa takes in no address: "
            + ", ".join(FORBIDDEN) + ".",
        )  # fmt: skip


def _credential(own: MpesaSettings) -> Iterator[Finding]:
    try:
        if own.credential:
            return
    except BadProvider as error:
        yield Finding("settings", Level.ERROR, str(error), "The gateway does not start like this.")
        return
    yield Finding(
        "settings", Level.WARNING, "M-Pesa is live and cannot pay out, reverse or query about receipts.",
        "Set LANGO_MPESA_INITIATOR, LANGO_MPESA_INITIATOR_PASSWORD and LANGO_MPESA_CERTIFICATE.",
    )  # fmt: skip
