"""The adapter against a server on loopback: what it asks of Daraja, and what it makes of each answer."""

from __future__ import annotations

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from lango.providers.mpesa.client import Accepted, Mpesa, NoMpesa, Outcome, Push
from lango.providers.mpesa.credentials import password
from lango.providers.mpesa.daraja import HttpMpesa
from lango.providers.mpesa.errors import MpesaRefused, MpesaUnavailable, MpesaUndecided
from tests.providers.conftest import FakeServer
from tests.providers.mpesa import KEY, LIVE, PASSKEY, PAYMENT, PHONE, SECRET, TOKEN, mpesa_of, settings_of

NEWER_TOKEN = (200, {"access_token": "token-2", "expires_in": "3599"})
PUSHED = {
    "MerchantRequestID": "29115-34620561-1",
    "CheckoutRequestID": "ws_CO_191220191020363925",
    "ResponseCode": "0",
    "ResponseDescription": "Success. Request accepted for processing",
    "CustomerMessage": "Success. Request accepted for processing",
}
TAKEN = {
    "ConversationID": "AG_20191219_00005797af5d7d75f652",
    "OriginatorConversationID": KEY,
    "ResponseCode": "0",
    "ResponseDescription": "Accept the service request successfully.",
}
PENDING = (500, {"requestId": "1", "errorCode": "500.001.1001", "errorMessage": "The transaction is being processed"})
INVALID = (400, {"requestId": "1", "errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid Amount"})
BAD_TOKEN = (404, {"requestId": "1", "errorCode": "404.001.03", "errorMessage": "Invalid Access Token"})


async def push(mpesa: Mpesa, phone: str = PHONE) -> Push:
    return await mpesa.push(
        amount=100, phone=phone, reference="L7K2M9QX4TVA", description="Deposit to lango", payment=PAYMENT
    )


async def pay(mpesa: Mpesa) -> Accepted:
    return await mpesa.pay_phone(amount=400, phone=PHONE, key=KEY, remarks="Withdrawal")


async def reverse(mpesa: Mpesa) -> Accepted:
    return await mpesa.reverse(receipt="SKT1AB2CD3", amount=100, key=KEY, remarks="Reversal")


BEGINS: dict[str, Callable[[Mpesa], Awaitable[Any]]] = {"push": push, "pay_phone": pay, "reverse": reverse}
ASKS: dict[str, Callable[[Mpesa], Awaitable[Any]]] = {
    "push_outcome": lambda mpesa: mpesa.push_outcome("ws_CO_1"),
    "ask_status": lambda mpesa: mpesa.ask_status(receipt="SKT1AB2CD3", key=KEY),
    "statement": lambda mpesa: mpesa.statement(datetime.now(UTC), datetime.now(UTC)),
}
ALL = BEGINS | ASKS


@pytest.mark.parametrize(
    ("now", "stamp"),
    [
        (datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC), "20260301130005"),
        # The day there is not the server's.
        (datetime(2026, 12, 31, 21, 30, tzinfo=UTC), "20270101003000"),
    ],
)
async def test_a_push_has_the_form_that_daraja_takes(
    mpesa: HttpMpesa, server: FakeServer, now: datetime, stamp: str
) -> None:
    server.will(TOKEN, (200, PUSHED))
    mpesa.now = lambda: now

    pushed = await push(mpesa, "+254712345678")

    assert pushed == Push("29115-34620561-1", "ws_CO_191220191020363925")
    token, request = server.requests
    assert (token.method, token.path) == ("GET", "/oauth/v1/generate?grant_type=client_credentials")
    assert token.headers["authorization"] == f"Basic {base64.b64encode(b'key:secret').decode()}"
    assert (request.method, request.path) == ("POST", "/mpesa/stkpush/v1/processrequest")
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.json == {
        "BusinessShortCode": "174379",
        "Password": password("174379", PASSKEY, stamp),
        "Timestamp": stamp,
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 100,
        "PartyA": PHONE,
        "PartyB": "174379",
        "PhoneNumber": PHONE,
        "CallBackURL": f"https://lango.test/webhooks/mpesa/{SECRET}/push/{PAYMENT}",
        "AccountReference": "L7K2M9QX4TVA",
        "TransactionDesc": "Deposit to la",
    }


async def test_a_payout_has_the_form_that_daraja_takes(
    mpesa: HttpMpesa, server: FakeServer, safaricom: tuple[RSAPrivateKey, str]
) -> None:
    server.will(TOKEN, (200, TAKEN))

    assert await pay(mpesa) == Accepted("AG_20191219_00005797af5d7d75f652", KEY)

    request = server.requests[1]
    assert request.path == "/mpesa/b2c/v3/paymentrequest"
    sent = request.json
    assert safaricom[0].decrypt(base64.b64decode(sent.pop("SecurityCredential")), PKCS1v15()) == b"Pass123!"
    assert sent == {
        "OriginatorConversationID": KEY,
        "InitiatorName": "lango",
        "CommandID": "BusinessPayment",
        "Amount": 400,
        "PartyA": "600988",
        "PartyB": PHONE,
        "Remarks": "Withdrawal",
        "QueueTimeOutURL": f"https://lango.test/webhooks/mpesa/{SECRET}/b2c-timeout",
        "ResultURL": f"https://lango.test/webhooks/mpesa/{SECRET}/b2c",
        "Occassion": KEY,
        "Occasion": KEY,
    }


async def test_a_reversal_has_the_form_that_daraja_takes(mpesa: HttpMpesa, server: FakeServer) -> None:
    server.will(TOKEN, (200, TAKEN | {"OriginatorConversationID": "71840-27539181-07"}))

    assert await reverse(mpesa) == Accepted("AG_20191219_00005797af5d7d75f652", "71840-27539181-07")

    request = server.requests[1]
    assert request.path == "/mpesa/reversal/v1/request"
    assert {name: value for name, value in request.json.items() if name != "SecurityCredential"} == {
        "Initiator": "lango",
        "CommandID": "TransactionReversal",
        "TransactionID": "SKT1AB2CD3",
        "Amount": 100,
        "ReceiverParty": "174379",
        "RecieverIdentifierType": "11",
        "ResultURL": f"https://lango.test/webhooks/mpesa/{SECRET}/reversal",
        "QueueTimeOutURL": f"https://lango.test/webhooks/mpesa/{SECRET}/reversal-timeout",
        "Remarks": "Reversal",
        "Occasion": KEY,
    }


@pytest.mark.parametrize(
    ("about", "name", "party"),
    [
        ({"receipt": "SKT1AB2CD3"}, "TransactionID", "174379"),
        ({"original_key": "k-1"}, "OriginalConversationID", "600988"),
    ],
)
async def test_a_status_is_asked_for(
    mpesa: HttpMpesa, server: FakeServer, about: dict[str, str], name: str, party: str
) -> None:
    server.will(TOKEN, (200, TAKEN))

    await mpesa.ask_status(**about, key=KEY)

    request = server.requests[1]
    assert request.path == "/mpesa/transactionstatus/v1/query"
    assert {name: value for name, value in request.json.items() if name != "SecurityCredential"} == {
        "Initiator": "lango",
        "CommandID": "TransactionStatusQuery",
        name: next(iter(about.values())),
        "PartyA": party,
        "IdentifierType": "4",
        "ResultURL": f"https://lango.test/webhooks/mpesa/{SECRET}/status",
        "QueueTimeOutURL": f"https://lango.test/webhooks/mpesa/{SECRET}/status-timeout",
        "Remarks": "Status",
        "Occasion": KEY,
    }


@pytest.mark.parametrize("code", ["0", "1032", 1037])
async def test_the_outcome_of_a_push_is_a_text(mpesa: HttpMpesa, server: FakeServer, code: str | int) -> None:
    server.will(
        TOKEN,
        (200, {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "ResultCode": code, "ResultDesc": "So it is"}),
    )

    assert await mpesa.push_outcome("ws_CO_1") == Outcome(str(code), "So it is")
    assert server.requests[1].path == "/mpesa/stkpushquery/v1/query"


@pytest.mark.parametrize(
    "answer", [PENDING, (200, {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "ResultCode": "4999"})]
)
async def test_a_push_that_waits_has_no_outcome(mpesa: HttpMpesa, server: FakeServer, answer: tuple[int, Any]) -> None:
    server.will(TOKEN, answer)

    with pytest.raises(MpesaUndecided):
        await mpesa.push_outcome("ws_CO_1")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        {},
        {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1"},
        # Of another push.
        {"ResponseCode": "0", "CheckoutRequestID": "ws_CO_2", "ResultCode": "0"},
    ],
)
async def test_an_outcome_that_cannot_be_understood_is_none(mpesa: HttpMpesa, server: FakeServer, body: Any) -> None:
    server.will(TOKEN, (200, body))

    with pytest.raises(MpesaUnavailable) as unavailable:
        await mpesa.push_outcome("ws_CO_1")

    assert not isinstance(unavailable.value, MpesaUndecided)


@pytest.mark.parametrize("call", BEGINS)
@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>"),
        (200, b""),
        (200, {"ResponseCode": "0"}),
        (200, TAKEN | PUSHED | {"ResponseCode": "1"}),
        (302, b""),
        (404, b"<html>"),
        (408, {}),
        (500, {"errorCode": "500.002.1001", "errorMessage": "Duplicate OriginatorConversationID."}),
        (400, {"errorCode": "400.002.02", "errorMessage": "Duplicate OriginatorConversationID."}),
        (502, b"<html>"),
        (503, {"errorCode": "500.003.02", "errorMessage": "System is busy"}),
        (504, b""),
    ],
)
async def test_what_may_have_begun_is_never_called_failed(
    mpesa: HttpMpesa, server: FakeServer, call: str, answer: tuple[int, Any]
) -> None:
    server.will(TOKEN, answer)

    with pytest.raises(MpesaUndecided):
        await BEGINS[call](mpesa)

    assert len(server.requests) == 2


@pytest.mark.parametrize("call", BEGINS)
async def test_a_call_whose_answer_is_late_may_have_begun(mpesa: HttpMpesa, server: FakeServer, call: str) -> None:
    server.will(TOKEN)
    await mpesa.tokens.get()
    server.delay, mpesa.timeout = 2.0, 0.5
    began = time.monotonic()

    with pytest.raises(MpesaUndecided, match=r"no answer within 0\.5 s"):
        await BEGINS[call](mpesa)

    assert time.monotonic() - began < 1.9


@pytest.mark.parametrize("call", BEGINS)
@pytest.mark.parametrize(
    "answer", [(401, b""), (403, b"<html>"), (429, {"errorCode": "429.001.01", "errorMessage": "Spike arrest"})]
)
async def test_what_is_turned_away_at_the_door_may_be_sent_again(
    mpesa: HttpMpesa, server: FakeServer, call: str, answer: tuple[int, Any]
) -> None:
    server.will(TOKEN, answer, TOKEN, answer)

    with pytest.raises(MpesaUnavailable) as unavailable:
        await BEGINS[call](mpesa)

    assert not isinstance(unavailable.value, MpesaUndecided)


@pytest.mark.parametrize("call", BEGINS)
async def test_daraja_refuses(mpesa: HttpMpesa, server: FakeServer, call: str) -> None:
    server.will(TOKEN, INVALID)

    with pytest.raises(MpesaRefused) as refused:
        await BEGINS[call](mpesa)

    assert (refused.value.code, str(refused.value)) == (
        "400.002.02", "mpesa refused (400.002.02): Bad Request - Invalid Amount",
    )  # fmt: skip


async def test_a_push_to_a_phone_with_another_one_open_has_not_begun(mpesa: HttpMpesa, server: FakeServer) -> None:
    message = "Unable to lock subscriber, a transaction is already in process for the current subscriber"
    server.will(TOKEN, (500, {"errorCode": "500.001.1001", "errorMessage": message}))

    with pytest.raises(MpesaRefused, match="Unable to lock subscriber"):
        await push(mpesa)


@pytest.mark.parametrize("call", ASKS)
@pytest.mark.parametrize("answer", [(401, b""), (429, {}), (500, b"<html>"), (503, {})])
async def test_a_query_may_always_be_made_again(
    mpesa: HttpMpesa, server: FakeServer, call: str, answer: tuple[int, Any]
) -> None:
    server.will(TOKEN, answer, TOKEN, answer)

    with pytest.raises(MpesaUnavailable) as unavailable:
        await ASKS[call](mpesa)

    assert not isinstance(unavailable.value, MpesaUndecided)


@pytest.mark.parametrize("call", ASKS)
async def test_a_query_may_be_refused(mpesa: HttpMpesa, server: FakeServer, call: str) -> None:
    server.will(TOKEN, INVALID)

    with pytest.raises(MpesaRefused):
        await ASKS[call](mpesa)


@pytest.mark.parametrize("call", ALL)
async def test_without_a_token_nothing_is_sent(mpesa: HttpMpesa, server: FakeServer, call: str) -> None:
    server.will((400, {"errorCode": "400.008.01", "errorMessage": "Invalid Authentication passed"}))

    with pytest.raises(MpesaUnavailable) as unavailable:
        await ALL[call](mpesa)

    assert not isinstance(unavailable.value, MpesaUndecided)
    assert [request.method for request in server.requests] == ["GET"]


@pytest.mark.parametrize("call", ALL)
async def test_nothing_listens(tmp_path: Path, call: str, safaricom: tuple[RSAPrivateKey, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    live = LIVE | {
        "api_url": f"http://127.0.0.1:{port}", "pull": True, "initiator": "lango", "initiator_password": "p",
        "certificate": safaricom[1],
    }  # fmt: skip
    async with mpesa_of(settings_of(tmp_path, live)) as mpesa:
        assert isinstance(mpesa, HttpMpesa)
        for known in (False, True):
            if known:
                mpesa.tokens.token, mpesa.tokens.until = "token", time.monotonic() + 60
            with pytest.raises(MpesaUnavailable) as unavailable:
                await ALL[call](mpesa)
            assert not isinstance(unavailable.value, MpesaUndecided)


@asynccontextmanager
async def answered_by(answer: Callable[[asyncio.StreamWriter], Awaitable[None]], folder: Path) -> AsyncIterator[Mpesa]:
    """The adapter, which has its token, and whose calls are answered byte by byte."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer(writer)
        writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with mpesa_of(settings_of(folder, LIVE | {"api_url": url, "timeout": 0.5})) as mpesa:
            assert isinstance(mpesa, HttpMpesa)
            mpesa.tokens.token, mpesa.tokens.until = "token", time.monotonic() + 60
            yield mpesa


async def test_a_connection_that_ends_without_an_answer_may_have_begun_something(tmp_path: Path) -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with answered_by(hang_up, tmp_path) as mpesa:
        with pytest.raises(MpesaUndecided, match="the answer was lost"):
            await push(mpesa)


async def test_an_answer_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        for _ in range(30):
            writer.write(b" ")
            await asyncio.sleep(0.1)

    async with answered_by(drip, tmp_path) as mpesa:
        began = time.monotonic()
        with pytest.raises(MpesaUndecided, match="no answer within"):
            await push(mpesa)
        assert time.monotonic() - began < 1.5


async def test_a_token_serves_many_calls(mpesa: HttpMpesa, server: FakeServer) -> None:
    server.will(TOKEN, (200, PUSHED))

    await asyncio.gather(*(push(mpesa) for _ in range(5)))
    await push(mpesa)

    assert [request.method for request in server.requests] == ["GET", *["POST"] * 6]


@pytest.mark.parametrize("answer", [BAD_TOKEN, (401, b"")])
async def test_a_token_that_is_taken_no_longer_is_replaced_once(
    mpesa: HttpMpesa, server: FakeServer, answer: tuple[int, Any]
) -> None:
    server.will(TOKEN, answer, NEWER_TOKEN, (200, PUSHED))

    await push(mpesa)

    assert [request.headers["authorization"] for request in server.requests[1::2]] == [
        "Bearer token-1", "Bearer token-2",
    ]  # fmt: skip

    server.will(answer, TOKEN, answer)
    with pytest.raises(MpesaUnavailable) as unavailable:
        await push(mpesa)
    assert not isinstance(unavailable.value, MpesaUndecided)
    assert len(server.requests) == 7


async def test_without_a_certificate_money_only_comes(tmp_path: Path, server: FakeServer) -> None:
    async with mpesa_of(settings_of(tmp_path, LIVE | {"api_url": server.url})) as mpesa:
        for call in (pay, reverse, ASKS["ask_status"]):
            with pytest.raises(MpesaUnavailable, match="LANGO_MPESA_CERTIFICATE"):
                await call(mpesa)
        server.will(TOKEN, (200, PUSHED))
        await push(mpesa)

    assert len(server.requests) == 2


@pytest.mark.parametrize("phone", ["+221771234567", "254812345678", "25471234567", "2547123456789", "", "254٧12345678"])
async def test_other_phones_are_not_served(mpesa: HttpMpesa, server: FakeServer, phone: str) -> None:
    with pytest.raises(MpesaRefused, match="phone-not-served"):
        await push(mpesa, phone)

    assert server.requests == []


async def test_an_account_is_never_cut_off(mpesa: HttpMpesa, server: FakeServer) -> None:
    with pytest.raises(ValueError, match="would not be found"):
        await mpesa.push(amount=1, phone=PHONE, reference="1234567890123", description="", payment=PAYMENT)

    assert server.requests == []


async def test_neither_phone_nor_secrets_are_repeated(mpesa: HttpMpesa, server: FakeServer) -> None:
    message = "PartyA 254712345678 is unknown"
    server.will(TOKEN, (400, {"errorCode": "400.002.02", "errorMessage": message}))

    with pytest.raises(MpesaRefused) as refused:
        await push(mpesa)

    assert "254712345678" not in str(refused.value)
    for secret in ("Pass123!", "token-1", SECRET):
        assert secret not in str(refused.value) + repr(refused.value.__cause__)


@pytest.mark.parametrize("call", ALL)
async def test_switched_off_no_call_can_be_made(tmp_path: Path, call: str) -> None:
    async with mpesa_of(settings_of(tmp_path)) as mpesa:
        assert isinstance(mpesa, NoMpesa)
        with pytest.raises(MpesaUnavailable, match="LANGO_MPESA is off"):
            await ALL[call](mpesa)
