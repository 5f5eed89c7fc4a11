"""What to call a device, from how its program names itself: enough for a person to know it in a list.

User agents are made to be mistaken for one another, so the order of the names decides; versions are left out, because
a device that was updated is the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"), ("Opera", r"OPR/|Opera"), ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"), ("Chrome", r"Chrome/|CriOS/|Chromium/"), ("Safari", r"Version/[\d.]+.*Safari/"),
)  # fmt: skip
SYSTEMS = (
    ("iPadOS", r"iPad"), ("iOS", r"iPhone|iPod|CFNetwork"), ("Android", r"Android|okhttp"),
    ("ChromeOS", r"CrOS"), ("Windows", r"Windows"), ("macOS", r"Macintosh|Mac OS X"), ("Linux", r"Linux|X11"),
)  # fmt: skip
TABLET = re.compile(r"iPad|Tablet|PlayBook|Android(?!.*Mobile).*(Chrome|Version)/")
PROGRAM = re.compile(r"[A-Za-z][\w.-]{0,39}(?=/)", re.ASCII)
_browsers = [(name, re.compile(pattern)) for name, pattern in BROWSERS]
_systems = [(name, re.compile(pattern)) for name, pattern in SYSTEMS]


class Program(NamedTuple):
    """What a user agent says; null what it does not."""

    browser: str | None
    system: str | None
    # `mobile`, `tablet` or `desktop`.
    kind: str | None

    @property
    def name(self) -> str | None:
        """What to call the device, as in `Chrome on Windows`."""
        return " on ".join(part for part in (self.browser, self.system) if part) or None


def program_of(agent: str | None) -> Program:
    """What is behind a User-Agent header."""
    if not agent:
        return Program(None, None, None)
    browser = next((name for name, pattern in _browsers if pattern.search(agent)), None)
    system = next((name for name, pattern in _systems if pattern.search(agent)), None)
    if browser is None and not agent.startswith("Mozilla/") and (named := PROGRAM.match(agent)):
        # A program of its own, as an app or curl is.
        browser = named[0]
    return Program(browser, system, _kind(agent, system))


def _kind(agent: str, system: str | None) -> str | None:
    if system is None:
        return None
    if TABLET.search(agent):
        return "tablet"
    return "mobile" if system in ("iOS", "Android") else "desktop"
