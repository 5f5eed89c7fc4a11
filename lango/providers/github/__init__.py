"""GitHub accounts, by code exchange."""

from __future__ import annotations

from lango.providers.github.client import NAME, make
from lango.providers.github.settings import GithubSettings
from lango.providers.provider import Provider
from lango.providers.sandboxes import in_development
from lango.providers.sign_in import SignIn, checks_of
from lango.providers.sign_in_sandbox import routes_of

GITHUB: Provider[SignIn] = Provider(
    NAME,
    make,
    settings=GithubSettings,
    routes=routes_of(NAME, GithubSettings, NAME),
    checks=checks_of(NAME, GithubSettings),
    development=in_development(GithubSettings),
)
