"""The proof of the books answers for a module's own rows, and for no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from models.donations import Donation
from tests.books import owner_engine, proving
from tests.factories import Factory

__all__ = ["owner_engine"]


@asynccontextmanager
async def unposted(make: Factory) -> AsyncIterator[str]:
    """A donation that was paid, and is in no account, for as long as that; gives its id."""
    donation = await make(Donation)
    yield str(donation.id)
    await make.owner.execute("DELETE FROM donations.donations WHERE id = $1", donation.id)


async def test_rows_that_another_module_left_without_a_posting_do_not_fail_this_one(
    make: Factory, owner_engine: AsyncEngine
) -> None:
    async with unposted(make), proving(owner_engine):
        await make.donation()
        await make.code_at_the_till()


async def test_rows_that_a_module_leaves_without_a_posting_are_named(make: Factory, owner_engine: AsyncEngine) -> None:
    async with AsyncExitStack() as later, unposted(make) as others:
        with pytest.raises(AssertionError, match="donation of") as failed:
            async with proving(owner_engine):
                own = await later.enter_async_context(unposted(make))

    assert own in str(failed.value)
    assert others not in str(failed.value)
