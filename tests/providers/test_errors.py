"""An error of a provider knows what callers are warned of; nobody else does."""

from __future__ import annotations

from typing import ClassVar

import pytest

from lango.providers import ProviderError, ProviderRefused, ProviderUnavailable, ProviderUndecided
from lango.providers.warnings import ProviderWarning, WarningKind
from lango.providers.wave.errors import WaveRefused, WaveUnavailable, WaveUndecided


class SmsNotWanted(ProviderRefused):
    """The person has opted out of messages."""

    provider = "sms"
    warning: ClassVar = WarningKind("MESSAGE_NOT_WANTED", "They want no messages.", "{provider} may not write to them.")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (WaveUnavailable("x"), "PAYMENT_PROVIDER_UNAVAILABLE", "wave cannot be reached at the moment; it is asked again until it answers."),
        (WaveUndecided("x"), "PAYMENT_PROVIDER_UNAVAILABLE", "wave cannot be reached at the moment; it is asked again until it answers."),
        (WaveRefused("c", "x"), "PAYMENT_PROVIDER_REFUSED", "wave has answered that it will not do this; to ask the same again does not help."),
        (SmsNotWanted("c", "x"), "MESSAGE_NOT_WANTED", "sms may not write to them."),
    ],
)  # fmt: skip
def test_an_error_knows_its_warning(error: ProviderError, code: str, message: str) -> None:
    assert error.for_callers() == ProviderWarning(code, message)


def test_an_undecided_call_may_be_repeated_and_counts_as_unreached() -> None:
    assert isinstance(WaveUndecided("x"), ProviderUndecided)
    assert isinstance(WaveUndecided("x"), ProviderUnavailable)
    assert (WaveUndecided.outcome, WaveUnavailable.outcome, WaveRefused.outcome) == (
        "unreached",
        "unreached",
        "refused",
    )


def test_the_log_has_the_providers_own_words() -> None:
    assert str(WaveUnavailable("no answer")) == "wave: no answer"
    assert str(WaveRefused("not-found", "no such checkout")) == "wave refused (not-found): no such checkout"
