"""A database of its own, in which a small world lives as long as the tests of this folder."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from lango.settings import Settings
from lango.settings import settings as settings_of_process
from tests.access.conftest import of_database
from tests.invariants.world import World
from tests.planner.conftest import administer, no_logs


@pytest.fixture(scope="session")
def world(template_url: str, settings: Settings, gateway_url: str) -> Iterator[World]:
    name = f"lango_invariants_{uuid4().hex[:8]}"
    own, gateway = of_database(template_url, name), of_database(gateway_url, name)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner, pytest.MonkeyPatch.context() as patched:
        patched.setenv("LANGO_ENCRYPTION_KEYS", f"tests:{base64.b64encode(bytes(range(32))).decode()}")
        settings_of_process.cache_clear()
        runner.run(administer(template_url, f'CREATE DATABASE "{name}" TEMPLATE "{make_url(template_url).database}"'))
        world = World(runner, own, gateway, settings)
        try:
            with no_logs():
                runner.run(world.open())
                yield world
        finally:
            runner.run(world.close())
            runner.run(administer(template_url, f'DROP DATABASE "{name}" WITH (FORCE)'))
            settings_of_process.cache_clear()
