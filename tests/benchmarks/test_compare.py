"""Answers are compared as data: what a schema may write in its own way counts as the same, and nothing else."""

from __future__ import annotations

import pytest

from benchmarks.compare import is_empty, neutral
from benchmarks.load import length_of
from benchmarks.queries import BY_NAME


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"status": "OPEN"}, {"status": "open"}),
        ({"createdAt": "2026-01-02T03:04:05.000000Z"}, {"createdAt": "2026-01-02T04:04:05+01:00"}),
        ({"sum": {"amountCfa": "12"}}, {"sum": {"amountCfa": 12}}),
        ({"endCursor": "abc"}, {"endCursor": "def"}),
        ({"paymentUrl": "http://127.0.0.1:1/a"}, {"paymentUrl": "http://127.0.0.1:2/b"}),
        ({"code": "EXPIRED", "message": "This code expired yesterday."}, {"code": "EXPIRED", "message": "Expired."}),
        (
            {"days": [{"group": {"createdAt": "2026-01-02T00:00:00Z"}, "count": "2", "sum": {"amountCfa": "5"}}]},
            {"days": {"groupedAggregates": [
                {"keys": ["2026-01-02T00:00:00+00:00"], "count": {"rowId": "2"}, "sum": {"amountCfa": "5"}}]}},
        ),
    ],
)  # fmt: skip
def test_what_schemas_write_in_their_own_way_is_the_same(one: object, other: object):
    assert neutral(one) == neutral(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"title": "A"}, {"title": "a"}),
        ({"nodes": [1, 2]}, {"nodes": [2, 1]}),
        ({"endCursor": "abc"}, {"endCursor": None}),
        ({"paymentUrl": "http://127.0.0.1:1/a"}, {"paymentUrl": None}),
        ({"code": "EXPIRED", "message": "Expired."}, {"code": "CANCELLED", "message": "Expired."}),
        ({"createdAt": "2026-01-02T03:04:05.000001Z"}, {"createdAt": "2026-01-02T03:04:05Z"}),
        ({"a": None}, {}),
    ],
)
def test_anything_else_is_a_difference(one: object, other: object):
    assert neutral(one) != neutral(other)


def test_an_answer_of_nothing_is_empty():
    assert is_empty({"pots": {"nodes": [], "pageInfo": {"hasNextPage": False}}})
    assert not is_empty({"pot": {"title": "A"}})


def test_an_answers_length_is_in_its_head():
    assert length_of(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") == 43
    assert length_of(b"HTTP/1.1 200 OK\r\nContent-Le") == -1


@pytest.mark.parametrize("dialect", ["lango", "plain", "postgraphile"])
def test_every_query_has_a_document_for_each_dialect_that_can_do_it(dialect: str):
    known = [query.text(dialect) for query in BY_NAME.values() if dialect in query.dialects]

    assert known
    assert all(text.startswith(("query", "mutation")) for text in known)
