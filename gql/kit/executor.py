"""The executor: the ordinary one, except where finished JSON stands for a field already, and for objects that are known
by their key."""

from __future__ import annotations

import copy
import re
from collections import Counter
from typing import Any

import orjson
from graphql import is_non_null_type

from gql.kit.loaders import read_node
from gql.kit.node import parse_global_id
from gql.kit.planner.answers import QueryPlanner, RowReference
from gql.kit.planner.builder import Placeholder
from gql.kit.planner.finishing import PartialJson
from gql.kit.planner.selections import DEFINITION
from gql.kit.subscription import ABOUT
from lango.db.postgres import RawJson
from lango.errors import AnswerTooLarge
from lango.libraries.graphql_core import CollectedErrors, FieldDetails, Path, gather_with_cancel
from lango.libraries.strawberry import ExecutionContext
from lango.values.exact_json import plain

PLACEHOLDER_MARK = re.compile(rb"\x01(\d+):([^\x01]*)\x01")


class Unfilled(Exception):
    """A value that Python was to fill in failed: the ordinary executor is to say so, at its place."""


class Executor(ExecutionContext):
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
                return self._finish(waiting, parent_type, source, field_details_list, path, position_context)
        # The key, its quotation marks and the colon.
        self.context_value.response_size.left -= len(path.key) + 3
        result = ordinary(parent_type, source, field_details_list, path, position_context)
        if path.prev is None and parent_type is self.schema.subscription_type:
            return self._checked(result, parent_type, source, field_details_list)
        return result

    def complete_object_value(
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        if isinstance(result, RowReference):
            return self._referenced(return_type, field_details_list, info, path, result, position_context)
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def complete_leaf_value(self, return_type: Any, result: Any) -> Any:  # type: ignore[override]
        completed = super().complete_leaf_value(return_type, result)
        self.context_value.response_size.take(size_of(result if isinstance(result, RawJson) else completed))
        return completed

    def handle_field_error(self, raw_error: Exception, return_type: Any, field_details_list: Any, path: Any) -> None:
        """An answer that is too large is refused as a whole: an error for each of its values would be as large."""
        if not is_too_large(raw_error):
            super().handle_field_error(raw_error, return_type, field_details_list, path)
            return
        self.context_value.response_size.close()
        if is_non_null_type(return_type):
            raise raw_error

    async def _finish(
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

    async def _filled(self, partial_json: PartialJson, path: Any) -> bytes:
        """The text with every value that Python gives; each is computed once, whatever the number of its places."""
        places = Counter(PLACEHOLDER_MARK.findall(partial_json.text))
        wanted = list(places)
        found = await gather_with_cancel(
            *(self._value(partial_json.statement.placeholders[int(index)], key.decode(), path) for index, key in wanted)
        )
        values = dict(zip(wanted, found, strict=True))
        self.context_value.response_size.take(
            len(partial_json.text) + sum(number * len(values[place]) for place, number in places.items())
        )
        return PLACEHOLDER_MARK.sub(lambda found: values[found.group(1), found.group(2)], partial_json.text)

    async def _value(self, placeholder: Placeholder, key: str, path: Any) -> bytes:
        """What the field's resolver gives for the row of that global id. Raises Unfilled."""
        row = await read_node(self.context_value, *parse_global_id(key))
        if row is None:
            raise Unfilled
        # Errors here have no place yet, so they are not kept: the field is then asked for again, in its place.
        apart = copy.copy(self)
        apart.collected_errors = CollectedErrors()
        type_ = self.schema.get_type(placeholder.type_name)
        details = [FieldDetails(node, None) for node in placeholder.nodes]
        try:
            found = apart.execute_field(type_, row, details, Path(path, "", placeholder.type_name), None)
            value = await found if self.is_awaitable(found) else found
        except Exception:
            raise Unfilled from None
        if apart.collected_errors.errors:
            raise Unfilled
        return orjson.dumps(value, default=plain)

    async def _referenced(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Any,
        reference: RowReference,
        position_context: Any,
    ) -> Any:
        context = self.context_value
        if isinstance(context.planner, QueryPlanner) and context.reads.apart:
            nodes = [details.node for details in field_details_list]
            place = tuple(path.as_list())
            planned = context.read_objects.pop(place, None)
            if planned is None:
                planned = await context.planner.object(
                    self.operation, self.variable_values.coerced, context, reference, nodes, place
                )
            if isinstance(planned, bytes):
                context.response_size.take(len(planned))
                self._see(planned != b"null")
                return orjson.Fragment(planned)
            if isinstance(planned, PartialJson):
                try:
                    filled = await self._filled(planned, path)
                except Unfilled:
                    pass
                else:
                    self._see(True)
                    return orjson.Fragment(filled)
        row = await read_node(context, reference.model, reference.key)
        self._see(row is not None)
        if row is None:
            return None
        found = super().complete_object_value(return_type, field_details_list, info, path, row, position_context)
        return await found if self.is_awaitable(found) else found

    def _see(self, visible: bool) -> None:
        self.context_value.sees = visible and self.context_value.sees is not False

    async def _checked(self, result: Any, parent_type: Any, event: Any, field_details_list: Any) -> Any:
        """The answer to an event, once it is known whether the caller may see what it is about: that must be looked at
        also where the selection leaves it out."""
        answer = await result if self.is_awaitable(result) else result
        if self.context_value.sees is None:
            field = parent_type.fields.get(field_details_list[0].node.name.value)
            if field is not None:
                about = field.extensions[DEFINITION].metadata[ABOUT].of(event)
                self._see(await read_node(self.context_value, about.model, about.key) is not None)
        return answer


def size_of(value: Any) -> int:
    """The bytes of a value in an answer; of what is no text, some."""
    if not isinstance(value, str):
        return 8
    return len(value) if value.isascii() else len(value.encode())


def is_too_large(error: Exception) -> bool:
    return isinstance(error, AnswerTooLarge) or isinstance(getattr(error, "original_error", None), AnswerTooLarge)
