"""Every table and face, read in every way by every kind of caller: what comes back is what the rule says."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

import gql.schema
from gql.kit.naming import camel, plural, singular
from gql.kit.node import MIRRORED, global_id, key_columns
from gql.kit.relations import ends, relations
from models.columns import SECRET
from tests.access.conftest import World
from tests.access.expected import CALLERS, RENAMED, STAFF, TABLES, UNLISTED

# A relation over a column that is granted to staff alone.
STAFFS = ("LedgerTransaction", "created_by_user")
every_table = pytest.mark.parametrize("table", list(TABLES))


def expected(table: str, caller: str) -> set[str]:
    return {name for name, row in TABLES[table].items() if caller in row.seen_by}


def lists(table: str) -> str:
    return camel(plural(MIRRORED[table]))


def by_key(world: World, table: str) -> dict[str, Any]:
    """A filter on the first column of the key that names every row of the world, seen or not."""
    column = key_columns(MIRRORED[table])[0]
    keys = [getattr(row, column.name) for row in world.rows[table].values()]
    return {camel(column.name): {"in": [str(key) for key in keys]}}


def test_every_type_is_in_the_matrix() -> None:
    assert set(TABLES) == set(MIRRORED)


def concerned(*tables: str) -> list[str]:
    """Those who see of these tables something else than a stranger does, a stranger, and nobody."""
    listed = [
        caller
        for caller in CALLERS
        if caller in ("stranger", "nobody")
        or any(expected(table, caller) != expected(table, "stranger") for table in tables)
    ]
    same = all(expected(table, "staff") == expected(table, "super_admin") for table in tables)
    return [caller for caller in listed if not (same and caller == "super_admin")]


@cache
def every_way(table: str, *, brief: bool) -> str:
    """One operation that reads the table in each way there is; in brief, in one way of each kind."""
    listed = lists(table)
    if table in UNLISTED and brief:
        return "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    if brief:
        return f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ id }} all: {listed}(first: 100) {{ nodes {{ id }} totalCount }} }}"
    one, order = camel(singular(MIRRORED[table])), camel(key_columns(MIRRORED[table])[0].name)
    parameters = "".join(f", $id{index}: ID!" for index in range(len(TABLES[table])))
    singles = "\n".join(f"  one{index}: {one}(id: $id{index}) {{ id }}" for index in range(len(TABLES[table])))
    if table in UNLISTED:
        return f"query ($ids: [ID!]!{parameters}) {{ nodes(ids: $ids) {{ id }}\n{singles} }}"
    return f"""
      query ($ids: [ID!]!, $where: {table}Where!{parameters}) {{
        all: {listed}(first: 100) {{ nodes {{ id }} edges {{ node {{ id }} }} totalCount }}
        ordered: {listed}(first: 100, orderBy: [{{ {order}: DESC }}]) {{ nodes {{ id }} }}
        fromTheEnd: {listed}(last: 100) {{ nodes {{ id }} }}
        named: {listed}(first: 100, where: $where) {{ nodes {{ id }} totalCount }}
        total: {listed}Aggregate {{ count }}
        namedTotal: {listed}Aggregate(where: $where) {{ count }}
        groups: {listed}Aggregate(groupBy: [{{ {"rowId" if order == "id" else order}: true }}], first: 1000) {{ count }}
        nodes(ids: $ids) {{ id }}
      {singles}
      }}
    """


@every_table
async def test_who_sees_which_rows(world: World, table: str) -> None:
    ids = world.ids(table)
    variables = {"ids": ids, **{f"id{index}": id_ for index, id_ in enumerate(ids)}}
    if table not in UNLISTED:
        variables["where"] = by_key(world, table)
    at_length = {"owner", "guardian", "would_be_guardian", *concerned(table)}

    wrong = {}
    for caller in CALLERS:
        brief = caller not in at_length
        answer = await world.ask(every_way(table, brief=brief), caller, {"ids": ids} if brief else variables)
        rows = expected(table, caller)
        differing = {way: got for way, got in ways(world, answer.data).items() if got not in (rows, len(rows))}
        if differing:
            wrong[caller] = {"expected": rows, **differing}

    assert not wrong


def ways(world: World, data: dict[str, Any]) -> dict[str, set[str] | int]:
    """The names, or the number, of the rows that each way of reading gave."""
    found: dict[str, set[str] | int] = {"nodes by id": world.called(data["nodes"])}
    if singles := [row for field, row in data.items() if field.startswith("one")]:
        found["single fields"] = world.called(singles)
    if "all" in data:
        found |= {"list": world.called(data["all"]["nodes"]), "totalCount": data["all"]["totalCount"]}
    if "named" in data:
        found |= {
            "edges": world.called([edge["node"] for edge in data["all"]["edges"]]),
            "ordered list": world.called(data["ordered"]["nodes"]),
            "list from the end": world.called(data["fromTheEnd"]["nodes"]),
            "filter by key": world.called(data["named"]["nodes"]),
            "totalCount of the filter": data["named"]["totalCount"],
            "aggregate": int(data["total"][0]["count"]),
            "aggregate of the filter": int(data["namedTotal"][0]["count"]),
            "groups": sum(int(group["count"]) for group in data["groups"]),
        }
    return found


@cache
def nested(table: str) -> str:
    """Each relation of each row, and the filters that go through the relations."""
    inside, through = [], []
    for relation in relations(MIRRORED[table]):
        field = camel(relation.key)
        if relation.uselist:
            inside.append(f"{field}(first: 100) {{ nodes {{ id }} totalCount }} {field}Aggregate {{ count }}")
            condition = f"{{ {field}: {{ some: {{}} }} }}"
        else:
            inside.append(f"{field} {{ id }}")
            condition = f"{{ {field}: {{}} }}"
        if table not in UNLISTED and (table, relation.key) != STAFFS:
            where = f"{{ and: [$where, {condition}] }}"
            through.append(f"{field}: {lists(table)}(first: 100, where: {where}) {{ nodes {{ id }} totalCount }}")
    parameters = f", $where: {table}Where!" if through else ""
    return (
        f"query ($ids: [ID!]!{parameters}) {{ nodes(ids: $ids) {{ id ... on {table} {{ {' '.join(inside)} }} }}"
        f" {' '.join(through)} }}"
    )


def stored_as(table: str, column: str) -> str:
    """What the column of a face is called in the table that it shows a part of."""
    return RENAMED.get((table, column), column)


def related(world: World, table: str, relation: Any, caller: str) -> dict[str, set[str]]:
    """For each row that the caller sees, the rows at the relation's other end that the caller sees as well."""
    here, there = ends(relation)
    target = relation.mapper.class_.__name__
    if (table, relation.key) == STAFFS and caller not in STAFF.split():
        return {name: set() for name in expected(table, caller)}
    return {
        name: {
            other
            for other in expected(target, caller)
            if (key := getattr(world.rows[table][name], stored_as(table, here))) is not None
            and getattr(world.rows[target][other], stored_as(target, there)) == key
        }
        for name in expected(table, caller)
    }


def those_who_may_see_another_end(table: str) -> list[str]:
    """Everyone for whom a relation of the table may lead elsewhere than for a stranger."""
    if table == "User":
        # Everybody sees a user of their own, with fifty relations: one of each kind is enough.
        return ["owner", "minor", "guardian", "buyer", "cashier", "dao_admin", "card_owner", "staff", "nobody"]
    ends_there = {relation.mapper.class_.__name__ for relation in relations(MIRRORED[table])}
    return concerned(table, *(ends_there - {"User"}))


@pytest.mark.parametrize("table", [table for table in TABLES if relations(MIRRORED[table])])
async def test_who_sees_which_rows_through_a_relation(world: World, table: str) -> None:
    query = nested(table)
    variables = {"ids": world.ids(table)}
    if "$where" in query:
        variables["where"] = by_key(world, table)

    wrong: dict[tuple[str, ...], Any] = {}
    for caller in those_who_may_see_another_end(table):
        data = (await world.ask(query, caller, variables)).data
        rows = {world.names[row["id"]]: row for row in data["nodes"] if row is not None}
        for relation in relations(MIRRORED[table]):
            field, wanted = camel(relation.key), related(world, table, relation, caller)
            for name, seen in wanted.items():
                got = rows[name][field]
                if relation.uselist:
                    numbers = {got["totalCount"], int(rows[name][f"{field}Aggregate"][0]["count"])}
                    if (world.called(got["nodes"]), numbers) != (seen, {len(seen)}):
                        wrong[caller, name, field] = (seen, got, numbers)
                elif world.called([got]) != seen:
                    wrong[caller, name, field] = (seen, got)
            if field in data:
                with_some = {name for name, seen in wanted.items() if seen}
                found = data[field]
                if (world.called(found["nodes"]), found["totalCount"]) != (with_some, len(with_some)):
                    wrong[caller, "where", field] = (with_some, found)

    assert not wrong


@every_table
async def test_what_is_hidden_does_not_exist(world: World, table: str) -> None:
    model = MIRRORED[table]
    key = tuple(getattr(next(iter(world.rows[table].values())), column.name) for column in key_columns(model))
    other = "Pot" if table != "Pot" else "Pack"
    foreign = next(iter(world.ids(other)))
    # The last part of a key that nobody has; a plan's name is no secret.
    missing = global_id(model, (*key[:-1], "pro") if table == "SubscriptionLimit" else (uuid4(), *key[1:]))
    hidden = [world.id(table, name) for name in TABLES[table] if name not in expected(table, "stranger")]
    field = camel(singular(model))

    unseen = await world.ask(*asking_for(field, [missing, *hidden]), variables=given(missing, *hidden))
    refused = await world.ask(*asking_for(field, [foreign, "nonsense"]), variables=given(foreign, "nonsense"))

    assert set(unseen.data.values()) == {None}
    assert set(refused.body["data"].values()) == {None}
    # A plan's key is a text, and any text may be one.
    assert refused.codes == ["BAD_USER_INPUT"] * (1 if table == "SubscriptionLimit" else 2)


def asking_for(field: str, ids: list[str]) -> tuple[str, str]:
    parameters = ", ".join(f"$id{index}: ID!" for index in range(len(ids)))
    fields = " ".join(f"found{index}: {field}(id: $id{index}) {{ id }}" for index in range(len(ids)))
    return f"query ({parameters}) {{ {fields} }}", "stranger"


def given(*ids: str) -> dict[str, str]:
    return {f"id{index}": id_ for index, id_ in enumerate(ids)}


async def test_who_caused_a_movement_is_for_staff_alone(world: World) -> None:
    query = """
      query ($where: LedgerTransactionWhere) {
        ledgerTransactions(where: $where) { nodes { id createdBy createdByUser { id } } totalCount }
      }
    """
    fee, owner = world.id("LedgerTransaction", "fee"), world.id("User", "owner")
    the_fee = {"id": {"eq": fee}}

    mine = (await world.ask(query, "owner", {"where": the_fee}))["ledgerTransactions"]
    staffs = (await world.ask(query, "staff", {"where": the_fee}))["ledgerTransactions"]
    with capture_logs():
        direct = await world.ask(query, "owner", {"where": {**the_fee, "createdBy": {"eq": owner}}})
        through = await world.ask(query, "owner", {"where": {**the_fee, "createdByUser": {"id": {"eq": owner}}}})

    assert mine["nodes"] == [{"id": fee, "createdBy": None, "createdByUser": None}]
    assert staffs["nodes"] == [{"id": fee, "createdBy": owner, "createdByUser": {"id": owner}}]
    # A filter would reveal what the field does not.
    for answer in (direct, through):
        assert answer.codes in (["FORBIDDEN"], ["BAD_USER_INPUT"])


def test_no_secret_is_in_the_schema() -> None:
    shown = gql.schema.schema._schema.type_map
    secrets = [
        (name, camel(column.name))
        for name, model in MIRRORED.items()
        for column in model.table().columns
        if column.info.get(SECRET)
    ]
    assert len(secrets) > 15
    for name, field in secrets:
        for kind in (name, f"{name}Where", f"{name}Order", f"{name}Group", f"{name}GroupBy", f"{name}Distinct"):
            assert field not in shown[kind].fields, (kind, field)  # type: ignore[union-attr]


def test_only_types_marked_unlisted_have_no_list() -> None:
    fields = gql.schema.schema._schema.query_type.fields  # type: ignore[union-attr]
    assert {table for table in TABLES if lists(table) not in fields} == UNLISTED
