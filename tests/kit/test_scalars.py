"""Scalars: each value crosses the wire exactly, and what is none is refused with a word on how to write one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.analytics import BusinessMetric
from models.identity import User, UserSession
from models.notifications import NotificationPreferences
from tests.client import Api
from tests.factories import Factory
from tests.kit.coins import with_coins
from tests.kit.conftest import Ask, list_field

WRONG: dict[str, list[Any]] = {
    "Decimal": [1.5, 1e300, "NaN", "Infinity", "-inf", "1_000", "١٢", "１２", "1e3", "+1", "1.", ".5", "", " 1", "1 ", "0x1",
                True, [], {}, "9" * 21, "0." + "1" * 9, 10**30, "1\n", "--1"],
    "BigInt": ["1.0", 1.0, "", "1e3", "1_0", "٣", str(2**63), 2**63, -(2**63) - 1, True, "NaN", [], "9" * 5000, " 1"],
    "Int": [2**31, -(2**31) - 1, 1.5, "1", True, [], 10**30],
    "DateTime": ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-02-30T00:00:00Z", "2016-12-31T23:59:60Z",
                 "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
                 "2026-01-01T24:00:01Z", "2026-01-01T00:00:00.1234567Z", "now", "", 0, 1767225600, "٢٠٢٦-01-01T00:00:00Z",
                 "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00-00:00", "2026-W01-1T00:00:00Z", "20260101T000000Z"],
    "Date": ["2026-02-30", "2026-1-1", "20260101", "2026-W01-1", "0000-01-01", "10000-01-01", "", 20260101, "2026-01-01T00:00:00Z", "٢٠٢٦-01-01"],
    "Time": ["24:00:01", "8:30", "08:60", "08:30Z", "08:30+01:00", "0830", "", 830, "08:30:60", "08:30:00.1234567"],
    "UUID": ["", "x", "0" * 32, "{00000000-0000-0000-0000-000000000000}", "urn:uuid:00000000-0000-0000-0000-000000000000", 0],
    "Inet": ["", "x", "256.1.1.1", "1.2.3", "::g", "1.2.3.4/33", 16909060, "1.2.3.4 ", "fe80::1%eth0"],
    "String": [1, True, [], {}],
    "Boolean": ["true", 1, 0, "", []],
    "JSON": [{"a": "\0"}, "\0", ["\0"], {"\0": 1}],
}  # fmt: skip
ASKED_BY: dict[str, tuple[str, str, str]] = {
    "Decimal": ("cryptoTransactions", "amount", "eq"), "BigInt": ("cryptoTransactions", "blockNumber", "eq"),
    "Int": ("cryptoTransactions", "confirmations", "eq"), "DateTime": ("cryptoTransactions", "timestamp", "eq"),
    "Date": ("businessMetrics", "metricDate", "eq"), "Time": (list_field(NotificationPreferences), "quietHoursStart", "eq"),
    "Inet": ("userSessions", "ipAddress", "eq"), "String": ("cryptoTransactions", "currency", "eq"),
    "Boolean": ("userSessions", "isRevoked", "eq"), "JSON": ("userSessions", "deviceInfo", "contains"),
}  # fmt: skip
RIGHT = {
    "Decimal": ["1.5", "0", 12, "-0.00000001", "99999999999999999999.99999999"],
    "BigInt": ["9223372036854775807", 12, "-9223372036854775808"],
    "DateTime": [
        "2026-01-01T00:00:00Z",
        "2026-01-01t00:00:00.5z",
        "2026-06-30T23:59:59.999999+05:45",
        "9999-12-31T23:59:59Z",
    ],
    "Date": ["2024-02-29", "0001-01-01", "9999-12-31"],
    "Time": ["08:30", "08:30:15", "23:59:59.999999"],
    "Inet": ["192.0.2.1", "192.0.2.0/24", "::1", "2001:db8::/32"],
    "JSON": [{"a": [1, 2.5, None, True, "x"]}, [], "x", 5],
}


def literal(value: Any) -> str:
    """A value as it stands in a document."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return json.dumps(value)


async def both_ways(api: Api, who: SimpleNamespace, scalar: str, value: Any) -> list[list[str]]:
    """The codes of the answer to a literal and to a variable, with the messages."""
    field, column, operator = ASKED_BY[scalar]
    ask = f"{field}(where: {{{column}: {{{operator}: %s}}}}) {{ nodes {{ id }} }}"
    variable = await api(f"query ($value: {scalar}!) {{ {ask % '$value'} }}", {"value": value}, as_=who)
    answers = [variable]
    if not (isinstance(value, dict) and "\0" in value):
        answers.append(await api(f"{{ {ask % literal(value)} }}", as_=who))
    assert all(error["message"] and len(error["message"]) <= 1000 for answer in answers for error in answer.errors)
    return [answer.codes for answer in answers]


@pytest.mark.parametrize("scalar", [name for name in WRONG if name != "UUID"])
async def test_what_is_no_such_value_is_refused_as_literal_and_variable(
    api: Api, member: SimpleNamespace, scalar: str
) -> None:
    for value in WRONG[scalar]:
        for codes in await both_ways(api, member, scalar, value):
            assert codes, value
            assert set(codes) <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}, (value, codes)


@pytest.mark.parametrize("scalar", sorted(RIGHT))
async def test_what_is_such_a_value_is_taken_as_literal_and_variable(
    api: Api, member: SimpleNamespace, scalar: str
) -> None:
    for value in RIGHT[scalar]:
        assert await both_ways(api, member, scalar, value) == [[], []], value


@pytest.mark.parametrize(
    ("scalar", "value", "message"),
    [
        ("Decimal", 1.5, "string"), ("Decimal", "1_000", "up to 20 digits"), ("DateTime", "2026-01-01T00:00:00", "zone"),
        ("Date", "x", "2026-01-31"), ("Time", "x", "08:30"), ("BigInt", 2**63, "64 bits"), ("Inet", "x", "IP address"),
    ],
)  # fmt: skip
async def test_a_refused_scalar_explains_the_format(
    api: Api, member: SimpleNamespace, scalar: str, value: Any, message: str
) -> None:
    field, column, operator = ASKED_BY[scalar]
    query = f"query ($value: {scalar}!) {{ {field}(where: {{{column}: {{{operator}: $value}}}}) {{ nodes {{ id }} }} }}"
    answer = await api(query, {"value": value}, as_=member)
    assert message in answer.errors[0]["message"]


EXACT = {"wide": "12345678901234567890123", "long": "0.12345678901234567890", "scaled": "1.10", "small": "-1.5e-7"}


@pytest.mark.parametrize("name", EXACT)
async def test_numbers_of_json_keep_their_digits(api: Api, make: Factory, owner: asyncpg.Pool[Any], name: str) -> None:
    """By variable and by literal: a double would find the wrong row, or none."""
    user = await make(User)
    number = EXACT[name]
    await make(UserSession, user_id=user.id)
    await owner.execute(
        "UPDATE identity.user_sessions SET device_info = $1::jsonb WHERE user_id = $2", f'{{"n": {number}}}', user.id
    )
    ask = "userSessions(where: {deviceInfo: {contains: %s}}) { nodes { deviceInfo } }"
    headers = {"content-type": "application/json", **api.headers(user)}
    query = f"query ($value: JSON!) {{ {ask % '$value'} }}"
    body = f'{{"query": {json.dumps(query)}, "variables": {{"value": {{"n": {number}}}}}}}'

    variable = await api.client.post("/graphql", content=body, headers=headers)
    literal_ = await api(f"{{ {ask % f'{{n: {number}}}'} }}", as_=user)

    assert len(variable.json()["data"]["userSessions"]["nodes"]) == 1
    assert len(literal_["userSessions"]["nodes"]) == 1


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "1" * 500])
async def test_numbers_that_json_would_write_out_at_length_are_refused(api: Api, member: Any, number: str) -> None:
    answer = await api(
        f"{{ userSessions(where: {{deviceInfo: {{contains: {{n: {number}}}}}}}) {{ nodes {{ id }} }} }}", as_=member
    )

    assert answer.codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert answer.errors[0]["locations"]


@pytest.mark.parametrize(
    ("scalar", "literal_"),
    [("Decimal", '"1_000"'), ("BigInt", '"x"'), ("DateTime", '"x"'), ("Date", '"x"'), ("Time", '"x"'), ("Inet", '"x"')],
)
async def test_an_error_about_a_literal_has_its_location(
    api: Api, member: SimpleNamespace, scalar: str, literal_: str
) -> None:
    field, column, operator = ASKED_BY[scalar]
    query = f"{{ {field}(where: {{{column}: {{{operator}: {literal_}}}}}) {{ nodes {{ id }} }} }}"
    answer = await api(query, as_=member)

    assert answer.errors[0]["locations"] == [{"line": 1, "column": query.index(literal_) + 1}]


async def test_an_error_about_a_variable_is_written_in_json(api: Api, member: SimpleNamespace) -> None:
    query = "query ($where: UserSessionWhere) { userSessions(where: $where) { nodes { id } } }"

    unknown = await api(query, {"where": {"isRevokt": {"eq": True}}}, as_=member)
    wrong = await api(query, {"where": {"isRevoked": {"eq": {"a": None}}}}, as_=member)

    assert '{"isRevokt":{"eq":true}}' in unknown.errors[0]["message"]
    assert wrong.errors[0]["message"] == (
        "Variable '$where.isRevoked.eq' has invalid value: Boolean cannot represent a non boolean value: {\"a\":null}"
    )


async def test_decimals_keep_their_scale(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    values = {"0": "0.00000000", "-0.00000001": "-0.00000001", "999999999999.99999999": "999999999999.99999999", "1.5": "1.50000000",
              "-12": "-12.00000000"}  # fmt: skip
    user = await with_coins(make, owner, [{"amount": Decimal(value)} for value in values])
    nodes = (await api("{ cryptoTransactions(orderBy: [{amount: ASC}]) { nodes { amount gasPrice } } }", as_=user))[
        "cryptoTransactions"
    ]["nodes"]

    assert [node["amount"] for node in nodes] == [values[key] for key in sorted(values, key=Decimal)]
    assert {node["gasPrice"] for node in nodes} == {None}


async def test_whole_numbers_of_64_bits_are_strings(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await with_coins(make, owner, [{"block_number": 2**63 - 1}, {"block_number": -(2**63)}])
    nodes = (
        await api(
            "{ cryptoTransactions(orderBy: [{blockNumber: ASC}]) { nodes { blockNumber confirmations } } }", as_=user
        )
    )["cryptoTransactions"]["nodes"]
    assert nodes == [
        {"blockNumber": "-9223372036854775808", "confirmations": 0},
        {"blockNumber": "9223372036854775807", "confirmations": 0},
    ]


async def test_moments_are_utc_with_six_digits(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    times = [
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 0, 0, 100000, tzinfo=UTC),
        datetime(9998, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    user = await with_coins(make, owner, [{"timestamp": at} for at in times])
    nodes = (await api("{ cryptoTransactions(orderBy: [{timestamp: ASC}]) { nodes { timestamp } } }", as_=user))[
        "cryptoTransactions"
    ]["nodes"]
    assert [node["timestamp"] for node in nodes] == [
        "0001-01-02T00:00:00.000000Z",
        "2026-03-01T12:00:00.100000Z",
        "9998-12-31T23:59:59.999999Z",
    ]


async def test_json_comes_as_the_database_holds_it(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    text = '{"b": 1.10, "a": 12345678901234567890123456789.0100, "é😀": "\\u0001\\"", "aa": [1e2, null, true, {}], "a": 3.000}'
    stored = await owner.fetchval("SELECT $1::jsonb::text", text)
    user = await with_coins(make, owner, [{"metadata": text}, {"metadata": "null"}])
    answer = await api('{ cryptoTransactions(where: {metadata: {hasKey: "b"}}) { nodes { metadata } } }', as_=user)

    assert answer.errors == []
    assert f'"metadata":{stored}' in answer.response.text
    both = (await api("{ cryptoTransactions { nodes { metadata } } }", as_=user))["cryptoTransactions"]["nodes"]
    assert {"metadata": None} in both


async def test_json_in_a_document_may_hold_large_numbers_and_written_escapes(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await with_coins(make, owner, [{"metadata": '{"n": 123456789012345678901234567890, "t": "\\\\u0000"}'}])
    for where in ("{n: 123456789012345678901234567890}", r'{t: "\\u0000"}', "{}"):
        answer = await api(
            f"{{ cryptoTransactions(where: {{metadata: {{contains: {where}}}}}) {{ nodes {{ id }} }} }}", as_=user
        )
        assert len(answer["cryptoTransactions"]["nodes"]) == 1, where
    for where in ("{n: 1e999}", "{n: -1e999}"):
        answer = await api(
            f"{{ cryptoTransactions(where: {{metadata: {{contains: {where}}}}}) {{ nodes {{ id }} }} }}", as_=user
        )
        assert set(answer.codes) <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}
        assert answer.codes


async def test_addresses_times_days_and_keys(as_staff: Ask, make: Factory) -> None:
    sessions = [
        await make(UserSession, ip_address=address)
        for address in ("192.0.2.1", "10.1.2.3/8", "2001:db8::1", "::ffff:192.0.2.1")
    ]
    preferences = await make(
        NotificationPreferences, quiet_hours_start=time(8, 30), quiet_hours_end=time(23, 59, 59, 1)
    )
    metric = await make(BusinessMetric, metric_type=uuid4().hex)
    answer = await as_staff(
        """query ($ids: [ID!], $user: ID!, $metric: ID!) {
          userSessions(where: {id: {in: $ids}}, orderBy: [{createdAt: ASC}]) { nodes { ipAddress rowId } }
          oneNotificationPreferences: node(id: $user) { ... on NotificationPreferences { quietHoursStart quietHoursEnd rowId } }
          businessMetric(id: $metric) { metricDate metricValue } }""".replace(
            "node(id: $user)", f'node(id: "{_id(preferences)}")'
        ).replace("$user: ID!, ", ""),
        {"ids": [str(row.id) for row in sessions], "metric": str(metric.id)},
    )
    found = {node["rowId"]: node["ipAddress"] for node in answer["userSessions"]["nodes"]}
    assert [found[str(row.id)] for row in sessions] == ["192.0.2.1", "10.1.2.3/8", "2001:db8::1", "::ffff:192.0.2.1"]
    assert answer["oneNotificationPreferences"] == {
        "quietHoursStart": "08:30:00",
        "quietHoursEnd": "23:59:59.000001",
        "rowId": str(preferences.user_id),
    }
    assert answer["businessMetric"] == {"metricDate": metric.metric_date.isoformat(), "metricValue": "1.0000"}


def _id(preferences: Any) -> str:
    from gql.kit.node import global_id

    return global_id(NotificationPreferences, (preferences.user_id,))
