"""The SQL of a dozen queries, approved: what the planner makes of them stands in `approved/`, to be reviewed.

A change of the planner that changes a statement fails here with the difference. Where it is meant, write the files
anew, look at `git diff`, and commit them with it:

    LANGO_APPROVE=1 make test TESTS=tests/planner/test_approved_sql.py
"""

from __future__ import annotations

import difflib
import os

import pytest

from gql.kit.planner.explain import Planned, laid_out
from tests.planner.queries import CALLERS, FOLDER, question, questions, statements


def written(planned: Planned) -> str:
    """A statement as its file shows it, with its parameters, and what Python does."""
    lines = [f"-- {planned.key}{': ' + planned.reason if planned.sql is None else ''}"]
    lines += [f"-- ${number} = {value!r}" for number, value in enumerate(planned.values, 1)]
    lines += [f"-- Python fills in {name}" for name in planned.in_python]
    if planned.sql is not None:
        lines.append(f"{planned.lines};")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", questions())
def test_the_statement_is_the_approved_one(name: str) -> None:
    query, file = question(name), FOLDER / f"{name}.sql"

    made = "\n".join(written(planned) for planned in statements(query.text, query.variables, CALLERS[query.caller]))

    if os.environ.get("LANGO_APPROVE") == "1":
        file.write_text(made, encoding="utf-8")
    approved = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = difflib.unified_diff(approved.splitlines(), made.splitlines(), "approved", "made", lineterm="")
    difference = "\n".join(lines)
    assert not difference, (
        f"{difference}\n\nWhere this is meant, run it once with LANGO_APPROVE=1 and commit {file.name}."
    )


def test_every_approved_statement_is_of_a_query() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.sql")) == questions()


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        (
            "SELECT 'x (SELECT FROM ''y'' WHERE' || a FROM t WHERE a IS DISTINCT FROM $1",
            ["SELECT 'x (SELECT FROM ''y'' WHERE' || a", "FROM t", "WHERE a IS DISTINCT FROM $1"],
        ),
        (
            "SELECT '{\"a\":' || (SELECT b \nFROM u \nWHERE c = count(*) FILTER (WHERE d)) || ',\"e\":' || E'\\n' FROM \"a (b\"",
            ["SELECT '{\"a\":' || (", "  SELECT b", "  FROM u", "  WHERE c = count(*) FILTER (WHERE d)", ") ||",
             "  ',\"e\":' || E'\\n'", 'FROM "a (b"'],
        ),
    ],
)  # fmt: skip
def test_a_statement_is_laid_out_without_a_change(sql: str, lines: list[str]) -> None:
    assert laid_out(sql).splitlines() == lines
    assert "".join(laid_out(sql).split()) == "".join(sql.split())
