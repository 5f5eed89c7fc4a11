"""graphql-core: the parts of its executor and of its rules that have no name of their own at its top."""

from __future__ import annotations

from typing import Any

from graphql import OverlappingFieldsCanBeMergedRule
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import CollectedErrors, Executor
from graphql.pyutils import Path, gather_with_cancel, inspect

__all__ = ["CollectedErrors", "Executor", "FieldDetails", "Path", "gather_with_cancel", "inspect", "limit_comparisons"]


def limit_comparisons(rule: OverlappingFieldsCanBeMergedRule, budget: Any) -> None:
    """How many fields the rule may compare with one another: it subtracts from the budget, and ends with it."""
    rule.rule_context.remaining_complexity_budget = budget
