"""The answers of all peers, compared as data before anything is timed: a difference stops the run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from benchmarks.clients import PeerClient
from benchmarks.database import Database
from benchmarks.places import say, stop
from benchmarks.queries import Query
from benchmarks.spending import Call, Spending, Variables

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)")
# How a refusal is worded beyond its code is each peer's own.
REFUSAL = {"code", "message"}
CHOICES = frozenset({"status", "visibility"})
LONGEST_DIFF = 60
VARIANTS = 3


def neutral(value: Any, key: str = "") -> Any:
    """An answer as data, without what the peers' schemas are free to write in their own way.

    Values of choices in lower case (`OPEN` and `open`); moments in UTC to the microsecond; whole numbers as numbers
    (`"12"` of a BigInt); a cursor, the moment of a redemption and the address of a payment only by whether there is
    one; a refusal by its code; the days of an aggregate in one shape, by the day.
    """
    if isinstance(value, dict):
        if set(value) == REFUSAL:
            return {"code": value["code"]}
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
    if key == "paymentUrl":
        return "(an address)"
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
    tried = variants if len(variants) <= VARIANTS else [variants[0], variants[len(variants) // 2], variants[-1]]
    asked = [Call(caller, variables) for caller in (query.caller, *query.compared_as) for variables in tried]
    expected: list[Any] = []
    counted = 0
    for client in clients:
        calls = asked if query.spends is None else spent(query.spends, database)
        answers = [answered(client, query, call) for call in calls]
        expected = expected or answers
        for call, found, wanted in zip(calls, answers, expected, strict=True):
            if found != wanted:
                differ(query, call, clients[0], client, wanted, found)
            counted += 1
    if query.spends is not None:
        database.clear()
    if is_empty(expected[0]):
        stop(f"{query.name}: the answer is empty, so there is nothing to time.")
    say(f"{query.name}: {counted} answers compared, as {', '.join((query.caller, *query.compared_as))}")


def spent(spending: Spending, database: Database) -> list[Call]:
    """Two calls, for which everything is there, and what else is to be answered alike."""
    ((first, second),) = database.spend((spending, 2))
    return [first, *spending.others(first, second)]


def answered(client: PeerClient, query: Query, call: Call) -> Any:
    answer = client.answer(query, call.variables, call.caller)
    if "errors" in answer:
        errors = orjson.dumps(answer["errors"]).decode()[:2000]
        stop(f"{query.name}: {client.server.peer.title} answers {call.caller} with an error: {errors}")
    return neutral(answer["data"])


def is_empty(value: Any) -> bool:
    """Whether nothing is in it but the objects around nothing."""
    if isinstance(value, dict):
        return all(is_empty(item) for name, item in value.items() if name != "pageInfo")
    return value is None or value == []


def differ(query: Query, call: Call, first: PeerClient, other: PeerClient, wanted: Any, found: Any) -> None:
    left, right = (orjson.dumps(each, option=orjson.OPT_INDENT_2).decode().splitlines() for each in (wanted, found))
    names = first.server.peer.title, other.server.peer.title
    lines = list(difflib.unified_diff(left, right, *names, lineterm="", n=4))
    shown = "\n".join(lines[:LONGEST_DIFF])
    stop(f"{query.name}, as {call.caller}, with {call.variables}: the answers differ.\n{shown}\n({len(lines)} lines)")
