"""Pages of lists: no row is lost and none comes twice, whatever the order, the direction and the page's size."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client import Api
from tests.factories import Factory
from tests.kit.coins import START, coins, ordered, with_coins
from tests.kit.conftest import Ask

DIRECTIONS = ("ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_FIRST")
FIELDS = {
    "amount": "amount", "currency": "currency", "timestamp": "timestamp", "confirmations": "confirmations",
    "block_number": "blockNumber", "gas_price": "gasPrice", "category": "category", "status": "status",
}  # fmt: skip
LIST = """
    query ($first: Int, $after: String, $last: Int, $before: String, $order: [CryptoTransactionOrder!]) {
      list: cryptoTransactions(first: $first, after: $after, last: $last, before: $before, orderBy: $order) {
        edges { cursor node { rowId } }
        nodes { rowId }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
"""
orders = st.lists(
    st.tuples(st.sampled_from(sorted(FIELDS)), st.sampled_from(DIRECTIONS)), max_size=4, unique_by=lambda key: key[0]
)


def written(order: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{FIELDS[column]: direction} for column, direction in order]


def ids(page: dict[str, Any]) -> list[UUID]:
    assert [edge["node"] for edge in page["edges"]] == page["nodes"]
    return [UUID(node["rowId"]) for node in page["nodes"]]


async def walk(api: Api, user: SimpleNamespace, order: Any, size: int, *, backward: bool) -> list[UUID]:
    """All the pages, one after the other."""
    found: list[UUID] = []
    cursor = None
    while True:
        arguments = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        page = (await api(LIST, arguments | {"order": order}, as_=user))["list"]
        found = ids(page) + found if backward else found + ids(page)
        info = page["pageInfo"]
        assert info["startCursor"] == (page["edges"][0]["cursor"] if page["edges"] else None)
        assert info["endCursor"] == (page["edges"][-1]["cursor"] if page["edges"] else None)
        assert info["hasNextPage" if backward else "hasPreviousPage"] is (cursor is not None)
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return found
        assert len(page["edges"]) == size
        cursor = info["startCursor" if backward else "endCursor"]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(coins, max_size=14), order=orders, size=st.integers(1, 6))
async def test_all_pages_together_are_the_list(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], rows: list[dict[str, Any]], order: Any, size: int
) -> None:
    user = await with_coins(make, owner, rows)
    wanted = ordered(user.coins, order)

    assert ids((await api(LIST, {"first": 100, "order": written(order)}, as_=user))["list"]) == wanted
    assert await walk(api, user, written(order), size, backward=False) == wanted
    assert await walk(api, user, written(order), size, backward=True) == wanted


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(coins, min_size=3, max_size=10), order=orders, data=st.data())
async def test_between_two_cursors_is_what_lies_between(
    api: Api, make: Factory, owner: asyncpg.Pool[Any], rows: list[dict[str, Any]], order: Any, data: Any
) -> None:
    user = await with_coins(make, owner, rows)
    edges = (await api(LIST, {"first": 100, "order": written(order)}, as_=user))["list"]["edges"]
    low = data.draw(st.integers(0, len(edges) - 1))
    high = data.draw(st.integers(0, len(edges) - 1))
    bounds = {"after": edges[low]["cursor"], "before": edges[high]["cursor"], "order": written(order)}
    between = [UUID(edge["node"]["rowId"]) for edge in edges[low + 1 : high]]

    assert ids((await api(LIST, {"first": 2, **bounds}, as_=user))["list"]) == between[:2]
    assert ids((await api(LIST, {"last": 2, **bounds}, as_=user))["list"]) == between[-2:]
    assert ids((await api(LIST, bounds, as_=user))["list"]) == between


@pytest.mark.parametrize("planner", ["on", "off"])
async def test_the_row_of_a_cursor_lies_beyond_the_page(
    api: Api, ordinary: Api, make: Factory, owner: asyncpg.Pool[Any], planner: str
) -> None:
    """`first` with `before`, `last` with `after`: the schema says whether rows follow, whichever way it was read."""
    gateway = api if planner == "on" else ordinary
    rows = [{"created_at": START + timedelta(seconds=number)} for number in range(4)]
    user = await with_coins(make, owner, rows)
    edges = (await gateway(LIST, as_=user))["list"]["edges"]

    head = (await gateway(LIST, {"first": 5, "before": edges[2]["cursor"]}, as_=user))["list"]
    tail = (await gateway(LIST, {"last": 5, "after": edges[1]["cursor"]}, as_=user))["list"]

    assert head["edges"] == edges[:2]
    assert (head["pageInfo"]["hasPreviousPage"], head["pageInfo"]["hasNextPage"]) == (False, True)
    assert tail["edges"] == edges[2:]
    assert (tail["pageInfo"]["hasPreviousPage"], tail["pageInfo"]["hasNextPage"]) == (True, False)


async def test_rows_written_meanwhile_move_no_page(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    rows = [{"created_at": START + timedelta(microseconds=number)} for number in range(6)]
    user = await with_coins(make, owner, rows)
    first = (await api(LIST, {"first": 3}, as_=user))["list"]
    await owner.execute(
        "INSERT INTO trading.crypto_transactions (user_id, amount, currency, transaction_type)"
        " SELECT user_id, 1, 'NEW', 'deposit' FROM trading.crypto_transactions WHERE user_id = $1",
        user.id,
    )
    await owner.execute("DELETE FROM trading.crypto_transactions WHERE id = $1", ids(first)[-1])

    second = (await api(LIST, {"first": 3, "after": first["pageInfo"]["endCursor"]}, as_=user))["list"]

    assert ids(first) + ids(second) == ordered(user.coins, [])


async def test_without_sizes_a_page_has_20_rows_and_the_newest_come_first(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await with_coins(make, owner, [{"created_at": START + timedelta(seconds=number)} for number in range(22)])
    page = (await api(LIST, as_=user))["list"]

    assert ids(page) == ordered(user.coins, [])[:20]
    assert page["pageInfo"]["hasNextPage"] is True


async def test_a_page_of_size_zero_shows_whether_rows_follow(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    user = await with_coins(make, owner, [{}, {}])
    nobody = await with_coins(make, owner, [])
    nested = '{ user(id: "%s") { cryptoTransactions(first: 0) { nodes { id } pageInfo { hasNextPage } totalCount } } }'

    for who, some in ((user, True), (nobody, False)):
        page = (await api(LIST, {"first": 0}, as_=who))["list"]
        assert page["edges"] == []
        assert page["pageInfo"] == {
            "hasNextPage": some, "hasPreviousPage": False, "startCursor": None, "endCursor": None,
        }  # fmt: skip
        under = (await api(nested % who.id, as_=who))["user"]["cryptoTransactions"]
        assert under == {"nodes": [], "pageInfo": {"hasNextPage": some}, "totalCount": 2 if some else 0}


@pytest.mark.parametrize(
    "arguments",
    [{"first": 1, "last": 1}, {"first": -1}, {"last": -1}, {"first": 101}, {"last": 101}, {"first": 2**31 - 1}],
    ids=str,
)
@pytest.mark.parametrize("nested", [False, True], ids=["root", "nested"])
async def test_sizes_out_of_reason_are_refused(
    api: Api, member: SimpleNamespace, arguments: dict[str, int], nested: bool
) -> None:
    written = ", ".join(f"{key}: {value}" for key, value in arguments.items())
    query = f"cryptoTransactions({written}) {{ nodes {{ id }} }}"
    answer = await api(f'{{ user(id: "{member.id}") {{ {query} }} }}' if nested else f"{{ {query} }}", as_=member)

    assert answer.codes in (["BAD_USER_INPUT"], ["QUERY_TOO_COMPLEX"])


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode() if not isinstance(value, bytes) else value).decode()


async def test_cursors_of_elsewhere_and_forged_ones_are_refused(
    api: Api, make: Factory, owner: asyncpg.Pool[Any]
) -> None:
    user = await with_coins(make, owner, [{"gas_price": Decimal(2)}, {}])
    order = [
        {"gasPrice": "ASC"},
        {"status": "ASC"},
        {"confirmations": "ASC"},
        {"blockNumber": "ASC"},
        {"timestamp": "ASC"},
    ]
    real = (await api(LIST, {"first": 1, "order": order}, as_=user))["list"]["pageInfo"]["endCursor"]
    mark, *values = json.loads(base64.b64decode(real))
    other = (await api(LIST, {"first": 1}, as_=user))["list"]["pageInfo"]["endCursor"]
    forged = [
        "", " ", "garbage", "é", "\0", real[:-1], real[:-5], real + "AAAA", "A" * 100_000, other,
        encoded(b"\xff\xfe"), encoded(b"["), encoded(b"[" * 5000), encoded({}), encoded([]), encoded(None), encoded(1),
        encoded("text"), encoded([mark]), encoded([mark, *values, "x"]), encoded([mark, *values[:-1]]),
        encoded([mark[::-1], *values]),
    ]  # fmt: skip
    wrong = {
        0: ["NaN", "Infinity", "1e999999999", "x", "", 1, True, [], {}, "1" * 5000],
        1: ["unheard of", "", "PENDING", "\0", 1, [], None],
        2: [str(2**63), "1.5", "x", "１", [], None, "1" * 5000],
        3: [str(2**64), "-" + "9" * 30, "0x1", {}],
        4: ["2026-01-01", "2026-01-01 00:00:00", "infinity", "now", "", 5, None, "10000-01-01 00:00:00+00"],
        5: ["x", "", "\0", None, 7],
    }  # fmt: skip
    for place, bad in wrong.items():
        forged += [
            encoded([mark, *(one if index == place else value for index, value in enumerate(values))]) for one in bad
        ]

    for cursor in forged:
        for argument in ("after", "before"):
            answer = await api(LIST, {argument: cursor, "order": order}, as_=user)
            assert answer.codes == ["BAD_USER_INPUT"], cursor[:200]
            assert answer.body["data"] == {"list": None}
    # Within PostgreSQL's reach but not the column's: whatever it answers, it is no fault of ours.
    far = encoded([mark, "9" * 40, *values[1:2], str(2**62), *values[3:]])
    assert (await api(LIST, {"after": far, "order": order}, as_=user)).codes in ([], ["BAD_USER_INPUT"])


@pytest.mark.parametrize(("planned", "statements"), [(True, 1), (False, 2)])
async def test_a_total_is_counted_only_when_selected(
    api: Api, ordinary: Api, make: Factory, owner: asyncpg.Pool[Any], planned: bool, statements: int
) -> None:
    api = api if planned else ordinary
    user = await with_coins(make, owner, [{"currency": "BTC"}, {"currency": "ETH"}, {"currency": "ETH"}])
    async with api.counting() as plain:
        await api("{ cryptoTransactions(first: 1) { nodes { id } } }", as_=user)
    async with api.counting() as counted:
        answer = await api(
            '{ cryptoTransactions(first: 1, where: {currency: {eq: "ETH"}}) { nodes { id } totalCount } }', as_=user
        )

    assert answer["cryptoTransactions"]["totalCount"] == 2
    assert [len(plain), len(counted)] == [1, statements]
    assert not any("count(" in statement for statement in plain)


@pytest.mark.parametrize(
    "order", [[], [("gas_price", "DESC_NULLS_FIRST"), ("category", "ASC")], [("amount", "ASC")]], ids=str
)
async def test_each_parent_has_a_page_of_its_own(
    as_staff: Ask, make: Factory, owner: asyncpg.Pool[Any], order: list[tuple[str, str]]
) -> None:
    rows = [
        {
            "gas_price": [None, Decimal(1), Decimal(2)][number % 3],
            "category": "ab"[number % 2],
            "amount": Decimal(number % 4),
        }
        for number in range(9)
    ]
    people = [await with_coins(make, owner, rows[:count]) for count in (0, 1, 3, 9)]
    written_ = ", ".join(f"{{{FIELDS[column]}: {direction}}}" for column, direction in order)
    query = """
        query ($ids: [ID!]) { users(where: {id: {in: $ids}}) { nodes { rowId
          first: cryptoTransactions(first: 2, orderBy: [ORDER]) { nodes { rowId } pageInfo { hasNextPage hasPreviousPage endCursor } }
          last: cryptoTransactions(last: 2, orderBy: [ORDER]) { nodes { rowId } pageInfo { hasNextPage hasPreviousPage } }
          some: cryptoTransactions(first: 2, orderBy: [ORDER], where: {amount: {gte: 1}}) { nodes { rowId } totalCount }
          all: cryptoTransactions(orderBy: [ORDER]) { nodes { rowId } totalCount }
        } } }
    """.replace("ORDER", written_)
    users = (await as_staff(query, {"ids": [str(person.id) for person in people]}))["users"]["nodes"]
    found = {UUID(user["rowId"]): user for user in users}

    for person in people:
        wanted, user = ordered(person.coins, order), found[person.id]
        large = ordered([coin for coin in person.coins if coin["amount"] >= 1], order)
        assert [UUID(node["rowId"]) for node in user["first"]["nodes"]] == wanted[:2]
        assert [UUID(node["rowId"]) for node in user["last"]["nodes"]] == wanted[-2:]
        assert [UUID(node["rowId"]) for node in user["some"]["nodes"]] == large[:2]
        assert [UUID(node["rowId"]) for node in user["all"]["nodes"]] == wanted
        assert [user["some"]["totalCount"], user["all"]["totalCount"]] == [len(large), len(wanted)]
        assert user["first"]["pageInfo"]["hasNextPage"] is (len(wanted) > 2)
        assert user["last"]["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": len(wanted) > 2}


async def test_a_cursor_goes_on_under_its_parent(as_staff: Ask, make: Factory, owner: asyncpg.Pool[Any]) -> None:
    person = await with_coins(make, owner, [{"amount": Decimal(number)} for number in range(5)])
    await with_coins(make, owner, [{"amount": Decimal(number)} for number in range(5)])
    query = """
        query ($id: ID!, $after: String) { user(id: $id) {
          cryptoTransactions(first: 2, after: $after, orderBy: [{amount: ASC}]) {
            nodes { rowId } pageInfo { hasNextPage hasPreviousPage endCursor } } } }
    """
    found: list[UUID] = []
    after = None
    while True:
        page = (await as_staff(query, {"id": str(person.id), "after": after}))["user"]["cryptoTransactions"]
        found += [UUID(node["rowId"]) for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == ordered(person.coins, [("amount", "ASC")])
    bad = await as_staff(query, {"id": str(person.id), "after": "x"})
    assert bad.codes == ["BAD_USER_INPUT"]


async def test_orders_have_at_most_8_keys_and_each_names_one_column(api: Api, member: SimpleNamespace) -> None:
    many = await api(LIST, {"order": [{"amount": "ASC"}] * 9}, as_=member)
    two = await api(LIST, {"order": [{"amount": "ASC", "currency": "ASC"}]}, as_=member)
    none = await api(LIST, {"order": [{}]}, as_=member)
    null = await api(LIST, {"order": [{"amount": None}]}, as_=member)
    nothing = await api(LIST, {"order": None}, as_=member)

    assert [answer.codes for answer in (many, two, none, null)] == [["BAD_USER_INPUT"]] * 4
    assert nothing.errors == []
