"""The world that lives as long as the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lango.settings import Settings
from tests.invariants.world import World
from tests.invariants.worlds import of_its_own


@pytest.fixture(scope="session")
def world(template_url: str, settings: Settings, gateway_url: str) -> Iterator[World]:
    with of_its_own(World, template_url, gateway_url, settings) as world:
        yield world
