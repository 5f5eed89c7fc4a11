"""Keys that an issuer of tokens publishes: read over HTTPS, kept, and read again when it rotates them.

The issuer of access tokens is one; each provider that people sign in with is another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx
import orjson
import structlog

from lango.errors import ServiceUnavailable
from lango.security.keys import BadKey, Key, Keys, key_of_jwk
from lango.settings import Settings

log = structlog.get_logger("lango.security.jwks")

LARGEST_SET = 1_000_000
FETCH_TIMEOUT = 5.0
# Seconds until a set is read again that could not be read: a moment's outage is none of a minute.
AFTER_FAILURE = 5.0


async def fetch(url: str) -> bytes:
    """The document at that address. Redirects are not followed, and it may not be larger than a megabyte."""
    # httpx counts the seconds of each step alone: an answer that drips in would keep everybody waiting.
    async with (
        asyncio.timeout(2 * FETCH_TIMEOUT),
        httpx.AsyncClient(timeout=FETCH_TIMEOUT) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise BadKey(f"the answer was {answer.status_code}")
        content = bytearray()
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > LARGEST_SET:
                raise BadKey("the answer is larger than a megabyte")
        return bytes(content)


def readable_keys(content: bytes) -> Keys:
    """The keys of a published set; kinds we do not take are skipped, for issuers publish those as well.

    A set may hold none: then its issuer has withdrawn them all. Raises BadKey for what is no set.
    """
    try:
        value = orjson.loads(content)
        jwks = value["keys"]
    except (ValueError, TypeError, KeyError) as error:
        raise BadKey("the answer is no JWK set") from error
    if not isinstance(jwks, list):
        raise BadKey("the answer is no JWK set")
    found: dict[str, Key] = {}
    for jwk in jwks:
        try:
            key = key_of_jwk(jwk, public=True)
        except BadKey:
            continue
        found.setdefault(key.kid, key)
    return Keys(found.values())


class PublishedKeys:
    """An issuer's keys. One reading at a time; an outage keeps the keys of before."""

    def __init__(
        self, url: str, *, lifetime: float, floor: float, read: Callable[[str], Awaitable[bytes]] = fetch
    ) -> None:
        """`lifetime` are the seconds until the set is read again, `floor` the least seconds between two readings.

        Raises BadKey where the address is not https.
        """
        address = urlsplit(url)
        if address.scheme != "https" and address.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise BadKey("Keys are published at an https address: read over http they can be replaced on the way.")
        self.url = url
        self.lifetime = lifetime
        self.floor = floor
        self._read = read
        self._keys = Keys()
        self._lock = asyncio.Lock()
        self._attempted = float("-inf")
        self._succeeded = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    @classmethod
    def of_access_tokens(
        cls, settings: Settings, url: str, *, read: Callable[[str], Awaitable[bytes]] = fetch
    ) -> PublishedKeys:
        """The keys of LANGO_TOKEN_JWKS_URL. Raises BadKey."""
        try:
            return cls(url, lifetime=settings.token_jwks_lifetime, floor=settings.token_jwks_floor, read=read)
        except BadKey as error:
            raise BadKey(f"LANGO_TOKEN_JWKS_URL: {error}") from None

    async def get(self, kid: str | None) -> Key | None:
        """The key of that name. An unknown name reads the set again, at most once in the floor's seconds. A set past
        its lifetime is read again while its keys still serve; past twice that, nobody is served before it is read.

        Raises ServiceUnavailable before the first success.
        """
        age = time.monotonic() - self._succeeded
        if age > 2 * self.lifetime or self._keys.get(kid) is None:
            await self._refresh()
        elif age > self.lifetime and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.create_task(self._refresh())
        key = self._keys.get(kid)
        if key is None and self._succeeded == float("-inf"):
            raise ServiceUnavailable("The keys of the tokens' issuer cannot be read at the moment.")
        return key

    async def close(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()

    async def _refresh(self) -> None:
        seen = self._attempted
        async with self._lock:
            # Whoever waited for another's reading is served by it.
            failed = self._succeeded < self._attempted
            pause = min(self.floor, AFTER_FAILURE) if failed else self.floor
            if self._attempted != seen or time.monotonic() - self._attempted < pause:
                return
            self._attempted = time.monotonic()
            try:
                self._keys = readable_keys(await self._read(self.url))
                self._succeeded = time.monotonic()
                if not len(self._keys):
                    log.warning("the issuer publishes no RS256 or EdDSA key: no token is valid", url=self.url)
            except (httpx.HTTPError, BadKey, OSError) as error:
                log.warning("keys of the issuer not read", url=self.url, reason=str(error) or type(error).__name__)
