"""docs/recording.svg: well-formed, self-contained, made by the tool; and what the tool makes of a terminal."""

from __future__ import annotations

import importlib.util
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

from servers.real import package

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURE = (DOCS / "recording.svg").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def record() -> ModuleType:
    package("pyte")
    spec = importlib.util.spec_from_file_location("record", DOCS / "record.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["record"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def check(picture: str) -> ElementTree.Element:
    """What is true of every recording; its tree."""
    root = ElementTree.fromstring(picture)
    assert root.tag == SVG + "svg"
    assert root.get("role") == "img"
    assert {child.get("id") for child in root if child.tag in (SVG + "title", SVG + "desc")} == {"title", "desc"}
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "g", "text"}, "no script, image, link or foreign content"
    assert not re.search(r"url\(|@import|href|\son\w+=", picture)
    style = root.findtext(SVG + "style") or ""
    assert "prefers-reduced-motion: reduce" in style
    assert "prefers-color-scheme: dark" in style
    for group in root.iter(SVG + "g"):
        kind, name, *last = (group.get("class") or "").split()
        assert (kind, last) in (("shown", []), ("shown", ["last"]))
        assert f"@keyframes {name}{{" in style
    return root


def words(root: ElementTree.Element) -> str:
    return "\n".join(text.text or "" for text in root.iter(SVG + "text"))


def test_the_recording_of_the_readme(record: ModuleType) -> None:
    assert len(PICTURE.encode()) < 150_000
    assert f"<!-- {record.MADE}demo -->" in PICTURE
    root = check(PICTURE)
    width, height = record.WIDTH * record.CELL, record.HEIGHT * record.ROW
    assert root.get("viewBox") == f"0 0 {width + 2 * record.MARGIN:g} {height + 2 * record.MARGIN:g}"
    told = words(root)
    assert "origin" in told and "mirror" in told and "liar" in told
    assert re.search(r"^demo\.bin$", told, re.MULTILINE), "the bar was recorded"
    assert re.search(r"sha256 [0-9a-f]{64} matches", root.findtext(SVG + "desc") or "")
    assert len([element for element in root.iter(SVG + "rect") if element.get("class") == "bar"]) > 5


def test_a_recording_is_what_was_on_the_screen(record: ModuleType) -> None:
    parts = [
        (0.0, b"one & <two>\r\n"),
        (0.3, "|\x1b[32m\u2588\u2588\u258c\x1b[0m   | 50%\r".encode()),
        (0.9, b"\x1b[Kdone  here\r\n"),
    ]
    frames = record.play(parts, "try", 30, 5)
    root = check(record.svg(frames, "try"))
    assert words(root).count("one & <two>") == 1, "what does not change is told once"
    assert [element.get("width") for element in root.iter(SVG + "rect")][1:] == [f"{2.5 * record.CELL:.1f}"]
    last = [group for group in root.iter(SVG + "g") if "last" in (group.get("class") or "").split()]
    texts = [text.text for group in last for text in group]
    assert texts == ["$ try", "one & <two>", "done", "here", "$"]
    assert root.findtext(SVG + "desc", "").endswith("$ try\none & <two>\ndone  here\n$")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals for Python")
def test_a_program_at_a_terminal(record: ModuleType) -> None:
    code = "import os, sys; print(sys.stderr.isatty(), *os.get_terminal_size(2), os.environ['TERM'])"
    said = b"".join(data for _, data in record.run([sys.executable, "-c", code], 42, 7))
    assert said == b"True 42 7 xterm-256color\r\n"
    with pytest.raises(SystemExit, match="failed"):
        list(record.run([sys.executable, "-c", "raise SystemExit(3)"], 42, 7))
