"""The page of what the sandboxes of message providers have sent: `/sandbox/messages`, for this machine alone.

`GET /sandbox/messages.json?to=…` gives the same to a test, the newest first. `POST /sandbox/messages/<id>` has the
provider's report of an SMS sent: `outcome=delivered` or `failed`; and, to see what happens then, `twice=1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from html import escape
from ipaddress import ip_address
from string import Template
from urllib.parse import quote, urlsplit

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.providers.addresses import LOOPBACK
from lango.providers.mailbox import Callback, Mailbox, Sent
from lango.settings import Settings

PATH = "/sandbox/messages"
NO_STORE = {"cache-control": "no-store"}
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host")
PAGE = Template("""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>Messages</title>
<style>body { font-family: sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
article { border-top: 1px solid #ccc; padding: .5rem 0 } pre { white-space: pre-wrap; font-size: 1.1rem }
small { color: #666 } form { display: inline }</style>
<h1>Messages</h1>
<p>What lango would have sent, the newest first. Nothing leaves this machine, and after an hour it is forgotten.</p>
$messages
</html>
""")
MESSAGE = Template("""\
<article>
<small>$at · $channel by $provider</small>
<div>To <strong>$to</strong>$subject</div>
<pre>$text</pre>
$buttons
</article>""")


class MessagesPage:
    """The page, and what it has reported: by a request to a path of the application it is in."""

    def __init__(self, settings: Settings) -> None:
        self.mailbox = Mailbox(settings.data_dir)

    async def show(self, request: Request) -> Response:
        if not is_from_here(request):
            return nothing()
        found = await run_in_threadpool(self.mailbox.newest, request.query_params.get("to"))
        shown = "\n".join(map(article, found)) or "<p>Nothing has been sent yet.</p>"
        return Response(PAGE.substitute(messages=shown), headers=NO_STORE, media_type="text/html")

    async def read(self, request: Request) -> Response:
        if not is_from_here(request):
            return nothing()
        found = await run_in_threadpool(self.mailbox.newest, request.query_params.get("to"))
        shown = [{**asdict(each), "reports": sorted(each.reports)} for each in found]
        return JSONResponse(shown, headers=NO_STORE)

    async def report(self, request: Request) -> Response:
        if not is_from_here(request):
            return nothing()
        sent = await run_in_threadpool(self.mailbox.get, request.path_params["message"])
        callback = sent.reports.get(request.query_params.get("outcome", "delivered")) if sent else None
        if callback is None:
            return nothing()
        times = 2 if request.query_params.get("twice") == "1" else 1
        statuses = [await post(request, callback) for _ in range(times)]
        return Response(f"reported: {statuses}\n", 303, {**NO_STORE, "location": PATH}, "text/plain")


def routes_where(is_sandbox: Callable[[Settings], bool]) -> Callable[[Settings], Iterable[Route]]:
    """The page, where this provider is a sandbox. Several of them show the same one: the first that is asked."""

    def routes(settings: Settings) -> list[Route]:
        if not is_sandbox(settings):
            return []
        page = MessagesPage(settings)
        return [
            Route(PATH, page.show, methods=["GET"]),
            Route(f"{PATH}.json", page.read, methods=["GET"]),
            Route(f"{PATH}/{{message}}", page.report, methods=["POST"]),
        ]

    return routes


async def post(request: Request, callback: Callback) -> int:
    """Send a report to the application, as the provider would; gives the status of the answer."""
    transport = httpx.ASGITransport(request.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post(callback.path, content=callback.body, headers=callback.headers)
    return answer.status_code


def article(sent: Sent) -> str:
    each = [f'<button formaction="{PATH}/{quote(sent.id)}?outcome={name}">{name}</button>' for name in sent.reports]
    return MESSAGE.substitute(
        at=escape(sent.at),
        channel=escape(sent.channel),
        provider=escape(sent.provider),
        to=escape(sent.to),
        subject=f": {escape(sent.subject)}" if sent.subject else "",
        text=escape(sent.text),
        buttons=f'<form method="post">{" ".join(each)}</form>' if each else "",
    )


def is_from_here(request: Request) -> bool:
    """Whether it comes from this machine, by one of its own names, and from no page of another origin: a tunnel, a
    proxy, or a name that was made to resolve to it must not give codes away."""
    headers = request.headers
    if request.client is None or any(name in headers for name in FORWARDED):
        return False
    try:
        near = ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    origin = headers.get("origin")
    same_origin = origin is None or urlsplit(origin).netloc == headers.get("host")
    return (
        near
        and urlsplit(f"//{headers.get('host', '')}").hostname in LOOPBACK
        and same_origin
        and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    )


def nothing() -> Response:
    return Response("There is nothing here.\n", 404, NO_STORE, "text/plain")
