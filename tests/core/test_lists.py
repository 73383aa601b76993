"""Lists in every format: what is read from them, what is wrong in them, and that they are read as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.lists import reading
from fastdl.core.lists.entry import Broken, Entry
from fastdl.core.lists.reading import read_list
from fastdl.errors import UsageError

A, B, C = "https://example.org/a", "https://example.org/b", "https://m.example.net/b"


def read(data: bytes | str, size: int | None = None) -> list[Entry | Broken]:
    """The entries of a whole list, fed in chunks of `size` bytes."""
    raw = data if isinstance(data, bytes) else data.encode()
    step = size or max(len(raw), 1)
    return list(read_list((raw[at : at + step] for at in range(0, len(raw), step)), windows=False))


def entries(data: bytes | str) -> list[Entry]:
    """The same where nothing may be broken."""
    found = read(data)
    assert all(isinstance(item, Entry) for item in found), found
    return [item for item in found if isinstance(item, Entry)]


def values(entry: Entry) -> dict[str, list[object]]:
    return {key: [each.value for each in written] for key, written in entry.options.items()}


# --- plain text ------------------------------------------------------------------------------------------


def test_text() -> None:
    first, second = entries(
        f"# comment\n\n{A}\n{B}\t{C} \t \n  out=x/b c.iso \n\n\tchecksum=sha-256=00=1\n  # no option\n  header=K: v\n"
        " header=L: w=1\n"
    )
    assert (first.line, first.url, first.mirrors, first.options, first.kind) == (3, A, (), {}, "text")
    assert (second.line, second.url, second.mirrors) == (4, B, (C,))
    assert values(second) == {
        "output": ["x/b c.iso"],
        "checksum": ["sha-256=00=1"],
        "header": ["K: v", "L: w=1"],
    }
    assert [each.line for each in second.options["header"]] == [9, 10]


@pytest.mark.parametrize(
    ("name", "key", "negated"),
    [
        ("out", "output", False), ("dir", "dir", False), ("split", "connections", False),
        ("max-connection-per-server", "per_host", False), ("load-cookies", "cookies", False),
        ("http-user", "user", False), ("max-tries", "retries", False), ("continue", "no_continue", True),
        ("no-remote-time", "remote_time", True), ("remote_time", "remote_time", False), ("OUT", "output", False),
    ],
)  # fmt: skip
def test_names_of_options(name: str, key: str, negated: bool) -> None:
    (entry,) = entries(f"{A}\n {name} = 1\n")
    ((found, (written,)),) = entry.options.items()
    assert (found, written.key, written.value, written.negated, written.line) == (key, name, "1", negated, 2)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("otu=x", "no such option 'otu' (did you mean out?)"),
        ("checksums=x", "did you mean checksum?"),
        ("jobs=3", "the option jobs is for the whole run"),
        ("proxy=http://me:hunter2@p/", "the option proxy is for the whole run"),
        ("input-file=x", "the option input-file is for the whole run"),
        ("insecure=true", "the option insecure is for the whole run"),
        ("out", "an option has no '='"),
        ("Authorization: Bearer hunter2=x", "an option has no valid name"),
        ("out=a\n out=b", "the option output is set twice"),
        ("split=2\n connections=2", "the option connections is set twice"),
    ],
)
def test_a_wrong_option_breaks_its_file_alone(option: str, said: str) -> None:
    found = read(f"{A}\n {option}\n out=later\n{B}\n")
    broken, other = found
    assert isinstance(broken, Broken)
    assert said in str(broken.error)
    assert broken.url == A
    assert broken.line == (3 if "\n" in option else 2)
    assert "hunter2" not in str(broken.error)
    assert isinstance(other, Entry)
    assert (other.url, other.line) == (B, 4 + option.count("\n"))


def test_options_without_a_url_are_told_once() -> None:
    broken, entry = read(f"  out=x\n  dir=y\n{A}\n")
    assert isinstance(broken, Broken)
    assert (broken.line, broken.url) == (1, "")
    assert "before any URL" in broken.error.what
    assert isinstance(entry, Entry)
    assert entry.options == {}


# --- encodings and lines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends(encoding: str, end: str) -> None:
    data = f"{A}/ü中😀{end}  out=ü中😀.txt{end}{B}".encode(encoding)
    for size in (1, 2, 3, 7, 1000):
        first, second = read(data, size)
        assert isinstance(first, Entry)
        assert first.url == f"{A}/ü中😀"
        assert values(first) == {"output": ["ü中😀.txt"]}
        assert isinstance(second, Entry)
        assert second.url == B


def test_bytes_that_are_no_text_break_their_line() -> None:
    found = read(f"{A}\nhttps://example.org/".encode() + b"\xfc\n" + f"{B}\n".encode())
    assert [type(item) for item in found] == [Entry, Broken, Entry]
    broken = found[1]
    assert isinstance(broken, Broken)
    assert (broken.line, broken.error.why) == (2, "it is not UTF-8")
    half = f"{A}\n{B}".encode("utf-16") + b"\x00"
    assert [type(item) for item in read(half)] == [Entry, Broken]


def test_a_line_that_is_too_long_is_skipped_as_it_comes() -> None:
    def chunks() -> Iterator[bytes]:
        yield f"{A}\n".encode()
        for _ in range(200):
            yield b"x" * 10_000
        yield f"y\n{B}\n  out=".encode()
        yield b"z" * (reading.MOST_LINE + 1)
        yield f"\n{C}".encode()

    found = list(read_list(chunks(), windows=False))
    assert [(type(item), item.line) for item in found] == [(Entry, 1), (Broken, 2), (Broken, 4), (Entry, 5)]
    assert all("longer than" in item.error.why for item in found if isinstance(item, Broken))
    assert all(len(item.url) < 100 for item in found)


def test_a_control_character_far_down_breaks_its_line() -> None:
    filler = "# filler\n" * 20_000  # beyond what is looked at for the format
    data = f"{A}\n{filler}https://example.org/\x1b[1m\n{B}\n".encode()
    first, broken, last = read(data, reading.WINDOW)
    assert isinstance(first, Entry)
    assert isinstance(broken, Broken)
    assert (broken.line, broken.error.why) == (20_002, "it holds a control character")
    assert isinstance(last, Entry)


@pytest.mark.parametrize(
    ("data", "what", "why"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0", "line 2: this is no list", "binary"),
        (f"{A}\n{B}\n\0\n".encode(), "line 3: this is no list", "binary"),
        (f"{A}\n".encode("utf-16")[2:], "line 1: this is no list", "binary"),
        (b'\n[{"url": 1}]', "line 2: this is no list", "array"),
        (b"<html><body></body></html>", "this is no Metalink", "it is no Metalink"),
        (b"<!DOCTYPE html><html></html>", "this is no Metalink", "DOCTYPE"),
        (b'<?xml version="1.0"?><!DOCTYPE metalink><metalink/>', "this is no Metalink", "DOCTYPE"),
        (b"<metalink><file", "this is no Metalink", "no valid XML"),
        (b"<metalink/>", "the Metalink names no file", ""),
    ],
)
def test_what_is_no_list(data: bytes, what: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(data)
    assert caught.value.what == what
    assert why in caught.value.why


@pytest.mark.parametrize("data", [b"", b"\n\r\n  \n", b"# nothing", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_list(data: bytes) -> None:
    assert read(data) == []


def test_a_doctype_in_another_encoding_is_refused_too() -> None:
    with pytest.raises(UsageError, match="no Metalink") as caught:
        read('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE metalink><metalink/>'.encode("utf-16"))
    assert "DOCTYPE" in caught.value.why


def test_a_metalink_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_METALINK", 100_000)

    def endless() -> Iterator[bytes]:
        yield b"<metalink>"
        while True:
            yield b"<file/>" * 1000

    with pytest.raises(UsageError) as caught:
        read_list(endless(), windows=False)
    assert "at most" in caught.value.why


# --- JSON Lines ------------------------------------------------------------------------------------------


def test_json_lines() -> None:
    lines = [
        {"url": A, "out": "x", "checksum": None, "max-size": 5, "durable": False},
        {"mirrors": [C], "url": B, "headers": {"K": "v", "Empty": ""}},
        {"url": B, "headers": ["K: v"]},
    ]
    first, second, third = entries("\n# comment\n\n" + "\n\n".join(json.dumps(line) for line in lines))
    assert (first.line, first.url, first.kind) == (4, A, "jsonl")
    assert values(first) == {"output": ["x"], "max_size": [5], "durable": [False]}
    assert values(second) == {"mirror": [[C]], "header": [["K: v", "Empty;"]]}
    assert values(third) == {"header": [["K: v"]]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not valid JSON"),
        ("https://example.org/f", "not valid JSON"),
        ('{"url": "x"} {"url": "y"}', "not valid JSON"),
        ('["url"]', "no JSON object"),
        ("{}", "it has no url"),
        ('{"url": 5}', "its url is no text"),
        ('{"url": " "}', "its url is no text"),
        ('{"url": "x", "url": "y"}', "a key stands twice"),
        ('{"url": "x", "otu": "y"}', "did you mean out?"),
        ('{"url": "x", "out": NaN}', "not valid JSON"),
        ('{"url": "x", "max-size": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"url": "x", "out": ' + "[" * 100_000 + "}", "not valid JSON"),
        ('{"url": "x", "headers": {"A:B": "c"}}', "the headers are not valid"),
        ('{"url": "x", "out": "\\ud800"}', "half a character"),
        ('{"url": "x", "headers": {"A": 1}}', "the headers are not valid"),
        ('{"url": "x", "out": "a", "output": "b"}', "the option output is set twice"),
    ],
)
def test_a_broken_line_of_json_breaks_its_file_alone(line: str, said: str) -> None:
    first, broken, last = read(f'{{"url": "{A}"}}\n{line}\n{{"url": "{B}"}}\n')
    assert isinstance(first, Entry)
    assert isinstance(broken, Broken)
    assert isinstance(last, Entry)
    assert said in str(broken.error)
    assert broken.line == 2


# --- as it comes -----------------------------------------------------------------------------------------


def test_an_entry_is_given_before_the_next_but_one_is_written() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield f"{A}{number}\n".encode()

    found = read_list(chunks(), windows=False)
    assert len(taken) == 1, "the format is known from the first line"
    assert next(found).url == f"{A}0"
    assert len(taken) == 2, "the next line shows that the first has no options"
    assert next(found).url == f"{A}1"
    assert len(taken) == 3


def test_a_line_of_json_is_given_as_soon_as_it_ends() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(5):
            taken.append(number)
            yield f'{{"url": "{A}{number}"}}\n'.encode()

    found = read_list(chunks(), windows=False)
    assert next(found).url == f"{A}0"
    assert len(taken) == 1


_TEXTS = st.lists(
    st.sampled_from(
        [A, B, f"{B}\t{C}", "", "# c", "  out=x", "\tdir=d", "ftp://x", " bad", '{"url": "u"}', "ü", "\xa0"]
    ),
    max_size=12,
)


@given(_TEXTS, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["utf-8", "utf-16"]), st.integers(1, 40))
def test_how_it_is_cut_changes_nothing(lines: list[str], end: str, encoding: str, size: int) -> None:
    data = end.join(lines).encode(encoding)

    def facts(found: list[Entry | Broken]) -> list[object]:
        return [repr(item) if isinstance(item, Entry) else (item.line, item.url, str(item.error)) for item in found]

    assert facts(read(data, size)) == facts(read(data))


@given(st.one_of(st.binary(), st.text().map(str.encode), st.text().map(lambda text: ("{" + text).encode())))
def test_whatever_it_holds_it_ends_in_entries_or_in_a_usage_error(data: bytes) -> None:
    try:
        found = read(data)
    except UsageError:
        return
    assert all(isinstance(item, Entry | Broken) for item in found)
