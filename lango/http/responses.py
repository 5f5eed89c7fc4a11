"""GraphQL responses as bytes: orjson, with JSON that came finished from PostgreSQL passed through."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response

from lango.http.negotiation import MediaType
from lango.values.exact_json import plain

# Codes of requests that failed as a whole and keep their status whatever the media type: proxies and clients act on it.
STATUSES = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "RATE_LIMITED": 429,
    "USAGE_LIMIT_REACHED": 429,
    "INTERNAL": 500,
    "SERVICE_UNAVAILABLE": 503,
    "TIMEOUT": 504,
}
# A fair size after a fraction of the time that the best would take.
COMPRESSION = 6
NOT_KEPT = {"cache-control": "no-store", "vary": "Accept, Authorization, Cookie, Origin"}
RETRY_AFTER = {"SERVICE_UNAVAILABLE": "2", "RATE_LIMITED": "60", "USAGE_LIMIT_REACHED": "60"}
CHALLENGE = 'Bearer error="invalid_token", error_description="{}"'


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
    if status == 200 and headers is None:
        return Success(content, media_type)
    return Response(content, status, {**NOT_KEPT, **(headers or {})}, content_type(media_type))


class Success(Response):
    """The usual answer: its headers are put together once for all that have them, but for the length."""

    def __init__(self, content: bytes, media_type: MediaType) -> None:
        self.status_code, self.body, self.background = 200, content, None
        self.raw_headers = [*usual_headers(media_type), (b"content-length", b"%d" % len(content))]


@cache
def usual_headers(media_type: MediaType) -> list[tuple[bytes, bytes]]:
    return Response(status_code=204, headers=NOT_KEPT, media_type=content_type(media_type)).raw_headers


def content_type(media_type: MediaType) -> str:
    return f"{media_type}; charset=utf-8"


@lru_cache(maxsize=32)
def compressed(content: bytes) -> bytes:
    """The same content by gzip. For what is sent again and again: each process compresses it once."""
    return gzip.compress(content, COMPRESSION, mtime=0)


@lru_cache(maxsize=64)
def tag_of(content: bytes) -> str:
    """The entity tag of a content. It is weak: compressed or not, the content is the same."""
    return f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'


def lasting_response(content: bytes, media_type: MediaType, headers: Headers, *, method: str) -> Response:
    """An answer that changes with the gateway's version alone: compressed where the client takes that, with a tag by
    which a client that has it already asks whether it still holds (304)."""
    more = {
        "cache-control": "private, no-cache",
        "vary": "Accept, Accept-Encoding, Authorization, Cookie, Origin",
        "etag": tag_of(content),
    }
    if method == "GET" and more["etag"] in [each.strip() for each in headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=more)
    if takes_coding(headers.get("accept-encoding", ""), "gzip"):
        content = compressed(content)
        more["content-encoding"] = "gzip"
    return finished_response(content, media_type, headers=more)


def takes_coding(accepted: str, wanted: str) -> bool:
    """Whether an Accept-Encoding names that coding, and not with a weight of nothing."""
    for each in accepted.split(","):
        coding, _, weight = each.partition(";")
        if coding.strip().lower() in (wanted, "*"):
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight)
    return False


def status_of(codes: Iterable[str]) -> int:
    """The status of what was not executed for these reasons: that of the first code that has one, else 400."""
    return next((STATUSES[code] for code in codes if code in STATUSES), 400)


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
    for error, code in zip(errors, codes, strict=True):
        if code in RETRY_AFTER:
            more["retry-after"] = str(error["extensions"].get("retryAfter", RETRY_AFTER[code]))
    return graphql_response({"errors": errors}, media_type, status=status, headers=more)


def internal_error(request_id: str) -> Response:
    """The answer when nothing better can be said."""
    masked = {"message": "Internal error", "extensions": {"code": "INTERNAL", "requestId": request_id}}
    return rejection([masked], status=500)
