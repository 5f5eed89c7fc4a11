"""Providers that speak OpenID Connect: an id token, brought by the client or exchanged for a code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx

from lango.errors import ServiceUnavailable
from lango.providers.sign_in import (
    Account,
    Challenge,
    Off,
    SignIn,
    SignInRefused,
    SignInSettings,
    SignInUnavailable,
    answer_of,
    authorization_query,
    client_of,
)
from lango.providers.sign_in_sandbox import SandboxAccounts
from lango.security.jwks import LARGEST_SET, PublishedKeys
from lango.security.keys import BadKey
from lango.security.openid import BadIdToken, Issuer
from lango.settings import Settings

# An unknown key has the set read again, but not for everybody who makes one up.
LIFETIME, FLOOR = 3_600.0, 60.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where such a provider is, and how it is called in its tokens."""

    issuers: tuple[str, ...]
    authorization: str
    token: str
    keys: str
    scope: str


class OpenIdSignIn:
    """A provider over HTTP; whoever made the client closes it."""

    is_on = True

    def __init__(
        self, settings: SignInSettings, endpoints: Endpoints, client: httpx.AsyncClient, authorization: str
    ) -> None:
        """`authorization` is where browsers go. Raises BadKey."""
        self.settings = settings
        self.endpoints = endpoints
        self.client = client
        self.authorization = authorization
        published = PublishedKeys(endpoints.keys, lifetime=LIFETIME, floor=FLOOR, read=self.read)
        self.issuer = Issuer(endpoints.issuers, settings.client_ids, published)

    def authorization_url(self, challenge: Challenge, state: str) -> str:
        scope, client_id = self.endpoints.scope, self.settings.client_ids[0]
        return f"{self.authorization}?{authorization_query(client_id, challenge, state, scope, nonce=challenge.nonce)}"

    async def account(self, challenge: Challenge, *, id_token: str | None, code: str | None) -> Account:
        token = id_token if code is None else await self.exchanged(challenge, code)
        try:
            return account_of(await self.issuer.claims(token or "", challenge.nonce))
        except BadIdToken as error:
            raise SignInRefused("id-token", str(error)) from error
        except ServiceUnavailable as error:
            raise SignInUnavailable(error.message) from error

    async def exchanged(self, challenge: Challenge, code: str) -> str:
        """The id token that a code is good for, once."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": challenge.redirect_uri or "",
            "client_id": self.settings.client_ids[0], "client_secret": self.settings.secret,
            "code_verifier": challenge.verifier,
        }  # fmt: skip
        answer = await answer_of(self.client, self.settings.timeout, "POST", self.endpoints.token, data=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("no-id-token", "the code gave no id token")
        return token

    async def read(self, url: str) -> bytes:
        """A set of keys, as large as one may be. Raises what `PublishedKeys` takes for an outage."""
        async with asyncio.timeout(self.settings.timeout), self.client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise BadKey(f"the answer was {answer.status_code}")
            content = bytearray()
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > LARGEST_SET:
                    raise BadKey("the answer is larger than a megabyte")
        return bytes(content)


def account_of(claims: Mapping[str, Any]) -> Account:
    """What is kept of an id token. Old tokens of Google say "true", as a text."""
    email, username = claims.get("email"), claims.get("preferred_username") or claims.get("name")
    verified = isinstance(email, str) and claims.get("email_verified") in (True, "true")
    return Account(claims["sub"], email if verified else None, username if isinstance(username, str) else None)


def make_openid(
    name: str, settings: Settings, own: SignInSettings, endpoints: Endpoints, closing: AsyncExitStack
) -> SignIn:
    """The provider that the settings choose. Raises BadProvider."""
    if own.mode == "off":
        return Off()
    own.check(name, endpoints.authorization, endpoints.token, endpoints.keys)
    if own.mode == "live":
        return OpenIdSignIn(own, endpoints, client_of(own, closing, None), endpoints.authorization)
    sandbox = SandboxAccounts(settings, name)
    sandbox.speak_openid(endpoints.issuers[0], endpoints.token, endpoints.keys)
    transport = httpx.ASGITransport(sandbox.app, raise_app_exceptions=False)
    return OpenIdSignIn(own, endpoints, client_of(own, closing, transport), sandbox.authorization_url)
