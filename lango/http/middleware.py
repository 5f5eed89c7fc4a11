"""What surrounds every request: its id, its headers, its line in the log, and an answer whatever happens inside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lango.http.allowed_hosts import Hosts, MisdirectedRequest
from lango.http.proxies import Networks
from lango.http.request_log import KEY, open_request_log
from lango.http.responses import internal_error, rejection
from lango.observability.logs import log_error, log_request
from lango.observability.metrics import Metrics
from lango.security.api_calls import Meter
from lango.security.rate_limits import Quota, quotas_taken, tightest

refused = MisdirectedRequest()
misdirected = rejection(
    [{"message": refused.message, "extensions": {"code": refused.code}}], status=MisdirectedRequest.status
)
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
POLICY = b"content-security-policy"
DEFAULT_POLICY = (POLICY, b"default-src 'none'; frame-ancestors 'none'")
# Requested by whatever name a probe has for this machine; they show nothing that anybody may not know.
PROBES = ("/healthz", "/readyz")
# Probes, scrapes and GraphiQL's files would drown what people do.
QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/graphql/assets/")


class RequestLogMiddleware:
    """Opens the log of each request and closes it with a log line and its metrics."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        trusted: Networks,
        hosts: Hosts,
        meter: Meter,
        country_header: str = "",
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.metrics = metrics
        self.meter = meter
        self.trusted = trusted
        self.country_header = country_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_log = scope[KEY] = open_request_log(scope, self.trusted, self.country_header)
        started = False
        taken: list[Quota] = []

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                request_log.status = message["status"]
                own = message.get("headers", ())
                if request_log.call is not None:
                    request_log.call.response_bytes = length_in(own)
                    if request_log.call.response_bytes is None:
                        # A stream, which may last for days.
                        self.meter.record(request_log)
                policy = () if POLICY in [name for name, _ in own] else (DEFAULT_POLICY,)
                request_id = (b"x-request-id", request_log.request_id.encode())
                limits = tightest(taken).headers if taken else ()
                message = {**message, "headers": [*own, *SECURITY_HEADERS, *policy, request_id, *limits]}
            await send(message)

        noting = quotas_taken.set(taken)
        self.metrics.in_flight.inc()
        try:
            if self.hosts.serves(request_log.headers.get("host")) or scope["path"] in PROBES:
                await self.app(scope, receive, send_with_headers)
            else:
                await misdirected(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log_error(error, request_log)
            request_log.codes.append("INTERNAL")
            if started:
                raise
            await internal_error(request_log.request_id)(scope, receive, send_with_headers)
        finally:
            quotas_taken.reset(noting)
            self.metrics.in_flight.dec()
            self.metrics.request(request_log.operation, request_log.status, request_log.seconds, request_log.codes)
            self.meter.record(request_log)
            if request_log.status >= 400 or not scope["path"].startswith(QUIET_PATHS):
                log_request(request_log, scope["method"], request_log.path or scope["path"])


def length_in(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """How long the body is, of an answer whose end is known from the beginning."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)
