"""The page on which a checkout of the sandbox is paid, and the signed webhooks that it sends back.

`POST /sandbox/wave/<session>` takes `outcome=pay` (which it is without), `fail` or `cancel`; and, to see what happens
then, `twice=1` (the webhook comes twice), `delay=2` (so many seconds later) or `lost=1` (never).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import httpx
import orjson
import structlog
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lango.providers.wave.sandbox.sessions import Session, moment, sessions
from lango.providers.wave.settings import WaveSettings
from lango.providers.wave.signature import HEADER, sign
from lango.providers.wave.webhook import EVENTS
from lango.settings import Settings

log = structlog.get_logger("lango.sandbox")

PAY_PATH = "/sandbox/wave"
LONGEST_DELAY = 60.0
# Seconds until the webhook is sent again to who did not take it.
PAUSES = (1.0, 5.0, 15.0)
OUTCOMES = ("pay", "fail", "cancel")
PAID, FAILED = "checkout.session.completed", "checkout.session.payment_failed"
PAGE = Template("""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Wave sandbox</title>
<h1>Wave sandbox</h1>
<p>$amount francs for <code>$reference</code>. No money moves here.</p>
<p>The session is $status; the payment: $payment$refunded.</p>
$buttons
</html>
""")
BUTTONS = Template("""\
<form method="post">
<p>$all</p>
</form>
<p>From a shell: <code>curl -X POST '$url?outcome=pay'</code>. Add <code>&amp;twice=1</code>,
<code>&amp;delay=2</code> or <code>&amp;lost=1</code> to have the webhook come twice, late or not at all.</p>""")


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants to happen."""

    outcome: str
    times: int
    delay: float

    @classmethod
    def of(cls, request: Request) -> Choice | None:
        """None where the query is not understood."""
        query = request.query_params
        outcome = query.get("outcome", "pay")
        try:
            delay = float(query.get("delay", "0"))
        except ValueError:
            return None
        if outcome not in OUTCOMES or not 0 <= delay <= LONGEST_DELAY:
            return None
        times = 0 if outcome == "cancel" or query.get("lost") == "1" else 2 if query.get("twice") == "1" else 1
        return cls(outcome, times, delay)


class NotPayable(Exception):
    """The session is not there, or not open; the message says which."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class PayPage:
    """The page of every session; what is done on it is reported to `webhook`, a path of the application it is in."""

    def __init__(self, folder: Path, signing: Sequence[str], webhook: str) -> None:
        """`signing` are the secrets of the webhooks."""
        self.folder = folder
        self.signing = signing
        self.webhook = webhook

    async def show(self, request: Request) -> Response:
        def found() -> tuple[Session | None, str | None]:
            with sessions(self.folder) as kept:
                session_id = request.path_params["session"]
                return kept.get(session_id), kept.refunded(session_id)

        session, refunded = await run_in_threadpool(found)
        if session is None:
            return plain("There is no such session.", 404)
        return page(session, refunded, str(request.url.replace(query="")))

    async def act(self, request: Request) -> Response:
        choice = Choice.of(request)
        if choice is None:
            return plain(f"outcome is one of {', '.join(OUTCOMES)}; delay from 0 to {LONGEST_DELAY:g} seconds.", 400)
        try:
            session = await run_in_threadpool(self.settle, request.path_params["session"], choice.outcome)
        except NotPayable as error:
            return plain(str(error), error.status)
        place = session["success_url" if choice.outcome == "pay" else "error_url"]
        body = event_of(PAID if choice.outcome == "pay" else FAILED, session)
        report = BackgroundTask(self.report, request.app, body, choice) if choice.times else None
        return plain(f"{choice.outcome}: done. Go on at {place}", 303, {"location": place}, report)

    def settle(self, session_id: str, outcome: str) -> Session:
        """The session, after what was done to it: a payment that fails leaves it open. Raises NotPayable."""
        with sessions(self.folder) as kept:
            session = kept.get(session_id)
            if session is None:
                raise NotPayable(404, "There is no such session.")
            if session["checkout_status"] != "open":
                raise NotPayable(409, f"The session is {session['checkout_status']}.")
            if outcome == "pay":
                session |= {
                    "checkout_status": "complete",
                    "payment_status": "succeeded",
                    "transaction_id": f"TS{secrets.token_hex(8).upper()}",
                    "when_completed": moment(),
                    "last_payment_error": None,
                }
            elif outcome == "fail":
                error = {"code": "insufficient-funds", "message": "The balance does not suffice."}
                session |= {"last_payment_error": error}
            kept.put(session)
            return session

    async def report(self, app: ASGIApp, body: bytes, choice: Choice) -> None:
        """Send the webhook as often as wanted, signed each time."""
        await asyncio.sleep(choice.delay)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for _ in range(choice.times):
                await self.deliver(client, body)

    async def deliver(self, client: httpx.AsyncClient, body: bytes) -> None:
        """Until it is taken, but not for ever."""
        for pause in (*PAUSES, None):
            headers = {HEADER: sign(self.signing, body, time.time()), "content-type": "application/json"}
            answer = await client.post(self.webhook, content=body, headers=headers)
            if answer.is_success:
                return
            log.warning("webhook not taken", status=answer.status_code, again_in=pause)
            if pause is not None:
                await asyncio.sleep(pause)


def routes(settings: Settings) -> list[Route]:
    """The pages on which checkouts are paid that cost nothing; none unless the sandbox is on."""
    own = settings.section(WaveSettings)
    if own.mode != "sandbox":
        return []
    page = PayPage(settings.data_dir, own.secrets, EVENTS.path)
    path = f"{PAY_PATH}/{{session}}"
    return [Route(path, page.show, methods=["GET"]), Route(path, page.act, methods=["POST"])]


def event_of(kind: str, session: Session) -> bytes:
    """The webhook about a session, in the form Wave gives it."""
    return orjson.dumps({"id": f"EV_{secrets.token_hex(8)}", "type": kind, "data": session})


def page(session: Session, refunded: str | None, url: str) -> Response:
    buttons = ""
    if session["checkout_status"] == "open":
        each = [f'<button formaction="?outcome={name}">{name.capitalize()}</button>' for name in OUTCOMES]
        buttons = BUTTONS.substitute(all="\n".join(each), url=escape(url))
    values: dict[str, Any] = {
        "amount": session["amount"],
        "reference": session["client_reference"] or "",
        "status": session["checkout_status"],
        "payment": session["payment_status"],
        "refunded": f", given back at {refunded}" if refunded else "",
    }
    shown = {name: escape(str(value)) for name, value in values.items()}
    content = PAGE.substitute(shown, buttons=buttons)
    return Response(content, headers={"cache-control": "no-store"}, media_type="text/html")


def plain(
    text: str, status: int, headers: dict[str, str] | None = None, background: BackgroundTask | None = None
) -> Response:
    sent = {"cache-control": "no-store", **(headers or {})}
    return Response(f"{text}\n", status, sent, "text/plain", background)
