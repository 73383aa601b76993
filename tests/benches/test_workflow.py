"""The scheduled workflow runs all rows with the gate, may only read, and pins its actions; .ci/run has no gate."""

from __future__ import annotations

import re
from pathlib import Path

from benches import __main__ as command

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = (ROOT / ".github/workflows/bench.yml").read_text(encoding="utf-8")
OTHER = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
RUN = (ROOT / ".ci/run").read_text(encoding="utf-8")


def options(text: str) -> list[list[str]]:
    """What each call of the benches is given."""
    return [line.split() for line in re.findall(r"-m benches\b([^|<\n]*)", text)]


def test_it_is_scheduled_and_gated() -> None:
    assert re.search(r"schedule:\n\s+- cron:", WORKFLOW)
    assert "workflow_dispatch:" in WORKFLOW
    (words,) = options(WORKFLOW)
    given = command.parser().parse_args(words[1:])
    assert (words[0], given.gate, given.quick, given.rows) == ("run", True, False, None)
    assert 'exit "${PIPESTATUS[0]}"' in WORKFLOW


def test_ci_prints_the_quick_table_and_no_time_makes_it_fail() -> None:
    (words,) = options(RUN)
    given = command.parser().parse_args(words)
    assert (given.quick, given.gate) == (True, False)
    last = RUN.rstrip().splitlines()[-1]
    assert last.startswith("timeout 300 ")
    assert "|| echo" in last


def test_it_may_only_read_and_its_actions_are_pinned() -> None:
    assert "\npermissions: {}\n" in WORKFLOW
    assert re.findall(r"permissions:\n((?: {6}\S.*\n)+)", WORKFLOW) == ["      contents: read\n"]
    assert WORKFLOW.count("persist-credentials: false") == WORKFLOW.count("actions/checkout@") == 1
    assert "secrets." not in WORKFLOW
    uses = set(re.findall(r"uses: (.*)", WORKFLOW))
    assert uses
    assert uses <= set(re.findall(r"uses: (.*)", OTHER))  # one version of each in both
