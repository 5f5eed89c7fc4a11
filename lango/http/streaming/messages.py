"""The messages of graphql-transport-ws, as they are read and written."""

from __future__ import annotations

from typing import Any

import orjson

from lango.http.negotiation import BadRequest
from lango.http.parameters import Parameters, checked
from lango.values import exact_json
from lango.values.exact_json import DEEPEST, nests_deeper

SUBPROTOCOL = "graphql-transport-ws"
# The scope's extension by which a socket's application says that its connection_init has been taken.
INITIALISED = "lango.initialised"
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NO_SUBPROTOCOL = 4400, 4401, 4403, 4406
INIT_TIMEOUT, SUBSCRIBER_EXISTS, TOO_MANY_INITS = 4408, 4409, 4429
# After these a client reconnects.
RESTARTING, TRY_AGAIN = 1012, 1013
INTERNAL = 1011
LONGEST_ID = 255
# Bytes: a close frame takes no more.
LONGEST_REASON = 123


class Closing(Exception):
    """The socket is to be closed because of what the client sent."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def message_of(text: str | None) -> dict[str, Any]:
    """A frame as a message. Raises Closing."""
    if text is None:
        raise Closing(BAD_REQUEST, "Messages are text frames, not binary ones")
    try:
        message = exact_json.loads(text)
    except orjson.JSONDecodeError:
        raise Closing(BAD_REQUEST, "The message is not JSON") from None
    if not isinstance(message, dict):
        raise Closing(BAD_REQUEST, "A message is a JSON object")
    return message


def payload_of(message: dict[str, Any]) -> dict[str, Any] | None:
    """The payload of a message that may have one. Raises Closing."""
    payload = message.get("payload")
    if payload is not None and (not isinstance(payload, dict) or nests_deeper(payload, DEEPEST)):
        raise Closing(BAD_REQUEST, "The message's payload must be an object, not nested too deeply")
    return payload


def id_of(message: dict[str, Any]) -> str:
    """The id of the operation that a message is about. Raises Closing."""
    id_ = message.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= LONGEST_ID:
        raise Closing(BAD_REQUEST, f"The message's id must be a text of 1 to {LONGEST_ID} characters")
    return id_


def parameters_of(message: dict[str, Any]) -> Parameters:
    """The request in a `subscribe` message. Raises Closing."""
    payload = message.get("payload")
    if not isinstance(payload, dict):
        raise Closing(BAD_REQUEST, "The payload of `subscribe` must be an object with a `query`")
    try:
        return checked(payload)
    except BadRequest as error:
        raise Closing(BAD_REQUEST, error.message) from None


def reason_of(text: str) -> str:
    """As much of a reason as a close frame takes."""
    return text.encode()[:LONGEST_REASON].decode(errors="ignore")


def written(**message: Any) -> str:
    return orjson.dumps(message).decode()


def next_of(id_: str, result: bytes) -> str:
    """A `next` message around a result that is JSON already."""
    return f'{{"id":{orjson.dumps(id_).decode()},"type":"next","payload":{result.decode()}}}'
