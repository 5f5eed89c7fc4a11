"""The rules that a document is validated by: GraphQL's own and Strawberry's, bounded and in slices."""

from __future__ import annotations

import re
from typing import Any

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    Node,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    Visitor,
    recommended_rules,
    specified_rules,
    visit,
)

from lango.graphql.time_slices import pause
from lango.libraries.graphql_core import limit_comparisons
from lango.libraries.strawberry import MaybeNullValidationRule, OneOfInputValidationRule

# Digits of a number in a document. Python reads no more than some thousand, and no value that is taken has as many.
LONGEST_NUMBER = 1_000
# A number has a fraction and an exponent at most, so that one of its parts is then as long.
DIGITS = re.compile(rf"[0-9]{{{LONGEST_NUMBER // 4}}}")
MAX_ERRORS = 10
# Comparisons of fields under one key, of which n fields make n * n; the library allows five times as many, for which
# it takes seconds.
MAX_COMPARISONS = 100_000


class Budget(int):
    """What is left of the comparisons; each is a place to pause."""

    def __sub__(self, spent: int) -> Budget:
        pause()
        return Budget(int(self) - spent)


class MergedFields(OverlappingFieldsCanBeMergedRule):
    """The rule that compares fields with one another, which is the only one whose work grows faster than a document."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        limit_comparisons(self, Budget(MAX_COMPARISONS))


class Pauses(ASTValidationRule):
    """Finds nothing: each node of the document is a place to pause."""

    def enter(self, _node: Node, *_: Any) -> None:
        pause()


class NumberVisitor(Visitor):
    """Finds the numbers that are too long."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[GraphQLError] = []

    def enter_int_value(self, node: IntValueNode, *_: Any) -> None:
        self._check(node)

    def enter_float_value(self, node: FloatValueNode, *_: Any) -> None:
        self._check(node)

    def _check(self, node: IntValueNode | FloatValueNode) -> None:
        if len(node.value) > LONGEST_NUMBER:
            self.errors.append(GraphQLError(f"A number has at most {LONGEST_NUMBER} digits.", node))


def long_numbers(text: str, document: DocumentNode) -> list[GraphQLError]:
    """Errors about numbers that are too long; to be looked for before anything makes a number of them."""
    if not DIGITS.search(text):
        return []
    visitor = NumberVisitor()
    visit(document, visitor)
    return visitor.errors[:MAX_ERRORS]


RULES = tuple(
    MergedFields if rule is OverlappingFieldsCanBeMergedRule else rule
    for rule in (*specified_rules, *recommended_rules, MaybeNullValidationRule, OneOfInputValidationRule, Pauses)
)
