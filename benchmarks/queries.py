"""The queries: each with its values, and its text for each peer in `documents/`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from benchmarks.database import Facts
from benchmarks.places import DOCUMENTS
from benchmarks.spending import (
    OF_CODES,
    OF_ESCROWS,
    OF_GIFTS,
    OF_POINTS,
    OF_SAME_ESCROWS,
    OF_SAME_GIFTS,
    OF_SAME_POINTS,
    Spending,
    Variables,
)

ANYONE = ("pot_owner", "anonymous")
ALL_DIALECTS = ("lango", "plain", "postgraphile")
PAGES_OF_WIDE = 5


@dataclass(frozen=True, slots=True)
class Place:
    """The cursor of the row of this number in the list of pots, newest first; -1 is before the first.

    Each peer writes its cursors in its own way, so each peer gives its own.
    """

    number: int


@dataclass(frozen=True, slots=True)
class Query:
    """A query or mutation, who sends it, and the values that requests take turns with, or that each spends."""

    name: str
    title: str
    # The demo caller, or who else it is.
    caller: str
    variants: Callable[[Facts], list[Variables]] = lambda _: []
    # Who else must get the same answer from all peers.
    compared_as: tuple[str, ...] = ()
    document: str = ""
    # Another page size than the document's.
    rows: int | None = None
    # Of a mutation: each call spends rows of its own.
    spends: Spending | None = None
    # The dialects of the peers that can do it.
    dialects: tuple[str, ...] = ALL_DIALECTS

    def text(self, dialect: str) -> str:
        """The document for peers of this dialect, in one line: what a client's build step sends."""
        return text_of(self.document or self.name, dialect, self.rows)

    def variables(self, dialect: str, given: Variables) -> Variables:
        """Those of the values that the document takes."""
        taken = names_in(self.text(dialect))
        return {name: value for name, value in given.items() if name in taken}


@cache
def text_of(document: str, dialect: str, rows: int | None) -> str:
    text = " ".join((DOCUMENTS / f"{document}.{dialect}.graphql").read_text().split())
    return text if rows is None else re.sub(r"first: \d+", f"first: {rows}", text)


@cache
def names_in(text: str) -> frozenset[str]:
    """The variables of a document."""
    return frozenset(re.findall(r"\$(\w+):", text))


def pots_by_id(facts: Facts) -> list[Variables]:
    return [{"id": str(key)} for key in facts.public_pots]


def pages(size: int, many: int) -> Callable[[Facts], list[Variables]]:
    return lambda _: [{"after": Place(size * number - 1)} for number in range(many)]


def five_pages(_facts: Facts) -> list[Variables]:
    """500 rows as five root fields of 100, which begin at different rows."""
    return [{f"p{page}": Place(start + 100 * page - 1) for page in range(PAGES_OF_WIDE)} for start in range(0, 320, 40)]


def windows(days: int, many: int) -> Callable[[Facts], list[Variables]]:
    def listed(facts: Facts) -> list[Variables]:
        last = facts.last_donation.replace(hour=0, minute=0, second=0, microsecond=0)
        ends = [last - timedelta(days=7 * number) for number in range(many)]
        return [{"from": (end - timedelta(days=days)).isoformat(), "to": end.isoformat()} for end in ends]

    return listed


QUERIES = (
    Query("point", "one pot by its id", "member", pots_by_id, ANYONE),
    Query("list", "50 pots, 8 columns", "member", pages(50, 8), ANYONE),
    Query("nested", "20 pots, profiles, 10 contributions each, packs, partners", "member", pages(20, 20), ANYONE),
    Query(
        "nested-staff", "20 pots, owners, 10 donations each with donors, 10 codes each, packs, partners", "admin",
        pages(20, 20), ("super_admin",),
    ),
    Query("wide", "500 pots, 8 columns (five pages of 100)", "member", five_pages, ("pot_owner",)),
    Query("aggregate", "own donations by day: count and sum", "member", windows(360, 5), ("pot_owner",)),
    Query(
        "aggregate-staff", "all donations of 30 days by day: count and sum", "admin", windows(30, 8),
        ("super_admin",), document="aggregate",
    ),
    Query("redeem", "redeemQrCode, each time another code", "cashier", spends=OF_CODES),
    Query("redeem-keyed", "the same with an idempotency key", "cashier", spends=OF_CODES),
    Query(
        "convertPoints", "each sponsor's points for a pot of their own", "sponsor", spends=OF_POINTS,
        dialects=("lango",),
    ),
    Query(
        "releaseEscrow", "each between a seller and a buyer of its own", "seller", spends=OF_ESCROWS,
        dialects=("lango",),
    ),
    Query(
        "donate", "each donor to a pot of its own, paid in the sandbox of Wave", "donor", spends=OF_GIFTS,
        dialects=("lango",),
    ),
)  # fmt: skip
# The same rules where every call must lock the same rows in turn: only where they are named.
ON_SAME_ROWS = (
    Query(
        "convertPoints-same", "one sponsor's points, for one pot", "sponsor", spends=OF_SAME_POINTS,
        dialects=("lango",), document="convertPoints",
    ),
    Query(
        "releaseEscrow-same", "all between one seller and one buyer", "seller", spends=OF_SAME_ESCROWS,
        dialects=("lango",), document="releaseEscrow",
    ),
    Query(
        "donate-same", "all to one pot", "donor", spends=OF_SAME_GIFTS, dialects=("lango",), document="donate",
    ),
)  # fmt: skip
BY_NAME = {query.name: query for query in (*QUERIES, *ON_SAME_ROWS)}


def growth(rows: int) -> Query:
    """A list of so many pots; its text is the list's with another page size."""
    return Query(f"list of {rows}", f"{rows} pots, 8 columns", "member", pages(rows, 4), document="list", rows=rows)
