"""The fast parser, and that typer reads the same command lines in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.cli.app import build, invoke
from fastdl.cli.parse import HelpWanted, command_of, parse
from fastdl.errors import UsageError
from fastdl.options import OPTIONS

Parsed = tuple[dict[str, Any], list[str]]


@pytest.mark.parametrize(
    ("args", "values", "others"),
    [
        ([], {}, []),
        (["u"], {}, ["u"]),
        (["-o", "x", "u"], {"output": "x"}, ["u"]),
        (["-ox", "u"], {"output": "x"}, ["u"]),
        (["--output=x=y", "u"], {"output": "x=y"}, ["u"]),
        (["--output=", "u"], {"output": ""}, ["u"]),
        (["u", "--output", "-", "v"], {"output": "-"}, ["u", "v"]),
        (["-x8", "-qv4", "u"], {"connections": "8", "quiet": True, "verbose": True, "ipv4": True}, ["u"]),
        (["-qx", "8"], {"quiet": True, "connections": "8"}, []),
        (["-qx8"], {"quiet": True, "connections": "8"}, []),
        (["-H", "A: b", "--header", "C: d"], {"header": ["A: b", "C: d"]}, []),
        (["--durable", "--no-durable"], {"durable": False}, []),
        (["--no-durable", "--durable"], {"durable": True}, []),
        (["--jobs", "1", "-j2"], {"jobs": "2"}, []),
        (["-o", "--json", "u"], {"output": "--json"}, ["u"]),
        (["--", "-o", "--json"], {}, ["-o", "--json"]),
        (["a", "--", "--", "b"], {}, ["a", "--", "b"]),
        (["-"], {}, ["-"]),
        (["--retries", "-1"], {"retries": "-1"}, []),
    ],
)
def test_gnu_style(args: list[str], values: dict[str, Any], others: list[str]) -> None:
    assert parse(args, OPTIONS) == (values, others)
    assert by_typer(args) == (values, others)


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--outputs", "x"], "did you mean --output?"),
        (["--out", "x"], "'--out'"),
        (["-o"], "-o needs a value"),
        (["--output"], "--output needs a value"),
        (["--json=1"], "--json takes no value"),
        (["-qz"], "'-z'"),
        (["--no-json"], "'--no-json'"),
        (["--no-durable=1"], "takes no value"),
        (["-q=1"], "'-='"),
    ],
)
def test_complaints_name_the_option(args: list[str], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(args, OPTIONS)
    assert part in str(caught.value)
    with pytest.raises(UsageError):
        by_typer(args)


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["-qh"], ["u", "-q", "--help"]])
def test_help_is_typers(args: list[str]) -> None:
    with pytest.raises(HelpWanted):
        parse(args, OPTIONS)


@pytest.mark.parametrize(
    ("args", "command", "rest"),
    [
        (["get", "u"], "get", ["u"]),
        (["resume"], "resume", []),
        (["http://example.org/"], "get", ["http://example.org/"]),
        (["-o", "x", "u"], "get", ["-o", "x", "u"]),
        (["--json", "get"], "get", ["--json", "get"]),
        (["example.org"], "get", ["example.org"]),
        ([""], "get", [""]),
        (["demo", "-h"], "demo", ["-h"]),
        (["--help"], "", ["--help"]),
        (["--show-completion"], "", ["--show-completion"]),
        (["help"], "", ["--help"]),
        (["help", "verify"], "", ["verify", "--help"]),
    ],
)
def test_which_command(args: list[str], command: str, rest: list[str]) -> None:
    assert command_of(args) == (command, rest)


def test_a_word_that_is_no_command() -> None:
    with pytest.raises(UsageError, match="did you mean resume"):
        command_of(["resum"])
    with pytest.raises(UsageError, match="no command"):
        command_of([])
    with pytest.raises(UsageError, match="did you mean verify"):
        command_of(["help", "verfy"])
    with pytest.raises(UsageError, match="takes one command"):
        command_of(["help", "get", "verify"])


def by_typer(args: Sequence[str]) -> Parsed:
    """What typer reads; UsageError where it complains."""
    seen: list[Parsed] = []

    def get(values: Mapping[str, Any], urls: Sequence[str]) -> int:
        seen.append((dict(values), list(urls)))
        return 0

    assert invoke(build({"get": get}, ["get"]), ["get", *args]) == 0
    return seen[0]


NAMES = [option.name for option in OPTIONS]
SHORTS = [option.short for option in OPTIONS if option.short]
VALUES = st.sampled_from(["x", "8", "-1", "-", "--", "a=b", "", "K: V", "1.1", "--json", "-q"])
ARGS = st.one_of(
    VALUES,
    st.sampled_from(NAMES).map("--{}".format),
    st.sampled_from(NAMES).map("--no-{}".format),
    st.sampled_from(NAMES).map(lambda name: f"--{name[:-1]}"),
    st.tuples(st.sampled_from(NAMES), VALUES).map("=".join).map("--{}".format),
    st.tuples(st.lists(st.sampled_from([*SHORTS, "z", "="]), min_size=1, max_size=4).map("".join), VALUES).map(
        lambda pair: f"-{pair[0]}{pair[1]}"
    ),
    st.lists(st.sampled_from(SHORTS), min_size=1, max_size=4).map("".join).map("-{}".format),
).filter(lambda arg: not arg.startswith("--help"))


@settings(max_examples=150, deadline=None)
@given(st.lists(ARGS, max_size=6))
def test_both_parsers_agree(args: list[str]) -> None:
    assert outcome(lambda: parse(args, OPTIONS)) == outcome(lambda: by_typer(args))


def outcome(read: Any) -> Any:
    try:
        return read()
    except (UsageError, HelpWanted) as error:
        return type(error)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_words_are_read_or_refused(args: list[str]) -> None:
    result = outcome(lambda: parse(args, OPTIONS))
    assert result in (UsageError, HelpWanted) or len(result[1]) <= len(args)
