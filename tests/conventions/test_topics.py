"""Topics of events and kinds of ledger transactions are listed once, and what is listed is in use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from models.columns import Documented
from models.ledger import LedgerKind
from models.topics import Topic
from resolvers.ledger.proofs import OF_BALANCES, POSTINGS
from tests.conventions.test_models import empty

ROOT = Path(__file__).resolve().parents[2]
# How a kind of ledger transaction is named in SQL.
IN_SQL = re.compile(r"\b[a-z]\.kind (?:= ('\w+')|IN \(([^)]+)\))")


def trees(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        yield file, ast.parse(file.read_text(encoding="utf-8"))


def members(node: ast.AST, kind: type[StrEnum]) -> set[str]:
    """The members of an enum that are named in a part of a module."""
    return {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == kind.__name__
    }


def used(kind: type[StrEnum]) -> set[str]:
    """The members that rules name, other than to compare with them or to prove what they did."""
    found = set[str]()
    for file, tree in trees("resolvers"):
        if file.name != "postings.py":
            compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
            for node in compared:
                node.comparators = []
            found |= members(tree, kind)
    return found


def watched() -> Iterator[str]:
    """The topics, and the families of topics (`pot.*`), that subscriptions are for."""
    for _, tree in trees("gql"):
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "topics":
                yield from (Topic[name] for name in members(node.value, Topic))
                yield from (each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant))


@pytest.mark.parametrize("kind", [Topic, LedgerKind])
def test_every_member_is_explained_and_used(kind: type[Documented]) -> None:
    assert [member for member in kind if empty(member.value, member.doc)] == []
    assert {member.name for member in kind} == used(kind)


def test_a_topics_name_is_its_text() -> None:
    assert [topic for topic in Topic if topic.name != topic.value.replace(".", "_").upper()] == []


def test_every_topic_that_is_watched_is_published() -> None:
    topics = set(watched())

    assert {"pot.*", "trade.*", Topic.QR_CODE_REDEEMED} <= topics
    assert [topic for topic in topics if not topic.endswith(".*") and topic not in set(Topic)] == []
    families = {topic.removesuffix("*") for topic in topics if topic.endswith(".*")}
    assert {family for family in families if not any(topic.startswith(family) for topic in Topic)} == set()


@pytest.mark.parametrize("folder", ["resolvers", "gql", "seeds"])
def test_no_topic_is_written_as_text(folder: str) -> None:
    assert [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for file, tree in trees(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in set(Topic)
    ] == []


def test_sql_names_only_kinds_that_there_are() -> None:
    found = {
        kind.strip(" '")
        for file in (ROOT / "resolvers").rglob("*.py")
        for one, several in IN_SQL.findall(file.read_text(encoding="utf-8"))
        for kind in (one or several).split(",")
        if "{" not in kind
    }

    assert len(found) > 4
    assert found <= set(LedgerKind)


def test_every_kind_of_posting_is_proved() -> None:
    proved = {kind for posting in POSTINGS for kind in posting.kinds}

    assert set(LedgerKind) - proved == OF_BALANCES
