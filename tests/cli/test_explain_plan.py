"""`explain`: the plan in words, step by step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from explained import FILE, HELM, NAME, RULES, SHA, Say, whole
from fastdl.__main__ import main

pytestmark = pytest.mark.usefixtures("config")


# --- the plan in words -----------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_download() -> None:
    from fastdl.engine import evidence, sourcing
    from fastdl.engine.explaining import steps
    from fastdl.io import lookup

    assert steps.LEAST_BYTES == sourcing.WORTH_BYTES
    assert steps.LEAST_SECONDS == sourcing.WORTH_SECONDS
    assert steps.AT_A_TIME == sourcing.TRIALS
    assert steps.MOST == sourcing.MOST_JOINED
    assert steps.SILENCE == evidence.SILENCE
    assert steps.LOOKUP_SECONDS == lookup.SECONDS


@pytest.mark.parametrize(
    ("args", "part"),
    [
        ([], "Once the publisher's digest is known: while more than 2.0 MiB are left"),
        (["--no-cdn"], "No other source helps: mapping is switched off."),
        (["-x", "1"], "No other source helps: -x 1 allows one connection."),
        (["-o", "-"], "No other source helps: what goes to stdout comes from the given sources."),
        (["-H", "X-Team: build"], "At the end the size is checked; there is no digest to check."),
        (["-m", "https://m.example.com/f"], "get.helm.sh, m.example.com begin at once."),
        (["--cdn", "prefer"], "get.helm.sh begins at once."),
    ],
    ids=" ".join,
)
def test_the_steps(args: list[str], part: str, offline: Say) -> None:
    assert any(part in step for step in offline(*args, HELM)["plan"]["steps"])


def test_who_is_preferred_begins(offline: Say, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--cdn", "prefer", "--checksum", f"sha256:{SHA}", HELM]
    plan = offline(*args)["plan"]
    assert plan["first"] != ["get.helm.sh"]
    assert plan["steps"][0].startswith(f"{plan['first'][0]} begins; get.helm.sh is asked where it fails")
    assert main(["explain", "--offline", *args]) == 0
    out = capsys.readouterr().out
    assert re.search(rf"\n  first  official .*{re.escape(plan['first'][0])}", out)
    assert re.search(r"\n  later  origin ", out)


def test_a_small_file_needs_no_help(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": whole()})
    steps = say(*options, "--checksum", f"sha256:{SHA}", NAME)["plan"]["steps"]
    assert any(step.endswith("may step in: the file is too short to be shared.") for step in steps)


def test_a_server_without_ranges_is_not_helped(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": ("200 OK", FILE)})
    plan = say(*options, "--checksum", f"sha256:{SHA}", NAME)["plan"]
    assert (plan["ranges"], plan["connections"]) == (False, 1)
    assert any(step.endswith("may step in: it serves no ranges.") for step in plan["steps"])


def test_what_a_server_sends_cannot_move_the_cursor(origin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    head = whole('\r\nContent-Disposition: attachment; filename="a\x9b31mb.bin"\r\nLast-Modified: x\x9b2J')
    _, options = origin({"/releases/1.2/tool.tgz": head})
    main(["explain", *options, NAME])
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
