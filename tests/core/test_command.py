"""How the command of --on-complete is cut and filled in."""

from __future__ import annotations

import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.command import fill, filled, is_batch_file, is_cmd, split, unfit_for_batch
from fastdl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("notify", ["notify"]),
        ("  mv {path} /srv ", ["mv", "{path}", "/srv"]),
        ("a 'b c' \"d e\" f\\ g ''", ["a", "b c", "d e", "f g", ""]),
        ("a 'it'\\''s'", ["a", "it's"]),
        ("sh -c 'echo $0 | cat' {path}", ["sh", "-c", "echo $0 | cat", "{path}"]),
        ("a #b", ["a", "#b"]),
    ],
)
def test_posix(text: str, words: list[str]) -> None:
    assert split(text, windows=False) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"C:\bin\tool.exe {path}", [r"C:\bin\tool.exe", "{path}"]),
        (r'"C:\Program Files\x.exe" "a b" c', [r"C:\Program Files\x.exe", "a b", "c"]),
        (r'x "C:\dir\\" y', ["x", "C:\\dir\\", "y"]),
        (r"x a\\b \\server\share", ["x", r"a\\b", r"\\server\share"]),
        (r"x \"a\" b", ["x", '"a"', "b"]),
        (r'x "a\\\"b"', ["x", 'a\\"b']),
        ('x "" "a""b" c', ["x", "", 'a"b', "c"]),
        ("x 'a b'", ["x", "'a", "b'"]),
        ("x\ta", ["x", "a"]),
        ('x a"b c"d', ["x", "ab cd"]),
        ("x a\\", ["x", "a\\"]),
    ],
)
def test_windows(text: str, words: list[str]) -> None:
    assert split(text, windows=True) == words


@given(st.lists(st.text(string.ascii_letters + " \t\"\\{}'", max_size=8), max_size=4))
def test_what_windows_programs_are_given_comes_back(arguments: list[str]) -> None:
    text = subprocess.list2cmdline(["program", *arguments])
    assert split(text, windows=True) == ["program", *arguments]


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("text", ["", "  ", '"', 'a "b', '""'])
def test_no_command(text: str, windows: bool) -> None:
    with pytest.raises(UsageError) as caught:
        split(text, windows=windows)
    assert "command" in caught.value.what


def test_fill() -> None:
    values = {"path": "/a b/{url}'\"", "url": "https://example.org/", "sha256": "ab"}
    words = ["{path}", "x={url}", "{sha256}{sha256}", "{other}", "{{url}}", "{}", "{print $1}"]
    assert fill(words, values) == [
        values["path"], "x=https://example.org/", "abab", "{other}", "{https://example.org/}", "{}", "{print $1}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "found"),
    [("a.bat", True), ("A.CMD", True), ("a.cmd. ", True), ("a.exe", False), ("bat", False), ("a.bat.exe", False)],
)
def test_batch_files(program: str, found: bool) -> None:
    assert is_batch_file(program) is found


def test_what_was_filled_in() -> None:
    values = {"path": "/a b", "url": "https://example.org", "sha256": ""}
    assert filled(["tool", "--in={path}", "{other}", "{path}"], values) == ["/a b"]
    assert filled(["tool"], values) == []


@pytest.mark.parametrize(
    ("program", "found"),
    [
        *(("cmd", True), ("C:\\Windows\\System32\\cmd.exe", True), ("x/CMD.EXE", True), ("cmd.exe. ", True)),
        *(("cmdkey.exe", False), ("C:\\cmd\\tool.exe", False), ("cmd.com", False)),
    ],
)
def test_cmd(program: str, found: bool) -> None:
    assert is_cmd(program) is found


@pytest.mark.parametrize("char", '"%!&|<>^`\n')
def test_what_batch_files_are_not_given(char: str) -> None:
    assert unfit_for_batch(["plain C:\\a b\\c-1_2.txt", f"a{char}calc.exe"]) == char
    assert unfit_for_batch(["plain C:\\a b\\c-1_2.txt"]) is None
