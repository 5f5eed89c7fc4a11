"""The rules that a document is validated by: GraphQL's own and Strawberry's, bounded and in slices."""

from __future__ import annotations

from typing import Any

from graphql import (
    ASTValidationRule,
    Node,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    recommended_rules,
    specified_rules,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from lango.slices import pause

# Comparisons of fields under one key, of which n fields make n * n; the library allows five times as many, for which
# it takes seconds.
MOST_COMPARISONS = 100_000


class Budget(int):
    """What is left of the comparisons; each is a place to pause."""

    def __sub__(self, spent: int) -> Budget:
        pause()
        return Budget(int(self) - spent)


class MergedFields(OverlappingFieldsCanBeMergedRule):
    """The rule that compares fields with one another, which is the only one whose work grows faster than a document."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = Budget(MOST_COMPARISONS)


class Pauses(ASTValidationRule):
    """Finds nothing: each node of the document is a place to pause."""

    def enter(self, _node: Node, *_: Any) -> None:
        pause()


RULES = tuple(
    MergedFields if rule is OverlappingFieldsCanBeMergedRule else rule
    for rule in (*specified_rules, *recommended_rules, MaybeNullValidationRule, OneOfInputValidationRule, Pauses)
)
