"""Signing in with an account elsewhere, connecting and disconnecting it: over HTTP, with the providers' sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import pyotp
import pytest

from lango.db.pipeline import Pipeline
from lango.providers.github.settings import GithubSettings
from lango.providers.google.settings import GoogleSettings
from lango.providers.telegram.settings import TelegramSettings
from lango.rules.services import Services, make_clients
from lango.settings import Settings
from models.security import OauthAccount
from tests.changes import Changes
from tests.client import STAFF, Answer, Api
from tests.factories import Factory, now
from tests.identity.conftest import Person, new_email
from tests.security.conftest import Session, SignIn

PROVIDERS = ["GOOGLE", "TELEGRAM", "GITHUB"]
BACK = "https://app.example/back"


@asynccontextmanager
async def gateway(settings: Settings, pipeline: Pipeline) -> AsyncIterator[Api]:
    """A gateway that reaches the providers of these settings."""
    async with AsyncExitStack() as closing:
        services = Services(pipeline, settings, make_clients(settings, closing), closing)
        api = await closing.enter_async_context(Api.over(pipeline, settings, services))
        yield api


@pytest.fixture(scope="module")
async def api(settings: Settings, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A gateway in whose sandboxes everybody is who they say they are."""
    own = settings.model_copy(update={"data_dir": tmp_path_factory.mktemp("sandbox")})
    for kind in (GoogleSettings, TelegramSettings, GithubSettings):
        own = own.with_section(kind(_env_file=None, chosen="sandbox"))
    async with gateway(own, pipeline) as api:
        yield api


class Visitor:
    """Somebody with a browser: signed in here, or not."""

    def __init__(self, api: Api, session: Session | None = None) -> None:
        self.api = api
        self.session = session

    async def call(self, mutation: str, **input: Any) -> Answer:
        return await (self.session.call(mutation, **input) if self.session else self.api.mutate(mutation, **input))

    async def begin(self, provider: str = "GOOGLE", **input: Any) -> dict[str, Any]:
        started = (await self.call("startOauth", provider=provider, redirectUri=BACK, **input))["startOauth"]
        return dict(started)

    async def consent(self, started: dict[str, Any], **who: str) -> dict[str, str]:
        """What the provider sends back to the browser."""
        address = urlsplit(started["authorizationUrl"])
        answer = await self.api.client.post(f"{address.path}?{address.query}", data=who)
        assert answer.status_code == 303, answer.text
        found = parse_qs(urlsplit(answer.headers["location"]).query)
        return {"code": found["code"][0], "state": found["state"][0]}

    async def id_token(self, started: dict[str, Any], **who: str) -> str:
        """What the provider's own button gives."""
        address = urlsplit(started["authorizationUrl"].replace("response_type=code", "response_type=id_token"))
        answer = await self.api.client.post(f"{address.path}?{address.query}", data=who)
        return parse_qs(urlsplit(answer.headers["location"]).fragment)["id_token"][0]

    async def sign_in(self, provider: str = "GOOGLE", **who: str) -> Answer:
        started = await self.begin(provider)
        proof = await self.consent(started, **who)
        return await self.api.mutate("signInWithOauth", challengeId=started["challengeId"], **proof)

    async def connect(self, provider: str = "GOOGLE", **who: str) -> Answer:
        started = await self.begin(provider)
        proof = await self.consent(started, **who)
        return await self.call("connectOauth", challengeId=started["challengeId"], **proof)


@pytest.fixture
def visitor(api: Api) -> Visitor:
    return Visitor(api)


@pytest.fixture
def number() -> str:
    """Somebody's number at a provider."""
    return str(uuid4().int % 10**12)


def as_google(number: str, email: str, verified: str = "true") -> dict[str, str]:
    return {"subject": number, "email": email, "email_verified": verified}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_connected_account_signs_in(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, account: Any, number: str, provider: str
) -> None:
    user = await person()
    owner = Visitor(api, await signed_in(user))

    connected = await owner.connect(provider, subject=number, username="awa")
    answer = await visitor.sign_in(provider, subject=number)

    assert connected["connectOauth"]["oauthAccount"]["provider"] == provider
    session = answer["signInWithOauth"]["session"]
    assert (session["methods"], session["assuranceLevel"]) == (["oidc"], 1)
    assert len(await account(user).live_sessions()) == 2
    assert await account(user).events() == ["oauth_connected"]
    assert await account(user).messages() == [("oauth_connected", user.email)]


async def test_an_id_token_of_the_providers_button_will_do(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, number: str
) -> None:
    await Visitor(api, await signed_in(await person())).connect(subject=number)
    started = await visitor.begin()
    token = await visitor.id_token(started, subject=number)
    other = await visitor.begin()

    stolen = await visitor.call("signInWithOauth", challengeId=other["challengeId"], idToken=token)
    answer = await visitor.call("signInWithOauth", challengeId=started["challengeId"], idToken=token)
    again = await visitor.call("signInWithOauth", challengeId=started["challengeId"], idToken=token)

    assert stolen.refusals("signInWithOauth") == ["PROVIDER_NOT_CONVINCED"]
    assert answer.refusals("signInWithOauth") == []
    assert again.refusals("signInWithOauth") == ["CHALLENGE_EXPIRED"]


async def test_the_second_factor_is_asked_for_as_well(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, second_factor: Any, account: Any, number: str
) -> None:
    user = await person()
    await Visitor(api, await signed_in(user)).connect(subject=number)
    app = await second_factor(user)
    before = await account(user).live_sessions()

    waiting = (await visitor.sign_in(subject=number))["signInWithOauth"]

    assert (waiting["accessToken"], waiting["session"]) == (None, None)
    assert await account(user).live_sessions() == before
    done = await api.mutate(
        "verifyTwoFactor", show="session { methods assuranceLevel }", challengeId=waiting["challengeId"],
        code=pyotp.TOTP(app.secret).now(),
    )  # fmt: skip
    assert done["verifyTwoFactor"]["session"] == {"methods": ["oidc", "totp"], "assuranceLevel": 2}


async def test_one_proof_opens_one_session_however_many_bring_it(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, account: Any, number: str
) -> None:
    user = await person()
    await Visitor(api, await signed_in(user)).connect(subject=number)
    started = await visitor.begin()
    token = await visitor.id_token(started, subject=number)
    other = await visitor.begin()
    proof = await visitor.consent(other, subject=number)

    answers = await asyncio.gather(
        *(visitor.call("signInWithOauth", challengeId=started["challengeId"], idToken=token) for _ in range(4)),
        *(visitor.call("signInWithOauth", challengeId=other["challengeId"], **proof) for _ in range(4)),
    )

    assert [answer.refusals("signInWithOauth") for answer in answers].count([]) == 2
    assert len(await account(user).live_sessions()) == 3


async def test_a_verified_email_that_is_nobodys_opens_an_account_once(
    visitor: Visitor, owner: asyncpg.Pool[Any], number: str
) -> None:
    email = new_email()

    first = await visitor.sign_in(**as_google(number, email.upper()))
    second = await visitor.sign_in(**as_google(number, new_email()))

    assert first["signInWithOauth"]["session"]["userId"] == second["signInWithOauth"]["session"]["userId"]
    (user,) = await owner.fetch("SELECT * FROM identity.users WHERE email = $1", email)
    assert (user["auth_provider"], user["password_hash"], user["email_verified_at"] is not None) == (
        "google",
        None,
        True,
    )


async def test_of_many_first_sign_ins_at_once_one_account_comes(
    visitor: Visitor, owner: asyncpg.Pool[Any], number: str
) -> None:
    email = new_email()
    proofs = []
    for _ in range(4):
        started = await visitor.begin()
        proofs.append((started["challengeId"], await visitor.id_token(started, **as_google(number, email))))

    answers = await asyncio.gather(
        *(visitor.call("signInWithOauth", challengeId=challenge, idToken=token) for challenge, token in proofs)
    )

    assert [answer.refusals("signInWithOauth") for answer in answers] == [[]] * 4
    assert await owner.fetchval("SELECT count(*) FROM identity.users WHERE email = $1", email) == 1


@pytest.mark.parametrize(("provider", "verified"), [("GOOGLE", "false"), ("TELEGRAM", "true"), ("GITHUB", "true")])
async def test_no_other_email_opens_an_account(
    visitor: Visitor, changes: Changes, number: str, provider: str, verified: str
) -> None:
    before = await changes.mark()

    answer = await visitor.sign_in(provider, **as_google(number, new_email(), verified))

    assert answer.refusals("signInWithOauth") == ["NOT_CONNECTED"]
    but = ("identity.one_time_codes", "security.rate_limits")
    assert await changes.since(before, but=but) == []


@pytest.mark.parametrize("verified_at", [None, now()], ids=["unverified", "verified"])
async def test_an_account_that_is_there_is_never_linked_by_its_email(
    visitor: Visitor, person: Person, owner: asyncpg.Pool[Any], number: str, verified_at: Any
) -> None:
    """Somebody may have opened it with another's email, to wait for its owner: pre-hijacking."""
    user = await person(email_verified_at=verified_at)

    answer = await visitor.sign_in(**as_google(number, user.email))

    assert answer.refusals("signInWithOauth") == ["NOT_CONNECTED"]
    assert await owner.fetchval("SELECT count(*) FROM security.oauth_connections WHERE user_id = $1", user.id) == 0


async def test_an_account_of_an_unverified_contact_connects_nothing(
    api: Api, signed_in: SignIn, person: Person, number: str
) -> None:
    session = await signed_in(await person(email_verified_at=None))

    assert (await Visitor(api, session).connect(subject=number)).refusals("connectOauth") == ["CONTACT_NOT_VERIFIED"]


async def test_anothers_account_elsewhere_is_answered_neutrally(
    api: Api, signed_in: SignIn, person: Person, number: str, owner: asyncpg.Pool[Any]
) -> None:
    first, second = await person(), await person()
    await Visitor(api, await signed_in(first)).connect(subject=number)

    refused = await Visitor(api, await signed_in(second)).connect(subject=number)

    assert refused.refusals("connectOauth") == ["NOT_AVAILABLE"]
    assert str(first.id) not in refused.response.text
    found = await owner.fetch("SELECT user_id FROM security.oauth_connections WHERE provider_user_id = $1", number)
    assert [each["user_id"] for each in found] == [first.id]


async def test_connecting_twice_and_at_once_is_one_connection(
    api: Api, signed_in: SignIn, person: Person, number: str, owner: asyncpg.Pool[Any], account: Any
) -> None:
    user = await person()
    visitor = Visitor(api, await signed_in(user))
    proofs = []
    for _ in range(3):
        started = await visitor.begin()
        proofs.append((started["challengeId"], await visitor.id_token(started, subject=number)))

    answers = await asyncio.gather(
        *(visitor.call("connectOauth", challengeId=challenge, idToken=token) for challenge, token in proofs)
    )

    assert [answer.refusals("connectOauth") for answer in answers] == [[]] * 3
    assert len({answer["connectOauth"]["oauthAccount"]["rowId"] for answer in answers}) == 1
    assert await account(user).events() == ["oauth_connected"]


async def test_a_challenge_belongs_to_the_session_that_began_it(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, number: str
) -> None:
    """Else whoever has somebody's browser open an address connects an account of theirs to it."""
    user = await person()
    own, other = Visitor(api, await signed_in(user)), Visitor(api, await signed_in(user))
    anonymous = await visitor.begin()
    begun = await own.begin()
    of_anonymous, of_own = [await visitor.consent(each, subject=number) for each in (anonymous, begun)]

    refused = [
        await own.call("connectOauth", challengeId=anonymous["challengeId"], **of_anonymous),
        await other.call("connectOauth", challengeId=begun["challengeId"], **of_own),
    ]
    as_nobody = await visitor.call("signInWithOauth", challengeId=begun["challengeId"], **of_own)
    mixed = await own.call(
        "connectOauth", challengeId=begun["challengeId"], **of_own | {"state": of_anonymous["state"]}
    )

    assert [answer.refusals("connectOauth") for answer in (*refused, mixed)] == [["CHALLENGE_EXPIRED"]] * 3
    assert as_nobody.refusals("signInWithOauth") == ["CHALLENGE_EXPIRED"]
    assert (await own.call("connectOauth", challengeId=begun["challengeId"], **of_own)).refusals("connectOauth") == []


async def test_a_code_of_another_challenge_convinces_nobody(visitor: Visitor, number: str) -> None:
    first, second = await visitor.begin(), await visitor.begin()
    proof = await visitor.consent(first, subject=number)

    answer = await visitor.call(
        "signInWithOauth", challengeId=second["challengeId"], code=proof["code"], state=second["state"]
    )

    assert answer.refusals("signInWithOauth") == ["PROVIDER_NOT_CONVINCED"]


async def test_what_is_missing_is_said(visitor: Visitor, number: str, owner: asyncpg.Pool[Any]) -> None:
    started = await visitor.begin()
    challenge = started["challengeId"]
    proof = await visitor.consent(started, subject=number)

    async def refused(**proof: Any) -> list[str]:
        return (await visitor.call("signInWithOauth", challengeId=challenge, **proof)).refusals("signInWithOauth")

    assert await refused() == ["PROOF_MISSING"]
    assert await refused(code=proof["code"]) == ["PROOF_MISSING"]
    assert await refused(idToken="a.b.c", **proof) == ["PROOF_MISSING"]
    assert await refused(idToken="●●●") == ["PROVIDER_NOT_CONVINCED"]
    await owner.execute("UPDATE identity.one_time_codes SET expires_at = now() WHERE purpose = 'oauth'")
    assert await refused(**proof) == ["CHALLENGE_EXPIRED"]


async def test_an_email_that_is_none_opens_no_account(visitor: Visitor, number: str) -> None:
    answer = await visitor.sign_in(**as_google(number, "no email"))

    assert answer.refusals("signInWithOauth") == ["NOT_CONNECTED"]


async def test_a_suspended_account_is_not_signed_in_to(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, owner: asyncpg.Pool[Any], number: str
) -> None:
    user = await person()
    await Visitor(api, await signed_in(user)).connect(subject=number)
    await owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", user.id)

    assert (await visitor.sign_in(subject=number)).refusals("signInWithOauth") == ["ACCOUNT_SUSPENDED"]


async def test_a_disconnected_account_signs_in_no_more_and_may_be_connected_again(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, account: Any, number: str
) -> None:
    user = await person()
    own = Visitor(api, await signed_in(user))
    connected = (await own.connect(subject=number))["connectOauth"]["oauthAccount"]["rowId"]

    gone = await own.call("disconnectOauth", oauthAccountId=connected)

    assert gone["disconnectOauth"]["oauthAccount"]["disconnectedAt"] is not None
    assert (await visitor.sign_in(subject=number)).refusals("signInWithOauth") == ["NOT_CONNECTED"]
    assert (await own.connect(subject=number))["connectOauth"]["oauthAccount"]["rowId"] == connected
    assert (await visitor.sign_in(subject=number)).refusals("signInWithOauth") == []
    assert await account(user).events() == ["oauth_connected", "oauth_disconnected", "oauth_connected"]
    assert ("oauth_disconnected", user.email) in await account(user).messages()


async def only_oauth(visitor: Visitor, owner: asyncpg.Pool[Any], *numbers: str) -> tuple[Session, SimpleNamespace]:
    """Somebody who has no way in but accounts at Google: the contact is no longer verified."""
    first, *others = numbers
    email = new_email()
    answer = (await visitor.sign_in(**as_google(first, email)))["signInWithOauth"]
    user = SimpleNamespace(**await owner.fetchrow("SELECT * FROM identity.users WHERE email = $1", email))
    session = Session(visitor.api, user, answer)
    for each in others:
        assert (await Visitor(visitor.api, session).connect(subject=each)).refusals("connectOauth") == []
    await owner.execute("UPDATE identity.users SET email_verified_at = NULL WHERE id = $1", user.id)
    return session, user


async def connections(owner: asyncpg.Pool[Any], user: SimpleNamespace) -> list[Any]:
    found = await owner.fetch(
        "SELECT id FROM security.oauth_connections WHERE user_id = $1 AND disconnected_at IS NULL ORDER BY id", user.id
    )
    return [each["id"] for each in found]


async def test_the_last_way_in_stays(visitor: Visitor, owner: asyncpg.Pool[Any], number: str) -> None:
    session, user = await only_oauth(visitor, owner, number)
    (connection,) = await connections(owner, user)

    assert await session.refused("disconnectOauth", oauthAccountId=connection) == ["LAST_WAY_IN"]
    await owner.execute("UPDATE identity.users SET email_verified_at = now() WHERE id = $1", user.id)
    assert await session.refused("disconnectOauth", oauthAccountId=connection) == []


async def test_of_two_ways_that_go_at_once_one_stays(visitor: Visitor, owner: asyncpg.Pool[Any], number: str) -> None:
    session, user = await only_oauth(visitor, owner, number, f"{number}1")

    answers = await asyncio.gather(
        *(session.call("disconnectOauth", oauthAccountId=each) for each in await connections(owner, user))
    )

    assert sorted(answer.refusals("disconnectOauth") for answer in answers) == [[], ["LAST_WAY_IN"]]
    assert len(await connections(owner, user)) == 1


async def test_a_way_that_is_switched_off_is_none(
    api: Api, visitor: Visitor, owner: asyncpg.Pool[Any], make: Factory, number: str, pipeline: Pipeline
) -> None:
    session, user = await only_oauth(visitor, owner, number)
    (connection,) = await connections(owner, user)
    await make(OauthAccount, user_id=user.id, provider="telegram", provider_user_id=number)
    without = api.settings.with_section(TelegramSettings(_env_file=None, chosen="off"))

    async with gateway(without, pipeline) as other:
        session.api = other
        assert await session.refused("disconnectOauth", oauthAccountId=connection) == ["LAST_WAY_IN"]
        off = await other.mutate("startOauth", provider="TELEGRAM", redirectUri=BACK)
        assert off.refusals("startOauth") == ["PROVIDER_NOT_AVAILABLE"]
    session.api = api
    assert await session.refused("disconnectOauth", oauthAccountId=connection) == []


async def test_nobody_disconnects_anothers(
    api: Api, signed_in: SignIn, person: Person, make: Factory, staff: Any
) -> None:
    others = await make(OauthAccount)
    session = await signed_in(await person())

    assert await session.refused("disconnectOauth", oauthAccountId=others) == ["NOT_FOUND"]
    by_staff = await api.mutate("disconnectOauth", staff, STAFF, oauthAccountId=others)
    assert by_staff.refusals("disconnectOauth") == ["NOT_FOUND"]


async def test_it_wants_a_recent_proof(api: Api, signed_in: SignIn, person: Person, account: Any, number: str) -> None:
    user = await person()
    own = Visitor(api, await signed_in(user))
    connected = (await own.connect(subject=number))["connectOauth"]["oauthAccount"]["rowId"]
    await account(user).pass_time()

    assert (await own.connect(subject=number)).refusals("connectOauth") == ["REAUTHENTICATION_REQUIRED"]
    gone = await own.call("disconnectOauth", oauthAccountId=connected)
    assert gone.refusals("disconnectOauth") == ["REAUTHENTICATION_REQUIRED"]


@pytest.mark.parametrize(
    "uri",
    ["http://app.example/back", "javascript:alert(1)", "https://", "/back", "https://app.example/#x", "https://[", "●"],
)
async def test_nobody_is_sent_back_to_where_codes_can_be_read(visitor: Visitor, uri: str) -> None:
    answer = await visitor.call("startOauth", provider="GOOGLE", redirectUri=uri)

    assert answer.refusals("startOauth") == ["REDIRECT_NOT_VALID"]


async def test_what_is_stored_of_a_challenge_completes_nothing(visitor: Visitor, owner: asyncpg.Pool[Any]) -> None:
    started = await visitor.begin()

    row = str(dict(await owner.fetchrow("SELECT * FROM identity.one_time_codes WHERE id = $1", started["challengeId"])))

    verifier = parse_qs(urlsplit(started["authorizationUrl"]).query)["code_challenge"][0]
    assert not any(each in row for each in (started["state"], started["nonce"], verifier))


async def test_a_provider_that_is_down_is_no_wrong_account(
    api: Api, pipeline: Pipeline, number: str, visitor: Visitor
) -> None:
    down = GithubSettings(_env_file=None, chosen="live", client_id="a", token_url="http://127.0.0.1:9/token", timeout=1)
    async with gateway(api.settings.with_section(down), pipeline) as other:
        other_visitor = Visitor(other)
        started = await other_visitor.begin("GITHUB")
        answer = await other_visitor.call(
            "signInWithOauth", challengeId=started["challengeId"], code="a code", state=started["state"]
        )

    assert answer.refusals("signInWithOauth") == ["PROVIDER_NOT_AVAILABLE"]


async def test_a_dry_run_uses_nothing_up(
    api: Api, visitor: Visitor, signed_in: SignIn, person: Person, account: Any, number: str
) -> None:
    user = await person()
    await Visitor(api, await signed_in(user)).connect(subject=number)
    by_code, by_token = await visitor.begin(), await visitor.begin()
    code = {"challengeId": by_code["challengeId"], **await visitor.consent(by_code, subject=number)}
    token = {"challengeId": by_token["challengeId"], "idToken": await visitor.id_token(by_token, subject=number)}

    tried = [
        await api.mutate("signInWithOauth", show="accessToken", validateOnly=True, **proof) for proof in (code, token)
    ]
    sessions = await account(user).live_sessions()
    done = [await visitor.call("signInWithOauth", **proof) for proof in (code, token)]

    assert (tried[0].codes, tried[1].refusals("signInWithOauth")) == (["BAD_USER_INPUT"], [])
    assert len(sessions) == 1
    assert [answer.refusals("signInWithOauth") for answer in done] == [[], []]
