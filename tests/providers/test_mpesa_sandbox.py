"""The sandbox: it speaks Daraja's protocol through the same adapter, and posts what M-Pesa would post."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lango.providers.mpesa import MPESA
from lango.providers.mpesa.client import Outcome, Push
from lango.providers.mpesa.daraja import HttpMpesa
from lango.providers.mpesa.errors import MpesaRefused, MpesaUnavailable, MpesaUndecided
from lango.providers.mpesa.messages import PushCallback, Result, confirmation, push_callback, result
from lango.providers.mpesa.modes import make, make_sandbox
from lango.providers.mpesa.sandbox import api, delivery
from lango.providers.mpesa.sandbox.book import book, moment
from lango.providers.mpesa.settings import SANDBOX_SECRET
from lango.providers.mpesa.webhook import Addresses
from tests.providers.mpesa import PAYMENT, PHONE, settings_of

CALLBACK = f"/webhooks/mpesa/{SANDBOX_SECRET}/push/{PAYMENT}"
CONFIRMATION = f"/webhooks/c2b/{SANDBOX_SECRET}/confirmation"
VALIDATION = f"/webhooks/c2b/{SANDBOX_SECRET}/validation"
KEY = "0199f3a0-0000-7000-8000-0000000000aa"


@dataclass
class Inbox:
    """The application that is served: the phones' pages, and webhooks that note what comes."""

    folder: Path
    came: list[tuple[str, Any]] = field(default_factory=list)
    # Answers to come, before `{"ResultCode": "0"}` for all others.
    answers: list[tuple[int, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def app(self) -> Starlette:
        settings = settings_of(self.folder, {"chosen": "sandbox"})
        routes = [*MPESA.routes(settings), Route("/webhooks/{rest:path}", self.take, methods=["POST"])]
        return Starlette(routes=routes)

    async def take(self, request: Request) -> Response:
        self.came.append((request.url.path, orjson.loads(await request.body())))
        self.news.set()
        status, answer = self.answers.pop(0) if self.answers else (200, {"ResultCode": "0"})
        return JSONResponse(answer, status)

    async def deliver(self, url: str, body: bytes) -> httpx.Response | None:
        return await delivery.within(self.app)(url, body)

    async def until(self, count: int) -> Sequence[tuple[str, Any]]:
        """The messages, as soon as there are so many."""
        async with asyncio.timeout(5):
            while len(self.came) < count:
                self.news.clear()
                await self.news.wait()
        return self.came

    async def result(self) -> Result:
        ((_, message),) = await self.until(1)
        self.came.clear()
        return result(message)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


@pytest.fixture
async def mpesa(inbox: Inbox) -> AsyncIterator[HttpMpesa]:
    """The adapter with the sandbox, as a worker has it, whose results the application gets."""
    settings = settings_of(inbox.folder, {"chosen": "sandbox", "timeout": 0.5})
    async with AsyncExitStack() as closing:
        yield make_sandbox(settings, closing, inbox.deliver)


@pytest.fixture
async def phone(inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, or a shell, that has the phone's page."""
    transport = httpx.ASGITransport(inbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway/sandbox/mpesa/") as client:
        yield client


async def pushed(mpesa: HttpMpesa, amount: int = 100) -> Push:
    return await mpesa.push(amount=amount, phone=f"+{PHONE}", reference="L7K2", description="Deposit", payment=PAYMENT)


async def paid_out(mpesa: HttpMpesa, amount: int = 400, key: str = KEY) -> Any:
    return await mpesa.pay_phone(amount=amount, phone=f"+{PHONE}", key=key, remarks="Withdrawal")


def callbacks(came: Sequence[tuple[str, Any]]) -> list[PushCallback]:
    return [push_callback(message) for path, message in came if path == CALLBACK]


async def test_a_push_is_paid(mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    push = await pushed(mpesa)
    with pytest.raises(MpesaUndecided):
        await mpesa.push_outcome(push.checkout_request_id)
    assert "Pay 100 shillings to 174379, account L7K2?" in (await phone.get(PHONE)).text

    answer = await phone.post(PHONE)

    assert answer.status_code == 303
    (callback,) = callbacks(inbox.came)
    assert (callback.code, callback.amount, callback.phone) == ("0", Decimal(100), PHONE)
    assert (callback.checkout_request_id, callback.merchant_request_id) == (
        push.checkout_request_id, push.merchant_request_id,
    )  # fmt: skip
    assert callback.paid_at is not None
    assert abs(callback.paid_at - datetime.now(UTC)) < timedelta(seconds=10)
    assert (await mpesa.push_outcome(push.checkout_request_id)).code == "0"
    assert f"receipt {callback.receipt}" in (await phone.get(PHONE)).text
    # It has been paid.
    assert (await phone.post(PHONE)).status_code == 409
    assert len(inbox.came) == 1


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("wrong_pin", "2001"), ("cancel", "1032"), ("no_answer", "1037"), ("expired", "1019"), ("no_balance", "1")],
)
async def test_a_push_is_not_paid(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, outcome: str, code: str
) -> None:
    push = await pushed(mpesa)

    await phone.post(PHONE, params={"outcome": outcome})

    (callback,) = callbacks(inbox.came)
    assert (callback.code, callback.receipt) == (code, None)
    assert (await mpesa.push_outcome(push.checkout_request_id)).code == code


async def test_a_phone_that_nobody_answers_is_unreachable(
    mpesa: HttpMpesa, phone: httpx.AsyncClient, inbox: Inbox
) -> None:
    push = await pushed(mpesa)
    with book(inbox.folder) as kept:
        found = kept.push(push.checkout_request_id)
        assert found is not None
        found.created_at = moment(datetime.now(UTC) - timedelta(seconds=121))
        kept.put_push(found)

    assert (await mpesa.push_outcome(push.checkout_request_id)).code == "1037"
    assert (await phone.post(PHONE)).status_code == 409


async def test_buttons_send_forms(mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    first, _ = await pushed(mpesa), await pushed(mpesa, 200)

    await phone.post(PHONE, data={"push": first.checkout_request_id, "outcome": "pay", "amount": "", "delay": ""})

    (callback,) = callbacks(inbox.came)
    assert (callback.checkout_request_id, callback.amount) == (first.checkout_request_id, Decimal(100))


async def test_another_amount_is_paid(mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    await pushed(mpesa)

    await phone.post(PHONE, params={"amount": "90"})

    assert [callback.amount for callback in callbacks(inbox.came)] == [Decimal(90)]


@pytest.mark.parametrize(("option", "count"), [({"twice": "1"}, 2), ({"lost": "1"}, 0), ({"delay": "0.3"}, 1)])
async def test_a_callback_comes_twice_late_or_never(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, option: dict[str, str], count: int
) -> None:
    push = await pushed(mpesa)
    began = asyncio.get_running_loop().time()

    await phone.post(PHONE, params=option)

    assert len(inbox.came) == count
    assert all(message == inbox.came[0] for message in inbox.came)
    # A background task ends before its answer does, here.
    assert asyncio.get_running_loop().time() - began >= float(option.get("delay", 0))
    assert (await mpesa.push_outcome(push.checkout_request_id)).code == "0"


@pytest.mark.parametrize("reorder", ["0", "1"])
async def test_a_push_is_reported_as_a_payment_from_the_menu_too(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, reorder: str
) -> None:
    await pushed(mpesa)

    await phone.post(PHONE, params={"also_c2b": "1", "reorder": reorder})

    paths = [path for path, _ in inbox.came]
    assert paths == ([CONFIRMATION, CALLBACK] if reorder == "1" else [CALLBACK, CONFIRMATION])
    messages = dict(inbox.came)
    notice, callback = confirmation(messages[CONFIRMATION]), push_callback(messages[CALLBACK])
    assert (notice.receipt, notice.amount, notice.paid_at) == (callback.receipt, callback.amount, callback.paid_at)
    assert (notice.bill_reference, notice.shortcode, notice.payer) == ("L7K2", "174379", "2547*****678")


async def test_a_message_is_posted_until_it_is_taken(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0.01, 0.01))
    inbox.answers = [(503, {}), (503, {})]
    await pushed(mpesa)

    await phone.post(PHONE)

    assert len(callbacks(inbox.came)) == 3


async def test_somebody_pays_from_the_menu(mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    answer = await phone.post(PHONE, params={"outcome": "paybill", "account": " abc 123 ", "amount": "250"})

    assert answer.status_code == 303
    (validated, asked), (confirmed, told) = inbox.came
    assert (validated, confirmed) == (VALIDATION, CONFIRMATION)
    assert asked == told
    notice = confirmation(told)
    assert (notice.amount, notice.bill_reference) == (Decimal(250), "abc 123")
    # M-Pesa knows of it, whoever asks.
    await mpesa.ask_status(receipt=notice.receipt, key=KEY)
    inbox.came.clear()
    status = await inbox.result()
    assert (status.code, status.references) == ("0", {"Occasion": KEY})
    assert {name: status.values[name] for name in ("ReceiptNo", "Amount", "TransactionStatus")} == {
        "ReceiptNo": notice.receipt, "Amount": 250.0, "TransactionStatus": "Completed",
    }  # fmt: skip
    assert status.values["CreditPartyName"].startswith("174379")


async def test_what_our_validation_refuses_is_not_paid(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient
) -> None:
    inbox.answers = [(200, {"ResultCode": "C2B00012", "ResultDesc": "Rejected"})]

    answer = await phone.post(PHONE, params={"outcome": "paybill", "account": "x", "amount": "250"})

    assert (answer.status_code, answer.text) == (409, "The payment was refused: C2B00012.\n")
    assert [path for path, _ in inbox.came] == [VALIDATION]
    now = datetime.now(UTC)
    assert await mpesa.statement(now - timedelta(hours=1), now + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    "choice",
    [
        {"outcome": "dance"},
        {"delay": "61"},
        {"delay": "nan"},
        {"delay": "x"},
        {"amount": "1.5"},
        {"amount": "-1"},
        {"outcome": "paybill", "amount": "5"},
        {"outcome": "paybill", "account": "x"},
    ],
)
async def test_what_is_not_understood_changes_nothing(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, choice: dict[str, str]
) -> None:
    push = await pushed(mpesa)

    assert (await phone.post(PHONE, params=choice)).status_code == 400
    assert inbox.came == []
    with pytest.raises(MpesaUndecided):
        await mpesa.push_outcome(push.checkout_request_id)


@pytest.mark.parametrize("number", ["221771234567", "25471234567", "x"])
async def test_there_are_only_kenyan_phones(phone: httpx.AsyncClient, number: str) -> None:
    for answer in (await phone.get(number), await phone.post(number)):
        assert answer.status_code == 404


async def test_what_was_typed_is_shown_as_text(mpesa: HttpMpesa, phone: httpx.AsyncClient) -> None:
    await mpesa.push(amount=1, phone=PHONE, reference="<b>", description="<i>&", payment=PAYMENT)

    page = (await phone.get(PHONE, params={"x": "<script>"})).text

    assert "account &lt;b&gt;" in page
    assert "&lt;i&gt;&amp;" in page
    assert "<script>" not in page


async def test_a_payout_is_paid(mpesa: HttpMpesa, inbox: Inbox) -> None:
    accepted = await paid_out(mpesa)

    assert accepted.originator_conversation_id == KEY
    ((path, message),) = await inbox.until(1)
    assert path == f"/webhooks/mpesa/{SANDBOX_SECRET}/b2c"
    came = result(message)
    assert (came.code, came.originator_conversation_id, came.conversation_id) == ("0", KEY, accepted.conversation_id)
    assert (came.values["TransactionAmount"], came.values["TransactionReceipt"]) == (400, came.transaction_id)


async def test_a_payout_is_paid_once(mpesa: HttpMpesa, inbox: Inbox) -> None:
    await paid_out(mpesa)

    with pytest.raises(MpesaUndecided, match="Duplicate"):
        await paid_out(mpesa)

    await inbox.until(1)
    await asyncio.sleep(0.3)
    assert len(inbox.came) == 1


async def test_a_payout_fails(mpesa: HttpMpesa, inbox: Inbox) -> None:
    await paid_out(mpesa, 402)

    came = await inbox.result()
    assert (came.code, came.originator_conversation_id, came.values) == ("1", KEY, {})
    await mpesa.ask_status(original_key=KEY, key="k-2")
    status = await inbox.result()
    assert (status.code, status.values["TransactionStatus"]) == ("0", "Failed")
    assert status.values["OriginatorConversationID"] == KEY


async def test_a_payout_without_an_answer_is_paid(mpesa: HttpMpesa, inbox: Inbox) -> None:
    with pytest.raises(MpesaUndecided, match="no answer"):
        await paid_out(mpesa, 504)

    assert (await inbox.result()).code == "0"


async def test_a_push_without_an_answer_waits_on_the_phone(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient
) -> None:
    with pytest.raises(MpesaUndecided, match="no answer"):
        await pushed(mpesa, 504)

    await phone.post(PHONE)

    assert [callback.amount for callback in callbacks(inbox.came)] == [Decimal(504)]


async def test_a_payout_takes_its_time(mpesa: HttpMpesa, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(api.LATER, api.SLOW, timedelta(seconds=1.0))
    await paid_out(mpesa, 202)

    await mpesa.ask_status(original_key=KEY, key="k-2")

    assert (await inbox.result()).values["TransactionStatus"] == "Pending"
    assert (await inbox.result()).values["TransactionAmount"] == 202


async def test_a_payout_waits_in_a_queue_and_is_paid_all_the_same(
    mpesa: HttpMpesa, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(api.LATER, api.QUEUED, timedelta(seconds=0.5))
    await paid_out(mpesa, 408)

    (timeout, waited), (path, done) = await inbox.until(2)

    assert timeout == f"/webhooks/mpesa/{SANDBOX_SECRET}/b2c-timeout"
    assert (result(waited).originator_conversation_id, result(waited).transaction_id) == (KEY, "")
    assert path == f"/webhooks/mpesa/{SANDBOX_SECRET}/b2c"
    assert result(done).code == "0"


@pytest.mark.parametrize("call", [pushed, paid_out])
async def test_some_amounts_fail_on_purpose(mpesa: HttpMpesa, inbox: Inbox, call: Any) -> None:
    for amount, error in ((422, MpesaRefused), (429, MpesaUnavailable), (503, MpesaUndecided)):
        with pytest.raises(error) as raised:
            await call(mpesa, amount)
        assert type(raised.value) is error
    await asyncio.sleep(0.3)
    assert inbox.came == []


async def test_a_query_may_say_that_it_failed_though_it_is_paid(
    mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient
) -> None:
    push = await pushed(mpesa, 500)

    await phone.post(PHONE)

    assert [callback.code for callback in callbacks(inbox.came)] == ["0"]
    assert await mpesa.push_outcome(push.checkout_request_id) == Outcome("1037", "DS timeout user cannot be reached.")


async def test_a_payment_is_reversed_once(mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    await pushed(mpesa)
    await phone.post(PHONE)
    (receipt,) = [callback.receipt for callback in callbacks(inbox.came)]
    assert receipt is not None
    inbox.came.clear()

    codes = []
    for amount, number in ((90, 1), (100, 2), (100, 3)):
        accepted = await mpesa.reverse(receipt=receipt, amount=amount, key=f"k-{number}", remarks="Reversal")
        came = await inbox.result()
        assert came.originator_conversation_id == accepted.originator_conversation_id
        assert came.references == {"Occasion": f"k-{number}"}
        codes.append(came.code)

    assert codes == ["R000002", "0", "R000001"]


async def test_what_nobody_knows_is_not_confirmed(mpesa: HttpMpesa, inbox: Inbox) -> None:
    await mpesa.ask_status(receipt="SXXXXXXXXX", key="k-1")

    came = await inbox.result()

    assert came.code != "0"
    assert came.values == {}
    with pytest.raises(MpesaRefused):
        await mpesa.push_outcome("ws_CO_1")


async def test_the_statement_has_what_came(mpesa: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    await pushed(mpesa)
    await phone.post(PHONE)
    await phone.post(PHONE, params={"outcome": "paybill", "account": "ABC", "amount": "250"})
    await paid_out(mpesa)
    now = datetime.now(UTC)

    lines = await mpesa.statement(now - timedelta(minutes=1), now + timedelta(minutes=1))

    assert [(line.reference, line.amount) for line in lines] == [("L7K2", Decimal(100)), ("ABC", Decimal(250))]
    assert all(abs(line.at - now) < timedelta(seconds=10) for line in lines)
    assert await mpesa.statement(now - timedelta(days=2), now - timedelta(days=1)) == []


async def test_addresses_that_daraja_would_not_take_are_refused(inbox: Inbox, mpesa: HttpMpesa) -> None:
    assert await mpesa.register(completed=True) == "success"
    settings = settings_of(inbox.folder, {"chosen": "sandbox"}, public_url="https://mpesa.lango.test")
    mpesa.addresses = Addresses(settings)

    with pytest.raises(MpesaRefused, match="Invalid ConfirmationURL"):
        await mpesa.register(completed=False)


async def test_gateway_and_worker_have_one_sandbox(inbox: Inbox, phone: httpx.AsyncClient, mpesa: HttpMpesa) -> None:
    settings = settings_of(inbox.folder, {"chosen": "sandbox"})
    async with AsyncExitStack() as closing:
        other = make_sandbox(settings, closing, inbox.deliver)
        push = await pushed(mpesa)
        await phone.post(PHONE)

        assert (await other.push_outcome(push.checkout_request_id)).code == "0"


async def test_results_reach_a_gateway_that_is_another_process(tmp_path: Path) -> None:
    came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        came.set_result(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as listening, AsyncExitStack() as closing:
        port = listening.sockets[0].getsockname()[1]
        settings = settings_of(tmp_path, {"chosen": "sandbox"}, public_url=f"http://127.0.0.1:{port}")
        made = make(settings, closing)
        assert isinstance(made, HttpMpesa)
        await paid_out(made)
        request = await asyncio.wait_for(came, 5)

    assert request.startswith(f"POST /webhooks/mpesa/{SANDBOX_SECRET}/b2c HTTP".encode())
    assert result(orjson.loads(request.partition(b"\r\n\r\n")[2])).code == "0"


async def test_what_a_worker_has_not_brought_when_it_ends_is_lost(inbox: Inbox) -> None:
    settings = settings_of(inbox.folder, {"chosen": "sandbox"})
    async with AsyncExitStack() as closing:
        await paid_out(make_sandbox(settings, closing, inbox.deliver))
    await asyncio.sleep(0.3)

    assert inbox.came == []
    async with AsyncExitStack() as closing:
        await make_sandbox(settings, closing, inbox.deliver).ask_status(original_key=KEY, key="k-2")
        assert (await inbox.result()).values["TransactionStatus"] == "Completed"


@pytest.mark.parametrize("chosen", ["live", "off"])
def test_without_the_sandbox_there_are_no_phones(tmp_path: Path, chosen: str) -> None:
    assert list(MPESA.routes(settings_of(tmp_path, {"chosen": chosen}))) == []


async def test_only_who_has_the_key_and_a_token_is_answered(mpesa: HttpMpesa) -> None:
    assert (await mpesa.client.post(api.PUSH, json={})).json()["errorCode"] == "404.001.03"
    for given in (None, ("mpesa-sandbox-key", "wrong")):
        assert (await mpesa.client.get(api.OAUTH, auth=given)).status_code == 400
    mpesa.key = ("mpesa-sandbox-key", "wrong")
    with pytest.raises(MpesaUnavailable, match="gives no access token"):
        await pushed(mpesa)


def test_an_address_is_the_applications_own(tmp_path: Path) -> None:
    assert urlsplit(Addresses(settings_of(tmp_path, {"chosen": "sandbox"})).push(PAYMENT)).path == CALLBACK
