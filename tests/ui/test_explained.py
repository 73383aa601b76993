"""The text of `explain`: what each section says, and that nothing from outside gets to the terminal as it came."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.ui.explained import explained
from fastdl.ui.table import table

URL = "https://example.org/f.iso"


def source(
    url: str = URL, trust: str = "origin", *, allowed: bool = True, why: str = "so", **more: Any
) -> dict[str, Any]:
    host = url.split("/")[2].partition(":")[0]
    return {
        "url": url,
        "host": host,
        "operator": host,
        "region": None,
        "trust": trust,
        "allowed": allowed,
        "why": why,
    } | more


def told(**plan: Any) -> dict[str, Any]:
    digest = {"algorithm": None, "value": None, "source": None, "status": "none"}
    basic = {"mapping": "no rule knows this host", "check": "the size alone", "path": "f.iso", "first": ["example.org"]}
    return {"url": URL, "rule": None, "sources": [source()], "digest": digest, "plan": basic | plan}


def section(told: dict[str, Any], name: str) -> list[str]:
    lines = list(explained(told))
    at = lines.index(name) + 1
    return [line[2:] for line in lines[at : next((n for n in range(at, len(lines)) if lines[n][0] != " "), len(lines))]]


@pytest.mark.parametrize(
    ("plan", "lines"),
    [
        ({}, ["f.iso", "the server was not asked: size and final name are not known"]),
        ({"path": "-"}, ["to stdout", "the server was not asked: size and final name are not known"]),
        (
            {"final_url": URL, "size": 3 << 20, "ranges": True, "connections": 8, "etag": '"a"',
             "last_modified": "Mon"},
            ["f.iso", "3.0 MiB (3145728 bytes); the server serves ranges, over 8 connections at most",
             'ETag "a", last modified Mon'],
        ),
        (
            {"final_url": URL, "size": None, "ranges": False, "connections": 1},
            ["f.iso", "size unknown; the server sends it only as a whole, over one connection"],
        ),
        (
            {"final_url": URL, "size": 12, "ranges": True, "connections": 1},
            ["f.iso", "12 B; the server serves ranges, over 1 connection"],
        ),
        (
            {"error": "the server refused (HTTP 404)", "exit_code": 4},
            ["f.iso", "error: the server refused (HTTP 404) (get would end with exit 4)"],
        ),
    ],
)  # fmt: skip
def test_the_file(plan: dict[str, Any], lines: list[str]) -> None:
    assert section(told(**plan), "File") == lines


def test_where_redirects_lead() -> None:
    assert section(told(final_url="https://cdn.example.org/x"), "URL") == [URL, "leads to https://cdn.example.org/x"]
    assert section(told(final_url=URL), "URL") == [URL]


def test_the_use_of_each_source() -> None:
    server = {"host": "b.example.com:8443", "bytes_per_second": 2 << 20, "latency": 0.03, "busy": 1.0, "ranges": False,
              "errors": 1.0, "seen": "2026-01-02"}  # fmt: skip
    what = told(servers=[server])
    what["sources"] += [
        source("https://b.example.com:8443/f", "alias", operator="Example Ltd", region="DE"),
        source("https://c.example.com/f", "official", allowed=False, why="waits for the publisher's digest"),
        source("https://d.example.com/f", "third-party", allowed=False, why="a third party"),
    ]
    head, *lines = section(what, "Sources")
    assert head.split() == ["USE", "CLASS", "REGION", "HOST", "WHY"]
    assert [line.split()[0] for line in lines[::2]] == ["first", "later", "waits", "no"]
    assert [line.strip() for line in lines[1::2]] == [each["url"] for each in what["sources"]]
    assert lines[2].endswith(
        "b.example.com (Example Ltd)  so; known from earlier: 2.0 MiB/s a connection, answers in 30 ms, "
        "asked for fewer connections, serves no ranges, had errors, seen 2026-01-02"
    )


def test_the_digest() -> None:
    what = told(
        digest_url="https://example.org/sums", check="sha256 published by the origin", digest_lookups=["https://a/"]
    )
    what["digest"] = {"algorithm": "sha256", "value": "00ff", "source": "origin", "status": "known"}
    assert section(what, "Digest") == [
        "sha256:00ff",
        "published by the origin at https://example.org/sums",
        "checked at the end: sha256 published by the origin",
    ]
    places = [f"https://example.org/{n}" for n in range(7)]
    tried = [{"url": places[0], "why": "it answered 404"}]
    what = told(digest_lookups=places, digest_tried=tried, digest_why="it answered 404")
    assert section(what, "Digest") == [
        "none: it answered 404",
        "asked in vain: https://example.org/0: it answered 404",
        *(f"it may stand at https://example.org/{n}" for n in range(1, 5)),
        "and at 2 places more, which --json lists",
        "checked at the end: the size alone",
    ]


def test_the_plan_is_numbered() -> None:
    assert section(told(steps=["One.", "Two."]), "Plan") == ["1. One.", "2. Two."]


def calm(line: str) -> bool:
    """Whether a line does nothing to a terminal but stand there."""
    return not any(unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") for char in line)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_nothing_from_outside_moves_the_cursor_or_makes_a_line(text: str) -> None:
    what = told(
        final_url=text, error=None, etag=text, last_modified=text, path=text or "x", digest_why=text, steps=[text]
    )
    what["sources"].append(source(f"https://e.example.com/{text}", "official", why=text, operator=text, region=text))
    plain = len(list(explained(told(final_url="x", etag="y", steps=["z"]))))
    lines = list(explained(what))
    assert all(map(calm, lines))
    assert len(lines) <= plain + 4


@settings(deadline=None)
@given(st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=4), max_size=5))
def test_a_table_has_a_line_for_each_row(rows: list[list[str]]) -> None:
    lines = table(rows, "  ", right=(1,))
    assert len(lines) == len(rows)
    assert all(line.startswith("  ") and calm(line) for line in lines)
