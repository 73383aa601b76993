"""The text of a lock: what was written is read again, and every line that is wrong is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.lists.lock import HEADER, Locked, Wanted, check_header, line_of, parse_line, wanted_of
from fastdl.errors import UsageError

_SHA = "0123456789abcdef" * 4
_NAME = st.text(st.characters(exclude_categories=()), max_size=30)


@given(
    st.builds(
        Locked,
        st.builds(Wanted, _NAME.filter(bool), st.just("") | st.just("0" * 16), _NAME, _NAME),
        _NAME,
        st.integers(0, (1 << 63) - 1),
        st.just(_SHA),
    )
)
def test_an_entry_is_one_line_and_comes_back(entry: Locked) -> None:
    line = line_of(entry)
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert parse_line(line.encode(), 7) == entry


@given(st.binary(max_size=200))
def test_no_line_does_harm(line: bytes) -> None:
    for read in (lambda: check_header(line), lambda: parse_line(line, 2)):
        try:
            read()
        except UsageError as error:
            assert error.what.startswith("line ")
            assert error.code == 2


def test_the_header() -> None:
    check_header(HEADER.encode())
    check_header(HEADER.replace("\n", "\r\n").encode())
    check_header(b"\xef\xbb\xbf" + HEADER.encode())
    with pytest.raises(UsageError, match="version 2") as newer:
        check_header(b'{"fastdl-lock": 2}')
    assert "upgrade" in newer.value.hint


@pytest.mark.parametrize(
    "changed",
    [
        {"size": True},
        {"size": 1.5},
        {"size": "1"},
        {"size": -1},
        {"size": 1 << 63},
        {"size": None},
        {"sha256": _SHA.upper()},
        {"sha256": _SHA[1:]},
        {"sha256": 5},
        {"url": ""},
        {"url": None},
        {"key": "x"},
        {"name": 1},
        {"more": 1},
    ],
)
def test_what_is_wrong_with_an_entry(changed: dict[str, object]) -> None:
    fields = {"url": "https://example.org/f", "name": "f", "size": 1, "sha256": _SHA}
    parse_line(json.dumps(fields).encode(), 3)
    with pytest.raises(UsageError, match=r"^line 3: "):
        parse_line(json.dumps(fields | changed).encode(), 3)


def test_the_example_of_the_documentation() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/lists.md").read_text(encoding="utf-8")
    header, *entries = re.search(r"```\n(\{\"fastdl-lock.*?)```", text, re.DOTALL)[1].splitlines(keepends=True)  # type: ignore[index]
    check_header(header.encode())
    assert [line_of(parse_line(line.encode(), 2)) for line in entries] == entries


def test_a_key_twice() -> None:
    with pytest.raises(UsageError):
        parse_line(b'{"url": "a", "size": 1, "size": 1, "sha256": "' + _SHA.encode() + b'"}', 2)


def test_secrets_are_masked_and_told_apart() -> None:
    one, two = (wanted_of(f"https://u:{word}@example.org/f?sig={word}") for word in ("alpha", "beta"))
    assert one.url == two.url
    assert one.key != two.key
    assert "alpha" not in line_of(Locked(one, "f", 1, _SHA))
    assert wanted_of("https://example.org/f").key == ""


def test_nobody_can_try_passwords_on_a_lock() -> None:
    """It stands in version control, and a password is guessed faster than a signature."""
    url = "https://{}@example.org/f{}"
    for query in ("", "?sig=alpha"):
        assert wanted_of(url.format("u:hunter2", query)) == wanted_of(url.format("u:other", query))
    assert wanted_of(url.format("u:hunter2", "")).key == ""
