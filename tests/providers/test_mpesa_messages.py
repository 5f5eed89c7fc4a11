"""What M-Pesa posts, in all the forms in which it has been seen."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from lango.providers.mpesa.messages import (
    Confirmation,
    PushCallback,
    Result,
    confirmation,
    moment,
    push_callback,
    result,
)
from lango.providers.payloads import BadPayload, json_object

PAID = b"""{"Body": {"stkCallback": {
    "MerchantRequestID": "29115-34620561-1", "CheckoutRequestID": "ws_CO_191220191020363925", "ResultCode": 0,
    "ResultDesc": "The service request is processed successfully.",
    "CallbackMetadata": {"Item": [
        {"Name": "Amount", "Value": 1.00}, {"Name": "MpesaReceiptNumber", "Value": "NLJ7RT61SV"}, {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": 20191219102115}, {"Name": "PhoneNumber", "Value": 254708374149}
    ]}
}}}"""
CANCELLED = b"""{"Body": {"stkCallback": {
    "MerchantRequestID": "29115-34620561-1", "CheckoutRequestID": "ws_CO_191220191020363925", "ResultCode": "1032",
    "ResultDesc": "Request cancelled by user"
}}}"""
DONE = {
    "ResultType": 0,
    "ResultCode": 0,
    "ResultDesc": "The service request is processed successfully.",
    "OriginatorConversationID": "10571-7910404-1",
    "ConversationID": "AG_20191219_00004e48cf7e3533f581",
    "TransactionID": "NLJ41HAY6Q",
}
NOTICE = {
    "TransactionType": "Pay Bill",
    "TransID": "RKTQDM7W6S",
    "TransTime": "20191122063845",
    "TransAmount": "5000.00",
    "BusinessShortCode": "600638",
    "BillRefNumber": "l7k 2m9",
    "InvoiceNumber": "",
    "OrgAccountBalance": "",
    "ThirdPartyTransID": "",
    "MSISDN": "2547*****126",
    "FirstName": "John",
}


def with_items(items: Any) -> dict[str, Any]:
    return {"Result": DONE | {"ResultParameters": {"ResultParameter": items}}}


def test_a_push_that_was_paid() -> None:
    assert push_callback(json_object(PAID)) == PushCallback(
        checkout_request_id="ws_CO_191220191020363925",
        merchant_request_id="29115-34620561-1",
        code="0",
        description="The service request is processed successfully.",
        receipt="NLJ7RT61SV",
        amount=Decimal("1.00"),
        paid_at=datetime(2019, 12, 19, 7, 21, 15, tzinfo=UTC),
        phone="254708374149",
        balance=None,
    )


def test_a_push_that_was_cancelled_has_no_receipt() -> None:
    assert push_callback(json_object(CANCELLED)) == PushCallback(
        checkout_request_id="ws_CO_191220191020363925",
        merchant_request_id="29115-34620561-1",
        code="1032",
        description="Request cancelled by user",
    )


def test_what_was_stored_and_is_read_again_says_the_same() -> None:
    assert push_callback(orjson.loads(PAID)) == push_callback(json_object(PAID))


@pytest.mark.parametrize(
    ("value", "amount"),
    [(1, "1"), (1.0, "1.0"), ("1.00", "1.00"), ("5,000.00", "5000.00"), (100.5, "100.5"), (None, None), ("", None)],
)
def test_amounts_are_numbers_or_texts(value: Any, amount: str | None) -> None:
    payload = json_object(PAID)
    payload["Body"]["stkCallback"]["CallbackMetadata"] = {"Item": {"Name": "Amount", "Value": value}}

    assert push_callback(payload).amount == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "0x10", "1 000", "9" * 41, "--1", "1E-50"])
def test_what_is_no_amount_is_not_read(value: str) -> None:
    with pytest.raises(BadPayload, match="TransAmount is no amount"):
        confirmation(NOTICE | {"TransAmount": value})


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"Body": []}',
        b'{"Body": {"stkCallback": null}}',
        b'{"Body": {"stkCallback": {"ResultCode": 0}}}',
        b'{"Body": {"stkCallback": {"CheckoutRequestID": "ws_CO_1"}}}',
        b'{"Body": {"stkCallback": {"CheckoutRequestID": {}, "ResultCode": 0}}}',
        b'{"Body": {"stkCallback": {"CheckoutRequestID": "ws_CO_1", "ResultCode": true}}}',
    ],
)
def test_what_is_no_callback_is_not_read(body: bytes) -> None:
    with pytest.raises(BadPayload):
        push_callback(json_object(body))


@pytest.mark.parametrize("items", [None, [], "x", {"Item": None}, {"Item": ["x", {"Name": 1, "Value": 2}]}])
def test_a_callback_without_its_items_is_one_too(items: Any) -> None:
    payload = json_object(PAID)
    payload["Body"]["stkCallback"]["CallbackMetadata"] = items

    callback = push_callback(payload)

    assert (callback.code, callback.receipt, callback.amount) == ("0", None, None)


@pytest.mark.parametrize("code", [0, "0"])
def test_a_result(code: int | str) -> None:
    items = [
        {"Key": "TransactionReceipt", "Value": "NLJ41HAY6Q"},
        {"Key": "Conversation ID", "Value": "AG_1"},
        {"Key": "Empty"},
    ]
    reference = {"ReferenceItem": {"Key": "Occasion", "Value": "k-1"}}
    payload = with_items(items)
    payload["Result"] |= {"ResultCode": code, "ReferenceData": reference}

    assert result(payload) == Result(
        type="0",
        code="0",
        description="The service request is processed successfully.",
        conversation_id="AG_20191219_00004e48cf7e3533f581",
        originator_conversation_id="10571-7910404-1",
        transaction_id="NLJ41HAY6Q",
        values={"TransactionReceipt": "NLJ41HAY6Q", "ConversationID": "AG_1", "Empty": None},
        references={"Occasion": "k-1"},
    )


@pytest.mark.parametrize(
    ("items", "values"),
    [
        ({"Key": "BOCompletedTime", "Value": 20200403}, {"BOCompletedTime": 20200403}),
        ([{"Key": "BOCompletedTime", "Value": 20200403}], {"BOCompletedTime": 20200403}),
        ([], {}),
        (None, {}),
    ],
)
def test_what_there_is_one_of_is_no_list(items: Any, values: dict[str, Any]) -> None:
    assert result(with_items(items)).values == values


def test_a_result_without_any_of_them() -> None:
    failed = result({"Result": DONE | {"ResultCode": 2001, "TransactionID": None}})

    assert (failed.code, failed.transaction_id, failed.values, failed.references) == ("2001", "", {}, {})


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"Result": []},
        {"Result": {name: value for name, value in DONE.items() if name != "ResultCode"}},
        {"Result": DONE | {"OriginatorConversationID": "", "ConversationID": None}},
    ],
)
def test_what_is_no_result_is_not_read(payload: Any) -> None:
    with pytest.raises(BadPayload):
        result(payload)


def test_a_notice() -> None:
    assert confirmation(NOTICE) == Confirmation(
        receipt="RKTQDM7W6S",
        amount=Decimal("5000.00"),
        paid_at=datetime(2019, 11, 22, 3, 38, 45, tzinfo=UTC),
        bill_reference="l7k 2m9",
        shortcode="600638",
        payer="2547*****126",
        third_party_id=None,
    )


@pytest.mark.parametrize("wrong", [{"TransID": ""}, {"TransAmount": None}, {"TransAmount": []}])
def test_what_is_no_notice_is_not_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        confirmation(NOTICE | wrong)


@pytest.mark.parametrize("payload", [None, [], "x", 1])
@pytest.mark.parametrize("read", [push_callback, result, confirmation])
def test_what_is_no_object_is_not_read(read: Any, payload: Any) -> None:
    with pytest.raises(BadPayload):
        read(payload)


@pytest.mark.parametrize(
    "value", [20260301130005, "20260301130005", "01.03.2026 13:00:05", "2026-03-01 13:00:05", "01-03-2026 13:00:05"]
)
def test_moments_are_written_in_many_ways(value: Any) -> None:
    assert moment(value) == datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", 0, "20261301130005", "yesterday", {}, True])
def test_a_moment_that_cannot_be_read_is_none(value: Any) -> None:
    assert moment(value) is None
