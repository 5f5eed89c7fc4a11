"""M-Pesa's statement: from Daraja's Pull Transactions API, or as its portal exports it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from lango.providers.mpesa.client import StatementLine
from lango.providers.mpesa.messages import amount, moment, required, text, written
from lango.providers.payloads import BadPayload

# Columns of the portal's file, in small letters and without dots. What came and what went are columns of their own.
RECEIPT, COMPLETED, STATUS = "receipt no", "completion time", "transaction status"
PAID_IN, WITHDRAWN = "paid in", "withdrawn"
REFERENCE, REASON, DETAILS = "a/c no", "reason type", "details"


def pulled(content: Mapping[str, Any], zone: tzinfo) -> list[StatementLine]:
    """The lines of an answer of the Pull Transactions API, whose list is in a list. Raises BadPayload."""
    return [_pulled(line, zone) for line in _flat(content.get("Response"))]


def exported(content: str, zone: tzinfo) -> list[StatementLine]:
    """The lines of a file (CSV) that M-Pesa's portal exports, those that were completed. Raises BadPayload.

    A receipt may have several: what was paid, and M-Pesa's charge for it.
    """
    rows = csv.reader(content.removeprefix("\ufeff").splitlines())
    try:
        titles = _titles(rows)
        return [line for row in rows if (line := _exported(dict(zip(titles, row, strict=False)), zone)) is not None]
    except csv.Error as error:
        raise BadPayload(f"The file is no CSV: {error}.") from None


def _flat(found: object) -> Iterator[object]:
    if isinstance(found, list):
        for each in found:
            yield from _flat(each)
    elif found is not None:
        yield found


def _pulled(line: object, zone: tzinfo) -> StatementLine:
    if not isinstance(line, Mapping):
        raise BadPayload("A line of the statement is no object.")
    receipt, paid = required(line, "transactionId"), amount(line, "amount")
    given = text(line, "trxDate")
    try:
        # It ends with a Z and is written in M-Pesa's zone all the same.
        at = datetime.fromisoformat(given.removesuffix("Z")).replace(tzinfo=zone)
    except ValueError:
        raise BadPayload("The moment of a line of the statement cannot be read.") from None
    if paid is None:
        raise BadPayload("A line of the statement has no amount.")
    return StatementLine(receipt, abs(paid), at, text(line, "billreference"), text(line, "transactiontype"))


def _titles(rows: Iterable[Sequence[str]]) -> list[str]:
    """The names of the columns, which come after some lines about the account."""
    for row in rows:
        titles = [" ".join(title.lower().replace(".", "").split()) for title in row]
        if RECEIPT in titles and COMPLETED in titles:
            return titles
    raise BadPayload("The file has no line with the columns Receipt No. and Completion Time.")


def _exported(row: Mapping[str, str], zone: tzinfo) -> StatementLine | None:
    """None where the line is empty, or was not completed."""
    receipt = written(row.get(RECEIPT))
    if not receipt or written(row.get(STATUS)).lower() not in ("", "completed"):
        return None
    at = moment(row.get(COMPLETED), zone)
    if at is None:
        raise BadPayload(f"The completion time of {receipt} cannot be read.")
    moved = amount(row, PAID_IN) or amount(row, WITHDRAWN)
    if moved is None:
        raise BadPayload(f"{receipt} has no amount.")
    kind = written(row.get(REASON)) or written(row.get(DETAILS))
    return StatementLine(receipt, abs(moved), at, written(row.get(REFERENCE)), kind)
