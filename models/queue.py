"""The queue of jobs: pgqueuer's own tables, as its installer makes them, and who may do what with them.

Nobody reads it through the API, and no rule reads it either: a rule puts jobs in, the worker does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from lango.jobs.queue import NAMES
from lango.libraries.pgqueuer import render_install
from models.functions import literal

SCHEMA = str(NAMES.db_schema)
ENQUEUED = ("priority", "status", "entrypoint", "payload", "dedupe_key", "execute_after")
DOCS = {
    NAMES.queue_table: {
        "": "A job that waits, runs, or has failed for good.",
        "id": "Its number.",
        "priority": "The higher, the sooner.",
        "queue_manager_id": "The worker that runs it; null while it waits.",
        "created": "When it was enqueued.",
        "updated": "When its status last changed.",
        "heartbeat": "When its worker last said that it is alive; another takes it over when that is too long ago.",
        "execute_after": "Not before.",
        "status": "Whether it waits (queued), runs (picked) or was given up (failed).",
        "entrypoint": "The name of the job: donations.open_checkout.",
        "dedupe_key": "No two that wait or run have the same; null for any number of them.",
        "payload": "Its arguments, as JSON.",
        "headers": "What tracing adds.",
        "attempts": "How often it has been put back.",
        "slot": "Its seat among those that may run at once; null where any number may.",
    },
    NAMES.queue_table_log: {
        "": "What became of each job.",
        "id": "Its number.",
        "created": "When it happened.",
        "job_id": "The job, which may be gone.",
        "status": "What became of it then.",
        "priority": "The job's.",
        "entrypoint": "The job's name.",
        "traceback": "Why it failed; null where it did not.",
        "aggregated": "Whether the statistics have counted it.",
    },
    NAMES.schedules_table: {
        "": "A job that is due by itself.",
        "id": "Its number.",
        "expression": "When it is due, in UTC, as cron writes it.",
        "entrypoint": "The job's name.",
        "heartbeat": "When the worker that enqueues it last said that it is alive.",
        "created": "When a worker first knew of it.",
        "updated": "When its row last changed.",
        "next_run": "When it is due next.",
        "last_run": "When it was last enqueued; null before the first time.",
        "status": "Whether a worker is enqueuing it now (picked).",
    },
    NAMES.statistics_table: {
        "": "How many jobs ended in which way, by the second.",
        "id": "Its number.",
        "created": "The second.",
        "count": "How many.",
        "priority": "The jobs' priority.",
        "status": "How they ended.",
        "entrypoint": "The jobs' name.",
    },
}


def everything() -> list[str]:
    """The queue, whole."""
    return [render_install(NAMES), *_comments(), *_access()]


def _comments() -> Iterator[str]:
    yield f"COMMENT ON SCHEMA {SCHEMA} IS {literal('The queue of jobs, as pgqueuer keeps it.')}"
    yield f"COMMENT ON FUNCTION {NAMES.qualified.function}() IS {literal('Wakes the workers.')}"
    for table, docs in DOCS.items():
        for column, doc in docs.items():
            what = f"COLUMN {SCHEMA}.{table}.{column}" if column else f"TABLE {SCHEMA}.{table}"
            yield f"COMMENT ON {what} IS {literal(doc)}"


def _access() -> Iterator[str]:
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO lango_rules, lango_worker"
    yield f"REVOKE ALL ON FUNCTION {NAMES.qualified.function}() FROM PUBLIC"
    for table in DOCS:
        name = NAMES.qualify(table)
        yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
        yield f"CREATE POLICY lango_worker ON {name} TO lango_worker USING (true) WITH CHECK (true)"
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO lango_worker"
    queue = NAMES.qualified.queue_table
    yield f"CREATE POLICY lango_rules ON {queue} FOR INSERT TO lango_rules WITH CHECK (true)"
    yield f"GRANT INSERT ({', '.join(ENQUEUED)}) ON {queue} TO lango_rules"
    yield f"GRANT USAGE ON SEQUENCE {queue}_id_seq TO lango_rules"
    for table in (NAMES.queue_table, NAMES.schedules_table, NAMES.statistics_table):
        yield f"GRANT USAGE ON SEQUENCE {NAMES.qualify(table)}_id_seq TO lango_worker"
