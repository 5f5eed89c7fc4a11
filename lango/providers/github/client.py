"""GitHub gives people no id tokens: a code is exchanged for an access token, which says whose it is."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx

from lango.providers.github.settings import GithubSettings
from lango.providers.sign_in import (
    Account,
    Challenge,
    Off,
    SignIn,
    SignInRefused,
    answer_of,
    authorization_query,
    client_of,
)
from lango.providers.sign_in_sandbox import SandboxAccounts
from lango.settings import Settings

NAME = "github"
SCOPE = "read:user"


class GithubSignIn:
    """GitHub over HTTP; whoever made the client closes it."""

    is_on = True

    def __init__(self, settings: GithubSettings, client: httpx.AsyncClient, authorization: str) -> None:
        """`authorization` is where browsers go."""
        self.settings = settings
        self.client = client
        self.authorization = authorization

    def authorization_url(self, challenge: Challenge, state: str) -> str:
        return f"{self.authorization}?{authorization_query(self.settings.client_ids[0], challenge, state, SCOPE)}"

    async def account(self, challenge: Challenge, *, id_token: str | None, code: str | None) -> Account:
        """By a code alone. The number is the account's key: the name can be given up, and taken by another."""
        if code is None or id_token is not None:
            raise SignInRefused("no-code", "GitHub gives codes, and no id tokens")
        form = {
            "client_id": self.settings.client_ids[0], "client_secret": self.settings.secret, "code": code,
            "redirect_uri": challenge.redirect_uri or "", "code_verifier": challenge.verifier,
        }  # fmt: skip
        seconds = self.settings.timeout
        token = (await answer_of(self.client, seconds, "POST", self.settings.token_url, data=form)).get("access_token")
        headers = {"authorization": f"Bearer {token}", "x-github-api-version": "2022-11-28", "user-agent": "lango"}
        user = await answer_of(self.client, seconds, "GET", self.settings.user_url, headers=headers)
        number, login = user.get("id"), user.get("login")
        if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
            raise SignInRefused("no-id", "the account has no number")
        # What it says of an email is not said to be verified.
        return Account(str(number), username=login if isinstance(login, str) else None)


def make(settings: Settings, closing: AsyncExitStack) -> SignIn:
    """The client. Raises BadProvider."""
    own = settings.section(GithubSettings)
    if own.mode == "off":
        return Off()
    own.check(NAME, own.authorization_url, own.token_url, own.user_url)
    if own.mode == "live":
        return GithubSignIn(own, client_of(own, closing, None), own.authorization_url)
    sandbox = SandboxAccounts(settings, NAME)
    sandbox.speak_github(own.token_url, own.user_url)
    transport = httpx.ASGITransport(sandbox.app, raise_app_exceptions=False)
    return GithubSignIn(own, client_of(own, closing, transport), sandbox.authorization_url)
