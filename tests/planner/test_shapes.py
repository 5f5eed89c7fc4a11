"""Where planners go wrong: each question by hand, asked both ways as a member and as staff, and compared strictly."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from gql.kit.node import MIRRORED, global_id, key_columns
from tests.planner.bothways import BothWays, difference
from tests.planner.documents import SHARE_TOKEN

NOTHING = "00000000-0000-4000-8000-000000000000"


def key(length: int, last: str) -> str:
    return "k" * (length - 1) + last


@dataclass(frozen=True)
class Shape:
    """A question; a variable `@Pot.public` is that row's id. `cursors` come from lists that are asked for first, and
    `codes` are what staff get."""

    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    codes: tuple[str, ...] = ()


BAD = ("BAD_USER_INPUT",)
NULLS = "orderBy: [{closedAt: ASC_NULLS_FIRST}, {preferredPackId: DESC}, {createdAt: DESC}]"
NULLS_PAGE = f"{{ page: pots(first: 4, {NULLS}) {{ edges {{ cursor }} }} }}"
CYCLE_OF_ONES = "profile { user { " * 6
CYCLE_OF_LISTS = "ownerUser { pots(first: 1) { nodes { " * 3
EVERY_SIDE = "edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"
NONE = "(where: {id: {in: []}})"

KEYS = {
    f"keys of {length} letters that differ in the last": Shape(
        f"{{ pots(first: 3) {{ {key(length, 'a')}: nodes {{ {key(length, 'x')}: title {key(length, 'y')}: id"
        f" {key(length, 'z')}: ownerUser {{ {key(length, 'x')}: id {key(length, 'y')}: createdAt }} }}"
        f" {key(length, 'b')}: totalCount }} {key(length, 'r')}: viewer {{ {key(length, 'p')}: pots {{ totalCount }}"
        f" {key(length, 'q')}: pots(first: 0) {{ totalCount }} }} }}"
    )
    for length in (63, 64, 65, 200)
} | {
    "300 aliased fields on one object": Shape(
        "query ($id: ID!) { pot(id: $id) { "
        + " ".join(f"a{n}: {['id', 'title', 'createdAt', 'galleryImages', 'raisedCfa'][n % 5]}" for n in range(300))
        + " } }",
        {"id": "@Pot.public"},
    ),
    "150 relations on one object": Shape(
        "query ($id: ID!) { pot(id: $id) { "
        + " ".join(f"a{n}: {['ownerUser { id }', 'donations(first: 1) { totalCount }'][n % 2]}" for n in range(150))
        + " } }",
        {"id": "@Pot.public"},
    ),
    "keys that are words of SQL": Shape(
        "{ pots(first: 2) { nodes { select: id from: title null: status user: ownerUser { order: id _: email __a: phone }"
        " data: raisedCfa row: createdAt key: birthdayDate } } }"
    ),
    "keys that are names of other fields": Shape(
        "{ pots(first: 3) { nodes { id: title title: id ownerUserId: ownerUser { email: id id: email } ownerUser: status } } }"
    ),
    "the order of keys is that of the document": Shape(
        "{ b: pots(first: 1) { totalCount nodes { title id createdAt } } a: viewer { z: id a: id } c: __typename }"
    ),
}
NESTING = {
    "to-one relations to the depth that is allowed": Shape(
        f"{{ pots(first: 2) {{ nodes {{ ownerUser {{ {CYCLE_OF_ONES} id {'} ' * 12} }} }} }} }}"
    ),
    "lists in lists to the depth that is allowed": Shape(
        f"{{ pots(first: 3) {{ nodes {{ {CYCLE_OF_LISTS} id ownerUser {{ id }} {'} ' * 9} }} }} }}"
    ),
    "one level too deep": Shape(
        f"{{ pots(first: 2) {{ nodes {{ ownerUser {{ {CYCLE_OF_ONES} profile {{ id }} {'} ' * 12} }} }} }} }}",
        codes=("QUERY_TOO_COMPLEX",),
    ),
    "empty lists at all levels": Shape(
        f"{{ none: pots{NONE} {{ {EVERY_SIDE} }} pots(first: 5) {{ nodes {{ donations{NONE} {{ {EVERY_SIDE} }}"
        f" ownerUser {{ pots{NONE} {{ {EVERY_SIDE} nodes {{ donations {{ nodes {{ id }} }} }} }} }} }} }}"
        f" none2: potsAggregate{NONE} {{ count sum {{ raisedCfa }} min {{ createdAt }} }}"
        f" none3: potsAggregate(where: {{id: {{in: []}}}}, groupBy: [{{status: true}}]) {{ count }} }}"
    ),
    "lists of 0, 1, some and many rows side by side": Shape(
        "{ users(first: 100) { nodes { id pots(first: 30) { nodes { id title } totalCount } donations(last: 2) { nodes { id } }"
        " potsAggregate: pots(first: 0) { totalCount } } } }"
    ),
    "a parent whose key is null": Shape(
        "{ pots(first: 50) { nodes { preferredPack { id partner { name packs(first: 2) { nodes { id } } } } } } }"
    ),
}
ALIKE = {
    "a column under several keys": Shape(
        "{ pots(first: 3) { nodes { a: title b: title c: galleryImages d: galleryImages e: closedAt f: closedAt g: __typename"
        " h: __typename id ownerUser { x: email y: email z: id } } } }"
    ),
    "a list under several keys, and a column of its rows": Shape(
        "{ pots(first: 4) { nodes { a: donations(first: 2) { nodes { p: status q: status } totalCount }"
        " b: donations(first: 2) { nodes { p: status q: status } totalCount } c: donations(first: 1) { totalCount }"
        " d: ownerUser { p: email q: email } e: ownerUser { p: email q: email } } } }"
    ),
    "the parts of a list under several keys": Shape(
        "{ pots(first: 3, orderBy: [{title: ASC}]) { a: nodes { id x: title y: title } b: nodes { id x: title y: title }"
        " c: edges { p: node { title } q: node { title } r: cursor s: cursor } d: edges { cursor } e: totalCount f: totalCount"
        " g: pageInfo { p: endCursor q: endCursor r: hasNextPage s: hasNextPage }"
        " h: pageInfo { p: endCursor q: endCursor r: hasNextPage s: hasNextPage } } }"
    ),
    "the parts of groups under several keys": Shape(
        "{ potsAggregate(groupBy: [{status: true}]) { a: count b: count c: group { p: status q: status } d: sum { p: raisedCfa"
        " q: raisedCfa } e: sum { p: raisedCfa q: raisedCfa } } viewer { a: potsAggregate { count } b: potsAggregate { count } } }"
    ),
    "a root field under several keys": Shape(
        "query ($id: ID!, $bad: ID!) { a: pot(id: $id) { p: title q: title } b: pot(id: $id) { p: title q: title } c: pot(id: $id)"
        " { title } d: __typename e: __typename x: pot(id: $bad) { id } y: pot(id: $bad) { id } }",
        {"id": "@Pot.public", "bad": "x"},
        codes=BAD * 2,
    ),
}
MERGED = {
    "a field twice with different fields below": Shape(
        "{ pots(first: 2) { nodes { id } } pots(first: 2) { totalCount nodes { title ownerUser { id } } }"
        " pots(first: 2) { nodes { ownerUser { email } id } pageInfo { endCursor } } }"
    ),
    "across fragments": Shape(
        "query ($id: ID!) { pot(id: $id) { ...A ownerUser { id } ...B } } fragment A on Pot { ownerUser { email profile { id } }"
        " donations(first: 2) { nodes { id } } } fragment B on Pot { donations(first: 2) { totalCount nodes { status ...C } }"
        " ownerUser { profile { fullName } } title } fragment C on Donation { pot { id } amountCfa }",
        {"id": "@Pot.public"},
    ),
    "where one of the two is skipped": Shape(
        "query ($no: Boolean!) { pots(first: 2) { nodes { ownerUser @skip(if: true) { id } ownerUser { email } title"
        " title @include(if: $no) id @include(if: $no) id } } }",
        {"no": False},
    ),
    "the place of a key is that of its first field": Shape(
        "{ pots(first: 1) { nodes { title ...F id createdAt } } } fragment F on Pot { createdAt title status }"
    ),
    "the same relation with different arguments": Shape(
        "{ users(first: 5) { nodes { a: pots(first: 1) { nodes { id } } b: pots(last: 1) { nodes { id } }"
        " c: pots(where: {visibility: {eq: PUBLIC}}) { totalCount } d: pots(orderBy: [{title: ASC}]) { nodes { title } }"
        " e: potsAggregate { count } f: potsAggregate(groupBy: [{visibility: true}]) { count group { visibility } } } } }"
    ),
}
DIRECTIVES = {
    "every field of an object is skipped": Shape(
        "query ($yes: Boolean = true) { pots(first: 2) { nodes { id @skip(if: true) ownerUser @skip(if: $yes) { id } } }"
        " viewer { ...F @skip(if: $yes) } page: pots(first: 1) { pageInfo { endCursor @skip(if: true) } edges { node { id"
        " @include(if: false) } } } sums: potsAggregate { sum { raisedCfa @skip(if: true) } } } fragment F on User { id }"
    ),
    "every field of Query is skipped": Shape(
        "query ($no: Boolean!) { viewer @include(if: $no) { id } }", {"no": False}
    ),
    "every field of a connection is skipped": Shape("{ pots(first: 1) { nodes @skip(if: true) { id } } }"),
    "both directives on one field": Shape(
        "query ($a: Boolean = false, $b: Boolean!) { viewer { a: id @skip(if: $a) @include(if: $b) b: id @skip(if: $b)"
        " @include(if: $b) ... @include(if: $b) { c: id } ... on User @skip(if: $b) { d: id } } }",
        {"b": True},
    ),
}
NODES = {
    "fragments on Node and on types": Shape(
        "query ($id: ID!, $ids: [ID!]!) { node(id: $id) { ...N ... on Pot { title ...N ownerUser { ...N } } ... on User { email } }"
        " nodes(ids: $ids) { __typename ... on Node { id ... on User { pots(first: 1) { nodes { ...N title } } } }"
        " ... on User { label: email } ... on Pack { name about: description } ... on Pot { name: title label: description } ... on ProfileCategory { ruleType } } }"
        " fragment N on Node { id __typename ... on Pot { status } }",
        {
            "id": "@Pot.public",
            "ids": [
                "@User.owner", "@Pot.public", "@User.owner", "@Pack.active", "@ProfileCategory.ours", "@Pot.private",
                "@User.stranger", "@Pot.deleted", f"?Pot:{NOTHING}", "@Dao.theirs", "@AnalyticsEvent.owner's",
                "@PublicProfile.owner's", "@Trader.minor's", "@SubscriptionLimit.free", "@Pot.public",
            ],
        },
    ),
    "no ids at all": Shape("{ nodes(ids: []) { id } }"),
    "one id for a list": Shape("query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Pot { title } } }", {"ids": "@Pot.public"}),
    "no id of the API beside others": Shape(
        'query ($id: ID!) { a: node(id: $id) { id } b: node(id: "x") { id } c: node(id: "") { id } d: nodes(ids: ["x"]) { id } }',
        {"id": "@Pot.public"}, codes=BAD,
    ),
    "a bad id in a filter of which nothing is shown": Shape(
        '{ packs(where: {partnerId: {ne: "é"}}) { edges @skip(if: true) { cursor } __typename } }', codes=BAD
    ),
    "an id of another type": Shape("query ($id: ID!) { pot(id: $id) { id } viewer { id } }", {"id": "@User.owner"}, codes=BAD),
    "a row's key for an id": Shape("query ($id: ID!) { pot(id: $id) { id } node(id: $id) { id } }", {"id": NOTHING}, codes=BAD),
    "one that may not be seen": Shape("query ($id: ID!) { pot(id: $id) { id title } }", {"id": "@Pot.ward's"}),
    "nothing but the name of the type": Shape(
        "query ($id: ID!) { node(id: $id) { __typename } nodes(ids: [$id]) { __typename } viewer { __typename } __typename }",
        {"id": "@Pot.public"},
    ),
}  # fmt: skip
VARIABLES = {
    "in a leaf of a filter, in a list, and as a part of one": Shape(
        "query ($v: PotVisibility, $id: ID!, $leaf: PotVisibilityFilter, $part: PotWhere!) {"
        " a: pots(where: {visibility: {eq: $v}}) { totalCount } b: pots(where: {id: {in: [$id, $id]}}) { nodes { id } }"
        " c: pots(where: {visibility: $leaf}) { totalCount } d: pots(where: {and: [$part, {or: [$part]}], not: {not: $part}}) { totalCount }"
        " e: pots(where: {donations: {some: {pot: $part}}}) { nodes { id } } }",
        {"v": "PUBLIC", "id": "@Pot.public", "leaf": {"in": ["PUBLIC", "PRIVATE"]}, "part": {"raisedCfa": {"gte": 0}}},
    ),
    "a whole filter, a whole order": Shape(
        "query ($w: PotWhere, $o: [PotOrder!], $n: Int) { pots(where: $w, orderBy: $o, first: $n) { nodes { title } totalCount }"
        " viewer { pots(where: $w, orderBy: $o, first: $n) { nodes { title } totalCount } } }",
        {"w": {"title": {"ne": "x"}}, "o": [{"title": "DESC"}, {"createdAt": "ASC_NULLS_FIRST"}], "n": 5},
    ),
    "one key for a list of them": Shape(
        "query ($o: [PotOrder!], $k: PotOrder!, $d: SortDirection!) { a: pots(orderBy: $o, first: 3) { nodes { id } }"
        " b: pots(orderBy: [$k, {id: $d}], first: 3) { nodes { id } } c: pots(orderBy: {title: $d}, first: 3) { nodes { id } } }",
        {"o": {"title": "ASC"}, "k": {"status": "DESC"}, "d": "DESC"},
    ),
    "that are absent": Shape(
        "query ($w: PotWhere, $o: [PotOrder!], $n: Int, $a: String, $v: PotVisibilityFilter) {"
        " a: pots(where: $w, orderBy: $o, first: $n, after: $a) { nodes { id } totalCount }"
        " b: pots(where: {visibility: $v}, last: $n) { totalCount } c: potsAggregate(where: $w) { count } }"
    ),
    "that are null": Shape(
        "query ($w: PotWhere, $o: [PotOrder!], $n: Int, $a: String, $v: PotVisibilityFilter) {"
        " a: pots(where: $w, orderBy: $o, first: $n, after: $a) { nodes { id } totalCount } b: pots(where: {visibility: $v}) { totalCount } }",
        {"w": None, "o": None, "n": None, "a": None, "v": None}, codes=BAD,
    ),
    "with defaults": Shape(
        "query ($n: Int = 2, $m: Int = 2, $z: Int = 2, $w: PotWhere = {visibility: {in: [PUBLIC]}}, $o: [PotOrder!] = {title: DESC}, $zone: String! = \"Asia/Kathmandu\") {"
        " a: pots(first: $n, where: $w, orderBy: $o) { nodes { title } } b: pots(first: $m) { nodes { id } } c: pots(first: $z) { nodes { id } }"
        " d: potsAggregate(timeZone: $zone, groupBy: [{createdAt: DAY}]) { count group { createdAt } } }",
        {"m": 1, "z": None},
    ),
    "that are enums": Shape(
        "query ($b: TimeBucket!, $s: [PotStatus!], $k: [PotGroupBy!]) { a: potsAggregate(groupBy: [{createdAt: $b}, {visibility: true}]) {"
        " group { createdAt visibility } count } b: pots(where: {status: {in: $s}}) { totalCount } c: potsAggregate(groupBy: $k) { count group { birthdayDate status } } }",
        {"b": "WEEK", "s": ["OPEN", "CLOSED"], "k": [{"birthdayDate": "YEAR"}, {"status": True}]},
    ),
    "that are of the wrong type": Shape("query ($n: Int) { pots(first: $n) { totalCount } }", {"n": "3"}, codes=BAD),
    "that are missing": Shape("query ($id: ID!) { pot(id: $id) { id } }", codes=BAD),
    "that hold text of every kind": Shape(
        "query ($w: PotWhere) { pots(where: $w) { nodes { title } totalCount } }",
        {"w": {"or": [{"title": {"contains": text}} for text in ("\\", "'", '"', "%", "_", "\u2028", "😀", "$1", ":a", "\x01")]}},
    ),
}  # fmt: skip
PAGES = {
    "none from the front": Shape(f"{{ pots(first: 0) {{ {EVERY_SIDE} }} }}"),
    "none from the back": Shape(f"{{ pots(last: 0) {{ {EVERY_SIDE} }} viewer {{ pots(last: 0) {{ {EVERY_SIDE} }} }} }}"),
    "the last ones": Shape(f"{{ pots(last: 3) {{ {EVERY_SIDE} }} users(first: 4) {{ nodes {{ pots(last: 2) {{ {EVERY_SIDE} }} }} }} }}"),
    "nothing but where the page stands": Shape(
        "{ pots(first: 3) { pageInfo { endCursor hasNextPage } } users(first: 9) { nodes { pots(first: 1) { pageInfo { hasNextPage } } } } }"
    ),
    "nothing but the total": Shape("{ pots { totalCount } users(first: 9) { nodes { pots { totalCount } donations(first: 0) { t: totalCount } } } }"),
    "nothing but cursors": Shape("{ pots(first: 3) { edges { cursor } } users(first: 9) { nodes { pots(first: 2) { edges { cursor } } } } }"),
    "edges without their fields": Shape("{ pots(first: 3) { edges { __typename } nodes { __typename } __typename } }"),
    "after and before by variables, with nulls in the order": Shape(
        f"query ($a: String, $b: String) {{ after: pots(first: 3, after: $a, {NULLS}) {{ {EVERY_SIDE} }}"
        f" before: pots(last: 2, before: $b, {NULLS}) {{ {EVERY_SIDE} }} between: pots(after: $a, before: $b, {NULLS}) {{ {EVERY_SIDE} }}"
        f" users(first: 5) {{ nodes {{ pots(first: 3, after: $a, {NULLS}) {{ {EVERY_SIDE} }} }} }} }}",
        cursors={"a": NULLS_PAGE, "b": NULLS_PAGE.replace("first", "last")},
    ),
    "a cursor of another order": Shape(
        "query ($a: String) { pots(after: $a) { nodes { id } } viewer { id } }", cursors={"a": NULLS_PAGE}, codes=BAD
    ),
    "sizes that are refused": Shape(
        "{ a: pots(first: 101) { totalCount } b: pots(first: -1) { totalCount } c: pots(first: 1, last: 1) { totalCount } d: pots(first: 1) { totalCount } }",
        codes=BAD,
    ),
}  # fmt: skip
FAILURES = {
    "a bad cursor in a list under rows": Shape(
        '{ users(first: 4) { nodes { id pots(after: "x") { nodes { id } } } } viewer { id } }', codes=BAD
    ),
    "a bad cursor under a parent that may be null": Shape(
        '{ pots(first: 4) { nodes { id ownerUser { id donations(after: "x") { totalCount } } } } }', codes=BAD
    ),
    "a bad id in a filter under rows": Shape(
        'query ($id: ID!) { users(first: 4) { nodes { id pots(where: {preferredPackId: {eq: $id}}) { nodes { id } } } } }',
        {"id": "@User.owner"}, codes=BAD,
    ),
    "one of two fields of Query fails": Shape(
        '{ a: pots(where: {id: {eq: "x"}}) { nodes { id } } b: pots(first: 1) { nodes { id } } }', codes=BAD
    ),
    "all fields of Query fail": Shape(
        '{ a: pots(where: {id: {eq: "x"}}) { nodes { id } } b: pots(first: 1000) { nodes { id } } c: pot { id } }', codes=BAD
    ),
    "a bad zone, a key twice, no key": Shape(
        '{ a: potsAggregate(timeZone: "No/Where") { count } b: potsAggregate(groupBy: [{status: true}, {status: true}]) { count }'
        " c: potsAggregate(groupBy: [{status: false}]) { count } d: potsAggregate(first: -1) { count }"
        " users(first: 3) { nodes { pots: potsAggregate(timeZone: \"No/Where\") { count } } } }",
        codes=BAD,
    ),
    "an error under a relation that is null": Shape(
        '{ pots(first: 50) { nodes { preferredPack { qrCodes(after: "x") { totalCount } } } } }', codes=BAD
    ),
    "a number beyond its column": Shape(
        '{ a: cryptoTransactions(where: {amount: {gt: "99999999999999999999.99999999"}}) { totalCount } b: pots(where: {raisedCfa: {eq: 2147483647}}) { totalCount } }'
    ),
}  # fmt: skip
IN_PYTHON = {
    "at the root": Shape("query ($id: ID!) { qrCode(id: $id) { svg } }", {"id": "@QrCode.issued"}),
    "beside other fields": Shape(
        "query ($id: ID!) { qrCode(id: $id) { id svg code a: svg pot { id } pack { name } priceCfa } viewer { id } }",
        {"id": "@QrCode.issued"},
    ),
    "in a list under rows": Shape(
        "{ pots(first: 30) { totalCount nodes { id qrCodes(first: 2) { edges { cursor node { code svg pack { id } } } totalCount } ownerUser { id } } } }"
    ),
    "under node and nodes": Shape(
        "query ($id: ID!, $pot: ID!) { node(id: $id) { id ... on QrCode { svg pot { qrCodes(first: 1) { nodes { svg } } } } }"
        " nodes(ids: [$id, $pot]) { id ... on QrCode { svg } ... on Pot { title } } }",
        {"id": "@QrCode.issued", "pot": "@Pot.public"},
    ),
    "that is skipped": Shape(
        "query ($id: ID!, $no: Boolean = false) { qrCode(id: $id) { code svg @include(if: $no) } }", {"id": "@QrCode.issued"}
    ),
    "where there is none": Shape("query ($id: ID!) { qrCode(id: $id) { svg } }", {"id": NOTHING}),
}  # fmt: skip
SHARED = {
    "a pot by its token": Shape(
        "query ($t: String!) { pot(shareToken: $t) { id title contributions(first: 3) { nodes { amountCfa donorName } totalCount } ownerProfile { id } } }",
        {"t": SHARE_TOKEN},
    ),
    "a pot by its token and its id": Shape(
        "query ($t: String, $id: ID, $other: ID) { a: pot(shareToken: $t, id: $id) { id } b: pot(shareToken: $t, id: $other) { id } }",
        {"t": SHARE_TOKEN, "id": "@Pot.private", "other": "@Pot.public"},
    ),
    "a pot by no token that there is": Shape('{ a: pot(shareToken: "of-no-pot-at-all-it-is") { id } b: pot(shareToken: "x") { id } }'),
    "a pot by nothing": Shape("{ pot { id } }", codes=BAD),
}  # fmt: skip
SHAPES = {
    f"{group}: {name}": shape
    for group, shapes in {
        "keys": KEYS, "nesting": NESTING, "alike": ALIKE, "merged": MERGED, "directives": DIRECTIVES, "nodes": NODES,
        "variables": VARIABLES, "pages": PAGES, "failures": FAILURES, "in python": IN_PYTHON, "shared": SHARED,
    }.items()
    for name, shape in shapes.items()
}  # fmt: skip


@pytest.mark.parametrize("caller", ["owner", "staff"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_answered_alike(both: BothWays, name: str, caller: str) -> None:
    shape = SHAPES[name]
    variables = {key: resolved(both, value) for key, value in shape.variables.items()}
    for variable, query in shape.cursors.items():
        variables[variable] = both.ask(query, {}, caller)[1].data["page"]["edges"][1]["cursor"]

    planned, ordinary = both.ask(shape.query, variables, caller)

    assert difference(planned, ordinary) is None
    if caller == "staff":
        assert set(ordinary.codes) == set(shape.codes), ordinary.errors


def resolved(both: BothWays, value: Any) -> Any:
    """A value with the ids of the rows that it names."""
    if isinstance(value, list):
        return [resolved(both, item) for item in value]
    if isinstance(value, str) and value.startswith("@"):
        table, _, name = value[1:].partition(".")
        model = MIRRORED[table]
        faces = {"PublicProfile": "Profile", "Trader": "CryptoProfile"}
        row = both.rows.named[faces.get(table, table)][name]
        return global_id(model, tuple(getattr(row, column.name) for column in key_columns(model)))
    if isinstance(value, str) and value.startswith("?"):
        return base64.b64encode(value[1:].encode()).decode()
    return value
