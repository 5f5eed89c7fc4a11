"""The gateway as a client sees it: over HTTP, with real tokens."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
from graphql import FieldNode, OperationDefinitionNode, OperationType, parse, value_from_ast_untyped

from gql.schema import schema
from lango.db.pipeline import Pipeline, make_pipeline
from lango.http.app import create_app
from lango.rules.services import Services
from lango.security.account_status import STANDING
from lango.security.authentication import mint
from lango.settings import Settings
from tests.payloads import document
from tests.round_trips import COUNTER, counted, recorded

# The roles that staff have in their tokens.
STAFF = ("admin",)
# What opens and closes a transaction, and changes its role.
UNCOUNTED = re.compile(r"BEGIN|COMMIT|ROLLBACK|SAVEPOINT|SET |SELECT set_config\('role'")


@dataclass(frozen=True)
class Answer:
    """What came back: the data, the errors, and the whole response."""

    response: httpx.Response

    @property
    def body(self) -> dict[str, Any]:
        return dict(self.response.json())

    @property
    def errors(self) -> list[dict[str, Any]]:
        return list(self.body.get("errors", []))

    @property
    def data(self) -> Any:
        """The data, of an answer without errors."""
        assert not self.errors, self.errors
        return self.body["data"]

    @property
    def codes(self) -> list[str]:
        """The codes of top-level errors."""
        return [error["extensions"]["code"] for error in self.errors]

    def __getitem__(self, field: str) -> Any:
        return self.data[field]

    def refusals(self, field: str) -> list[str]:
        """The codes of a mutation's user errors."""
        return [error["code"] for error in self.data[field]["userErrors"]]


# Refusals of an input that is missing: they name what the caller has to bring.
MISSING = {
    ("TWO_FACTOR_REQUIRED", "twoFactorCode"),
    ("VENUE_NOT_ALLOWED", "venue"),
    ("SHARE_NOT_VALID", "buyerShare"),
    ("PASSWORD_MISSING", "current"),
    ("PROOF_MISSING", "state"),
    ("PROFILE_INCOMPLETE", "fullName"),
    ("PROFILE_INCOMPLETE", "dateOfBirth"),
    ("GUARDIAN_REQUIRED", "guardianId"),
    ("GUARDIAN_REQUIRED", "relationshipType"),
    ("TEXT_MISSING", "reason"),
    ("PHONE_NOT_VERIFIED", "phone"),
    ("PHONE_NOT_SERVED", "phone"),
    ("USER_MISSING", "userId"),
    ("TEXT_MISSING", "notes"),
    ("PHONE_TOO_NEW", "phone"),
    ("RECEIPT_MISSING", "receiptNumber"),
    ("SWAP_NOT_NAMED", "quoteId"),
    ("EXPECTED_RATE_MISSING", "expectedRate"),
}


def check_fields(query: str, variables: dict[str, Any], answer: Answer) -> None:
    """Every refusal names an input that this very call brought, or is to bring."""
    if '"field":[' not in answer.response.text:
        return
    for definition in parse(query).definitions:
        if not isinstance(definition, OperationDefinitionNode) or definition.operation != OperationType.MUTATION:
            continue
        for node in definition.selection_set.selections:
            assert isinstance(node, FieldNode)
            payload = answer.body["data"].get(node.alias.value if node.alias else node.name.value)
            given = {each.name.value: value_from_ast_untyped(each.value, variables) for each in node.arguments}
            for error in (payload or {}).get("userErrors", []):
                place: Any = given["input"]
                path = error.get("field") or []
                for part in path if (error.get("code"), ".".join(path)) not in MISSING else []:
                    assert isinstance(place, list) or part in place, f"{error} is about no input of {given}"
                    place = place[int(part)] if isinstance(place, list) else place[part]


def as_json(value: Any) -> Any:
    """An input as it is sent: numbers that are exact, ids and days as texts, and a row as its id."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, SimpleNamespace):
        return str(value.id)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | Decimal) else value


class Api:
    """Calls the gateway: `await api("{ pots { nodes { title } } }", as_=user)`."""

    def __init__(self, client: httpx.AsyncClient, pipeline: Pipeline, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self.pipeline = pipeline
        COUNTER.listen(pipeline)

    @classmethod
    @asynccontextmanager
    async def over(
        cls,
        pipeline: Pipeline,
        settings: Settings,
        services: Services | None = None,
        audits_reads: bool = True,
    ) -> AsyncIterator[Api]:
        app = create_app(schema, settings, pipeline, services=services, audits_reads=audits_reads)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            yield cls(client, pipeline, settings)
        # As at the end of a server.
        await app.state.meter.close()

    @classmethod
    @asynccontextmanager
    async def alone(cls, settings: Settings, url: str | None = None) -> AsyncIterator[Api]:
        """A gateway with connections of its own, as another process has; `url`, where it is not that of the settings."""
        assert settings.database_url is not None
        pipeline = make_pipeline(url or settings.database_url.get_secret_value(), settings)
        try:
            async with cls.over(pipeline, settings) as api:
                yield api
        finally:
            pipeline.close()

    def headers(self, as_: SimpleNamespace | UUID | None, roles: tuple[str, ...] = ()) -> dict[str, str]:
        if as_ is None:
            return {}
        user_id = as_ if isinstance(as_, UUID) else as_.id
        return {"Authorization": f"Bearer {mint(self.settings, user_id, roles)}"}

    async def __call__(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        as_: SimpleNamespace | UUID | None = None,
        roles: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> Answer:
        response = await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables or {}},
            headers=self.headers(as_, roles) | (headers or {}),
        )
        answer = Answer(response)
        check_fields(query, variables or {}, answer)
        return answer

    async def mutate(
        self,
        mutation: str,
        /,
        as_: SimpleNamespace | UUID | None = None,
        roles: tuple[str, ...] = (),
        *,
        show: str | None = None,
        headers: dict[str, str] | None = None,
        **input: Any,
    ) -> Answer:
        """Run a mutation: `await api.mutate("publishPack", manager, packId=pack)`. A row stands for its id.

        Shows of its payload what `tests/payloads.py` says, or what the test does, and always the errors.
        """
        with recorded() as batches:
            answer = await self(
                document(mutation, show), {"input": as_json(input)}, as_=as_, roles=roles, headers=headers
            )
        # What a test selects itself may take more: the table is about the usual payloads.
        usual = show is None and self.settings.planner == "on"
        if usual and not answer.errors and not answer.refusals(mutation):
            COUNTER.note(mutation, counted(batches))
        return answer

    async def redeem(
        self, code: str, *, as_: SimpleNamespace, headers: dict[str, str] | None = None, **input: Any
    ) -> Answer:
        return await self.mutate("redeemQrCode", as_, headers=headers, code=code, **input)

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[list[str]]:
        """The SQL statements that run meanwhile; BEGIN, context, COMMIT and who the caller is left out."""
        statements: list[str] = []
        async with self._listening(lambda sent: statements.extend(each for each in sent if not UNCOUNTED.match(each))):
            yield statements

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[list[list[str]]]:
        """What is sent to the database meanwhile: the statements of each round trip; who the caller is left out."""
        batches: list[list[str]] = []
        async with self._listening(lambda sent: batches.append([*sent])):
            yield batches

    @asynccontextmanager
    async def _listening(self, hear: Callable[[Sequence[str]], None]) -> AsyncIterator[None]:
        def listener(sent: Sequence[str]) -> None:
            if [*sent] != [STANDING]:
                hear(sent)

        self.pipeline.listeners.append(listener)
        try:
            yield
        finally:
            self.pipeline.listeners.remove(listener)
