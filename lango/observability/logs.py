"""Structured logs: one line a request, JSON or text, and never a token, a variable or a literal of a query."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from lango.errors import causes
from lango.observability.request_log import RequestLog
from lango.settings import Settings

REQUESTS = "lango.request"
access: Any = structlog.get_logger(REQUESTS)
log = structlog.get_logger("lango")


def traceback_without_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write an error's traceback, without the values that its statement had or that PostgreSQL quotes in the detail."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = format_without_values(error)
    return event


def format_without_values(error: BaseException) -> str:
    """An error's traceback, as `traceback_without_values` writes it."""
    details = []
    for cause in causes(error):
        if hasattr(cause, "hide_parameters"):
            cause.hide_parameters = True
        detail = getattr(cause, "detail", None)
        if isinstance(detail, str | list):
            details += [str(part) for part in ([detail] if isinstance(detail, str) else detail) if part]
    text = "".join(traceback.format_exception(error))
    for detail in details:
        text = text.replace(detail, "(left out)")
    return text.rstrip()


def processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        traceback_without_values,
    ]


def write_json(event: EventDict, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()


class JsonLines:
    """Writes the line of each request straight to its place: through structlog and the standard library it would cost
    as much as the rest of a small request."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def info(self, event: str, **facts: Any) -> None:
        line = {"logger": REQUESTS, **facts, "event": event, "level": "info", "timestamp": datetime.now(UTC)}
        self._out.write(orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))
        self._out.flush()


def configure(settings: Settings) -> None:
    """Send everything, uvicorn's lines as well, to standard error in the form that the settings ask for."""
    text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: Processor = structlog.processors.JSONRenderer(write_json)
    if text:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    global access
    straight = not text and settings.log_level in ("debug", "info")
    access = JsonLines(sys.stderr.buffer) if straight else structlog.get_logger(REQUESTS)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    # Strawberry logs errors with the source of the query, literals included; the endpoint logs them without. httpx
    # writes a line for each request at INFO, and uvicorn's own access lines hold query strings.
    logging.getLogger("strawberry.execution").disabled = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def log_request(request_log: RequestLog, method: str, path: str) -> None:
    """The line of a request that has been answered."""
    facts: dict[str, Any] = {
        "method": method,
        "path": path,
        "status": request_log.status,
        "ms": round(request_log.seconds * 1000, 2),
        "request_id": request_log.request_id,
        "client": str(request_log.client) if request_log.client else None,
        "operation": request_log.operation if request_log.operation != "none" else None,
        "name": request_log.operation_name,
        "document": request_log.document and request_log.document[:16],
        "cost": request_log.cost,
        "user": str(request_log.user_id) if request_log.user_id else None,
        "errors": request_log.codes or None,
    }
    access.info("request", **{name: value for name, value in facts.items() if value is not None})


def log_error(error: BaseException, request_log: RequestLog) -> None:
    """An internal error, whole, under the request id: the caller gets only that id."""
    log.error(
        "internal error",
        request_id=request_log.request_id,
        document=request_log.document and request_log.document[:16],
        name=request_log.operation_name,
        exc_info=error,
    )


def log_outage(error: BaseException, request_log: RequestLog) -> None:
    """A database error, of which the caller gets a message of ours. Those of class 22 quote values: only named."""
    state = next((found for cause in causes(error) if (found := getattr(cause, "sqlstate", None))), None)
    quotes_values = state is not None and str(state).startswith("22")
    log.warning(
        "database error",
        request_id=request_log.request_id,
        name=request_log.operation_name,
        sqlstate=state,
        error=type(error).__name__,
        exc_info=None if quotes_values else error,
    )
