"""What a device is called in a list."""

from __future__ import annotations

import pytest

from lango.values.user_agents import program_of

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name", "kind"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/124.0 Safari/537.36", "Chrome on Windows", "desktop"),
        (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/124.0 Safari/537.36 Edg/124.0", "Edge on Windows", "desktop"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0", "Firefox on Linux", "desktop"),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {WEBKIT} Chrome/124.0 Mobile Safari/537.36", "Chrome on Android", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 13; SM-X200) {WEBKIT} Chrome/124.0 Safari/537.36", "Chrome on Android", "tablet"),
        (f"Mozilla/5.0 (Linux; Android 14) {WEBKIT} SamsungBrowser/24.0 Chrome/117.0 Mobile Safari/537.36",
         "Samsung Internet on Android", "mobile"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Mobile/15E148 Safari/604.1",
         "Safari on iOS", "mobile"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 CriOS/124.0 Mobile/15E148 Safari/604.1",
         "Chrome on iOS", "mobile"),
        ("Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 Version/16.6 Mobile/15E148 Safari/604.1",
         "Safari on iPadOS", "tablet"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
         "Safari on macOS", "desktop"),
        ("okhttp/4.12.0", "okhttp on Android", "mobile"),
        ("curl/8.6.0", "curl", None),
        ("Mozilla/5.0", None, None),
        ("", None, None),
        (None, None, None),
        ("\u202egnp.exe", None, None),
    ],
)  # fmt: skip
def test_a_device_is_called_by_its_program_and_system(agent: str | None, name: str | None, kind: str | None) -> None:
    program = program_of(agent)

    assert (program.name, program.kind) == (name, kind)
