"""Connections that bring no whole request, or too much before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from lango.http.app import server_options
from tests.http.conftest import Api
from tests.http.test_server import free_port

HEAD = b"POST /graphql HTTP/1.1\r\nHost: lango.test\r\nContent-Type: application/json\r\n"
BODY = b'{"query": "{ hello }"}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    """The application as `lango serve` serves it, with little patience."""
    options = server_options(api.settings.model_copy(update={"receive_timeout": 0.3}))
    found = free_port()
    server = uvicorn.Server(uvicorn.Config(api.app, **(options | {"port": found, "workers": 1, "loop": "none"})))
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield found
    server.should_exit = True
    await task


async def talk(port: int, *parts: bytes, pause: float = 0) -> bytes:
    """What comes back until the gateway closes the connection, or nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(1):
            while piece := await reader.read(65_536):
                heard += piece
            heard += b"<closed>"
    except TimeoutError:
        heard += b"<open>"
    finally:
        writer.close()
    return heard


@pytest.mark.parametrize(
    "part",
    [b"POST", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"],
    ids=["line", "headers", "body", "chunk"],
)
async def test_a_request_that_does_not_arrive_is_given_up(port: int, part: bytes) -> None:
    heard = await talk(port, part)
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"REQUEST_TIMEOUT"' in heard
    assert heard.endswith(b"<closed>")


async def test_a_silent_connection_is_closed(port: int) -> None:
    assert await talk(port) == b"<closed>"


async def test_headers_without_end_are_refused(port: int) -> None:
    heard = await talk(port, HEAD + b"X-Long: ", b"a" * 65_536)
    assert heard.startswith(b"HTTP/1.1 431 ")
    assert heard.endswith(b"<closed>")


async def test_a_slow_request_within_the_time_and_two_at_once_are_answered(port: int) -> None:
    assert (await talk(port, WHOLE[:40], WHOLE[40:], pause=0.1)).count(b"hello world") == 1
    assert (await talk(port, WHOLE + WHOLE)).count(b"hello world") == 2


async def test_what_follows_a_refused_body_is_not_waited_for(port: int) -> None:
    heard = await talk(port, HEAD + b"Content-Length: 100000000\r\n\r\n{")
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert heard.endswith(b"<closed>")
    assert heard.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Long: " + b"a" * 200_000 + b"\r\n",
        b"X-Long: " + b"a" * 65_536 + b"\r\n",
        b"".join(b"X-Header-%d: %b\r\n" % (number, b"a" * 100) for number in range(700)),
        b"x" * 70_000 + b": a\r\n",
    ],
    ids=["one of 200,000", "one of 65,536", "many", "a name"],
)
async def test_headers_that_arrive_at_once_and_are_too_large_are_refused(port: int, headers: bytes) -> None:
    heard = await talk(port, HEAD + headers + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)

    assert heard.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"HEADERS_TOO_LARGE"' in heard
    assert heard.endswith(b"<closed>")
    assert b"hello world" not in heard


async def test_headers_below_the_limit_are_taken(port: int) -> None:
    headers = b"X-Long: " + b"a" * 60_000 + b"\r\n"

    heard = await talk(port, (HEAD + headers + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY) * 2)

    assert heard.count(b"hello world") == 2


async def test_an_address_that_is_too_long_is_refused(port: int) -> None:
    heard = await talk(port, b"GET /graphql?query=" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: lango.test\r\n\r\n")

    assert heard.startswith(b"HTTP/1.1 414 ")
    assert heard.endswith(b"<closed>")


async def test_what_is_no_http_is_refused_as_before(port: int) -> None:
    assert (await talk(port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_trailers_are_bounded_as_headers_are(port: int) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)

    heard = await talk(port, chunked + b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n")

    assert heard.endswith(b"<closed>")
    assert heard.count(b"HTTP/1.1") <= 1
