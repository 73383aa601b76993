"""What the written pages say and draw is what the code has: codes, reasons, numbers, classes. And all can read it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastdl import errors
from fastdl.core.rules import CLASSES
from fastdl.engine import sourcing
from fastdl.io import dial, disk, trust_store
from fastdl.options import BY_KEY

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DRAWINGS = sorted((DOCS / "img").glob("*.svg"))
SVG = "{http://www.w3.org/2000/svg}"
TROUBLE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
SECURITY = (DOCS / "security.md").read_text(encoding="utf-8")
HOW = (DOCS / "how-it-works.md").read_text(encoding="utf-8")
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "fastdl"


def section(text: str, heading: str) -> str:
    """What stands between a heading and the next one of any level."""
    return re.split(r"\n#{2,} ", text.split(f"{heading}\n", 1)[1])[0]


def first_cells(text: str) -> list[str]:
    """The first cells of the tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.split("|")[1].strip() for line in lines]


def leaves(kind: type[errors.FastdlError]) -> Iterator[type[errors.FastdlError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from leaves(child)


# --- words ---------------------------------------------------------------------------------------------------


def test_troubleshooting_has_every_exit_code() -> None:
    cells = first_cells(section(TROUBLE, "## By exit code"))
    written = [int(code) for cell in cells for code in cell.split(", ") if code.isdigit()]
    assert written == sorted({0} | {kind.code for kind in leaves(errors.FastdlError)})


def test_the_reasons_of_the_disk_are_those_that_are_printed() -> None:
    reasons = {why for _, why in [*disk._WHY.values(), *disk._WHY_WINDOWS.values()]}
    known = " / ".join(sorted(reasons))
    for cell in first_cells(section(TROUBLE, "### The file cannot be written")):
        for part in re.split(r", or |, ", cell):
            words = part.removeprefix("or ")
            wanted = {"reason in the line", "not permitted", "has locked it", "it has a second name elsewhere"}
            assert words in wanted or any(word in known for word in (words, words.removeprefix("the "))), words


def test_the_reasons_of_certificates_are_those_that_are_printed() -> None:
    known = " / ".join(trust_store._VERIFY.values())
    for words in ("authority is not trusted on this machine", "has expired", "not valid yet", "for another"):
        assert words in known
        assert words in section(TROUBLE, "### The certificate is not trusted")
    assert "connection refused" in section(TROUBLE, "### No connection")
    assert "connection refused" in dial._REASONS.values()


def test_the_trust_classes_are_the_codes() -> None:
    assert first_cells(section(SECURITY, "## The trust classes")) == ["class", "origin", *CLASSES]


def test_the_numbers_of_how_it_works() -> None:
    assert f"{BY_KEY['per_host'].default} to a host and 16 in all" in HOW
    assert "16 at most" in BY_KEY["connections"].default
    assert sourcing.WORTH_SECONDS == 1.0
    assert "at least another second" in HOW


def test_what_stands_for_other_programs_commands_is_taken() -> None:
    from fastdl.cli.commands import options_of
    from fastdl.cli.parse import command_of, parse

    table = (DOCS / "guide.md").read_text(encoding="utf-8").split("| you write | with fastdl |\n")[1]
    told = [command for line in table.splitlines() for command in re.findall(r"`([^`]+)`", line.split("|")[2:3][0])]
    whole = [words.replace("URL", "https://example.org/f").split() for words in told if words.startswith("fastdl ")]
    assert len(whole) >= 10
    for words in whole:
        command, rest = command_of(words[1:])
        parse(rest, options_of(command))
    others = [words.split()[0] for words in told if words.startswith("-")]
    assert others
    assert all(word.lstrip("-") in BY_KEY or word in ("-r",) for word in others)


# --- drawings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_a_drawing_is_told_in_words_and_refers_to_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    top = ET.fromstring(text)
    ids = {element.get("id"): element for element in top.iter() if element.get("id")}
    named = [ids[name] for name in top.attrib["aria-labelledby"].split()]
    assert [element.tag for element in named] == [f"{SVG}title", f"{SVG}desc"]
    assert all(len((element.text or "").split()) > 3 for element in named)
    assert top.get("role") == "img"
    assert "script" not in text
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)|href=|@import|url\((?!#)", text) == []
    assert f"img/{path.name}" in HOW


PAPERS = ("page", "box", "key", "end", "bad", "gate")


def fills(style: str) -> dict[str, str]:
    """Class or element -> the colour that it is filled with."""
    rules = re.findall(r"\.?([\w-]+) \{([^{}]*)\}", style)
    found = ((name, re.search(r"fill: (#[0-9a-f]{6})", body)) for name, body in rules)
    return {name: match[1] for name, match in found if match}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_a_drawing_can_be_read_by_light_and_in_the_dark(path: Path) -> None:
    light, dark = path.read_text(encoding="utf-8").split("@media (prefers-color-scheme: dark)")
    schemes = fills(light), fills(dark)
    assert set(schemes[0]) == set(schemes[1])
    for colours in schemes:
        papers = [colour for name, colour in colours.items() if name in PAPERS]
        assert len(papers) > 3
        for ink in (colours["text"], colours["small"]):
            assert min(contrast(ink, paper) for paper in papers) >= 4.5


@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_text_stays_in_its_box(path: Path) -> None:
    """By a generous width of a letter, as no font is the same everywhere."""
    top = ET.fromstring(path.read_text(encoding="utf-8"))
    boxes = [
        {key: float(each.attrib[key]) for key in ("x", "y", "width", "height")}
        for each in top.iter(f"{SVG}rect")
        if each.get("x")
    ]
    held = 0
    for text in top.iter(f"{SVG}text"):
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        wide = len(text.text or "") * (7.3 if text.get("class") == "small" else 8.9)
        left = x - wide / 2 if text.get("text-anchor") == "middle" else x
        for box in boxes:
            if box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]:
                held += 1
                assert left >= box["x"], text.text
                assert left + wide <= box["x"] + box["width"], text.text
    assert held > 10


def test_the_drawing_of_trust_has_every_class_and_gate() -> None:
    top = ET.fromstring((DOCS / "img/trust-classes.svg").read_text(encoding="utf-8"))
    texts = [text.text for text in top.iter(f"{SVG}text")]
    assert [text for text in texts if text in ("origin", *CLASSES)] == ["origin", *CLASSES]
    assert (
        texts.index("always") < texts.index("if size and validator agree") < texts.index("if a strong digest is known:")
    )


def test_the_architecture_names_what_is_there() -> None:
    parts = {path.relative_to(SOURCE).with_suffix("").as_posix() for path in SOURCE.rglob("*.py")}
    parts |= {path.parent.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    folders = "|".join(sorted(part for part in parts if "/" not in part and (SOURCE / part).is_dir() and part != "."))
    assert set(re.findall(rf"`((?:{folders})/[a-z_/]*[a-z_])/?`", ARCHITECTURE)) - parts == set()
    layout = set(re.findall(r"`([a-z_]+)`", section(ARCHITECTURE, "## Layout")))
    assert len(layout) > 80 and layout - {part.rpartition("/")[2] for part in parts} == set()
