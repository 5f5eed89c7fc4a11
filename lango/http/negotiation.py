"""Which media type an answer takes, and which bodies and callers are let in, before anything is read.

The rules are those of GraphQL over HTTP (https://graphql.github.io/graphql-over-http) and RFC 9110.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from lango.errors import CallerError
from lango.http.headers import RequestHeaders


class MediaType(StrEnum):
    """What an answer may be."""

    JSON = "application/json"
    GRAPHQL = "application/graphql-response+json"
    HTML = "text/html"
    EVENTS = "text/event-stream"


class HttpError(CallerError):
    """The HTTP request cannot be taken as it is."""

    code = "BAD_REQUEST"
    status: ClassVar[int] = 400
    headers: ClassVar[dict[str, str]] = {}


class BadRequest(HttpError):
    """The request is not a GraphQL request: send a JSON object with a `query`."""


class CrossSite(HttpError):
    """The request comes from another site, or could: its origin is not in LANGO_ALLOWED_ORIGINS."""

    code = "CROSS_SITE_REQUEST"
    status = 403


class MethodNotAllowed(HttpError):
    """GraphQL is served to GET (queries) and POST."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    headers: ClassVar[dict[str, str]] = {"allow": "GET, POST"}


class OnlyByPost(MethodNotAllowed):
    """GET is for queries: send mutations by POST."""

    headers: ClassVar[dict[str, str]] = {"allow": "POST"}


class NotAcceptable(HttpError):
    """Answers are application/graphql-response+json or application/json: accept one of them."""

    code = "NOT_ACCEPTABLE"
    status = 406


class PayloadTooLarge(HttpError):
    """The request body is too large."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413


class UriTooLong(HttpError):
    """The address is too long: send the request by POST."""

    code = "URI_TOO_LONG"
    status = 414


class UnsupportedMediaType(HttpError):
    """The request body must be application/json in UTF-8, not compressed."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415
    headers: ClassVar[dict[str, str]] = {"accept-post": "application/json", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Range:
    """One entry of an Accept header."""

    kind: str
    quality: float

    def precision(self, media_type: MediaType) -> int:
        """How closely the entry names the media type: 3 exactly, 2 its family, 1 anything, 0 not at all."""
        if self.kind == media_type:
            return 3
        if self.kind == f"{media_type.partition('/')[0]}/*":
            return 2
        return 1 if self.kind == "*/*" else 0


def parse_accept(header: str) -> list[Range]:
    """The entries that we could answer in UTF-8; those with an unreadable `q` are left out."""
    ranges = []
    for entry in header.split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            value = value.strip().strip('"')
            if name.strip() == "charset" and value not in ("utf-8", "utf8", ""):
                quality = 0.0
            elif name.strip() == "q":
                try:
                    quality = min(quality, float(value)) if 0 <= float(value) <= 1 else 0.0
                except ValueError:
                    quality = 0.0
        if kind:
            ranges.append(Range(kind, quality))
    return ranges


@lru_cache(maxsize=256)
def negotiate(accept: str | None, *, html: bool = False) -> MediaType | None:
    """The media type that the caller likes best; None when we have none of those.

    Named types go before wildcards of the same quality. Of two that are named alike the newer one is taken, and where
    only a wildcard stands, application/json, which every client reads. HTML and events must be asked for by name, and
    events are taken where nothing else is liked as well: some clients list them always.
    """
    if accept is None or not accept.strip():
        return MediaType.JSON
    ranges = parse_accept(accept)
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen = None
    for media_type in MediaType:
        precision, quality = max(
            ((r.precision(media_type), r.quality) for r in ranges if r.precision(media_type)), default=(0, 0.0)
        )
        if media_type is MediaType.HTML and (not html or precision < 2):
            continue
        if media_type is MediaType.EVENTS and precision < 3:
            continue
        newer = 2 if precision == 3 else 0
        preference = {MediaType.JSON: 1, MediaType.GRAPHQL: newer, MediaType.HTML: 0, MediaType.EVENTS: -1}[media_type]
        rank = (quality, precision, preference)
        if quality > 0 and rank > best:
            best, chosen = rank, media_type
    return chosen


def takes_events(accept: str | None) -> bool:
    """Whether the caller names text/event-stream among what it takes: a subscription has no other answer."""
    return any(entry.kind == MediaType.EVENTS and entry.quality > 0 for entry in parse_accept(accept or ""))


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether a Content-Type is that of JSON in UTF-8."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip().strip('"') for name, _, value in pairs if name.strip() == "charset"]
    return kind == MediaType.JSON and all(charset in ("utf-8", "utf8") for charset in charsets)


def check_content_type(headers: Headers) -> None:
    """Raises UnsupportedMediaType unless the body is JSON in UTF-8, sent as it is.

    This is also what keeps forms of other sites out: browsers ask before they send JSON across sites.
    """
    if not is_json(headers.get("content-type", "")):
        raise UnsupportedMediaType
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType


# Browsers send one of these across sites only after asking (a preflight), and never from an image, a form or a link.
PREFLIGHT_HEADERS = (
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "x-lango-require-preflight",
    "authorization",
)


# Headers of which a second one would leave open which of them counts.
ONCE = frozenset(
    {
        "host",
        "origin",
        "sec-fetch-site",
        "content-type",
        "content-encoding",
        "idempotency-key",
        "last-event-id",
        "x-request-id",
        "x-lango-session",
    }
)


def check_once(headers: RequestHeaders) -> None:
    """Raises BadRequest for two headers where one decides."""
    for name in headers.repeated:
        if name in ONCE:
            raise BadRequest(f"The header `{name}` is there twice.")


def check_origin(headers: Headers, allowed: frozenset[str], owns: Callable[[str], bool]) -> None:
    """Raises CrossSite for a request that a browser sends for a page of another origin that is not allowed. `owns`
    says of a Host whether its pages are the gateway's."""
    origin = headers.get("origin")
    if origin is not None and origin in allowed:
        return
    site, host = headers.get("sec-fetch-site"), headers.get("host", "")
    if (origin is not None or site == "same-origin") and not owns(host):
        raise CrossSite("Pages of this host are not the gateway's own: it is not in LANGO_ALLOWED_HOSTS.")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise CrossSite
    elif origin is not None and (origin == "null" or urlsplit(origin).netloc != host):
        raise CrossSite


def check_simple_get(headers: Headers) -> None:
    """Raises CrossSite for a GET that any page could make a browser send: nothing in it shows a GraphQL client."""
    accept = headers.get("accept", "").lower()
    named = any(media_type in accept for media_type in (MediaType.JSON, MediaType.GRAPHQL, MediaType.EVENTS))
    if named or any(name in headers for name in PREFLIGHT_HEADERS):
        return
    if headers.get("content-type", "").partition(";")[0].strip().lower() == MediaType.JSON:
        return
    raise CrossSite(
        "A GET request must show that it is no link or image: accept application/graphql-response+json or "
        "application/json by name, or send the header GraphQL-Require-Preflight."
    )
