"""What is written as YAML is read as what it was."""

from __future__ import annotations

import pytest

from pack import yaml
from packs import needs_libraries

TEXTS = [
    *("plain", "two words", "1.12.0", "1.0", "10", "1e3", "0x1F", "2026-01-31", "true", "No", "null", "~", "", "on"),
    *("a: b", "a:b", "ends:", "# no comment", "a # b", "a#b", "- no list", "it's", "'quoted'", '"quoted"', "*a", "&b"),
    *("[a]", "{a}", "@a", "`a`", "%a", "!a", "|", ">", "? a", "a\\b.exe", "https://example.org/a?b=c#d", "-1", "1_000"),
    *("\u00fcber", "trailing ", " leading", "12:30:45", "0o17", ".5", "=", "<<", "y", "+1.5", "10.0.0.0", "-"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_stays_a_text(text: str) -> None:
    (reader,) = needs_libraries("yaml")
    assert reader.safe_load(yaml.dump({"key": text})) == {"key": text}
    assert reader.safe_load(yaml.dump({"keys": [text, text]})) == {"keys": [text, text]}


def test_what_is_inside_of_what() -> None:
    (reader,) = needs_libraries("yaml")
    told = {"a": [{"b": "c", "d": ["e", "f"]}, {"b": "g"}], "h": {"i": {"j": True, "k": 3}}, "l": False}
    assert reader.safe_load(yaml.dump(told)) == told


def test_it_looks_as_winget_s_own() -> None:
    told = {"Files": [{"Path": "a\\b.exe", "Alias": "b"}], "Tags": ["x"], "Version": "1.2.3", "On": True}
    lines = ["Files:", "- Path: a\\b.exe", "  Alias: b", "Tags:", "- x", "Version: 1.2.3", "On: true"]
    assert yaml.dump(told).splitlines() == lines


def test_a_digest_stands_as_it_is() -> None:
    assert yaml.scalar("85" + "0CD7E1" * 10 + "AB") == "85" + "0CD7E1" * 10 + "AB"
    assert yaml.scalar("1" * 30 + "E" + "1" * 33).startswith("'")  # a number to some readers
