"""Where providers and the people whom they send back reach the gateway, and where it may reach them."""

from __future__ import annotations

from urllib.parse import urlsplit

from lango.settings import Settings

# The gateway's own page for people who come back from paying.
RETURN_PATH = "/payments/return"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def public_url(settings: Settings) -> str:
    """Where people and providers reach the gateway."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def return_url(settings: Settings) -> str:
    """Where a provider sends donors back to."""
    return settings.payment_return_url or public_url(settings) + RETURN_PATH


def account_url(settings: Settings) -> str:
    """Where the pages begin to which links in messages lead."""
    return (settings.account_url or f"{public_url(settings)}/account").rstrip("/")


def is_private(url: str) -> bool:
    """Whether nobody reads on the way there what is sent: https, or on this machine."""
    address = urlsplit(url)
    return address.scheme == "https" or address.hostname in LOOPBACK
