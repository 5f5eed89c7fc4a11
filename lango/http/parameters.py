"""The parameters of a GraphQL request, out of a JSON body or a query string."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope

from lango.http.negotiation import BadRequest, PayloadTooLarge, UriTooLong
from lango.values import exact_json

SHA256 = re.compile(r"[0-9a-f]{64}")


class ClientDisconnected(Exception):
    """The client went away before the request was complete."""


class Parameters(NamedTuple):
    """A well-formed GraphQL request. `query` is None where only the hash of a persisted query was sent."""

    query: str | None
    operation_name: str | None
    variables: dict[str, Any]
    extensions: dict[str, Any]

    @property
    def persisted_hash(self) -> str | None:
        """The hash of an automatic persisted query. Raises BadRequest for a form that Apollo's clients do not send."""
        persisted = self.extensions.get("persistedQuery")
        if persisted is None:
            return None
        if not isinstance(persisted, dict) or persisted.get("version") != 1:
            raise BadRequest("`extensions.persistedQuery` must be an object with `version` 1.")
        sha256 = persisted.get("sha256Hash")
        if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
            raise BadRequest("`extensions.persistedQuery.sha256Hash` must be 64 hexadecimal digits in lower case.")
        return sha256


async def read_body(receive: Receive, content_length: str | None, limit: int) -> bytes:
    """The request's body. Raises PayloadTooLarge as soon as it is known to be over the limit, ClientDisconnected."""
    if content_length is not None and content_length.isdecimal() and int(content_length[:20]) > limit:
        raise PayloadTooLarge(f"The request body is larger than {limit} bytes.")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body += message.get("body", b"")
        if len(body) > limit:
            raise PayloadTooLarge(f"The request body is larger than {limit} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


def of_body(body: bytes) -> Parameters:
    """The parameters of a POST. Raises BadRequest, which says what is wrong with it."""
    value = parse_json(body, "The request body")
    if isinstance(value, list):
        raise BadRequest("Several operations in one request (an array) are not taken: send each by itself.")
    if not isinstance(value, dict):
        raise BadRequest("The request body must be a JSON object with a `query`.")
    return checked(value)


def of_query_string(scope: Scope, limit: int) -> Parameters:
    """The parameters of a GET; `variables` and `extensions` are JSON, and an empty value is none. Raises BadRequest."""
    raw: bytes = scope["query_string"]
    if len(raw) > limit:
        raise UriTooLong
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise BadRequest("The query string is not URL-encoded UTF-8.") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in ("query", "operationName", "variables", "extensions"):
            if name in given:
                raise BadRequest(f"The parameter `{name}` is there twice.")
            given[name] = value
    for name in ("variables", "extensions"):
        if given.get(name):
            given[name] = parse_json(given[name], f"`{name}`")
    return checked({name: value for name, value in given.items() if value != "" or name == "query"})


def parse_json(text: bytes | str, what: str) -> Any:
    try:
        return exact_json.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{what} {exact_json.fault(error)}.") from None


def checked(given: Mapping[str, Any]) -> Parameters:
    """The parameters with their right types; null is the same as absent. Raises BadRequest."""
    query, name = given.get("query"), given.get("operationName")
    variables, extensions = given.get("variables"), given.get("extensions")
    if query is not None and not isinstance(query, str):
        raise BadRequest("`query` must be a string.")
    if name is not None and not isinstance(name, str):
        raise BadRequest("`operationName` must be a string.")
    for key, value in (("variables", variables), ("extensions", extensions)):
        if value is not None and not isinstance(value, dict):
            raise BadRequest(f"`{key}` must be an object.")
        if value and exact_json.nests_deeper(value, exact_json.DEEPEST):
            raise BadRequest(f"`{key}` are nested too deeply: at most {exact_json.DEEPEST} levels.")
    parameters = Parameters(query, name or None, variables or {}, extensions or {})
    if query is None and parameters.extensions.get("persistedQuery") is None:
        raise BadRequest("The request has no `query`.")
    return parameters
