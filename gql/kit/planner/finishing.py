"""The text of a planned statement as it goes into an answer."""

from __future__ import annotations

from dataclasses import dataclass

from gql.kit.planner.statements import Statement
from gql.kit.planner.text import PLACEHOLDER
from models.reads import SHOWN

MARK = SHOWN.encode()


@dataclass(frozen=True, slots=True)
class PartialJson:
    """JSON with placeholders, for which Python has to fill in values."""

    text: bytes
    statement: Statement


def finished(statement: Statement, text: bytes | None) -> bytes | PartialJson:
    """The statement's text as it goes into the answer, or what is still to be filled in."""
    if text is None:
        return b"null"
    if statement.marked:
        # What the marks say is in the audit log by now.
        text = b"".join(text.split(MARK)[::2])
    return PartialJson(text, statement) if statement.placeholders and PLACEHOLDER.encode() in text else text
