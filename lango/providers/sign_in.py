"""Signing in with an account elsewhere: what such a provider is asked, by whichever protocol, and what it says."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol
from urllib.parse import urlencode

import httpx
from pydantic import Field, SecretStr

from lango.observability.finding import Finding
from lango.providers.addresses import is_private
from lango.providers.errors import BadProvider, ProviderRefused, ProviderUnavailable
from lango.providers.sandboxes import Mode, Sandboxed, exposed
from lango.providers.warnings import WarningKind
from lango.settings import Settings

# Answers of these endpoints are small; what is larger is not read.
LARGEST_ANSWER = 100_000
SANDBOX_CLIENT, SANDBOX_SECRET = "lango-sandbox", "lango-sandbox-secret"

UNAVAILABLE = WarningKind(
    "SIGN_IN_PROVIDER_UNAVAILABLE",
    "The provider of the account could not be reached.",
    "{provider} cannot be reached at the moment: try again later.",
)
REFUSED = WarningKind(
    "SIGN_IN_PROVIDER_REFUSED",
    "The provider of the account has refused the code.",
    "{provider} does not confirm this sign-in: begin it again.",
)


class SignInUnavailable(ProviderUnavailable):
    """The provider cannot be reached: the sign-in may be begun again later."""

    provider: ClassVar[str] = "the provider"
    warning = UNAVAILABLE


class SignInRefused(ProviderRefused):
    """The provider, or what it has signed, does not confirm who this is."""

    provider: ClassVar[str] = "the provider"
    warning = REFUSED


@dataclass(frozen=True, slots=True)
class Challenge:
    """What one sign-in is bound to: `nonce` stands in an id token, `verifier` proves who began it (PKCE), and a code is
    sent to `redirect_uri`."""

    nonce: str
    verifier: str
    redirect_uri: str | None


@dataclass(frozen=True, slots=True)
class Account:
    """Who somebody is at the provider. Only `subject` never changes there; `email` is one that the provider has
    verified, and None otherwise."""

    subject: str
    email: str | None = None
    username: str | None = None


class SignIn(Protocol):
    """A provider of accounts to sign in with."""

    @property
    def is_on(self) -> bool:
        """Whether anybody can sign in by it now."""

    def authorization_url(self, challenge: Challenge, state: str) -> str:
        """Where the browser goes, to come back to the challenge's `redirect_uri` with a code and that `state`."""

    async def account(self, challenge: Challenge, *, id_token: str | None, code: str | None) -> Account:
        """Who has signed in there for this challenge, by an id token or a code. Raises SignInUnavailable, and
        SignInRefused."""


class Off:
    """A provider that is switched off."""

    is_on = False

    def authorization_url(self, challenge: Challenge, state: str) -> str:  # noqa: ARG002
        raise SignInUnavailable("switched off")

    async def account(self, challenge: Challenge, **proof: str | None) -> Account:  # noqa: ARG002
        raise SignInUnavailable("switched off")


class SignInSettings(Sandboxed):
    """What is alike in the settings of all of them; a subclass says `chosen`, and where the provider is."""

    client_id: str = Field(
        "",
        description="The id of this application there. Of several, separated by commas, the first exchanges codes; the "
        "others are those of mobile applications.",
    )
    client_secret: SecretStr | None = Field(None, description="The secret of that application, which exchanges codes.")
    timeout: float = Field(10.0, gt=0, description="Seconds that one call may take.")

    @property
    def mode(self) -> Mode:
        return self.chosen or ("live" if self.client_id else "off")

    @property
    def client_ids(self) -> list[str]:
        if self.mode == "sandbox":
            return [SANDBOX_CLIENT]
        return [each.strip() for each in self.client_id.split(",") if each.strip()]

    @property
    def secret(self) -> str:
        """What codes are exchanged with; empty for an application that has none."""
        if self.mode == "sandbox":
            return SANDBOX_SECRET
        return self.client_secret.get_secret_value() if self.client_secret else ""

    def check(self, name: str, *urls: str) -> None:
        """Raises BadProvider where nobody could sign in, or where secrets could be read on their way."""
        setting = f"LANGO_{name.upper()}"
        if not self.client_ids:
            raise BadProvider(f"{setting} is live: set {setting}_CLIENT_ID, or {setting} to sandbox or off.")
        if not all(is_private(url) for url in urls):
            raise BadProvider(f"The addresses of {setting} must be https: codes and keys could be changed on the way.")


def authorization_query(client_id: str, challenge: Challenge, state: str, scope: str, **more: str) -> str:
    """The query of an authorization request for a code, with PKCE (RFC 7636)."""
    digest = hashlib.sha256(challenge.verifier.encode()).digest()
    return urlencode({
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": challenge.redirect_uri or "",
        "scope": scope,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **more,
    })  # fmt: skip


async def answer_of(client: httpx.AsyncClient, seconds: float, method: str, url: str, **sent: Any) -> Mapping[str, Any]:
    """The JSON object that a call gives within so many seconds.

    Raises SignInUnavailable, and SignInRefused for what is answered 4xx.
    """
    try:
        async with asyncio.timeout(seconds), client.stream(method, url, **sent) as answer:
            content = bytearray()
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise SignInUnavailable("the answer is too large")
    except TimeoutError as error:
        raise SignInUnavailable(f"no answer within {seconds:g} s") from error
    except httpx.HTTPError as error:
        raise SignInUnavailable(f"cannot be reached ({type(error).__name__})") from error
    if answer.status_code in (408, 429) or answer.status_code >= 500:
        raise SignInUnavailable(f"the answer was {answer.status_code}")
    try:
        found = httpx.Response(200, content=bytes(content)).json()
    except ValueError:
        found = None
    if answer.is_success and isinstance(found, dict) and "error" not in found:
        return found
    said = found.get("error") if isinstance(found, dict) else None
    raise SignInRefused(str(said or answer.status_code)[:100], "the call was refused")


def checks_of(name: str, kind: type[SignInSettings]) -> Callable[[Settings], Iterator[Finding]]:
    """What `lango doctor` says of such a provider."""

    def checks(settings: Settings) -> Iterator[Finding]:
        yield from exposed(
            settings, settings.section(kind).mode, f"Signing in by {name} is", "anybody is anybody",
            f"Set LANGO_{name.upper()} to live, with LANGO_{name.upper()}_CLIENT_ID, or to off.",
        )  # fmt: skip

    return checks


def client_of(
    settings: SignInSettings, closing: AsyncExitStack, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """What calls such a provider; redirects are not followed."""
    client = httpx.AsyncClient(timeout=settings.timeout, transport=transport, headers={"accept": "application/json"})
    closing.push_async_callback(client.aclose)
    return client
