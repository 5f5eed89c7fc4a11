"""A database of its own, in which a small world lives as long as the tests that are given it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import uuid4

from lango.settings import Settings
from tests.databases import create, drop, of_database
from tests.invariants.world import World
from tests.keys import having_keys
from tests.planner.conftest import no_logs

AnyWorld = TypeVar("AnyWorld", bound=World)


@contextmanager
def of_its_own(kind: type[AnyWorld], template_url: str, gateway_url: str, settings: Settings) -> Iterator[AnyWorld]:
    name = f"lango_invariants_{uuid4().hex[:8]}"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner, having_keys():
        runner.run(create(template_url, name))
        world = kind(runner, of_database(template_url, name), of_database(gateway_url, name), settings)
        try:
            with no_logs():
                runner.run(world.open())
                yield world
        finally:
            runner.run(world.close())
            runner.run(drop(template_url, name))
