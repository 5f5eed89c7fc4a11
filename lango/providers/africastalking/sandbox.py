"""Africa's Talking's messaging API inside the process: what is sent stays in the mailbox.

What a number ends with makes it fail on purpose:

| ends with | what happens |
| --- | --- |
| 0403 | is no phone number |
| 0406 | wants no messages |
| 0503, 0500 | Africa's Talking is down |
| 0504 | does not answer |
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lango.providers.africastalking.client import MESSAGING
from lango.providers.africastalking.errors import NAME
from lango.providers.mailbox import Callback, Mailbox, Sent

# Longer than anybody waits.
SILENCE = 120.0
REFUSED = {"0403": (403, "InvalidPhoneNumber"), "0406": (406, "UserInBlacklist")}
DOWN = ("0503", "0500")
SILENT = "0504"
COST = "KES 0.8000"
OUTCOMES = {"delivered": {"status": "Success"}, "failed": {"status": "Failed", "failureReason": "AbsentSubscriber"}}


class SandboxAfricasTalking:
    """An ASGI application for one account."""

    def __init__(self, mailbox: Mailbox, username: str, key: str, secret: str) -> None:
        """`secret` is what the address of reports ends with."""
        self.mailbox = mailbox
        self.username = username
        self.key = key
        self.secret = secret
        self.app = Starlette(routes=[Route(MESSAGING, self.send, methods=["POST"])])

    async def send(self, request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("apikey", "").encode(), self.key.encode()):
            return PlainTextResponse("The supplied authentication is invalid", 401)
        fields = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        to, text = fields.get("to", ""), fields.get("message", "")
        if fields.get("username") != self.username or not to or not text:
            return PlainTextResponse("Request is missing required form field", 400)
        if to.endswith(SILENT):
            await asyncio.sleep(SILENCE)
        if to.endswith(DOWN):
            return PlainTextResponse("Service unavailable", 503)
        if to[-4:] in REFUSED:
            code, status = REFUSED[to[-4:]]
            return answer("Sent to 0/1 Total Cost: 0", to, code, status, "None", "0")
        message_id = f"ATXid_{secrets.token_hex(16)}"
        sent = Sent(
            provider=NAME,
            channel="sms",
            to=to,
            sender=fields.get("from", "AFRICASTKNG"),
            text=text,
            reports={outcome: self.report(to, message_id, said) for outcome, said in OUTCOMES.items()},
        )
        await run_in_threadpool(self.mailbox.put, sent)
        return answer(f"Sent to 1/1 Total Cost: {COST}", to, 101, "Success", message_id, COST)

    def report(self, to: str, message_id: str, said: dict[str, str]) -> Callback:
        fields = {"id": message_id, "phoneNumber": to, "networkCode": "60801", "retryCount": "0", **said}
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Callback(f"/webhooks/africas-talking/{self.secret}", headers, urlencode(fields))


def answer(message: str, to: str, code: int, status: str, message_id: str, cost: str) -> Response:
    recipient = {"statusCode": code, "number": to, "status": status, "cost": cost, "messageId": message_id}
    return JSONResponse({"SMSMessageData": {"Message": message, "Recipients": [recipient]}}, 201)
