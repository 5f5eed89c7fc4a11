"""A gateway to open in a browser, and the browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lango.http import graphiql
from tests.graphiql.chromium import CHROMIUM, Page, chromium
from tests.subscriptions.conftest import serve, served, world

__all__ = ["serve", "served", "world"]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """What a browser keeps from one start to the next."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: what a browser does with GraphiQL is not tried")
    if graphiql.names() is None:
        pytest.skip("GraphiQL is not built: python -m lango.http.graphiql.build")
    return tmp_path / "profile"


@pytest.fixture
async def page(profile: Path) -> AsyncIterator[Page]:
    """A tab that must end without an error of its scripts and without a breach of its policy."""
    async with chromium(profile) as page:
        yield page
        assert page.violations == []
        assert page.errors == []
