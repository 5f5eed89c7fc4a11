"""GraphiQL as a person meets it: in a real browser, served by a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from lango.http.demo import DemoCaller, offer
from models.identity import User
from models.pots import Pot
from tests.factories import Factory
from tests.graphiql.chromium import Page, chromium
from tests.subscriptions.conftest import Served, World, until

RUN = ".graphiql-execute-button"
HEADERS = ".graphiql-editor-tool .graphiql-editor:not(.hidden)"
ANSWER = "(document.querySelector('.graphiql-response .view-lines')?.innerText ?? '').replaceAll('\\u00a0', ' ')"
DOCUMENTED = "document.querySelector('.graphiql-plugin').innerText.includes('Root Types')"
VIEWER = "{ viewer { email } }"

Serve = Callable[..., Awaitable[Served]]


async def open_(page: Page, served: Served, **link: str) -> None:
    await page.open(f"{served.url}?{urlencode(link)}" if link else served.url)
    await page.until(f"document.querySelector('{RUN}') !== null && document.querySelector('.view-line') !== null")


async def sign_in(page: Page, token: str) -> None:
    await page.click("#token")
    await page.type(token)
    await page.until("sessionStorage.getItem('lango:token') !== null")


async def write_headers(page: Page, text: str) -> None:
    await page.click("button[data-name=headers]")
    async with asyncio.timeout(30):
        # The editor moves while it opens: what was aimed at may be elsewhere when the click comes.
        while not await page.run(f"document.activeElement.closest('{HEADERS}') !== null"):
            await page.click(HEADERS)
            await asyncio.sleep(0.1)
    await page.type(text)
    await page.until(f"document.querySelector('{HEADERS}').innerText.includes('Bearer')")


async def answers(page: Page, text: str) -> None:
    await page.until(f"{ANSWER}.includes({orjson.dumps(text).decode()})")


async def answers_at_last(page: Page, text: str) -> None:
    """Run it until it answers so: what has just been typed into another editor is taken up a moment later."""
    for _ in range(10):
        await page.click(RUN)
        with suppress(TimeoutError):
            await page.until(f"{ANSWER}.includes({orjson.dumps(text).decode()})", 3)
            return
    await answers(page, text)


async def stored(page: Page, area: str = "localStorage") -> dict[str, str]:
    return dict(await page.run(f"Object.fromEntries(Object.entries({area}))"))


async def test_a_first_visit_opens_with_a_query_that_runs(page: Page, served: Served, make: Factory) -> None:
    owner = await make(User)
    await make(Pot, owner_user_id=owner.id, visibility="public")
    await open_(page, served)
    assert await page.run("document.querySelector('#demo-caller')") is None

    await page.click(RUN)
    await answers(page, '"viewer": null')

    await sign_in(page, served.token(owner))
    await page.click(RUN)
    await answers(page, owner.email)


async def test_a_token_is_kept_for_the_session_and_no_longer(profile: Path, served: Served, make: Factory) -> None:
    user = await make(User)
    token = served.token(user)
    async with chromium(profile) as page:
        await open_(page, served, query=VIEWER)
        await sign_in(page, f"Bearer {token}")
        await page.click(RUN)
        await answers(page, user.email)

        await open_(page, served, query=VIEWER)
        assert await page.run("document.querySelector('#token').value") == token
        await page.click(RUN)
        await answers(page, user.email)

        kept = await stored(page)
        assert "viewer" in kept["graphiql:queries"]
        assert token not in orjson.dumps(kept).decode()
        assert await stored(page, "sessionStorage") == {"lango:token": token}
        assert (page.violations, page.errors) == ([], [])

    async with chromium(profile) as page:
        await open_(page, served)
        assert "viewer" in (await stored(page))["graphiql:queries"]
        assert await page.run("document.querySelector('#token').value") == ""
        await page.click("button[aria-label='Show History']")
        await page.click(".graphiql-history-item-label")
        await page.click(RUN)
        await answers(page, '"viewer": null')


async def test_a_token_in_the_headers_editor_is_not_kept_either(page: Page, served: Served, make: Factory) -> None:
    user = await make(User)
    token = served.token(user)
    await open_(page, served, query=VIEWER)
    await write_headers(page, f'{{"Authorization": "Bearer {token}"}}')
    await answers_at_last(page, user.email)

    await page.click("button[aria-label='Show History']")
    await page.click("button[aria-label='Add favorite']")
    await page.until("'graphiql:favorites' in localStorage")

    kept = await stored(page)
    assert "viewer" in kept["graphiql:favorites"]
    assert token not in orjson.dumps(kept).decode()
    assert await stored(page, "sessionStorage") == {}


async def test_what_earlier_visits_left_is_taken_out(page: Page, served: Served) -> None:
    secret = "eyJ-a-token-of-long-ago"
    headers = orjson.dumps({"Authorization": f"Bearer {secret}"}).decode()
    query = "query mine { viewer { email } }"
    item = {"query": query, "headers": headers, "operationName": None, "variables": None}
    left: dict[str, Any] = {
        "graphiql:queries": {"queries": [item]},
        "graphiql:favorites": {"favorites": [item | {"label": "me", "favorite": True}]},
        "graphiql:tabState": {
            "tabs": [item | {"id": "1", "hash": None, "title": "mine", "response": None}],
            "activeTabIndex": 0,
        },
        "graphiql:variables": {"headers": "is a variable"},
    }
    # Of the same origin, without a GraphiQL that would write over it.
    await page.open(served.url.replace("/graphql", "/healthz"))
    for name, value in [*left.items(), ("graphiql:headers", headers)]:
        await page.run(f"localStorage.setItem({orjson.dumps([name, orjson.dumps(value).decode()]).decode()[1:-1]})")
    await page.run("localStorage.setItem('another', 'page')")

    await open_(page, served)

    kept = await stored(page)
    assert secret not in orjson.dumps(kept).decode()
    assert "graphiql:headers" not in kept
    assert orjson.loads(kept["graphiql:favorites"])["favorites"][0]["label"] == "me"
    assert orjson.loads(kept["graphiql:queries"])["queries"][0]["query"] == query
    assert orjson.loads(kept["graphiql:tabState"])["tabs"][0]["query"] == query
    assert orjson.loads(kept["graphiql:variables"]) == left["graphiql:variables"]
    assert kept["another"] == "page"


async def test_a_subscription_runs_and_is_stopped(page: Page, served: Served, make: Factory, world: World) -> None:
    owner = await make(User)
    pot = await make(Pot, owner_user_id=owner.id, title="Awa is 30")
    await open_(page, served, query=f'subscription {{ potUpdated(potId: "{pot.id}") {{ topic pot {{ title }} }} }}')
    await sign_in(page, served.token(owner))
    await page.click(RUN)
    await until(lambda: served.metric("lango_subscriptions"))

    await world.happen("pot.updated", pot.id)
    await answers(page, "Awa is 30")

    await page.click(RUN)
    await until(lambda: not served.metric("lango_sockets"))


async def test_a_refused_subscription_shows_the_reason(page: Page, served: Served, make: Factory) -> None:
    pot = await make(Pot)
    await open_(page, served, query=f'subscription {{ potUpdated(potId: "{pot.id}") {{ topic }} }}')
    await sign_in(page, "no.such.token")

    await page.click(RUN)

    await answers(page, "The connection was closed: 4403")


async def test_what_a_link_brings_is_not_run_by_itself(page: Page, served: Served, make: Factory) -> None:
    user = await make(User)
    await open_(page, served)
    await sign_in(page, served.token(user))

    await open_(page, served, query=VIEWER, variables='{"a": 1}')
    await page.until("document.querySelector('.graphiql-query-editor .view-lines').innerText.includes('viewer')")
    assert await page.run(ANSWER) == ""
    assert "graphiql:queries" not in await stored(page)

    await page.click(RUN)
    await answers(page, user.email)


async def test_the_explorer_writes_the_query(page: Page, served: Served) -> None:
    await open_(page, served, query="{ __typename }")

    await page.click("button[aria-label='Show GraphiQL Explorer']")
    await page.click(".graphiql-explorer-root [data-field-name=viewer]")

    await page.until("document.querySelector('.graphiql-query-editor .view-lines').innerText.includes('viewer')")


async def test_who_signs_in_gets_the_schema_that_visitors_do_not(page: Page, serve: Serve, make: Factory) -> None:
    served = await serve(introspection="authenticated")
    await open_(page, served)
    await page.click("button[aria-label='Show Documentation Explorer']")
    assert not await page.run(DOCUMENTED)

    await sign_in(page, served.token(await make(User)))

    await page.until(DOCUMENTED)


async def test_the_demos_people_are_chosen_from_a_list(page: Page, served: Served, make: Factory) -> None:
    user = await make(User)
    offer(served.app, served.settings, [DemoCaller("member", "a member", user.id, ())])
    await open_(page, served, query=VIEWER)
    await page.until("document.querySelector('#demo-caller') !== null")

    await page.run("document.querySelector('#demo-caller').focus()")
    await page.key("ArrowDown")
    await page.until("sessionStorage.getItem('lango:token') !== null")
    await page.click(RUN)

    await answers(page, user.email)
    assert set(await stored(page, "sessionStorage")) == {"lango:token"}
    await page.click("header button")
    assert await stored(page, "sessionStorage") == {}


async def test_the_policy_is_in_force(profile: Path, served: Served) -> None:
    """Else a page without violations would prove nothing."""
    async with chromium(profile) as page:
        await open_(page, served)
        assert page.violations == []

        await page.run("fetch('http://127.0.0.1:9/').catch(() => 0)")

        await until(lambda: page.violations)
        assert page.violations[0]["violatedDirective"] == "connect-src"
