"""The mail server's settings: LANGO_SMTP and what begins with LANGO_SMTP_."""

from __future__ import annotations

from email.headerregistry import Address
from email.utils import parseaddr
from typing import Literal

from pydantic import Field, SecretStr

from lango.providers.addresses import LOOPBACK
from lango.providers.errors import BadProvider
from lango.providers.sandboxes import Mode, Sandboxed
from lango.settings import named


class SmtpSettings(Sandboxed):
    """How emails are sent."""

    model_config = named("LANGO_SMTP_")

    chosen: Mode | None = Field(
        None,
        validation_alias="LANGO_SMTP",
        description="Emails by a mail server: `live`, in a `sandbox` inside the gateway, or `off`. Without it `lango "
        "dev` and the embedded server take the sandbox; else it is `live` where there is a host, `off` where there is "
        "none.",
    )
    host: str | None = Field(None, description="The mail server.")
    port: int = Field(587, ge=1, le=65535, description="Its port: 587 with `starttls`, 465 with `tls`.")
    security: Literal["starttls", "tls", "off"] = Field(
        "starttls",
        description="How the way there is encrypted: `starttls` and `tls` are both required, never tried; `off` only "
        "on this machine.",
    )
    username: str | None = Field(None, description="The login there; without it none.")
    password: SecretStr | None = Field(None, description="The login's password.")
    sender: str = Field(
        "lango <no-reply@localhost>", description="Whom emails come from: `lango <no-reply@example.org>`."
    )
    timeout: float = Field(15.0, gt=0, description="Seconds that sending one email may take.")

    @property
    def mode(self) -> Mode:
        return self.chosen or ("live" if self.host else "off")

    @property
    def live_host(self) -> str:
        """The mail server. Raises BadProvider where there is none, or where emails could be read on the way there."""
        if not self.host:
            raise BadProvider("LANGO_SMTP is live: set LANGO_SMTP_HOST, or LANGO_SMTP to sandbox or off.")
        if self.security == "off" and self.host not in LOOPBACK:
            raise BadProvider("LANGO_SMTP_SECURITY is off: codes could be read on the way to the mail server.")
        return self.host

    @property
    def address(self) -> Address:
        """The sender. Raises BadProvider where it is no address."""
        name, spec = parseaddr(self.sender)
        try:
            made = Address(display_name=name, addr_spec=spec)
        except (ValueError, IndexError) as error:
            raise BadProvider("LANGO_SMTP_SENDER is no email address.") from error
        if not made.username or not made.domain:
            raise BadProvider("LANGO_SMTP_SENDER is no email address.")
        return made
