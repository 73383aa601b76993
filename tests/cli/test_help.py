"""`--help` and `help`: every option in its group, examples that work, readable in any window."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from fastdl import combinations, config, errors
from fastdl.cli.commands import DOWNLOAD, NAMES, ROWS, everything, load, options_of
from fastdl.cli.examples import EXAMPLES
from fastdl.cli.pages import EXIT_CODES, GLOBAL_OPTIONS, LEAST, OWN_CODES, command_page, root_page, wrapped
from fastdl.cli.parse import COMMANDS, TYPERS, command_of, parse
from fastdl.options import BY_KEY
from servers.run import Runner

WIDTHS = (24, 40, 60, 80, 100, 200)


def leaves(kind: type[errors.FastdlError]) -> Iterator[type[errors.FastdlError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from leaves(child)


# --- the tables ------------------------------------------------------------------------------------------


def test_the_table_and_the_parser_know_the_same_commands() -> None:
    assert sorted(NAMES) == sorted(COMMANDS)
    assert len(set(NAMES)) == len(ROWS)


def test_every_command_has_a_sentence_and_examples() -> None:
    for command in everything():
        assert command.summary.endswith("."), command.name
        assert command.examples, command.name
    assert set(EXAMPLES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_options_of_a_command_do_not_collide(name: str) -> None:
    options = options_of(name)
    spelled = [f"--{option.name}" for option in options] + [f"-{option.short}" for option in options if option.short]
    spelled += [f"--no-{option.name}" for option in options if option.negatable]
    assert len(spelled) == len(set(spelled))
    for option in options:
        assert option.help.endswith((".", ")")) and option.group, option.name
        assert option.metavar or option.kind in ("flag", "choice"), option.name


@pytest.mark.parametrize("line", [line for name in NAMES for line, _ in EXAMPLES.get(name, ())])
def test_examples_are_command_lines_that_fastdl_takes(line: str) -> None:
    name = next(name for name in NAMES if line in dict(EXAMPLES[name]))
    words = shlex.split(line.split(" | ")[0])
    assert words[0] == "fastdl"
    command, rest = command_of(words[1:])
    assert command == name, "it stands with its own command"
    values, others = parse(rest, options_of(command))
    known = {key: value for key, value in values.items() if BY_KEY.get(key) in options_of(command)}
    settings = config.load(known, {"HOME": "nowhere"}, ask=lambda prompt: "secret")
    if command in ("get", "explain"):
        combinations.check_urls(settings, others)
    assert not others or load(name).words


def test_exit_codes_are_those_of_the_errors() -> None:
    assert [code for code, _ in EXIT_CODES] == sorted({0} | {kind.code for kind in leaves(errors.FastdlError)})
    for codes in OWN_CODES.values():
        assert {code for code, _ in codes} <= {code for code, _ in EXIT_CODES}
    assert set(OWN_CODES) <= set(NAMES)


def test_options_without_a_command() -> None:
    text = " ".join(names for names, _ in GLOBAL_OPTIONS)
    assert all(name in text for name in (*TYPERS, "--version"))


# --- the pages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits(name: str, width: int) -> None:
    page = command_page(load(name), width)
    assert page.isascii()
    for line in page.splitlines():
        fits = len(line) <= max(LEAST, width) or " " not in line.strip().removesuffix(" \\")
        assert fits and line == line.rstrip(), line


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_page_fits(width: int) -> None:
    page = root_page(everything(), width)
    for line in page.splitlines():
        assert len(line) <= max(LEAST, width) or " " not in line.strip().removesuffix(" \\"), line
    for name in NAMES:
        assert re.search(rf"^  {name}\b", page, re.MULTILINE)


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("name", NAMES)
def test_every_option_stands_in_its_group(name: str, width: int) -> None:
    page = command_page(load(name), width)
    for option in options_of(name):
        section = page.split(f"\n{option.group}:\n", 1)[1].split("\n\n")[0]
        shown = re.search(rf"^  (-\w, )?--{option.name}\b", section, re.MULTILINE)
        assert shown, option.name
        assert " ".join(option.help.split()[:2]) in " ".join(section.split())


def test_an_example_can_be_pasted_from_a_narrow_page() -> None:
    for command in everything():
        lines = command_page(command, 40).split("\nExamples:\n", 1)[1].split("\n\n")[0].splitlines()
        shown = " ".join(lines).replace(" \\ ", " ")
        for line, _ in command.examples:
            assert " ".join(shown.split()).count(line), line


def test_get_tells_of_other_places_and_of_exit_codes() -> None:
    for command in everything():
        page = command_page(command, 80)
        told = command.group == DOWNLOAD
        assert ("\nConfig file and environment:\n" in page) is told
        assert ("\nExit codes:\n" in page) is (told or command.name in OWN_CODES)
    page = command_page(load("get"), 80)
    assert "FASTDL_CONNECTIONS=8" in page and "\n  130  interrupted" in page


def test_words_are_not_lost() -> None:
    assert wrapped("one two --remote-time three", 14) == ["one two", "--remote-time", "three"]
    assert wrapped("", 10) == [""]


# --- as a user meets them --------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"]])
def test_the_first_page(fastdl: Runner, args: list[str]) -> None:
    told = fastdl(*args)
    assert (told.code, told.err) == (0, "")
    assert told.out.replace("\r\n", "\n") == root_page(everything(), 80)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_each_command(fastdl: Runner, name: str) -> None:
    told = fastdl(name, "--help")
    assert (told.code, told.err) == (0, "")
    assert told.out.replace("\r\n", "\n") == command_page(load(name), 80)


@pytest.mark.parametrize(
    "args", [["help", "get"], ["get", "-h"], ["get", "-q", "https://example.org/", "--help"], ["-qh"]]
)
def test_other_ways_to_a_page(fastdl: Runner, args: list[str]) -> None:
    assert fastdl(*args, env={"COLUMNS": "40"}).out.replace("\r\n", "\n") == command_page(load("get"), 40)


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["help", "gett"], "did you mean get?"),
        (["help", "get", "verify"], "help takes one command"),
        (["halp"], "'halp'"),
    ],
)
def test_no_such_page(fastdl: Runner, args: list[str], part: str) -> None:
    told = fastdl(*args)
    assert told.code == 2 and part in told.error and told.err.count("\n") == 1
