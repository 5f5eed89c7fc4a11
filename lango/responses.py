"""GraphQL responses as bytes: orjson, with JSON that came finished from PostgreSQL passed through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
from starlette.responses import Response

from lango.negotiation import MediaType

# Codes of requests that failed as a whole and keep their status whatever the media type: proxies and clients act on it.
STATUSES = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "SERVICE_UNAVAILABLE": 503,
    "TIMEOUT": 504,
}
RETRY_AFTER = {"SERVICE_UNAVAILABLE": "2", "RATE_LIMITED": "60"}
CHALLENGE = 'Bearer error="invalid_token", error_description="{}"'


def plain(value: Any) -> Any:
    """What orjson does not write by itself."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def graphql_response(
    content: Mapping[str, Any],
    media_type: MediaType = MediaType.JSON,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer of that media type. Raises TypeError when a leaf is not JSON."""
    return finished_response(orjson.dumps(content, default=plain), media_type, status=status, headers=headers)


def finished_response(
    content: bytes,
    media_type: MediaType = MediaType.JSON,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer whose JSON is finished."""
    return Response(
        content,
        status,
        {"cache-control": "no-store", "vary": "Accept, Authorization, Origin", **(headers or {})},
        f"{media_type}; charset=utf-8",
    )


def rejection(
    errors: Sequence[Mapping[str, Any]],
    media_type: MediaType = MediaType.JSON,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that was not executed: errors and no `data`.

    Without a status of its own, it is that of the first code that has one; else 400, which for a well-formed request
    answered as application/json is 200: such clients take any other status for somebody else's answer.
    """
    codes = [str(error["extensions"].get("code")) for error in errors]
    more = dict(headers or {})
    if status is None:
        known = [STATUSES[code] for code in codes if code in STATUSES]
        status = known[0] if known else 200 if media_type is MediaType.JSON else 400
    if status == 401:
        description = str(errors[0]["message"]).replace("\\", "").replace('"', "'")
        more["www-authenticate"] = CHALLENGE.format(description)
    for code in codes:
        if code in RETRY_AFTER:
            more["retry-after"] = RETRY_AFTER[code]
    return graphql_response({"errors": errors}, media_type, status=status, headers=more)


def internal_error(request_id: str) -> Response:
    """The answer when nothing better can be said."""
    masked = {"message": "Internal error", "extensions": {"code": "INTERNAL", "requestId": request_id}}
    return rejection([masked], status=500)
