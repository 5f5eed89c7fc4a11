"""Connections that bring no whole request, or too much before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from lango.app import server_options
from tests.http.conftest import Api
from tests.http.test_server import free_port

HEAD = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
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


async def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
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
