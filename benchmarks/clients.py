"""Requests as bytes, and the cursors that a peer writes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import orjson

from benchmarks.places import stop
from benchmarks.queries import Place, Query
from benchmarks.servers import LOOPBACK, Running
from benchmarks.spending import Call, Variables
from benchmarks.tokens import Tokens

PLACES = Query("places", "the list's cursors", "member")


def body(query: Query, dialect: str, variables: Variables) -> bytes:
    return orjson.dumps({"query": query.text(dialect), "variables": query.variables(dialect, variables)})


def request(server: Running, token: str | None, content: bytes, address: str | None = None) -> bytes:
    """A whole HTTP/1.1 request on a connection that stays open."""
    lines = [
        "POST /graphql HTTP/1.1",
        f"Host: {LOOPBACK}:{server.port}",
        "User-Agent: lango-benchmark",
        "Accept: application/json",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if address is not None:
        lines.append(f"X-Forwarded-For: {address}")
    return "\r\n".join([*lines, "", ""]).encode() + content


class PeerClient:
    """Sends requests to one peer, as any of the callers."""

    def __init__(self, server: Running, tokens: Tokens) -> None:
        self.server = server
        self.tokens = tokens
        self._token = cache(tokens.of)
        self._places = cache(self._read_places)

    def requests(self, query: Query, variants: Sequence[Variables]) -> list[bytes]:
        """The requests that the load generator sends, in turn."""
        made = [body(query, self.server.peer.dialect, self.bound(each, query.caller)) for each in variants]
        return [request(self.server, self._token(query.caller), content) for content in made]

    def spending(self, query: Query, calls: Sequence[Call]) -> list[bytes]:
        """The requests that the load generator sends once each."""
        dialect = self.server.peer.dialect
        return [
            request(self.server, self._token(call.caller), body(query, dialect, call.variables), call.address)
            for call in calls
        ]

    def answer(self, query: Query, variables: Variables, caller: str | UUID) -> dict[str, Any]:
        return self._post(body(query, self.server.peer.dialect, self.bound(variables, caller)), caller)

    def bound(self, variables: Variables, caller: str | UUID) -> Variables:
        """The variables with this peer's cursors in the places."""
        return {
            name: self._cursor(caller, value.number) if isinstance(value, Place) else value
            for name, value in variables.items()
        }

    def _cursor(self, caller: str | UUID, number: int) -> str | None:
        if number < 0:
            return None
        places: list[str] = self._places(caller)
        if not places:
            stop(f"{self.server.peer.title} lists no pots as {caller}.")
        # Whoever sees fewer pots begins at the last of them: the answer is empty with all peers.
        return places[min(number, len(places) - 1)]

    def _read_places(self, caller: str | UUID) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            answer = self._post(body(PLACES, self.server.peer.dialect, {"after": after}), caller)
            if "errors" in answer:
                stop(f"{self.server.peer.title} gives no cursors: {orjson.dumps(answer['errors']).decode()[:2000]}")
            page = answer["data"]["pots"]
            found += [edge["cursor"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return found

    def _post(self, content: bytes, caller: str | UUID) -> dict[str, Any]:
        token = self._token(caller)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        response = httpx.post(self.server.url, content=content, headers=headers, timeout=60)
        try:
            answer: dict[str, Any] = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            stop(f"{self.server.peer.title} answers {response.status_code} without JSON: {response.text[:500]}")
        return answer
