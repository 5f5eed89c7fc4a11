"""Generated types go on fitting: the shape of the API changes where that is meant, and nowhere else."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

from graphql import build_schema

from tests.kit.shape import shape_of

ROOT = Path(__file__).parents[2]
APPROVED = Path(__file__).with_name("shape.txt")


def test_the_shape_is_the_one_that_was_agreed_on() -> None:
    printed = build_schema((ROOT / "schema.graphql").read_text())

    assert [*unified_diff(APPROVED.read_text().splitlines(), [*shape_of(printed)], lineterm="", n=0)] == []
