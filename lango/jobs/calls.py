"""Outside calls of a rule: kept as a job with what the rule writes, and made as soon as that is committed.

The kernel makes the call in the caller's own request, so that the payload can tell what came of it. Should it fail, or
the process die, the worker has the job and makes it: so a call is made at least once, and each must bear being made
again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from lango.jobs.job import Job, enqueue, job_named
from lango.rules.services import Services
from lango.rules.transaction import Call, RuleTransaction

# The worker leaves the call to the request that asked for it for so long.
HEAD_START = timedelta(seconds=30)


def call_soon(tx: RuleTransaction, job: Job[..., Any], **arguments: Any) -> None:
    """Have an outside service called when the rule is committed."""
    enqueue(tx, job, after=HEAD_START, **arguments)
    tx.calls.append(Call(job.name, arguments))


async def make(call: Call, services: Services) -> dict[str, Any] | None:
    """Gives what the payload may tell of it. Raises ProviderUnavailable, and ProviderRefused."""
    made: dict[str, Any] | None = await _job(call.job)(services, **call.arguments)
    return made


def packed(call: Call) -> list[Any]:
    """The call as JSON, to be kept with the outcome of its rule."""
    return [call.job, orjson.loads(_job(call.job).pack(call.arguments))]


def unpacked(kept: list[Any]) -> Call:
    name, arguments = kept
    return Call(name, _job(name).unpack(orjson.dumps(arguments)))


def _job(name: str) -> Job[..., Any]:
    job = job_named(name)
    assert job is not None, "whoever asked for it has imported it"
    return job
