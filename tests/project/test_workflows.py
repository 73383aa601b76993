"""Every workflow may do only what it must, and names its actions by commit, each in one version everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pages.blocks import ROOT, needs_clone

FOLDER = ROOT / ".github/workflows"
OF_RELEASES = {"release.yml", "smoke.yml"}  # what they may do: tests/packaging/test_workflows.py
PATHS = sorted(path for path in FOLDER.glob("*.yml") if path.name not in OF_RELEASES)
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in PATHS}
READ = ["contents:", "read"]
GRANTED = {"bench.yml": [READ], "ci.yml": [READ] * 4, "docs.yml": [READ, ["pages:", "write", "id-token:", "write"]]}
every = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)


def actions(text: str) -> list[str]:
    return re.findall(r"uses: (.*)", text)


@needs_clone
def test_these_are_all() -> None:
    assert {path.name for path in FOLDER.glob("*.yml")} == set(GRANTED) | OF_RELEASES


@every
def test_it_may_do_only_what_it_must(path: Path) -> None:
    text = TEXTS[path.name]
    assert "\npermissions: {}\n" in text
    blocks = re.findall(r"permissions:\n((?: {6}\S.*\n)+)", text)
    granted = [re.sub(" #.*", "", block).split() for block in blocks]
    assert granted == GRANTED[path.name]
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")
    assert "secrets." not in text


@every
def test_its_actions_are_pinned_by_commit(path: Path) -> None:
    uses = actions(TEXTS[path.name])
    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@needs_clone
def test_an_action_has_one_version_everywhere() -> None:
    used = {line for text in TEXTS.values() for line in actions(text)}
    assert len({line.partition("@")[0] for line in used}) == len(used)


# --- the site --------------------------------------------------------------------------------------------------


@needs_clone
def test_the_site_is_built_as_the_tests_build_it() -> None:
    assert "run: .venv/bin/mkdocs build --strict\n" in TEXTS["docs.yml"]
    assert ".[docs]" in TEXTS["docs.yml"]


@needs_clone
def test_only_main_is_published() -> None:
    before, publish = TEXTS["docs.yml"].split("\n  publish:\n", 1)
    assert "if: github.event_name == 'push' && github.ref == 'refs/heads/main'\n" in publish
    assert "actions/checkout" not in publish
    assert "deploy-pages" not in before
