"""A database of its own with awkward rows, and the gateway over it twice: with the planner and without."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import structlog

from lango.settings import Settings
from tests.databases import create, drop, of_database
from tests.planner.bothways import BothWays
from tests.planner.coverage import Coverage


@pytest.fixture(scope="session")
def both(template_url: str, settings: Settings, gateway_url: str) -> Iterator[BothWays]:
    """Asks the same of both, each time on a loop of its own: hypothesis calls tests that are no coroutines."""
    name = f"lango_planner_{uuid4().hex[:8]}"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(create(template_url, name))
        ways = BothWays(runner, of_database(template_url, name), of_database(gateway_url, name), settings)
        try:
            with no_logs():
                ways.open()
            yield ways
        finally:
            ways.close()
            runner.run(drop(template_url, name))


@pytest.fixture(autouse=True)
def _without_logs() -> Iterator[None]:
    with no_logs():
        yield


@contextmanager
def no_logs() -> Iterator[None]:
    """Thousands of requests are asked here, and pytest would keep a line of each, and a traceback of each refusal."""
    known = structlog.get_config()
    structlog.configure(processors=[_drop])
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    structlog.configure(**known)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the documents reached, where a long run was asked for."""
    if "LANGO_DOCUMENTS" not in os.environ:
        return
    reached = Coverage()
    for outcome in ("passed", "failed"):
        for each in terminalreporter.stats.get(outcome, ()):
            for name, value in getattr(each, "user_properties", ()):
                if name == "coverage":
                    reached.add(value)
    terminalreporter.section("what the documents reached")
    for line in reached.summary():
        terminalreporter.write_line(line)
