"""Aggregates: what they tell of the rows is what Python computes from them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql.kit.node import global_id
from models.analytics import AbTest
from models.identity import User
from models.trading import CryptoTrade
from tests.client import Api
from tests.factories import Factory
from tests.kit.coins import coins, with_coins
from tests.kit.conftest import Ask

ALL = """
    query ($where: CryptoTransactionWhere) { all: cryptoTransactionsAggregate(where: $where) {
      count
      countDistinct { currency confirmations category timestamp }
      sum { amount confirmations blockNumber gasPrice }
      avg { confirmations amount }
      min { amount timestamp blockNumber gasPrice confirmations }
      max { amount timestamp blockNumber gasPrice confirmations }
    } }
"""


def moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def exact(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(coins, max_size=12))
async def test_an_aggregate_is_what_python_computes(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], rows: Any
) -> None:
    user = await with_coins(make, owner, rows)
    (aggregate,) = (await api(ALL, as_=user))["all"]

    def values(column: str) -> list[Any]:
        return [row[column] for row in user.coins if row[column] is not None]

    assert aggregate["count"] == str(len(rows))
    for field in ("currency", "confirmations", "category", "timestamp"):
        assert aggregate["countDistinct"][field] == str(len(set(values(field))))
    for field, column in (
        ("amount", "amount"),
        ("confirmations", "confirmations"),
        ("blockNumber", "block_number"),
        ("gasPrice", "gas_price"),
    ):
        listed = values(column)
        assert exact(aggregate["sum"][field]) == (sum(listed) if listed else None)
        assert exact(aggregate["min"][field]) == (min(listed) if listed else None)
        assert exact(aggregate["max"][field]) == (max(listed) if listed else None)
    assert aggregate["min"]["timestamp"] == (moment(min(values("timestamp"))) if rows else None)
    with localcontext(prec=60):
        for field in ("confirmations", "amount"):
            if rows:
                mean = Decimal(sum(values(field))) / len(rows)
                assert abs(Decimal(aggregate["avg"][field]) - mean) < Decimal("1e-14")
            else:
                assert aggregate["avg"][field] is None


async def test_sums_are_exact(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await with_coins(make, owner, [{"amount": Decimal("0.1")}, {"amount": Decimal("0.2")}, {"block_number": 2**63 - 1},
                                          {"block_number": 2**63 - 1, "amount": Decimal("999999999999.99999999")}])  # fmt: skip
    (aggregate,) = (await api(ALL, as_=user))["all"]

    assert aggregate["sum"]["amount"] == "1000000000001.29999999"
    assert aggregate["sum"]["blockNumber"] == str(2 * (2**63 - 1))
    assert aggregate["max"]["blockNumber"] == str(2**63 - 1)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(coins, max_size=12),
    keys=st.lists(
        st.sampled_from(["currency", "status", "category", "confirmations"]), min_size=1, max_size=3, unique=True
    ),
)
async def test_groups_are_those_of_their_keys(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], rows: Any, keys: list[str]
) -> None:
    user = await with_coins(make, owner, rows)
    query = f"""query ($id: ID!, $by: [CryptoTransactionGroupBy!]) {{
      root: cryptoTransactionsAggregate(groupBy: $by, where: {{userId: {{eq: $id}}}}) {{ count group {{ {" ".join(keys)} }} sum {{ amount }} }}
      user(id: $id) {{ cryptoTransactionsAggregate(groupBy: $by) {{ count group {{ {" ".join(keys)} }} sum {{ amount }} }} }}
    }}"""
    answer = await api(query, {"id": str(user.id), "by": [{key: True} for key in keys]}, as_=user)

    wanted: dict[tuple[Any, ...], list[Decimal]] = defaultdict(list)
    for row in user.coins:
        wanted[tuple(row[key].upper() if key == "status" else row[key] for key in keys)].append(row["amount"])
    for groups in (answer["root"], answer["user"]["cryptoTransactionsAggregate"]):
        by_key = {tuple(group["group"][key] for key in keys): group for group in groups}
        assert len(by_key) == len(groups)
        assert {key: (int(group["count"]), Decimal(group["sum"]["amount"])) for key, group in by_key.items()} == {
            key: (len(amounts), sum(amounts)) for key, amounts in wanted.items()
        }


def begins(at: datetime, bucket: str, zone: str) -> datetime:
    """When the bucket of a moment begins, by the clock of a zone."""
    local = at.astimezone(ZoneInfo(zone))
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if bucket == "HOUR":
        return local.replace(minute=0, second=0, microsecond=0)
    if bucket == "WEEK":
        return day - timedelta(days=day.weekday())
    if bucket == "MONTH":
        return day.replace(day=1)
    if bucket == "QUARTER":
        return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)
    return day.replace(day=1, month=1) if bucket == "YEAR" else day


@pytest.mark.parametrize("bucket", ["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"])
@pytest.mark.parametrize("zone", ["UTC", "Africa/Dakar", "Europe/Paris", "America/New_York", "Asia/Kathmandu"])
async def test_time_begins_by_the_clock_of_the_zone(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], bucket: str, zone: str
) -> None:
    # Around both changes of the clock in Paris, a new year and the end of a quarter.
    centres = (
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    times = [
        centre + timedelta(minutes=30 * step)
        for centre in centres
        for step in (-60, -50, -5, -3, -2, -1, 0, 1, 2, 3, 44)
    ]
    user = await with_coins(make, owner, [{"timestamp": at} for at in times])
    query = """query ($zone: String!, $by: [CryptoTransactionGroupBy!]) {
      groups: cryptoTransactionsAggregate(timeZone: $zone, groupBy: $by) { count group { timestamp } } }"""
    groups = (await api(query, {"zone": zone, "by": [{"timestamp": bucket}]}, as_=user))["groups"]

    wanted: dict[str, int] = defaultdict(int)
    for at in times:
        wanted[moment(begins(at, bucket, zone))] += 1
    assert {group["group"]["timestamp"]: int(group["count"]) for group in groups} == wanted
    assert [group["group"]["timestamp"] for group in groups] == sorted(wanted)


async def test_days_of_a_calendar_column_know_no_zone(as_staff: Ask, make: Factory) -> None:
    for day in (date(2031, 1, 1), date(2031, 3, 31), date(2031, 4, 1), date(2031, 12, 31), None):
        await make(AbTest, test_name=f"calendar {day}", start_date=date(2031, 1, 1), end_date=day)

    async def ends(bucket: str) -> dict[Any, str]:
        query = f"""{{ abTestsAggregate(where: {{testName: {{startsWith: "calendar "}}}}, timeZone: "America/New_York",
                    groupBy: [{{endDate: {bucket}}}]) {{ count group {{ endDate }} }} }}"""
        return {group["group"]["endDate"]: group["count"] for group in (await as_staff(query))["abTestsAggregate"]}

    assert await ends("QUARTER") == {"2031-01-01": "2", "2031-04-01": "1", "2031-10-01": "1", None: "1"}
    assert await ends("YEAR") == {"2031-01-01": "4", None: "1"}
    assert await ends("DAY") == {"2031-01-01": "1", "2031-03-31": "1", "2031-04-01": "1", "2031-12-31": "1", None: "1"}


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "Mars/Olympus",
        "Europe",
        "../etc/passwd",
        "/etc/localtime",
        "europe/paris'",
        "UTC+25",
        "CET",
        "WET",
        "localtime",
        "posix/Europe/Paris",
        "\0",
        "+02:00",
        "x" * 5000,
    ],
)
async def test_zones_that_are_none_are_refused(api: Api, member: SimpleNamespace, zone: str) -> None:
    query = (
        "query ($zone: String!) { cryptoTransactionsAggregate(timeZone: $zone, groupBy: [{timestamp: DAY}]) { count } }"
    )
    answer = await api(query, {"zone": zone}, as_=member)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert "Africa/Dakar" in answer.errors[0]["message"]


async def test_nothing_counts_as_nothing(api: Api, member: SimpleNamespace, as_staff: Ask, make: Factory) -> None:
    nobody, trade = await make(User), await make(CryptoTrade, seller_id=None)
    grouped = "{ cryptoTransactionsAggregate(groupBy: [{currency: true}]) { count } }"
    (aggregate,) = (await api(ALL, as_=nobody))["all"]
    under = await as_staff(
        f"""{{ user(id: "{nobody.id}") {{ all: cryptoTransactionsAggregate {{ count sum {{ amount }} countDistinct {{ currency }} }}
             none: cryptoTransactionsAggregate(groupBy: [{{currency: true}}]) {{ count }} }}
             cryptoTrade(id: "{trade.id}") {{ sellerPaymentMethods {{ nodes {{ id }} totalCount }} sellerPaymentMethodsAggregate {{ count }} }} }}"""
    )

    assert aggregate["count"] == "0"
    assert set(aggregate["countDistinct"].values()) == {"0"}
    for part in ("sum", "avg", "min", "max"):
        assert set(aggregate[part].values()) == {None}
    assert (await api(grouped, as_=nobody))["cryptoTransactionsAggregate"] == []
    assert under["user"] == {
        "all": [{"count": "0", "sum": {"amount": None}, "countDistinct": {"currency": "0"}}],
        "none": [],
    }
    assert under["cryptoTrade"] == {
        "sellerPaymentMethods": {"nodes": [], "totalCount": 0}, "sellerPaymentMethodsAggregate": [{"count": "0"}],
    }  # fmt: skip


async def test_groups_come_in_the_order_of_their_keys_as_many_as_requested(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await with_coins(
        make, owner, [{"confirmations": number // 2, "currency": "ab"[number % 2]} for number in range(10)]
    )
    query = "query ($first: Int!) { list: cryptoTransactionsAggregate(first: $first, groupBy: [{confirmations: true}, {currency: true}]) { group { confirmations currency } } }"
    every = [{"confirmations": number, "currency": letter} for number in range(5) for letter in "ab"]

    for first in (0, 1, 3, 100, 1000):
        assert [group["group"] for group in (await api(query, {"first": first}, as_=user))["list"]] == every[:first]
    for first in (-1, 1001):
        assert (await api(query, {"first": first}, as_=user)).codes == ["BAD_USER_INPUT"]


async def test_invalid_group_keys_are_refused(api: Api, member: SimpleNamespace) -> None:
    query = "query ($by: [CryptoTransactionGroupBy!]) { cryptoTransactionsAggregate(groupBy: $by) { count } }"
    for keys in (
        [{"currency": False}], [{}], [{"currency": None}], [{"currency": True, "status": True}], [{"currency": True}] * 7,
        [{"timestamp": "DAY"}, {"timestamp": "MONTH"}], [{"timestamp": True}], [{"currency": "DAY"}],
    ):  # fmt: skip
        assert (await api(query, {"by": keys}, as_=member)).codes == ["BAD_USER_INPUT"], keys


async def test_each_parent_has_groups_of_its_own(as_staff: Ask, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    people = [
        await with_coins(
            make, owner, [{"currency": "ab"[number % 2], "amount": Decimal(number)} for number in range(count)]
        )
        for count in (0, 1, 5)
    ]
    query = """query ($ids: [ID!]) { users(where: {id: {in: $ids}}, orderBy: [{createdAt: ASC}]) { nodes { id
      all: cryptoTransactionsAggregate { count sum { amount } }
      grouped: cryptoTransactionsAggregate(first: 1, groupBy: [{currency: true}], where: {amount: {gte: 1}}) { count group { currency userId } max { amount } } } } }"""
    nodes = (await as_staff(query, {"ids": [str(person.id) for person in people]}))["users"]["nodes"]
    by_id = {node["id"]: node for node in nodes}

    none, one, five = (by_id[global_id(User, (person.id,))] for person in people)
    assert none["all"] == [{"count": "0", "sum": {"amount": None}}]
    assert none["grouped"] == []
    assert one["all"] == [{"count": "1", "sum": {"amount": "0.00000000"}}]
    assert one["grouped"] == []
    assert five["all"] == [{"count": "5", "sum": {"amount": "10.00000000"}}]
    assert five["grouped"] == [
        {"count": "2", "group": {"currency": "a", "userId": None}, "max": {"amount": "4.00000000"}}
    ]


async def test_keys_that_hold_ids_give_global_ids(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await with_coins(make, owner, [{}])
    answer = await api(
        "{ list: cryptoTransactionsAggregate(groupBy: [{userId: true}, {rowId: true}]) { group { userId rowId } } }",
        as_=user,
    )

    (group,) = answer["list"]
    assert group["group"]["userId"] == global_id(User, (user.id,))
    assert group["group"]["rowId"] == str(user.coins[0]["id"])
