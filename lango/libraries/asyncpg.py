"""asyncpg: what its statements are called, the bytes below a connection, and how to cancel without a query."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg import connect_utils
from asyncpg.pgproto.pgproto import UUID as UUID

if TYPE_CHECKING:
    Driver = asyncpg.Connection[Any]
else:
    Driver = asyncpg.Connection


class NamingConnection(Driver):
    """A connection that says itself what the server is to call its statements."""

    def name_of(self, query: str) -> str:
        """A name that no other statement of the server has."""
        raise NotImplementedError

    async def _get_statement(self, query: str, *args: Any, named: Any = False, **options: Any) -> Any:
        """As the driver does, but for what it would number."""
        if not isinstance(named, str) and (named or self._stmt_cache_enabled):  # type: ignore[attr-defined]
            named = self.name_of(query)
        return await super()._get_statement(query, *args, named=named, **options)  # type: ignore[misc]


def transport_of(connection: asyncpg.Connection[Any]) -> asyncio.Transport:
    """What the bytes go through, for who speaks the protocol of the server instead of the driver."""
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001
    return transport


def cancel_request_of(connection: asyncpg.Connection[Any]) -> Coroutine[Any, Any, None]:
    """Asks the server, on a connection of its own, to cancel what it is doing for this one, which may be closed then.

    Whoever awaits it gets OSError where the server cannot be reached.
    """
    # A connection that is closed does not know its server's process any more.
    protocol = connection._protocol  # type: ignore[attr-defined]  # noqa: SLF001
    request: Coroutine[Any, Any, None] = connect_utils._cancel(  # type: ignore[attr-defined]  # noqa: SLF001
        loop=asyncio.get_running_loop(),
        addr=connection._addr,  # type: ignore[attr-defined]  # noqa: SLF001
        params=connection._params,  # type: ignore[attr-defined]  # noqa: SLF001
        backend_pid=protocol.backend_pid,
        backend_secret=protocol.backend_secret,
    )
    return request
