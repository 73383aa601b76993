"""Links in the documents lead somewhere, to a heading too: by GitHub's rule for anchors, where they are read first."""

from __future__ import annotations

import importlib.util
import posixpath
import re
from types import ModuleType

import pytest

from pages.blocks import ROOT, documents, headings, inline_code, text_of, without_blocks


def hooks() -> ModuleType:
    """docs/theme/hooks.py, which no package holds."""
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs/theme/hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOKS = hooks()


def anchors(document: str) -> set[str]:
    """The anchors of a document's headings; a name that is there already gets a number."""
    found: list[str] = []
    for heading in headings(text_of(document)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = HOOKS.slug(re.sub(r"[`*]", "", plain))
        same = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in found)
        found.append(f"{name}-{same}" if same else name)
    return {*found, *re.findall(r'<a (?:id|name)="([^"]+)"', text_of(document))}


def targets(document: str) -> list[str]:
    """Where its links and pictures lead, code left out."""
    text = without_blocks(text_of(document))
    text = re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)[^)]*\)", text) + re.findall(r"(?m)^ {0,3}\[[^\]]+\]: +(\S+)", text)
    return found + re.findall(r'(?:src|href|srcset)="([^"]+)"', text)


@pytest.mark.parametrize("document", documents())
def test_links_lead_to_a_file_and_a_heading(document: str) -> None:
    broken = []
    for target in targets(document):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        full = posixpath.normpath(posixpath.join(posixpath.dirname(document), path)) if path else document
        leads = (ROOT / full).exists() and not full.startswith("..")
        if not leads or (anchor and full.endswith(".md") and anchor not in anchors(full)):
            broken.append(target)
    assert broken == []


def test_there_are_links_to_check() -> None:
    assert len([target for document in documents() for target in targets(document)]) > 50
    assert len([target for document in documents() for target in targets(document) if "#" in target]) > 8


@pytest.mark.parametrize("document", documents())
def test_links_outside_are_secure(document: str) -> None:
    assert [target for target in targets(document) if target.startswith("http:")] == []


TOPS = ("docs", "tests", "src", "benches", "packaging", ".github", ".ci")


# docs/comparison.md names files of other projects.
@pytest.mark.parametrize("document", [name for name in documents() if name != "docs/comparison.md"])
def test_a_document_that_is_named_is_there(document: str) -> None:
    """Names of files of the project in code, such as `docs/cli.md` or `tests/core`."""
    tops = [
        name for name in ("docs", "tests", "src", "benches", "packaging", ".github", ".ci") if (ROOT / name).exists()
    ]
    named = {code for code in inline_code(document) if code.split("/")[0] in tops and re.fullmatch(r"[\w./-]+", code)}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


# --- GitHub's anchors, and links on the site -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Exit codes", "exit-codes"),
        ("What `mirrors` says".replace("`", ""), "what-mirrors-says"),
        ("--profile FILE", "--profile-file"),
        ("A company's Artifactory, or Nexus", "a-companys-artifactory-or-nexus"),
        ("curl & aria2", "curl--aria2"),
        ("0.1.0 - not released", "010---not-released"),
        ("FASTDL_CONFIG", "fastdl_config"),
    ],
)
def test_anchors_are_githubs(heading: str, anchor: str) -> None:
    assert HOOKS.slug(heading) == anchor


@pytest.mark.parametrize(
    ("folder", "text", "expected"),
    [
        ("docs", "see [a](cli.md#json)", "see [a](cli.md#json)"),
        ("docs", "see [a](#below)", "see [a](#below)"),
        ("docs", "see [a](https://example.org/x)", "see [a](https://example.org/x)"),
        ("docs", "see [a](../README.md#more)", "see [a](HERE/blob/main/README.md#more)"),
        ("docs", "see [a](../CONTRIBUTING.md)", "see [a](contributing.md)"),
        ("docs", "see [a](../src/fastdl)", "see [a](HERE/tree/main/src/fastdl)"),
        ("docs", "![a](img/a.svg)", "![a](img/a.svg)"),
        ("", "see [a](docs/cli.md#json)", "see [a](cli.md#json)"),
        ("", "see [a](LICENSE) and [b](SECURITY.md)", "see [a](HERE/blob/main/LICENSE) and [b](reporting.md)"),
        ("", "`[a](LICENSE)` [a](LICENSE)", "`[a](LICENSE)` [a](HERE/blob/main/LICENSE)"),
        ("", "```\n[a](LICENSE)\n```\n[a](LICENSE)", "```\n[a](LICENSE)\n```\n[a](HERE/blob/main/LICENSE)"),
        ("", "a ` alone, [a](LICENSE)", "a ` alone, [a](HERE/blob/main/LICENSE)"),
    ],
)
def test_links_of_the_site(folder: str, text: str, expected: str) -> None:
    assert HOOKS.relinked(text, folder, "HERE/") == expected
