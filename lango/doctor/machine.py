"""The machine and the settings: what can be seen without a database."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator

from lango.db.postgres import is_loopback
from lango.embedded.places import EmbeddedError, account_for, programs
from lango.observability.finding import Finding, Level
from lango.providers.africastalking import AFRICAS_TALKING, AfricasTalkingSettings
from lango.providers.registry import PROVIDERS
from lango.providers.twilio import TWILIO, TwilioSettings
from lango.security.encryption import NoEncryptionKey, keyring_of
from lango.security.keys import BadKey, NoSigningKey, signing_keys
from lango.settings import Settings, all_names_of

OLDEST_PYTHON = (3, 11)
LEAST_DISK = 1_000_000_000
MAKE_TOKEN_KEY = "lango keys new keys && export LANGO_TOKEN_KEYS=keys"
MAKE_KEY = 'echo "k1:$(head -c 32 /dev/urandom | base64)"'


def python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("machine", Level.ERROR, f"Python {version} is too old.", "Install Python 3.11 or later.")
    else:
        yield Finding("machine", Level.OK, f"Python {version}.")


def disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    says = f"{free / 1e9:.1f} GB free for {settings.data_dir}."
    if free < LEAST_DISK:
        yield Finding("machine", Level.ERROR, says, "Free at least 1 GB, or set LANGO_DATA_DIR to another disk.")
    else:
        yield Finding("machine", Level.OK, says)


def port(settings: Settings) -> Iterator[Finding]:
    if (why := port_trouble(settings.host, settings.port)) is None:
        yield Finding("machine", Level.OK, f"Port {settings.port} of {settings.host} is free.")
    else:
        yield Finding("machine", Level.WARNING, why, "If that is not lango itself, use --port or LANGO_PORT.")


def port_trouble(host: str, number: int) -> str | None:
    """Why one cannot listen there; None when one can."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return f"Port {number} of {host} cannot be listened on: {os.strerror(error.errno or 0)}."
    return None


def settings(current: Settings) -> Iterator[Finding]:
    yield from unknown_names(current)
    if current.database_url is None:
        try:
            programs(
                current.embedded_version, account_for(current.data_dir / f"postgres-{current.embedded_version}/data")
            )
        except EmbeddedError as error:
            yield Finding("settings", Level.ERROR, str(error), "Or set DATABASE_URL to a server of your own.")
        else:
            yield Finding("settings", Level.OK, f"The embedded PostgreSQL {current.embedded_version} serves.")
    yield from token_keys(current)
    yield from encryption(current)
    yield from providers(current)
    yield from sms(current)
    if current.database_tls == "off":
        yield Finding(
            "settings", Level.WARNING, "LANGO_DATABASE_TLS is off: what goes to a database elsewhere can be read.",
            "Leave it off only where the network itself is private.",
        )  # fmt: skip


def token_keys(current: Settings, *, serving: bool = False) -> Iterator[Finding]:
    """Whether tokens are signed and verified by keys that nobody else has; `serving`: with the development key that is
    an error."""
    try:
        keys = signing_keys(current)
    except (NoSigningKey, BadKey) as error:
        yield Finding("settings", Level.ERROR, str(error), f"Set LANGO_TOKEN_JWKS_URL, or: {MAKE_TOKEN_KEY}")
        return
    if any(key.is_dev for key in keys):
        level = Level.ERROR if serving or not is_loopback(current.host) else Level.WARNING
        yield Finding(
            "settings", level, "The development key signs access tokens: `lango dev` alone serves with it.",
            f"Take LANGO_ALLOW_DEV_KEY away, and: {MAKE_TOKEN_KEY}",
        )  # fmt: skip
    else:
        yield Finding("settings", Level.OK, f"Access tokens: {len(keys)} keys configured.")


def encryption(current: Settings) -> Iterator[Finding]:
    """Whether what is encrypted can be stored and read: an error is one with which the gateway does not start."""
    try:
        keys = keyring_of(current)
    except NoEncryptionKey:
        yield Finding(
            "settings", Level.WARNING,
            "No key for encrypted columns is configured: no code is sent, and payment details and second factors "
            "cannot be used.",
            f"Set LANGO_ENCRYPTION_KEYS to what this prints; what it encrypts is lost without it. {MAKE_KEY}",
        )  # fmt: skip
    except BadKey as error:
        yield Finding("settings", Level.ERROR, str(error), f"Correct LANGO_ENCRYPTION_KEYS. A new key: {MAKE_KEY}")
    else:
        yield Finding("settings", Level.OK, f"Encrypted columns: {keys.current} encrypts, {len(keys)} decrypt.")


def providers(current: Settings) -> Iterator[Finding]:
    for provider in PROVIDERS:
        yield from provider.checks(current)


def sms(current: Settings) -> Iterator[Finding]:
    """Whether anybody carries SMS, and in an order that is understood."""
    modes = {
        AFRICAS_TALKING.name: current.section(AfricasTalkingSettings).mode,
        TWILIO.name: current.section(TwilioSettings).mode,
    }
    named = [name.strip() for name in current.sms_providers.split(",")]
    if unknown := [name for name in named if name not in modes]:
        yield Finding(
            "settings", Level.ERROR, f"LANGO_SMS_PROVIDERS names {', '.join(unknown)}, who carries no SMS.",
            f"There are {', '.join(modes)}.",
        )  # fmt: skip
    if all(modes[name] == "off" for name in named if name in modes):
        yield Finding(
            "settings", Level.WARNING, "Nobody carries SMS: nobody signs in, or is warned, by phone.",
            "Set LANGO_AFRICAS_TALKING_API_KEY or LANGO_TWILIO_AUTH_TOKENS, and what goes with it.",
        )  # fmt: skip


def unknown_names(current: Settings) -> Iterator[Finding]:
    """A misspelt setting is silent otherwise."""
    kinds = [type(current), *(provider.settings for provider in PROVIDERS if provider.settings)]
    known = {name for kind in kinds for name in all_names_of(kind)}
    for name in sorted(os.environ):
        if name.upper().startswith("LANGO_") and name.upper() not in known:
            yield Finding("settings", Level.WARNING, f"{name} is no setting of lango.", "Correct its name or unset it.")
