"""A gateway over a small schema of its own, called as a client would call it; no database is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
import strawberry
from starlette.applications import Starlette
from strawberry.types import Info

from lango.db.fair_queue import NoConnectionFree
from lango.db.pipeline import Pipeline
from lango.db.postgres import secure_url
from lango.errors import BadUserInput, Forbidden, RateLimited
from lango.graphql.context import Context
from lango.http import graphiql
from lango.http.app import create_app
from lango.security.account_status import Standing, Subject
from lango.security.authentication import mint
from lango.settings import Settings

# GraphiQL's script, where `built` has made its files.
MAIN = "main-1A2B3C4D.js"
ALICE = UUID("5e0f53d1-6d2b-4c0f-9a1e-0f5a3f5f0001")


@strawberry.type
class Partner:
    name: str
    code: str | None = None


@strawberry.type
class PageInfo:
    has_next_page: bool = False


@strawberry.type
class Pack:
    title: str

    @strawberry.field
    def partner(self) -> Partner:
        return Partner(name="Chez Awa")

    @strawberry.field
    def pack(self) -> Pack:
        return self


@strawberry.type
class PackEdge:
    node: Pack
    cursor: str = "c"


@strawberry.type
class PackConnection:
    edges: list[PackEdge]
    page_info: PageInfo
    total_count: int = 1


@strawberry.type
class Pot:
    title: str

    @strawberry.field
    def packs(self, first: int | None = None, last: int | None = None) -> PackConnection:  # noqa: ARG002
        return PackConnection(edges=[PackEdge(node=Pack(title="Brunch"))], page_info=PageInfo())

    @strawberry.field
    def pot(self) -> Pot:
        return self


@strawberry.type
class PotConnection:
    nodes: list[Pot]
    page_info: PageInfo


@dataclass
class Seen:
    """What the resolvers saw and how far they came."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    finished: int = 0
    cancelled: int = 0
    contexts: list[Context] = field(default_factory=list)
    closed: int = 0
    abandoned: int = 0

    async def work(self) -> None:
        self.started.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.finished += 1


def database_error(sqlstate: str) -> asyncpg.PostgresError:
    """An error of the database, which says more than anybody may know."""
    detail = "Key (email)=(awa@example.org) already exists."
    error = asyncpg.PostgresError.new({"C": sqlstate, "M": "relation identity.users", "D": detail})
    error.add_note("SELECT secret_column FROM identity.users")
    return error


FAILURES: dict[str, Callable[[], BaseException]] = {
    "bug": lambda: RuntimeError("the secret inside"),
    "forbidden": Forbidden,
    "bad": lambda: BadUserInput("Say it otherwise.", field="title"),
    "rate": RateLimited,
    "pool": lambda: NoConnectionFree("No connection to the database became free in 5.0 s."),
    "refused": lambda: ConnectionRefusedError("127.0.0.1:5432"),
    "unreachable": lambda: OSError(113, "No route to host"),
    "closed": lambda: asyncpg.InterfaceError("cannot perform operation: connection is closed"),
    "farewell": lambda: asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    "misused": lambda: asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
}


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    def number(self, value: int) -> int:
        return value

    @strawberry.field
    def whoami(self, info: Info) -> str | None:
        actor = info.context.actor
        return f"{actor.user_id} {','.join(sorted(actor.roles))} {actor.session_id}" if actor.user_id else None

    @strawberry.field
    def address(self, info: Info) -> str | None:
        return str(info.context.actor.ip) if info.context.actor.ip else None

    @strawberry.field
    def finished_json(self) -> strawberry.scalars.JSON:
        return cast("strawberry.scalars.JSON", orjson.Fragment(b'{"amount": 1.10}'))

    @strawberry.field
    def too_large(self) -> int:
        return 2**40

    @strawberry.field
    def echo(self, value: strawberry.scalars.JSON) -> strawberry.scalars.JSON | None:
        return value

    @strawberry.field
    def fail(self, how: str) -> str | None:
        raise FAILURES[how]() if how in FAILURES else database_error(how)

    @strawberry.field
    def must(self, how: str) -> str:
        raise FAILURES[how]() if how in FAILURES else database_error(how)

    @strawberry.field
    async def slow(self, info: Info) -> str:
        await info.context.pipeline.seen.work()
        return "done"

    @strawberry.field
    def pots(self, first: int | None = None, last: int | None = None) -> PotConnection:  # noqa: ARG002
        return PotConnection(nodes=[Pot(title="Awa is 30")], page_info=PageInfo())

    @strawberry.field
    def packs_by_id(self, ids: list[strawberry.ID]) -> list[Pack]:
        return [Pack(title=id_) for id_ in ids]

    @strawberry.field
    def pack(self) -> Pack:
        return Pack(title="Brunch")


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def redeem(self, info: Info, code: str) -> str:
        info.context.pipeline.seen.contexts.append(info.context)
        return f"redeemed {code}"

    @strawberry.mutation
    async def slow(self, info: Info) -> str:
        await info.context.pipeline.seen.work()
        return "done"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncIterator[int]:
        yield 1


schema = strawberry.Schema(Query, Mutation, Subscription)


class WatchedPipeline(Pipeline):
    """One to a port where nothing listens, which carries what the resolvers saw."""

    def __init__(self, settings: Settings, seen: Seen) -> None:
        super().__init__(secure_url("postgresql://nobody@127.0.0.1:1/nothing", settings), settings)
        self.seen = seen


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def pipeline(seen: Seen, make_settings: Callable[..., Settings]) -> WatchedPipeline:
    return WatchedPipeline(make_settings(), seen)


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    def make(**values: Any) -> Settings:
        return Settings(
            _env_file=None, **{"data_dir": tmp_path, "allow_dev_key": True, "allowed_hosts": "lango.test", **values}
        )

    return make


class Api:
    """A client of the gateway under test."""

    def __init__(self, app: Starlette, settings: Settings, peer: str = "127.0.0.1") -> None:
        self.app = app
        self.settings = settings
        transport = httpx.ASGITransport(app, client=(peer, 50_000), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://lango.test")

    async def post(
        self,
        query: Any = None,
        variables: Any = None,
        *,
        accept: str | None = "application/graphql-response+json",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        if query is not None:
            body["query"] = query
        if variables is not None:
            body["variables"] = variables
        return await self.send(orjson.dumps(body), accept=accept, token=token, headers=headers)

    async def send(
        self,
        content: Any,
        *,
        accept: str | None = "application/graphql-response+json",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        sent = {"content-type": "application/json", **({"accept": accept} if accept else {}), **(headers or {})}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        request = self.http.build_request("POST", "/graphql", content=content, headers=sent)
        if accept is None:
            request.headers.pop("accept", None)
        return await self.http.send(request)

    async def get(
        self, path: str = "/graphql", *, headers: Mapping[str, str] | None = None, **query: str
    ) -> httpx.Response:
        sent = {"accept": "application/graphql-response+json", **(headers or {})}
        return await self.http.get(path, params=query, headers=sent)

    def token(self, user_id: UUID = ALICE, **options: Any) -> str:
        return mint(self.settings, user_id, **options)


@pytest.fixture(autouse=True)
def standing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Every user is active, as a database would say; `standing(answer)` has another answer."""

    async def active(_pipeline: Any, _subject: Subject, _claimed: Any, _request_id: str) -> Any:
        return Standing.ACTIVE, frozenset()

    def answer(by: Callable[..., Any]) -> None:
        monkeypatch.setattr("lango.security.account_status.standing_of", by)

    answer(active)
    return answer


@pytest.fixture
def serve(pipeline: WatchedPipeline, make_settings: Callable[..., Settings]) -> Callable[..., Api]:
    """A gateway with settings of its own: `serve(max_depth=3)`."""

    def serve(*, peer: str = "127.0.0.1", **values: Any) -> Api:
        settings = make_settings(**values)
        return Api(create_app(schema, settings, pipeline), settings, peer)

    return serve


@pytest.fixture
def api(serve: Callable[..., Api]) -> Api:
    return serve()


def codes(answer: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in answer.json()["errors"]]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GraphiQL's files as `lango.http.graphiql.build` makes them, but small."""
    dist = tmp_path / "dist"
    dist.mkdir()
    bundles = ("main.js", "main.css", *(f"{worker}.worker.js" for worker in graphiql.WORKERS))
    names = {name: "-1A2B3C4D.".join(name.rsplit(".", 1)) for name in bundles}
    for name in names.values():
        for suffix in ("", ".br", ".gz"):
            (dist / f"{name}{suffix}").write_bytes(f"/* {name}{suffix} */".encode())
    (dist / ".built-from").write_text("a digest")
    (dist / graphiql.NAMES).write_bytes(orjson.dumps(names))
    monkeypatch.setattr(graphiql, "DIST", dist)
    return dist
