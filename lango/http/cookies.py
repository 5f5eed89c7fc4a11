"""Cookie mode: a browser's session in cookies that no script reads, beside tokens that a client keeps itself.

A client chooses it by the header `X-Lango-Session: cookie` when it signs in. The cookies are sent by the
browser alone, so a request that uses them must be one that no page of another origin can make: `check_origin` decides
that, as for all requests, and one that a browser sends without asking does not count.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Message, Send

from lango.graphql.cookie_session import CookieSession
from lango.http.allowed_hosts import is_loopback, name_of
from lango.http.negotiation import PREFLIGHT_HEADERS, BadRequest, CrossSite

MODE = "x-lango-session"
MODES = ("cookie", "bearer")
# The prefix binds a cookie to this host: no other one, of the same site say, can set it.
ACCESS, REFRESH = "__Host-lango-access", "__Host-lango-refresh"
ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"
# As long as browsers keep any. The server decides when a session ends.
LONGEST = 400 * 24 * 60 * 60


class Credentials:
    """What a request brings to show who sends it, and what its answer is to leave with the browser."""

    def __init__(self, headers: Headers) -> None:
        self.authorization: list[str] = headers.getlist("authorization")
        self.session: CookieSession | None = None
        # Whether the browser has shown who it is, by the cookie alone.
        self.by_cookie = False
        self._is_void = False
        mode = headers.get(MODE)
        if mode is None and "cookie" not in headers:
            return
        brought = cookies_in(headers)
        if not self.authorization and (access := brought.get(ACCESS)):
            self.authorization, self.by_cookie = [f"Bearer {access}"], True
        if mode == "cookie" or (mode is None and not self.is_bearer and not {ACCESS, REFRESH}.isdisjoint(brought)):
            self.session = CookieSession(brought.get(REFRESH))

    @property
    def is_bearer(self) -> bool:
        """Whether the client keeps its tokens itself."""
        return bool(self.authorization) and not self.by_cookie

    def check(self, method: str, headers: Headers) -> None:
        """Raises CrossSite where a page could have made a browser send this with its cookies, and BadRequest where they
        could not be kept. The origin has been checked before."""
        mode = headers.get(MODE)
        if mode is not None and mode not in MODES:
            raise BadRequest("The header X-Lango-Session is `cookie` or `bearer`.")
        if mode == "cookie" and is_plain(headers.get("origin")):
            raise BadRequest("Browsers keep these cookies by https alone, and on localhost: use https, or tokens.")
        if (self.by_cookie or self.session is not None) and method == "GET" and not is_deliberate(headers):
            raise CrossSite("A GET with cookies must come from a page of the gateway's own, or have X-Lango-Session.")

    def refuse(self) -> None:
        """The token was not taken: the browser is not to send it again."""
        self._is_void = self.by_cookie

    def set_by(self, send: Send, lifetime: float) -> Send:
        """Sends an answer with the cookies that the client is to keep or to forget. `lifetime` is that of an access
        token, in seconds."""
        wanted = self._cookies(lifetime)
        if not wanted:
            return send

        async def send_with_cookies(message: Message) -> None:
            if message["type"] == "http.response.start":
                set_ = [(b"set-cookie", cookie.encode()) for cookie in wanted]
                message = {**message, "headers": [*message.get("headers", ()), *set_]}
            await send(message)

        return send_with_cookies

    def _cookies(self, lifetime: float) -> list[str]:
        session = self.session
        if session is not None and session.ended:
            return [forgotten(ACCESS), forgotten(REFRESH)]
        kept = []
        if session is not None and session.given is not None:
            if session.given.access is not None:
                kept.append(kept_for(ACCESS, session.given.access, int(lifetime)))
            if session.given.refresh is not None:
                kept.append(kept_for(REFRESH, session.given.refresh, LONGEST))
        return kept or ([forgotten(ACCESS)] if self._is_void else [])


def cookies_in(headers: Headers) -> dict[str, str]:
    """The cookies of a request by their names; of two with the same name the first."""
    found: dict[str, str] = {}
    for header in headers.getlist("cookie"):
        for each in header.split(";"):
            name, _, value = each.strip().partition("=")
            found.setdefault(name, value)
    return found


def is_deliberate(headers: Headers) -> bool:
    """Whether a page has sent it that may: browsers ask before they send such a header across origins, or say
    themselves from where a request comes."""
    return headers.get("sec-fetch-site") == "same-origin" or any(name in headers for name in (MODE, *PREFLIGHT_HEADERS))


def is_plain(origin: str | None) -> bool:
    """Whether a page was read over http from another machine."""
    address: Any = urlsplit(origin or "")
    return address.scheme == "http" and not is_loopback(name_of(address.netloc))


def kept_for(name: str, value: str, seconds: int) -> str:
    return f"{name}={value}; Max-Age={seconds}; {ATTRIBUTES}"


def forgotten(name: str) -> str:
    return f"{name}=; Max-Age=0; {ATTRIBUTES}"
