"""What a page of another site can make a browser send is refused."""

from __future__ import annotations

from typing import Any

import httpx
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


EVIL = "evil.example:8000"


async def hello(api: Api, host: str, path: str = "/graphql", **headers: str) -> httpx.Response:
    if path != "/graphql":
        return await api.http.get(path, headers={"host": host, **headers})
    return await api.post("{ hello }", headers={"host": host, **headers})


@pytest.mark.parametrize("host", [EVIL, "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "x", ""])
async def test_a_strangers_name_for_this_machine_is_not_served(serve: Any, seen: Any, host: str) -> None:
    """DNS rebinding: to the browser it is one origin, and no header says otherwise but Host."""
    api = serve(allowed_hosts="")
    origin = {"origin": f"http://{host}"}

    for headers in ({}, origin, origin | {"sec-fetch-site": "same-origin"}):
        answer = await api.post('mutation { redeem(code: "x") }', headers={"host": host, **headers})
        assert answer.status_code == 421
        assert codes(answer) == ["MISDIRECTED_REQUEST"]
        assert answer.headers["x-request-id"]
    assert seen.contexts == []
    for path in ("/metrics", "/graphql/assets/x.js", "/elsewhere"):
        assert (await hello(api, host, path)).status_code == 421


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST.", "app.localhost:3000", "127.0.0.1:8000", "[::1]:8000", "[::1]",
     "192.0.2.7:8000", "[2001:db8::7]"],
)  # fmt: skip
async def test_loopback_and_addresses_are_served(serve: Any, host: str) -> None:
    api = serve(allowed_hosts="")

    assert (await hello(api, host)).status_code == 200
    assert (await hello(api, host, origin=f"http://{host}")).status_code == 200
    assert (await hello(api, host, origin="http://evil.example")).status_code == 403


async def test_the_names_of_the_settings_are_served_and_no_others(serve: Any) -> None:
    api = serve(allowed_hosts="api.example.org, *.apps.example.org", public_url="https://pay.example.org/x")

    for host in ("api.example.org", "API.example.org:443", "a.b.apps.example.org", "pay.example.org", "10.0.0.1"):
        assert (await hello(api, host, origin=f"https://{host}")).status_code == 200
    for host in (
        "example.org",
        "apps.example.org",
        "evilapps.example.org",
        "localhost",
        "api.example.org.evil.example",
    ):
        assert (await hello(api, host)).status_code == 421


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_may_use_any_name(serve: Any, path: str) -> None:
    assert (await hello(serve(allowed_hosts=""), "lango.internal", path)).status_code in (200, 503)


async def test_a_gateway_for_a_network_serves_every_name_and_owns_none(serve: Any) -> None:
    api = serve(allowed_hosts="", host="0.0.0.0", public_url="https://api.example.org")  # noqa: S104

    assert (await hello(api, "lango.internal:8000")).status_code == 200
    for headers in ({"origin": f"http://{EVIL}"}, {"sec-fetch-site": "same-origin"}):
        answer = await hello(api, EVIL, **headers)
        assert answer.status_code == 403
        assert codes(answer) == ["CROSS_SITE_REQUEST"]
    assert (await hello(api, "api.example.org", origin="https://api.example.org")).status_code == 200


async def test_any_name_can_be_allowed(serve: Any) -> None:
    assert (await hello(serve(allowed_hosts="*"), EVIL, origin=f"http://{EVIL}")).status_code == 200
