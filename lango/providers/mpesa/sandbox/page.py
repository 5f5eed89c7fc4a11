"""The phones of the sandbox: what is asked of each, what its owner does, and the messages that come of it.

`POST /sandbox/mpesa/<phone>` answers the newest push that waits (or `push=<CheckoutRequestID>`): `outcome=pay`, which
it is without, `wrong_pin`, `cancel`, `no_answer`, `expired` or `no_balance`. With `outcome=paybill`, `account=…` and
`amount=…` the owner pays from M-Pesa's own menu. To see what happens then: `amount=90` (another amount than was asked
for), `twice=1` (each message comes twice), `delay=2` (so many seconds later), `lost=1` (no message comes), `also_c2b=1`
(a push is reported as a payment from the menu too), `reorder=1` (in the other order).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import orjson
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lango.providers.mpesa.numbers import KENYAN
from lango.providers.mpesa.sandbox import posts
from lango.providers.mpesa.sandbox.api import AMOUNT
from lango.providers.mpesa.sandbox.book import (
    UNREACHABLE,
    Book,
    Movement,
    Push,
    book,
    moment,
    new_conversation,
    new_receipt,
)
from lango.providers.mpesa.sandbox.delivery import Deliver, bring, within
from lango.providers.mpesa.settings import MpesaSettings
from lango.providers.mpesa.webhook import Addresses
from lango.providers.payloads import BadPayload, form
from lango.settings import Settings

PATH = "/sandbox/mpesa"
LONGEST_DELAY = 60.0
PAYBILL = "paybill"
# What the owner of a phone does about a push, and M-Pesa's code for it.
OUTCOMES = {
    "pay": "0", "wrong_pin": "2001", "cancel": "1032", "no_answer": UNREACHABLE, "expired": "1019", "no_balance": "1",
}  # fmt: skip
LABELS = {
    "pay": "Enter PIN", "wrong_pin": "Wrong PIN", "cancel": "Cancel", "no_answer": "No answer", "expired": "Expire",
    "no_balance": "Too little money",
}  # fmt: skip
PAGE = Template("""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>$phone</title>
<style>body { font-family: sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
article, form { border-top: 1px solid #ccc; padding: .5rem 0 }</style>
<h1>$phone</h1>
<p>A phone of the M-Pesa sandbox. No money moves here.</p>
$pushes
<form method="post" action="?outcome=paybill"><p>Pay Bill to $shortcode:
<label>account <input name="account" required maxlength="20"></label>
<label>shillings <input name="amount" required size="7" inputmode="numeric"></label> $options
<button>Pay</button></p></form>
<p>From a shell: <code>curl -X POST '$url?outcome=pay'</code>, or with
<code>outcome=paybill&amp;account=…&amp;amount=…</code>.</p>
</html>
""")
WAITING = Template("""\
<article><form method="post"><p><b>Pay $amount shillings to $shortcode, account $reference?</b> $description</p>
<input type="hidden" name="push" value="$id">
<p>$options <label>pay <input name="amount" size="7" inputmode="numeric" placeholder="$amount"> instead</label>
<label><input type="checkbox" name="also_c2b" value="1"> also as C2B</label>
<label><input type="checkbox" name="reorder" value="1"> which comes first</label></p>
<p>$buttons</p></form></article>""")
OPTIONS = """\
<label><input type="checkbox" name="twice" value="1"> messages come twice</label>
<label><input type="checkbox" name="lost" value="1"> are lost</label>
<label>come <input name="delay" size="3" placeholder="0"> seconds late</label>"""
ENDED = Template("<article><p>$amount shillings, account $reference: $ended.</p></article>")


class BadChoice(ValueError):
    """What somebody wants is not understood, or cannot be done; the message says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Choice:
    """What the owner of a phone does, and what becomes of the messages."""

    outcome: str
    push_id: str | None
    account: str
    amount: int | None
    times: int
    delay: float
    also_c2b: bool
    reorder: bool

    @classmethod
    async def of(cls, request: Request) -> Choice:
        """From the address or the form. Raises BadChoice."""
        try:
            given = form(await request.body()) | dict(request.query_params)
        except BadPayload as error:
            raise BadChoice(str(error)) from None
        said = {name: value.strip() for name, value in given.items() if value.strip()}
        outcome, amount = said.get("outcome", "pay"), said.get("amount")
        try:
            delay = float(said.get("delay", "0"))
        except ValueError:
            delay = -1.0
        if outcome not in (*OUTCOMES, PAYBILL) or not 0 <= delay <= LONGEST_DELAY:
            choices = ", ".join((*OUTCOMES, PAYBILL))
            raise BadChoice(f"outcome is one of {choices}; delay from 0 to {LONGEST_DELAY:g} seconds.")
        if amount is not None and not AMOUNT.fullmatch(amount):
            raise BadChoice("amount is in whole shillings.")
        account = said.get("account", "")
        if outcome == PAYBILL and (amount is None or not account):
            raise BadChoice("paybill needs account and amount.")
        return cls(
            outcome=outcome, push_id=said.get("push"), account=account, amount=int(amount) if amount else None,
            times=0 if said.get("lost") == "1" else 2 if said.get("twice") == "1" else 1, delay=delay,
            also_c2b=said.get("also_c2b") == "1", reorder=said.get("reorder") == "1",
        )  # fmt: skip


# A message and the address to which it is posted.
Message = tuple[str, dict[str, Any]]


class Phones:
    """The pages of all phones; what is done on them is posted to the application that the pages are in."""

    def __init__(self, folder: Path, shortcode: str, zone: tzinfo, addresses: Addresses) -> None:
        self.folder = folder
        self.shortcode = shortcode
        self.zone = zone
        self.addresses = addresses

    async def show(self, request: Request) -> Response:
        phone = phone_of(request)
        if phone is None:
            return plain("There is no such phone: 254 7… or 254 1…, and eight digits.", 404)

        def found() -> list[Push]:
            with book(self.folder) as kept:
                return kept.pushes_to(phone)

        return self.page(phone, await run_in_threadpool(found), str(request.url.replace(query="")))

    async def act(self, request: Request) -> Response:
        phone = phone_of(request)
        if phone is None:
            return plain("There is no such phone: 254 7… or 254 1…, and eight digits.", 404)
        deliver = within(request.app)
        try:
            choice = await Choice.of(request)
            if choice.outcome == PAYBILL:
                messages = await self.pay_bill(phone, choice, deliver)
            else:
                messages = await run_in_threadpool(self.decide, phone, choice)
        except BadChoice as error:
            return plain(str(error), error.status)
        task = BackgroundTask(post, deliver, messages, choice) if choice.times else None
        return plain(f"{choice.outcome}: done.", 303, {"location": request.url.path}, task)

    def decide(self, phone: str, choice: Choice) -> Sequence[Message]:
        """Decide a push; gives what M-Pesa posts of it. Raises BadChoice."""
        with book(self.folder) as kept:
            waiting = [push for push in kept.pushes_to(phone) if push.outcome is None]
            push = next((each for each in waiting if choice.push_id in (None, each.id)), None)
            if push is None:
                raise BadChoice("No push waits on this phone.", 409)
            push.code = OUTCOMES[choice.outcome]
            movement = None
            if choice.outcome == "pay":
                movement = pay(kept, phone, choice.amount or push.amount, push.reference)
                push.receipt = movement.receipt
            kept.put_push(push)
        messages = [(push.url, posts.push_callback(push, movement, self.zone))]
        if movement is not None and choice.also_c2b:
            messages.append(self.notice("confirmation", movement))
        return messages[::-1] if choice.reorder else messages

    async def pay_bill(self, phone: str, choice: Choice, deliver: Deliver) -> Sequence[Message]:
        """Pay from M-Pesa's own menu, if our validation takes it; gives what M-Pesa posts. Raises BadChoice."""
        assert choice.amount is not None
        tried = movement_of(phone, choice.amount, choice.account)
        url, message = self.notice("validation", tried)
        answer = await deliver(url, orjson.dumps(message))
        # Without an answer a payment is made: the number is registered with `Completed`.
        code = verdict(answer.content) if answer is not None and answer.is_success else "0"
        if code != "0":
            raise BadChoice(f"The payment was refused: {code}.", 409)

        def paid() -> Movement:
            with book(self.folder) as kept:
                kept.put_movement(tried)
                return tried

        return [self.notice("confirmation", await run_in_threadpool(paid))]

    def notice(self, kind: str, movement: Movement) -> Message:
        return self.addresses.notice(kind), posts.notice(movement, self.shortcode, self.zone)

    def page(self, phone: str, pushes: Sequence[Push], url: str) -> Response:
        shown = {"phone": f"+{phone}", "shortcode": self.shortcode, "url": escape(url)}
        content = PAGE.substitute(shown, options=OPTIONS, pushes="\n".join(map(self.part, pushes)))
        return Response(content, headers={"cache-control": "no-store"}, media_type="text/html")

    def part(self, push: Push) -> str:
        values = {
            "id": push.id, "amount": push.amount, "reference": push.reference, "description": push.description,
            "shortcode": self.shortcode,
        }  # fmt: skip
        shown = {name: escape(str(value)) for name, value in values.items()}
        if push.outcome is not None:
            ended = f"paid, receipt {push.receipt}" if push.receipt else posts.DESCRIPTIONS[push.outcome].rstrip(".")
            return ENDED.substitute(shown, ended=escape(ended))
        buttons = [f'<button name="outcome" value="{name}">{label}</button>' for name, label in LABELS.items()]
        return WAITING.substitute(shown, options=OPTIONS, buttons="\n".join(buttons))


def movement_of(phone: str, amount: int, reference: str) -> Movement:
    """Money that comes to the Paybill number."""
    return Movement(
        receipt=new_receipt(), kind="Pay Bill", amount=amount, phone=phone, at=moment(),
        conversation_id=new_conversation(), key=new_conversation(), reference=reference,
    )  # fmt: skip


def pay(kept: Book, phone: str, amount: int, reference: str) -> Movement:
    movement = movement_of(phone, amount, reference)
    kept.put_movement(movement)
    return movement


async def post(deliver: Deliver, messages: Sequence[Message], choice: Choice) -> None:
    """Post the messages in their order, as often as wanted."""
    await asyncio.sleep(choice.delay)
    for url, message in messages:
        for _ in range(choice.times):
            await bring(deliver, url, message)


def verdict(answer: bytes) -> str:
    """Our code for a payment that is to be validated; `0` takes it."""
    try:
        return str(orjson.loads(answer)["ResultCode"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "C2B00016"


def phone_of(request: Request) -> str | None:
    phone = str(request.path_params["phone"]).removeprefix("+")
    return phone if KENYAN.fullmatch(phone) else None


def routes(settings: Settings) -> list[Route]:
    """The pages of phones that pay nothing; none unless the sandbox is on."""
    own = settings.section(MpesaSettings)
    if own.mode != "sandbox":
        return []
    phones = Phones(settings.data_dir, own.shortcode, own.time_zone, Addresses(settings))
    path = f"{PATH}/{{phone}}"
    return [Route(path, phones.show, methods=["GET"]), Route(path, phones.act, methods=["POST"])]


def plain(
    text: str, status: int, headers: dict[str, str] | None = None, background: BackgroundTask | None = None
) -> Response:
    sent = {"cache-control": "no-store", **(headers or {})}
    return Response(f"{text}\n", status, sent, "text/plain", background)
