"""Every setting says what it is for, and docs/settings.md says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lango.cli.settings_page import page
from lango.providers.registry import PROVIDERS
from lango.settings import Settings, names_of
from tests.conventions.test_models import empty

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_every_setting_is_explained() -> None:
    kinds = [Settings, *(provider.settings for provider in PROVIDERS if provider.settings)]
    named = [(name, field.description) for kind in kinds for name, field in names_of(kind).items()]
    assert [name for name, description in named if empty(name, description)] == []


def test_the_page_is_what_the_code_says() -> None:
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert written == page(), "run `python -m lango.cli.settings_page > docs/settings.md`"


def test_a_number_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGO_EMBEDDED_VERSION", "16")

    assert Settings(_env_file=None).embedded_version == 16


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGO_EMBEDDED_VERSION", "17")

    with pytest.raises(ValidationError, match="16 or 18"):
        Settings(_env_file=None)
