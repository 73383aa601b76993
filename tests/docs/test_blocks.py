"""What stands in fenced blocks besides shell commands is read by whoever is to read it; no language is left out."""

from __future__ import annotations

import configparser
import io
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fastdl import config
from fastdl.core.threshold_rules import rules_of
from fastdl.io.rules_file import mapper_of
from pages import cases, play
from pages.blocks import Block, all_blocks, documents, inline_code, is_transcript
from pages.loopback import Loopback
from pages.sandbox import Sandbox, needs_bash
from pages.words import complaint, lines_of
from servers.real import package

POSIX = ("crontab", "ini")  # scripts and settings of others that name fastdl
DATA = ("json", "yaml", "xml", "python")
RECIPES = ("dockerfile", "makefile", "cmake")  # tests/recipes gives them to their programs
SHOWN = ("text", "")  # what is printed, drawn, or goes into a file that another test reads
LISTS = "docs/lists.md"
ALL = all_blocks()


def of(*languages: str) -> list[Block]:
    return [block for block in ALL if block.language in languages and not is_transcript(block)]


def ids(blocks: list[Block]) -> list[str]:
    return [block.id for block in blocks]


def test_somebody_handles_every_language() -> None:
    known = {*cases.SHELLS, *POSIX, *cases.WINDOWS, *DATA, *RECIPES, *SHOWN, "toml"}
    assert {block.place: block.language for block in ALL if block.language not in known} == {}


@pytest.mark.parametrize("block", of(*SHOWN), ids=ids(of(*SHOWN)))
def test_no_command_hides_in_a_block_that_is_not_run(block: Block) -> None:
    if block.document == "docs/options.md":
        return  # one line each, made by the code: how a command is used
    hidden = re.findall(r"(?m)^(?:\$ )?(?:\S*/)?fastdl (?!\d).*", block.text)
    assert hidden == [], f"{block.place}: give the block a language"


# --- read by fastdl --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", of("toml"), ids=ids(of("toml")))
def test_settings_are_settings(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(block.text, encoding="utf-8")
    if "[[rule]]" in block.text:
        assert rules_of(_toml(block.text), block.text, str(path))
    else:
        mapper_of(config.load({}, {}, str(path)))


def _toml(text: str) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


LISTED = [block for block in of("text", "json") if block.document == LISTS and "https://" in block.text]


@needs_bash
@pytest.mark.parametrize("block", LISTED, ids=ids(LISTED))
def test_a_list_is_fetched(block: Block, sandbox: Sandbox, world: Loopback) -> None:
    sandbox.lay({"listed": block.text.encode()})
    ran = play.run(sandbox, world, "fastdl get -q --json -i - < listed")
    assert ran.code == 0, f"{block.place}\n{ran.text}"
    files = [json.loads(line) for line in ran.text.splitlines()]
    assert len(files) == len(re.findall(r'(?m)^https://|"url"', block.text))
    assert all((sandbox.cwd / told["path"]).is_file() for told in files)


# --- read by others --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", of(*POSIX, *cases.WINDOWS), ids=ids(of(*POSIX, *cases.WINDOWS)))
def test_fastdls_command_lines_in_settings_of_others(block: Block) -> None:
    lines = block.text.splitlines()
    left = [line for line in lines if cases.not_run(block.document, line) is None]
    words = lines_of("\n".join(left), windows=block.language in cases.WINDOWS)
    assert words or len(left) < len(lines), f"{block.place}: nothing of fastdl in it"
    assert [told for line in words if (told := complaint(line)) is not None] == []


@pytest.mark.parametrize("block", of("crontab"), ids=ids(of("crontab")))
def test_a_crontab_has_five_fields_of_time(block: Block) -> None:
    jobs = [line for line in block.text.splitlines() if line.strip() and not re.match(r"#|\w+=", line)]
    assert jobs
    assert [line for line in jobs if not re.match(r"(?:[\d*/,-]+\s+){5}\S", line) or re.search(r"(?<!\\)%", line)] == []


@pytest.mark.parametrize("block", of("ini"), ids=ids(of("ini")))
def test_a_unit_file_has_sections(block: Block) -> None:
    for part in re.split(r"(?m)^# /.*\n", block.text):
        reader = configparser.ConfigParser(strict=False, interpolation=None)
        reader.read_string(part)
        assert reader.sections() or not part.strip()


@pytest.mark.parametrize("block", of(*DATA), ids=ids(of(*DATA)))
def test_it_is_well_formed(block: Block) -> None:
    if block.language == "yaml":
        assert isinstance(package("yaml").safe_load(block.text), dict | list)
    elif block.language == "xml":
        ElementTree.parse(io.StringIO(block.text))
    elif block.language == "python":
        compile(block.text, block.place, "exec")
    else:
        objects = block.text.splitlines() if block.text.count("\n{") else [block.text]
        assert [json.loads(each) for each in objects]


# --- code within lines -----------------------------------------------------------------------------------------


def spans() -> list[tuple[str, str]]:
    """(document, code) of every command line of fastdl within a line of text."""
    found = [(document, code) for document in documents() for code in inline_code(document)]
    return [(document, code) for document, code in found if code.startswith("fastdl ")]


@pytest.mark.parametrize("document", sorted({document for document, _ in spans()}))
def test_command_lines_within_the_text_are_spelled_right(document: str) -> None:
    told = [complaint(words) for where, code in spans() if where == document for words in lines_of(code)]
    assert [each for each in told if each is not None] == []


def whole() -> list[str]:
    """Those that could be typed as they stand, each once. `bench` starts other programs, which cannot be led here."""
    named = re.compile(r"^fastdl (?!bench)\S.*\bexample\.(?:org|com|net)\b")
    left_open = re.compile(r"\.\.\.|…|[\[\]]|\b[A-Z]{3,}\b")
    return sorted({code for _, code in spans() if named.search(code) and not left_open.search(code)})


@needs_bash
@pytest.mark.parametrize("command", whole())
def test_command_lines_within_the_text_run(command: str, sandbox: Sandbox, world: Loopback) -> None:
    ran = play.run(sandbox, world, command)
    assert ran.code == 0, ran.text
