"""What providers have in common whom a sandbox inside the gateway may play: it is for development alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from lango.db.postgres import is_loopback
from lango.observability.finding import Finding, Level
from lango.settings import Section, Settings

Mode = Literal["live", "sandbox", "off"]


class Sandboxed(Section):
    """Settings of such a provider; a subclass says `chosen`, which is named as its prefix is."""

    chosen: Mode | None = None


def in_development(kind: type[Sandboxed]) -> Callable[[Settings], Mapping[str, str]]:
    """The sandbox, unless the settings say what shall be."""
    name = str(kind.model_config.get("env_prefix")).removesuffix("_")

    def chosen(settings: Settings) -> Mapping[str, str]:
        return {name: "sandbox"} if settings.section(kind).chosen is None else {}

    return chosen


def exposed(settings: Settings, mode: Mode, what: str, danger: str, remedy: str) -> Iterator[Finding]:
    """An error where a sandbox plays a provider to others than this machine."""
    if mode == "sandbox" and not is_loopback(settings.host):
        says = f"{what} a sandbox while lango listens on {settings.host}: {danger}."
        yield Finding("settings", Level.ERROR, says, remedy)
