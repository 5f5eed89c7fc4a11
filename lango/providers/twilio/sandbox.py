"""Twilio's Messages API inside the process: what is sent stays in the mailbox.

What a number ends with makes it fail on purpose:

| ends with | what happens |
| --- | --- |
| 0403 | is no phone number |
| 0406 | wants no messages |
| 0500 | Twilio is down |
"""

from __future__ import annotations

import base64
import hmac
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.providers.mailbox import Callback, Mailbox, Sent
from lango.providers.twilio.errors import NAME
from lango.providers.twilio.signature import HEADER, sign

REFUSED = {
    "0403": (21211, "The 'To' number is not a valid phone number."),
    "0406": (21610, "Attempt to send to unsubscribed recipient"),
}
DOWN = "0500"
PRICE = "-0.00750"
OUTCOMES = {
    "delivered": {"MessageStatus": "delivered"},
    "failed": {"MessageStatus": "undelivered", "ErrorCode": "30003"},
}


class SandboxTwilio:
    """An ASGI application for one account."""

    def __init__(self, mailbox: Mailbox, account: str, token: str) -> None:
        self.mailbox = mailbox
        self.account = account
        self.token = token
        path = f"/2010-04-01/Accounts/{account}/Messages"
        self.app = Starlette(
            routes=[
                Route(f"{path}.json", self.send, methods=["POST"]),
                Route(f"{path}/{{sid}}.json", self.show, methods=["GET"]),
            ]
        )

    def knows(self, request: Request) -> bool:
        known = b"Basic " + base64.b64encode(f"{self.account}:{self.token}".encode())
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), known)

    async def show(self, request: Request) -> Response:
        """A message some time after it was sent: what it cost is known then."""
        if not self.knows(request):
            return complaint(401, 20003, "Authenticate")
        sid = request.path_params["sid"]
        return JSONResponse({"sid": sid, "status": "delivered", "price": PRICE, "price_unit": "USD"})

    async def send(self, request: Request) -> Response:
        if not self.knows(request):
            return complaint(401, 20003, "Authenticate")
        fields = {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}
        to, sender = fields.get("To", ""), fields.get("From") or fields.get("MessagingServiceSid")
        if not to or not sender or not fields.get("Body"):
            return complaint(400, 21604, "'To', 'From' and 'Body' are required")
        if to.endswith(DOWN):
            return complaint(503, 20503, "Service unavailable")
        if to[-4:] in REFUSED:
            return complaint(400, *REFUSED[to[-4:]])
        sid = f"SM{secrets.token_hex(16)}"
        url = fields.get("StatusCallback")
        sent = Sent(
            provider=NAME,
            channel="sms",
            to=to,
            sender=sender,
            text=fields["Body"],
            reports={name: self.report(url, to, sid, said) for name, said in OUTCOMES.items()} if url else {},
        )
        await run_in_threadpool(self.mailbox.put, sent)
        made = {"sid": sid, "status": "queued", "to": to, "num_segments": "1", "price": None, "price_unit": "USD"}
        return JSONResponse(made, 201)

    def report(self, url: str, to: str, sid: str, said: dict[str, str]) -> Callback:
        fields = {"MessageSid": sid, "SmsSid": sid, "AccountSid": self.account, "To": to, **said}
        address = urlsplit(url)
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            HEADER: sign(self.token, url, list(fields.items())),
        }
        return Callback(f"{address.path}?{address.query}", headers, urlencode(fields))


def complaint(status: int, code: int, message: str) -> Response:
    return JSONResponse({"code": code, "message": message, "status": status}, status)
