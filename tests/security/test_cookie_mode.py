"""A browser's session in cookies: set, used, renewed and taken away, and never by a page of another origin."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

import httpx
import orjson
import pytest
import strawberry
import uvicorn
from strawberry.schema.config import StrawberryConfig
from websockets.asyncio.client import connect

from gql.kit.executor import Executor
from gql.kit.mutation import mutations
from gql.kit.scalars import SCALARS
from lango.db.pipeline import Pipeline
from lango.http.app import create_app, server_options
from lango.http.cookies import ACCESS, REFRESH
from lango.rules.inputs import Once, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.security.authentication import mint
from lango.settings import Settings
from models.identity import User
from tests.factories import Factory

PAGE = "https://app.example.org"
ATTRIBUTES = "; Path=/; Secure; HttpOnly; SameSite=Strict"


@dataclass
class Given:
    access_token: Annotated[str | None, Once("What opens.")] = None
    refresh_token: Annotated[str | None, Once("What renews.")] = None


@dataclass
class Ended:
    ended: Annotated[int, Value("How many.")]


def given(tx: RuleTransaction, user_id: UUID, refresh_token: str) -> Given:
    return Given(mint(tx.services.settings, user_id), refresh_token)


@rule(NotFound, anonymous=True, idempotent=False)
async def sign_in_trial(
    tx: RuleTransaction, who: Annotated[str, Text("Who.", 100)], right: Annotated[bool, Value("Whether.")] = True
) -> Given:
    """Sign somebody in."""
    if not right:
        raise NotFound(field="who")
    return given(tx, UUID(who), f"lr_{who}_1")


@rule(NotFound, anonymous=True, idempotent=False)
async def refresh_trial(
    tx: RuleTransaction, refresh_token: Annotated[str | None, Text("The last one.", 100, exact=True)] = None
) -> Given:
    """Renew a session."""
    found = re.fullmatch(r"lr_([0-9a-f-]{36})_(\d+)", refresh_token or "")
    if found is None:
        raise NotFound(field="refresh_token")
    return given(tx, UUID(found[1]), f"lr_{found[1]}_{int(found[2]) + 1}")


@rule(NotFound, idempotent=False)
async def sign_out(_tx: RuleTransaction) -> Ended:
    """End the session."""
    return Ended(1)


@rule(NotFound, idempotent=False)
async def sign_out_everywhere(
    _tx: RuleTransaction, except_this: Annotated[bool, Value("Whether this one goes on.")] = False
) -> Ended:
    """End all sessions."""
    return Ended(int(except_this))


@strawberry.type
class Query:
    @strawberry.field
    def whoami(self, info: strawberry.Info[Any, Any]) -> str | None:
        user_id = info.context.actor.user_id
        return str(user_id) if user_id else None


def app_over(settings: Settings, pipeline: Pipeline, services: Services) -> Any:
    mutation = mutations(sign_in_trial, refresh_trial, sign_out, sign_out_everywhere)
    config = StrawberryConfig(scalar_map=SCALARS)
    schema = strawberry.Schema(Query, mutation, config=config, execution_context_class=Executor)
    return create_app(schema, settings, pipeline, services=services)


SIGN_IN = (
    "mutation ($who: String!, $right: Boolean, $dry: Boolean) {"
    " done: signInTrial(input: {who: $who, right: $right, validateOnly: $dry}) {"
    " accessToken refreshToken userErrors { code } } }"
)
REFRESH_IT = (
    "mutation ($token: String) { done: refreshTrial(input: {refreshToken: $token}) {"
    " accessToken refreshToken userErrors { code } } }"
)
SIGN_OUT = "mutation { done: signOut(input: {}) { ended } }"
EVERYWHERE = "mutation ($but: Boolean) { done: signOutEverywhere(input: {exceptThis: $but}) { ended } }"
WHOAMI = "{ whoami }"


class Browser:
    """Keeps cookies as a browser does, and sends what one sends for a page of that origin."""

    def __init__(self, app: Any, origin: str = PAGE, *, mode: str | None = "cookie") -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        self.headers = {"origin": origin, **({"x-lango-session": mode} if mode else {})}
        self.cookies: dict[str, str] = {}
        self.set: list[str] = []

    async def post(self, query: str, *, headers: Mapping[str, str] | None = None, **variables: Any) -> httpx.Response:
        sent = {**self.headers, **self._cookie(), **(headers or {})}
        answer = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=sent)
        self._keep(answer)
        return answer

    async def get(self, headers: Mapping[str, str]) -> httpx.Response:
        sent = {"accept": "application/json", **self._cookie(), **headers}
        return await self.http.get("/graphql", params={"query": WHOAMI}, headers=sent)

    async def whoami(self) -> str | None:
        answer = (await self.post(WHOAMI)).json()
        return answer["data"]["whoami"] if "data" in answer else answer["errors"][0]["extensions"]["code"]

    def _cookie(self) -> dict[str, str]:
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def _keep(self, answer: httpx.Response) -> None:
        self.set = answer.headers.get_list("set-cookie")
        for cookie in self.set:
            pair, _, attributes = cookie.partition("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0;" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


@pytest.fixture
async def user(make: Factory) -> SimpleNamespace:
    return await make(User)


@pytest.fixture
def app(pipeline: Pipeline, settings: Settings, services: Services) -> Any:
    changed = settings.model_copy(update={"allowed_origins": PAGE})
    return app_over(changed, pipeline, Services(pipeline, changed, services.clients))


@pytest.fixture
def browser(app: Any) -> Browser:
    return Browser(app)


async def test_signing_in_sets_cookies_and_shows_no_token(browser: Browser, user: SimpleNamespace) -> None:
    answer = await browser.post(SIGN_IN, who=str(user.id))

    assert answer.json()["data"]["done"] == {"accessToken": None, "refreshToken": None, "userErrors": []}
    access, refresh = browser.set
    assert re.fullmatch(rf"{ACCESS}=[\w.-]+; Max-Age=600{ATTRIBUTES}", access)
    assert refresh == f"{REFRESH}=lr_{user.id}_1; Max-Age=34560000{ATTRIBUTES}"
    assert not any(secret in answer.text for secret in browser.cookies.values())
    assert "no-store" in answer.headers["cache-control"]
    assert await browser.whoami() == str(user.id)


async def test_without_the_header_tokens_are_in_the_payload_and_no_cookie_is_set(
    app: Any, user: SimpleNamespace
) -> None:
    for mode in (None, "bearer"):
        browser = Browser(app, mode=mode)
        answer = await browser.post(SIGN_IN, who=str(user.id))

        assert browser.set == []
        token = answer.json()["data"]["done"]["accessToken"]
        assert answer.json()["data"]["done"]["refreshToken"] == f"lr_{user.id}_1"
        shown = await browser.post(WHOAMI, headers={"authorization": f"Bearer {token}"})
        assert shown.json()["data"]["whoami"] == str(user.id)


async def test_what_is_refused_or_only_tried_sets_nothing(browser: Browser, user: SimpleNamespace) -> None:
    await browser.post(SIGN_IN, who=str(user.id), right=False)
    assert browser.set == []

    dry = await browser.post(SIGN_IN, who=str(user.id), dry=True)
    assert browser.set == []
    assert dry.json()["data"]["done"]["accessToken"] is None


async def test_a_session_is_renewed_by_its_cookie(browser: Browser, user: SimpleNamespace) -> None:
    await browser.post(SIGN_IN, who=str(user.id))
    # The cookie of the access token ends with it.
    del browser.cookies[ACCESS]
    assert await browser.whoami() is None

    answer = await browser.post(REFRESH_IT)

    assert answer.json()["data"]["done"] == {"accessToken": None, "refreshToken": None, "userErrors": []}
    assert browser.cookies[REFRESH] == f"lr_{user.id}_2"
    assert await browser.whoami() == str(user.id)


async def test_what_came_by_cookie_is_renewed_into_cookies_whatever_the_page_says(
    browser: Browser, user: SimpleNamespace
) -> None:
    """A script that was smuggled into the page must not get at the tokens by leaving the header out."""
    await browser.post(SIGN_IN, who=str(user.id))
    browser.headers.pop("x-lango-session")

    answer = await browser.post(REFRESH_IT)

    assert answer.json()["data"]["done"]["refreshToken"] is None
    assert browser.cookies[REFRESH] == f"lr_{user.id}_2"


async def test_the_cookie_is_brought_to_no_rule_in_bearer_mode(browser: Browser, user: SimpleNamespace) -> None:
    await browser.post(SIGN_IN, who=str(user.id))
    browser.headers["x-lango-session"] = "bearer"
    answer = await browser.post(REFRESH_IT)

    assert answer.json()["data"]["done"]["userErrors"] == [{"code": "NOT_FOUND"}]
    assert answer.json()["data"]["done"]["accessToken"] is None


async def test_a_token_in_the_input_goes_before_the_cookie(browser: Browser, user: SimpleNamespace) -> None:
    await browser.post(SIGN_IN, who=str(user.id))

    await browser.post(REFRESH_IT, token=f"lr_{user.id}_7")

    assert browser.cookies[REFRESH] == f"lr_{user.id}_8"


async def test_a_cookie_that_renews_nothing_any_more_is_taken_away(browser: Browser) -> None:
    browser.cookies = {REFRESH: "lr_of_a_session_that_has_ended"}

    answer = await browser.post(REFRESH_IT)

    assert answer.json()["data"]["done"]["userErrors"] == [{"code": "NOT_FOUND"}]
    assert browser.cookies == {}
    assert len(browser.set) == 2


@pytest.mark.parametrize(
    ("query", "variables", "left"),
    [(SIGN_OUT, {}, 0), (EVERYWHERE, {}, 0), (EVERYWHERE, {"but": False}, 0), (EVERYWHERE, {"but": True}, 2)],
)
async def test_signing_out_takes_the_cookies_away(
    browser: Browser, user: SimpleNamespace, query: str, variables: dict[str, Any], left: int
) -> None:
    await browser.post(SIGN_IN, who=str(user.id))

    await browser.post(query, **variables)

    assert len(browser.cookies) == left
    if not left:
        assert set(browser.set) == {f"{name}=; Max-Age=0{ATTRIBUTES}" for name in (ACCESS, REFRESH)}


async def test_an_access_cookie_that_is_not_taken_is_forgotten_and_the_other_kept(
    browser: Browser, user: SimpleNamespace
) -> None:
    await browser.post(SIGN_IN, who=str(user.id))
    browser.cookies[ACCESS] += "x"

    answer = await browser.post(WHOAMI)

    assert answer.status_code == 401
    assert browser.cookies.keys() == {REFRESH}
    await browser.post(REFRESH_IT)
    assert await browser.whoami() == str(user.id)


async def test_a_header_goes_before_the_cookie(browser: Browser, user: SimpleNamespace, settings: Settings) -> None:
    browser.cookies = {ACCESS: "nonsense", REFRESH: "nonsense"}

    answer = await browser.post(WHOAMI, headers={"authorization": f"Bearer {mint(settings, user.id)}"})

    assert answer.json()["data"]["whoami"] == str(user.id)
    assert browser.set == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://other.example.org", "sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("query", [WHOAMI, REFRESH_IT, SIGN_OUT])
async def test_a_page_of_another_origin_uses_no_cookie(
    browser: Browser, user: SimpleNamespace, headers: dict[str, str], query: str
) -> None:
    await browser.post(SIGN_IN, who=str(user.id))
    before = dict(browser.cookies)

    answer = await browser.post(query, headers=headers)

    assert answer.status_code == 403
    assert answer.json()["errors"][0]["extensions"]["code"] == "CROSS_SITE_REQUEST"
    assert browser.cookies == before
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_form_uses_no_cookie(browser: Browser, user: SimpleNamespace, kind: str) -> None:
    """What a browser sends without asking, from a page of our own even."""
    await browser.post(SIGN_IN, who=str(user.id))

    answer = await browser.post(SIGN_OUT, headers={"content-type": kind, "origin": PAGE})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"x-lango-session": "cookie"}, True),
        ({"graphql-require-preflight": "1"}, True),
    ],
)
async def test_a_get_with_cookies_shows_where_it_comes_from(
    browser: Browser, user: SimpleNamespace, headers: dict[str, str], taken: bool
) -> None:
    await browser.post(SIGN_IN, who=str(user.id))

    answer = await browser.get(headers)

    assert answer.status_code == (200 if taken else 403)
    assert ("data" in answer.json()) is taken


async def test_an_allowed_origin_may_send_cookies_and_no_other(app: Any) -> None:
    http = Browser(app).http
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-lango-session"}

    allowed = await http.options("/graphql", headers={"origin": PAGE, **asked})
    other = await http.options("/graphql", headers={"origin": "https://evil.example", **asked})

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost:5173", 200), ("http://127.0.0.1", 200), ("http://app.example.org", 400), (PAGE, 200)],
)
async def test_cookies_that_a_browser_would_not_keep_are_refused_with_the_reason(
    pipeline: Pipeline, settings: Settings, services: Services, user: SimpleNamespace, origin: str, status: int
) -> None:
    changed = settings.model_copy(update={"allowed_origins": f"{PAGE},http://app.example.org,http://localhost:5173"})
    browser = Browser(app_over(changed, pipeline, Services(pipeline, changed, services.clients)), origin)

    answer = await browser.post(SIGN_IN, who=str(user.id))

    assert answer.status_code == status
    if status == 400:
        assert "https" in answer.json()["errors"][0]["message"]
        assert browser.set == []


async def test_a_mode_that_is_none_is_refused(browser: Browser) -> None:
    browser.headers["x-lango-session"] = "cookies"

    assert (await browser.post(WHOAMI)).status_code == 400


async def test_an_answer_as_events_sets_cookies_too(browser: Browser, user: SimpleNamespace) -> None:
    answer = await browser.post(SIGN_IN, who=str(user.id), headers={"accept": "text/event-stream"})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert browser.cookies.keys() == {ACCESS, REFRESH}


async def test_the_descriptions_say_so(browser: Browser) -> None:
    query = '{ __type(name: "SignInTrialPayload") { fields { name description } } }'
    found = (await browser.post(query)).json()["data"]["__type"]["fields"]

    assert "`X-Lango-Session: cookie`" in {each["name"]: each["description"] for each in found}["accessToken"]


@pytest.fixture
async def port(app: Any, settings: Settings) -> AsyncIterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        free: int = listener.getsockname()[1]
    options = server_options(settings.model_copy(update={"port": free}))
    server = uvicorn.Server(uvicorn.Config(app, **{**options, "loop": "auto"}))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - there is no signal
        await asyncio.sleep(0.01)
    yield free
    server.should_exit = True
    await serving


async def talk(socket_: Any, *messages: dict[str, Any]) -> dict[str, Any]:
    for message in messages:
        await socket_.send(orjson.dumps(message).decode())
    async with asyncio.timeout(10):
        return dict(orjson.loads(await socket_.recv()))


async def test_a_socket_is_opened_by_the_cookie_and_gets_no_token(
    port: int, browser: Browser, user: SimpleNamespace
) -> None:
    await browser.post(SIGN_IN, who=str(user.id))
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    url = f"ws://127.0.0.1:{port}/graphql"
    async with connect(
        url,
        subprotocols=["graphql-transport-ws"],
        origin=PAGE,
        additional_headers={"cookie": cookie},  # type: ignore[list-item,arg-type]
    ) as opened:
        assert (await talk(opened, {"type": "connection_init"}))["type"] == "connection_ack"

        shown = await talk(opened, {"id": "1", "type": "subscribe", "payload": {"query": WHOAMI}})
        assert shown["payload"]["data"] == {"whoami": str(user.id)}
        await opened.recv()
        for query in (REFRESH_IT, SIGN_IN):
            payload = {"query": query, "variables": {"who": str(user.id)}}
            refused = await talk(opened, {"id": "2", "type": "subscribe", "payload": payload})
            assert refused["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
            await opened.recv()


async def test_a_socket_of_another_origins_page_is_not_opened(
    port: int, browser: Browser, user: SimpleNamespace
) -> None:
    await browser.post(SIGN_IN, who=str(user.id))
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    url = f"ws://127.0.0.1:{port}/graphql"

    with pytest.raises(Exception, match="403"):
        async with connect(
            url, subprotocols=["graphql-transport-ws"], origin="https://evil.example",  # type: ignore[list-item,arg-type]
            additional_headers={"cookie": cookie},
        ):  # fmt: skip
            pass
