"""The client's address is the rightmost that no trusted proxy has."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from lango.http.proxies import Networks, client_address

PROXIES = "10.0.0.0/8, 2001:db8::/32"


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("203.0.113.9", [], "", "203.0.113.9"),
        ("203.0.113.9", ["1.2.3.4"], "", "203.0.113.9"),
        ("203.0.113.9", ["1.2.3.4"], PROXIES, "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4"], PROXIES, "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], PROXIES, "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4, 10.0.0.2"], PROXIES, "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4"], PROXIES, "1.2.3.4"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], PROXIES, "10.0.0.3"),
        ("10.0.0.1", ["1.2.3.4, nonsense"], PROXIES, "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4:5678"], PROXIES, "1.2.3.4"),
        ("10.0.0.1", ["[2a00::1]:443"], PROXIES, "2a00::1"),
        ("10.0.0.1", ["::ffff:1.2.3.4"], PROXIES, "1.2.3.4"),
        ("2001:db8::1", ["2a00::1"], PROXIES, "2a00::1"),
        ("10.0.0.1", [""], PROXIES, "10.0.0.1"),
    ],
)
def test_the_address_behind_the_proxies(peer: str, forwarded: list[str], trusted: str, expected: str) -> None:
    assert client_address(ip_address(peer), forwarded, Networks(trusted)) == ip_address(expected)


async def test_a_header_of_an_untrusted_peer_is_ignored(serve: Any) -> None:
    headers = {"x-forwarded-for": "1.2.3.4"}

    believed = await serve(peer="10.0.0.1", trusted_proxies=PROXIES).post("{ address }", headers=headers)
    ignored = await serve(peer="203.0.113.9").post("{ address }", headers=headers)

    assert believed.json()["data"]["address"] == "1.2.3.4"
    assert ignored.json()["data"]["address"] == "203.0.113.9"
