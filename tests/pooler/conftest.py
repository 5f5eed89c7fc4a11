"""Poolers before the run's own server: two that are made here, and PgBouncer where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from lango.settings import Settings
from tests.books import balanced, owner_engine  # noqa: F401 - fixtures
from tests.pooler.bouncer import KEEPS_APART, PROGRAM, pgbouncer, version
from tests.pooler.multiplexer import multiplexer


@dataclass(frozen=True)
class Pooler:
    """Its address, for the login that the address of the server had; and whether it keeps statements apart."""

    url: str
    keeps_apart: bool


Begin = Callable[..., Pooler]


@pytest.fixture(params=["1.18", "1.21", "pgbouncer"])
def begin_pooler(request: pytest.FixtureRequest) -> Iterator[Begin]:
    """Begins a pooler in transaction mode before an address: one that behaves as PgBouncer 1.18 or 1.21 do, or itself."""
    if request.param == "pgbouncer" and PROGRAM is None:
        pytest.skip("PgBouncer is not installed")
    with ExitStack() as stack:

        def begin(address: str, size: int = 2) -> Pooler:
            if request.param == "pgbouncer":
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="lango-pooler-")))
                return Pooler(stack.enter_context(pgbouncer(address, folder, size=size)), version() >= KEEPS_APART)
            keeps_apart = request.param == "1.21"
            port = stack.enter_context(multiplexer(address, size, keeps_apart=keeps_apart))
            url = make_url(address).set(host="127.0.0.1", port=port, query={})
            return Pooler(url.render_as_string(hide_password=False), keeps_apart)

        yield begin


@pytest.fixture
def pooler(begin_pooler: Begin, gateway_url: str) -> Pooler:
    """Two server connections for all gateways."""
    return begin_pooler(gateway_url)


@pytest.fixture
def pooled(settings: Settings, pooler: Pooler, gateway_url: str) -> Settings:
    """The gateway's settings, through the pooler."""
    return settings.model_copy(
        update={"database_url": SecretStr(pooler.url), "database_direct_url": SecretStr(gateway_url), "pool_size": 4}
    )
