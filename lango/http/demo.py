"""The demo's people to sign in as, which `lango dev` alone offers: `lango.asgi_dev`. Nothing else mounts this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.http.allowed_hosts import is_loopback, name_of
from lango.http.health import NOT_FOUND
from lango.http.negotiation import CrossSite, check_origin
from lango.http.request_log import request_log_of
from lango.security.authentication import mint
from lango.settings import Settings

PATH = "/demo/callers"
# Where `lango dev` writes the people down for the gateway's processes.
VARIABLE = "LANGO_DEMO_CALLERS"
LIFETIME = 24 * 60 * 60.0
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host")


@dataclass(frozen=True, slots=True)
class DemoCaller:
    """Somebody of the demo data, as the database has them."""

    name: str
    title: str
    id: UUID
    roles: tuple[str, ...]
    email: str = ""

    def token(self, settings: Settings) -> str:
        """An access token for a day."""
        return mint(settings, self.id, self.roles, lifetime=LIFETIME)


def written(callers: Sequence[DemoCaller]) -> str:
    return orjson.dumps(callers, default=str).decode()


def read(text: str) -> list[DemoCaller]:
    return [
        DemoCaller(each["name"], each["title"], UUID(each["id"]), tuple(each["roles"]), each.get("email", ""))
        for each in orjson.loads(text)
    ]


class SignIn:
    """Who there is (GET), and a token of one of them, made when it is wanted (POST). Only for this machine."""

    def __init__(self, settings: Settings, callers: Sequence[DemoCaller]) -> None:
        self.settings = settings
        self.callers = {caller.name: caller for caller in callers}

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.people, methods=["GET"]),
            Route(f"{PATH}/{{name}}/token", self.token, methods=["POST"]),
        ]

    async def people(self, request: Request) -> Response:
        if not is_from_here(request):
            return nothing()
        people = [{"name": caller.name, "title": caller.title} for caller in self.callers.values()]
        return JSONResponse(people, headers={"cache-control": "no-store"})

    async def token(self, request: Request) -> Response:
        caller = self.callers.get(request.path_params["name"])
        if caller is None or not is_from_here(request):
            return nothing()
        return JSONResponse({"token": caller.token(self.settings)}, headers={"cache-control": "no-store"})


def offer(app: Starlette, settings: Settings, callers: Sequence[DemoCaller]) -> None:
    """Mount it, and have GraphiQL's page know of it."""
    app.router.routes += SignIn(settings, callers).routes()
    app.state.demo_callers = PATH


def nothing() -> Response:
    return JSONResponse({"errors": [NOT_FOUND]}, 404)


def is_from_here(request: Request) -> bool:
    """Whether it comes from this machine, by one of its own names, and from no page of another origin: a tunnel or a
    proxy on this machine, or a name that was made to resolve to it, must not give tokens away."""
    headers, peer = request.headers, request_log_of(request.scope).peer
    if peer is None or not peer.is_loopback or any(name in headers for name in FORWARDED):
        return False
    if not is_loopback(name_of(headers.get("host", ""))):
        return False
    try:
        check_origin(headers, frozenset(), lambda host: is_loopback(name_of(host)))
    except CrossSite:
        return False
    return True
