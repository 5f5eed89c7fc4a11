"""Whether the process is up, whether it can serve, and what it has counted."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lango.actor import NOBODY, DatabaseRole
from lango.db.fair_queue import SYSTEM
from lango.db.migrate import behind
from lango.db.pipeline import Pipeline
from lango.db.transaction import OpenTransaction
from lango.http.proxies import Networks
from lango.http.request_log import request_log_of
from lango.jobs.gauges import Gauges
from lango.jobs.maintenance import warnings
from lango.observability.metrics import Metrics
from lango.settings import Settings

log = structlog.get_logger("lango.http.health")

PROBE_TIMEOUT = 3.0
WRITABLE = text(r"SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')\:\:boolean")


class Health:
    """The endpoints that balancers, orchestrators and Prometheus ask."""

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        metrics: Metrics,
        *,
        gauges: Gauges | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.metrics = metrics
        self.gauges = gauges
        self.delay = settings.shutdown_delay
        self.scrapers = Networks(settings.metrics_peers)
        self.stopping = False
        # Called when requests are no longer taken: what would stay open for ever ends then.
        self.when_stopping: list[Callable[[], None]] = []

    async def healthz(self, _request: Request) -> Response:
        """The process is up and its loop turns."""
        return JSONResponse({"status": "up"})

    async def readyz(self, _request: Request) -> Response:
        """200 when requests can be answered; 503 with the reason when not, and from the moment of stopping.

        Warnings do not change the status: the gateway serves, though no worker is there, say.
        """
        reason = "the gateway is stopping" if self.stopping else await self.problem()
        if reason is None:
            return JSONResponse({"status": "ready", "warnings": await self.warnings()})
        return JSONResponse({"status": "not ready", "reason": reason}, 503, {"retry-after": "2"})

    async def problem(self) -> str | None:
        """What keeps the gateway from serving; the database's own words go to the log."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                reason = await self.takes_no_writes()
                if reason is not None:
                    return reason
                return await behind(self.pipeline)
        except Exception as error:
            log.warning("not ready", reason=type(error).__name__, exc_info=error)
            return "the database does not answer"

    async def takes_no_writes(self) -> str | None:
        """Why the database that rules write to would refuse them; None where it would not.

        The connections to such a server are dropped: where an address is moved at a failover, the next ones go to the
        server that does take writes.
        """
        tx = OpenTransaction(self.pipeline, NOBODY, role=DatabaseRole.RULES, read_only=True, caller=SYSTEM)
        try:
            standby, read_only = (await tx.execute(WRITABLE)).one()
        finally:
            await tx.rollback()
        if not standby and not read_only:
            return None
        reason = "the database is a standby: it takes no writes" if standby else "the database is read-only"
        self.pipeline.lose_server()
        log.warning("not ready", reason=reason)
        return reason

    async def warnings(self) -> list[str]:
        """What wants somebody to look at it."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await warnings(self.pipeline)
        except Exception as error:
            log.warning("not examined", reason=type(error).__name__, exc_info=error)
            return ["The scheduled jobs could not be examined."]

    async def metrics_page(self, request: Request) -> Response:
        """The metrics, for the peers of the settings only; behind an untrusted proxy nobody is one of them."""
        request_log = request_log_of(request.scope)
        hidden = "x-forwarded-for" in request.headers and request_log.client == request_log.peer
        if hidden or request_log.client not in self.scrapers:
            return JSONResponse({"errors": [NOT_FOUND]}, 404)
        content, media_type = self.metrics.text()
        if self.gauges is not None:
            content += await self.gauges.text()
        return Response(content, headers={"content-type": media_type, "cache-control": "no-store"})

    @contextmanager
    def stop_signal(self) -> Iterator[None]:
        """On SIGTERM turn unready first, and hand the signal on to the server after the delay of the settings.

        A balancer that polls /readyz thus stops sending before the server stops listening.
        """
        before = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            yield
            return
        loop = asyncio.get_running_loop()

        def hand_on() -> None:
            for tell in self.when_stopping:
                tell()
            before(signal.SIGTERM, None)

        def stop(number: int, frame: FrameType | None) -> None:
            again = self.stopping
            self.stopping = True
            if again:
                before(number, frame)
            else:
                loop.call_soon_threadsafe(loop.call_later, self.delay, hand_on)

        signal.signal(signal.SIGTERM, stop)
        try:
            yield
        finally:
            self.stopping = True
            if signal.getsignal(signal.SIGTERM) is stop:
                signal.signal(signal.SIGTERM, before)


NOT_FOUND = {"message": "There is nothing at this address.", "extensions": {"code": "NOT_FOUND"}}
