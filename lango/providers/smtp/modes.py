"""The mail server as the settings have it: live, in the sandbox, or off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack

from lango.observability.finding import Finding, Level
from lango.providers import sandboxes
from lango.providers.errors import BadProvider
from lango.providers.mailbox import Mailbox
from lango.providers.messages import EmailCarrier
from lango.providers.smtp.client import NoSmtp, Server, SmtpClient
from lango.providers.smtp.sandbox import SandboxSmtp, keeping
from lango.providers.smtp.settings import SmtpSettings
from lango.settings import Settings


def make(settings: Settings, closing: AsyncExitStack) -> EmailCarrier:  # noqa: ARG001 - nothing stays open
    """The client. Raises BadProvider."""
    own = settings.section(SmtpSettings)
    if own.mode == "off":
        return NoSmtp()
    if own.mode == "sandbox":
        sandbox = SandboxSmtp(keeping(Mailbox(settings.data_dir)))
        server = Server("localhost", 25, "off", connected=sandbox.connect)
    else:
        password = own.password.get_secret_value() if own.password else None
        server = Server(own.live_host, own.port, own.security, own.username, password)
    return SmtpClient(server, own.address, own.timeout)


def is_sandbox(settings: Settings) -> bool:
    return settings.section(SmtpSettings).mode == "sandbox"


in_development = sandboxes.in_development(SmtpSettings)


def checks(settings: Settings) -> Iterator[Finding]:
    own = settings.section(SmtpSettings)
    if own.mode == "off":
        yield Finding(
            "settings", Level.WARNING, "No mail server is set: nobody signs in, or is warned, by email.",
            "Set LANGO_SMTP_HOST and LANGO_SMTP_SENDER.",
        )  # fmt: skip
    yield from sandboxes.exposed(
        settings, own.mode, "Emails go to", "nobody gets any",
        "Set LANGO_SMTP to live, with LANGO_SMTP_HOST, or to off.",
    )  # fmt: skip
    if own.mode != "live":
        return
    try:
        _ = own.live_host, own.address
    except BadProvider as error:
        yield Finding("settings", Level.ERROR, str(error), "The gateway does not start like this.")
        return
    if "." not in own.address.domain:
        yield Finding(
            "settings", Level.ERROR, f"Emails come from {own.address.addr_spec}, which no mail server believes.",
            "Set LANGO_SMTP_SENDER to an address of your own domain.",
        )  # fmt: skip
    if not settings.account_url:
        yield Finding(
            "settings", Level.WARNING, "Links in messages lead to the gateway, which has no page to set a password.",
            "Set LANGO_ACCOUNT_URL to your site's pages.",
        )  # fmt: skip
