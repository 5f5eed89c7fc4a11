"""A server on loopback that answers as configured and records its requests, and the adapter that calls it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest

from lango.providers.wave import WAVE
from lango.providers.wave.client import Wave
from lango.providers.wave.settings import WaveSettings
from lango.settings import Settings
from tests.providers.mpesa import inbox, mpesa, phone, safaricom, twin  # noqa: F401 - fixtures

SESSION = {
    "id": "cos-18qq25rgr100a",
    "amount": "1000",
    "currency": "XOF",
    "checkout_status": "open",
    "payment_status": "processing",
    "client_reference": "0199f3a0-0000-7000-8000-000000000001",
    "transaction_id": None,
    "wave_launch_url": "https://pay.wave.com/c/cos-18qq25rgr100a",
    "business_name": "Lango",
    "when_created": "2026-03-01T10:00:00Z",
    "when_expires": "2026-03-01T10:30:00Z",
    "when_completed": None,
    "last_payment_error": None,
    "success_url": "https://lango.test/payments/return",
    "error_url": "https://lango.test/payments/return",
}


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class FakeServer:
    """`answers` are given one after the other, the last one for ever."""

    url: str
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, orjson.dumps(SESSION))])
    requests: list[Sent] = field(default_factory=list)
    delay: float = 0.0

    def will(self, *answers: tuple[int, Any]) -> None:
        self.answers = [(status, body if isinstance(body, bytes) else orjson.dumps(body)) for status, body in answers]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    class Handler(BaseHTTPRequestHandler):
        def handle_call(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.requests.append(Sent(self.command, self.path, headers, self.rfile.read(length)))
            time.sleep(fake.delay)
            status, body = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
            try:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                # The client did not wait.
                return

        do_GET = do_POST = handle_call  # noqa: N815

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        fake = FakeServer(f"http://127.0.0.1:{http.server_port}")
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        http.shutdown()
        thread.join()


Settled = Callable[..., Settings]


@pytest.fixture
def settled(tmp_path: Path) -> Settled:
    """Settings of these values alone; `wave` are those of Wave."""

    def settled(wave: dict[str, Any] | None = None, **values: Any) -> Settings:
        given = {"data_dir": tmp_path, "public_url": "https://lango.test", **values}
        return Settings(_env_file=None, **given).with_section(WaveSettings(_env_file=None, **(wave or {})))

    return settled


@asynccontextmanager
async def wave_of(settings: Settings) -> AsyncIterator[Wave]:
    async with AsyncExitStack() as closing:
        yield WAVE.make(settings, closing)


@pytest.fixture
async def wave(server: FakeServer, settled: Settled) -> AsyncIterator[Wave]:
    """The adapter, with the server in Wave's place."""
    async with wave_of(settled(wave={"api_url": server.url, "api_key": "wave_sn_key", "timeout": 0.5})) as wave:
        yield wave
