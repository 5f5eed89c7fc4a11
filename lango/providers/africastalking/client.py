"""SMS by Africa's Talking's messaging API (https://developers.africastalking.com/docs/sms/sending/bulk)."""

from __future__ import annotations

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx
from pydantic import BaseModel, Field, ValidationError

from lango.providers.africastalking.errors import AfricasTalkingRefused, AfricasTalkingUnavailable
from lango.providers.messages import Sms, Taken, words

MESSAGING = "/version1/messaging"
# Processed, sent, queued.
TAKEN = frozenset({100, 101, 102})
# No phone number, none that takes SMS, on the list of those who want none, on the network's list of those.
OF_THE_NUMBER = frozenset({403, 404, 406, 409})


class Recipient(BaseModel):
    """What became of the one number that a call is for."""

    status_code: int = Field(alias="statusCode")
    status: str
    message_id: str = Field(alias="messageId")
    # As in `KES 0.8000`; `0` where nothing was sent.
    cost: str = "0"


class Data(BaseModel):
    message: str = Field("", alias="Message")
    recipients: list[Recipient] = Field(alias="Recipients")


class Answer(BaseModel):
    data: Data = Field(alias="SMSMessageData")


class HttpAfricasTalking:
    """Africa's Talking over HTTP. The client has the address and the key; whoever made this closes it."""

    def __init__(self, client: httpx.AsyncClient, *, username: str, sender: str | None, timeout: float) -> None:
        """`timeout` is the seconds that a whole call may take."""
        self.client = client
        self.username = username
        self.sender = sender
        self.timeout = timeout

    async def send(self, sms: Sms) -> Taken:
        form = {"username": self.username, "to": sms.to, "message": sms.text, "bulkSMSMode": "1"}
        if self.sender:
            form["from"] = self.sender
        answer = await self.call(form, key=str(sms.reference))
        if not answer.recipients:
            # Of the call as a whole: no such sender, for instance.
            raise AfricasTalkingUnavailable(words(answer.message) or "no recipient")
        first = answer.recipients[0]
        if first.status_code in OF_THE_NUMBER:
            raise AfricasTalkingRefused(str(first.status_code), words(first.status))
        if first.status_code not in TAKEN or first.message_id in ("", "None"):
            raise AfricasTalkingUnavailable(f"{first.status_code}: {words(first.status)}")
        currency, _, amount = first.cost.rpartition(" ")
        return Taken(first.message_id, decimal(amount), currency or None)

    async def call(self, form: dict[str, Any], *, key: str) -> Data:
        """What the API answers. Raises AfricasTalkingUnavailable: what it says of a number is in the answer."""
        try:
            # httpx counts the seconds of each step alone.
            async with asyncio.timeout(self.timeout):
                answer = await self.client.post(MESSAGING, data=form, headers={"idempotency-key": key})
        except TimeoutError as error:
            raise AfricasTalkingUnavailable(f"no answer within {self.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise AfricasTalkingUnavailable(f"cannot be reached ({type(error).__name__})") from error
        if not answer.is_success:
            raise AfricasTalkingUnavailable(f"{answer.status_code}: {words(answer.text[:500])}")
        try:
            return Answer.model_validate_json(answer.content).data
        except ValidationError:
            raise AfricasTalkingUnavailable("an answer that cannot be understood") from None


class NoAfricasTalking:
    """Africa's Talking switched off."""

    async def send(self, sms: Sms) -> Taken:  # noqa: ARG002
        raise AfricasTalkingUnavailable("LANGO_AFRICAS_TALKING is off")


def decimal(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
