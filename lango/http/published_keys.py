"""The public keys by which others verify the gateway's tokens: `/.well-known/jwks.json`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.security.keys import Keys, public_jwk

PATH = "/.well-known/jwks.json"
# Less than a new key waits before it signs (LANGO_TOKEN_KEY_DELAY).
CACHED = "public, max-age=300"


def route(keys: Keys) -> Route:
    """Serves the public halves of those keys, as they are when it is requested; shared secrets have none."""

    async def published(_: Request) -> Response:
        found = [jwk for key in keys if (jwk := public_jwk(key)) is not None]
        return JSONResponse({"keys": found}, headers={"cache-control": CACHED})

    return Route(PATH, published, methods=["GET"])
