"""SMS by Twilio's Messages API (https://www.twilio.com/docs/messaging/api/message-resource)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, Protocol
from urllib.parse import quote
from uuid import UUID

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from lango.providers.messages import Sms, SmsCarrier, Taken, words
from lango.providers.twilio.errors import TwilioRefused, TwilioUnavailable

# Not a phone number, one that has opted out, one that takes no SMS.
OF_THE_NUMBER = frozenset({21211, 21610, 21614})
# Seconds for which Twilio may keep a message that it cannot send yet.
LONGEST_VALIDITY = 36_000
SERVICE = "MG"


class Twilio(SmsCarrier, Protocol):
    """What the rules ask of Twilio."""

    async def cost(self, message_id: str) -> tuple[Decimal, str] | None:
        """What a message cost, and in which currency; None while Twilio does not know. Raises TwilioUnavailable."""


class Message(BaseModel):
    """A message in Twilio's JSON; what we do not use is left out."""

    sid: str
    status: str
    price: str | None = None
    price_unit: str | None = None
    error_code: int | None = None
    error_message: str | None = None


class HttpTwilio:
    """Twilio over HTTP. The client has the address and the account; whoever made this closes it."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        account: str,
        sender: str,
        timeout: float,
        report_url: Callable[[UUID], str | None],
    ) -> None:
        """`report_url` is where Twilio reports what became of a message; `timeout` the seconds of a whole call."""
        self.client = client
        self.path = f"/2010-04-01/Accounts/{quote(account, safe='')}/Messages"
        self.sender = sender
        self.timeout = timeout
        self.report_url = report_url

    async def send(self, sms: Sms) -> Taken:
        form = {"To": sms.to, "Body": sms.text}
        form["MessagingServiceSid" if self.sender.startswith(SERVICE) else "From"] = self.sender
        if sms.valid_for is not None:
            form["ValidityPeriod"] = str(min(max(sms.valid_for, 1), LONGEST_VALIDITY))
        if (url := self.report_url(sms.reference)) is not None:
            form["StatusCallback"] = url
        made = await self.call("POST", f"{self.path}.json", form)
        if made.status in ("failed", "undelivered", "canceled"):
            fail(made.error_code, made.error_message or made.status)
        return Taken(made.sid, decimal(made.price), made.price_unit)

    async def cost(self, message_id: str) -> tuple[Decimal, str] | None:
        found = await self.call("GET", f"{self.path}/{quote(message_id, safe='')}.json")
        amount = decimal(found.price)
        return None if amount is None or found.price_unit is None else (amount, found.price_unit)

    async def call(self, method: str, path: str, form: dict[str, Any] | None = None) -> Message:
        """The message as Twilio has it. Raises TwilioUnavailable and TwilioRefused."""
        try:
            # httpx counts the seconds of each step alone.
            async with asyncio.timeout(self.timeout):
                answer = await self.client.request(method, path, data=form)
        except TimeoutError as error:
            raise TwilioUnavailable(f"no answer within {self.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise TwilioUnavailable(f"cannot be reached ({type(error).__name__})") from error
        if not answer.is_success:
            fail(*complaint(answer))
        try:
            return Message.model_validate_json(answer.content)
        except ValidationError:
            raise TwilioUnavailable("an answer that cannot be understood") from None


class NoTwilio:
    """Twilio switched off."""

    async def send(self, sms: Sms) -> Taken:  # noqa: ARG002
        raise TwilioUnavailable("LANGO_TWILIO is off")

    async def cost(self, message_id: str) -> tuple[Decimal, str] | None:  # noqa: ARG002
        raise TwilioUnavailable("LANGO_TWILIO is off")


def fail(code: int | None, message: str) -> NoReturn:
    """Raise what Twilio says: refused where nobody could send to the number, unavailable otherwise."""
    if code in OF_THE_NUMBER:
        raise TwilioRefused(str(code), words(message))
    raise TwilioUnavailable(f"{code}: {words(message)}")


def complaint(answer: httpx.Response) -> tuple[int, str]:
    """Twilio's code of an error and its message."""
    try:
        content = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        content = None
    code, message = (content.get("code"), content.get("message")) if isinstance(content, dict) else (None, None)
    return (
        code if isinstance(code, int) else answer.status_code,
        message if isinstance(message, str) else "no reason given",
    )


def decimal(price: str | None) -> Decimal | None:
    """What a message costs: Twilio writes what it takes as a negative amount, once it knows."""
    try:
        amount = None if price is None else abs(Decimal(price))
    except InvalidOperation:
        return None
    return amount if amount is None or amount.is_finite() else None
