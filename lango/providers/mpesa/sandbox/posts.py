"""The messages that M-Pesa posts, in its own form, with its own inconsistencies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from lango.providers.mpesa.credentials import timestamp
from lango.providers.mpesa.sandbox.book import Movement, Push

DESCRIPTIONS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "1019": "Transaction has expired.",
    "1032": "Request cancelled by user.",
    "1037": "DS timeout user cannot be reached.",
    "2001": "The initiator information is invalid.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
}


def push_callback(push: Push, movement: Movement | None, zone: tzinfo) -> dict[str, Any]:
    """What is posted of a push that is decided; `movement` is its money, where it was paid."""
    assert push.outcome is not None
    callback: dict[str, Any] = {
        "MerchantRequestID": push.merchant_id,
        "CheckoutRequestID": push.id,
        "ResultCode": int(push.outcome),
        "ResultDesc": DESCRIPTIONS[push.outcome],
    }
    if movement is not None:
        items = [
            {"Name": "Amount", "Value": float(movement.amount)},
            {"Name": "MpesaReceiptNumber", "Value": movement.receipt},
            # It never tells one.
            {"Name": "Balance"},
            {"Name": "TransactionDate", "Value": int(_stamp(movement.at, zone))},
            {"Name": "PhoneNumber", "Value": int(movement.phone)},
        ]
        callback["CallbackMetadata"] = {"Item": items}
    return {"Body": {"stkCallback": callback}}


def notice(movement: Movement, shortcode: str, zone: tzinfo) -> dict[str, Any]:
    """What is posted of a payment from M-Pesa's own menu, and of a push that was paid as well."""
    return {
        "TransactionType": "Pay Bill",
        "TransID": movement.receipt,
        "TransTime": _stamp(movement.at, zone),
        "TransAmount": f"{movement.amount}.00",
        "BusinessShortCode": shortcode,
        "BillRefNumber": movement.reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": "49197.00",
        "ThirdPartyTransID": "",
        "MSISDN": f"{movement.phone[:4]}*****{movement.phone[-3:]}",
        "FirstName": "SANDBOX",
        "MiddleName": "",
        "LastName": "",
    }


def result(movement: Movement, values: Mapping[str, Any], occasion: str) -> dict[str, Any]:
    """What became of a payout or a reversal."""
    return envelope(
        movement.code, movement.key, movement.conversation_id, movement.receipt,
        values if movement.code == "0" else {}, occasion,
    )  # fmt: skip


def envelope(
    code: str, originator: str, conversation: str, receipt: str, values: Mapping[str, Any], occasion: str
) -> dict[str, Any]:
    """A result: what is in it once is an object, what is in it more often a list."""
    found: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": int(code) if code.isdigit() else code,
        "ResultDesc": DESCRIPTIONS.get(code, "It has failed."),
        "OriginatorConversationID": originator,
        "ConversationID": conversation,
        "TransactionID": receipt,
    }
    items = [{"Key": name, "Value": value} for name, value in values.items()]
    if items:
        found["ResultParameters"] = {"ResultParameter": items if len(items) > 1 else items[0]}
    found["ReferenceData"] = {"ReferenceItem": {"Key": "Occasion", "Value": occasion}}
    return {"Result": found}


def payout_values(movement: Movement, zone: tzinfo) -> dict[str, Any]:
    at = datetime.fromisoformat(movement.at).astimezone(zone)
    return {
        "TransactionAmount": movement.amount,
        "TransactionReceipt": movement.receipt,
        "B2CRecipientIsRegisteredCustomer": "Y",
        "B2CChargesPaidAccountAvailableFunds": -4510.0,
        "ReceiverPartyPublicName": f"{movement.phone} - SANDBOX",
        "TransactionCompletedDateTime": at.strftime("%d.%m.%Y %H:%M:%S"),
        "B2CUtilityAccountAvailableFunds": 10116.0,
        "B2CWorkingAccountAvailableFunds": 900000.0,
    }


def reversal_values(movement: Movement, original: str, zone: tzinfo) -> dict[str, Any]:
    return {
        "Amount": f"{movement.amount}.00",
        "OriginalTransactionID": original,
        "TransCompletedTime": int(_stamp(movement.at, zone)),
        "Charge": 0,
        "CreditPartyPublicName": f"{movement.phone} - SANDBOX",
    }


def status_values(movement: Movement, shortcode: str, zone: tzinfo) -> dict[str, Any]:
    """What a query is answered about something; two of the names have blanks in them."""
    state = "Pending" if not movement.is_done else "Completed" if movement.code == "0" else "Failed"
    party = f"{shortcode} - SANDBOX" if movement.kind == "Pay Bill" else f"{movement.phone} - SANDBOX"
    return {
        "ReceiptNo": movement.receipt,
        "Conversation ID": movement.conversation_id,
        "Originator Conversation ID": movement.key,
        "FinalisedTime": int(_stamp(movement.at, zone)),
        "InitiatedTime": int(_stamp(movement.at, zone)),
        "Amount": float(movement.amount),
        "TransactionStatus": state,
        "ReasonType": movement.kind,
        "TransactionReason": "",
        "DebitPartyCharges": "",
        "DebitAccountType": "Utility Account",
        "CreditPartyName": party,
    }


def _stamp(at: str, zone: tzinfo) -> str:
    return timestamp(datetime.fromisoformat(at).astimezone(zone))
