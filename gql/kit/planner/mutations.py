"""Mutations that need no executor: the rule runs, and the rows that its payload shows are read with its commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Protocol

import orjson

from gql.kit.deferred_values import DeferredValue, RequestValues
from gql.kit.node import key_from
from gql.kit.planner.finishing import finished
from gql.kit.planner.plans import MutationPlan, Root
from gql.kit.types import Input
from lango.db.connection import Query
from resolvers.kernel.running import Outcome

Reading = Callable[[Outcome], Awaitable[Sequence[Query]]]


class Mutation(Protocol):
    """What the field of a mutation is performed by."""

    async def perform(self, context: Any, given: Input, path: Hashable, reading: Reading) -> Outcome:
        """Run the rule. Raises CallerError."""


async def performed(plan: MutationPlan, given: RequestValues, context: Any) -> bytes | None:
    """The payload as it goes into the answer; None where the ordinary executor makes it, of what came of the rule."""
    path = (plan.key,)

    async def reading(outcome: Outcome) -> Sequence[Query]:
        return [
            (root.statement.sql, root.statement.values(given._replace(key=key_of(root, key))))
            for root in plan.roots
            if root.statement is not None and (key := outcome.values.get(root.name)) is not None
        ]

    try:
        outcome = await plan.mutation.perform(context, filled(plan.input, given), path, reading)
    except Exception as error:
        # The executor says where it happened.
        context.performed[path] = error
        return None
    context.performed[path] = outcome
    if outcome.refusals or outcome.warnings or outcome.dry_run or not isinstance(outcome.payload, list):
        return None
    texts, parts = iter(outcome.payload), list[bytes]()
    for root in plan.roots:
        text: Any = root.constant
        if root.statement is not None and outcome.values.get(root.name) is not None:
            text = finished(root.statement, next(texts))
        parts.append(orjson.dumps(root.key) + b":" + (text or b"null"))
    return b"{%s}" % b",".join(parts)


def key_of(root: Root, key: list[str]) -> tuple[Any, ...]:
    """The key of a payload's row, from its parts."""
    assert root.model is not None
    return key_from(root.model, key)


def filled(value: Any, given: RequestValues) -> Any:
    """An argument with what the request gives in place of its deferred values."""
    if isinstance(value, DeferredValue):
        return value.read(given)
    if isinstance(value, Input):
        return type(value)(**{name: filled(item, given) for name, item in vars(value).items()})
    return [filled(item, given) for item in value] if isinstance(value, list) else value
