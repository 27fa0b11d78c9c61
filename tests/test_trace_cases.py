"""Bundles reduce to what the format's own reducer makes of them, byte for byte, or are refused in its words."""

from __future__ import annotations

from pathlib import Path

import pytest

import trace_cases
from rollouts.trace import reducer, render
from rollouts.trace.errors import TraceError
from trace_cases import Outcome


def reduced(bundle: Path) -> Outcome:
    try:
        return Outcome(render.text(reducer.reduce(str(bundle))).encode(), "")
    except TraceError as error:
        return Outcome(None, error.report().replace(str(bundle), "<BUNDLE>"))


def assert_tolerant_agrees(bundle: Path, strict: Outcome) -> None:
    """Both ways give the same graph where nothing is wrong, and tolerance says what is wrong where something is."""
    if strict.state is None:
        assert reducer.reduce_tolerantly(str(bundle))[1]
        return
    graph, left_out = reducer.reduce_tolerantly(str(bundle))
    assert (render.text(graph).encode(), left_out) == (strict.state, [])


@pytest.mark.parametrize("name", trace_cases.names())
def test_case_reduces_as_the_original_does(name: str, tmp_path: Path) -> None:
    bundle = trace_cases.bundle(name, tmp_path)
    outcome = reduced(bundle)
    assert outcome == trace_cases.expected(name)
    if "manifest-missing" not in name and name != "s2-manifest-version":
        assert_tolerant_agrees(bundle, outcome)


@pytest.mark.skipif(not trace_cases.names_beside(), reason="the recorded cases are not beside this project")
@pytest.mark.parametrize("name", trace_cases.names_beside() or [""])
def test_recorded_case_reduces_as_the_original_does(name: str) -> None:
    bundle = trace_cases.BESIDE / name / "bundle"
    outcome = reduced(bundle)
    assert outcome == trace_cases.expected_beside(name)
    if "manifest-missing" not in name and name != "s2-manifest-version":
        assert_tolerant_agrees(bundle, outcome)


def test_the_cases_of_this_project_are_of_both_schemas_and_both_outcomes() -> None:
    outcomes = {name: trace_cases.expected(name) for name in trace_cases.names()}
    for schema in ("s1-", "s2-"):
        of_schema = [outcome for name, outcome in outcomes.items() if name.startswith(schema)]
        assert sum(outcome.state is None for outcome in of_schema) > 40
        assert sum(outcome.state is not None for outcome in of_schema) > 40
