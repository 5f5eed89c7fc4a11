"""The sandbox's phones: what their owners do, and the messages that come of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from lango.providers.mpesa import MPESA
from lango.providers.mpesa.daraja import HttpMpesa
from lango.providers.mpesa.errors import MpesaUndecided
from lango.providers.mpesa.messages import confirmation, push_callback
from lango.providers.mpesa.sandbox import delivery
from lango.providers.mpesa.sandbox.book import book, moment
from tests.providers.mpesa import (
    CALLBACK,
    CONFIRMATION,
    KEY,
    PAYMENT,
    PHONE,
    VALIDATION,
    Inbox,
    callbacks,
    pushed,
    settings_of,
)


async def test_a_push_is_paid(twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    push = await pushed(twin)
    with pytest.raises(MpesaUndecided):
        await twin.push_outcome(push.checkout_request_id)
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
    assert (await twin.push_outcome(push.checkout_request_id)).code == "0"
    assert f"receipt {callback.receipt}" in (await phone.get(PHONE)).text
    # It has been paid.
    assert (await phone.post(PHONE)).status_code == 409
    assert len(inbox.came) == 1


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("wrong_pin", "2001"), ("cancel", "1032"), ("no_answer", "1037"), ("expired", "1019"), ("no_balance", "1")],
)
async def test_a_push_is_not_paid(
    twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, outcome: str, code: str
) -> None:
    push = await pushed(twin)

    await phone.post(PHONE, params={"outcome": outcome})

    (callback,) = callbacks(inbox.came)
    assert (callback.code, callback.receipt) == (code, None)
    assert (await twin.push_outcome(push.checkout_request_id)).code == code


async def test_a_phone_that_nobody_answers_is_unreachable(
    twin: HttpMpesa, phone: httpx.AsyncClient, inbox: Inbox
) -> None:
    push = await pushed(twin)
    with book(inbox.folder) as kept:
        found = kept.push(push.checkout_request_id)
        assert found is not None
        found.created_at = moment(datetime.now(UTC) - timedelta(seconds=121))
        kept.put_push(found)

    assert (await twin.push_outcome(push.checkout_request_id)).code == "1037"
    assert (await phone.post(PHONE)).status_code == 409


async def test_buttons_send_forms(twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    first, _ = await pushed(twin), await pushed(twin, 200)

    await phone.post(PHONE, data={"push": first.checkout_request_id, "outcome": "pay", "amount": "", "delay": ""})

    (callback,) = callbacks(inbox.came)
    assert (callback.checkout_request_id, callback.amount) == (first.checkout_request_id, Decimal(100))


async def test_another_amount_is_paid(twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    await pushed(twin)

    await phone.post(PHONE, params={"amount": "90"})

    assert [callback.amount for callback in callbacks(inbox.came)] == [Decimal(90)]


@pytest.mark.parametrize(("option", "count"), [({"twice": "1"}, 2), ({"lost": "1"}, 0), ({"delay": "0.3"}, 1)])
async def test_a_callback_comes_twice_late_or_never(
    twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, option: dict[str, str], count: int
) -> None:
    push = await pushed(twin)
    began = asyncio.get_running_loop().time()

    await phone.post(PHONE, params=option)

    assert len(inbox.came) == count
    assert all(message == inbox.came[0] for message in inbox.came)
    # A background task ends before its answer does, here.
    assert asyncio.get_running_loop().time() - began >= float(option.get("delay", 0))
    assert (await twin.push_outcome(push.checkout_request_id)).code == "0"


@pytest.mark.parametrize("reorder", ["0", "1"])
async def test_a_push_is_reported_as_a_payment_from_the_menu_too(
    twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, reorder: str
) -> None:
    await pushed(twin)

    await phone.post(PHONE, params={"also_c2b": "1", "reorder": reorder})

    paths = [path for path, _ in inbox.came]
    assert paths == ([CONFIRMATION, CALLBACK] if reorder == "1" else [CALLBACK, CONFIRMATION])
    messages = dict(inbox.came)
    notice, callback = confirmation(messages[CONFIRMATION]), push_callback(messages[CALLBACK])
    assert (notice.receipt, notice.amount, notice.paid_at) == (callback.receipt, callback.amount, callback.paid_at)
    assert (notice.bill_reference, notice.shortcode, notice.payer) == ("L7K2", "174379", "2547*****678")


async def test_a_message_is_posted_until_it_is_taken(
    twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0.01, 0.01))
    inbox.answers = [(503, {}), (503, {})]
    await pushed(twin)

    await phone.post(PHONE)

    assert len(callbacks(inbox.came)) == 3


async def test_somebody_pays_from_the_menu(twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    answer = await phone.post(PHONE, params={"outcome": "paybill", "account": " abc 123 ", "amount": "250"})

    assert answer.status_code == 303
    (validated, asked), (confirmed, told) = inbox.came
    assert (validated, confirmed) == (VALIDATION, CONFIRMATION)
    assert asked == told
    notice = confirmation(told)
    assert (notice.amount, notice.bill_reference) == (Decimal(250), "abc 123")
    # M-Pesa knows of it, whoever asks.
    await twin.ask_status(receipt=notice.receipt, key=KEY)
    inbox.came.clear()
    status = await inbox.result()
    assert (status.code, status.references) == ("0", {"Occasion": KEY})
    assert {name: status.values[name] for name in ("ReceiptNo", "Amount", "TransactionStatus")} == {
        "ReceiptNo": notice.receipt, "Amount": 250.0, "TransactionStatus": "Completed",
    }  # fmt: skip
    assert status.values["CreditPartyName"].startswith("174379")


async def test_what_our_validation_refuses_is_not_paid(twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient) -> None:
    inbox.answers = [(200, {"ResultCode": "C2B00012", "ResultDesc": "Rejected"})]

    answer = await phone.post(PHONE, params={"outcome": "paybill", "account": "x", "amount": "250"})

    assert (answer.status_code, answer.text) == (409, "The payment was refused: C2B00012.\n")
    assert [path for path, _ in inbox.came] == [VALIDATION]
    now = datetime.now(UTC)
    assert await twin.statement(now - timedelta(hours=1), now + timedelta(hours=1)) == []


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
    twin: HttpMpesa, inbox: Inbox, phone: httpx.AsyncClient, choice: dict[str, str]
) -> None:
    push = await pushed(twin)

    assert (await phone.post(PHONE, params=choice)).status_code == 400
    assert inbox.came == []
    with pytest.raises(MpesaUndecided):
        await twin.push_outcome(push.checkout_request_id)


@pytest.mark.parametrize("number", ["221771234567", "25471234567", "x"])
async def test_there_are_only_kenyan_phones(phone: httpx.AsyncClient, number: str) -> None:
    for answer in (await phone.get(number), await phone.post(number)):
        assert answer.status_code == 404


async def test_what_was_typed_is_shown_as_text(twin: HttpMpesa, phone: httpx.AsyncClient) -> None:
    await twin.push(amount=1, phone=PHONE, reference="<b>", description="<i>&", payment=PAYMENT)

    page = (await phone.get(PHONE, params={"x": "<script>"})).text

    assert "account &lt;b&gt;" in page
    assert "&lt;i&gt;&amp;" in page
    assert "<script>" not in page


@pytest.mark.parametrize("chosen", ["live", "off"])
def test_without_the_sandbox_there_are_no_phones(tmp_path: Path, chosen: str) -> None:
    assert list(MPESA.routes(settings_of(tmp_path, {"chosen": chosen}))) == []
