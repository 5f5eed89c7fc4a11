"""Everything the models say, as SQL: schemas, functions, tables, comments, policies, grants, triggers and faces."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from textwrap import dedent

from sqlalchemy import Column, ForeignKeyConstraint, Table, Uuid
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from lango.names import snake
from models import queue
from models.access import Access
from models.base import Base, models
from models.columns import ENCRYPTED, PERSONAL, SECRET, STAFF_ONLY, UNAUDITED, UNCOMPRESSED, WITHHELD
from models.functions import CONTEXT, OWN, WRITING, literal
from models.metering import METERING
from models.reads import READS
from models.triggers import PARTITIONS, TRIGGERS

# The order in which groups are built: a table comes after those that its foreign keys name, as far as that goes.
GROUPS = (
    "platform", "identity", "profiles", "packs", "pots", "referrals", "donations", "redemption", "notifications",
    "analytics", "cards", "admin", "trading", "security", "treasury", "usage", "ledger", "privacy",
)  # fmt: skip
FUNCTIONS = (*CONTEXT, *OWN, *READS, *TRIGGERS, *PARTITIONS, *WRITING, *METERING)
READERS = ("lango_anonymous", "lango_member", "lango_staff")
WRITERS = ("lango_rules", "lango_worker")
SOFT_DELETE = "deleted_at"
DIALECT = dialect()  # type: ignore[no-untyped-call]
# What looks at a posting when the transaction ends: at its entries, and at whether there are any.
BALANCE = {"ledger.ledger_entries": "balance_transaction", "ledger.ledger_transactions": "require_entries"}
# When the transaction ends, an active DAO has an admin: after which changes that is looked at, and where its key is.
ADMINISTERED = {
    "treasury.daos": ("UPDATE OF status, deleted_at", "NEW.status = 'active' AND NEW.deleted_at IS NULL", "id"),
    "treasury.dao_members": (
        "UPDATE OF role, status OR DELETE", "OLD.role = 'admin' AND OLD.status = 'approved'", "dao_id"
    ),
}  # fmt: skip
# When the transaction ends, its signers are members, each once, and enough of them.
SIGNED = "treasury.dao_treasuries"
# What is published stays as it was.
PUBLISHED = {"treasury.financial_reports": "keep_published"}
WITHHOLDING = frozenset({SECRET, ENCRYPTED, WITHHELD})


def group_of(model: type[Base]) -> str:
    """The schema, which is the table group."""
    return str(model.table().schema)


def models_of(group: str) -> list[type[Base]]:
    return [model for model in models() if group_of(model) == group]


def foundation() -> list[str]:
    """The schema of the functions and every function; the tables they look into may come later."""
    statements = [
        "CREATE SCHEMA lango",
        "COMMENT ON SCHEMA lango IS 'The functions that policies, faces and triggers call.'",
        f"GRANT USAGE ON SCHEMA lango TO {', '.join((*READERS, *WRITERS))}",
        "SET LOCAL check_function_bodies = off",
    ]
    return [*statements, *(statement for function in FUNCTIONS for statement in function.statements())]


def group(name: str) -> list[str]:
    """A table group, whole: its tables with their policies, comments, indexes and triggers, then its faces."""
    listed = models_of(name)
    tables = [model for model in listed if model.__face__ is None]
    faces = [model for model in listed if model.__face__ is not None]
    statements = [
        f"CREATE SCHEMA {name}",
        f"COMMENT ON SCHEMA {name} IS {literal(_module_doc(name))}",
        f"GRANT USAGE ON SCHEMA {name} TO {', '.join((*READERS, *WRITERS))}",
    ]
    for model in tables:
        statements += [*_table(model), *_comments(model), *_access(model), *_triggers(model)]
    for model in tables:
        statements += _foreign_keys(model, lambda target: GROUPS.index(target) <= GROUPS.index(name))
    for model in faces:
        statements += _face(model)
    return statements


def forward_references() -> list[str]:
    """The foreign keys to groups that are built after their own."""
    return [
        statement
        for name in GROUPS
        for model in models_of(name)
        if model.__face__ is None
        for statement in _foreign_keys(model, lambda target, name=name: GROUPS.index(target) > GROUPS.index(name))
    ]


def everything() -> list[str]:
    """The whole database, in order, for an empty one."""
    groups = [statement for name in GROUPS for statement in group(name)]
    return [*foundation(), *groups, *forward_references(), *queue.everything()]


def readable(model: type[Base], *, staff: bool = False) -> list[Column[object]]:
    """The columns that a request role is granted."""
    return [
        column
        for column in model.table().columns
        if not column.info.get(SECRET) and (staff or not column.info.get(STAFF_ONLY))
    ]


def _sql(statement: CreateTable | AddConstraint | CreateIndex) -> str:
    return dedent(str(statement.compile(dialect=DIALECT)).replace("\t", "    ")).strip()


def _name(model: type[Base]) -> str:
    return f"{group_of(model)}.{model.__tablename__}"


def _module_doc(group: str) -> str:
    return (import_module(f"models.{group}").__doc__ or "").strip().partition("\n")[0]


def _doc(model: type[Base]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(model: type[Base]) -> Iterator[str]:
    table = model.table()
    yield _sql(CreateTable(table, include_foreign_key_constraints=[]))
    for column in table.columns:
        if column.info.get(UNCOMPRESSED):
            yield f"ALTER TABLE {_name(model)} ALTER COLUMN {column.name} SET STORAGE EXTERNAL"
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        yield _sql(CreateIndex(index))


def _comments(model: type[Base]) -> Iterator[str]:
    kind = "VIEW" if model.__face__ else "TABLE"
    yield f"COMMENT ON {kind} {_name(model)} IS {literal(_doc(model))}"
    for column in model.table().columns:
        yield f"COMMENT ON COLUMN {_name(model)}.{column.name} IS {literal(column.doc or '')}"


def _access(model: type[Base]) -> Iterator[str]:
    name = _name(model)
    yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    if model.__access__ is not None:
        # Granted to all three, also where a role has no policy: then it sees no rows, which is no error.
        for role in READERS:
            yield _grant(model, role)
        for role, condition in _conditions(model.__access__, soft_delete=SOFT_DELETE in model.table().columns):
            yield f"CREATE POLICY {role} ON {name} FOR SELECT TO {role} USING ({condition})"
    changes = "SELECT, INSERT" if model.__append_only__ else "SELECT, INSERT, UPDATE, DELETE"
    for role in WRITERS:
        yield f"CREATE POLICY {role} ON {name} TO {role} USING (true) WITH CHECK (true)"
    yield f"GRANT {changes} ON {name} TO {', '.join(WRITERS)}"


def _conditions(access: Access, *, soft_delete: bool) -> Iterator[tuple[str, str]]:
    alive = f"{SOFT_DELETE} IS NULL AND " if soft_delete else ""
    if access.without_token:
        yield "lango_anonymous", f"{alive}({access.sql(anonymous=True)})"
    yield "lango_member", f"{alive}({access.sql()})"
    yield "lango_staff", access.staff_sql or f"{alive}({access.sql()})"


def _grant(model: type[Base], role: str) -> str:
    columns = ", ".join(column.name for column in readable(model, staff=role == "lango_staff"))
    return f"GRANT SELECT ({columns}) ON {_name(model)} TO {role}"


def _triggers(model: type[Base]) -> Iterator[str]:
    name, columns = _name(model), model.table().columns
    if "updated_at" in columns:
        yield f"CREATE TRIGGER touch BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION lango.touch()"
    if model.__transitions__ is not None:
        arguments = ", ".join(literal(argument) for argument in model.__transitions__.arguments())
        yield (
            f"CREATE TRIGGER guard_transition BEFORE UPDATE OF {model.__transitions__.column} ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION lango.guard_transition({arguments})"
        )
    if model.__append_only__:
        yield (
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {name} "
            "FOR EACH ROW EXECUTE FUNCTION lango.refuse_change()"
        )
    if name in PUBLISHED:
        yield (
            f"CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION lango.{PUBLISHED[name]}()"
        )
    if model.__unaudited__ is None:
        arguments = ", ".join(literal(argument) for argument in audit_arguments(model))
        yield (
            f"CREATE TRIGGER audit AFTER INSERT OR {_audited_update(model)} OR DELETE ON {name} "
            f"FOR EACH ROW EXECUTE FUNCTION lango.audit({arguments})"
        )
    if name in BALANCE:
        yield (
            f"CREATE CONSTRAINT TRIGGER balance AFTER INSERT ON {name} DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW EXECUTE FUNCTION lango.{BALANCE[name]}()"
        )
    if name == SIGNED:
        yield (
            f"CREATE CONSTRAINT TRIGGER check_signers AFTER INSERT OR UPDATE OF signers, required_signatures ON {name} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lango.check_signers()"
        )
    if name in ADMINISTERED:
        changes, condition, key = ADMINISTERED[name]
        yield (
            f"CREATE CONSTRAINT TRIGGER require_admin AFTER {changes} ON {name} DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION lango.require_admin({literal(key)})"
        )


def _audited_update(model: type[Base]) -> str:
    """Which updates are audited: all, or those of other columns than what only counts."""
    columns = model.table().columns
    if not any(column.info.get(UNAUDITED) for column in columns):
        return "UPDATE"
    return f"UPDATE OF {', '.join(column.name for column in columns if not column.info.get(UNAUDITED))}"


def audit_arguments(model: type[Base]) -> list[str]:
    """What the audit trigger gets: kind, key, withheld and personal columns, and where the card account stands."""
    table = model.table()
    keys = list(table.primary_key.columns)
    one_uuid = len(keys) == 1 and isinstance(keys[0].type, Uuid)
    account = "id" if _name(model) == "cards.accounts" else "account_id"
    on_account = group_of(model) == "cards" and account in table.columns
    return [
        snake(model.__name__),
        keys[0].name if one_uuid else "{" + ",".join(key.name for key in keys) + "}",
        ",".join(column.name for column in table.columns if not WITHHOLDING.isdisjoint(column.info)),
        ",".join(column.name for column in table.columns if column.info.get(PERSONAL) and not column.info.get(SECRET)),
        account if on_account else "",
    ]


def _foreign_keys(model: type[Base], wanted: object) -> Iterator[str]:
    assert callable(wanted)
    for key in sorted(_keys(model.table()), key=lambda key: str(key.name)):
        if wanted(str(key.referred_table.schema)):
            yield _sql(AddConstraint(key))


def _keys(table: Table) -> list[ForeignKeyConstraint]:
    return [key for key in table.constraints if isinstance(key, ForeignKeyConstraint)]


def _face(model: type[Base]) -> Iterator[str]:
    face = model.__face__
    assert face is not None
    yield f"CREATE VIEW {_name(model)} WITH (security_barrier) AS\n{dedent(face.definition).strip()}"
    yield from _comments(model)
    columns = ", ".join(column.name for column in model.table().columns)
    yield f"GRANT SELECT ({columns}) ON {_name(model)} TO {', '.join(READERS)}"
