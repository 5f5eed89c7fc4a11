"""A network between a gateway and its server that fails where a test says: what is sent and what comes back are bytes."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import URL, make_url

from lango.db.wire import message, name_of

BIND, COMMAND_COMPLETE, READY = b"B", b"C", b"Z"
NO_TLS = {"sslmode": "disable"}
FAREWELL = message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0")


class Cut(Exception):
    """The connection ends here."""


# Takes a message and gives what goes on instead of it; or raises Cut.
Fault = Callable[[bytes], bytes]


class Relay:
    """Passes on what it gets. A fault is met once, by the first message that it is about, on whatever connection."""

    def __init__(self, url: URL) -> None:
        self._to = url
        self._sent: Fault | None = None
        self._received: Fault | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        # The seconds that the end of what the server answers takes longer, and how many COMMITs the server did.
        self.delay = 0.0
        # Whether the statement came before which the connection was to be cut.
        self.sent_as_planned = False
        # Whether new connections are closed at once.
        self.is_away = False
        self.seen: Counter[str] = Counter()

    def lose_the_answer_of_commit(self, *, and_be_away: bool = False) -> None:
        """The server does the next COMMIT, and then the connection is gone; perhaps the server cannot be reached then
        until `is_away` is False."""

        def lose(packet: bytes) -> bytes:
            if is_done(packet, b"COMMIT"):
                self.is_away = and_be_away
                raise Cut
            return packet

        self._received = self._once(lose)

    def be_away_after_commit(self) -> None:
        """The next COMMIT is answered, and then the server cannot be reached until `is_away` is False."""
        done = False

        def leave(packet: bytes) -> bytes:
            nonlocal done
            done = done or is_done(packet, b"COMMIT")
            if done and packet[:1] == READY:
                self.is_away = True
                raise Cut(packet)
            return packet

        self._received = self._once(leave)

    def end_after_commit(self) -> None:
        """The server does the next COMMIT, says so, and is then shut down before it is ready for anything else."""

        def end(packet: bytes) -> bytes:
            if is_done(packet, b"COMMIT"):
                raise Cut(packet + FAREWELL)
            return packet

        self._received = self._once(end)

    def end_before_ready(self, nth: int) -> None:
        """The server does that batch from here on, and is shut down before it is ready for another."""
        count = 0

        def end(packet: bytes) -> bytes:
            nonlocal count
            count += packet[:1] == READY
            if count == nth:
                raise Cut(FAREWELL)
            return packet

        self._received = self._once(end)

    def cut_before(self, sql: str) -> None:
        """The next batch reaches the server up to where that statement is to be run; then the connection is gone."""
        name, self.sent_as_planned = name_of(sql), False

        def cut(packet: bytes) -> bytes:
            if packet[:1] == BIND and packet[6:].startswith(name + b"\0"):
                self.sent_as_planned = True
                raise Cut
            return packet

        self._sent = self._once(cut)

    def _once(self, fault: Fault) -> Fault:
        def meet(packet: bytes) -> bytes:
            try:
                return fault(packet)
            except Cut:
                self._sent = self._received = None
                raise

        return meet

    async def open(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.is_away:
            writer.close()
            return
        host, port = self._to.query.get("host") or self._to.host, self._to.port or 5432
        if isinstance(host, str) and host.startswith("/"):
            back, forth = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            back, forth = await asyncio.open_connection(str(host), port)
        ways = [asyncio.create_task(self._pass_on(reader, forth)), asyncio.create_task(self._give_back(back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The relay is closed: nobody waits for what this comes to.
            pass
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (writer, forth):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
        """From the gateway to the server."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            # Who connects, or what is to be cancelled, after which nothing more comes.
            size = await reader.readexactly(4)
            forth.write(size + await reader.readexactly(struct.unpack("!I", size)[0] - 4))
            while True:
                packet = await packet_of(reader)
                try:
                    forth.write(packet if self._sent is None else self._sent(packet))
                except Cut:
                    await forth.drain()
                    return

    async def _give_back(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the server to the gateway."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                packet = await packet_of(back)
                if self.delay and packet[:1] == READY:
                    await asyncio.sleep(self.delay)
                if is_done(packet, b"COMMIT"):
                    self.seen["COMMIT"] += 1
                try:
                    writer.write(packet if self._received is None else self._received(packet))
                except Cut as cut:
                    for last in cut.args:
                        writer.write(last)
                    with suppress(ConnectionError):
                        await writer.drain()
                    return

    async def close(self) -> None:
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def packet_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack_from("!I", head, 1)[0] - 4)


def is_done(packet: bytes, tag: bytes) -> bool:
    """Whether a message says that a command of that tag has been done."""
    return packet[:1] == COMMAND_COMPLETE and packet[5:].startswith(tag)


@asynccontextmanager
async def relay(address: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay before the server of that address, and its own address."""
    made = Relay(make_url(address))
    server = await made.open()
    port = server.sockets[0].getsockname()[1]
    try:
        yield (
            made,
            make_url(address).set(host="127.0.0.1", port=port, query=NO_TLS).render_as_string(hide_password=False),
        )
    finally:
        server.close()
        await made.close()
