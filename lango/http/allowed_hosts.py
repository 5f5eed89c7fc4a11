"""Under which names the gateway may be called.

A page of any site can have its own name resolve to an address that only its visitors reach, this machine's loopback
say (DNS rebinding): to the browser it is then the gateway's own page. The Host header still has that site's name.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import ClassVar
from urllib.parse import urlsplit

from lango.http.negotiation import HttpError
from lango.settings import Settings

LOOPBACK = ("localhost", "*.localhost")
ANY = "*"


class MisdirectedRequest(HttpError):
    """The gateway does not serve this host: its name is not in LANGO_ALLOWED_HOSTS."""

    code = "MISDIRECTED_REQUEST"
    status: ClassVar[int] = 421


class Hosts:
    """The names of the settings. Addresses are always among them: no name has been resolved there.

    Without a setting, a gateway that listens on loopback has loopback's names; another serves every name, and counts
    as its own pages those under an address, its own name and that of LANGO_PUBLIC_URL.
    """

    def __init__(self, settings: Settings) -> None:
        named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
        public = urlsplit(settings.public_url).hostname if settings.public_url else None
        self._own = {*(named or LOOPBACK), settings.host.lower(), *([public.lower()] if public else [])}
        self._serves_all = not named and not is_loopback(settings.host)

    def serves(self, host: str | None) -> bool:
        """Whether requests to that Host are answered; a client that sends none is no browser."""
        return host is None or self._serves_all or self.owns(host)

    def owns(self, host: str) -> bool:
        """Whether a page of that Host is the gateway's own."""
        name = name_of(host)
        if name in self._own or ANY in self._own or is_address(name):
            return True
        return any(known.startswith("*.") and name.endswith(known[1:]) for known in self._own)


def name_of(host: str) -> str:
    """A Host header without its port: a name in lower case, or an address."""
    host = host.strip().lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.removesuffix(".")


def is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    return ip_address(name).is_loopback if is_address(name) else name.lower() == "localhost"
