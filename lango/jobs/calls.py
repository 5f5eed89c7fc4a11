"""Outside calls of a rule: kept as a job with what the rule writes, and made as soon as that is committed.

The kernel makes the call in the caller's own request, so that the payload can tell what came of it. Should it fail, or
the process die, the worker has the job and makes it: so a call is made at least once, and each must bear being made
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import orjson

from lango.jobs.job import Job, enqueue, job_named
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction

# The worker leaves the call to the request that asked for it for so long.
HEAD_START = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Call:
    """A job, and with what it is to be run."""

    job: Job[..., Any]
    arguments: dict[str, Any]

    async def make(self, services: Services) -> dict[str, Any] | None:
        """Gives what the payload may tell of it. Raises ProviderUnavailable, and ProviderRefused."""
        told: dict[str, Any] | None = await self.job(services, **self.arguments)
        return told

    def kept(self) -> list[Any]:
        """The call as JSON, with the outcome of its rule."""
        return [self.job.name, orjson.loads(self.job.pack(self.arguments))]

    @classmethod
    def of(cls, kept: list[Any]) -> Self:
        name, arguments = kept
        job = job_named(name)
        assert job is not None, "whoever asked for it has imported it"
        return cls(job, job.unpack(orjson.dumps(arguments)))


async def call_soon(tx: RuleTransaction, job: Job[..., Any], **arguments: Any) -> None:
    """Have an outside service called when the rule is committed."""
    await enqueue(tx, job, after=HEAD_START, **arguments)
    tx.calls.append(Call(job, arguments))
