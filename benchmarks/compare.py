"""The answers of all peers, compared as data before anything is timed: a difference stops the run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from benchmarks.clients import PeerClient
from benchmarks.database import FIRST_CODE, Database
from benchmarks.places import say, stop
from benchmarks.queries import Query, Variables

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)")
CHOICES = frozenset({"status", "visibility"})
LONGEST_DIFF = 60
VARIANTS = 3


def neutral(value: Any, key: str = "") -> Any:
    """An answer as data, without what the peers' schemas are free to write in their own way.

    Values of choices in lower case (`OPEN` and `open`); moments in UTC to the microsecond; whole numbers as numbers
    (`"12"` of a BigInt); a cursor and the moment of a redemption only by whether there is one; the days of an aggregate
    in one shape, by the day.
    """
    if isinstance(value, dict):
        if "groupedAggregates" in value:
            value = [grouped(item) for item in value["groupedAggregates"]]
        else:
            return {name: neutral(item, name) for name, item in value.items()}
    if isinstance(value, list):
        items = [neutral(item, key) for item in value]
        return sorted(items, key=lambda item: str(item["group"])) if key == "days" else items
    if value is None:
        return None
    if key == "endCursor":
        return "(a cursor)"
    if key == "redeemedAt":
        return "(a moment)"
    if key in ("count", "amountCfa"):
        return int(value)
    if key in CHOICES:
        return value.lower()
    if isinstance(value, str) and MOMENT.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="microseconds")
    return value


def grouped(item: dict[str, Any]) -> dict[str, Any]:
    """A group of PostGraphile's aggregates plugin, as the others write one."""
    day = datetime.fromisoformat(item["keys"][0])
    moment = (day if day.tzinfo else day.replace(tzinfo=UTC)).isoformat()
    return {"group": {"createdAt": moment}, "count": item["count"]["rowId"], "sum": item["sum"]}


def compare(query: Query, clients: Sequence[PeerClient], database: Database, variants: list[Variables]) -> None:
    """Stops the run where a peer answers otherwise than the first one, or with an error."""
    callers = (query.caller, *query.compared_as)
    tried = variants if len(variants) <= VARIANTS else [variants[0], variants[len(variants) // 2], variants[-1]]
    if query.once:
        # A code that is there, the same again, and one that is not.
        tried = [{"code": str(FIRST_CODE)}, {"code": str(FIRST_CODE)}, {"code": "9"}]
    counted = 0
    for caller in callers:
        expected: list[Any] = []
        for client in clients:
            if query.once:
                database.reset()
            answers = [answered(client, query, variables, caller) for variables in tried]
            if not expected:
                expected = answers
            for variables, found, wanted in zip(tried, answers, expected, strict=True):
                if found != wanted:
                    differ(query, variables, caller, clients[0], client, wanted, found)
                counted += 1
        if caller == query.caller and is_empty(expected[0]):
            stop(f"{query.name}: the answer is empty, so there is nothing to time.")
    say(f"{query.name}: {counted} answers compared, as {', '.join(callers)}")


def answered(client: PeerClient, query: Query, variables: Variables, caller: str) -> Any:
    answer = client.answer(query, variables, caller)
    if "errors" in answer:
        errors = orjson.dumps(answer["errors"]).decode()[:2000]
        stop(f"{query.name}: {client.server.peer.title} answers {caller} with an error: {errors}")
    found = neutral(answer["data"])
    if query.once:
        # How a refusal is worded beyond its code is each peer's own.
        for refusal in found["redeemQrCode"]["userErrors"]:
            refusal["message"] = "(a text)"
    return found


def is_empty(value: Any) -> bool:
    """Whether nothing is in it but the objects around nothing."""
    if isinstance(value, dict):
        return all(is_empty(item) for name, item in value.items() if name != "pageInfo")
    return value is None or value == []


def differ(
    query: Query, variables: Variables, caller: str, first: PeerClient, other: PeerClient, wanted: Any, found: Any
) -> None:
    left, right = (orjson.dumps(each, option=orjson.OPT_INDENT_2).decode().splitlines() for each in (wanted, found))
    names = first.server.peer.title, other.server.peer.title
    lines = list(difflib.unified_diff(left, right, *names, lineterm="", n=4))
    shown = "\n".join(lines[:LONGEST_DIFF])
    stop(f"{query.name}, as {caller}, with {variables}: the answers differ.\n{shown}\n({len(lines)} lines)")
