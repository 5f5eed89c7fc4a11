"""The floor sends what the planner sends: nothing in a statement may look like a variable of pgbench's."""

from __future__ import annotations

from benchmarks import floor
from lango.actor import NOBODY


def test_parameters_become_pgbenchs_variables_and_null_stays_null():
    parameters = [floor.in_script(f"v{n}", value) for n, value in enumerate(["a", None, "", *"defghij"])]

    assert floor.bound("SELECT $1::uuid, $2, $3, $10", parameters) == "SELECT :v0::uuid, NULL, '', :v9"


def test_a_colon_in_a_literal_is_no_variable():
    sent = floor.bound("SELECT to_char(now(), 'HH24:MI'), E'a', 'it''s', '{\"a\": 1}';", [])

    assert sent == "SELECT to_char(now(), E'HH24\\x3aMI'), E'a', 'it''s', '{\"a\": 1}'"


def test_role_and_context_travel_with_the_statements():
    made = floor.script([("SELECT $1::int", ["1"])], NOBODY, floor.RoundTrips.ONE, 3)

    lines = made.text.splitlines()
    assert lines[0] == r"\startpipeline"
    assert "set_config('role', 'lango_anonymous', true)" in lines[2]
    assert lines[3:] == ["SELECT :v3_0_0::int;", "COMMIT;", r"\endpipeline"]
    assert made.variables == {"v3_0_0": "1"}
