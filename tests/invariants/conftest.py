"""A database of its own, in which a small world lives as long as the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from lango.settings import Settings
from tests.databases import create, drop, of_database
from tests.invariants.world import World
from tests.keys import having_keys
from tests.planner.conftest import no_logs


@pytest.fixture(scope="session")
def world(template_url: str, settings: Settings, gateway_url: str) -> Iterator[World]:
    name = f"lango_invariants_{uuid4().hex[:8]}"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner, having_keys():
        runner.run(create(template_url, name))
        world = World(runner, of_database(template_url, name), of_database(gateway_url, name), settings)
        try:
            with no_logs():
                runner.run(world.open())
                yield world
        finally:
            runner.run(world.close())
            runner.run(drop(template_url, name))
