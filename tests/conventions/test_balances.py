"""A balance changes together with its posting: no rule writes the one beside the other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.pots import Pot
from models.treasury import DaoTreasury, UserBalance

ROOT = Path(__file__).resolve().parents[2]
# What the ledger's entries prove, and nothing else may change.
BALANCES = frozenset(
    column.key
    for column in (
        Pot.balance_cfa, Pot.raised_cfa, UserBalance.available_balance, UserBalance.pending_balance,
        UserBalance.locked_balance, UserBalance.total_balance, DaoTreasury.available_balance,
        DaoTreasury.allocated_balance, DaoTreasury.reserve_balance, DaoTreasury.total_balance,
    )
)  # fmt: skip
# Where a posting changes the balances of its accounts, and what a pot has raised with them.
LEDGER, GIFTS = ROOT / "resolvers/ledger", ROOT / "resolvers/pots/gifts.py"


def written(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The attributes that are assigned, and the columns of UPDATE and INSERT statements: line and name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values":
            yield from ((node.lineno, keyword.arg) for keyword in node.keywords if keyword.arg)


@pytest.mark.parametrize("folder", ["gql", "lango", "resolvers"])
def test_no_rule_writes_a_balance_beside_its_posting(folder: str) -> None:
    assert [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        if LEDGER not in file.parents and file != GIFTS
        for line, name in written(ast.parse(file.read_text(encoding="utf-8")))
        if name in BALANCES
    ] == []


@pytest.mark.parametrize(
    "text",
    ["pot.raised_cfa -= 1", "pot.balance_cfa = 1", "a.balance_cfa, b = 1, 2", "update(Pot).values(raised_cfa=1)"],
)
def test_what_is_written_is_found(text: str) -> None:
    assert [name for _, name in written(ast.parse(text)) if name in BALANCES] != []
