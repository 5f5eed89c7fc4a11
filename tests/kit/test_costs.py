"""What an operation costs over the real schema: by objects, by the lengths of texts, by mutations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode

from gql.schema import schema
from lango.errors import QueryTooComplex
from lango.graphql.documents import Documents
from lango.observability.metrics import Metrics
from lango.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/dashboards.md", "docs/sandbox.md")
FOLDERS = ("benchmarks/documents/*.lango.graphql", "tests/planner/approved/*.graphql")
DOCUMENTS = {
    f"{page} {number}": text
    for page in PAGES
    for number, text in enumerate(re.findall(r"```graphql\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL))
} | {path.name: path.read_text("utf-8") for folder in FOLDERS for path in sorted(ROOT.glob(folder))}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(schema, Settings(_env_file=None), Metrics())


def costs(documents: Documents, text: str, variables: dict[str, Any] | None = None) -> list[int]:
    """The cost of each operation of a document."""
    document = documents.get_at_once(text)
    operations = [node for node in document.query.document.definitions if isinstance(node, OperationDefinitionNode)]
    return [documents.check_cost(document, operation, variables or {}) for operation in operations]


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_typical_frontend_queries_are_far_below_the_limit(documents: Documents, text: str) -> None:
    assert max(costs(documents, text)) < Settings(_env_file=None).max_cost / 4


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # A title has 200 characters at most, an image's address 500, a description as many as it likes.
        ("{ pot { id rowId status createdAt raisedCfa } }", 1),
        ("{ pots(first: 100) { nodes { id status } } }", 1 + 100),
        ("{ pots(first: 100) { nodes { description } } }", 1 + 100 + 100 * 1_000 // 4_000),
        ("{ pots(first: 100) { nodes { description again: description } } }", 1 + 100 + 2 * 100 * 1_000 // 4_000),
        ("{ pots(first: 100) { nodes { galleryImages } } }", 1 + 100 + 100 * 4),
        ("{ pots(first: 100) { edges { node { galleryImages } } } }", 1 + 100 * 2 + 100 * 4),
        (
            "{ pots(first: 10) { nodes { ...F ...F } } } fragment F on Pot { galleryImages ... on Node { id } }",
            1 + 10 + 80,
        ),
        ("{ potsAggregate(first: 10, groupBy: [{status: true}]) { group { status } } }", 1 + 10 * 2),
    ],
)
def test_texts_cost_by_their_lengths(documents: Documents, query: str, expected: int) -> None:
    assert costs(documents, query) == [expected]


def test_a_column_under_many_aliases_is_refused_by_its_name(documents: Documents) -> None:
    aliases = " ".join(f"a{number}: paymentDetails" for number in range(90))
    query = (
        f"{{ cryptoPrices(first: 1) {{ nodes {{ symbol }} }} cryptoTrades(first: 100) {{ nodes {{ id {aliases} }} }} }}"
    )

    with pytest.raises(QueryTooComplex) as refused:
        costs(documents, query)

    requested = 1 + 1 + 1 + 100 + 90 * 100 * 4
    assert refused.value.extensions == {
        "code": "QUERY_TOO_COMPLEX", "cost": {"requested": requested, "limit": 20_000},
        "field": "cryptoTrades.nodes.a0",
    }  # fmt: skip
    assert f"costs {requested} objects; at most 20000 are allowed" in refused.value.message
    assert "`cryptoTrades.nodes.a0`" in refused.value.message


GIVE = 'donate(input: {potId: "x", amountCfa: 500, phone: "+221770000000"}) { receiptToken }'
SEE = 'recordPotView(input: {potId: "x"}) { userErrors { code } }'


def test_a_mutation_costs_more_than_what_is_read_of_it(documents: Documents) -> None:
    assert costs(documents, f"mutation {{ {GIVE} }}") == [10 + 1]
    assert costs(documents, f"mutation {{ a: {GIVE} b: {GIVE} }}") == [2 * (10 + 1)]


@pytest.mark.parametrize("field", [GIVE, SEE])
def test_many_mutations_in_one_request_are_refused(documents: Documents, field: str) -> None:
    ten = " ".join(f"a{number}: {field}" for number in range(10))

    assert costs(documents, f"mutation {{ {ten} }}")
    with pytest.raises(QueryTooComplex, match="11 mutations; at most 10"):
        costs(documents, f"mutation {{ {ten} more: {field} }}")
    with pytest.raises(QueryTooComplex, match="11 mutations; at most 10"):
        costs(documents, f"mutation {{ {ten} ...More }} fragment More on Mutation {{ more: {field} }}")


def test_what_is_left_out_of_a_mutation_does_not_count(documents: Documents) -> None:
    ten = " ".join(f"a{number}: {SEE}" for number in range(10))
    query = f"mutation ($more: Boolean! = false) {{ {ten} ... @include(if: $more) {{ more: {SEE} }} a0: {SEE} }}"

    assert costs(documents, query)
    with pytest.raises(QueryTooComplex):
        costs(documents, query, {"more": True})
