"""Filters: each operator finds what the same question in Python finds, and bad questions say how to ask."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql.kit.node import global_id
from models.analytics import BusinessMetric
from models.identity import User, UserSession
from models.notifications import NotificationPreferences
from models.pots import Pot
from models.trading import CryptoTransaction, CryptoWallet
from tests.client import Api
from tests.factories import Factory
from tests.kit.coins import coins, with_coins
from tests.kit.conftest import Ask, list_field

LIST = (
    "query ($where: CryptoTransactionWhere) { list: cryptoTransactions(first: 100, where: $where) { nodes { rowId } } }"
)
Matches = Callable[[Any], bool]


async def found(api: Api, user: SimpleNamespace, where: Any) -> set[UUID]:
    return {UUID(node["rowId"]) for node in (await api(LIST, {"where": where}, as_=user))["list"]["nodes"]}


def shown(value: Any) -> Any:
    """A value as a variable has it."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


COMPARED = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
}  # fmt: skip
COLUMNS: dict[str, tuple[str, st.SearchStrategy[Any], tuple[str, ...]]] = {
    "amount": ("amount", st.decimals("-5", "5", places=8) | st.decimals("-5", "5", places=2), tuple(COMPARED)),
    "gas_price": ("gasPrice", st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("1.00000001")]), tuple(COMPARED)),
    "confirmations": ("confirmations", st.integers(0, 3), tuple(COMPARED)),
    "block_number": ("blockNumber", st.integers(0, 2), tuple(COMPARED)),
    "currency": ("currency", st.sampled_from(["BTC", "ETH", "", "btc"]), ("eq", "ne")),
    "category": ("category", st.text("ab%_\\", max_size=3), ("eq", "ne")),
}


def test_of(column: str, name: str, value: Any) -> Matches:
    """What an operator means, in Python: only `ne`, `notIn` and `isNull: true` let null through."""

    def holds(row: Any) -> bool:
        own = row[column]
        if name == "isNull":
            return (own is None) is value
        if name == "in":
            return own in value and own is not None
        if name == "notIn":
            return own is None or own not in value
        if own is None:
            return name == "ne"
        if name == "contains":
            return value in own
        if name == "startsWith":
            return own.startswith(value)
        return bool(COMPARED[name](own, value))

    return holds


test_of.__test__ = False  # type: ignore[attr-defined]


@st.composite
def conditions(draw: Any) -> tuple[dict[str, Any], Matches]:
    column, (field, values, compared) = draw(st.sampled_from(sorted(COLUMNS.items(), key=lambda item: item[0])))
    names = [*compared, "in", "notIn", "isNull"] + (
        ["contains", "startsWith"] if column in ("category", "currency") else []
    )
    name = draw(st.sampled_from(names))
    value = draw(
        {"in": st.lists(values, max_size=3), "notIn": st.lists(values, max_size=3), "isNull": st.booleans()}.get(
            name, values
        )
    )
    written = str(value) if field == "blockNumber" and isinstance(value, int) and name != "isNull" else shown(value)
    return {field: {name: written}}, test_of(column, name, value)


def joined(
    inner: st.SearchStrategy[tuple[dict[str, Any], Matches]],
) -> st.SearchStrategy[tuple[dict[str, Any], Matches]]:
    several = st.lists(inner, max_size=3)
    return (
        several.map(
            lambda pairs: ({"and": [pair[0] for pair in pairs]}, lambda row: all(pair[1](row) for pair in pairs))
        )
        | several.map(
            lambda pairs: ({"or": [pair[0] for pair in pairs]}, lambda row: any(pair[1](row) for pair in pairs))
        )
        | inner.map(lambda pair: ({"not": pair[0]}, lambda row: not pair[1](row)))
    )


filters = st.recursive(conditions(), joined, max_leaves=6)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(coins, min_size=4, max_size=12), conditions=st.lists(filters, min_size=4, max_size=8))
async def test_a_filter_finds_what_python_finds(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], rows: list[dict[str, Any]], conditions: Any
) -> None:
    user = await with_coins(make, owner, rows)
    for where, matches in conditions:
        assert await found(api, user, where) == {row["id"] for row in user.coins if matches(row)}, where


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(coins, min_size=1, max_size=6), others=st.lists(coins, max_size=4), pair=filters)
async def test_some_none_and_every_are_true_opposites(
    as_staff: Ask, make: Factory, owner: asyncpg.Pool[Any], rows: Any, others: Any, pair: tuple[Any, Matches]
) -> None:
    people = [await with_coins(make, owner, listed) for listed in (rows, others, [])]
    where, matches = pair
    ids = [str(person.id) for person in people]

    async def those(condition: dict[str, Any]) -> set[str]:
        query = "query ($where: UserWhere) { users(where: $where) { nodes { rowId } } }"
        answer = await as_staff(query, {"where": {"id": {"in": ids}, **condition}})
        return {node["rowId"] for node in answer["users"]["nodes"]}

    some = {str(person.id) for person in people if any(matches(row) for row in person.coins)}
    every = {str(person.id) for person in people if all(matches(row) for row in person.coins)}
    assert await those({"cryptoTransactions": {"some": where}}) == some
    assert await those({"cryptoTransactions": {"none": where}}) == set(ids) - some
    assert await those({"cryptoTransactions": {"every": where}}) == every
    assert await those({"not": {"cryptoTransactions": {"every": where}}}) == set(ids) - every
    assert await those({"cryptoTransactions": {"some": where, "every": where}}) == some & every
    assert await those({"cryptoTransactions": {}}) == set(ids)


async def test_a_relation_to_a_parent_can_be_filtered(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await with_coins(make, owner, [{}, {}, {}])
    wallet = await make(CryptoWallet, user_id=user.id, currency="KES")
    first, second, third = (row["id"] for row in user.coins)
    await owner.execute("UPDATE trading.crypto_transactions SET wallet_id = $1 WHERE id = $2", wallet.id, first)

    in_shillings = {"wallet": {"currency": {"eq": "KES"}}}
    assert await found(api, user, in_shillings) == {first}
    assert await found(api, user, {"not": in_shillings}) == {second, third}
    assert await found(api, user, {"wallet": {}}) == {first}
    assert await found(api, user, {"wallet": {"not": {"currency": {"eq": "KES"}}}}) == set()
    assert await found(
        api, user, {"wallet": {"transactions": {"some": {"wallet": {"transactions": {"every": {}}}}}}}
    ) == {first}
    assert await found(api, user, {"walletId": {"eq": str(wallet.id)}}) == {first}
    assert await found(api, user, {"walletId": {"isNull": True}}) == {second, third}


async def test_relations_of_every_group_can_be_filtered(api: Api, make: Factory) -> None:
    pot = await make(Pot)
    other = await make(Pot, owner_user_id=pot.owner_user_id)
    from models.redemption import QrCode

    await make(QrCode, pot_id=pot.id)
    query = "query ($where: PotWhere) { pots(where: $where) { nodes { rowId } } }"
    narrow = {"ownerUserId": {"eq": str(pot.owner_user_id)}}
    answer = await api(query, {"where": narrow | {"qrCodes": {"some": {}}}}, as_=pot.owner_user_id)
    without = await api(query, {"where": narrow | {"qrCodes": {"none": {}}}}, as_=pot.owner_user_id)

    assert answer["pots"]["nodes"] == [{"rowId": str(pot.id)}]
    assert without["pots"]["nodes"] == [{"rowId": str(other.id)}]


async def test_texts_are_found_letter_for_letter(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    texts = ["100%", "100", "a_b", "axb", "back\\slash", "Été", "été", "o'neil", "😀", "", "NULL", None]
    user = await with_coins(make, owner, [{"category": text} for text in texts])
    by_text = {row["category"]: row["id"] for row in user.coins}

    async def those(**condition: Any) -> set[str | None]:
        ids = await found(api, user, {"category": condition})
        return {text for text, id_ in by_text.items() if id_ in ids}

    assert await those(contains="%") == {"100%"}
    assert await those(contains="_") == {"a_b"}
    assert await those(contains="\\") == {"back\\slash"}
    assert await those(contains="") == set(texts) - {None}
    assert await those(startsWith="100") == {"100%", "100"}
    assert await those(startsWith="a_") == {"a_b"}
    assert await those(ilike="A_B") == {"a_b", "axb"}
    assert await those(ilike="a\\_b") == {"a_b"}
    assert await those(ilike="É%") == {"Été", "été"}
    assert await those(eq="o'neil") == {"o'neil"}
    assert await those(eq="😀") == {"😀"}
    assert await those(eq="NULL") == {"NULL"}
    assert await those(notIn=["", "100"]) == set(texts) - {"", "100"}
    assert await those(ne="") == set(texts) - {""}
    assert (await api(LIST, {"where": {"category": {"ilike": "x\\"}}}, as_=user)).codes == ["BAD_USER_INPUT"]


async def test_a_value_longer_or_finer_than_the_column_is_equal_to_nothing(as_staff: Ask, make: Factory) -> None:
    long = uuid4().hex
    metric = await make(BusinessMetric, metric_type=long + "x" * 18, metric_value=Decimal("1.0050"))
    query = "query ($where: BusinessMetricWhere) { list: businessMetrics(where: $where) { nodes { rowId } } }"

    async def finds(**condition: Any) -> bool:
        narrow = {"metricType": {"startsWith": long}}
        return bool((await as_staff(query, {"where": {"and": [narrow, condition]}}))["list"]["nodes"])

    assert await finds(metricType={"in": [metric.metric_type]})
    for name in ("eq", "in"):
        value = metric.metric_type + "tail"
        assert not await finds(metricType={name: [value] if name == "in" else value})
    assert await finds(metricType={"notIn": [metric.metric_type + "tail"]})
    assert await finds(metricValue={"eq": "1.005"})
    assert not await finds(metricValue={"eq": "1.00501"})
    assert not await finds(metricValue={"in": ["1.00501", "1.00499"]})
    assert await finds(metricValue={"lt": "1.00501", "gt": "1.00499"})
    assert await finds(metricValue={"lt": "99999999999999999999.99999999"})


async def test_arrays_json_addresses_times_and_dates(as_staff: Ask, make: Factory) -> None:
    both = await make(User, roles=["user", "partner"])
    wallet = await make(CryptoWallet, user_id=both.id, supported_currencies=["BTC", "ETH"])
    session = await make(
        UserSession, user_id=both.id, ip_address="10.1.2.3", device_info='{"os": "ios", "n": [1, 2.50]}'
    )
    await make(NotificationPreferences, user_id=both.id, quiet_hours_start=time(22, 30))
    metric = await make(BusinessMetric, metric_type=uuid4().hex, metric_date=date(2026, 2, 28))

    async def finds(kind: str, field: str, **where: Any) -> bool:
        query = f"query ($where: {kind}Where) {{ list: {field}(where: $where) {{ nodes {{ id }} }} }}"
        return bool((await as_staff(query, {"where": where}))["list"]["nodes"])

    async def user(**condition: Any) -> bool:
        return await finds("User", "users", id={"eq": str(both.id)}, roles=condition)

    assert await user(has="PARTNER")
    assert not await user(has="ADMIN")
    assert await user(overlaps=["ADMIN", "USER"])
    assert not await user(overlaps=[])
    assert not await user(isNull=True)

    async def currencies(**condition: Any) -> bool:
        return await finds("CryptoWallet", "cryptoWallets", id={"eq": str(wallet.id)}, supportedCurrencies=condition)

    assert await currencies(has="BTC")
    assert not await currencies(has="BT")
    assert await currencies(overlaps=["X", "ETH"])

    async def device(**condition: Any) -> bool:
        return await finds("UserSession", "userSessions", id={"eq": str(session.id)}, deviceInfo=condition)

    assert await device(contains={"os": "ios"})
    assert await device(contains={"n": [2.5]})
    assert not await device(contains={"os": "android"})
    assert await device(hasKey="os")
    assert not await device(hasKey="o")

    async def address(**condition: Any) -> bool:
        return await finds("UserSession", "userSessions", id={"eq": str(session.id)}, ipAddress=condition)

    assert await address(eq="10.1.2.3")
    assert await address(**{"in": ["10.1.2.3", "::1"]})
    assert await address(notIn=["10.1.2.3/8"])
    assert not await address(ne="10.1.2.3")

    async def quiet(**condition: Any) -> bool:
        return await finds(
            "NotificationPreferences",
            list_field(NotificationPreferences),
            userId={"eq": str(both.id)},
            quietHoursStart=condition,
        )

    assert await quiet(gte="22:30", lt="22:30:00.000001")
    assert await quiet(**{"in": ["22:30:00"]})

    async def day(**condition: Any) -> bool:
        return await finds("BusinessMetric", "businessMetrics", id={"eq": str(metric.id)}, metricDate=condition)

    assert await day(eq="2026-02-28")
    assert not await day(gt="2026-02-28")


async def test_moments_are_compared_to_the_microsecond_in_any_zone(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await with_coins(make, owner, [{"timestamp": datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)}])
    only = {user.coins[0]["id"]}

    assert await found(api, user, {"timestamp": {"eq": "2026-03-01T13:00:00.123456+01:00"}}) == only
    assert await found(api, user, {"timestamp": {"eq": "2026-03-01T12:00:00.123457Z"}}) == set()
    assert (
        await found(
            api, user, {"timestamp": {"gte": "2026-03-01T12:00:00.123456Z", "lt": "2026-03-01T12:00:00.123457Z"}}
        )
        == only
    )
    assert (
        await found(api, user, {"timestamp": {"gt": "0001-01-01T00:00:00Z", "lt": "9999-12-31T23:59:59.999999Z"}})
        == only
    )


async def test_ids_are_global_or_raw_and_of_the_right_type(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await with_coins(make, owner, [{}])
    (coin,) = user.coins
    own, person = global_id(CryptoTransaction, (coin["id"],)), global_id(User, (user.id,))

    for given_ in (own, str(coin["id"]), str(coin["id"]).upper()):
        assert await found(api, user, {"id": {"eq": given_}}) == {coin["id"]}
        assert await found(api, user, {"id": {"notIn": [given_]}}) == set()
    assert await found(api, user, {"userId": {"in": [person, str(uuid4())]}}) == {coin["id"]}
    for bad in (person, "x", "", "\0", own[:-3], coin["id"].hex, "{" + str(coin["id"]) + "}"):
        for where in ({"id": {"eq": bad}}, {"id": {"in": [own, bad]}}, {"walletId": {"ne": bad}}):
            assert (await api(LIST, {"where": where}, as_=user)).codes == ["BAD_USER_INPUT"], bad
    wrong = await api(LIST, {"where": {"id": {"eq": person}}}, as_=user)
    assert "User" in wrong.errors[0]["message"]
    assert "CryptoTransaction" in wrong.errors[0]["message"]


async def test_a_face_takes_the_ids_of_what_it_shows(as_staff: Ask, make: Factory) -> None:
    pot = await make(Pot, visibility="public", status="open")
    answer = await as_staff(
        "query ($id: ID!) { pot(id: $id) { id contributions(where: {potId: {eq: $id}}) { nodes { potId } totalCount } } }",
        {"id": global_id(Pot, (pot.id,))},
    )
    assert answer["pot"]["contributions"] == {"nodes": [], "totalCount": 0}


@pytest.mark.parametrize(
    "where",
    [
        {"category": {"eq": None}}, {"category": None}, {"category": {"isNull": None}}, {"category": {"in": None}},
        {"and": None}, {"or": None}, {"not": None}, {"wallet": None}, {"blockNumber": {"lt": None}},
    ],
    ids=str,
)  # fmt: skip
async def test_null_is_refused_and_the_answer_names_is_null(api: Api, member: SimpleNamespace, where: Any) -> None:
    answer = await api(LIST, {"where": where}, as_=member)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert re.search("isNull|leave it out", answer.errors[0]["message"])


async def test_no_filter_is_null_or_empty_or_left_out(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await with_coins(make, owner, [{}, {}])
    every = {row["id"] for row in user.coins}

    for where in (None, {}, {"and": []}, {"and": [{}]}, {"category": {}}, {"not": {"or": []}}, {"id": {"notIn": []}}):
        assert await found(api, user, where) == every, where
    for where in ({"or": []}, {"not": {}}, {"id": {"in": []}}):
        assert await found(api, user, where) == set(), where


async def test_too_many_and_too_deep_conditions_are_refused(api: Api, member: SimpleNamespace) -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"not": deep}
    for where in (
        {"or": [{"currency": {"eq": "BTC"}}] * 101},
        {"or": [{"not": {}}] * 5000},
        {"and": [{"wallet": {}}] * 101},
        deep,
        {"id": {"in": [str(uuid4())] * 1001}},
    ):
        answer = await api(LIST, {"where": where}, as_=member)
        assert answer.codes == ["BAD_USER_INPUT"]
        assert re.search(r"at most \d+", answer.errors[0]["message"])
    assert (await api(LIST, {"where": {"or": [{"currency": {"eq": "BTC"}}] * 100}}, as_=member)).errors == []
    literal = "{ cryptoTransactions(where: " + "{not: " * 1200 + "{}" + "}" * 1200 + ") { nodes { id } } }"
    assert set((await api(literal, as_=member)).codes) <= {
        "BAD_USER_INPUT",
        "QUERY_TOO_COMPLEX",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
    }


SLOW = [
    {"title": {"contains": "a"}}, {"title": {"ilike": "a%"}}, {"title": {"ne": "a"}}, {"galleryImages": {"hasKey": "a"}},
    {"not": {"title": {"eq": "a"}}}, {"or": [{"id": {"in": []}}, {"title": {"contains": "a"}}]},
    {"ownerProfile": {"fullName": {"eq": "a"}}}, {"donations": {"some": {}}},
]  # fmt: skip


@pytest.mark.parametrize("where", SLOW, ids=str)
async def test_slow_filters_of_an_unbounded_table_need_a_narrow_one(
    api: Api, as_staff: Ask, member: SimpleNamespace, where: Any
) -> None:
    rows = "query ($where: PotWhere) { pots(where: $where) { nodes { id } } }"
    counted = "query ($where: PotWhere) { potsAggregate(where: $where) { count } }"
    under = f'query ($where: PotWhere) {{ user(id: "{member.id}") {{ pots(where: $where) {{ nodes {{ id }} totalCount }} potsAggregate(where: $where) {{ count }} }} }}'

    for query in (rows, counted):
        for caller in (member, None):
            answer = await api(query, {"where": where}, as_=caller)
            assert answer.codes == ["BAD_USER_INPUT"]
            assert "ownerUserId" in answer.errors[0]["message"]
        narrow = where | {"ownerUserId": {"eq": str(member.id)}}
        assert (await api(query, {"where": narrow}, as_=member)).errors == []
        assert (await as_staff(query, {"where": where})).errors == []
    assert (await api(under, {"where": where}, as_=member)).errors == []
