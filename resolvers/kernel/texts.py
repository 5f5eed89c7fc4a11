"""Texts of an input: required ones are not empty, and links are web addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from lango.errors import Refused
from lango.values.time_zones import zones


class TextMissing(Refused):
    """This must not be empty."""


class UrlNotValid(Refused):
    """This is not a web address: it must begin with https://."""


class TimeZoneUnknown(Refused):
    """There is no such time zone."""


class TooMany(Refused):
    """The list has too many entries."""


def check_text(text: str, *, field: str) -> None:
    """Raises TextMissing for a text of nothing but spaces."""
    if not text.strip():
        raise TextMissing(field=field)


def check_url(url: str, *, field: str) -> None:
    """Raises UrlNotValid: a dashboard shows it as a link, so it must not run as a script."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("https", "http") and parts.hostname is not None
    except ValueError:
        valid = False
    if not valid or any(letter.isspace() or letter in "<>\"'`\\" for letter in url):
        raise UrlNotValid(field=field)


def check_time_zone(name: str, *, field: str) -> None:
    """Raises TimeZoneUnknown for what is no zone of the IANA database."""
    if name not in zones():
        raise TimeZoneUnknown(field=field)


def check_count(items: Sequence[Any], most: int, *, field: str) -> None:
    """Raises TooMany."""
    if len(items) > most:
        raise TooMany(f"There are {len(items)} of them, and there may be {most}.", field=field, most=most)
