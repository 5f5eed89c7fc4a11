"""Wave: mobile money in XOF.

Checkout sessions and their refunds by Wave's Checkout API (https://docs.wave.com/checkout), payouts by its Payout API
(https://docs.wave.com/payout).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NoReturn, Protocol, TypeVar
from urllib.parse import quote, urlencode

import httpx
import orjson
from pydantic import AwareDatetime, BaseModel, ValidationError

from lango.providers.wave.errors import WaveRefused, WaveUnavailable, WaveUndecided

SESSIONS = "/v1/checkout/sessions"
PAYOUTS = "/v1/payout"
# The same key came with another payout before.
MISMATCH = "idempotency-mismatch"
# What Wave means of our key or of its own state, not of the call: it may well be answered when that is mended.
PASSING = frozenset({401, 403, 408, 425, 429})
LONGEST_MESSAGE = 200
# A message may repeat what it complains of.
PHONE = re.compile(r"\d[\d .-]{5,}\d")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout session, as Wave has it."""

    id: str
    url: str
    expires_at: datetime
    # `open`, `complete` or `expired`.
    status: str
    # `processing`, `cancelled` or `succeeded`.
    payment_status: str
    amount: int
    reference: str
    transaction_id: str | None = None


class Wave(Protocol):
    """What the rules ask of Wave. Each call raises WaveUnavailable, and WaveRefused."""

    async def open_checkout(self, *, amount: int, reference: str, key: str) -> Checkout:
        """Open a checkout over whole francs; `reference` is our row's id, and the same `key` opens it once."""

    async def checkout(self, checkout_id: str) -> Checkout:
        """How a checkout stands."""

    async def checkouts(self, reference: str) -> list[Checkout]:
        """Every checkout that was opened for a row of ours: for an answer that was lost on its way."""

    async def expire(self, checkout_id: str) -> None:
        """Make sure that a checkout can no longer be paid. Raises WaveRefused where it has been paid."""

    async def refund(self, checkout_id: str, *, amount: int, key: str) -> str:
        """Give back what was paid, in whole francs; gives Wave's id of the refund. The same `key` refunds once."""

    async def pay_out(self, *, amount: int, mobile: str, reference: str, key: str) -> str:
        """Send whole francs to the account of a phone (E.164); gives Wave's id of it. The same `key` pays once.

        `reference` is our row's id. Raises WaveUndecided while Wave has not finished.
        """


class Session(BaseModel):
    """A checkout session in Wave's JSON; what we do not use is left out."""

    id: str
    amount: Decimal
    currency: Literal["XOF"]
    wave_launch_url: str
    checkout_status: str
    payment_status: str
    when_expires: AwareDatetime
    client_reference: str | None = None
    transaction_id: str | None = None

    def checkout(self) -> Checkout:
        """Raises ValueError for an amount that is not in whole francs."""
        if self.amount != int(self.amount):
            raise ValueError("the amount is not in whole francs")
        return Checkout(
            id=self.id,
            url=self.wave_launch_url,
            expires_at=self.when_expires,
            status=self.checkout_status,
            payment_status=self.payment_status,
            amount=int(self.amount),
            reference=self.client_reference or "",
            transaction_id=self.transaction_id,
        )


class Payout(BaseModel):
    """A payout in Wave's JSON: `processing`, `succeeded`, `failed` or `reversed`."""

    id: str
    status: str
    payout_error: dict[str, Any] | None = None

    @property
    def error(self) -> str:
        code = (self.payout_error or {}).get("error_code")
        return code if isinstance(code, str) and code else f"payout-{self.status}"


class Found(BaseModel):
    """What a search gives."""

    result: list[Session]


Form = TypeVar("Form", bound=BaseModel)


class HttpWave:
    """Wave over HTTP. The client has the address and the key; whoever made this closes it."""

    def __init__(self, client: httpx.AsyncClient, *, return_url: str, timeout: float) -> None:
        """`return_url` is where donors come back to; `timeout` the seconds that a whole call may take."""
        self.client = client
        self.return_url = return_url
        self.timeout = timeout

    async def open_checkout(self, *, amount: int, reference: str, key: str) -> Checkout:
        session = {
            "amount": str(amount),
            "currency": "XOF",
            "client_reference": reference,
            "success_url": self.back("success", reference),
            "error_url": self.back("error", reference),
        }
        answer = await self.call("POST", SESSIONS, content=session, key=key)
        return checked(parsed(answer, Session))

    async def checkout(self, checkout_id: str) -> Checkout:
        return checked(parsed(await self.call("GET", session_path(checkout_id)), Session))

    async def checkouts(self, reference: str) -> list[Checkout]:
        answer = await self.call("GET", f"{SESSIONS}/search?{urlencode({'client_reference': reference})}")
        return [checked(session) for session in parsed(answer, Found).result]

    async def expire(self, checkout_id: str) -> None:
        try:
            await self.call("POST", f"{session_path(checkout_id)}/expire")
        except WaveRefused:
            # Wave refuses one that has expired as well as one that is paid.
            found = await self.checkout(checkout_id)
            if found.status == "open" or found.payment_status == "succeeded":
                raise

    async def refund(self, checkout_id: str, *, amount: int, key: str) -> str:
        """Give back what was paid, whole: Wave gives back no part of a checkout, and no id but that of the payment."""
        found = await self.checkout(checkout_id)
        if found.amount != amount:
            # Wave takes no amount: for a part it would give back everything.
            raise WaveRefused("partial-refund", "a checkout is given back whole or not at all")
        await self.call("POST", f"{session_path(checkout_id)}/refund", key=key)
        return found.transaction_id or found.id

    async def pay_out(self, *, amount: int, mobile: str, reference: str, key: str) -> str:
        payout = {"currency": "XOF", "receive_amount": str(amount), "mobile": mobile, "client_reference": reference}
        try:
            made = parsed(await self.call("POST", PAYOUTS, content=payout, key=key), Payout)
        except WaveRefused as refusal:
            if refusal.code != MISMATCH:
                raise
            # It does not say that nothing was paid: on the contrary, there has been a call with this key.
            raise WaveUndecided("the key came with another payout before") from refusal
        if made.status == "processing":
            # With the same key Wave answers for ever as it did at first.
            made = await self.payout(made.id)
        if made.status in ("failed", "reversed"):
            raise WaveRefused(made.error, f"the payout has {made.status}")
        if made.status != "succeeded":
            raise WaveUndecided(f"the payout {made.id} is {made.status}")
        return made.id

    async def payout(self, payout_id: str) -> Payout:
        """How a payout stands that Wave has made."""
        try:
            return parsed(await self.call("GET", f"{PAYOUTS}/{quote(payout_id, safe='')}"), Payout)
        except WaveRefused as refusal:
            # That it is not shown does not say that it has failed.
            raise WaveUndecided(f"the payout {payout_id} is not shown ({refusal.code})") from refusal

    def back(self, outcome: str, reference: str) -> str:
        """Where the donor comes back to."""
        join = "&" if "?" in self.return_url else "?"
        return f"{self.return_url}{join}{urlencode({'payment': outcome, 'reference': reference})}"

    async def call(self, method: str, path: str, *, content: Any = None, key: str | None = None) -> httpx.Response:
        """The answer to a call that Wave carried out. Raises WaveUnavailable, and WaveRefused."""
        headers = {"idempotency-key": key} if key is not None else {}
        body = None
        if content is not None:
            headers["content-type"] = "application/json"
            body = orjson.dumps(content)
        try:
            # httpx counts the seconds of each step alone: an answer that drips in would keep us for ever.
            async with asyncio.timeout(self.timeout):
                answer = await self.client.request(method, path, content=body, headers=headers)
        except TimeoutError as error:
            raise WaveUnavailable(f"no answer within {self.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise WaveUnavailable(f"cannot be reached ({type(error).__name__})") from error
        if not answer.is_success:
            fail(answer)
        return answer


class NoWave:
    """Wave switched off: no call is made."""

    async def open_checkout(self, *, amount: int, reference: str, key: str) -> Checkout:  # noqa: ARG002
        raise switched_off()

    async def checkout(self, checkout_id: str) -> Checkout:  # noqa: ARG002
        raise switched_off()

    async def checkouts(self, reference: str) -> list[Checkout]:  # noqa: ARG002
        raise switched_off()

    async def expire(self, checkout_id: str) -> None:  # noqa: ARG002
        raise switched_off()

    async def refund(self, checkout_id: str, *, amount: int, key: str) -> str:  # noqa: ARG002
        raise switched_off()

    async def pay_out(self, *, amount: int, mobile: str, reference: str, key: str) -> str:  # noqa: ARG002
        raise switched_off()


def switched_off() -> WaveUnavailable:
    return WaveUnavailable("LANGO_WAVE is off")


def session_path(checkout_id: str) -> str:
    return f"{SESSIONS}/{quote(checkout_id, safe='')}"


def parsed(answer: httpx.Response, form: type[Form]) -> Form:
    """The answer's JSON. Raises WaveUnavailable where it has another form, without repeating it."""
    try:
        return form.model_validate_json(answer.content)
    except ValidationError as error:
        wrong = ", ".join(sorted({".".join(map(str, each["loc"])) or "JSON" for each in error.errors()}))
        raise WaveUnavailable(f"an answer that cannot be understood: {wrong}") from None


def checked(session: Session) -> Checkout:
    try:
        return session.checkout()
    except (ValueError, ArithmeticError) as error:
        raise WaveUnavailable(f"an answer that cannot be understood: {error}") from None


def fail(answer: httpx.Response) -> NoReturn:
    """Raise what the answer says: refused where Wave will not, unavailable where it cannot now."""
    code, message = complaint(answer)
    if 400 <= answer.status_code < 500 and answer.status_code not in PASSING:
        raise WaveRefused(code, message)
    raise WaveUnavailable(f"{answer.status_code} {code}: {message}")


def complaint(answer: httpx.Response) -> tuple[str, str]:
    """Wave's code of an error and its message; they stand at the top, or under `error`."""
    try:
        content = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        content = None
    if isinstance(content, dict) and isinstance(content.get("error"), dict):
        content = content["error"]
    code, message = (content.get("code"), content.get("message")) if isinstance(content, dict) else (None, None)
    said = PHONE.sub("…", message)[:LONGEST_MESSAGE] if isinstance(message, str) else "no reason given"
    return (code if isinstance(code, str) and code else f"http-{answer.status_code}"), said
