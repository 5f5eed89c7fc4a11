"""M-Pesa's statement, as Daraja gives it and as its portal exports it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from lango.providers.mpesa.client import StatementLine
from lango.providers.mpesa.daraja import HttpMpesa
from lango.providers.mpesa.errors import MpesaRefused
from lango.providers.mpesa.messages import EAST_AFRICA
from lango.providers.mpesa.statements import exported
from lango.providers.payloads import BadPayload
from tests.providers.conftest import FakeServer
from tests.providers.mpesa import LIVE, TOKEN, mpesa_of, settings_of

STATEMENT = """\ufeffShort Code,600638
Time Period,From 2026-03-01 to 2026-03-02

Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,Reason Type,A/C No.
SKT1,2026-03-01 23:59:59,2026-03-01 23:59:58,Pay Bill from 2547*****126,Completed,"1,000.00",,"2,000.00",Pay Bill,L7K2
SKT1,2026-03-01 23:59:59,2026-03-01 23:59:58,Pay merchant Charge,Completed,,-11.00,1989.00,Charge,
SKT2,02-03-2026 00:00:00,02-03-2026 00:00:00,Business Payment to 2547*****126,Completed,,-400.00,1589.00,B2C,
SKT3,2026-03-02 00:00:01,2026-03-02 00:00:01,Pay Bill,Declined,5.00,,1589.00,Pay Bill,L7K2

"""


async def test_a_statement_is_read_to_its_end(mpesa: HttpMpesa, server: FakeServer) -> None:
    lines = [
        {
            "transactionId": f"SKT{number}", "trxDate": "2026-03-01T23:13:00Z", "msisdn": 1, "sender": "MPESA",
            "transactiontype": "c2b-pay-bill-debit", "billreference": "L7K2", "amount": "168.00",
        }
        for number in range(3)
    ]  # fmt: skip
    found = {"ResponseRefID": "1", "ResponseCode": "1000", "ResponseMessage": "Success"}
    server.will(
        TOKEN, (200, found | {"Response": [lines[:2]]}), (200, found | {"Response": [lines[2:]]}),
        (200, found | {"Response": [[]]}),
    )  # fmt: skip
    begin = datetime(2026, 3, 1, 21, 0, tzinfo=UTC)

    statement = await mpesa.statement(begin, begin + timedelta(days=1))

    at = datetime(2026, 3, 1, 20, 13, tzinfo=UTC)
    assert statement == [
        StatementLine(f"SKT{number}", Decimal("168.00"), at, "L7K2", "c2b-pay-bill-debit") for number in range(3)
    ]
    assert [request.json["OffSetValue"] for request in server.requests[1:]] == ["0", "2", "3"]
    assert server.requests[1].json | {"OffSetValue": "0"} == {
        "ShortCode": "174379", "StartDate": "2026-03-02 00:00:00", "EndDate": "2026-03-03 00:00:00", "OffSetValue": "0",
    }  # fmt: skip


async def test_a_statement_that_is_not_given_is_refused(tmp_path: Path, server: FakeServer) -> None:
    async with mpesa_of(settings_of(tmp_path, LIVE | {"api_url": server.url})) as mpesa:
        with pytest.raises(MpesaRefused, match="LANGO_MPESA_PULL"):
            await mpesa.statement(datetime.now(UTC), datetime.now(UTC))

    assert server.requests == []


def test_the_portals_statement_is_read() -> None:
    assert exported(STATEMENT, EAST_AFRICA) == [
        StatementLine("SKT1", Decimal("1000.00"), datetime(2026, 3, 1, 20, 59, 59, tzinfo=UTC), "L7K2", "Pay Bill"),
        StatementLine("SKT1", Decimal("11.00"), datetime(2026, 3, 1, 20, 59, 59, tzinfo=UTC), "", "Charge"),
        StatementLine("SKT2", Decimal("400.00"), datetime(2026, 3, 1, 21, 0, tzinfo=UTC), "", "B2C"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no line with the columns"),
        ("Receipt No.,Amount\nSKT1,5\n", "no line with the columns"),
        ("Receipt No.,Completion Time,Paid In\nSKT1,soon,5\n", "completion time of SKT1"),
        ("Receipt No.,Completion Time,Paid In\nSKT1,20260301130005,much\n", "no amount"),
        ("Receipt No.,Completion Time\nSKT1,20260301130005\n", "SKT1 has no amount"),
    ],
)
def test_a_file_that_is_no_statement_is_not_read(content: str, message: str) -> None:
    with pytest.raises(BadPayload, match=message):
        exported(content, EAST_AFRICA)
