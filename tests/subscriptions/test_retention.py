"""Events are kept so long that whoever was away can resume, and then deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from lango.db.pipeline import Pipeline
from lango.rules.services import Services
from lango.settings import Settings
from resolvers.kernel.outbox import delete_old_events


async def test_old_events_are_deleted_and_younger_ones_kept(
    owner: asyncpg.Pool[Any], pipeline: Pipeline, settings: Settings
) -> None:
    old, young = str(uuid4()), str(uuid4())
    for key, age in ((old, timedelta(hours=73)), (young, timedelta(hours=71))):
        await owner.execute(
            "INSERT INTO platform.outbox_events (topic, key, payload, created_at) VALUES ('test', $1, '{}', now() - $2::interval)",
            key, age,
        )  # fmt: skip

    await delete_old_events(Services(pipeline, settings))

    kept = await owner.fetch("SELECT key FROM platform.outbox_events WHERE key = ANY ($1)", [old, young])
    assert [row["key"] for row in kept] == [young]
