"""Google, Telegram and GitHub in the sandbox: the adapters speak the providers' own protocols, and nobody is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from lango.observability.finding import Level
from lango.providers.errors import BadProvider
from lango.providers.github import GITHUB
from lango.providers.github.client import GithubSignIn
from lango.providers.github.settings import GithubSettings
from lango.providers.google import GOOGLE
from lango.providers.google.settings import GoogleSettings
from lango.providers.openid import OpenIdSignIn
from lango.providers.provider import Provider
from lango.providers.sign_in import (
    LARGEST_ANSWER,
    Account,
    Challenge,
    SignIn,
    SignInRefused,
    SignInSettings,
    SignInUnavailable,
)
from lango.providers.telegram import TELEGRAM
from lango.providers.telegram.settings import TelegramSettings
from lango.settings import Settings

CHALLENGE = Challenge("a-nonce", "v" * 43, "https://app.example/back?from=here")
PROVIDERS: list[tuple[Provider[SignIn], type[SignInSettings]]] = [
    (GOOGLE, GoogleSettings),
    (TELEGRAM, TelegramSettings),
    (GITHUB, GithubSettings),
]
NAMES = [provider.name for provider, _ in PROVIDERS]


def settled(folder: Path, **given: Any) -> Settings:
    """Settings with these for each provider."""
    settings = Settings(_env_file=None, data_dir=folder)
    for _, kind in PROVIDERS:
        settings = settings.with_section(kind(_env_file=None, **given))
    return settings


class Sandbox:
    """A provider in the sandbox, and the browser of somebody who signs in there."""

    def __init__(self, client: SignIn, browser: httpx.AsyncClient) -> None:
        self.client = client
        self.browser = browser

    async def sent_back(self, state: str = "s", challenge: Challenge = CHALLENGE, **who: str) -> dict[str, str]:
        """What is in the address to which the browser is sent back."""
        answer = await self.browser.post(self.client.authorization_url(challenge, state), data=who)
        assert answer.status_code == 303, answer.text
        address = urlsplit(answer.headers["location"])
        assert f"{address.scheme}://{address.netloc}{address.path}" == "https://app.example/back"
        return {name: values[0] for name, values in parse_qs(address.query).items()}


@asynccontextmanager
async def sandbox_of(provider: Provider[SignIn], folder: Path) -> AsyncIterator[Sandbox]:
    settings = settled(folder, chosen="sandbox")
    app = Starlette(routes=list(provider.routes(settings)))
    async with (
        AsyncExitStack() as closing,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as browser,
    ):
        yield Sandbox(provider.make(settings, closing), browser)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all tests: to make it takes a moment."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.mark.parametrize(("provider", "_kind"), PROVIDERS, ids=NAMES)
async def test_a_code_says_who_signed_in_once(provider: Provider[SignIn], _kind: Any, folder: Path) -> None:
    async with sandbox_of(provider, folder) as sandbox:
        back = await sandbox.sent_back(
            "a state", subject="4711", username="awa", email="awa@x.sn", email_verified="true"
        )
        tries = await asyncio.gather(
            *(sandbox.client.account(CHALLENGE, id_token=None, code=back["code"]) for _ in range(5)),
            return_exceptions=True,
        )

    assert (back["state"], back["from"]) == ("a state", "here")
    email = None if provider is GITHUB else "awa@x.sn"
    assert [each for each in tries if isinstance(each, Account)] == [Account("4711", email, "awa")]
    assert [type(each) for each in tries].count(SignInRefused) == 4


@pytest.mark.parametrize(("provider", "_kind"), PROVIDERS, ids=NAMES)
@pytest.mark.parametrize(
    "other",
    [
        Challenge("a-nonce", "w" * 43, CHALLENGE.redirect_uri),
        Challenge("a-nonce", "v" * 43, "https://evil.example/back"),
    ],
    ids=["another verifier", "another redirect"],
)
async def test_a_code_is_bound_to_who_began_it(
    provider: Provider[SignIn], _kind: Any, other: Challenge, folder: Path
) -> None:
    async with sandbox_of(provider, folder) as sandbox:
        code = (await sandbox.sent_back())["code"]
        with pytest.raises(SignInRefused):
            await sandbox.client.account(other, id_token=None, code=code)
        with pytest.raises(SignInRefused):
            await sandbox.client.account(CHALLENGE, id_token=None, code=f"{code[:-4]}AAAA")


async def id_token(sandbox: Sandbox, **who: str) -> str:
    """What the provider's own button gives."""
    url = sandbox.client.authorization_url(CHALLENGE, "s").replace("response_type=code", "response_type=id_token")
    answer = await sandbox.browser.post(url, data=who)
    return parse_qs(urlsplit(answer.headers["location"]).fragment)["id_token"][0]


@pytest.mark.parametrize("provider", [GOOGLE, TELEGRAM], ids=lambda each: each.name)
async def test_an_id_token_says_who_signed_in_and_only_for_its_challenge(
    provider: Provider[SignIn], folder: Path
) -> None:
    async with sandbox_of(provider, folder) as sandbox:
        token = await id_token(sandbox, subject="4711", email="awa@x.sn")

        assert await sandbox.client.account(CHALLENGE, id_token=token, code=None) == Account("4711")
        other = Challenge("another", CHALLENGE.verifier, CHALLENGE.redirect_uri)
        with pytest.raises(SignInRefused):
            await sandbox.client.account(other, id_token=token, code=None)
        with pytest.raises(SignInRefused):
            await sandbox.client.account(CHALLENGE, id_token=None, code=token)


async def test_a_token_of_one_provider_is_none_of_another(folder: Path) -> None:
    async with sandbox_of(GOOGLE, folder) as google, sandbox_of(TELEGRAM, folder) as telegram:
        token = await id_token(google)
        with pytest.raises(SignInRefused):
            await telegram.client.account(CHALLENGE, id_token=token, code=None)


async def test_github_takes_no_id_token(folder: Path) -> None:
    async with sandbox_of(GITHUB, folder) as sandbox:
        code = (await sandbox.sent_back())["code"]
        for proof in ({"id_token": "a.b.c", "code": None}, {"id_token": "a.b.c", "code": code}):
            with pytest.raises(SignInRefused):
                await sandbox.client.account(CHALLENGE, **proof)


async def test_the_page_asks_who_one_is_and_shows_nothing_as_it_was_sent(folder: Path) -> None:
    async with sandbox_of(GOOGLE, folder) as sandbox:
        url = sandbox.client.authorization_url(CHALLENGE, '"><script>')
        page = await sandbox.browser.get(url)
        strange = await sandbox.browser.post(url.replace("lango-sandbox", "another"))

    assert (page.status_code, "<script>" in page.text) == (200, False)
    assert strange.status_code == 400


def live(answer: httpx.Response | Exception, provider: str = "google") -> SignIn:
    """The adapter of a provider that always answers so."""

    def answering(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.AsyncClient(transport=httpx.MockTransport(answering))
    if provider == "github":
        return GithubSignIn(GithubSettings(_env_file=None, client_id="a"), client, "https://github.example")
    google = GoogleSettings(_env_file=None, client_id="a")
    return OpenIdSignIn(google, google.endpoints, client, "https://google.example")


@pytest.mark.parametrize("provider", ["google", "github"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.ConnectError("down"), SignInUnavailable),
        (httpx.Response(503), SignInUnavailable),
        (httpx.Response(429), SignInUnavailable),
        (httpx.Response(200, content=b" " * (LARGEST_ANSWER + 1)), SignInUnavailable),
        (httpx.Response(302, headers={"location": "https://evil.example"}), SignInRefused),
        (httpx.Response(400, json={"error": "invalid_grant"}), SignInRefused),
        (httpx.Response(200, json={"error": "bad_verification_code"}), SignInRefused),
        (httpx.Response(200, content=b"[]"), SignInRefused),
        (httpx.Response(200, content=b"{"), SignInRefused),
        (httpx.Response(200, json={}), SignInRefused),
        (httpx.Response(200, json={"id_token": 1, "access_token": "x", "id": "1001"}), SignInRefused),
        (httpx.Response(200, json={"access_token": "x", "id": True}), SignInRefused),
    ],
    ids=str,
)
async def test_what_a_provider_answers_in_trouble_signs_nobody_in(
    provider: str, answer: httpx.Response | Exception, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await live(answer, provider).account(CHALLENGE, id_token=None, code="a code")


async def test_keys_that_cannot_be_read_are_an_outage() -> None:
    token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AA"
    for answer in (httpx.ConnectError("down"), httpx.Response(200, content=b" " * 1_000_001), httpx.Response(404)):
        with pytest.raises(SignInUnavailable):
            await live(answer).account(CHALLENGE, id_token=token, code=None)


@pytest.mark.parametrize(("provider", "_kind"), PROVIDERS, ids=NAMES)
async def test_switched_off_it_signs_nobody_in(provider: Provider[SignIn], _kind: Any, tmp_path: Path) -> None:
    async with AsyncExitStack() as closing:
        client = provider.make(settled(tmp_path), closing)
    assert not client.is_on
    with pytest.raises(SignInUnavailable):
        client.authorization_url(CHALLENGE, "s")
    with pytest.raises(SignInUnavailable):
        await client.account(CHALLENGE, id_token=None, code="a code")
    assert list(provider.routes(settled(tmp_path))) == []


@pytest.mark.parametrize(("provider", "_kind"), PROVIDERS, ids=NAMES)
@pytest.mark.parametrize(
    "given", [{"chosen": "live"}, {"client_id": "a", "token_url": "http://provider.example/token"}], ids=["id", "https"]
)
async def test_it_is_not_made_where_nobody_could_sign_in_safely(
    provider: Provider[SignIn], _kind: Any, given: dict[str, Any], tmp_path: Path
) -> None:
    async with AsyncExitStack() as closing:
        with pytest.raises(BadProvider, match=f"LANGO_{provider.name.upper()}"):
            provider.make(settled(tmp_path, **given), closing)


@pytest.mark.parametrize(("provider", "_kind"), PROVIDERS, ids=NAMES)
def test_doctor_warns_of_a_sandbox_that_others_reach(provider: Provider[SignIn], _kind: Any, tmp_path: Path) -> None:
    settings = settled(tmp_path, chosen="sandbox")
    assert list(provider.checks(settings)) == []
    (finding,) = provider.checks(settings.model_copy(update={"host": "0.0.0.0"}))  # noqa: S104
    assert finding.level == Level.ERROR
    assert provider.development(settled(tmp_path)) == {f"LANGO_{provider.name.upper()}": "sandbox"}
    assert provider.development(settings) == {}
