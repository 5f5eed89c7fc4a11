"""Numbers come out of JSON as they went in."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from lango.values import exact_json
from lango.values.exact_json import Number

EXACT = ["0", "-0", "7", "9007199254740993", "18446744073709551615", "-9223372036854775808"]
BEYOND_64_BITS = ["18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"]
WITH_A_FRACTION = ["1.0", "1.10", "-0.0", "1e5", "1E-7", "3.14159265358979323846"]


@pytest.mark.parametrize("number", EXACT + BEYOND_64_BITS)
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"a": {{"b": [true, "x", {}]}}}}', '[1, {{"a": null}}, [[{}]]]'])
def test_a_whole_number_is_exact_wherever_it_stands(around: str, number: str) -> None:
    text = around.format(number)

    assert exact_json.loads(text) == exact_json.loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize("number", WITH_A_FRACTION)
@pytest.mark.parametrize("around", ["{}", '{{"a":[{}]}}', "[1,[[{}]]]"])
def test_another_number_keeps_its_spelling(around: str, number: str) -> None:
    text = around.format(number)

    assert exact_json.dumps(exact_json.loads(text)) == text


def test_digits_in_a_text_are_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    value: dict[str, Any] = {"key": "4e7f1234567890123456789012345678", "price": "1.50", "count": 3}

    def slower(*_: Any, **__: Any) -> Any:
        raise AssertionError("the slower parser is for numbers")

    monkeypatch.setattr(exact_json.json, "loads", slower)

    assert exact_json.loads(orjson.dumps(value)) == value


def test_only_a_fraction_or_a_power_is_more_than_a_number() -> None:
    whole, fraction = exact_json.loads("[1, 1.0]")

    assert type(whole) is int
    assert type(fraction) is Number
