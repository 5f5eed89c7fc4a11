"""Every setting says what it is for, and docs/settings.md says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lango.cli.settings_page import page
from lango.providers.registry import PROVIDERS
from lango.providers.wave.settings import WaveSettings
from lango.settings import Section, Settings, names_of
from tests.conventions.test_models import empty

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_every_setting_is_explained() -> None:
    kinds = [Settings, *(provider.settings for provider in PROVIDERS if provider.settings)]
    named = [(name, field.description) for kind in kinds for name, field in names_of(kind).items()]
    assert [name for name, description in named if empty(name, description)] == []


def test_the_settings_page_matches_the_code() -> None:
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    assert written == page(), "run `python -m lango.cli.settings_page > docs/settings.md`"


def test_a_number_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGO_EMBEDDED_VERSION", "16")

    assert Settings(_env_file=None).embedded_version == 16


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGO_EMBEDDED_VERSION", "17")

    with pytest.raises(ValidationError, match="16 or 18"):
        Settings(_env_file=None)


@pytest.mark.parametrize("kind", [provider.settings for provider in PROVIDERS if provider.settings])
def test_a_section_is_read_under_its_prefix_alone(kind: type[Section], monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody's environment has for another program is no setting of a provider."""
    expected = kind(_env_file=None)
    for name in kind.model_fields:
        monkeypatch.setenv(name.upper(), "1")

    assert kind(_env_file=None) == expected
    assert all(name.startswith("LANGO_") for name in names_of(kind))


def test_a_wrong_setting_of_a_provider_is_named_as_the_environment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGO_WAVE_TIMEOUT", "soon")

    with pytest.raises(ValidationError, match="LANGO_WAVE_TIMEOUT"):
        Settings(_env_file=None).section(WaveSettings)


def test_a_section_is_read_once_and_may_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None)
    given = settings.with_section(WaveSettings(_env_file=None, timeout=3))
    monkeypatch.setenv("LANGO_WAVE_TIMEOUT", "5")

    assert settings.section(WaveSettings).timeout == 5
    monkeypatch.setenv("LANGO_WAVE_TIMEOUT", "7")

    assert (settings.section(WaveSettings).timeout, given.section(WaveSettings).timeout) == (5, 3)
