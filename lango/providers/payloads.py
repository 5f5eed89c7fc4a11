"""Bodies of webhooks, as providers write them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson

from lango.values import exact_json

MAX_FIELDS = 200


class BadPayload(ValueError):
    """The body has not the form that the webhook takes; the message says why."""


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises BadPayload."""
    event = _json(body)
    if not isinstance(event, dict):
        raise BadPayload("The event must be a JSON object.")
    return event


def json_array(body: bytes) -> list[Any]:
    """A JSON array: several events at once. Raises BadPayload."""
    events = _json(body)
    if not isinstance(events, list):
        raise BadPayload("The events must be a JSON array.")
    return events


def form(body: bytes) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded); of those with one name the last. Raises BadPayload."""
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError:
        raise BadPayload("The event is no URL-encoded form in UTF-8.") from None


def _json(body: bytes) -> Any:
    try:
        value = exact_json.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadPayload(f"The event {exact_json.fault(error)}.") from None
    if isinstance(value, dict | list) and exact_json.nests_deeper(value, exact_json.DEEPEST):
        raise BadPayload(f"The event is nested too deeply: at most {exact_json.DEEPEST} levels.")
    return value
