"""Google accounts, by OpenID Connect: their tokens name the issuer in two ways."""

from __future__ import annotations

from contextlib import AsyncExitStack

from lango.providers.google.settings import ISSUERS, GoogleSettings
from lango.providers.openid import make_openid
from lango.providers.provider import Provider
from lango.providers.sandboxes import in_development
from lango.providers.sign_in import SignIn, checks_of
from lango.providers.sign_in_sandbox import routes_of
from lango.settings import Settings

NAME = "google"


def make(settings: Settings, closing: AsyncExitStack) -> SignIn:
    """The client. Raises BadProvider."""
    own = settings.section(GoogleSettings)
    return make_openid(NAME, settings, own, own.endpoints, closing)


GOOGLE: Provider[SignIn] = Provider(
    NAME,
    make,
    settings=GoogleSettings,
    routes=routes_of(NAME, GoogleSettings, ISSUERS[0]),
    checks=checks_of(NAME, GoogleSettings),
    development=in_development(GoogleSettings),
)
