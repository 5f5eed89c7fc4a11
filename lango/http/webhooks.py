"""The inbox for what providers report: verified, stored, answered; what is left to do then has its job anyway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive as ReceiveMessage
from starlette.types import Scope, Send

from lango.http.negotiation import BadRequest, HttpError
from lango.http.parameters import DEEPEST_JSON, ClientGone, nests_deeper, parse_json, read_body
from lango.observability.metrics import Metrics
from lango.observability.request_log import exchange_of
from lango.providers.chosen import WAVE_WEBHOOK, wave_secrets
from lango.providers.wave.signature import HEADER, verify
from lango.rules.services import Services
from lango.settings import Settings

log = structlog.get_logger("lango.http.webhooks")

# Whether a provider has sent this body. The request is at hand for its headers and its path; its body has been read.
Verify = Callable[[Request, bytes], bool]
# What is still to be done about a stored event.
Finish = Callable[[], Awaitable[None]]
# Stores an event, with a job that makes sure of it, and commits; gives what is still to be done, or None.
Receive = Callable[[Services, Mapping[str, Any]], Awaitable[Finish | None]]

# Providers want an answer within 5 seconds.
STORED_WITHIN = 4.0
DONE_WITHIN = 4.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """How one provider's events are taken in. `accepted` is the answer it wants to see."""

    path: str
    verify: Verify
    receive: Receive
    accepted: Mapping[str, Any] = field(default_factory=dict)


def wave_webhook(settings: Settings, receive: Receive) -> Webhook:
    secrets = wave_secrets(settings)

    def is_wave(request: Request, body: bytes) -> bool:
        signatures = request.headers.getlist(HEADER)
        return len(signatures) == 1 and verify(secrets, signatures[0], body, time.time())

    return Webhook(WAVE_WEBHOOK, is_wave, receive)


class NotVerified(HttpError):
    """The signature of this webhook is missing, wrong or too old."""

    code = "NOT_VERIFIED"
    status = 401


class OnlyPost(HttpError):
    """Webhooks are taken by POST."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    headers: ClassVar[dict[str, str]] = {"allow": "POST"}


class NotStored(HttpError):
    """The event could not be stored: send it again."""

    code = "SERVICE_UNAVAILABLE"
    status = 503
    headers: ClassVar[dict[str, str]] = {"retry-after": "5"}


class Inbox:
    """The ASGI application at a webhook's address."""

    def __init__(self, webhook: Webhook, services: Services, metrics: Metrics) -> None:
        self.webhook = webhook
        self.services = services
        self.metrics = metrics
        self.largest = services.settings.max_body_bytes

    def route(self) -> Route:
        return Route(self.webhook.path, self)

    async def __call__(self, scope: Scope, receive: ReceiveMessage, send: Send) -> None:
        try:
            outcome = await self.take(Request(scope, receive))
            response = answer(self.webhook.accepted)
        except ClientGone:
            return
        except HttpError as error:
            outcome = OUTCOMES.get(type(error), "malformed")
            shown = {"message": error.message, "extensions": {"code": error.code}}
            response = answer({"errors": [shown]}, error.status, error.headers)
        self.metrics.webhook(self.webhook.path, outcome)
        await response(scope, receive, send)

    async def take(self, request: Request) -> str:
        """Verify, store, and process as far as there is time; gives what came of it. Raises HttpError."""
        if request.method != "POST":
            raise OnlyPost
        began = time.monotonic()
        body = await read_body(request.receive, request.headers.get("content-length"), self.largest)
        if not self.webhook.verify(request, body):
            raise NotVerified
        finish = await self.store(request, event_of(body))
        if finish is None:
            return "accepted"
        return await self.finish(request, finish, DONE_WITHIN - (time.monotonic() - began))

    async def store(self, request: Request, event: Mapping[str, Any]) -> Finish | None:
        try:
            async with asyncio.timeout(STORED_WITHIN):
                return await self.webhook.receive(self.services, event)
        except Exception as error:
            self.tell("webhook not stored", request, error)
            raise NotStored from None

    async def finish(self, request: Request, finish: Finish, seconds: float) -> str:
        """Do what is left. An error is only logged: the event is stored, and its job will do the same again."""
        try:
            async with asyncio.timeout(seconds):
                await finish()
        except Exception as error:
            self.tell("webhook left to its job", request, error)
            return "deferred"
        return "accepted"

    def tell(self, what: str, request: Request, error: Exception) -> None:
        """The log line; what the event holds is nobody's business there."""
        log.error(what, webhook=self.webhook.path, request_id=exchange_of(request.scope).request_id, exc_info=error)


OUTCOMES: dict[type[HttpError], str] = {
    NotVerified: "not_verified",
    NotStored: "not_stored",
}


def event_of(body: bytes) -> dict[str, Any]:
    """The event as JSON. Raises BadRequest."""
    event = parse_json(body, "The event")
    if not isinstance(event, dict):
        raise BadRequest("The event must be a JSON object.")
    if nests_deeper(event, DEEPEST_JSON):
        raise BadRequest(f"The event is nested too deeply: at most {DEEPEST_JSON} levels.")
    return event


def answer(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(dict(content), status, {"cache-control": "no-store", **(headers or {})})
