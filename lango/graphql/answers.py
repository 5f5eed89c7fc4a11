"""What the gateway asks of a planner, which knows the types and tables that the gateway does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from graphql import OperationDefinitionNode

from lango.observability.metrics import Metrics
from lango.settings import Settings

if TYPE_CHECKING:
    from lango.graphql.context import Context
    from lango.graphql.documents import Document


@dataclass(slots=True)
class Answered:
    """The root fields that are answered: finished JSON by response key, in the order of the answer.

    `waiting` are those that the planner's executor is to finish; `complete` says that nothing is left for it.
    """

    finished: dict[str, bytes] = field(default_factory=dict)
    waiting: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    # How it was answered, where the caller may see that.
    told: dict[str, Any] | None = None


NOTHING = Answered()


class Planner(Protocol):
    """Answers what it can of a query by finished JSON from the database."""

    async def answer(
        self, document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], context: Context
    ) -> Answered: ...


class MakePlanner(Protocol):
    """Makes the planner of one application."""

    def __call__(self, settings: Settings, metrics: Metrics) -> Planner: ...
