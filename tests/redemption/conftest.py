"""A till with a code to redeem, and a ledger that must add up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.books import balanced, books, owner_engine  # noqa: F401 - fixtures
from tests.factories import Factory


@pytest.fixture
async def till(make: Factory) -> SimpleNamespace:
    return await make.code_at_the_till()
