"""uvicorn: its protocols of a connection, which lango/http/protocols.py bounds, relying on what they keep and call, the
state of an answer, which lango/http/whole_answers.py completes, and where it takes the context that makes its worker
processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any, cast

from uvicorn import _subprocess
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["STATUS_LINE", "HttpToolsProtocol", "RequestResponseCycle", "WebSocketsSansIOProtocol", "workers_made_by"]


@contextmanager
def workers_made_by(context: BaseContext) -> Iterator[None]:
    """Meanwhile, uvicorn makes its worker processes by this context of multiprocessing, and not by spawning them."""
    spawned: Any = _subprocess.spawn
    _subprocess.spawn = cast(Any, context)
    try:
        yield
    finally:
        _subprocess.spawn = spawned
