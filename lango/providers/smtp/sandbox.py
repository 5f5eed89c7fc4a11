"""A mail server inside the process, which keeps what it is sent (RFC 5321, as far as a client needs it).

Some addresses fail on purpose: `refused@…` has no mailbox, `down@…` cannot be delivered to for the moment, and
`silent@…` gets no answer.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import SMTP as SMTP_POLICY
from socket import socket, socketpair

from starlette.concurrency import run_in_threadpool

from lango.providers.mailbox import Mailbox, Sent
from lango.providers.smtp.errors import NAME

LARGEST = 1_000_000
# Longer than anybody waits.
SILENCE = 120.0
FAILURES = {"refused": "550 5.1.1 No such mailbox", "down": "451 4.3.0 Try again later"}
Deliver = Callable[[bytes, list[str]], Awaitable[None]]


class SandboxSmtp:
    """The server's end of connections. `tls` offers STARTTLS, and takes no mail without it; `login` wants that one."""

    def __init__(self, deliver: Deliver, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None):
        self.deliver = deliver
        self.tls = tls
        self.login = login
        self._running: set[asyncio.Task[None]] = set()

    def connect(self) -> socket:
        """The client's end of a new connection, whose other end is served here."""
        ours, theirs = socketpair()
        ours.setblocking(False)
        task = asyncio.create_task(self._serve_socket(ours))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return theirs

    async def _serve_socket(self, connected: socket) -> None:
        await self.serve(*await asyncio.open_connection(sock=connected))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        try:
            await _Session(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()


@dataclass
class _Session:
    server: SandboxSmtp
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    encrypted: bool = False
    known: bool = False
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)

    async def run(self) -> None:
        await self.answer("220 lango sandbox ESMTP")
        while line := await self.reader.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    await self.answer(*self.greeting())
                case "HELO" | "RSET" | "NOOP":
                    self.sender, self.recipients = None, []
                    await self.answer("250 OK")
                case "STARTTLS" if self.server.tls and not self.encrypted:
                    await self.answer("220 Go ahead")
                    await self.writer.start_tls(self.server.tls)
                    self.encrypted = True
                case "AUTH":
                    await self.authenticate(rest)
                case "MAIL":
                    await self.mail(rest)
                case "RCPT":
                    await self.recipient(rest)
                case "DATA":
                    await self.data()
                case "QUIT":
                    await self.answer("221 Bye")
                    return
                case _:
                    await self.answer("502 Not understood")

    def greeting(self) -> list[str]:
        offered = ["SIZE 1000000", "8BITMIME", "SMTPUTF8"]
        if self.server.tls and not self.encrypted:
            offered.append("STARTTLS")
        elif self.server.login:
            offered.append("AUTH PLAIN")
        return [f"250-{each}" for each in ("lango sandbox", *offered[:-1])] + [f"250 {offered[-1]}"]

    async def authenticate(self, given: str) -> None:
        method, _, initial = given.partition(" ")
        if method.upper() != "PLAIN" or self.server.login is None:
            await self.answer("504 Not offered")
            return
        name, password = self.server.login
        self.known = base64.b64decode(initial) == f"\0{name}\0{password}".encode()
        await self.answer("235 Welcome" if self.known else "535 5.7.8 Not known")

    async def mail(self, given: str) -> None:
        if self.server.tls and not self.encrypted:
            await self.answer("530 5.7.0 Must issue a STARTTLS command first")
        elif self.server.login and not self.known:
            await self.answer("530 5.7.0 Authentication required")
        else:
            self.sender = path_in(given)
            await self.answer("250 OK")

    async def recipient(self, given: str) -> None:
        address = path_in(given)
        name = address.partition("@")[0]
        if name == "silent":
            await asyncio.sleep(SILENCE)
        if name in FAILURES:
            await self.answer(FAILURES[name])
            return
        self.recipients.append(address)
        await self.answer("250 OK")

    async def data(self) -> None:
        if self.sender is None or not self.recipients:
            await self.answer("503 5.5.1 MAIL and RCPT first")
            return
        await self.answer("354 Go on")
        content = b""
        while (line := await self.reader.readuntil(b"\r\n")) != b".\r\n":
            content += line.removeprefix(b".")
            if len(content) > LARGEST:
                await self.answer("552 5.3.4 Too large")
                return
        await self.server.deliver(content, self.recipients)
        self.sender, self.recipients = None, []
        await self.answer("250 2.0.0 OK")

    async def answer(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()


def path_in(given: str) -> str:
    """The address of `FROM:<awa@example.sn> SIZE=812`."""
    return given.partition("<")[2].partition(">")[0]


def keeping(mailbox: Mailbox) -> Deliver:
    """Keeps what comes in a mailbox."""

    async def deliver(content: bytes, recipients: list[str]) -> None:
        message = message_from_bytes(content, policy=SMTP_POLICY)
        plain, html = message.get_body(["plain"]), message.get_body(["html"])
        for to in recipients:
            sent = Sent(
                provider=NAME,
                channel="email",
                to=to,
                sender=str(message["From"]),
                subject=str(message["Subject"]),
                text=plain.get_content().replace("\r\n", "\n") if plain else "",
                html=html.get_content() if html else None,
                headers={name: str(value) for name, value in message.items()},
            )
            await run_in_threadpool(mailbox.put, sent)

    return deliver
