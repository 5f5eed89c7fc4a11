"""Telegram accounts, by OpenID Connect: the client's id is the bot's."""

from __future__ import annotations

from contextlib import AsyncExitStack

from lango.providers.openid import make_openid
from lango.providers.provider import Provider
from lango.providers.sandboxes import in_development
from lango.providers.sign_in import SignIn, checks_of
from lango.providers.sign_in_sandbox import routes_of
from lango.providers.telegram.settings import ISSUERS, TelegramSettings
from lango.settings import Settings

NAME = "telegram"


def make(settings: Settings, closing: AsyncExitStack) -> SignIn:
    """The client. Raises BadProvider."""
    own = settings.section(TelegramSettings)
    return make_openid(NAME, settings, own, own.endpoints, closing)


TELEGRAM: Provider[SignIn] = Provider(
    NAME,
    make,
    settings=TelegramSettings,
    routes=routes_of(NAME, TelegramSettings, ISSUERS[0]),
    checks=checks_of(NAME, TelegramSettings),
    development=in_development(TelegramSettings),
)
