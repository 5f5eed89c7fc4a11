"""A pooler in transaction mode, small enough for a test: many clients over a few server connections.

It is what PgBouncer was before 1.21, which passes the names of statements on as they are, or what it has been since,
which keeps each client's apart.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import asyncpg

from lango.libraries.asyncpg import transport_of

ALLOWED = {"user", "database", "client_encoding", "application_name", "datestyle", "timezone"}
SSL_REQUEST, CANCEL_REQUEST = 80877103, 80877102


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


class Server(asyncio.Protocol):
    """A server connection, which serves one client until its transaction ends."""

    def __init__(self, opened: asyncpg.Connection[Any], pooler: Multiplexer) -> None:
        self.opened = opened
        self.transport: Any = transport_of(opened)
        self.transport.set_protocol(self)
        self._pooler = pooler
        self._buffer = bytearray()
        self.client: Client | None = None
        # The statements that are known here, by the names that they have here.
        self.known: set[bytes] = set()
        # What is under way, in order: what is parsed, and whether for the client itself; and each Sync.
        self.parsing: deque[tuple[bytes, bool] | None] = deque()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 5:
            end = 1 + struct.unpack_from("!I", self._buffer, 1)[0]
            if len(self._buffer) < end:
                return
            packet = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._take(packet)

    def _take(self, packet: bytes) -> None:
        client = self.client
        if packet[:1] == b"1":
            parsed = self.parsing.popleft()
            assert parsed is not None
            if not parsed[1]:
                return
        if client is not None:
            client.write(packet)
        if packet[:1] == b"Z":
            # What was to be parsed after an error was not.
            while (skipped := self.parsing.popleft()) is not None:
                self.known.discard(skipped[0])
            if client is not None and None not in self.parsing and packet[5:6] == b"I":
                self.client = client.server = None
                self._pooler.give_back(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.opened.terminate()
        if self.client is not None:
            self.client.writer.close()
        self._pooler.forget(self)


class Client:
    """A client connection: it borrows a server connection for as long as a transaction lasts."""

    numbers = itertools.count(1)

    def __init__(self, pooler: Multiplexer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pooler = pooler
        self.reader = reader
        self.writer = writer
        self.server: Server | None = None
        self.number = next(self.numbers)
        # By the client's name for it: our own, and what is to be parsed.
        self.statements: dict[bytes, tuple[bytes, bytes]] = {}

    def write(self, packet: bytes) -> None:
        self.writer.write(packet)

    async def serve(self) -> None:
        if not await self._greet():
            return
        while True:
            head = await self.reader.readexactly(5)
            kind, body = head[:1], await self.reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            if kind == b"X":
                return
            if self.server is None:
                self.server = await self.pooler.borrow()
                self.server.client = self
            self._pass_on(self.server, kind, body)

    async def _greet(self) -> bool:
        while True:
            (length,) = struct.unpack("!I", await self.reader.readexactly(4))
            body = await self.reader.readexactly(length - 4)
            (code,) = struct.unpack("!I", body[:4])
            if code == CANCEL_REQUEST:
                return False
            if code != SSL_REQUEST:
                break
            self.write(b"N")
        names = body[4:].rstrip(b"\0").split(b"\0")[::2]
        for name in names:
            if name.decode().lower() not in ALLOWED:
                says = b"SFATAL\0C08P01\0Munsupported startup parameter: " + name + b"\0\0"
                self.write(message(b"E", says))
                await self.writer.drain()
                return False
        server = await self.pooler.borrow()
        settings = server.opened.get_settings()
        self.pooler.give_back(server)
        self.write(message(b"R", struct.pack("!I", 0)))
        for name in ("server_version", "client_encoding", "standard_conforming_strings", "integer_datetimes"):
            self.write(message(b"S", f"{name}\0{getattr(settings, name, 'on')}\0".encode()))
        self.write(message(b"K", struct.pack("!II", secrets.randbits(31), secrets.randbits(31))))
        self.write(message(b"Z", b"I"))
        return True

    def _pass_on(self, server: Server, kind: bytes, body: bytes) -> None:
        out = b""
        if kind == b"P":
            name, rest = body.split(b"\0", 1)
            if name and self.pooler.keeps_apart:
                ours = b"%d_%s" % (self.number, name)
                self.statements[name] = (ours, rest)
                server.known.add(ours)
                body = ours + b"\0" + rest
            server.parsing.append((body.split(b"\0", 1)[0], True))
        elif kind == b"B":
            portal, name, rest = body.split(b"\0", 2)
            ours, out = self._known(server, name)
            body = portal + b"\0" + ours + b"\0" + rest
        elif kind in (b"D", b"C") and body[:1] == b"S":
            ours, out = self._known(server, body[1:-1])
            body = b"S" + ours + b"\0"
            if kind == b"C":
                self.statements.pop(body[1:-1], None)
                server.known.discard(ours)
        elif kind in (b"S", b"Q"):
            server.parsing.append(None)
        server.transport.write(out + message(kind, body))

    def _known(self, server: Server, name: bytes) -> tuple[bytes, bytes]:
        """What the statement is called there, and what has to be sent first so that it is known."""
        if name not in self.statements:
            return name, b""
        ours, rest = self.statements[name]
        if ours in server.known:
            return ours, b""
        server.known.add(ours)
        server.parsing.append((ours, False))
        return ours, message(b"P", ours + b"\0" + rest)


class Multiplexer:
    """The pooler itself, over so many connections to this address."""

    def __init__(self, address: str, size: int, *, keeps_apart: bool) -> None:
        self.address = address
        self.size = size
        self.keeps_apart = keeps_apart
        self._clients: set[Client] = set()
        self._idle: deque[Server] = deque()
        self._servers: set[Server] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(self, reader, writer)
        self._clients.add(client)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await client.serve()
        finally:
            self._clients.remove(client)
            writer.close()
            if client.server is not None:
                # In the middle of something: nobody else can go on with it.
                client.server.client = None
                client.server.transport.abort()

    async def close(self) -> None:
        for client in list(self._clients):
            client.writer.transport.abort()
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(ConnectionAbortedError())
        for server in list(self._servers):
            server.transport.abort()
        # What was aborted is closed by the loop.
        await asyncio.sleep(0.05)

    async def borrow(self) -> Server:
        while not self._idle:
            if len(self._servers) + self._opening < self.size:
                await self._open()
            else:
                waiting = asyncio.get_running_loop().create_future()
                self._waiting.append(waiting)
                await waiting
        # The one that was used last, as PgBouncer does.
        return self._idle.pop()

    async def _open(self) -> None:
        self._opening += 1
        try:
            server = Server(await asyncpg.connect(self.address, statement_cache_size=0), self)
        finally:
            self._opening -= 1
        self._servers.add(server)
        self.give_back(server)

    def give_back(self, server: Server) -> None:
        self._idle.append(server)
        self._wake()

    def forget(self, server: Server) -> None:
        self._servers.discard(server)
        with suppress(ValueError):
            self._idle.remove(server)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return


@contextmanager
def multiplexer(address: str, size: int = 2, *, keeps_apart: bool) -> Iterator[int]:
    """One in a thread of its own; gives the port on 127.0.0.1 that it listens on."""
    begun, port = threading.Event(), 0
    loop = asyncio.new_event_loop()

    pooler = Multiplexer(address, size, keeps_apart=keeps_apart)

    async def run() -> None:
        nonlocal port
        server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        begun.set()
        try:
            await asyncio.Future()
        finally:
            server.close()
            await pooler.close()

    def work() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    task = loop.create_task(run())
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert begun.wait(10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
