"""The queries of docs/dashboards.md that are about sign-ins and messages, as they stand there."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from models.security import EmailDelivery, LoginAttempt, SmsDelivery
from tests.admin.conftest import Staff
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.settlements.test_dashboards import QUERIES

# A day on which nothing else has happened.
DAY = {"from": "2021-03-04T00:00:00Z", "to": "2021-03-05T00:00:00Z"}
THEN = datetime(2021, 3, 4, 12, tzinfo=UTC)


def counted(rows: list[dict[str, Any]]) -> dict[tuple[str, ...], str]:
    return {tuple(row["group"].values()): row["count"] for row in rows}


async def test_failed_sign_ins_by_address(api: Api, staff: Staff, make: Factory) -> None:
    for ip, identifier, result in (
        ("192.0.2.1", "a@x.example", "failed_password"),
        ("192.0.2.1", "b@x.example", "failed_not_found"),
        ("192.0.2.1", "b@x.example", "failed_not_found"),
        ("2001:db8::7", "a@x.example", "account_locked"),
        ("192.0.2.9", "a@x.example", "success"),
    ):
        await make(LoginAttempt, identifier=identifier, ip_address=ip, attempt_result=result, created_at=THEN)

    answer = await api(QUERIES["FailedSignIns"], DAY, as_=await staff.member("admin"), roles=STAFF)
    none = await api(QUERIES["FailedSignIns"], DAY, as_=await staff.adult())

    assert counted(answer["byAddress"]) == {("192.0.2.1",): "3", ("2001:db8::7",): "1"}
    assert [row["countDistinct"]["identifier"] for row in answer["byAddress"]] == ["2", "1"]
    assert counted(answer["byResult"])[("success",)] == "1"
    assert none["byAddress"] == []


async def test_deliveries_and_what_sms_cost(api: Api, staff: Staff, make: Factory) -> None:
    for provider, status, cost in (
        ("africas_talking", "delivered", "15.5"),
        ("africas_talking", "delivered", "15.5"),
        ("africas_talking", "failed", None),
        ("twilio", "delivered", "0.06"),
    ):
        await make(SmsDelivery, to_phone="+221770000000", message="x", status=status, provider=provider,
                   cost=None if cost is None else Decimal(cost), created_at=THEN)  # fmt: skip
    await make(EmailDelivery, to_email="a@x.example", subject="x", status="bounced", provider="smtp", created_at=THEN)

    answer = await api(QUERIES["Deliveries"], DAY, as_=await staff.member("admin"), roles=STAFF)

    assert counted(answer["emails"]) == {("smtp", "BOUNCED"): "1"}
    assert {tuple(row["group"].values()): (row["count"], row["sum"]["cost"]) for row in answer["sms"]} == {
        ("africas_talking", "DELIVERED"): ("2", "31.0000"), ("africas_talking", "FAILED"): ("1", None),
        ("twilio", "DELIVERED"): ("1", "0.0600"),
    }  # fmt: skip
