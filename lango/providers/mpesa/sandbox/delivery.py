"""How the sandbox posts what M-Pesa would post: three times, until it is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import structlog
from starlette.types import ASGIApp

log = structlog.get_logger("lango.sandbox")
# Posts a body to an address; gives the answer, or None where nobody is there.
Deliver = Callable[[str, bytes], Awaitable[httpx.Response | None]]
# Seconds until it is posted again to who did not take it.
PAUSES = (1.0, 5.0)
TIMEOUT = 10.0
HEADERS = {"content-type": "application/json"}


async def posted(url: str, body: bytes) -> httpx.Response | None:
    """Over the network: the worker has the sandbox in its own process, and the gateway is another."""
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        try:
            return await client.post(url, content=body, headers=HEADERS)
        except httpx.HTTPError:
            return None


def within(app: ASGIApp) -> Deliver:
    """Within this process, to an application that is served by it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def delivered(url: str, body: bytes) -> httpx.Response | None:
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.post(url, content=body, headers=HEADERS)

    return delivered


async def bring(deliver: Deliver, url: str, message: dict[str, Any]) -> None:
    """Post a message until it is taken, but not for ever."""
    body = orjson.dumps(message)
    for pause in (*PAUSES, None):
        answer = await deliver(url, body)
        if answer is not None and answer.is_success:
            return
        log.warning("message_not_taken", status=answer.status_code if answer is not None else None, again_in=pause)
        if pause is not None:
            await asyncio.sleep(pause)
