"""curl's options: every one that curl has is known here, with or without a value as curl says."""

from __future__ import annotations

import re
import subprocess

import pytest

from fastdl.core.curl.flags import LETTERS, NAMES, find
from fastdl.core.curl.request import _PLAIN, _SPECIAL
from fastdl.options import BY_KEY
from servers.real import find as find_program

_LINE = re.compile(r"^ (?:-(?P<letter>.), |    )--(?P<name>[\w.-]+)(?P<value> [<\[])?", re.MULTILINE)


def test_every_option_of_the_installed_curl_is_known() -> None:
    told = subprocess.run([find_program("curl"), "--help", "all"], capture_output=True, check=True, text=True).stdout
    found = [match for match in _LINE.finditer(told) if match["name"] != "help"]  # its value may be left out
    assert len(found) > 200
    wrong = []
    for match in found:
        known = find(match["name"])
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
