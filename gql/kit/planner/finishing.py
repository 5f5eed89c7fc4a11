"""The text of a planned statement as it goes into an answer."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from functools import cache

from gql.kit.node import MIRRORED
from gql.kit.planner.builder import PLACEHOLDER, SHOWN
from gql.kit.planner.statements import Statement
from lango.graphql.context import Context, Shown

SHOWN_MARK = re.compile(rb"\x02([^\x02]*)\x02")


@dataclass(frozen=True, slots=True)
class PartialJson:
    """JSON with placeholders, for which Python has to fill in values."""

    text: bytes
    statement: Statement


@cache
def is_of_person(type_name: str) -> bool:
    """Whether the rows of the type are about a person."""
    access = MIRRORED[type_name].__access__
    return access is not None and access.of_person


def finished(statement: Statement, text: bytes | None, context: Context) -> bytes | PartialJson:
    """The statement's text as it goes into the answer, or what is still to be filled in."""
    if text is None:
        return b"null"
    if statement.marked and SHOWN.encode() in text:
        shown = [Shown(*b64decode(found).decode().split(":", 1)) for found in SHOWN_MARK.findall(text)]
        context.shown += [row for row in shown if is_of_person(row.type_name)]
        text = SHOWN_MARK.sub(b"", text)
    return PartialJson(text, statement) if statement.placeholders and PLACEHOLDER.encode() in text else text
