"""Logs, metrics and health."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog
import structlog.testing

from lango.db.pipeline import Pipeline, make_pipeline
from lango.http.health import Health
from lango.observability import logs
from lango.observability.logs import configure
from lango.observability.metrics import Metrics
from tests.http.conftest import ALICE, Api, database_error


async def logged(api: Api, query: str, **options: Any) -> dict[str, Any]:
    with structlog.testing.capture_logs() as lines:
        await api.post(query, **options)
    (line,) = [line for line in lines if line["event"] == "request"]
    return dict(line)


async def test_a_request_is_one_log_line_with_its_details(api: Api) -> None:
    line = await logged(api, "query Greet { hello pack { title } }", token=api.token(), headers={"x-request-id": "r-1"})

    assert line.pop("ms") >= 0
    assert len(line.pop("document")) == 16
    assert line == {
        "event": "request", "log_level": "info", "method": "POST", "path": "/graphql", "status": 200,
        "request_id": "r-1", "client": "127.0.0.1", "operation": "query", "name": "Greet", "cost": 1,
        "user": str(ALICE),
    }  # fmt: skip


async def test_the_line_of_an_error_has_its_code(api: Api) -> None:
    assert (await logged(api, '{ fail(how: "bad") }'))["errors"] == ["BAD_USER_INPUT"]
    assert (await logged(api, "{ nothing }"))["errors"] == ["GRAPHQL_VALIDATION_FAILED"]
    assert (await logged(api, "{ hello }", token="x"))["status"] == 401


async def test_nothing_secret_is_logged(api: Api) -> None:
    token = api.token()
    with structlog.testing.capture_logs() as lines:
        await api.post('query($v: String) { hello(name: $v) fail(how: "literal") }', {"v": "variable"}, token=token)
        await api.get("/graphql?query={hello(name:%22literal%22)}&variables={%22v%22:%22variable%22}")

    assert not [word for word in (token, "variable", "literal") if word in repr(lines)]


@pytest.fixture
def standard_error(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What the configured logging has written; the configuration is taken back afterwards."""
    root = logging.getLogger()
    before, access, known = (root.handlers, root.level), logs.access, structlog.get_config()
    yield lambda: capsys.readouterr().err
    (root.handlers, root.level), logs.access = before, access
    logging.getLogger("strawberry.execution").disabled = False
    logging.getLogger("uvicorn.access").disabled = False
    structlog.configure(**known)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_error_is_logged_with_its_traceback_and_without_its_values(
    make_settings: Any, standard_error: Callable[[], str], log_format: str
) -> None:
    configure(make_settings(log_format=log_format))

    try:
        raise database_error("23505")
    except Exception as error:
        structlog.get_logger("lango.test").error("internal error", exc_info=error, request_id="r-1")

    written = standard_error()
    assert "Traceback" in written
    assert "SELECT secret_column" in written
    assert "awa@example.org" not in written
    if log_format == "json":
        assert json.loads(written)["request_id"] == "r-1"


def test_lines_of_other_libraries_take_the_same_form(make_settings: Any, standard_error: Callable[[], str]) -> None:
    configure(make_settings(log_format="json"))

    logging.getLogger("uvicorn.error").warning("Exceeded concurrency limit.")

    line = json.loads(standard_error())
    assert (line["event"], line["level"], line["logger"]) == ("Exceeded concurrency limit.", "warning", "uvicorn.error")


@pytest.mark.parametrize("log_level", ["debug", "info", "warning"])
async def test_the_line_of_a_request_is_json_like_all_others(
    api: Api, make_settings: Any, standard_error: Callable[[], str], log_level: str
) -> None:
    configure(make_settings(log_format="json", log_level=log_level))
    logging.getLogger("lango.test").warning("before")

    await api.post("query Greet { hello }", token=api.token(), headers={"x-request-id": "r-1"})

    other, *lines = map(json.loads, standard_error().splitlines())
    if log_level == "warning":
        assert lines == []
        return
    (line,) = [line for line in lines if line["event"] == "request"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", line["timestamp"])
    assert line["timestamp"] >= other["timestamp"]
    assert {name: line[name] for name in ("logger", "level", "request_id", "status", "user", "client")} == {
        "logger": "lango.request", "level": "info", "request_id": "r-1", "status": 200, "user": str(ALICE),
        "client": "127.0.0.1",
    }  # fmt: skip


async def metrics(api: Api, **headers: str) -> str:
    answer = await api.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return answer.text


async def test_requests_and_errors_are_counted(api: Api) -> None:
    await api.post("{ hello }")
    await api.post('mutation { redeem(code: "x") }')
    await api.post('{ fail(how: "bad") }')
    await api.post("{", accept="application/graphql-response+json")

    text = await metrics(api)

    for line in (
        'lango_requests_total{operation="query",status="200"} 2.0',
        'lango_requests_total{operation="mutation",status="200"} 1.0',
        'lango_requests_total{operation="none",status="400"} 1.0',
        'lango_graphql_errors_total{code="BAD_USER_INPUT"} 1.0',
        'lango_graphql_errors_total{code="GRAPHQL_PARSE_FAILED"} 1.0',
        'lango_request_seconds_count{operation="query"} 2.0',
        'lango_document_cache_total{result="miss"} 4.0',
        "lango_requests_in_flight 1.0",
        "lango_pool_connections_in_use 0.0",
        "lango_statement_seconds_count 0.0",
    ):
        assert line in text


async def test_metrics_are_for_the_peers_of_the_settings(serve: Any) -> None:
    assert (await serve(peer="203.0.113.9").get("/metrics")).status_code == 404
    assert (await serve(peer="203.0.113.9", metrics_peers="203.0.113.0/24").get("/metrics")).status_code == 200


async def test_metrics_are_not_given_through_a_proxy_on_the_same_machine(serve: Any) -> None:
    forwarded = {"x-forwarded-for": "127.0.0.1"}

    assert (await serve().get("/metrics", headers=forwarded)).status_code == 404
    assert (
        await serve(trusted_proxies="127.0.0.1").get("/metrics", headers={"x-forwarded-for": "6.6.6.6"})
    ).status_code == 404


async def test_the_process_is_healthy_without_a_database_and_not_ready(api: Api) -> None:
    assert (await api.get("/healthz")).status_code == 200

    answer = await api.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "reason": "the database does not answer"}


@pytest.fixture
async def answering(gateway_url: str, make_settings: Any) -> AsyncIterator[Pipeline]:
    """One whose database answers."""
    pipeline = make_pipeline(gateway_url, make_settings())
    yield pipeline
    pipeline.close()


async def no_warnings(_pipeline: Pipeline) -> list[str]:
    return []


async def test_readiness_follows_the_migrations(
    answering: Pipeline, make_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str | None] = [None, "3 migrations are to be applied"]

    async def behind(_pipeline: Pipeline) -> str | None:
        return said.pop(0)

    monkeypatch.setattr("lango.http.health.behind", behind)
    monkeypatch.setattr("lango.http.health.warnings", no_warnings)
    health = Health(answering, make_settings(), Metrics())
    request: Any = None

    assert (await health.readyz(request)).status_code == 200
    refused = await health.readyz(request)
    assert refused.status_code == 503
    assert b"3 migrations" in bytes(refused.body)


async def test_stopping_is_not_ready(answering: Pipeline, make_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def behind(_pipeline: Pipeline) -> None:
        return None

    monkeypatch.setattr("lango.http.health.behind", behind)
    monkeypatch.setattr("lango.http.health.warnings", no_warnings)
    health = Health(answering, make_settings(), Metrics())
    request: Any = None
    assert (await health.readyz(request)).status_code == 200

    health.stopping = True

    assert (await health.readyz(request)).status_code == 503


async def test_probes_are_not_logged_while_all_is_well(api: Api) -> None:
    with structlog.testing.capture_logs() as lines:
        await api.get("/healthz")
    assert lines == []
