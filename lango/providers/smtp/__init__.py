"""SMTP: emails by any mail server."""

from __future__ import annotations

from lango.providers.mailbox_page import routes_where
from lango.providers.messages import EmailCarrier
from lango.providers.provider import Provider
from lango.providers.smtp.errors import NAME
from lango.providers.smtp.modes import checks, in_development, is_sandbox, make
from lango.providers.smtp.settings import SmtpSettings

__all__ = ["SMTP", "SmtpSettings"]

SMTP: Provider[EmailCarrier] = Provider(
    NAME,
    make,
    settings=SmtpSettings,
    routes=routes_where(is_sandbox),
    checks=checks,
    development=in_development,
)
