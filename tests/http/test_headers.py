"""A request's headers are found whatever their letters are, by every way of looking."""

from __future__ import annotations

import pytest

from lango.http.headers import RequestHeaders

HEADERS = RequestHeaders({"headers": [(b"accept", b"text/html"), (b"accept", b"*/*"), (b"host", b"lango.example")]})


@pytest.mark.parametrize("name", ["accept", "Accept", "ACCEPT"])
def test_names_of_headers_have_no_case(name: str) -> None:
    assert HEADERS.get(name) == HEADERS[name] == "text/html"
    assert HEADERS.getlist(name) == ["text/html", "*/*"]
    assert name in HEADERS


def test_one_that_is_not_there() -> None:
    assert HEADERS.get("Origin") is None
    assert HEADERS.get("Origin", "") == ""


def test_what_is_there_twice_is_known() -> None:
    assert HEADERS.repeated == ["accept"]
