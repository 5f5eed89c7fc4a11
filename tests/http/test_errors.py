"""What a caller learns of an error, and what stays inside."""

from __future__ import annotations

from typing import Any

import pytest
import structlog.testing

from tests.http.conftest import Api, codes

SECRETS = ("secret", "identity", "SELECT", "awa@example.org", "relation", "QueuePool", "5432", "Traceback")


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("bug", "INTERNAL"),
        ("forbidden", "FORBIDDEN"),
        ("bad", "BAD_USER_INPUT"),
        ("rate", "RATE_LIMITED"),
        ("42501", "FORBIDDEN"),
        ("57014", "QUERY_TOO_COMPLEX"),
        ("22003", "BAD_USER_INPUT"),
        ("22P02", "BAD_USER_INPUT"),
        ("40001", "SERVICE_UNAVAILABLE"),
        ("40P01", "SERVICE_UNAVAILABLE"),
        ("57P01", "SERVICE_UNAVAILABLE"),
        ("53300", "SERVICE_UNAVAILABLE"),
        ("08006", "SERVICE_UNAVAILABLE"),
        ("25006", "SERVICE_UNAVAILABLE"),
        ("25P03", "SERVICE_UNAVAILABLE"),
        ("26000", "SERVICE_UNAVAILABLE"),
        ("42P05", "SERVICE_UNAVAILABLE"),
        ("unreachable", "SERVICE_UNAVAILABLE"),
        ("closed", "SERVICE_UNAVAILABLE"),
        ("farewell", "SERVICE_UNAVAILABLE"),
        ("misused", "INTERNAL"),
        ("23502", "BAD_USER_INPUT"),
        ("23503", "BAD_USER_INPUT"),
        ("23514", "BAD_USER_INPUT"),
        ("23505", "CONFLICT"),
        ("23P01", "CONFLICT"),
        ("42P01", "INTERNAL"),
        ("25P02", "INTERNAL"),
    ],
)
async def test_an_error_has_its_code_and_no_internal_details(api: Api, how: str, code: str) -> None:
    answer = await api.post("query($how: String!) { hello fail(how: $how) }", {"how": how})

    assert answer.status_code == 200
    assert codes(answer) == [code]
    assert answer.json()["data"] == {"hello": "hello world", "fail": None}
    assert not [word for word in SECRETS if word in answer.text]


async def test_a_bug_is_masked_with_the_request_id_and_nothing_else(api: Api) -> None:
    answer = await api.post('{ fail(how: "bug") }')

    (error,) = answer.json()["errors"]
    assert error["message"] == "Internal error"
    assert error["path"] == ["fail"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]}


async def test_a_bug_is_logged_whole_under_its_id(api: Api) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await api.post('{ fail(how: "bug") }')

    (line,) = [line for line in lines if line["event"] == "internal error"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert str(line["exc_info"]) == "the secret inside"


async def test_a_value_that_a_resolver_should_not_give_is_our_error(api: Api) -> None:
    answer = await api.post("{ tooLarge }")

    assert codes(answer) == ["INTERNAL"]
    assert str(2**40) not in answer.text


async def test_details_of_a_callers_error_are_kept(api: Api) -> None:
    (error,) = (await api.post('{ fail(how: "bad") }')).json()["errors"]

    assert error["message"] == "Say it otherwise."
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "title"}


async def test_a_long_value_is_not_sent_back_whole(api: Api) -> None:
    answer = await api.post("query($v: Int!) { number(value: $v) }", {"v": "x" * 100_000})

    assert len(answer.content) < 2_000


@pytest.mark.parametrize("how", ["pool", "refused", "closed", "57P01"])
@pytest.mark.parametrize("field", ["fail", "must"])
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_when_the_database_cannot_be_reached_it_is_503(api: Api, how: str, field: str, accept: str) -> None:
    answer = await api.post(f'{{ {field}(how: "{how}") }}', accept=accept)

    assert answer.status_code == 503
    assert codes(answer) == ["SERVICE_UNAVAILABLE"]
    assert int(answer.headers["retry-after"]) > 0
    assert "data" not in answer.json()


async def test_what_could_be_answered_is_answered(api: Api) -> None:
    answer = await api.post('{ hello fail(how: "pool") }')

    assert answer.status_code == 200
    assert answer.json()["data"]["hello"] == "hello world"


async def test_an_error_outside_the_executor_is_a_typed_500(api: Api, monkeypatch: Any) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr("lango.security.account_status.Callers.actor", broken)
    with structlog.testing.capture_logs() as lines:
        answer = await api.post("{ hello }")

    assert answer.status_code == 500
    assert answer.json()["errors"] == [
        {
            "message": "Internal error",
            "extensions": {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]},
        }
    ]
    assert [line["event"] for line in lines] == ["internal error", "request"]
