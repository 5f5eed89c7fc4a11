"""Every table is described, guarded and indexed, and what is secret is nobody's to read."""

from __future__ import annotations

import re
from typing import Any

import asyncpg
import pytest
from sqlalchemy import ARRAY
from sqlalchemy.orm import RelationshipDirection

from gql.kit.node import MIRRORED
from lango.actor import Role
from models import ddl
from models.base import Base, models
from models.columns import ENCRYPTED, SECRET, Choice, ChoiceType
from models.identity import UserRole

TABLES = [model for model in models() if model.__face__ is None]
INTERNAL = {
    "InvitationOptOut": "hashes of contacts, that only the rules compare",
    "OneTimeCode": "hashes of codes, that only the rules compare",
    "UserKey": "keys, that only the rules unwrap",
    "IdempotencyKey": "the kernel's memory of what it answered",
    "OutboxEvent": "read by the publisher; subscribers get events, never rows",
    "SchemaMigration": "read by `lango migrate status`",
    "DueFailure": "what jobs try again; `lango doctor` shows it",
    "ScheduledRun": "when jobs were run; `/readyz` and `lango doctor` look at it",
    "UncountedEvent": "a queue of events, kept for minutes",
    "RateLimitWindow": "counters under hashes, that one function changes",
}
LOOKS_SECRET = re.compile(
    r"hash|sha256|secret|token|password|private|encrypted|phrase|backup|credential|wrapped|(^|_)otp"
)
NO_SECRETS = {
    "CardAccount.lithic_account_token": "Lithic's id of the account; opens nothing without our API key",
    "Card.lithic_card_token": "Lithic's id of the card; opens nothing without our API key",
    "SpendingProfile.lithic_auth_rule_token": "Lithic's id of the rule; opens nothing without our API key",
    "CardTransaction.lithic_transaction_token": "Lithic's id of the transaction; opens nothing without our API key",
    "CryptoTransaction.transaction_hash": "public, on the chain",
    "CurrencySwap.transaction_hash": "public, on the chain",
    "CryptoWallet.last_backup": "a date",
    "OauthAccount.token_expires_at": "a date",
    "IdempotencyKey.request_hash": "of an input, in an internal table",
    "QrRedemptionLog.presented_code_sha256": "of a code of 128 random bits, which it does not give away",
}
OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'public', 'alembic')"


def test_every_model_has_a_mirror_or_a_reason_why_not() -> None:
    unseen = {model.__name__ for model in models()} - MIRRORED.keys()
    assert unseen == INTERNAL.keys()
    assert {model.__name__ for model in TABLES if model.__access__ is None} == INTERNAL.keys()


def test_every_secret_looking_column_is_marked() -> None:
    unmarked = {
        f"{model.__name__}.{column.name}"
        for model in models()
        for column in model.table().columns
        if LOOKS_SECRET.search(column.name) and not column.info.get(SECRET)
    }
    assert unmarked == NO_SECRETS.keys()


def test_what_is_encrypted_is_secret() -> None:
    columns = [column for model in models() for column in model.table().columns]
    assert all(column.info.get(SECRET) for column in columns if column.info.get(ENCRYPTED))


def test_a_secret_is_not_loaded_by_default() -> None:
    loaded = [
        str(prop)
        for model in TABLES
        for prop in model.__mapper__.column_attrs
        if prop.columns[0].info.get(SECRET) and not (prop.deferred and prop.raiseload)
    ]
    assert loaded == []


def test_a_token_claims_the_roles_that_are_stored() -> None:
    assert [role.value for role in Role] == [role.value for role in UserRole]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_docs_say_more_than_the_name(model: type[Base]) -> None:
    texts = {model.__name__: model.__doc__, **{column.name: column.doc for column in model.table().columns}}
    texts |= {f"{model.__name__}.{link.key}": link.doc for link in model.__mapper__.relationships}

    assert {name for name, text in texts.items() if empty(name, text)} == set()


@pytest.mark.parametrize("choice", sorted(Choice.__subclasses__(), key=str), ids=lambda choice: choice.__name__)
def test_every_choice_and_each_of_its_values_is_explained(choice: type[Choice]) -> None:
    assert not empty(choice.__name__, choice.__doc__)
    assert [value for value in choice if empty(value.value, value.doc)] == []


def test_every_choice_is_a_columns() -> None:
    kinds = [column.type for model in models() for column in model.table().columns]
    kinds = [kind.item_type if isinstance(kind, ARRAY) else kind for kind in kinds]
    assert {kind.choice for kind in kinds if isinstance(kind, ChoiceType)} == set(Choice.__subclasses__())


def empty(name: str, text: str | None) -> bool:
    """Whether a text only repeats the name, or was left open."""
    plain = re.sub(r"[^a-z0-9?]", "", (text or "").lower())
    same = re.sub(r"[^a-z0-9]", "", name.lower().rpartition(".")[2])
    return plain in ("", "?", same, f"the{same}", f"a{same}") or "??" in plain or (text or "").strip().endswith("?")


async def names(owner: asyncpg.Pool[Any], query: str, *values: Any) -> list[str]:
    return [str(row[0]) for row in await owner.fetch(query, *values)]


async def test_every_table_has_its_rows_guarded(owner: asyncpg.Pool[Any]) -> None:
    unguarded = f"""
        SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
    """
    assert await names(owner, unguarded) == []
    # Forced, it would hold the owner too: its backfills would touch nothing, without an error.
    assert await names(owner, "SELECT oid::regclass FROM pg_class WHERE relforcerowsecurity") == []


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
async def test_every_table_has_a_policy_for_each_role(model: type[Base], owner: asyncpg.Pool[Any]) -> None:
    found = await names(owner, "SELECT polname FROM pg_policy WHERE polrelid = $1::text::regclass", str(model.table()))

    readers = {"lango_member", "lango_staff"} if model.__access__ is not None else set()
    anonymous = {"lango_anonymous"} if model.__access__ is not None and model.__access__.without_token else set()
    assert set(found) == readers | anonymous | set(ddl.WRITERS)


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
async def test_readers_are_granted_what_is_not_secret_and_no_more(model: type[Base], owner: asyncpg.Pool[Any]) -> None:
    granted = await owner.fetch(
        "SELECT role, attname FROM pg_attribute, unnest($2::text[]) role WHERE attrelid = $1::text::regclass AND attnum > 0"
        " AND has_column_privilege(role, attrelid, attname, 'SELECT')",
        str(model.table()), list(ddl.READERS),
    )  # fmt: skip
    writable = await owner.fetch(
        "SELECT role FROM unnest($2::text[]) role WHERE has_any_column_privilege(role, $1::text::regclass, 'INSERT, UPDATE')"
        " OR has_table_privilege(role, $1::text::regclass, 'DELETE, TRUNCATE, TRIGGER, REFERENCES')",
        str(model.table()), list(ddl.READERS),
    )  # fmt: skip

    wanted = {
        (role, column.name)
        for role in (ddl.READERS if model.__access__ is not None else ())
        for column in ddl.readable(model, staff=role == "lango_staff")
    }
    assert {tuple(row) for row in granted} == wanted
    assert writable == []


async def test_whatever_has_a_name_has_a_comment(owner: asyncpg.Pool[Any]) -> None:
    uncommented = f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND obj_description(c.oid) IS NULL
        UNION ALL
        SELECT c.oid::regclass || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND a.attnum > 0
          AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {OURS} AND obj_description(p.oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT n.nspname FROM pg_namespace n
        WHERE {OURS} AND n.nspname !~ '^pg_' AND obj_description(n.oid, 'pg_namespace') IS NULL
    """
    assert await names(owner, uncommented) == []


async def test_an_index_lies_under_each_foreign_key(owner: asyncpg.Pool[Any]) -> None:
    bare = """
        SELECT k.conrelid::regclass || ' ' || k.conname FROM pg_constraint k
        WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid
            AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
            -- A partial index serves where it leaves out nothing but nulls.
            AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) ~ '^\\(\\w+ IS NOT NULL\\)$')
        )
    """
    assert await names(owner, bare) == []


async def test_functions_are_nobodys_by_default_and_pinned(owner: asyncpg.Pool[Any]) -> None:
    loose = """
        SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'lango'::regnamespace AND (
            has_function_privilege('public', p.oid, 'EXECUTE')
            OR p.prosecdef AND NOT coalesce(array_to_string(p.proconfig, ',') ~ 'search_path=pg_catalog, pg_temp', false)
            OR p.prorettype = 'trigger'::regtype AND NOT p.prosecdef
            OR p.proowner <> 'lango_owner'::regrole)
    """
    assert await names(owner, loose) == []


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_who_has_a_foreign_key_has_one_parent(model: type[Base]) -> None:
    """Also where the parent is in the same table: the other way round it would be some child."""
    assert [
        relation.key
        for relation in model.__mapper__.relationships
        if relation.mapper.class_ is model
        and not relation.uselist
        and relation.direction is not RelationshipDirection.MANYTOONE
    ] == []
