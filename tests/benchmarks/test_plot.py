"""The picture of the results is whole, the same each time, and shows each query."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.load import Slice
from benchmarks.measure import FLOOR, Series
from benchmarks.plot import drawn
from benchmarks.queries import BY_NAME
from benchmarks.report import TITLES, summary_rows
from benchmarks.servers import ALL, LANGO

LARGEST = 60_000


def series(query: str, peer: str, rate: int, workers: int = 1, connections: int = 32) -> Series:
    part = Slice(rate, 1.0, 0, "", 700.0, 1.0, 2.0, 3.0, {"server": 1.0, "postgres": 1.0})
    return Series(query, peer, workers, connections, [part])


def everything() -> list[Series]:
    """Every peer on every query that it can do, under six loads."""
    return [
        series(query.name, peer, 100 + 37 * place, workers, connections)
        for query in BY_NAME.values()
        for workers in (1, 2)
        for connections in (1, 8, 32)
        for place, peer in enumerate(
            [
                *(peer.name for peer in ALL if peer.dialect in query.dialects),
                *([FLOOR] if len(query.dialects) > 1 else []),
            ]
        )
    ]


def texts(picture: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314


def test_each_query_and_peer_is_named_in_a_small_picture():
    picture = drawn(everything())

    named = texts(picture)
    assert set(BY_NAME) <= set(named)
    assert {TITLES[peer.name] for peer in ALL if peer is not LANGO} <= set(named)
    assert len(picture.encode()) < LARGEST
    assert drawn(everything()) == picture


@pytest.mark.parametrize(("rate", "shown"), [(50, "2.00"), (100, "1.00"), (400, "0.25")])
def test_a_bar_has_the_value_of_its_ratio(rate: int, shown: str):
    assert shown in texts(drawn([series("list", "lango", 100), series("list", "postgraphile", rate)]))


def test_a_rule_that_no_other_gateway_has_says_so():
    measured = [series("donate", "lango", 100), series("list", "lango", 100), series("list", "mercurius", 90)]

    assert "no other gateway has this rule" in texts(drawn(measured))
    assert [row["x Mercurius, JIT and loaders"] for row in summary_rows(measured)] == ["no such rule", "1.11"]
