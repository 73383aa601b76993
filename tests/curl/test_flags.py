"""curl's options: every one that curl has is known here, with or without a value as curl says."""

from __future__ import annotations

import re
import subprocess

import pytest

from fastdl.core.curl.flags import LETTERS, NAMES, find
from fastdl.core.curl.reading import _PLAIN, _SPECIAL
from fastdl.options import BY_KEY
from servers.real import find as find_program

NEWEST = (8, 17)  # of the versions whose options are in the table
_LINE = re.compile(r"^ (?:-(?P<letter>.), |    )--(?P<name>[\w.-]+)(?P<value> [<\[])?", re.MULTILINE)


def _told(*arguments: str) -> str:
    return subprocess.run([find_program("curl"), *arguments], capture_output=True, check=True, text=True).stdout


def test_every_option_of_the_installed_curl_is_known() -> None:
    found = [match for match in _LINE.finditer(_told("--help", "all")) if match["name"] != "help"]  # an optional value
    assert len(found) > 200
    version = re.match(r"curl (\d+)\.(\d+)", _told("--version"))
    assert version
    newer = (int(version[1]), int(version[2])) > NEWEST
    wrong = []
    for match in found:
        known = find(match["name"])
        if known is None and newer:
            continue  # it is refused by its name, which is no fault
        right = known is not None and known[0].takes_value is bool(match["value"])
        short = LETTERS.get(match["letter"] or "")
        if not right or (match["letter"] and (short is None or short[1:] != known[0][1:])):  # all but the name
            wrong.append(match[0].strip())
    assert wrong == []


def test_the_table_is_whole() -> None:
    assert all(flag.why for flag in NAMES.values() if flag.fate == "left")
    assert all(len(letter) == 1 for letter in LETTERS)
    handled = {*_PLAIN, *_SPECIAL}
    assert all(NAMES[name].fate == "taken" for name in handled)
    assert {*_PLAIN.values()} <= {*BY_KEY}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("header", ("header", True)),
        ("no-location", ("location", False)),
        ("no-buffer", ("buffer", False)),
        ("noproxy", ("noproxy", True)),
        ("compre", None),
        ("user-ag", ("user-agent", True)),
        ("no-header", None),
        ("", None),
        ("nothing-of-curls", None),
    ],
)
def test_names(name: str, expected: tuple[str, bool] | None) -> None:
    found = find(name)
    assert (found and (found[0].name, found[1])) == expected
