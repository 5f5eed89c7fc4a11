"""Requests by API keys: within the key's rate and its owner's plan, and written down without delaying them.

Each is counted as API calls in its owner's month before it runs. What came of it is kept in memory and written a little
later, many at once; each has its id from the beginning, so that what is sent again is not there twice (docs/adr/0040).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson
import structlog

from lango.actor import NOBODY, Actor, DatabaseRole
from lango.db.pipeline import Pipeline
from lango.errors import CallerError, is_passing
from lango.observability.request_log import ApiCall, RequestLog
from lango.security.rate_limits import RateLimit, key_of, note_taken

log = structlog.get_logger("lango.security.api_calls")

ADMIT = """
SELECT lango.admit_api_call(
    $1::text[], $2::integer[], $3::integer[], $4::uuid, $5::integer, $6::text, $7::text[], $8::text[]
)
"""
REFUND = "SELECT lango.refund_api_calls($1::uuid, $2::integer, $3::integer, $4::timestamptz)::text"
# From how much of a plan on a request's answer says so.
NEARLY, WHOLLY = 0.8, 1.0
# Seconds between two batches, how many requests go in one, and how many are kept while the database cannot be reached.
INTERVAL = 1.0
BATCH = 1_000
MAX_KEPT = 100_000
# Seconds that the last batches may take when the gateway stops.
LAST_SECONDS = 10.0
LONGEST_OPERATION = 255
WRITE = """
WITH calls AS (
    SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS c (
        id uuid, user_id uuid, api_key_id uuid, operation text, status_code integer, response_time_ms integer,
        request_bytes integer, response_bytes integer, cost integer, created_at timestamptz, ip inet
    )
), kept AS (
    INSERT INTO usage.api_usage (
        id, user_id, api_key_id, operation, status_code, response_time_ms, request_bytes, response_bytes, cost,
        created_at
    )
    SELECT id, user_id, api_key_id, operation, status_code, response_time_ms, request_bytes, response_bytes, cost,
        created_at
    FROM calls ON CONFLICT DO NOTHING RETURNING true
), used AS (
    UPDATE security.api_keys k SET last_used_at = last.created_at, last_used_ip = last.ip
    FROM (SELECT DISTINCT ON (api_key_id) * FROM calls ORDER BY api_key_id, created_at DESC) last
    WHERE k.id = last.api_key_id AND coalesce(k.last_used_at < last.created_at - interval '1 minute', true)
    RETURNING true
)
SELECT (SELECT count(*) FROM kept) || ' ' || (SELECT count(*) FROM used)
"""


class UsageLimitReached(CallerError):
    """The plan's API calls of this month are used up, and there are not enough bonus credits."""

    code = "USAGE_LIMIT_REACHED"


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used of a plan when a request was counted."""

    of_plan: int
    of_bonus: int
    calls: int
    # -1 for no limit.
    limit: int
    bonus_credits: int
    resets_at: datetime
    # When it was counted, after whatever the month began with.
    at: datetime

    @property
    def warning(self) -> dict[str, Any] | None:
        """What an answer says of it; None while there is enough."""
        if self.limit < 0 or self.calls < self.limit * NEARLY:
            return None
        gone = self.calls >= self.limit * WHOLLY
        return {
            "warning": f"{'All' if gone else '80 %'} of the plan's API calls of this month are used.",
            "calls": self.calls,
            "limit": self.limit,
            "bonusCredits": self.bonus_credits,
            "resetsAt": self.resets_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Keyed:
    """A mutation with its idempotency key, by which its outcome may be there already."""

    operation: str
    key: str


async def charge(pipeline: Pipeline, actor: Actor, calls: int, keyed: Sequence[Keyed] = ()) -> Usage:
    """Take the request of an actor with a key from its rate, and its calls from the owner's plan and bonus credits:
    from all of them, or from none.

    `keyed` are the mutations of an operation of which every one has an idempotency key: where all have been answered,
    nothing is taken of the plan. Raises RateLimited, and UsageLimitReached.
    """
    key = actor.api_key
    assert key is not None
    limits = [(RateLimit("plan_per_minute", key.per_minute, 60), str(actor.user_id))] if key.per_minute >= 0 else []
    if key.hourly is not None:
        limits.append((RateLimit("key_per_hour", key.hourly, 3_600), str(key.id)))
    rates = [limit for limit, _ in limits]
    values = [
        [key_of(limit, whose) for limit, whose in limits], [limit.most for limit in rates],
        [limit.seconds for limit in rates], actor.user_id, calls, f"api_key:{key.id}",
        [each.operation for each in keyed], [each.key for each in keyed],
    ]  # fmt: skip
    asking = Actor(request_id=actor.request_id, ip=actor.ip)
    admitted = orjson.loads(await pipeline.run(asking, ADMIT, values, role=DatabaseRole.RULES))
    if rates:
        note_taken(rates, admitted["rates"])
    found = admitted["usage"]
    usage = Usage(
        found["of_plan"],
        found["of_bonus"],
        found["calls"],
        found["limit"],
        found["bonus_credits"],
        datetime.fromisoformat(found["resets_at"]),
        datetime.fromisoformat(found["at"]),
    )
    if found["refused"]:
        raise UsageLimitReached(
            limit=usage.limit,
            bonusCredits=usage.bonus_credits,
            resetsAt=usage.resets_at.isoformat(),
            retryAfter=max(1, math.ceil(usage.resets_at.timestamp() - time.time())),
        )
    return usage


async def refund(pipeline: Pipeline, actor: Actor, call: ApiCall) -> None:
    """Take back what a request was counted as: nothing was done for it."""
    assert call.resets_at is not None
    asking = Actor(request_id=actor.request_id, ip=actor.ip)
    values = [actor.user_id, call.of_plan, call.of_bonus, call.resets_at]
    await pipeline.run(asking, REFUND, values, role=DatabaseRole.RULES)
    call.of_plan = call.of_bonus = 0


class Meter:
    """Writes down the requests of API keys, of one process."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        # In the order of their coming; those that are being written are the first, and leave when they are.
        self._waiting: list[dict[str, Any]] = []
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def record(self, request_log: RequestLog) -> None:
        """Have the request written down, if it was by a key. Those that were over a limit are not: they are many."""
        call = request_log.call
        if call is None or (call.cost == 0 and request_log.status == 429):
            return
        request_log.call = None
        if len(self._waiting) >= MAX_KEPT:
            log.error("a request is not metered", api_key_id=str(call.api_key_id), cost=call.cost)
            return
        self._waiting.append(
            {
                "id": call.id,
                "user_id": call.user_id,
                "api_key_id": call.api_key_id,
                "operation": call.operation[:LONGEST_OPERATION],
                "status_code": request_log.status,
                "response_time_ms": int(request_log.seconds * 1000),
                "request_bytes": call.request_bytes,
                "response_bytes": call.response_bytes,
                "cost": call.cost,
                "created_at": call.created_at,
                "ip": None if request_log.client is None else str(request_log.client).partition("%")[0],
            }
        )
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_regularly())

    async def flush(self) -> None:
        """Write what waits. Raises what a database that cannot be reached raises; then it waits on."""
        async with self._writing:
            while batch := self._waiting[:BATCH]:
                await self._write(batch)
                del self._waiting[: len(batch)]

    async def _write(self, batch: list[dict[str, Any]]) -> None:
        """Write these; one that cannot be stored does not keep the others from it."""
        try:
            await self._pipeline.run(NOBODY, WRITE, [orjson.dumps(batch).decode()], role=DatabaseRole.RULES)
        except asyncpg.PostgresError as error:
            if is_passing(error):
                raise
            if len(batch) == 1:
                log.error("a request is not metered", api_key_id=str(batch[0]["api_key_id"]), exc_info=error)
                return
            await self._write(batch[: len(batch) // 2])
            await self._write(batch[len(batch) // 2 :])

    async def close(self) -> None:
        """Write all that waits, before the connections are closed."""
        if self._task is not None:
            self._task.cancel()
        try:
            async with asyncio.timeout(LAST_SECONDS):
                while self._waiting:
                    try:
                        await self.flush()
                    except Exception as error:
                        log.warning("requests are not metered yet", error=type(error).__name__)
                        await asyncio.sleep(INTERVAL / 4)
        except TimeoutError:
            log.error("requests are not metered", count=len(self._waiting))

    async def _write_regularly(self) -> None:
        while self._waiting:
            await asyncio.sleep(INTERVAL)
            if self._pipeline.is_closed:
                return
            try:
                await self.flush()
            except Exception as error:
                log.warning("requests are not metered yet", error=type(error).__name__, exc_info=error)
