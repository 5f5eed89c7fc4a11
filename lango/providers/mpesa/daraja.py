"""M-Pesa over HTTP, by Safaricom's Daraja (https://developer.safaricom.co.ke/APIs).

What may have begun something is never called failed: where a call may have arrived and its answer is lost, late or not
understood, it is MpesaUndecided. Only what was not sent, or what Daraja turned away at its door, may be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, NoReturn
from uuid import UUID

import httpx
import orjson

from lango.providers.messages import words
from lango.providers.mpesa.client import Accepted, Outcome, Push, StatementLine
from lango.providers.mpesa.credentials import password, timestamp
from lango.providers.mpesa.errors import MpesaRefused, MpesaUnavailable, MpesaUndecided
from lango.providers.mpesa.messages import text
from lango.providers.mpesa.numbers import daraja_number
from lango.providers.mpesa.statements import pulled
from lango.providers.mpesa.tokens import Token, Tokens
from lango.providers.mpesa.webhook import Addresses
from lango.providers.payloads import BadPayload
from lango.values import exact_json

OAUTH = "/oauth/v1/generate?grant_type=client_credentials"
PUSH = "/mpesa/stkpush/v1/processrequest"
PUSH_QUERY = "/mpesa/stkpushquery/v1/query"
PAYOUT = "/mpesa/b2c/v3/paymentrequest"
STATUS = "/mpesa/transactionstatus/v1/query"
REVERSAL = "/mpesa/reversal/v1/request"
REGISTER = "/mpesa/c2b/v2/registerurl"
PULL = "/pulltransactions/v1/query"

LONGEST_REFERENCE, LONGEST_DESCRIPTION, LONGEST_REMARKS = 12, 13, 100
DONE = "0"
# The token has run out before its time.
BAD_TOKEN = "404.001.03"
# Of a query: the payer has not decided. Of a push: another one is open on the phone, or our passkey is wrong.
BUSY = "500.001.1001"
STILL_OPEN = frozenset({"4999", BUSY})
# Of a statement.
FOUND = frozenset({"0", "1000"})
# What Daraja means of our key or of its load, and says before it looks at the call.
AT_THE_DOOR = frozenset({401, 403, 429})
# Nothing can have arrived.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
PAYBILL, SHORTCODE = "4", "11"


@dataclass(frozen=True, slots=True)
class Business:
    """Who we are to M-Pesa."""

    shortcode: str
    paying_shortcode: str
    passkey: str
    initiator: str
    # The initiator's password, encrypted; empty where there is none: money then only comes.
    credential: str
    zone: tzinfo
    # Whether it gives its statement.
    pull: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What Daraja has answered."""

    status: int
    content: Mapping[str, Any]

    @property
    def error(self) -> str:
        """Daraja's code of an error; empty where the answer is none of Daraja's errors."""
        return text(self.content, "errorCode")

    @property
    def message(self) -> str:
        given = text(self.content, "errorMessage") or text(self.content, "ResponseDescription")
        return words(given) or "no reason given"

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class HttpMpesa:
    """M-Pesa over HTTP. The client has Daraja's address; whoever made this closes it."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        key: tuple[str, str],
        business: Business,
        addresses: Addresses,
        timeout: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`key` are the application's key and secret; `timeout` the seconds of a whole call."""
        self.client = client
        self.key = key
        self.business = business
        self.addresses = addresses
        self.timeout = timeout
        self.now = now
        self.tokens = Tokens(self._token)

    async def push(self, *, amount: int, phone: str, reference: str, description: str, payment: UUID) -> Push:
        if len(reference) > LONGEST_REFERENCE:
            raise ValueError("M-Pesa cuts off what is too long: the payment would not be found by its account.")
        number = daraja_number(phone)
        answer = await self._begin(
            PUSH,
            self._password() | {
                "TransactionType": "CustomerPayBillOnline",
                "Amount": checked(amount),
                "PartyA": number,
                "PartyB": self.business.shortcode,
                "PhoneNumber": number,
                "CallBackURL": self.addresses.push(payment),
                "AccountReference": reference,
                "TransactionDesc": description[:LONGEST_DESCRIPTION],
            },
            "CheckoutRequestID",
            refused=frozenset({BUSY}),
        )  # fmt: skip
        return Push(text(answer, "MerchantRequestID"), text(answer, "CheckoutRequestID"))

    async def push_outcome(self, checkout_request_id: str) -> Outcome:
        answer = await self._ask(PUSH_QUERY, self._password() | {"CheckoutRequestID": checkout_request_id})
        if answer.error in STILL_OPEN:
            raise MpesaUndecided(f"the push is being processed ({answer.error})")
        if not answer.is_success or answer.error:
            turn_away(answer)
        code = text(answer.content, "ResultCode")
        if code in STILL_OPEN:
            raise MpesaUndecided(f"the push is being processed ({code})")
        if not code or text(answer.content, "CheckoutRequestID") != checkout_request_id:
            raise MpesaUnavailable("an answer that cannot be understood")
        return Outcome(code, text(answer.content, "ResultDesc"))

    async def pay_phone(self, *, amount: int, phone: str, key: str, remarks: str) -> Accepted:
        number = daraja_number(phone)
        answer = await self._begin(
            PAYOUT,
            {
                "OriginatorConversationID": key,
                "InitiatorName": self.business.initiator,
                "SecurityCredential": self._credential(),
                "CommandID": "BusinessPayment",
                "Amount": checked(amount),
                "PartyA": self.business.paying_shortcode,
                "PartyB": number,
                "Remarks": remarks[:LONGEST_REMARKS],
                **self._results("b2c"),
                # Spelt so in Daraja's own examples, and rightly by others: it takes what it knows.
                "Occassion": key,
                "Occasion": key,
            },
            "ConversationID",
        )
        return accepted(answer)

    async def reverse(self, *, receipt: str, amount: int, key: str, remarks: str) -> Accepted:
        answer = await self._begin(
            REVERSAL,
            self._initiated("TransactionReversal") | {
                "TransactionID": receipt,
                "Amount": checked(amount),
                "ReceiverParty": self.business.shortcode,
                # Daraja's own spelling.
                "RecieverIdentifierType": SHORTCODE,
                **self._results("reversal"),
                "Remarks": remarks[:LONGEST_REMARKS],
                "Occasion": key,
            },
            "ConversationID",
        )  # fmt: skip
        return accepted(answer)

    async def ask_status(self, *, receipt: str | None = None, original_key: str | None = None, key: str) -> Accepted:
        if (receipt is None) == (original_key is None):
            raise ValueError("a status is asked for by a receipt or by a key")
        about = {"TransactionID": receipt} if receipt is not None else {"OriginalConversationID": original_key}
        # A receipt may be of money that came; what we have sent was paid by the other number.
        party = self.business.shortcode if receipt is not None else self.business.paying_shortcode
        answer = await self._ask(
            STATUS,
            self._initiated("TransactionStatusQuery") | about | {
                "PartyA": party,
                "IdentifierType": PAYBILL,
                **self._results("status"),
                "Remarks": "Status",
                "Occasion": key,
            },
        )  # fmt: skip
        if not answer.is_success or answer.error or text(answer.content, "ResponseCode") != DONE:
            turn_away(answer)
        return accepted(answer.content)

    async def statement(self, begin: datetime, end: datetime) -> list[StatementLine]:
        if not self.business.pull:
            raise MpesaRefused("no-statement", "LANGO_MPESA_PULL is off")
        lines: dict[str, StatementLine] = {}
        period = {
            name: at.astimezone(self.business.zone).strftime("%Y-%m-%d %H:%M:%S")
            for name, at in (("StartDate", begin), ("EndDate", end))
        }
        while True:
            asked = {"ShortCode": self.business.shortcode, **period, "OffSetValue": str(len(lines))}
            answer = await self._ask(PULL, asked)
            if not answer.is_success or text(answer.content, "ResponseCode") not in FOUND:
                turn_away(answer)
            try:
                further = {line.receipt: line for line in pulled(answer.content, self.business.zone)}
            except BadPayload as error:
                raise MpesaUnavailable(f"an answer that cannot be understood: {error}") from None
            if further.keys() <= lines.keys():
                # How many it gives at once is its own affair: the last answer has nothing new.
                return list(lines.values())
            lines |= further

    async def register(self, *, completed: bool) -> str:
        """Have M-Pesa post notices of payments from its own menu; gives what it says.

        `completed`: whether a payment is made where we do not answer in time.
        """
        addresses = {f"{kind.capitalize()}URL": self.addresses.notice(kind) for kind in ("confirmation", "validation")}
        response_type = "Completed" if completed else "Cancelled"
        answer = await self._ask(
            REGISTER, {"ShortCode": self.business.shortcode, "ResponseType": response_type, **addresses}
        )
        # The name that goes with it is spelt wrong (`OriginatorCoversationID`), and of no use.
        if not answer.is_success or answer.error or text(answer.content, "ResponseCode") not in (DONE, "00000000"):
            turn_away(answer)
        return answer.message

    def _password(self) -> dict[str, str]:
        stamp = timestamp(self.now().astimezone(self.business.zone))
        return {
            "BusinessShortCode": self.business.shortcode,
            "Password": password(self.business.shortcode, self.business.passkey, stamp),
            "Timestamp": stamp,
        }

    def _initiated(self, command: str) -> dict[str, Any]:
        return {
            "Initiator": self.business.initiator,
            "SecurityCredential": self._credential(),
            "CommandID": command,
        }

    def _credential(self) -> str:
        if not self.business.credential:
            raise MpesaUnavailable("LANGO_MPESA_INITIATOR, its password and LANGO_MPESA_CERTIFICATE are not all set")
        return self.business.credential

    def _results(self, kind: str) -> dict[str, str]:
        return {
            "ResultURL": self.addresses.result(kind),
            "QueueTimeOutURL": self.addresses.result(f"{kind}-timeout"),
        }

    async def _begin(
        self, path: str, content: Mapping[str, Any], name: str, refused: frozenset[str] = frozenset()
    ) -> Mapping[str, Any]:
        """Have M-Pesa begin something; gives its answer, in which `name` is its key for it.

        `refused` are codes of a failing server that mean that nothing has begun.
        """
        sent = False

        def sending() -> None:
            nonlocal sent
            sent = True

        try:
            async with asyncio.timeout(self.timeout):
                answer = await self._call(path, content, sending)
        except NOT_SENT as error:
            raise MpesaUnavailable(f"cannot be reached ({type(error).__name__})") from error
        except TimeoutError as error:
            raise (MpesaUndecided if sent else MpesaUnavailable)(f"no answer within {self.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise MpesaUndecided(f"the answer was lost ({type(error).__name__})") from error
        code = text(answer.content, "ResponseCode")
        if answer.is_success and code == DONE and text(answer.content, name):
            return answer.content
        if answer.status in AT_THE_DOOR:
            raise MpesaUnavailable(f"{answer.status} {answer.error}: {answer.message}")
        if answer.error in refused or self._is_refusal(answer, code, name):
            raise MpesaRefused(answer.error or code, answer.message)
        raise MpesaUndecided(f"{answer.status} {answer.error or code}: {answer.message}")

    def _is_refusal(self, answer: Answer, code: str, name: str) -> bool:
        """Whether Daraja says in its own words that it has not begun anything."""
        if "duplicate" in answer.message.lower():
            # The key has been there before: whatever it began then may have been done.
            return False
        if answer.is_success:
            return bool(code) and code != DONE and not text(answer.content, name)
        return 400 <= answer.status < 500 and bool(answer.error)

    async def _ask(self, path: str, content: Mapping[str, Any]) -> Answer:
        """The answer to a call that begins nothing. Raises MpesaUnavailable."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self._call(path, content)
        except TimeoutError as error:
            raise MpesaUnavailable(f"no answer within {self.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise MpesaUnavailable(f"cannot be reached ({type(error).__name__})") from error

    async def _call(self, path: str, content: Mapping[str, Any], sending: Callable[[], None] = lambda: None) -> Answer:
        """The answer, whatever it is; a token that is taken no longer is replaced once. Raises httpx's errors."""
        body = orjson.dumps(content)
        token = await self.tokens.get()
        sending()
        answer = await self._sent(path, body, token)
        if answer.status == 401 or answer.error == BAD_TOKEN:
            self.tokens.drop(token)
            answer = await self._sent(path, body, await self.tokens.get())
        if answer.error == BAD_TOKEN:
            # Also with a new one. Daraja says so with 404.
            return Answer(401, answer.content)
        return answer

    async def _sent(self, path: str, body: bytes, token: str) -> Answer:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return read(await self.client.post(path, content=body, headers=headers))

    async def _token(self) -> Token:
        """Raises MpesaUnavailable: that our key is not taken says nothing of a call."""
        try:
            async with asyncio.timeout(self.timeout):
                response = await self.client.get(OAUTH, auth=self.key)
        except (TimeoutError, httpx.HTTPError) as error:
            raise MpesaUnavailable(f"gives no access token ({type(error).__name__})") from error
        answer = read(response)
        value = text(answer.content, "access_token")
        if not answer.is_success or not value:
            raise MpesaUnavailable(f"gives no access token: {answer.status} {answer.error}")
        try:
            # A text, though it is a number.
            serves = float(text(answer.content, "expires_in"))
        except ValueError:
            serves = 0.0
        return Token(value, serves)


def read(response: httpx.Response) -> Answer:
    """An answer as Daraja gives it: what is no JSON object says nothing."""
    try:
        content = exact_json.loads(response.content)
    except orjson.JSONDecodeError:
        content = None
    return Answer(response.status_code, content if isinstance(content, dict) else {})


def turn_away(answer: Answer) -> NoReturn:
    """Raise what Daraja answers to a call that begins nothing: refused where it will not, unavailable otherwise."""
    code = answer.error or text(answer.content, "ResponseCode")
    if 400 <= answer.status < 500 and answer.status not in AT_THE_DOOR and code:
        raise MpesaRefused(code, answer.message)
    if answer.is_success and code not in ("", DONE):
        raise MpesaRefused(code, answer.message)
    raise MpesaUnavailable(f"{answer.status} {code}: {answer.message}")


def accepted(answer: Mapping[str, Any]) -> Accepted:
    return Accepted(text(answer, "ConversationID"), text(answer, "OriginatorConversationID"))


def checked(amount: int) -> int:
    if amount < 1:
        raise ValueError("M-Pesa moves whole shillings, and one at least")
    return amount
