"""Jobs: what is done after a rule, by the worker: at least once, so each may safely be done again.

A job is a function `job(services, **arguments)`; its arguments are kept as JSON.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any


class Job:
    name: str

    async def __call__(self, services: Any, **arguments: Any) -> dict[str, Any] | None: ...

    def read(self, arguments: dict[str, Any]) -> dict[str, Any]: ...


def job(retries: int = 5, timeout: float = 30.0) -> Any: ...


def scheduled(cron: str) -> Any: ...


def job_named(name: str) -> Job: ...


async def enqueue(
    session: Any, job: Job, *, after: timedelta = timedelta(0), key: str | None = None, **arguments: Any
) -> None: ...
