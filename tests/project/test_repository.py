"""What every file keeps to: one version, one name, nothing of anyone's machine, links that lead somewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastdl
from pages.blocks import ROOT, needs_clone

TOP = {
    *("pyproject.toml", "mkdocs.yml", "src", "tests", "benches", "packaging", "docs", ".github", ".ci"),
    *("README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *(".gitignore", ".gitattributes", ".editorconfig", ".pre-commit-config.yaml"),
}
CONFIG = (
    "pyproject.toml",
    ".ci",
    ".github",
    ".gitignore",
    ".gitattributes",
    ".editorconfig",
    ".pre-commit-config.yaml",
)


def files(*tops: str) -> Iterator[Path]:
    """The repository's own files; what tools leave behind (caches, environments, compiled code) is not among them."""
    for top in sorted(tops or TOP):
        path = ROOT / top
        if path.is_file():
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name != "__pycache__" and not name.endswith("_cache")]
            yield from (Path(folder, name) for name in sorted(names))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def findings(pattern: str, *tops: str) -> list[str]:
    found = []
    for path in files(*tops):
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path.relative_to(ROOT).as_posix()}:{number}: {line.strip()}")
    return found


@needs_clone
def test_the_walk_sees_the_repository() -> None:
    seen = {path.relative_to(ROOT).as_posix() for path in files()}
    assert {"pyproject.toml", ".ci/run", ".github/workflows/ci.yml", "src/fastdl/errors.py"} <= seen


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_nothing_else_stands_at_the_top() -> None:
    ignored = {line.strip("/") for line in text_of(ROOT / ".gitignore").splitlines()}
    extra = {path.name for path in ROOT.iterdir()} - TOP - ignored - {".git"}
    assert not extra


def test_the_version_stands_in_one_place() -> None:
    version = re.escape(fastdl.__version__)
    stated = findings(
        rf"(?i)version\S*\s*[=:]\s*[\"']?{version}\b", "pyproject.toml", "src", "packaging", "docs", ".github"
    )
    assert [line.split(":")[0] for line in stated] == ["src/fastdl/__init__.py"]


def test_the_changelog_begins_with_this_version() -> None:
    heads = re.findall(r"(?m)^## (\S+)", text_of(ROOT / "CHANGELOG.md"))
    assert heads[0] == fastdl.__version__


def test_the_name_of_the_distribution_stands_in_one_place() -> None:
    (name,) = re.findall(r'(?m)^name = "([^"]+)" *#', text_of(ROOT / "pyproject.toml"))
    assert name != "fastdl"
    assert [line.split(":")[0] for line in findings(rf"(?i)\b{re.escape(name)}\b")] == ["pyproject.toml"]


def test_no_config_file_says_where_packages_come_from() -> None:
    # Whoever builds this has an index set up; a second one named here would override theirs.
    assert findings(r"https?://(?!127\.0\.0\.1:)|(?i:index[-_]url|find[-_]links|trusted[-_]host)", *CONFIG) == []


def test_no_path_of_anyones_machine() -> None:
    pattern = r"(?<![\w.])/(?:wo{0}rk|fa{0}rm|ro{0}ot|ho{0}me/\w+|Us{0}ers/\w+|tmp/ba{0}sh)/".replace("{0}", "")
    assert re.search(pattern, "see " + "/".join(["", "root", "x"]))
    allowed = re.compile(r"/home/(user|alice|bob|me|u)/|/Users/(user|alice|bob|me|u)/")
    assert [line for line in findings(pattern) if not allowed.search(line)] == []


@pytest.mark.parametrize("path", [path for path in files() if path.suffix == ".md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", text_of(path))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_every_text_ends_with_one_line_end_and_has_no_stray_blanks() -> None:
    bad = []
    for path in files():
        data = path.read_bytes()
        if b"\0" in data or path.stat().st_size == 0 or path.suffix in {".ps1", ".bin", ".pem"}:
            continue
        data = data.replace(b"\r\n", b"\n")
        if not data.endswith(b"\n") or data.endswith(b"\n\n") or re.search(rb"[ \t]\n", data):
            bad.append(path.relative_to(ROOT).as_posix())
    assert bad == []
