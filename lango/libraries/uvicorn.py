"""uvicorn: its protocols of a connection, which lango/http/protocols.py bounds, relying on what they keep and call."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["HttpToolsProtocol", "WebSocketsSansIOProtocol"]
