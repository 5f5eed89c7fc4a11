"""Wave's Checkout and Payout APIs inside the process: the adapter calls them as it calls Wave, and no money moves.

Some amounts fail on purpose:

| francs | what happens |
| --- | --- |
| 202 | a payout is under way for 10 seconds |
| 402 | a payout fails |
| 409 | can be paid, but neither given back nor paid out |
| 422 | no checkout is opened and nothing paid out: Wave refuses |
| 429, 503 | no checkout is opened and nothing paid out: too many calls; Wave is down |
| 504 | no checkout is opened and nothing paid out: Wave does not answer |
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lango.providers.wave.client import MISMATCH, PAYOUTS, SESSIONS
from lango.providers.wave.sandbox.sessions import Kept, Payout, Session, Sessions, expired_at, moment, sessions

LIFETIME = timedelta(minutes=30)
AMOUNT = re.compile(r"[1-9][0-9]{0,11}")
MOBILE = re.compile(r"\+[1-9][0-9]{6,14}")
NOT_REFUNDED = "409"
NOT_PAID_OUT = "402"
SLOW = "202"
SLOWNESS = timedelta(seconds=10)
SILENT = "504"
# Longer than anybody waits.
SILENCE = 120.0
FAILURES = {
    "422": (422, "request-validation-error", "The sandbox refuses 422 francs."),
    "429": (429, "too-many-requests", "The sandbox has no time for 429 francs."),
    "503": (503, "service-unavailable", "The sandbox is down for 503 francs."),
}
CHECKOUT = ("amount", "currency", "success_url", "error_url")
PAYOUT = ("receive_amount", "currency", "mobile")


class Complaint(Exception):
    """An error as Wave answers it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class SandboxWave:
    """An ASGI application for one API key. The sessions are kept in `folder`, for all processes that serve or work."""

    def __init__(self, folder: Path, key: str, pay_url: Callable[[str], str]) -> None:
        """`pay_url` gives the address of a session's page, where it is paid."""
        self.folder = folder
        self.key = key
        self.pay_url = pay_url
        self.app = Starlette(
            routes=[
                Route(SESSIONS, self.open, methods=["POST"]),
                Route(f"{SESSIONS}/search", self.search, methods=["GET"]),
                Route(f"{SESSIONS}/{{id}}", self.get, methods=["GET"]),
                Route(f"{SESSIONS}/{{id}}/expire", self.expire, methods=["POST"]),
                Route(f"{SESSIONS}/{{id}}/refund", self.refund, methods=["POST"]),
                Route(PAYOUTS, self.pay_out, methods=["POST"]),
                Route(f"{PAYOUTS}/{{id}}", self.payout, methods=["GET"]),
            ],
            exception_handlers={Complaint: complain},
        )

    async def open(self, request: Request) -> Response:
        self.check_key(request)
        body = await request.body()
        call = read(body, CHECKOUT)
        await fail_on_purpose(call["amount"])
        session = self.session(call)

        def opened(kept: Sessions) -> Session:
            kept.add(session)
            return session

        return await self.carry_out(request, body, opened)

    async def get(self, request: Request) -> Response:
        self.check_key(request)
        return await self.carry_out(request, b"", lambda kept: existing(kept, request))

    async def search(self, request: Request) -> Response:
        self.check_key(request)
        reference = request.query_params.get("client_reference", "")
        return await self.carry_out(request, b"", lambda kept: {"result": kept.of(reference)})

    async def expire(self, request: Request) -> Response:
        self.check_key(request)

        def expired(kept: Sessions) -> None:
            session = existing(kept, request)
            if session["checkout_status"] != "open":
                raise Complaint(409, "checkout-session-not-open", "The session has been completed or has expired.")
            kept.put(session | expired_at(moment()))

        return await self.carry_out(request, b"", expired)

    async def refund(self, request: Request) -> Response:
        self.check_key(request)

        def refunded(kept: Sessions) -> None:
            session = existing(kept, request)
            if session["payment_status"] != "succeeded" or session["amount"] == NOT_REFUNDED:
                raise Complaint(400, "checkout-refund-failed", "The payment cannot be given back.")
            kept.refund(session["id"])

        return await self.carry_out(request, b"", refunded)

    async def pay_out(self, request: Request) -> Response:
        self.check_key(request)
        if not request.headers.get("idempotency-key"):
            raise Complaint(400, "request-validation-error", "A payout needs an idempotency key.")
        body = await request.body()
        call = read(body, PAYOUT)
        if not MOBILE.fullmatch(call["mobile"]):
            raise Complaint(400, "request-validation-error", "The mobile must be in international form.")
        await fail_on_purpose(call["receive_amount"])
        if call["receive_amount"] == NOT_REFUNDED:
            raise Complaint(422, "recipient-account-blocked", "The recipient's account is blocked.")
        payout = new_payout(call)

        def paid(kept: Sessions) -> Payout:
            kept.pay_out(payout)
            return payout

        return await self.carry_out(request, body, paid)

    async def payout(self, request: Request) -> Response:
        self.check_key(request)

        def found(kept: Sessions) -> Payout:
            payout = kept.payout(request.path_params["id"])
            if payout is None:
                raise Complaint(404, "payout-not-found", "There is no such payout.")
            if payout["status"] != "processing":
                return payout
            done = datetime.fromisoformat(payout["timestamp"]) + SLOWNESS <= datetime.now(UTC)
            return payout | {"status": "succeeded" if done else "processing"}

        return await self.carry_out(request, b"", found)

    async def carry_out(self, request: Request, body: bytes, act: Callable[[Sessions], Any]) -> Response:
        """Act in a transaction; a call that brings an idempotency key again gets the answer of the first."""
        key = request.headers.get("idempotency-key")
        call = b"%s %s\n%s" % (request.method.encode(), request.url.path.encode(), body)

        def acted() -> Response:
            with sessions(self.folder) as kept:
                before = kept.kept(key) if key else None
                if before is not None:
                    if before.request != call:
                        raise Complaint(409, MISMATCH, "The key has been used for another call.")
                    return as_json(before.status, before.answer)
                content = act(kept)
                answer = b"" if content is None else orjson.dumps(content)
                if key:
                    kept.keep(key, Kept(call, 200, answer))
                return as_json(200, answer)

        return await run_in_threadpool(acted)

    def check_key(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not given:
            raise Complaint(401, "missing-auth-header", "The request has no Authorization header.")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.key}".encode()):
            raise Complaint(401, "no-matching-api-key", "There is no such API key.")

    def session(self, call: dict[str, str]) -> Session:
        """A new session, in Wave's JSON."""
        session_id = f"cos-{secrets.token_hex(16)}"
        now = datetime.now(UTC)
        return {
            "id": session_id,
            "amount": call["amount"],
            "business_name": "lango sandbox",
            "checkout_status": "open",
            "client_reference": call.get("client_reference"),
            "currency": call["currency"],
            "error_url": call["error_url"],
            "last_payment_error": None,
            "payment_status": "processing",
            "success_url": call["success_url"],
            "transaction_id": None,
            "wave_launch_url": self.pay_url(session_id),
            "when_completed": None,
            "when_created": moment(now),
            "when_expires": moment(now + LIFETIME),
        }


def new_payout(call: dict[str, str]) -> Payout:
    """A new payout, in Wave's JSON."""
    failed = call["receive_amount"] == NOT_PAID_OUT
    slow = call["receive_amount"] == SLOW
    error = {"error_code": "insufficient-funds", "error_message": "The balance does not suffice."}
    return {
        "id": f"pt-{secrets.token_hex(8)}",
        "client_reference": call.get("client_reference"),
        "currency": call["currency"],
        "fee": "0",
        "mobile": call["mobile"],
        "name": call.get("name"),
        "payout_error": error if failed else None,
        "receive_amount": call["receive_amount"],
        "status": "failed" if failed else "processing" if slow else "succeeded",
        "timestamp": moment(),
    }


async def fail_on_purpose(amount: str) -> None:
    """Raises Complaint, or keeps silent, for the amounts that stand for it."""
    if amount == SILENT:
        await asyncio.sleep(SILENCE)
    if amount in FAILURES:
        raise Complaint(*FAILURES[amount])


def read(body: bytes, texts: Sequence[str]) -> dict[str, str]:
    """The fields of a call for a checkout or a payout: these texts, the first of them the amount. Raises Complaint."""
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError:
        call = None
    if not isinstance(call, dict) or not all(isinstance(call.get(name), str) for name in texts):
        raise Complaint(400, "request-validation-error", f"{', '.join(texts)} must be texts.")
    if not AMOUNT.fullmatch(call[texts[0]]) or call["currency"] != "XOF":
        raise Complaint(400, "request-validation-error", "The amount must be in whole francs, the currency XOF.")
    return call


def existing(kept: Sessions, request: Request) -> Session:
    session = kept.get(request.path_params["id"])
    if session is None:
        raise Complaint(404, "checkout-session-not-found", "There is no such session.")
    return session


def as_json(status: int, content: bytes) -> Response:
    return Response(content, status, media_type="application/json")


async def complain(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Complaint)
    return as_json(error.status, orjson.dumps({"code": error.code, "message": error.message}))
