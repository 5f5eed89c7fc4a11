"""Extreme values to every filter of every list: an answer or a typed refusal, and never an internal error."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLList, get_named_type, get_nullable_type

from gql.kit.kinds import kind_of
from gql.kit.relations import attributes
from models.base import Base
from tests.client import Api
from tests.kit.conftest import ENOUGH_ALIASES, LISTED, Ask, input_type, list_field, named

TEXTS = [
    "",
    "%",
    "_",
    "\\",
    "\\\\",
    "%\\",
    "'; DROP TABLE x; --",
    "$1",
    ":a",
    "😀\u202e\ufeff\uffff",
    "\x01\x7f",
    "\0",
    "x" * 3000,
]
IDS = [
    "",
    "x",
    "\0",
    "é",
    "////",
    "Og==",
    "VXNlcjo=",
    "VXNlcjp4",
    "VXNlcjoAAAA=",
    "00000000-0000-0000-0000-000000000000",
    "f" * 8 + "-ffff-ffff-ffff-" + "f" * 12,
    "x" * 5000,
]
EXTREMES: dict[str, list[Any]] = {
    "String": TEXTS,
    "ID": IDS,
    "UUID": IDS[-3:-1],
    "Boolean": [True, False],
    "Int": [0, 2**31 - 1, -(2**31)],
    "BigInt": ["0", str(2**63 - 1), str(-(2**63)), 5],
    "Decimal": ["0", "-0", "9" * 20 + "." + "9" * 8, "-" + "9" * 20 + "." + "9" * 8, "0.00000001", 12],
    "DateTime": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-01-01T00:00:00-23:59"],
    "Date": ["0001-01-01", "9999-12-31", "2024-02-29"],
    "Time": ["00:00", "23:59:59.999999"],
    "Inet": ["0.0.0.0/0", "255.255.255.255", "::/0", "::ffff:1.2.3.4", "10.1.2.3/8", "fe80::1"],
    "JSON": [{}, [], "", "x", 0, -1.5e300, True, {"": {"": [None]}}, "\\u0000", json.loads("[" * 60 + "]" * 60)],
}


def values_of(annotation: Any) -> list[Any]:
    """Extreme values of an operand's type."""
    kind = get_named_type(annotation)
    values = list(kind.values)[-1:] if isinstance(kind, GraphQLEnumType) else EXTREMES[kind.name]
    if isinstance(get_nullable_type(annotation), GraphQLList):
        return [[], values, *([value] for value in values[-1:])]
    return list(values)


def questions(filter_name: str) -> list[dict[str, Any]]:
    """Every operator of a filter with every extreme value."""
    fields = input_type(filter_name).fields
    return [{operator: value} for operator, field in fields.items() for value in values_of(field.type)]


def columns(model: type[Base]) -> dict[str, str]:
    """The fields of a model's `where` that are columns, with their filters."""
    fields = input_type(f"{model.__name__}Where").fields
    return {key: name for key, field in fields.items() if (name := named(field.type)).endswith("Filter")}


def representatives() -> list[tuple[type[Base], str, str]]:
    """One column for each filter over each type of column."""
    found: dict[tuple[str, str], tuple[type[Base], str, str]] = {}
    for model in LISTED:
        kinds = {key.rstrip("_"): str(column.type) for key, column in attributes(model).items()}
        assert all(kind_of(column) for column in attributes(model).values())
        by_field = dict(zip(columns(model), kinds.values(), strict=False))
        for key, name in columns(model).items():
            found.setdefault((name, by_field[key]), (model, key, name))
    return list(found.values())


async def refused_inside(
    ask: Any,
    wheres: list[tuple[type[Base], dict[str, Any]]],
    *,
    codes: tuple[str, ...] = ("BAD_USER_INPUT",),
    **caller: Any,
) -> list[str]:
    """Asks each by itself, in as few operations as can be; gives what came back that is no answer and no typed refusal."""
    broken = []
    for start in range(0, len(wheres), ENOUGH_ALIASES // 2):
        batch = wheres[start : start + ENOUGH_ALIASES // 2]
        names = ", ".join(f"$w{index}: {model.__name__}Where" for index, (model, _) in enumerate(batch))
        fields = " ".join(
            f"a{index}: {list_field(model)}(first: 1, where: $w{index}) {{ nodes {{ id }} }}"
            for index, (model, _) in enumerate(batch)
        )
        variables = {f"w{index}": where for index, (_, where) in enumerate(batch)}
        answer = await ask(f"query ({names}) {{ {fields} }}", variables, **caller)
        if answer.body.get("data") is None:
            broken.append(f"the whole of {batch[0]}…: {answer.errors[:1]}")
            continue
        broken += [
            f"{error['extensions']['code']}: {batch[int(error['path'][0][1:])]}"[:300]
            for error in answer.errors
            if error["extensions"]["code"] not in codes
        ]
        failed = {error["path"][0] for error in answer.errors}
        # What was refused took none of the others along.
        assert {key for key, value in answer.body["data"].items() if value is None} == failed
    return broken


@pytest.mark.parametrize("part", range(4))
async def test_every_operator_takes_every_extreme_of_its_kind(as_staff: Ask, filled: Any, part: int) -> None:
    wheres = [(model, {key: condition}) for model, key, name in representatives() for condition in questions(name)]
    assert len(wheres) > 1000

    assert await refused_inside(as_staff, wheres[part::4]) == []


@pytest.mark.parametrize("part", range(4))
async def test_every_list_takes_every_operator_on_every_column(
    api: Api, as_staff: Ask, filled: Any, member: SimpleNamespace, part: int
) -> None:
    # Every operator of a column at once, each with the last of its extremes.
    wheres = []
    for model in LISTED[part::4]:
        for key, name in columns(model).items():
            if name != "IDFilter":
                operators = input_type(name).fields.items()
                conditions = [{key: {operator: values_of(field.type)[-1]}} for operator, field in operators]
                wheres.append((model, {"or": [where for where in conditions if "\0" not in json.dumps(where)]}))

    assert await refused_inside(as_staff, wheres) == []
    assert await refused_inside(api, wheres[::9], codes=("BAD_USER_INPUT", "FORBIDDEN"), as_=member) == []


async def test_every_relation_can_be_filtered(api: Api, as_staff: Ask, filled: Any, member: SimpleNamespace) -> None:
    wheres: list[tuple[type[Base], dict[str, Any]]] = []
    for model in LISTED:
        for key, field in input_type(f"{model.__name__}Where").fields.items():
            name = named(field.type)
            if name.endswith("ListWhere"):
                wheres.append((model, {key: {"some": {}, "none": {"not": {}}, "every": {}}}))
            elif name.endswith("Where") and key not in ("and", "or", "not"):
                wheres.append((model, {key: {"not": {}}}))

    assert await refused_inside(as_staff, wheres) == []
    # Who made a ledger transaction is for staff: a question about it is refused as well.
    assert await refused_inside(api, wheres[::4], codes=("BAD_USER_INPUT", "FORBIDDEN"), as_=member) == []


async def beyond_the_column(ask: Any) -> str:
    """A forged cursor upon which PostgreSQL itself fails: its amount has more digits than the column."""
    query = "{ cryptoTransactions(first: 1, orderBy: [{amount: ASC}]) { edges { cursor } } }"
    (edge,) = (await ask(query))["cryptoTransactions"]["edges"]
    mark, _, key = json.loads(base64.b64decode(edge["cursor"]))
    return base64.b64encode(json.dumps([mark, "9" * 40, key]).encode()).decode()


async def test_a_statement_that_fails_takes_no_sibling_along(as_staff: Ask, filled: Any) -> None:
    answer = await as_staff(
        """query ($beyond: String) {
             first: users(first: 1) { nodes { id email } totalCount }
             broken: cryptoTransactions(orderBy: [{amount: ASC}], after: $beyond) { nodes { id } }
             second: pots(first: 1) { nodes { id ownerUser { id } } }
             refused: users(first: 100, last: 100) { nodes { id } }
             brokenToo: cryptoTransactions(orderBy: [{amount: ASC}], before: $beyond) { nodes { id } }
             third: usersAggregate { count }
             malformed: node(id: "x") { id }
             manyMalformed: nodes(ids: ["x"]) { id } }""",
        {"beyond": await beyond_the_column(as_staff)},
    )
    data = answer.body["data"]
    assert {key for key, value in data.items() if value is None} == {
        "broken",
        "refused",
        "brokenToo",
        "malformed",
        "manyMalformed",
    }
    assert set(answer.codes) == {"BAD_USER_INPUT"}


async def test_a_broken_reading_under_a_row_leaves_the_row(as_staff: Ask, filled: dict[str, SimpleNamespace]) -> None:
    answer = await as_staff(
        """query ($id: ID!, $beyond: String) { user(id: $id) { email }
           pot: user(id: $id) { cryptoTransactions(orderBy: [{amount: ASC}], after: $beyond) { nodes { id } } }
           last: user(id: $id) { id } }""",
        {"id": str(filled["User"].id), "beyond": await beyond_the_column(as_staff)},
    )
    assert answer.codes == ["BAD_USER_INPUT"]
    assert answer.body["data"]["pot"] is None
    assert answer.body["data"]["user"] is not None
    assert answer.body["data"]["last"] is not None
