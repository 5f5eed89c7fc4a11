"""The smallest document that still makes the difference: what can be left out is left out, one thing after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from graphql import (
    REMOVE,
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

SECONDS = 20.0
Differs = Callable[[str, dict[str, Any]], bool]


def smallest(text: str, variables: dict[str, Any], differs: Differs) -> tuple[str, dict[str, Any]]:
    """A smaller text and fewer variables, for which the difference remains; as small as the time allows."""
    until = time.monotonic() + SECONDS
    before = ""
    while text != before and time.monotonic() < until:
        before, place = text, 0
        while time.monotonic() < until:
            edited = _edited(text, place)
            if edited is None:
                break
            sent = {key: value for key, value in variables.items() if f"${key}" in edited}
            if edited != text and differs(edited, sent):
                text, variables = edited, sent
            else:
                place += 1
        for candidate in _with_less(variables):
            if time.monotonic() > until:
                break
            if differs(text, candidate):
                variables, before = candidate, ""
                break
    return text, variables


class Edit(Visitor):
    """Leaves out the thing at one place, places being counted from the top."""

    def __init__(self, place: int, fragments: dict[str, FragmentDefinitionNode]) -> None:
        super().__init__()
        self.left = place
        self.fragments = fragments

    def _here(self) -> bool:
        self.left -= 1
        return self.left == -1

    def enter_field(self, node: Any, *_: Any) -> Any:
        if self._here():
            return REMOVE
        if node.alias is not None and self._here():
            return _with(node, alias=None)
        return None

    def enter_argument(self, *_: Any) -> Any:
        return REMOVE if self._here() else None

    enter_directive = enter_object_field = enter_inline_fragment = enter_fragment_spread = enter_argument

    def enter_list_value(self, node: Any, *_: Any) -> Any:
        for index in range(len(node.values)):
            if self._here():
                return _with(node, values=(*node.values[:index], *node.values[index + 1 :]))
        return None

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> Any:
        if node.default_value is not None and self._here():
            return _with(node, default_value=None)
        return None

    def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> Any:
        for index, selection in enumerate(node.selections):
            inside: Any = None
            if isinstance(selection, InlineFragmentNode):
                inside = selection.selection_set
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value in self.fragments:
                inside = self.fragments[selection.name.value].selection_set
            if inside is not None and self._here():
                return _with(
                    node, selections=(*node.selections[:index], *inside.selections, *node.selections[index + 1 :])
                )
        return None


def _with(node: Any, **changed: Any) -> Any:
    return replace(node, **changed)


def _edited(text: str, place: int) -> str | None:
    """The text without the thing at that place; None where there is no such place."""
    document = parse(text, no_location=True)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    edit = Edit(place, fragments)
    edited = visit(document, edit)
    if edit.left >= 0:
        return None
    tidied = _tidied(edited)
    # An object without fields is no document any more, whatever the parser says to it.
    hollow = any(isinstance(node, SelectionSetNode) and not node.selections for node in _below(tidied))
    return text if hollow else print_ast(tidied)


def _tidied(document: DocumentNode) -> DocumentNode:
    """Without the fragments and variables that nothing names any more."""
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    wanted: dict[str, FragmentDefinitionNode] = {}
    pending: list[Node] = [operation.selection_set]
    used: set[str] = set()
    while pending:
        for node in _below(pending.pop()):
            if isinstance(node, VariableNode):
                used.add(node.name.value)
            if isinstance(node, FragmentSpreadNode) and node.name.value in fragments and node.name.value not in wanted:
                wanted[node.name.value] = fragments[node.name.value]
                pending.append(fragments[node.name.value].selection_set)
    kept = tuple(each for each in operation.variable_definitions or () if each.variable.name.value in used)
    return _with(document, definitions=(_with(operation, variable_definitions=kept), *wanted.values()))  # type: ignore[no-any-return]


def _below(node: Any) -> Iterator[Node]:
    pending = [node]
    while pending:
        each = pending.pop()
        yield each
        for key in each.keys:
            value = getattr(each, key, None)
            pending += value if isinstance(value, list | tuple) else [value] if isinstance(value, Node) else []


def _with_less(value: Any) -> Iterator[Any]:
    """The value with one thing less, at every place below the variables' own names."""
    if isinstance(value, dict):
        for key, item in value.items():
            for less in _without_one(item):
                yield value | {key: less}


def _without_one(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield {other: each for other, each in value.items() if other != key}
            for less in _without_one(item):
                yield value | {key: less}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield value[:index] + value[index + 1 :]
            for less in _without_one(item):
                yield [*value[:index], less, *value[index + 1 :]]
