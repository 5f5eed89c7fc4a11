"""The sandbox: it speaks Daraja's protocol through the same adapter, and posts what M-Pesa would post."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from lango.providers.mpesa.client import Outcome
from lango.providers.mpesa.daraja import HttpMpesa
from lango.providers.mpesa.errors import MpesaRefused, MpesaUnavailable, MpesaUndecided
from lango.providers.mpesa.messages import result
from lango.providers.mpesa.modes import make, make_sandbox
from lango.providers.mpesa.sandbox import api
from lango.providers.mpesa.settings import SANDBOX_SECRET
from lango.providers.mpesa.webhook import Addresses
from tests.providers.mpesa import (
    CALLBACK,
    KEY,
    PAYMENT,
    PHONE,
    Inbox,
    callbacks,
    paid_out,
    pushed,
    settings_of,
)


async def test_a_payout_is_paid(twin: HttpMpesa, inbox: Inbox) -> None:
    accepted = await paid_out(twin)

    assert accepted.originator_conversation_id == KEY
    ((path, message),) = await inbox.until(1)
    assert path == f"/webhooks/mpesa/{SANDBOX_SECRET}/b2c"
    came = result(message)
    assert (came.code, came.originator_conversation_id, came.conversation_id) == ("0", KEY, accepted.conversation_id)
    assert (came.values["TransactionAmount"], came.values["TransactionReceipt"]) == (400, came.transaction_id)


async def test_a_payout_is_paid_once(twin: HttpMpesa, inbox: Inbox) -> None:
    await paid_out(twin)

    with pytest.raises(MpesaUndecided, match="Duplicate"):
        await paid_out(twin)

    await inbox.until(1)
    await asyncio.sleep(0.3)
    assert len(inbox.came) == 1


async def test_a_payout_fails(twin: HttpMpesa, inbox: Inbox) -> None:
    await paid_out(twin, 402)

    came = await inbox.result()
    assert (came.code, came.originator_conversation_id, came.values) == ("1", KEY, {})
    await twin.ask_status(original_key=KEY, key="k-2")
    status = await inbox.result()
    assert (status.code, status.values["TransactionStatus"]) == ("0", "Failed")
    assert status.values["OriginatorConversationID"] == KEY


async def test_a_payout_without_an_answer_is_paid(twin: HttpMpesa, inbox: Inbox) -> None:
    await twin.tokens.get()
    twin.timeout = 0.5
    with pytest.raises(MpesaUndecided, match="no answer"):
        await paid_out(twin, 504)

    assert (await inbox.result()).code == "0"


async def test_a_push_without_an_answer_waits_on_the_phone(
    twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient
) -> None:
    await twin.tokens.get()
    twin.timeout = 0.5
    with pytest.raises(MpesaUndecided, match="no answer"):
        await pushed(twin, 504)

    await phone.post(PHONE)

    assert [callback.amount for callback in callbacks(inbox.came)] == [Decimal(504)]


async def test_a_payout_takes_its_time(twin: HttpMpesa, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(api.LATER, api.SLOW, timedelta(seconds=1.0))
    await paid_out(twin, 202)

    await twin.ask_status(original_key=KEY, key="k-2")

    assert (await inbox.result()).values["TransactionStatus"] == "Pending"
    assert (await inbox.result()).values["TransactionAmount"] == 202


async def test_a_payout_waits_in_a_queue_and_is_paid_all_the_same(
    twin: HttpMpesa, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(api.LATER, api.QUEUED, timedelta(seconds=0.5))
    await paid_out(twin, 408)

    (timeout, waited), (path, done) = await inbox.until(2)

    assert timeout == f"/webhooks/mpesa/{SANDBOX_SECRET}/b2c-timeout"
    assert (result(waited).originator_conversation_id, result(waited).transaction_id) == (KEY, "")
    assert path == f"/webhooks/mpesa/{SANDBOX_SECRET}/b2c"
    assert result(done).code == "0"


@pytest.mark.parametrize("call", [pushed, paid_out])
async def test_some_amounts_fail_on_purpose(twin: HttpMpesa, inbox: Inbox, call: Any) -> None:
    for amount, error in ((422, MpesaRefused), (429, MpesaUnavailable), (503, MpesaUndecided)):
        with pytest.raises(error) as raised:
            await call(twin, amount)
        assert type(raised.value) is error
    await asyncio.sleep(0.3)
    assert inbox.came == []


async def test_a_query_may_say_that_it_failed_though_it_is_paid(
    twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient
) -> None:
    push = await pushed(twin, 500)

    await phone.post(PHONE)

    assert [callback.code for callback in callbacks(inbox.came)] == ["0"]
    assert await twin.push_outcome(push.checkout_request_id) == Outcome("1037", "DS timeout user cannot be reached.")


async def test_a_payment_is_reversed_once(twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    await pushed(twin)
    await phone.post(PHONE)
    (receipt,) = [callback.receipt for callback in callbacks(inbox.came)]
    assert receipt is not None
    inbox.came.clear()

    codes = []
    for amount, number in ((90, 1), (100, 2), (100, 3)):
        accepted = await twin.reverse(receipt=receipt, amount=amount, key=f"k-{number}", remarks="Reversal")
        came = await inbox.result()
        assert came.originator_conversation_id == accepted.originator_conversation_id
        assert came.references == {"Occasion": f"k-{number}"}
        codes.append(came.code)

    assert codes == ["R000002", "0", "R000001"]


async def test_what_nobody_knows_is_not_confirmed(twin: HttpMpesa, inbox: Inbox) -> None:
    await twin.ask_status(receipt="SXXXXXXXXX", key="k-1")

    came = await inbox.result()

    assert came.code != "0"
    assert came.values == {}
    with pytest.raises(MpesaRefused):
        await twin.push_outcome("ws_CO_1")


async def test_the_statement_has_what_came(twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    await pushed(twin)
    await phone.post(PHONE)
    await phone.post(PHONE, params={"outcome": "paybill", "account": "ABC", "amount": "250"})
    await paid_out(twin)
    now = datetime.now(UTC)

    lines = await twin.statement(now - timedelta(minutes=1), now + timedelta(minutes=1))

    assert [(line.reference, line.amount) for line in lines] == [("L7K2", Decimal(100)), ("ABC", Decimal(250))]
    assert all(abs(line.at - now) < timedelta(seconds=10) for line in lines)
    assert await twin.statement(now - timedelta(days=2), now - timedelta(days=1)) == []


async def test_addresses_that_daraja_would_not_take_are_refused(inbox: Inbox, twin: HttpMpesa) -> None:
    assert await twin.register(completed=True) == "success"
    settings = settings_of(inbox.folder, {"chosen": "sandbox"}, public_url="https://mpesa.lango.test")
    twin.addresses = Addresses(settings)

    with pytest.raises(MpesaRefused, match="Invalid ConfirmationURL"):
        await twin.register(completed=False)


async def test_gateway_and_worker_have_one_sandbox(inbox: Inbox, phone: httpx.AsyncClient, twin: HttpMpesa) -> None:
    settings = settings_of(inbox.folder, {"chosen": "sandbox"})
    async with AsyncExitStack() as closing:
        other = make_sandbox(settings, closing, inbox.deliver)
        push = await pushed(twin)
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


async def test_only_who_has_the_key_and_a_token_is_answered(twin: HttpMpesa) -> None:
    assert (await twin.client.post(api.PUSH, json={})).json()["errorCode"] == "404.001.03"
    for given in (None, ("mpesa-sandbox-key", "wrong")):
        assert (await twin.client.get(api.OAUTH, auth=given)).status_code == 400
    twin.key = ("mpesa-sandbox-key", "wrong")
    with pytest.raises(MpesaUnavailable, match="gives no access token"):
        await pushed(twin)


def test_an_address_is_the_applications_own(tmp_path: Path) -> None:
    assert urlsplit(Addresses(settings_of(tmp_path, {"chosen": "sandbox"})).push(PAYMENT)).path == CALLBACK
