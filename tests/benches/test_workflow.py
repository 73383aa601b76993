"""The scheduled workflow runs all rows with the gate; .ci/run has no gate."""

from __future__ import annotations

import re

from benches import __main__ as command
from pages.blocks import ROOT, needs_clone

pytestmark = needs_clone


def options(text: str) -> list[list[str]]:
    """What each call of the benches is given."""
    return [line.split() for line in re.findall(r"-m benches\b([^|<\n]*)", text)]


def test_it_is_scheduled_and_gated() -> None:
    workflow = (ROOT / ".github/workflows/bench.yml").read_text(encoding="utf-8")
    assert re.search(r"schedule:\n\s+- cron:", workflow)
    assert "workflow_dispatch:" in workflow
    (words,) = options(workflow)
    given = command.parser().parse_args(words[1:])
    assert (words[0], given.gate, given.quick, given.rows) == ("run", True, False, None)
    assert 'exit "${PIPESTATUS[0]}"' in workflow


def test_ci_prints_the_quick_table_and_no_time_makes_it_fail() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    (words,) = options(script)
    given = command.parser().parse_args(words)
    assert (given.quick, given.gate) == (True, False)
    (line,) = (each.strip() for each in script.splitlines() if "-m benches" in each)
    assert line.startswith("timeout $((left < 300 ? left : 300)) ")
    assert "|| echo" in line
