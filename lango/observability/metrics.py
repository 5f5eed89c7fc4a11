"""What the gateway counts and times, for Prometheus; right also with several worker processes.

With more than one worker the values live in files that all of them share, in the directory that
PROMETHEUS_MULTIPROC_DIR names when the workers start (`share_metrics` makes it), and whichever worker answers
`/metrics` adds them up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from lango.settings import Settings

SHARED = "PROMETHEUS_MULTIPROC_DIR"
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
STATEMENT_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10)
JOB_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


def share_metrics(settings: Settings) -> None:
    """Make the directory that several workers share. To be called before they start, and before this module counts."""
    directory = settings.data_dir.absolute() / "metrics"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ[SHARED] = str(directory)


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lango_requests", "Requests by operation type and HTTP status.", ["operation", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.durations = Histogram(
            "lango_request_seconds", "Seconds from a request's first byte to its answer, by operation type.",
            ["operation"], buckets=REQUEST_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "lango_requests_in_flight", "Requests in progress.", multiprocess_mode="livesum", registry=self.registry
        )
        self.errors = Counter("lango_graphql_errors", "GraphQL errors by code.", ["code"], registry=self.registry)
        self.documents = Counter(
            "lango_document_cache", "Look-ups in the document cache: hit or miss.", ["result"], registry=self.registry
        )
        self.plans = Counter(
            "lango_plan_cache", "Look-ups in the plan cache: hit or miss.", ["result"], registry=self.registry
        )
        self.pool_size = Gauge(
            "lango_pool_connections", "Open database connections.", multiprocess_mode="livesum", registry=self.registry
        )
        self.pool_in_use = Gauge(
            "lango_pool_connections_in_use", "Database connections in use.",
            multiprocess_mode="livesum", registry=self.registry,
        )  # fmt: skip
        self.statements = Histogram(
            "lango_statement_seconds",
            "Seconds that round trips to the database took, each with all statements that went together.",
            buckets=STATEMENT_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.webhooks = Counter(
            "lango_webhooks", "Webhooks by path and outcome.", ["path", "outcome"], registry=self.registry
        )
        self.outside_calls = Counter(
            "lango_outside_calls",
            "Calls of outside services in a mutation by job and outcome: done, unreached, refused or failed.",
            ["job", "outcome"], registry=self.registry,
        )  # fmt: skip
        self.sockets = Gauge("lango_sockets", "Open WebSockets.", multiprocess_mode="livesum", registry=self.registry)
        self.subscriptions = Gauge(
            "lango_subscriptions", "Open subscriptions.", multiprocess_mode="livesum", registry=self.registry
        )
        self.events = Counter("lango_events", "Events read from the outbox.", registry=self.registry)
        self.event_reads = Counter(
            "lango_event_reads", "Events read for a group of equal subscriptions.", registry=self.registry
        )
        self.events_sent = Counter("lango_events_sent", "Events sent to subscribers.", registry=self.registry)
        self.slow_clients = Counter(
            "lango_slow_clients", "Connections ended because their client read too slowly.", registry=self.registry
        )
        # Looking labels up costs more than counting.
        self._labelled: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._hits = self.documents.labels("hit")
        self._misses = self.documents.labels("miss")
        self._plan_hits = self.plans.labels("hit")
        self._plan_misses = self.plans.labels("miss")

    def document(self, *, hit: bool) -> None:
        (self._hits if hit else self._misses).inc()

    def plan(self, *, hit: bool) -> None:
        (self._plan_hits if hit else self._plan_misses).inc()

    def webhook(self, path: str, outcome: str) -> None:
        """Count a webhook: accepted, deferred to its job, handshake, not_verified, malformed or not_stored."""
        self.webhooks.labels(path, outcome).inc()

    def request(self, operation: str, status: int, seconds: float, codes: list[str]) -> None:
        """Count a request that has been answered."""
        labelled = self._labelled.get((operation, status))
        if labelled is None:
            labelled = self.requests.labels(operation, str(status)), self.durations.labels(operation)
            self._labelled[operation, status] = labelled
        labelled[0].inc()
        labelled[1].observe(seconds)
        for code in codes:
            self.errors.labels(code).inc()

    def text(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, of all workers, and its media type."""
        registry = self.registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def close(self) -> None:
        """Take this worker's gauges out of the sum."""
        if SHARED in os.environ:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


class GaugeCollector(Collector):
    """What was last counted in the database: the same for all processes, so it is added up by none."""

    def __init__(self) -> None:
        self._families: dict[str, GaugeMetricFamily] = {}

    def set(self, name: str, description: str, label: str, counts: Mapping[str, int]) -> None:
        """Set a gauge to what was just counted; without counts it is shown no longer."""
        family = GaugeMetricFamily(name, description, labels=[label])
        for value, count in counts.items():
            family.add_metric([value], count)
        self._families[name] = family

    def collect(self) -> Iterable[Metric]:
        return list(self._families.values())


class JobMetrics:
    """The metrics of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = Counter(
            "lango_jobs", "Jobs by name and how they ended: done, retried, returned or failed.", ["job", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.durations = Histogram(
            "lango_job_seconds", "Seconds that jobs took, by name.", ["job"], buckets=JOB_BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self.queue = Gauge(
            "lango_job_queue", "Jobs in the queue by name and status: queued, picked or failed.", ["job", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.due_failures = Counter(
            "lango_due_rows_failed", "Rows that a scheduled job could not do something about, by job.", ["job"],
            registry=self.registry,
        )  # fmt: skip
        self.gauges = GaugeCollector()
        self.registry.register(self.gauges)

    def due_failed(self, job: str) -> None:
        self.due_failures.labels(job).inc()

    def ended(self, job: str, outcome: str, seconds: float) -> None:
        self.jobs.labels(job, outcome).inc()
        self.durations.labels(job).observe(seconds)
