"""The executor: the ordinary one, except where finished JSON stands for a field already, and for objects that are known
by their key."""

from __future__ import annotations

import copy
import re
from typing import Any

import orjson
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import CollectedErrors
from graphql.pyutils import Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql.kit.node import parse_global_id
from gql.kit.planner.answers import Holed, MadeRow
from gql.kit.planner.builder import Hole
from gql.kit.planner.selections import DEFINITION
from gql.kit.rows import read_node
from gql.kit.subscription import ABOUT
from lango.responses import plain

HOLE_MARK = re.compile(rb"\x01(\d+):([^\x01]*)\x01")


class Unfilled(Exception):
    """A value that Python was to fill in failed: the ordinary executor is to say so, at its place."""


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Takes finished fields as they are, and reads what a rule made or an event is about by its key."""

    def execute_field(
        self, parent_type: Any, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        ordinary = super().execute_field
        if path.prev is None and parent_type is self.schema.query_type:
            answered = self.context_value.answered
            if (text := answered.finished.get(path.key)) is not None:
                return orjson.Fragment(text)
            if (waiting := answered.waiting.get(path.key)) is not None:
                return self._waited(waiting, parent_type, source, field_details_list, path, position_context)
        result = ordinary(parent_type, source, field_details_list, path, position_context)
        if path.prev is None and parent_type is self.schema.subscription_type:
            return self._looked(result, parent_type, source, field_details_list)
        return result

    def complete_object_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        if isinstance(result, MadeRow):
            return self._made(return_type, field_details_list, info, path, result, position_context)
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    async def _waited(
        self, waiting: Any, parent_type: Any, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        field = self.schema.get_field(parent_type, field_details_list[0].node.name.value)
        assert field is not None
        if isinstance(waiting, Exception):
            self.handle_field_error(waiting, field.type, field_details_list, path)
            return None
        try:
            return orjson.Fragment(await self._filled(waiting, path))
        except Unfilled:
            found = super().execute_field(parent_type, source, field_details_list, path, position_context)
            return await found if self.is_awaitable(found) else found

    async def _filled(self, holed: Holed, path: Any) -> bytes:
        """The text with every value that Python gives; each is computed once, whatever the number of its places."""
        wanted = list(dict.fromkeys(HOLE_MARK.findall(holed.text)))
        told = await gather_with_cancel(
            *(self._value(holed.statement.holes[int(index)], key.decode(), path) for index, key in wanted)
        )
        values = dict(zip(wanted, told, strict=True))
        return HOLE_MARK.sub(lambda found: values[found.group(1), found.group(2)], holed.text)

    async def _value(self, hole: Hole, key: str, path: Any) -> bytes:
        """What the field's resolver gives for the row of that global id. Raises Unfilled."""
        row = await read_node(self.context_value, *parse_global_id(key))
        if row is None:
            raise Unfilled
        # Errors here have no place yet, so they are not kept: the field is then asked for again, in its place.
        apart = copy.copy(self)
        apart.collected_errors = CollectedErrors()
        type_ = self.schema.get_type(hole.type_name)
        details = [FieldDetails(node, None) for node in hole.nodes]
        try:
            found = apart.execute_field(type_, row, details, Path(path, "", hole.type_name), None)
            value = await found if self.is_awaitable(found) else found
        except Exception:
            raise Unfilled from None
        if apart.collected_errors.errors:
            raise Unfilled
        return orjson.dumps(value, default=plain)

    async def _made(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, made: MadeRow, position_context: Any
    ) -> Any:
        context = self.context_value
        if context.planner is not None:
            nodes = [details.node for details in field_details_list]
            told = await context.planner.object(
                self.operation, self.variable_values.coerced, context, made, nodes, tuple(path.as_list())
            )
            if isinstance(told, bytes):
                self._see(told != b"null")
                return orjson.Fragment(told)
            if isinstance(told, Holed):
                try:
                    filled = await self._filled(told, path)
                except Unfilled:
                    pass
                else:
                    self._see(True)
                    return orjson.Fragment(filled)
        row = await read_node(context, made.model, made.key)
        self._see(row is not None)
        if row is None:
            return None
        found = super().complete_object_value(return_type, field_details_list, info, path, row, position_context)
        return await found if self.is_awaitable(found) else found

    def _see(self, visible: bool) -> None:
        self.context_value.sees = visible and self.context_value.sees is not False

    async def _looked(self, result: Any, parent_type: Any, event: Any, field_details_list: Any) -> Any:
        """The answer to an event, once it is known whether the caller may see what it is about: that must be looked at
        also where the selection leaves it out."""
        answer = await result if self.is_awaitable(result) else result
        if self.context_value.sees is None:
            field = parent_type.fields.get(field_details_list[0].node.name.value)
            if field is not None:
                about = field.extensions[DEFINITION].metadata[ABOUT].of(event)
                self._see(await read_node(self.context_value, about.model, about.key) is not None)
        return answer
