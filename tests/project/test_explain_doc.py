"""docs/explain.md shows what `explain --offline` prints, word for word."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from fastdl.__main__ import main

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/explain.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"```sh\nfastdl explain --offline (\S+)\n```\n\n```text\n(.*?)```\n\n(.*?)\n(?:\n|\Z)", DOCUMENT, re.DOTALL
)


@pytest.fixture(autouse=True)
def nothing_of_anybody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings and nothing learned."""
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def test_there_are_ten_each_with_help_to_read_it() -> None:
    assert len({url for url, _, _ in EXAMPLES}) == len(EXAMPLES) == 10
    assert DOCUMENT.count("\n## ") == 10
    assert all(len(help_.splitlines()) == 2 for _, _, help_ in EXAMPLES)


@pytest.mark.parametrize(
    ("url", "text"), [(url, text) for url, text, _ in EXAMPLES], ids=[url for url, _, _ in EXAMPLES]
)
def test_it_is_printed_so(url: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--offline", url]) == 0
    assert capsys.readouterr().out == text


def test_every_word_of_the_table_is_shown() -> None:
    used = {line.split()[0] for _, text, _ in EXAMPLES for line in text.splitlines() if re.match(r"  \w+ +\w", line)}
    assert {"first", "later", "waits", "no"} <= used
