"""Templates, records, and the pack's index."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.pack import Limits, Pack
from fastdl.core.record import Record
from fastdl.core.rules import Mirror, Pattern, Rule, Where
from fastdl.core.templates import expand, quoted, template_authority, template_host, unquoted


def rule(name: str, *hosts: str, **more: Any) -> Rule:
    return Rule(name, name, hosts, (Pattern("file", rf"https://{hosts[0]}/(?P<path>[^?#]+)"),), (), (), **more)


def pack(*rules: Rule) -> Pack:
    return Pack({}, {}, {}, Limits()).changed({rule.id: rule for rule in rules})


# --- templates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("{x}", "a%20b/c", "a%20b/c"),
        ("<{x|basename}>", "a/b/c.zip", "<c.zip>"),
        ("{x|dirname}", "a/b/c.zip", "a/b"),
        ("{x|dirname}", "c.zip", ""),
        ("{x|first_segment}", "v1/a/b", "v1"),
        ("{x|tail}", "v1/a/b", "a/b"),
        ("{x|tail}", "v1", "v1"),
        ("{x|lower}", "ABC", "abc"),
        ("{x|unquote}", "a%20b%2Bc", "a b+c"),
        ("{x|quote}", "a b/c", "a%20b%2Fc"),
        ("{x|strip_v}", "v1.2", "1.2"),
        ("{x|strip_v}", "1.2", "1.2"),
        ("{x|npm_escape}", "@s/n", "@s%2Fn"),
        ("{x|index_prefix}", "a", "1"),
        ("{x|index_prefix}", "ab", "2"),
        ("{x|index_prefix}", "Abc", "3/a"),
        ("{x|index_prefix}", "SerDe", "se/rd"),
        ("{x|default:ruby}", "", "ruby"),
        ("{x|default:ruby}", "java", "java"),
        ("{x|strip_prefix:releases/}", "releases/a", "a"),
        ("{x|strip_prefix:releases/}", "other/a", "other/a"),
        ("{x|digits}", "3.14.7", "3147"),
        ("{x|project}", "My_Pkg.Name", "my-pkg-name"),
        ("{x|slash}", "cpu", "cpu/"),
        ("{x|slash}", "", ""),
        ("{x|lower|before:-}", "User", "-user"),
        ("{x|lower|before:-}", "", ""),
        ("{y}", "a", None),
        ("{x", "a", None),
    ],
)
def test_expand(template: str, value: str, expected: str | None) -> None:
    assert expand(template, {"x": value}) == expected


def test_what_is_put_in_is_no_template() -> None:
    assert expand("{x}{y}", {"x": "{y}", "y": "{x}"}) == "{y}{x}"


def test_unknown_filters_are_faults_of_the_pack() -> None:
    with pytest.raises(KeyError):
        expand("{x|sideways}", {"x": "a"})


@pytest.mark.parametrize(
    ("template", "authority", "host"),
    [
        ("https://m.example.org/{path}", "m.example.org", "m.example.org"),
        ("https://m.example.org:8443/{path}", "m.example.org:8443", "m.example.org"),
        ("https://{host}/x", "", ""),
        ("https://m.example.org", "", ""),
        ("ftp://m.example.org/x", "", ""),
        ("//m.example.org/x", "", ""),
    ],
)
def test_the_host_of_a_template_is_literal(template: str, authority: str, host: str) -> None:
    assert (template_authority(template), template_host(template)) == (authority, host)


@given(st.text())
def test_quoting(text: str) -> None:
    short = text[:200].encode("utf-8", "replace").decode("utf-8", "replace")
    assert unquoted(quoted(text)) == short
    assert all(sign.isalnum() or sign in "-._~%" for sign in quoted(text)) and quoted(text).isascii()


@given(st.text())
def test_unquoting_never_raises(text: str) -> None:
    unquoted(text)


# --- records ---------------------------------------------------------------------------------------------


class Pair(Record):
    left: int
    right: str = "r"


def test_records_are_named_tuples() -> None:
    pair = Pair(1)
    assert pair == (1, "r") and pair.left == 1 and pair.right == "r" and hash(pair) == hash((1, "r"))
    assert Pair(right="x", left=2) == Pair(2, "x")
    assert pair._replace(right="y") == Pair(1, "y") and pair._asdict() == {"left": 1, "right": "r"}
    assert repr(pair) == "Pair(left=1, right='r')"
    assert pickle.loads(pickle.dumps(pair)) == pair
    with pytest.raises(AttributeError):
        pair.left = 3  # type: ignore[misc]


@pytest.mark.parametrize(("values", "named"), [((), {}), ((1, "a", 2), {}), ((1,), {"left": 2}), ((1,), {"up": 2})])
def test_records_refuse_wrong_fields(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Pair(*values, **named)


# --- the pack --------------------------------------------------------------------------------------------


def test_rules_are_found_by_host_in_order() -> None:
    one, two = rule("one", "a.example.org", "b.example.org"), rule("two", "b.example.org")
    found = pack(one, two)
    assert found.rules_for("a.example.org") == (one,)
    assert set(found.rules_for("b.example.org")) == {one, two}
    assert found.rules_for("c.example.org") == found.rules_for("example.org") == found.rules_for("") == ()
    assert found.rule("one") == one and found.rule("three") is None


def test_a_star_stands_for_one_label() -> None:
    found = pack(rule("cc", "*.archive.example.org"))
    assert found.rules_for("de.archive.example.org")
    assert not found.rules_for("archive.example.org")
    assert not found.rules_for("a.de.archive.example.org")
    assert not found.rules_for("de.archive.example.org.evil.example")


def test_rules_can_be_replaced_added_and_taken_out() -> None:
    before = pack(rule("one", "a.example.org"), rule("two", "b.example.org"))
    after = before.changed({"one": None, "two": rule("two", "c.example.org"), "three": rule("three", "c.example.org")})
    assert [found.id for found in after.rules()] == ["three", "two"]
    assert after.rules_for("a.example.org") == after.rules_for("b.example.org") == ()
    assert [found.id for found in after.rules_for("c.example.org")] == ["three", "two"]
    assert [found.id for found in before.rules_for("a.example.org")] == ["one"]  # the old one is as it was


TEXT = (
    '{"format":1,"ids":["one","two"],"never":["evil.example"],"skip":{"endings":[".sig"],"names":["keys"]},'
    '"moving":["latest"],"operators":[["Someone","DE"]],"hosts":{"a.example.org":[0],"b.example.org":[1]},"rules":[\n'
    '{"id":"one","title":"One","hosts":["a.example.org"],"patterns":[{"id":"p","url":"https://a[.]example[.]org/(?P<path>.+)"}],'
    '"mirrors":[{"id":"m","by":0,"url":"https://m.example.org/{path}","trust":"official"}],'
    '"digests":[{"id":"d","kind":"json_api","algorithm":"sha256","url":"https://a.example.org/api",'
    '"path":["files",{"where":"name","ends":"{path}"},["a","b"],0,"*"]}]},\n'
    "this line is never parsed\n]}\n"
)


def test_only_the_rules_asked_for_are_parsed() -> None:
    found = Pack.from_text(TEXT)
    (one,) = found.rules_for("a.example.org")
    assert one.mirrors == (Mirror("m", "Someone", "DE", "https://m.example.org/{path}", (), "official", True, True),)
    assert one.digests[0].json_path == ("files", Where("name", "{path}", True), ("a", "b"), 0, "*")
    assert found.limits == Limits(("evil.example",), (".sig",), frozenset({"keys"}), frozenset({"latest"}))
    with pytest.raises(json.JSONDecodeError):
        found.rules_for("b.example.org")


def test_patterns_are_compiled_once() -> None:
    found = pack()
    assert found.compiled("a+") is found.compiled("a+")


@pytest.mark.parametrize(
    ("host", "forbidden"),
    [("evil.example", True), ("cdn.evil.example", True), ("notevil.example", False), ("evil.example.org", False)],
)
def test_forbidden_domains(host: str, forbidden: bool) -> None:
    assert Limits(("evil.example",)).forbids(host) is forbidden
