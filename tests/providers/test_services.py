"""What a gateway gives its rules, and that it closes what it made."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import strawberry
from strawberry.types import Info

from lango.db.pipeline import make_pipeline
from lango.doctor import Level
from lango.http.app import create_app
from lango.providers.wave import WAVE
from lango.providers.wave.client import HttpWave, NoWave
from lango.rules.services import Services, make_services
from lango.settings import Settings
from tests.providers.conftest import Settled


@strawberry.type
class Query:
    @strawberry.field
    def wave(self, info: Info) -> str:
        services: Services = info.context.services
        return type(services.client(WAVE)).__name__


SCHEMA = strawberry.Schema(Query)
PIPELINE = make_pipeline("postgresql://nobody@127.0.0.1:1/nothing", Settings(_env_file=None))


async def client_of(app: Any) -> str:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/graphql", json={"query": "{ wave }"})
    return str(answer.json()["data"]["wave"])


@pytest.mark.parametrize(("mode", "adapter"), [("sandbox", HttpWave), ("off", NoWave), (None, NoWave)])
async def test_rules_find_the_services_in_the_context(settled: Settled, mode: str | None, adapter: type) -> None:
    app = create_app(SCHEMA, settled(wave={"chosen": mode}, allow_dev_key=True), PIPELINE)

    async with app.router.lifespan_context(app):
        assert await client_of(app) == adapter.__name__


async def test_services_that_are_given_stay_open(settled: Settled) -> None:
    settings = settled(wave={"chosen": "sandbox"}, allow_dev_key=True)
    services = make_services(settings, PIPELINE)
    app = create_app(SCHEMA, settings, PIPELINE, services=services)

    async with app.router.lifespan_context(app):
        assert await client_of(app) == "HttpWave"
    wave = services.client(WAVE)
    assert isinstance(wave, HttpWave)
    assert not wave.client.is_closed

    await services.close()
    assert wave.client.is_closed


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        ({}, []),
        ({"wave": {"chosen": "sandbox"}}, []),
        ({"wave": {"chosen": "sandbox"}, "host": "0.0.0.0"}, ["pots fill for nothing"]),  # noqa: S104
        ({"wave": {"chosen": "live"}}, ["LANGO_WAVE_API_KEY", "cannot be verified"]),
        ({"wave": {"api_key": "k"}}, ["cannot be verified"]),
        ({"wave": {"api_key": "k", "webhook_secrets": "s"}}, []),
        ({"wave": {"api_key": "k", "webhook_secrets": "s"}, "public_url": None}, ["https addresses only"]),
    ],
)
def test_the_doctor_looks_at_payments(settled: Settled, values: dict[str, Any], messages: list[str]) -> None:
    found = list(WAVE.checks(settled(**values)))

    assert len(found) == len(messages)
    for finding, part in zip(found, messages, strict=True):
        assert part in finding.says
        assert finding.level is Level.ERROR
        assert finding.remedy
