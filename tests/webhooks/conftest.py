"""A gateway with a webhook of Wave's and no database, and events that are signed as Wave signs them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import strawberry

from lango.db.pipeline import make_pipeline
from lango.http.app import Gateway, create_app
from lango.providers.wave import EVENTS, WAVE
from lango.providers.wave.client import Wave
from lango.providers.wave.settings import WaveSettings
from lango.providers.wave.signature import sign
from lango.providers.webhook import Delivery, Handled, Webhook
from lango.rules.handlers import Handler
from lango.rules.services import Services, make_services
from lango.settings import Settings

SECRETS = ["wave_sn_WHS_new", "wave_sn_WHS_old"]
EVENT = {"id": "EV_1", "type": "checkout.session.completed", "data": {"id": "cos-1", "amount": "1000"}}


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "hello"


@dataclass
class Seen:
    """What was received, and what happens then."""

    events: list[Mapping[str, Any]] = field(default_factory=list)
    finished: int = 0
    store: Callable[[], Awaitable[None]] | None = None
    process: Callable[[], Awaitable[None]] | None = None

    async def receive(self, services: Services, delivery: Delivery[Any]) -> Handled:
        assert isinstance(services, Services)
        if self.store is not None:
            await self.store()
        self.events.append(delivery.payload)
        return Handled(finish=self.finish)

    async def finish(self) -> None:
        if self.process is not None:
            await self.process()
        self.finished += 1


@pytest.fixture
def seen() -> Seen:
    return Seen()


@dataclass
class Door:
    """Wave's side: sends to the gateway."""

    app: Gateway
    services: Services
    http: httpx.AsyncClient

    @property
    def wave(self) -> Wave:
        return self.services.client(WAVE)

    async def send(
        self, content: bytes | None = None, *, event: Any = EVENT, signature: str | None = None, **more: Any
    ) -> httpx.Response:
        body = orjson.dumps(event) if content is None else content
        signature = sign(SECRETS[:1], body, time.time()) if signature is None else signature
        return await self.http.post("/webhooks/wave", content=body, headers={"wave-signature": signature, **more})

    def counted(self, outcome: str, path: str = "/webhooks/wave") -> float:
        labels = {"path": path, "outcome": outcome}
        return self.app.state.metrics.registry.get_sample_value("lango_webhooks_total", labels) or 0.0


Receive = Callable[[Services, Delivery[Any]], Awaitable[Handled]]
Open = Callable[..., Awaitable[Door]]


@pytest.fixture
async def open_door(tmp_path: Path) -> AsyncIterator[Open]:
    """`await open_door(receive, wave={"chosen": "sandbox"})`: a gateway with these settings."""
    doors: list[Door] = []

    async def open_door(
        receive: Receive, wave: dict[str, Any] | None = None, webhook: Webhook[Any] = EVENTS, **values: Any
    ) -> Door:
        own = WaveSettings(_env_file=None, **{"webhook_secrets": ",".join(SECRETS), **(wave or {})})
        settings = Settings(_env_file=None, **{"data_dir": tmp_path, "allow_dev_key": True, **values}).with_section(own)
        pipeline = make_pipeline("postgresql://nobody@127.0.0.1:1/nothing", settings)
        services = make_services(settings, pipeline)
        app = create_app(
            strawberry.Schema(Query),
            settings,
            pipeline,
            services=services,
            handlers=[Handler(webhook, receive)],
        )
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        doors.append(Door(app, services, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")))
        return doors[-1]

    yield open_door
    for door in doors:
        await door.http.aclose()
        await door.services.close()


@pytest.fixture
async def door(open_door: Open, seen: Seen) -> Door:
    return await open_door(seen.receive)
