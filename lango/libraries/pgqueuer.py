"""pgqueuer: its queries, which take every name and are extended here, and what installs its tables."""

from __future__ import annotations

from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.adapters.persistence.schema_ddl import render_install
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job, Schedule, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel, OnFailure
from pgqueuer.ports.driver import Driver

__all__ = [
    "AsyncpgPoolDriver",
    "Channel",
    "DBSettings",
    "Driver",
    "Durability",
    "FailingListenerError",
    "Job",
    "OnFailure",
    "Queries",
    "QueryBuilderEnvironment",
    "QueryQueueBuilder",
    "QuerySchedulerBuilder",
    "RetryRequested",
    "Schedule",
    "TracebackRecord",
    "render_install",
]
