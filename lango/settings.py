"""Every setting, its default and what it is for; read from the environment and from `.env`.

What belongs to one provider is a `Section`, which that provider declares.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, PrivateAttr, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict


class Section(BaseSettings):
    """Settings that are declared elsewhere. `model_config = named("LANGO_WAVE_")` names them in the environment."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)


S = TypeVar("S", bound=Section)


def named(prefix: str) -> SettingsConfigDict:
    """Under the prefix `LANGO_WAVE_` the field `api_key` is `LANGO_WAVE_API_KEY`, also in what is said of it."""
    # The prefix as well: a field is read under its bare name too, which would be API_KEY.
    return SettingsConfigDict(env_prefix=prefix, alias_generator=lambda field: f"{prefix}{field.upper()}")


class Settings(BaseSettings):
    """The environment names are `LANGO_` and the field's name; `DATABASE_URL`, `DATABASE_OWNER_URL`,
    `DATABASE_WORKER_URL` and `TRUSTED_PROXIES` stand alone."""

    model_config = SettingsConfigDict(env_prefix="LANGO_", env_file=".env", extra="ignore", populate_by_name=True)

    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="The database to serve from, as lango_gateway; also through PgBouncer 1.21 or newer in transaction "
        "mode. Without it an embedded PostgreSQL 18 is started.",
    )
    database_owner_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_OWNER_URL",
        description="The same database as a login that may become lango_owner: it migrates, seeds and grants; "
        "directly, not through a transaction pooler.",
    )
    database_worker_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_WORKER_URL",
        description="The same database as lango_worker, for `lango work`; directly, not through a transaction pooler.",
    )
    database_direct_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_DIRECT_URL",
        description="The same as DATABASE_URL without a transaction pooler between: subscriptions LISTEN and lock "
        "there. Without it DATABASE_URL.",
    )
    database_tls: Literal["require", "off"] = Field(
        "require",
        description="TLS to a database that is not on loopback or a socket; only `off` switches it off.",
    )
    data_dir: Path = Field(Path(".lango"), description="Where the embedded server keeps its data (ignored by git).")
    embedded_version: Literal[16, 18] = Field(18, description="The embedded server's PostgreSQL version: 18 or 16.")
    migration_lock_timeout: float = Field(
        10.0,
        gt=0,
        description="Seconds that a migration waits for a table's lock before it gives up and is undone.",
    )
    migration_statement_timeout: float = Field(
        600.0, gt=0, description="Seconds that one query of a migration may run."
    )
    pool_size: int = Field(
        20, ge=1, le=500, description="Database connections of each worker process, for reads and rules."
    )
    caller_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="The part of those connections that one caller may hold at once: a user, or all together who have "
        "not signed in.",
    )
    pool_timeout: float = Field(10.0, gt=0, description="Seconds to wait for a free connection before answering 503.")
    statement_timeout: float = Field(10.0, gt=0, description="Seconds a single SQL statement may run.")
    lock_timeout: float = Field(
        5.0,
        gt=0,
        description="Seconds that a rule waits for a row that others are working on; less than the statement's.",
    )

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes.")
    trusted_proxies: str = Field(
        "",
        validation_alias="TRUSTED_PROXIES",
        description="Comma-separated addresses or networks whose X-Forwarded-For is believed; none by default.",
    )
    country_header: str = Field(
        "",
        description="The header in which those proxies say from which country a request comes, by its two letters "
        "(`CF-IPCountry`): a sign-in from one that is new is said to the user. Without it, countries are not known.",
    )
    max_body_bytes: int = Field(1_000_000, ge=1_000, description="Bytes of a request body; more is answered 413.")
    receive_timeout: float = Field(30.0, gt=0, description="Seconds that a client has to send a whole request.")
    max_tokens: int = Field(4_000, ge=100, description="Lexical tokens of a GraphQL document.")
    max_depth: int = Field(16, ge=2, description="Fields inside fields inside fields; introspection has its own limit.")
    max_fields: int = Field(1_000, ge=10, description="Fields that an operation selects, fragments written out.")
    max_aliases: int = Field(100, ge=0, description="Aliases in an operation, fragments written out.")
    max_cost: int = Field(
        20_000,
        ge=10,
        description="Objects that an operation may ask for: lists by their page sizes, multiplied where they nest; "
        "texts and JSON values by their lengths, 4,000 characters for an object.",
    )
    max_mutations: int = Field(10, ge=1, description="Mutations in one request, each under an alias of its own.")
    max_answer_bytes: int = Field(
        16_000_000, ge=10_000, description="Bytes of the answer to an operation; what is larger is not read to its end."
    )
    introspection: Literal["everyone", "authenticated", "staff", "off"] = Field(
        "everyone",
        description="Who may ask about the schema. Unless it is everyone, errors suggest no names either.",
    )
    planner: Literal["on", "off"] = Field(
        "on", description="`off` answers every query by the ordinary executor: for comparing, and for finding a fault."
    )
    plan_cache: int = Field(
        2_000, ge=1, description="Plans, and the conditions that lead to them, kept by each worker."
    )
    show_plans: bool = Field(
        False,
        description="Show staff, in `extensions.lango`, the SQL of what they ask, its rows, and the time it takes.",
    )
    document_cache: int = Field(1_000, ge=1, description="Parsed and validated documents that each worker keeps.")
    execution_timeout: float = Field(30.0, gt=0, description="Seconds that one operation may take.")
    socket_init_timeout: float = Field(
        10.0, gt=0, description="Seconds that a WebSocket's client has for its connection_init."
    )
    max_operations_per_socket: int = Field(100, ge=1, description="Operations under way at once on one WebSocket.")
    max_connections_per_user: int = Field(
        100, ge=1, description="WebSockets and event streams that one user may hold open in each worker process."
    )
    max_connections_per_address: int = Field(
        1_000, ge=1, description="WebSockets and event streams that one address may hold open in each worker process."
    )
    max_uninitialised_per_address: int = Field(
        200, ge=1, description="Those of them that may be WebSockets before their connection_init."
    )
    stream_buffer: int = Field(
        1_000, ge=2, description="Messages that may wait for a slow client of a WebSocket or an event stream."
    )
    stream_buffer_bytes: int = Field(
        1_000_000, ge=1_000, description="The size of those messages together; beyond it the connection is closed."
    )
    stream_heartbeat: float = Field(15.0, gt=0, description="Seconds between two signs of life on a silent stream.")
    send_timeout: float = Field(
        30.0, gt=0, description="Seconds for which a client may read nothing of what it is sent."
    )
    allowed_origins: str = Field(
        "",
        description="Comma-separated origins (https://app.example.org) whose pages may call; none by default.",
    )
    allowed_hosts: str = Field(
        "",
        description="Comma-separated names under which the gateway is called (`api.example.org, *.example.org`, `*` "
        "for any); requests to another Host are answered 421, but for /healthz and /readyz. Addresses are always among "
        "them, LANGO_HOST and the host of LANGO_PUBLIC_URL too. Without it: loopback's names where LANGO_HOST is "
        "loopback, and in `lango dev`; elsewhere any name, of which none makes a browser's page the gateway's own.",
    )
    metrics_peers: str = Field(
        "127.0.0.0/8,::1",
        description="Comma-separated addresses or networks that may read /metrics.",
    )
    graphiql: bool = Field(True, description="Serve GraphiQL to browsers that open /graphql.")
    shutdown_delay: float = Field(
        1.0,
        ge=0,
        description="Seconds that /readyz answers 503 while requests are still taken, after SIGTERM.",
    )
    shutdown_timeout: int = Field(30, ge=1, description="Seconds that requests under way have to finish when stopping.")

    worker_concurrency: int = Field(10, ge=2, le=500, description="Jobs that one `lango work` runs at once.")
    worker_heartbeat: float = Field(
        30.0, ge=1, description="Seconds of silence after which a worker's jobs are taken over by another."
    )
    worker_metrics_port: int = Field(
        0, ge=0, le=65535, description="The port on which `lango work` serves its metrics; none by default."
    )
    job_log_days: int = Field(30, ge=1, description="Days that what became of each job is kept.")

    token_keys: SecretStr | None = Field(
        None,
        description="Keys of tokens: JSON (a JWK, a list, a JWK set), a .json or .pem file, or a directory of those, "
        "whose files may come and go while lango serves: `lango keys new` writes one.",
    )
    token_key_delay: float = Field(
        600.0,
        ge=0,
        description="Seconds after which a new key of that directory signs: until then it is published, and verifies.",
    )
    token_jwks_url: str | None = Field(None, description="Where an identity provider publishes its keys (https).")
    token_jwks_lifetime: float = Field(600.0, gt=0, description="Seconds until the published keys are read again.")
    token_jwks_floor: float = Field(30.0, gt=0, description="The least seconds between two readings of those keys.")
    token_issuer: str = Field("lango", description="The `iss` that tokens must carry.")
    token_audience: str = Field("lango", description="The `aud` that tokens must carry.")
    token_leeway: float = Field(10.0, ge=0, le=120, description="Seconds by which clocks may differ.")
    token_lifetime: float = Field(600.0, gt=0, description="Seconds that a minted access token lives.")
    sms_prefixes: str = Field(
        "",
        description="Comma-separated country prefixes (`+221, +254`) to which codes are sent by SMS; without it, all: "
        "name those you serve, for somebody may earn by what is sent to others.",
    )
    api_key_environment: str = Field(
        "live",
        pattern="^[a-z0-9]{1,16}$",
        description="Where API keys are made and accepted: `lk_live_…`. Those of another environment are refused.",
    )
    allow_dev_key: bool = Field(
        False,
        description="Sign with a key generated into data_dir when none is configured: for development only, "
        "`lango serve` does not start with it.",
    )

    two_factor_issuer: str = Field(
        "lango",
        pattern=r"^[^:]{1,40}$",
        description="What authenticator apps call the account that codes are for: the name of your product, no colon.",
    )

    encryption_keys: SecretStr | None = Field(
        None,
        description="Keys of encrypted columns and of hashes of contacts, 32 bytes each: comma-separated id:base64, or "
        "a JSON object of them. The first encrypts, all decrypt. With LANGO_ALLOW_DEV_KEY one is generated into "
        "data_dir when none is configured.",
    )

    public_url: str | None = Field(
        None,
        description="Where people and providers reach the gateway (https://api.example.org); without it host and port.",
    )
    payment_return_url: str | None = Field(
        None,
        description="The page of your site to which a provider sends donors back, with `payment` (success or error) "
        "and `reference` in its query; without it a small page of the gateway's own.",
    )

    account_url: str | None = Field(
        None,
        description="Where the account pages of your site begin: links in messages lead to `reset-password` and "
        "`undo-contact` below it, with `#token=…`. Without it LANGO_PUBLIC_URL with `/account`.",
    )
    sms_providers: str = Field(
        "africas_talking,twilio",
        description="Who carries SMS, comma-separated, the cheapest first: the next one is called where one is down.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="JSON lines, or text for a terminal (auto: by whether there is one)."
    )

    _sections: dict[type[Section], Section] = PrivateAttr(default_factory=dict)

    @field_validator("embedded_version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """The environment has only texts."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    def section(self, kind: type[S]) -> S:
        """The settings of this kind, read when they are first wanted. Raises ValidationError."""
        found = self._sections.get(kind)
        if found is None:
            found = self._sections[kind] = kind()
        assert isinstance(found, kind)
        return found

    def with_section(self, section: Section) -> Self:
        """A copy that has this section, whatever the environment says."""
        copied = self.model_copy()
        copied._sections = {**self._sections, type(section): section}  # noqa: SLF001 - it is one of these itself
        return copied


def names_of(kind: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The fields by their names in the environment."""
    return {str(field.validation_alias or _prefixed(kind, name)): field for name, field in kind.model_fields.items()}


def all_names_of(kind: type[BaseSettings]) -> set[str]:
    """All names under which the fields are read: what stands alone is read with the prefix too."""
    return {*names_of(kind), *(_prefixed(kind, name) for name in kind.model_fields)}


def _prefixed(kind: type[BaseSettings], name: str) -> str:
    return f"{kind.model_config['env_prefix']}{name}".upper()


@lru_cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
