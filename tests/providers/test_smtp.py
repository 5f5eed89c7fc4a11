"""The mail adapter against a mail server on loopback: what it sends, how the way there is encrypted, what fails."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lango.observability.finding import Level
from lango.providers import BadProvider, ProviderRefused, ProviderUnavailable
from lango.providers.messages import Email
from lango.providers.smtp import SMTP
from lango.providers.smtp.client import Server, SmtpClient
from lango.providers.smtp.sandbox import SandboxSmtp
from lango.providers.smtp.settings import SmtpSettings
from tests.providers.conftest import Settled

REFERENCE = UUID("0199f3a0-0000-7000-8000-000000000001")
SENDER = Address("lango", "no-reply", "lango.example.org")
LOGIN = ("lango", "geheim")
LIVE = {"host": "mail.example.org", "sender": "lango <no-reply@lango.example.org>"}


def email(to: str = "awa@example.sn", plain: str = "Votre code : 482913\n") -> Email:
    return Email(to, "Votre code à vous", plain, "<p>482913</p>", language="fr", reference=REFERENCE)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 and its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    pem = serialization.Encoding.PEM
    own = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(own + made.public_bytes(pem))
    return path


@pytest.fixture
def trusted(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


class Listening:
    """A mail server on loopback, and what came to it."""

    def __init__(self, certificate: Path) -> None:
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(certificate)
        self.came: list[tuple[EmailMessage, list[str]]] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self, *, starttls: bool = False, tls: bool = False) -> None:
        async def deliver(content: bytes, recipients: list[str]) -> None:
            self.came.append((cast(EmailMessage, message_from_bytes(content, policy=SMTP_POLICY)), recipients))

        served = SandboxSmtp(deliver, tls=self.tls if starttls else None, login=LOGIN)
        self._server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=self.tls if tls else None)
        self.port = self._server.sockets[0].getsockname()[1]

    def client(
        self, security: str, trusted: ssl.SSLContext | None = None, login: tuple[str, str] = LOGIN, timeout: float = 10
    ) -> SmtpClient:
        return SmtpClient(Server("127.0.0.1", self.port, security, *login, trusted=trusted), SENDER, timeout)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


@pytest.fixture
async def server(certificate: Path) -> AsyncIterator[Listening]:
    server = Listening(certificate)
    yield server
    await server.close()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_email_goes_encrypted(server: Listening, trusted: ssl.SSLContext, security: str) -> None:
    await server.open(starttls=security == "starttls", tls=security == "tls")

    taken = await server.client(security, trusted).send(email())

    assert taken.id == f"<{REFERENCE}@lango.example.org>"
    ((message, recipients),) = server.came
    assert recipients == ["awa@example.sn"]
    assert {name: message[name] for name in ("From", "To", "Subject", "Message-ID", "Content-Language")} == {
        "From": "lango <no-reply@lango.example.org>",
        "To": "awa@example.sn",
        "Subject": "Votre code à vous",
        "Message-ID": taken.id,
        "Content-Language": "fr",
    }
    assert message["Auto-Submitted"] == "auto-generated"
    assert abs(message["Date"].datetime - datetime.now(UTC)) < timedelta(minutes=1)
    assert "List-Unsubscribe" not in message
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [("482913" in part.get_content()) for part in message.iter_parts()] == [True, True]


async def test_what_is_sent_arrives_to_the_letter(server: Listening, trusted: ssl.SSLContext) -> None:
    await server.open(starttls=True)
    plain = ".\n..\n.début\n" + "é" * 200 + "\n"

    await server.client("starttls", trusted).send(email(plain=plain))

    body = server.came[0][0].get_body(["plain"])
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == plain


async def test_without_starttls_nothing_is_sent(server: Listening, trusted: ssl.SSLContext) -> None:
    await server.open()

    with pytest.raises(ProviderUnavailable, match="smtp: "):
        await server.client("starttls", trusted).send(email())

    assert server.came == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_is_not_believed(server: Listening, security: str) -> None:
    await server.open(starttls=security == "starttls", tls=security == "tls")

    with pytest.raises(ProviderUnavailable, match="smtp: cannot be reached"):
        await server.client(security).send(email())

    assert server.came == []


async def test_a_wrong_password_says_nothing_of_the_address(server: Listening, trusted: ssl.SSLContext) -> None:
    await server.open(starttls=True)

    with pytest.raises(ProviderUnavailable, match=r"smtp: 535: 5\.7\.8 Not known"):
        await server.client("starttls", trusted, login=("lango", "falsch")).send(email())


async def test_what_the_server_says_of_an_address(server: Listening, trusted: ssl.SSLContext) -> None:
    await server.open(starttls=True)
    client = server.client("starttls", trusted)

    with pytest.raises(ProviderRefused, match=r"smtp refused \(550\): 5\.1\.1 No such mailbox"):
        await client.send(email("refused@example.sn"))
    with pytest.raises(ProviderUnavailable, match=r"smtp: 451: 4\.3\.0 Try again later"):
        await client.send(email("down@example.sn"))
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await server.client("starttls", trusted, timeout=0.5).send(email("silent@example.sn"))

    assert server.came == []


async def test_nobody_there_is_unavailable(server: Listening) -> None:
    await server.open()
    await server.close()

    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await server.client("off").send(email())


@pytest.mark.parametrize(
    "to", ["awa@example.sn\r\nBcc: eve@example.sn", "awa@example.sn, eve@example.sn", "awa", "", "<x@y.sn>", "a b@y.sn"]
)
async def test_an_address_that_is_none_is_refused(server: Listening, trusted: ssl.SSLContext, to: str) -> None:
    await server.open(starttls=True)

    with pytest.raises(ProviderRefused, match="bad-address"):
        await server.client("starttls", trusted).send(email(to))

    assert server.came == []


async def test_a_subject_holds_one_line(server: Listening, trusted: ssl.SSLContext) -> None:
    await server.open(starttls=True)
    injected = Email("awa@example.sn", "x\r\nBcc: eve@example.sn", "x", "x", language="fr", reference=REFERENCE)

    with pytest.raises(ValueError, match="linefeed"):
        await server.client("starttls", trusted).send(injected)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"chosen": "live"}, "LANGO_SMTP is live"),
        ({**LIVE, "security": "off"}, "could be read on the way"),
        ({**LIVE, "sender": "lango"}, "no email address"),
        ({**LIVE, "sender": ""}, "no email address"),
    ],
)
async def test_what_cannot_be_used_is_named(settled: Settled, given: dict[str, Any], says: str) -> None:
    async with AsyncExitStack() as closing:
        with pytest.raises(BadProvider, match=says):
            SMTP.make(settled().with_section(SmtpSettings(_env_file=None, **given)), closing)


async def test_switched_off_nothing_is_sent(settled: Settled) -> None:
    async with AsyncExitStack() as closing:
        client = SMTP.make(settled().with_section(SmtpSettings(_env_file=None)), closing)
        with pytest.raises(ProviderUnavailable, match="LANGO_SMTP is off"):
            await client.send(email())


@pytest.mark.parametrize(
    ("values", "findings"),
    [
        ({}, [(Level.WARNING, "No mail server is set")]),
        ({"chosen": "sandbox"}, []),
        (LIVE, [(Level.WARNING, "no page to set a password")]),
        ({**LIVE, "account_url": "https://lango.example.org/account"}, []),
        ({"host": "mail.example.org", "account_url": "https://x"}, [(Level.ERROR, "no mail server believes")]),
        ({**LIVE, "security": "off"}, [(Level.ERROR, "could be read on the way")]),
        ({"chosen": "sandbox", "listens": "0.0.0.0"}, [(Level.ERROR, "nobody gets any")]),  # noqa: S104
    ],
)
def test_the_doctor_looks_at_it(settled: Settled, values: dict[str, Any], findings: list[tuple[Level, str]]) -> None:
    own = {name: values[name] for name in values if name in SmtpSettings.model_fields}
    general = {name.replace("listens", "host"): values[name] for name in values if name not in own}

    found = list(SMTP.checks(settled(**general).with_section(SmtpSettings(_env_file=None, **own))))

    assert [each.level for each in found] == [level for level, _ in findings]
    for each, (_, part) in zip(found, findings, strict=True):
        assert part in each.says
        assert each.remedy
