"""The same question to the planner and to the ordinary executor, and what differs between their answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from gql.kit.naming import camel, plural
from gql.kit.node import MIRRORED, global_id, key_columns
from lango.db.pipeline import make_pipeline
from lango.settings import Settings
from tests.access.expected import ROLES
from tests.client import Api
from tests.kit.conftest import LISTED, leaves
from tests.planner.rows import Rows

NOBODY = "nobody"
# Those who see different things: rows of their own, of a partner, a DAO, a card account, of everybody, of nobody.
CALLERS = ("staff", "owner", "manager", "guardian", "buyer", "dao_admin", "card_owner", "super_admin", NOBODY)
REQUEST_ID = "requestId"


class Number(str):
    """A number as it is written: 1.10 is not 1.1."""

    __slots__ = ()


def strict(text: str | bytes) -> Any:
    """JSON with the order of its keys, and its numbers as they are written; white space does not count."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("{}", *pairs), parse_int=Number, parse_float=Number)


@dataclass(frozen=True)
class Result:
    """One way's answer."""

    response: httpx.Response

    @property
    def body(self) -> dict[str, Any]:
        return dict(self.response.json())

    @property
    def data(self) -> Any:
        return self.body.get("data")

    @property
    def errors(self) -> list[dict[str, Any]]:
        return list(self.body.get("errors", []))

    @property
    def codes(self) -> list[str]:
        return [error["extensions"].get("code", "") for error in self.errors]

    @property
    def is_rejected(self) -> bool:
        """Whether nothing was executed: the document, its variables or its size were refused."""
        return "data" not in self.body

    def comparable(self) -> dict[str, Any]:
        """What must be the same both ways. The order of the errors is left open, as GraphQL leaves it."""
        parts = dict(strict(self.response.content)[1:])
        parts["errors"] = sorted(_error(error) for error in self.errors)
        parts["status"] = self.response.status_code
        parts["type"] = self.response.headers["content-type"]
        parts.setdefault("data", "none at all")
        extensions = dict(parts.pop("extensions", ("{}",))[1:])
        return parts | {"cost": extensions.get("cost")}


def _error(error: dict[str, Any]) -> str:
    extensions = {key: value for key, value in error.get("extensions", {}).items() if key != REQUEST_ID}
    return json.dumps(error | {"extensions": extensions}, sort_keys=True)


def difference(planned: Result, ordinary: Result) -> str | None:
    """The first thing that differs, as a sentence; None where the answers are the same."""
    if planned.response.content == ordinary.response.content:
        return None if planned.response.status_code == ordinary.response.status_code else "the status differs"
    ours, theirs = planned.comparable(), ordinary.comparable()
    for part in theirs:
        if ours.get(part, "absent") != theirs[part]:
            return f"{part} differs at {_where(ours.get(part, 'absent'), theirs[part])}"
    return None if list(ours) == list(theirs) else f"the parts are {list(ours)}, not {list(theirs)}"


def _where(ours: Any, theirs: Any, path: str = "") -> str:
    if type(ours) is type(theirs) and isinstance(ours, tuple | list) and len(ours) == len(theirs):
        is_object = isinstance(ours, tuple) and ours[:1] == ("{}",)
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if one != other:
                if is_object and one[0] == other[0]:
                    return _where(one[1], other[1], f"{path}.{one[0]}")
                if is_object:
                    return f"{path or 'the top'}: the key {one[0]!r} stands where {other[0]!r} does"
                return _where(one, other, f"{path}[{index}]")
    return f"{path or 'the top'}: planned {str(ours)[:300]!r}, ordinary {str(theirs)[:300]!r}"


class BothWays:
    """Two gateways over one database; only the planner differs."""

    def __init__(self, runner: asyncio.Runner, owner_url: str, gateway_url: str, settings: Settings) -> None:
        self.runner = runner
        self.owner_url = owner_url
        self.gateway_url = gateway_url
        self.settings = settings
        self.stack = AsyncExitStack()
        self.values: dict[str, dict[str, list[Any]]] = {}

    def open(self) -> None:
        self.runner.run(self._open())

    def close(self) -> None:
        self.runner.run(self.stack.aclose())

    async def _open(self) -> None:
        connection = await asyncpg.connect(self.owner_url)
        try:
            async with connection.transaction():
                self.rows = Rows(connection)
                await self.rows.write()
            await connection.execute("ANALYZE")
            ids = await self._all_ids(connection)
        finally:
            await connection.close()
        pipeline = make_pipeline(self.gateway_url, self.settings, pool_size=4)
        self.stack.callback(pipeline.close)
        # What staff read is written into the audit log, which then would not be the same for the one who asks second.
        self.planned, self.ordinary = [
            await self.stack.enter_async_context(
                Api.over(
                    pipeline,
                    self.settings.model_copy(update={"planner": planner, "max_aliases": 400}),
                    audits_reads=False,
                )
            )
            for planner in ("on", "off")
        ]
        self.headers = {
            caller: {}
            if caller == NOBODY
            else self.ordinary.headers(self.rows.named["User"][caller].id, ROLES.get(caller, ()))
            for caller in CALLERS
        }
        await self._collect(ids)

    async def _all_ids(self, connection: asyncpg.Connection[Any]) -> dict[str, list[str]]:
        """The global ids of all that is there, faces included, in the order of their keys."""
        person = self.rows.named["User"]["staff"].id
        await connection.execute("SET timezone = 'UTC'")
        await connection.execute("SELECT set_config('lango.user_id', $1, false)", str(person))
        ids = {}
        for name, model in MIRRORED.items():
            columns = ", ".join(column.name for column in key_columns(model))
            table = model.table()
            found = await connection.fetch(
                f"SELECT {columns} FROM {table.schema}.{table.name} ORDER BY {columns} LIMIT 100"
            )
            ids[name] = [str(global_id(model, tuple(row))) for row in found]
        return ids

    async def _collect(self, ids: dict[str, list[str]]) -> None:
        """What the columns hold, as the API shows it: values for filters that find something."""
        self.values = {name: {"id": list(found)} for name, found in ids.items()}
        for caller in ("staff", "super_admin", "owner", "minor", "buyer"):
            person = self.rows.named["User"][caller]
            for model in LISTED:
                name, listed = model.__name__, camel(plural(model))
                known = self.values[name]
                if len(known) > 2:
                    # Somebody who sees more of it has been asked.
                    continue
                query = f"{{ all: {listed}(first: 100) {{ nodes {{ {' '.join(leaves(name))} }} }} }}"
                answer = await self.ordinary(query, as_=person, roles=ROLES.get(caller, ()))
                for node in answer["all"]["nodes"]:
                    for key, value in node.items():
                        if value is not None and value not in known.setdefault(key, []):
                            known[key].append(value)

    def ask(self, query: str, variables: dict[str, Any], caller: str) -> tuple[Result, Result]:
        """The planner's answer and the ordinary one."""
        return self.runner.run(self._ask(query, variables, caller))

    async def _ask(self, query: str, variables: dict[str, Any], caller: str) -> tuple[Result, Result]:
        body = {"query": query, "variables": variables}
        planned = await self.planned.client.post("/graphql", json=body, headers=self.headers[caller])
        ordinary = await self.ordinary.client.post("/graphql", json=body, headers=self.headers[caller])
        return Result(planned), Result(ordinary)
