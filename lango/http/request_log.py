"""One HTTP request and its answer: the line that will be logged of it, its headers, and who sent it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import uuid4

from starlette.types import Scope

from lango.actor import REQUEST_ID
from lango.http.headers import RequestHeaders
from lango.http.proxies import Address, Networks, client_address, parsed
from lango.observability.request_log import RequestLog

COUNTRY = re.compile(r"[A-Za-z]{2}", re.ASCII)
# As Cloudflare has them: unknown, and by Tor (`T1` is no letters).
UNKNOWN_COUNTRIES = ("XX", "ZZ")
KEY = "lango.observability.request_log"


@dataclass(slots=True, kw_only=True)
class HttpRequestLog(RequestLog):
    """A request while it is answered. `peer` is who is connected, `client` who is behind the proxies that we trust."""

    peer: Address | None
    headers: RequestHeaders


def open_request_log(scope: Scope, trusted: Networks, country_header: str = "") -> HttpRequestLog:
    """Begins the log of a request that has just arrived: its id, taken over where it is well formed, its client, and
    the country in which a trusted proxy says that is."""
    headers = RequestHeaders(scope)
    given = headers.get("x-request-id", "")
    peer = parsed(scope["client"][0]) if scope.get("client") else None
    return HttpRequestLog(
        request_id=given if REQUEST_ID.fullmatch(given) else str(uuid4()),
        client=client_address(peer, headers.getlist("x-forwarded-for"), trusted),
        user_agent=headers.get("user-agent"),
        country=country_in(headers.get(country_header, "")) if country_header and peer in trusted else None,
        peer=peer,
        headers=headers,
    )


def country_in(text: str) -> str | None:
    """The two letters of a country; None for what is none, as proxies write where they do not know."""
    return text.upper() if COUNTRY.fullmatch(text) and text.upper() not in UNKNOWN_COUNTRIES else None


def request_log_of(scope: Scope) -> HttpRequestLog:
    """The log that the middleware opened for this request."""
    found = scope[KEY]
    assert isinstance(found, HttpRequestLog)
    return found
