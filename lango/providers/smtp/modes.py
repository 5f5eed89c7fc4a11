"""The mail server as the settings have it: live, in the sandbox, or off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack

from lango.db.postgres import is_loopback
from lango.observability.finding import Finding, Level
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


def in_development(settings: Settings) -> Mapping[str, str]:
    """The sandbox, unless the settings say what shall be."""
    return {"LANGO_SMTP": "sandbox"} if settings.section(SmtpSettings).chosen is None else {}


def checks(settings: Settings) -> Iterator[Finding]:
    own = settings.section(SmtpSettings)
    if own.mode == "off":
        yield Finding(
            "settings", Level.WARNING, "No mail server is set: nobody signs in, or is warned, by email.",
            "Set LANGO_SMTP_HOST and LANGO_SMTP_SENDER.",
        )  # fmt: skip
    if own.mode == "sandbox" and not is_loopback(settings.host):
        yield Finding(
            "settings", Level.ERROR,
            f"Emails go to a sandbox while lango listens on {settings.host}: nobody gets any.",
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
