"""How answers are written to a connection."""

from __future__ import annotations

import asyncio
import re
from asyncio.selector_events import _SelectorSocketTransport as SocketTransport  # type: ignore[attr-defined]
from collections.abc import Callable
from typing import Any

import pytest

from lango.http import middleware
from tests.http.conftest import Api, Seen
from tests.http.test_protocols import BODY, HEAD, WHOLE, port, talk  # noqa: F401 - a fixture
from tests.http.test_server import until

CLOSING = WHOLE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
EXPECTING = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[bytes]]:
    """What was written to sockets in this process, but for requests: each piece is a system call."""
    pieces: list[bytes] = []
    write = SocketTransport.write

    def noted(self: Any, data: bytes) -> None:
        pieces.append(bytes(data))
        write(self, data)

    monkeypatch.setattr(SocketTransport, "write", noted)
    return lambda: [each for each in pieces if not each.startswith((b"POST", b"GET", b"HEAD"))]


async def test_an_answer_is_one_system_call(port: int, written: Callable[[], list[bytes]]) -> None:  # noqa: F811
    heard = await talk(port, WHOLE + WHOLE)

    assert heard.count(b"hello world") == 2
    assert [each.count(b"hello world") for each in written()] == [1, 1]


async def test_an_answer_has_its_head_with_the_date_and_its_length(port: int) -> None:  # noqa: F811
    head, _, rest = (await talk(port, WHOLE)).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)

    assert status == b"HTTP/1.1 200 OK"
    assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers[b"date"])
    assert int(headers[b"content-length"]) == len(rest.removesuffix(b"<open>"))
    assert headers[b"content-type"] == b"application/json; charset=utf-8"
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"transfer-encoding" not in headers


async def test_a_connection_that_is_to_be_closed_is_closed(port: int) -> None:  # noqa: F811
    heard = await talk(port, CLOSING)

    assert b"\r\nconnection: close\r\n" in heard
    assert heard.endswith(b"<closed>")
    assert heard.count(b"hello world") == 1


async def test_the_answer_to_head_has_no_body(port: int) -> None:  # noqa: F811
    heard = await talk(port, b"HEAD /healthz HTTP/1.1\r\nHost: lango.test\r\n\r\n" + WHOLE)

    first, second = heard.split(b"HTTP/1.1 200 OK")[1:]
    assert first.endswith(b"\r\n\r\n")
    assert b"hello world" in second


async def test_a_client_that_expects_100_continue_gets_it_once(port: int) -> None:  # noqa: F811
    heard = await talk(port, EXPECTING, BODY, pause=0.1)

    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert heard.count(b"HTTP/1.1") == 2


async def test_a_stream_goes_out_piece_by_piece(port: int, written: Callable[[], list[bytes]]) -> None:  # noqa: F811
    await talk(port, WHOLE.replace(b"\r\n", b"\r\nAccept: text/event-stream\r\n", 1))

    head, *pieces = written()
    assert b"transfer-encoding: chunked" in head
    assert pieces[0] == b"3\r\n:\n\n\r\n"
    assert b"hello world" in pieces[1]


async def test_no_header_begins_another(port: int, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    split = (b"x-frame-options", b"DENY\r\nset-cookie: mine")
    monkeypatch.setattr(middleware, "SECURITY_HEADERS", (split,))

    heard = await talk(port, WHOLE)

    assert heard.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in heard


async def test_a_client_that_has_gone_is_written_nothing(
    api: Api,
    seen: Seen,
    port: int,  # noqa: F811
    written: Callable[[], list[bytes]],
) -> None:
    body = b'{"query": "mutation { slow }"}'
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await seen.started.wait()
    writer.transport.abort()
    await asyncio.sleep(0.05)
    seen.release.set()

    await until(lambda: api.app.state.metrics.registry.get_sample_value("lango_requests_in_flight") == 0)

    assert seen.finished == 1
    assert written() == []
