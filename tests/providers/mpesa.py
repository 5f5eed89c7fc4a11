"""M-Pesa's adapter for tests: with a server on loopback in Daraja's place, or with the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.providers.mpesa import MPESA, MpesaSettings
from lango.providers.mpesa.client import Accepted, Mpesa, Push
from lango.providers.mpesa.daraja import HttpMpesa
from lango.providers.mpesa.messages import PushCallback, Result, push_callback, result
from lango.providers.mpesa.modes import make_sandbox
from lango.providers.mpesa.sandbox import delivery
from lango.providers.mpesa.settings import SANDBOX_SECRET
from lango.settings import Settings

if TYPE_CHECKING:
    from tests.providers.conftest import FakeServer

SECRET = "0123456789abcdefghij"
PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
PAYMENT = UUID("0199f3a0-0000-7000-8000-000000000001")
PHONE = "254712345678"
KEY = "0199f3a0-0000-7000-8000-0000000000aa"
CALLBACK = f"/webhooks/mpesa/{SANDBOX_SECRET}/push/{PAYMENT}"
CONFIRMATION = f"/webhooks/c2b/{SANDBOX_SECRET}/confirmation"
VALIDATION = f"/webhooks/c2b/{SANDBOX_SECRET}/validation"
TOKEN = (200, {"access_token": "token-1", "expires_in": "3599"})
LIVE = {"consumer_key": "key", "consumer_secret": "secret", "passkey": PASSKEY, "callback_secrets": SECRET}


def settings_of(folder: Path, mpesa: dict[str, Any] | None = None, **values: Any) -> Settings:
    """Settings of these values alone; `mpesa` are those of M-Pesa."""
    given = {"data_dir": folder, "public_url": "https://lango.test", **values}
    return Settings(_env_file=None, **given).with_section(MpesaSettings(_env_file=None, **(mpesa or {})))


@asynccontextmanager
async def mpesa_of(settings: Settings) -> AsyncIterator[Mpesa]:
    async with AsyncExitStack() as closing:
        yield MPESA.make(settings, closing)


@pytest.fixture(scope="session")
def safaricom() -> tuple[RSAPrivateKey, str]:
    """A key, and a certificate of it in the place of Safaricom's."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "apigee.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, SHA256())
    )  # fmt: skip
    return key, certificate.public_bytes(Encoding.PEM).decode()


@dataclass
class Inbox:
    """The application that is served: the phones' pages, and webhooks that note what comes."""

    folder: Path
    came: list[tuple[str, Any]] = field(default_factory=list)
    # Answers to come, before `{"ResultCode": "0"}` for all others.
    answers: list[tuple[int, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def app(self) -> Starlette:
        settings = settings_of(self.folder, {"chosen": "sandbox"})
        routes = [*MPESA.routes(settings), Route("/webhooks/{rest:path}", self.take, methods=["POST"])]
        return Starlette(routes=routes)

    async def take(self, request: Request) -> Response:
        self.came.append((request.url.path, orjson.loads(await request.body())))
        self.news.set()
        status, answer = self.answers.pop(0) if self.answers else (200, {"ResultCode": "0"})
        return JSONResponse(answer, status)

    async def deliver(self, url: str, body: bytes) -> httpx.Response | None:
        return await delivery.within(self.app)(url, body)

    async def until(self, count: int) -> Sequence[tuple[str, Any]]:
        """The messages, as soon as there are so many."""
        async with asyncio.timeout(5):
            while len(self.came) < count:
                self.news.clear()
                await self.news.wait()
        return self.came

    async def result(self) -> Result:
        ((_, message),) = await self.until(1)
        self.came.clear()
        return result(message)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


@pytest.fixture
async def twin(inbox: Inbox) -> AsyncIterator[HttpMpesa]:
    """The adapter with the sandbox, as a worker has it, whose results the application gets."""
    settings = settings_of(inbox.folder, {"chosen": "sandbox", "timeout": 5.0})
    async with AsyncExitStack() as closing:
        yield make_sandbox(settings, closing, inbox.deliver)


@pytest.fixture
async def phone(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, or a shell, that has the phone's page."""
    transport = httpx.ASGITransport(inbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway/sandbox/mpesa/") as client:
        yield client


async def pushed(twin: HttpMpesa, amount: int = 100) -> Push:
    return await twin.push(amount=amount, phone=f"+{PHONE}", reference="L7K2", description="Deposit", payment=PAYMENT)


async def paid_out(twin: HttpMpesa, amount: int = 400, key: str = KEY) -> Accepted:
    return await twin.pay_phone(amount=amount, phone=f"+{PHONE}", key=key, remarks="Withdrawal")


def callbacks(came: Sequence[tuple[str, Any]]) -> list[PushCallback]:
    return [push_callback(message) for path, message in came if path == CALLBACK]


@pytest.fixture
async def mpesa(server: FakeServer, tmp_path: Path, safaricom: tuple[RSAPrivateKey, str]) -> AsyncIterator[HttpMpesa]:
    """The adapter, with the server in Daraja's place, whose first answer is a token."""
    live = LIVE | {
        "api_url": server.url, "timeout": 5.0, "pull": True, "initiator": "lango", "initiator_password": "Pass123!",
        "certificate": safaricom[1], "payout_shortcode": "600988",
    }  # fmt: skip
    async with mpesa_of(settings_of(tmp_path, live)) as made:
        assert isinstance(made, HttpMpesa)
        yield made
