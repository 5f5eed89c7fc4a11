"""What may go wrong: refusals of a rule, errors of a caller, and everything else, which is masked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

import asyncpg
from graphql import GraphQLError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from lango.names import snake


class Refused(Exception):
    """A rule says no. The subclass's name is the code, its docstring the message for a person."""

    def __init__(self, message: str | None = None, *, field: str | None = None, **details: Any) -> None:
        """`field` is the path into the input (`amountCfa`); `details` are facts a program may want."""
        self.message = message or " ".join((type(self).__doc__ or "").split())
        self.field = field
        self.details = details
        self.kept: tuple[Any, ...] = ()
        self.also: Callable[[Any], None] | None = None
        self.counted_under: Any = None
        super().__init__(self.message)

    def keeping(self, *rows: Any, counted_under: Any = None, also: Callable[[Any], None] | None = None) -> Self:
        """Rows that are written although the rule refuses: the log of an attempt. `also` gets the transaction, for what
        is no row of the rule's own: a message that goes out, a session that ends.

        Where attempts are counted, `counted_under` is the row that is locked for that. It is locked before the rule
        writes: what is locked later is free again before these rows are committed, and others would not count them.
        """
        self.kept, self.counted_under, self.also = rows, counted_under, also
        return self

    @classmethod
    def code(cls) -> str:
        return snake(cls.__name__).upper()


class CallerError(GraphQLError):
    """An error that the caller can mend; its message and code are shown as they are."""

    code: ClassVar[str] = "BAD_USER_INPUT"

    def __init__(self, message: str | None = None, *, nodes: Any = None, **extensions: Any) -> None:
        text = message or " ".join((type(self).__doc__ or "").split())
        super().__init__(text, nodes=nodes, extensions={"code": self.code, **extensions})


class BadUserInput(CallerError):
    """The input is not what this field takes."""


class Unauthenticated(CallerError):
    """Sign in first: this needs a valid access token."""

    code = "UNAUTHENTICATED"


class Forbidden(CallerError):
    """You may not do this."""

    code = "FORBIDDEN"


class RateLimited(CallerError):
    """Too many requests: wait a little, then try again."""

    code = "RATE_LIMITED"


class QueryTooComplex(CallerError):
    """The query asks for too much at once: ask for fewer rows or fields."""

    code = "QUERY_TOO_COMPLEX"


class AnswerTooLarge(QueryTooComplex):
    """The answer is too large: ask for fewer rows, or for fewer of their texts and JSON values."""

    def __init__(self, limit: int, **extensions: Any) -> None:
        """`limit` is the bytes that an answer may have."""
        super().__init__(
            f"The answer has more than {limit} bytes: ask for fewer rows, or for fewer of their texts and JSON values.",
            limit=limit,
            **extensions,
        )


class Conflict(CallerError):
    """This contradicts what is stored already: read it again, and decide again."""

    code = "CONFLICT"


class ServiceUnavailable(CallerError):
    """The database cannot be reached at the moment: try again in a few seconds."""

    code = "SERVICE_UNAVAILABLE"


class OutcomeUnknown(ServiceUnavailable):
    """The connection to the database was lost while this was being committed: whether it was done is not known. Look
    before you send it again; with an idempotency key, the same request is safe to send again."""

    def __init__(self) -> None:
        super().__init__(outcome="UNKNOWN")


class RowsBusy(ServiceUnavailable):
    """Others are working on the same rows: try again in a moment."""


class TimedOut(CallerError):
    """The operation took too long and was given up: ask for less, or try again later."""

    code = "TIMEOUT"


# The messages that a caller may see of an error in SQL, by SQLSTATE or its class; all else is INTERNAL. The messages
# are ours: PostgreSQL's own name tables, columns and constraints, and quote values.
SQL_ERRORS: dict[str, tuple[type[CallerError], str | None]] = {
    "42501": (Forbidden, None),
    "57014": (QueryTooComplex, "The database gave up on this query: narrow it by a filter, or ask for fewer rows."),
    "55P03": (RowsBusy, None),
    "54": (QueryTooComplex, None),
    "22": (BadUserInput, "A value is out of range or has the wrong form for what it is compared with or stored in."),
    "40": (RowsBusy, None),
    "23502": (BadUserInput, "A value that is needed is missing."),
    "23503": (BadUserInput, "Something that is named does not exist, or no longer: check the ids."),
    "23514": (BadUserInput, "A value is not one that can be stored there."),
    "23505": (Conflict, None),
    "23P01": (Conflict, None),
    "08": (ServiceUnavailable, None),
    "53": (ServiceUnavailable, None),
    "57P": (ServiceUnavailable, None),
    "25006": (ServiceUnavailable, None),
    "25P03": (ServiceUnavailable, None),
    "25P04": (ServiceUnavailable, None),
    "26000": (ServiceUnavailable, None),
    "42P05": (ServiceUnavailable, None),
}
# Of these the ones that speak of the server or of the connection, not of what was sent: the connection lost (08), the
# server shut down or starting (57P), a server that takes no writes because another one does now (25006), a transaction
# that the server ended (25P03, 25P04), a pooler that has changed the connection behind us (26000, 42P05), and too many
# connections (53300).
# A message that the server could not follow (08P01) is our own fault, where the connection survives it.
SERVER_STATES = ("08", "57P", "25006", "25P03", "25P04", "26000", "42P05", "53300")
PROTOCOL_VIOLATION = "08P01"

LONGEST_MESSAGE = 1_000


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it wraps, and what those were raised from."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        found = pending.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        pending += [getattr(found, "original_error", None), getattr(found, "orig", None), found.__cause__]


def state_of(error: BaseException | None) -> str | None:
    """The SQLSTATE of an error, whichever library has wrapped it; None where it has none."""
    states = (getattr(cause, "sqlstate", None) for cause in causes(error))
    return next((state for state in states if isinstance(state, str)), None)


def is_of_server(error: BaseException | None) -> bool:
    """Whether an error speaks of the server or of the connection to it: the connection must not be used again, and
    the same statement may well succeed on another one.

    The one place that decides this. Waiting in vain for a free connection is no such error.
    """
    state = state_of(error)
    if state is not None:
        return state != PROTOCOL_VIOLATION and state.startswith(SERVER_STATES)
    return any(
        is_unsent(cause) or (isinstance(cause, OSError) and not isinstance(cause, TimeoutError))
        for cause in causes(error)
    )


def is_unsent(error: BaseException) -> bool:
    """Whether the driver found the connection closed, or the server's farewell on it, before it sent anything: it has
    no SQLSTATE for either."""
    if isinstance(error, asyncpg.InterfaceError):
        return "connection is closed" in str(error)
    return isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)


def is_passing(error: BaseException) -> bool:
    """Whether the same may succeed in a moment: the database cannot be reached or is busy; the request is right."""
    return isinstance(answerable(error), ServiceUnavailable)


def answerable(error: BaseException) -> CallerError | None:
    """The error as the caller may see it; None when it is internal."""
    for cause in causes(error):
        if isinstance(cause, CallerError):
            return cause
        if isinstance(cause, Refused):
            shown = CallerError(cause.message)
            shown.extensions = {"code": cause.code()}
            return shown
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            for known in (state, state[:3], state[:2]):
                if known in SQL_ERRORS:
                    kind, message = SQL_ERRORS[known]
                    return kind(message)
            return None
        if isinstance(cause, PoolTimeoutError | OSError):
            return ServiceUnavailable()
    return ServiceUnavailable() if is_of_server(error) else None


def is_library_error(error: GraphQLError) -> bool:
    """Whether graphql-core says that the document, a variable or an argument is wrong.

    What it raises in completing a value (a resolver gave an Int of 40 bits) names no node of the document and is ours.
    """
    original = error.original_error
    if original is None:
        return True
    return isinstance(original, GraphQLError) and (error.path is None or bool(original.nodes))


def formatted(error: GraphQLError, request_id: str, *, code: str = "BAD_USER_INPUT") -> dict[str, Any]:
    """The error as it goes into a response; what the caller cannot mend is masked.

    `code` is what an error of the GraphQL library itself means at this stage: a syntax error, a failed validation, a
    value that cannot be coerced.
    """
    answer: dict[str, Any] = {}
    known = answerable(error)
    if known is not None:
        answer["message"] = known.message
        extensions = dict(known.extensions or {})
    elif is_library_error(error):
        answer["message"] = error.message[:LONGEST_MESSAGE]
        extensions = {"code": code} | (error.extensions or {})
    else:
        answer["message"] = "Internal error"
        extensions = {"code": "INTERNAL", "requestId": request_id}
    if error.locations:
        answer["locations"] = [place.formatted for place in error.locations]
    if error.path is not None:
        answer["path"] = error.path
    answer["extensions"] = extensions
    return answer
