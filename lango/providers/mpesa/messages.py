"""What M-Pesa posts, as Daraja writes it: numbers as texts or numbers, one object where a list would have one item.

Pure: nothing here knows a table. Whatever cannot be read raises BadPayload, which repeats nothing of the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from lango.providers.payloads import BadPayload
from lango.values.exact_json import Number

EAST_AFRICA = timezone(timedelta(hours=3), "EAT")
# How moments are written in callbacks, in results of payouts, and in statements.
MOMENTS = ("%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d-%m-%Y %H:%M:%S")
LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class PushCallback:
    """What became of an STK push. Only one that was paid has a receipt."""

    checkout_request_id: str
    merchant_request_id: str
    # `0` where it was paid.
    code: str
    description: str
    receipt: str | None = None
    amount: Decimal | None = None
    # None also where it is written in a form that is not known.
    paid_at: datetime | None = None
    phone: str | None = None
    balance: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a payout or a reversal, or the answer to a query about a status. What is missing is empty."""

    type: str
    # `0` where it was done; of a query, where it was answered.
    code: str
    description: str
    conversation_id: str
    # Of a payout, our own key for it.
    originator_conversation_id: str
    transaction_id: str
    # By their names without blanks: `Conversation ID` is `ConversationID`.
    values: dict[str, Any]
    # What the request gave with it; `Occasion` of a reversal and of a query is our own key for it.
    references: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A payment that the payer begins in M-Pesa's own menu; the same form asks whether it may be made."""

    receipt: str
    amount: Decimal
    # None also where it is written in a form that is not known.
    paid_at: datetime | None
    # What the payer typed as the account.
    bill_reference: str | None
    shortcode: str
    # The phone, masked or hashed: nobody is found by it.
    payer: str | None
    third_party_id: str | None


def push_callback(payload: object) -> PushCallback:
    """The callback of an STK push. Raises BadPayload."""
    callback = part(part(payload, "Body"), "stkCallback")
    paid = named(callback, "CallbackMetadata", "Item", "Name")
    return PushCallback(
        checkout_request_id=required(callback, "CheckoutRequestID"),
        merchant_request_id=text(callback, "MerchantRequestID"),
        code=required(callback, "ResultCode"),
        description=text(callback, "ResultDesc"),
        receipt=text(paid, "MpesaReceiptNumber") or None,
        amount=amount(paid, "Amount"),
        paid_at=moment(paid.get("TransactionDate")),
        phone=text(paid, "PhoneNumber") or None,
        balance=amount(paid, "Balance"),
    )


def result(payload: object) -> Result:
    """The result of a payout, a reversal or a query, or that it waited too long in a queue. Raises BadPayload."""
    found = part(payload, "Result")
    conversation, originator = text(found, "ConversationID"), text(found, "OriginatorConversationID")
    if not conversation and not originator:
        raise BadPayload("The message names no conversation.")
    return Result(
        type=text(found, "ResultType"),
        code=required(found, "ResultCode"),
        description=text(found, "ResultDesc"),
        conversation_id=conversation,
        originator_conversation_id=originator,
        transaction_id=text(found, "TransactionID"),
        values=named(found, "ResultParameters", "ResultParameter", "Key"),
        references=named(found, "ReferenceData", "ReferenceItem", "Key"),
    )


def confirmation(payload: object) -> Confirmation:
    """A notice about a payment that the payer begins. Raises BadPayload."""
    notice = payload if isinstance(payload, Mapping) else {}
    came = amount(notice, "TransAmount")
    if came is None:
        raise BadPayload("The message has no TransAmount.")
    return Confirmation(
        receipt=required(notice, "TransID"),
        amount=came,
        paid_at=moment(notice.get("TransTime")),
        bill_reference=text(notice, "BillRefNumber") or None,
        shortcode=text(notice, "BusinessShortCode"),
        payer=text(notice, "MSISDN") or None,
        third_party_id=text(notice, "ThirdPartyTransID") or None,
    )


def part(whole: object, name: str) -> Mapping[str, Any]:
    """An object within an object. Raises BadPayload."""
    found = whole.get(name) if isinstance(whole, Mapping) else None
    if not isinstance(found, Mapping):
        raise BadPayload(f"The message has no {name}.")
    return found


def named(whole: Mapping[str, Any], outer: str, inner: str, key: str) -> dict[str, Any]:
    """The values of a list of names and values, which is an object where it has one item, and may be missing."""
    return dict(_items(whole.get(outer), inner, key))


def _items(container: object, inner: str, key: str) -> Iterator[tuple[str, Any]]:
    items = container.get(inner) if isinstance(container, Mapping) else None
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, Mapping) and isinstance(item.get(key), str):
            # Of an item with a name and no value, such as a balance that is not told, the value is None.
            yield "".join(item[key].split()), item.get("Value")


def text(whole: Mapping[str, Any], name: str) -> str:
    """A text, or a number as it was written; empty where there is neither."""
    return written(whole.get(name))


def required(whole: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises BadPayload."""
    found = text(whole, name)
    if not found:
        raise BadPayload(f"The message has no {name}.")
    return found


def written(value: object) -> str:
    """A text without blanks around it, or a number as it was written; empty for everything else."""
    match value:
        case str():
            return value.strip()
        case bool():
            return ""
        case Number():
            return value.spelling
        case int() | float() | Decimal():
            return str(value)
        case _:
            return ""


def amount(whole: Mapping[str, Any], name: str) -> Decimal | None:
    """An amount, written as `1`, `1.00`, `"1.00"` or `"1,000.00"`; None without one. Raises BadPayload."""
    given = written(whole.get(name))
    if not given:
        return None
    try:
        found = Decimal(given.replace(",", ""))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or len(given) > LONGEST_NUMBER or abs(found.adjusted()) > LONGEST_NUMBER:
        raise BadPayload(f"The message's {name} is no amount.")
    return found


def moment(value: object, zone: tzinfo = EAST_AFRICA) -> datetime | None:
    """A moment in any of the forms there are; None where it has none of them: money is not lost for a date."""
    given = written(value)
    for form in MOMENTS:
        try:
            return datetime.strptime(given, form).replace(tzinfo=zone)
        except ValueError:
            continue
    return None
