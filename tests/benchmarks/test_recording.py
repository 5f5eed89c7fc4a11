"""pgbench is given what PostgreSQL's log says that lango sent, with other values for each call."""

from __future__ import annotations

from benchmarks import floor
from benchmarks.recording import Sent, expressions, round_trips, statements

LOG = """\
2026-11-30 21:00:00.001 UTC [11] lango_gateway@bench LOG:  statement: BEGIN; SELECT set_config('lango.x', 'a;b', true)
2026-11-30 21:00:00.002 UTC [12] lango_gateway@other LOG:  statement: SELECT 'of another database'
2026-11-30 21:00:00.002 UTC [13] postgres@bench LOG:  statement: SELECT 'of another login'
2026-11-30 21:00:00.003 UTC [11] lango_gateway@bench LOG:  execute __asyncpg_stmt_1__: SELECT id
\tFROM pots.pots WHERE id = $1::UUID AND title = $2
2026-11-30 21:00:00.003 UTC [11] lango_gateway@bench DETAIL:  Parameters: $1 = NULL, $2 = 'it''s $2 = ''x'''
2026-11-30 21:00:00.004 UTC [11] lango_gateway@bench LOG:  execute <unnamed>: COMMIT
"""
ONE, OTHER = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def test_the_log_is_read_as_statements_and_their_values():
    assert statements(LOG, "bench") == [
        Sent("BEGIN"),
        Sent("SELECT set_config('lango.x', 'a;b', true)"),
        Sent("SELECT id\nFROM pots.pots WHERE id = $1::UUID AND title = $2", [None, "it's $2 = 'x'"]),
        Sent("COMMIT"),
    ]


def recorded(made: str, code: str) -> list[Sent]:
    types = ["pg_catalog.text", "pg_catalog.uuid", "pg_catalog.text[]", "pg_catalog.text"]
    return [Sent("INSERT INTO t VALUES ($1, $2, $3, $4)", [code, made, f"{{it's {code}}}", "same"], types)]


def test_values_of_the_call_and_ids_that_were_made_for_it_are_pgbenchs_own():
    made = expressions(recorded(ONE, "10"), recorded(OTHER, "11"), {"10": ":code::text"}, ":code::text")

    assert made == [
        [
            "(:code::text)::pg_catalog.text",
            "(md5(:code::text || '1')::uuid)::pg_catalog.uuid",
            "('{it''s ' || :code::text || '}')::pg_catalog.text[]",
            None,
        ]
    ]


def test_an_id_that_is_the_same_for_each_call_stays():
    made = expressions(recorded(ONE, "10"), recorded(ONE, "11"), {"10": ":code::text"}, ":code::text")

    assert made[0][1] is None


def test_a_recorded_script_has_the_statements_in_pipelines():
    script = floor.recorded(recorded(ONE, "10"), recorded(OTHER, "11"), {"10": ":code::text"})

    assert script.variables == {"r0_3": "same"}
    assert [line for line in script.text.splitlines() if "pipeline" in line] == [r"\startpipeline", r"\endpipeline"]
    assert ", :r0_3);" in script.text


def test_what_was_read_is_waited_for_before_anything_is_written():
    first = ["BEGIN", "SELECT set_config('role', 'x', true)", "INSERT INTO keys VALUES (1)", "SELECT id FROM codes"]
    then = [
        "WITH changed AS  (UPDATE codes SET a = 1) SELECT 1",
        "INSERT INTO logs VALUES (1)",
        "UPDATE keys SET a = 1",
    ]
    payload = ["/* lango_member */ SELECT id\nFROM codes", "COMMIT"]
    after = ["SELECT set_config('role', 'x', true)", "SELECT id FROM codes"]

    sent = [Sent(each) for each in (*first, *then, *payload, *after)]

    assert round_trips(sent) == [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9, 10]]
