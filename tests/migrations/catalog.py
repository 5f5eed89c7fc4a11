"""What the catalogs of a database hold, in words that do not depend on object ids: to compare two databases."""

from __future__ import annotations

from typing import Any

import asyncpg

OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'alembic')"
ACL = "SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest({}) a"
# Each kind of thing, and the query that lists all of its kind: a line each.
QUERIES = {
    "schemas": f"""
        SELECT n.nspname, n.nspowner::regrole, ({ACL.format("n.nspacl")})
        FROM pg_namespace n WHERE {OURS} AND n.nspname !~ '^pg_'
    """,
    "relations": f"""
        SELECT c.oid::regclass, c.relkind, c.relpersistence, c.relowner::regrole, c.relrowsecurity,
               c.relforcerowsecurity, c.reloptions, ({ACL.format("c.relacl")}), pg_get_partkeydef(c.oid),
               pg_get_expr(c.relpartbound, c.oid), (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS}
    """,
    "columns": f"""
        SELECT c.oid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attgenerated, pg_get_expr(d.adbin, d.adrelid), ({ACL.format("a.attacl")}), a.attcollation,
               a.attstorage
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE {OURS} AND a.attnum > 0 AND NOT a.attisdropped
    """,
    "constraints": f"""
        SELECT c.conrelid::regclass, c.conname, c.contype, c.convalidated, pg_get_constraintdef(c.oid)
        FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE {OURS}
    """,
    "indexes": f"""
        SELECT pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisprimary FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS}
    """,
    "policies": """
        SELECT p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[],
               pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
        FROM pg_policy p
    """,
    "triggers": f"""
        SELECT pg_get_triggerdef(t.oid), t.tgenabled
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {OURS} AND NOT t.tgisinternal
    """,
    "functions": f"""
        SELECT p.oid::regprocedure, pg_get_functiondef(p.oid), p.proowner::regrole, ({ACL.format("p.proacl")})
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {OURS}
    """,
    "views": f"""
        SELECT c.oid::regclass, pg_get_viewdef(c.oid), c.reloptions
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND c.relkind = 'v'
    """,
    "comments": f"""
        SELECT i.type, i.identity, d.description
        FROM pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
        WHERE i.schema IN (SELECT n.nspname FROM pg_namespace n WHERE {OURS})
           OR i.type = 'schema' AND i.identity IN (SELECT n.nspname FROM pg_namespace n WHERE {OURS})
    """,
    "sequences": "SELECT schemaname, sequencename, data_type, start_value, increment_by, cycle FROM pg_sequences",
    "default grants": "SELECT defaclrole::regrole, defaclobjtype, defaclacl::text FROM pg_default_acl",
}


async def catalog(connection: asyncpg.Connection[Any], *kinds: str) -> dict[str, list[str]]:
    """Every kind of thing, or those kinds, each as sorted lines."""
    # Names stand whole, whatever the connection's search path is.
    await connection.execute("SET search_path = pg_catalog")
    return {
        kind: sorted(row["line"] for row in await connection.fetch(f"SELECT q::text AS line FROM ({QUERIES[kind]}) q"))
        for kind in kinds or QUERIES
    }
