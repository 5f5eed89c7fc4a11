"""docs/settings.md: `python -m lango.cli.settings_page` prints it."""

from __future__ import annotations

import sys

from pydantic_settings import BaseSettings

from lango.providers.registry import PROVIDERS
from lango.settings import Settings, names_of

HEAD = """\
# Settings

Read from the environment and from a file `.env`.

| name | default | what it is for |
| --- | --- | --- |
"""


def page() -> str:
    """The settings as a page: the gateway's own, then each provider's."""
    rows = []
    kinds: list[type[BaseSettings]] = [Settings, *(each.settings for each in PROVIDERS if each.settings)]
    for kind in kinds:
        for name, field in names_of(kind).items():
            default = "" if field.default in (None, "") else f"`{str(field.default).lower()}`"
            rows.append(f"| `{name}` | {default} | {(field.description or '').replace('|', chr(92) + '|')} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(page())
