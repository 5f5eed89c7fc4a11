"""Which peers are believed, and who is behind them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address


class Networks:
    """A list of addresses and networks, as a setting writes it: `10.0.0.0/8, ::1`. Raises ValueError for others."""

    def __init__(self, text: str) -> None:
        parts = [part.strip() for part in text.split(",")]
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(part, strict=False) for part in parts if part]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, IPv4Address | IPv6Address) and any(
            address.version == network.version and address in network for network in self._networks
        )


@lru_cache(maxsize=4096)
def parsed(text: str) -> Address | None:
    """An address as a socket or a proxy writes it (a port, brackets, IPv4 inside IPv6); None for anything else."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def client_address(peer: Address | None, forwarded: Iterable[str], trusted: Networks) -> Address | None:
    """The rightmost X-Forwarded-For entry that is not a trusted proxy; the peer itself where it is not trusted.

    An entry that is no address ends the chain: what stands left of it was written by nobody we trust.
    """
    address = peer
    if address not in trusted:
        return address
    entries = [entry for header in forwarded for entry in header.split(",")]
    for entry in reversed(entries):
        found = parsed(entry)
        if found is None:
            break
        address = found
        if found not in trusted:
            break
    return address
