"""Daraja inside the process: the adapter calls it as it calls Safaricom, and no money moves.

Some amounts fail on purpose:

| shillings | what happens |
| --- | --- |
| 202 | a payout is under way for 10 seconds |
| 402 | a payout fails |
| 408 | a payout waits too long in a queue, which is reported, and is paid 5 seconds later |
| 422 | nothing is pushed and nothing paid out: M-Pesa refuses |
| 429 | nothing is pushed and nothing paid out: too many calls |
| 500 | a push is queried as unreachable, also where it is paid |
| 503 | M-Pesa is down; nothing is pushed and nothing paid out, but nobody can know |
| 504 | M-Pesa does not answer, and has pushed or paid out |
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.providers.mpesa.credentials import password
from lango.providers.mpesa.daraja import (
    BAD_TOKEN,
    BUSY,
    OAUTH,
    PAYOUT,
    PULL,
    PUSH,
    PUSH_QUERY,
    REGISTER,
    REVERSAL,
    STATUS,
    Business,
)
from lango.providers.mpesa.messages import text
from lango.providers.mpesa.numbers import KENYAN
from lango.providers.mpesa.sandbox import posts
from lango.providers.mpesa.sandbox.book import Book, Movement, Push, book, moment, new_conversation, new_receipt
from lango.providers.mpesa.sandbox.delivery import Deliver, bring
from lango.providers.mpesa.webhook import forbidden_in

Found = TypeVar("Found")

PROMPTLY = timedelta(milliseconds=200)
SLOW, FAILS, QUEUED, LIES, SILENT = 202, 402, 408, 500, 504
# When what takes its time is done.
LATER = {SLOW: timedelta(seconds=10), QUEUED: timedelta(seconds=5)}
# Longer than anybody waits.
SILENCE = 120.0
AMOUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
FAILURES = {
    422: (400, "400.002.02", "Bad Request - Invalid Amount"),
    429: (429, "429.001.01", "Too many requests"),
    503: (503, "500.003.02", "System is busy"),
}
ACCEPTED = {"ResponseCode": "0", "ResponseDescription": "Accept the service request successfully."}


class Complaint(Exception):
    """An error as Daraja answers it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class SandboxMpesa:
    """An ASGI application for one business. What it knows is kept in `folder`, for all processes that serve or work."""

    def __init__(self, folder: Path, key: tuple[str, str], business: Business, deliver: Deliver) -> None:
        """`key` are the application's key and secret; `deliver` brings results to where they were asked to go."""
        self.folder = folder
        self.key = key
        self.business = business
        self.deliver = deliver
        self.deliveries: set[asyncio.Task[None]] = set()
        acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            PUSH: self.push,
            PUSH_QUERY: self.query,
            PAYOUT: self.pay_out,
            STATUS: self.status,
            REVERSAL: self.reverse,
            REGISTER: self.register,
            PULL: self.pull,
        }
        self.app = Starlette(
            routes=[
                Route(OAUTH.partition("?")[0], self.token, methods=["GET"]),
                *(Route(path, self.endpoint(act), methods=["POST"]) for path, act in acts.items()),
            ],
            exception_handlers={Complaint: complain},
        )

    async def close(self) -> None:
        """What has not been brought is lost: the queries find it out, as in life."""
        deliveries = tuple(self.deliveries)
        for each in deliveries:
            each.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)

    async def token(self, request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            known = scheme == "Basic" and hmac.compare_digest(b64decode(given), ":".join(self.key).encode())
        except Base64Error:
            known = False
        if not known or request.query_params.get("grant_type") != "client_credentials":
            raise Complaint(400, "400.008.01", "Invalid Authentication passed")
        issued = await self.kept(lambda kept: kept.issue_token())
        return JSONResponse({"access_token": issued, "expires_in": "3599"})

    def endpoint(self, act: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
        """A path of the API, for who has a token."""

        async def answered(request: Request) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not await self.kept(lambda kept: kept.knows_token(token)):
                raise Complaint(404, BAD_TOKEN, "Invalid Access Token")
            try:
                call = orjson.loads(await request.body())
            except orjson.JSONDecodeError:
                call = None
            if not isinstance(call, dict):
                raise Complaint(400, "400.002.05", "Invalid Request Payload")
            return JSONResponse(await act(call))

        return answered

    async def push(self, call: dict[str, Any]) -> dict[str, Any]:
        self.check_password(call)
        amount, phone = amount_in(call), phone_in(call, "PhoneNumber")
        fail_on_purpose(amount)
        push = Push(
            id=f"ws_CO_{datetime.now(self.business.zone):%d%m%Y%H%M%S}{secrets.randbelow(10**6):06d}{phone[3:]}",
            merchant_id=f"{secrets.randbelow(10**5)}-{secrets.randbelow(10**8)}-1",
            phone=phone,
            amount=amount,
            reference=text_in(call, "AccountReference", 12),
            description=text_in(call, "TransactionDesc", 13),
            url=text_in(call, "CallBackURL"),
            created_at=moment(),
        )
        await self.kept(lambda kept: kept.put_push(push))
        await be_silent(amount)
        return {
            "MerchantRequestID": push.merchant_id, "CheckoutRequestID": push.id, "ResponseCode": "0",
            "ResponseDescription": "Success. Request accepted for processing",
            "CustomerMessage": "Success. Request accepted for processing",
        }  # fmt: skip

    async def query(self, call: dict[str, Any]) -> dict[str, Any]:
        self.check_password(call)
        push_id = text_in(call, "CheckoutRequestID")
        push = await self.kept(lambda kept: kept.push(push_id))
        if push is None:
            raise Complaint(400, "400.002.02", "Bad Request - Invalid CheckoutRequestID")
        code = "1037" if push.amount == LIES else push.outcome
        if code is None:
            raise Complaint(500, BUSY, "The transaction is being processed")
        return {
            "ResponseCode": "0", "ResponseDescription": "The service request has been accepted successsfully",
            "MerchantRequestID": push.merchant_id, "CheckoutRequestID": push.id, "ResultCode": code,
            "ResultDesc": posts.DESCRIPTIONS[code],
        }  # fmt: skip

    async def pay_out(self, call: dict[str, Any]) -> dict[str, Any]:
        self.check_initiator(call, "InitiatorName", call_party="PartyA", party=self.business.paying_shortcode)
        amount, phone, key = amount_in(call), phone_in(call, "PartyB"), text_in(call, "OriginatorConversationID")
        fail_on_purpose(amount)
        movement = Movement(
            receipt=new_receipt(), kind="Business Payment to Customer via API", amount=amount, phone=phone,
            at=moment(datetime.now(UTC) + LATER.get(amount, PROMPTLY)), conversation_id=new_conversation(), key=key,
            code="1" if amount == FAILS else "0",
        )  # fmt: skip

        def paid(kept: Book) -> None:
            if kept.movement_by(key) is not None:
                raise Complaint(500, "500.002.1001", "Duplicate OriginatorConversationID.")
            kept.put_movement(movement)

        await self.kept(paid)
        occasion = text(call, "Occasion") or text(call, "Occassion")
        if amount == QUEUED:
            waited = posts.envelope("1", key, movement.conversation_id, "", {}, occasion)
            self.send(text_in(call, "QueueTimeOutURL"), waited, moment())
        self.send(
            text_in(call, "ResultURL"),
            posts.result(movement, posts.payout_values(movement, self.business.zone), occasion),
            movement.at,
        )
        await be_silent(amount)
        return {"ConversationID": movement.conversation_id, "OriginatorConversationID": key, **ACCEPTED}

    async def reverse(self, call: dict[str, Any]) -> dict[str, Any]:
        self.check_initiator(call, "Initiator", call_party="ReceiverParty", party=self.business.shortcode)
        if text_in(call, "RecieverIdentifierType") != "11":
            raise Complaint(400, "400.002.02", "Bad Request - Invalid RecieverIdentifierType")
        amount, receipt = amount_in(call), text_in(call, "TransactionID")
        made = Movement(
            receipt=new_receipt(), kind="Transaction Reversal", amount=amount, phone="",
            at=moment(datetime.now(UTC) + PROMPTLY), conversation_id=new_conversation(), key=new_key(),
            reference=receipt,
        )  # fmt: skip

        def reversed_in(kept: Book) -> None:
            original = kept.movement(receipt)
            if original is None or not original.is_done or original.code != "0" or original.amount != amount:
                made.code = "R000002"
            elif original.reversed_by is not None:
                made.code = "R000001"
            else:
                made.phone, original.reversed_by = original.phone, made.receipt
                kept.put_movement(original)
            kept.put_movement(made)

        await self.kept(reversed_in)
        values = posts.reversal_values(made, receipt, self.business.zone)
        self.send(text_in(call, "ResultURL"), posts.result(made, values, text(call, "Occasion")), made.at)
        return {"OriginatorConversationID": made.key, "ConversationID": made.conversation_id, **ACCEPTED}

    async def status(self, call: dict[str, Any]) -> dict[str, Any]:
        self.check_initiator(call, "Initiator")
        receipt, original = text(call, "TransactionID"), text(call, "OriginalConversationID")

        def found(kept: Book) -> Movement | None:
            return kept.movement(receipt) if receipt else kept.movement_by(original)

        movement = await self.kept(found)
        key, conversation = new_key(), new_conversation()
        values = {}
        if movement is not None:
            values = posts.status_values(movement, self.business.shortcode, self.business.zone)
        message = posts.envelope(
            "0" if movement else "R000002", key, conversation, new_receipt(), values, text(call, "Occasion")
        )
        self.send(text_in(call, "ResultURL"), message, moment(datetime.now(UTC) + PROMPTLY))
        return {"OriginatorConversationID": key, "ConversationID": conversation, **ACCEPTED}

    async def register(self, call: dict[str, Any]) -> dict[str, Any]:
        if text(call, "ShortCode") != self.business.shortcode or text(call, "ResponseType") not in (
            "Completed", "Cancelled",
        ):  # fmt: skip
            raise Complaint(400, "400.003.02", "Bad Request - Invalid ShortCode or ResponseType")
        for name in ("ConfirmationURL", "ValidationURL"):
            if forbidden_in(text_in(call, name)):
                raise Complaint(400, "400.003.02", f"Bad Request - Invalid {name}")
        # Daraja's own spelling.
        return {"OriginatorCoversationID": new_key(), "ResponseCode": "0", "ResponseDescription": "success"}

    async def pull(self, call: dict[str, Any]) -> dict[str, Any]:
        begin, end = (
            datetime.strptime(text_in(call, name), "%Y-%m-%d %H:%M:%S").replace(tzinfo=self.business.zone)
            for name in ("StartDate", "EndDate")
        )
        came = [each for each in await self.kept(lambda kept: kept.movements(begin, end)) if each.kind == "Pay Bill"]
        lines = [
            {
                "transactionId": each.receipt,
                "trxDate": f"{datetime.fromisoformat(each.at).astimezone(self.business.zone):%Y-%m-%dT%H:%M:%SZ}",
                "msisdn": each.phone, "sender": "MPESA", "transactiontype": "c2b-pay-bill-debit",
                "billreference": each.reference, "amount": f"{each.amount}.0", "organizationname": "lango sandbox",
            }
            for each in came[int(text(call, "OffSetValue") or 0) :]
        ]  # fmt: skip
        return {
            "ResponseRefID": new_key(), "ResponseCode": "1000", "ResponseMessage": "Success", "Response": [lines],
        }  # fmt: skip

    def send(self, url: str, message: dict[str, Any], at: str) -> None:
        """Bring a message when its time has come."""

        async def sent() -> None:
            await asyncio.sleep(max((datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds(), 0.0))
            await bring(self.deliver, url, message)

        task = asyncio.create_task(sent())
        self.deliveries.add(task)
        task.add_done_callback(self.deliveries.discard)

    async def kept(self, act: Callable[[Book], Found]) -> Found:
        """Act in a transaction of what is kept."""

        def acted() -> Found:
            with book(self.folder) as kept:
                return act(kept)

        return await run_in_threadpool(acted)

    def check_password(self, call: Mapping[str, Any]) -> None:
        stamp = text_in(call, "Timestamp")
        right = password(self.business.shortcode, self.business.passkey, stamp)
        if text(call, "BusinessShortCode") != self.business.shortcode or text(call, "Password") != right:
            raise Complaint(500, BUSY, "[MerchantValidate] - Wrong credentials")

    def check_initiator(self, call: Mapping[str, Any], name: str, call_party: str = "", party: str = "") -> None:
        known = text(call, name) == self.business.initiator
        if not known or text(call, "SecurityCredential") != self.business.credential:
            raise Complaint(400, "400.002.02", "Bad Request - Invalid Initiator information")
        if call_party and text(call, call_party) != party:
            raise Complaint(400, "400.002.02", f"Bad Request - Invalid {call_party}")


def amount_in(call: Mapping[str, Any]) -> int:
    """Whole shillings. Raises Complaint."""
    given = text(call, "Amount")
    if not AMOUNT.fullmatch(given):
        raise Complaint(400, "400.002.02", "Bad Request - Invalid Amount")
    return int(given)


def phone_in(call: Mapping[str, Any], name: str) -> str:
    given = text(call, name)
    if not KENYAN.fullmatch(given):
        raise Complaint(400, "400.002.02", f"Bad Request - Invalid {name}")
    return given


def text_in(call: Mapping[str, Any], name: str, longest: int = 500) -> str:
    given = text(call, name)
    if not 0 < len(given) <= longest:
        raise Complaint(400, "400.002.02", f"Bad Request - Invalid {name}")
    return given


def new_key() -> str:
    return f"{secrets.randbelow(10**5)}-{secrets.randbelow(10**8)}-1"


def fail_on_purpose(amount: int) -> None:
    """Raises Complaint for the amounts that stand for it."""
    if amount in FAILURES:
        raise Complaint(*FAILURES[amount])


async def be_silent(amount: int) -> None:
    if amount == SILENT:
        await asyncio.sleep(SILENCE)


async def complain(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Complaint)
    shown = {"requestId": new_key(), "errorCode": error.code, "errorMessage": error.message}
    return JSONResponse(shown, error.status)
