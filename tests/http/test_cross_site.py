"""What a page of another site can make a browser send is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Api, codes

APP = "https://app.example.org"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "https://other.lango.test"},
        {"sec-fetch-site": "cross-site", "origin": "http://lango.test"},
        {"origin": APP},
    ],
)
async def test_a_request_for_another_origins_page_is_refused(api: Api, seen: Any, headers: dict[str, str]) -> None:
    answer = await api.post('mutation { redeem(code: "x") }', headers=headers)

    assert answer.status_code == 403
    assert codes(answer) == ["CROSS_SITE_REQUEST"]
    assert "access-control-allow-origin" not in answer.headers
    assert seen.contexts == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://lango.test"},
        {"sec-fetch-site": "same-origin", "origin": "http://lango.test"},
        {"sec-fetch-site": "none"},
    ],
)
async def test_its_own_pages_and_programs_are_answered(api: Api, headers: dict[str, str]) -> None:
    assert (await api.post("{ hello }", headers=headers)).status_code == 200


async def test_an_allowed_origin_is_answered_and_may_read_the_answer(serve: Any) -> None:
    api = serve(allowed_origins=f"{APP}, https://other.example")
    preflight = await api.http.options(
        "/graphql",
        headers={
            "origin": APP,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type, idempotency-key",
        },
    )
    answer = await api.post("{ hello }", headers={"origin": APP, "sec-fetch-site": "cross-site"})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == APP
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == APP
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()


async def test_a_preflight_of_another_origin_gets_no_permission(serve: Any) -> None:
    api = serve(allowed_origins=APP)
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}

    answer = await api.http.options("/graphql", headers=headers)

    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("accept", ["*/*", "image/avif,image/webp,*/*;q=0.8", "application/*"])
async def test_a_get_that_could_be_a_link_or_an_image_is_refused(api: Api, accept: str) -> None:
    answer = await api.get(query="{ hello }", headers={"accept": accept})

    assert answer.status_code in (403, 406)


@pytest.mark.parametrize(
    "headers",
    [
        {"graphql-require-preflight": "1"},
        {"apollo-require-preflight": "true"},
        {"x-apollo-operation-name": "A"},
        {"content-type": "application/json"},
    ],
)
async def test_a_get_with_a_header_that_needs_a_preflight_is_answered(api: Api, headers: dict[str, str]) -> None:
    answer = await api.get(query="{ hello }", headers={"accept": "*/*", **headers})

    assert answer.status_code == 200
