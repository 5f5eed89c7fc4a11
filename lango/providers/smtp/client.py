"""Emails over SMTP, each in a connection of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from socket import socket

import aiosmtplib

from lango.providers.messages import Email, Taken, words
from lango.providers.smtp.errors import SmtpRefused, SmtpUnavailable

# What a server means of the connection or of our login, not of the address.
OF_OURS = (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPHeloError, aiosmtplib.SMTPSenderRefused)


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, and how it is reached."""

    host: str
    port: int
    security: str
    username: str | None = None
    password: str | None = None
    # What its certificate is checked by; None for the machine's own authorities.
    trusted: ssl.SSLContext | None = None
    # A connection that is there already, which the sandbox has at its other end.
    connected: Callable[[], socket] | None = None


class SmtpClient:
    """A mail server, called anew for each email."""

    def __init__(self, server: Server, sender: Address, timeout: float) -> None:
        """`timeout` is the seconds that the whole of it may take."""
        self.server = server
        self.sender = sender
        self.timeout = timeout

    async def send(self, email: Email) -> Taken:
        message = self.written(email)
        try:
            # The client counts the seconds of each command alone.
            async with asyncio.timeout(self.timeout):
                await self._send(message, email.to)
        except aiosmtplib.SMTPRecipientsRefused as error:
            fail(error.recipients[0])
        except aiosmtplib.SMTPNotSupported as error:
            raise SmtpRefused("not-supported", words(str(error))) from None
        except aiosmtplib.SMTPResponseException as error:
            fail(error)
        except (TimeoutError, OSError, aiosmtplib.SMTPException) as error:
            raise SmtpUnavailable(f"cannot be reached ({type(error).__name__})") from None
        return Taken(str(message["Message-ID"]))

    def written(self, email: Email) -> EmailMessage:
        """The message with its headers. Raises SmtpRefused for an address that no header can hold."""
        message = EmailMessage(policy=SMTP_POLICY)
        try:
            message["To"] = Address(addr_spec=email.to)
        except (ValueError, IndexError, MessageError):
            raise SmtpRefused("bad-address", "the address cannot be written") from None
        message["From"] = self.sender
        message["Subject"] = email.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        # The same for each try of one message, so that a mailbox shows it once.
        message["Message-ID"] = f"<{email.reference}@{self.sender.domain}>"
        # No automatic replies, and no holiday notices.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(email.plain)
        message.add_alternative(email.html, subtype="html")
        # Last: headers about the content would go to the first part.
        message["Content-Language"] = email.language
        return message

    async def _send(self, message: EmailMessage, to: str) -> None:
        server = self.server
        connected = server.connected() if server.connected else None
        await aiosmtplib.send(
            message,
            sender=self.sender.addr_spec,
            recipients=[to],
            hostname=None if connected else server.host,
            port=None if connected else server.port,
            sock=connected,
            # Not what this machine is called, which a look-up in the network would have to say.
            local_hostname=self.sender.domain,
            username=server.username,
            password=server.password,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=server.trusted,
            timeout=self.timeout,
        )


class NoSmtp:
    """Emails switched off."""

    async def send(self, email: Email) -> Taken:  # noqa: ARG002
        raise SmtpUnavailable("LANGO_SMTP is off")


def fail(error: aiosmtplib.SMTPResponseException) -> None:
    """Raise what the server says: refused where it takes nothing for the address, unavailable otherwise."""
    if 500 <= error.code < 600 and not isinstance(error, OF_OURS):
        raise SmtpRefused(str(error.code), words(error.message)) from None
    raise SmtpUnavailable(f"{error.code}: {words(error.message)}") from None
