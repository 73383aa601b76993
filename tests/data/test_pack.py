"""The pack is what the facts give, fits its schema, and keeps its promises; every case of the facts holds."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fastdl.core.mapper import Mapper
from fastdl.core.matching import mirror_url
from fastdl.core.normal_form import Normal, normal_form
from fastdl.core.pack import Pack
from fastdl.core.rules import CLASSES, Rule
from fastdl.core.templates import template_authority
from fastdl.core.trust import judge_sources
from fastdl.data import build
from fastdl.io.rules_file import load_pack

HERE = Path(__file__).parent
CASES: dict[str, list[dict[str, Any]]] = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
EACH: dict[str, dict[str, str]] = json.loads((HERE / "rules.json").read_text(encoding="utf-8"))
SCHEMA = json.loads(build.SCHEMA.read_text(encoding="utf-8"))
PACK = load_pack()
RULES = {rule.id: rule for rule in PACK.rules()}
MAPPER = Mapper(PACK)


# --- the file --------------------------------------------------------------------------------------------


def test_the_pack_is_what_the_facts_give() -> None:
    assert build.PACK.read_text(encoding="utf-8") == build.pack()
    assert build.main(["--check"]) == 0


def test_lines_and_document_say_the_same() -> None:
    text = build.PACK.read_text(encoding="utf-8")
    assert list(Pack.from_json(json.loads(text)).rules()) == list(Pack.from_text(text).rules())


def test_nothing_was_lost_on_the_way() -> None:
    assert len(RULES) == 72
    assert sum(len(rule.mirrors) for rule in RULES.values()) == 288
    left_out = [entry for rule in build.rules() for entry in rule.get("left_out", ())]
    assert sum(len(rule.digests) for rule in RULES.values()) + len(left_out) == 101
    assert all(entry["why"] for entry in left_out)


def test_another_format_is_refused() -> None:
    text = build.PACK.read_text(encoding="utf-8").replace('"format":1', '"format":2', 1)
    with pytest.raises(ValueError, match="format 2"):
        Pack.from_text(text)
    with pytest.raises(ValueError, match="format 2"):
        Pack.from_json(json.loads(text))


def test_every_source_of_a_fact_is_known() -> None:
    known = build.facts("sources")
    entries = [entry for rule in build.rules() for key in ("mirrors", "digests") for entry in rule.get(key, ())]
    assert {source for entry in entries for source in entry["sources"]} == set(known)


# --- the schema ------------------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(build.PACK.read_text(encoding="utf-8"))
    return found


def test_the_pack_fits_the_schema() -> None:
    assert list(build.violations(document(), SCHEMA)) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("format",), 2),
        (("rules", 0, "mirrors", 0, "trust"), "third"),
        (("rules", 0, "mirrors", 0, "url"), "ftp://example.org/x"),
        (("rules", 0, "mirrors", 0, "on"), "yes"),
        (("rules", 0, "mirrors", 0, "by"), -1),
        (("rules", 0, "patterns"), []),
        (("rules", 0, "patterns", 0, "url"), "[a-z]+"),
        (("rules", 0, "hosts", 0), "Example.ORG/"),
        (("rules", 0, "digests", 0, "algorithm"), "crc32"),
        (("rules", 0, "digests", 0, "kind"), "oracle"),
        (("rules", 0, "surprise"), 1),
        (("hosts", "example.org"), []),
        (("operators", 0), ["alone"]),
        (("never", 0), "not a host"),
    ],
)
def test_the_schema_refuses(place: tuple[Any, ...], value: Any) -> None:
    broken = copy.deepcopy(document())
    inner = broken
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert list(build.violations(broken, SCHEMA))


def test_the_schema_asks_for_what_is_needed() -> None:
    for name in SCHEMA["required"]:
        broken = document()
        del broken[name]
        assert list(build.violations(broken, SCHEMA)), name


def test_the_checker_knows_all_words_of_the_schema() -> None:
    words = {"$schema", "$defs", "title", "description", "$ref", "type", "enum", "const", "anyOf", "pattern"}
    words |= {"minLength", "items", "minItems", "properties", "required", "additionalProperties", "minimum"}

    def used(part: Any) -> set[str]:
        if not isinstance(part, dict):
            return set()
        names = set(part)
        for key, inner in part.items():
            if key in ("properties", "$defs"):
                names |= {word for each in inner.values() for word in used(each)}
            elif key == "anyOf":
                names |= {word for each in inner for word in used(each)}
            elif key in ("items", "additionalProperties"):
                names |= used(inner)
        return names

    assert used(SCHEMA) <= words


# --- what must hold for every rule -----------------------------------------------------------------------


def test_every_rule_has_a_positive_and_a_negative_case() -> None:
    assert set(EACH) == set(RULES)


@pytest.mark.parametrize("name", sorted(EACH))
def test_positive_and_negative(name: str) -> None:
    found = MAPPER.route(EACH[name]["yes"])
    assert found.ecosystem == name
    assert found.candidates or found.digests or found.embedded or name == "github-archive"
    refused = MAPPER.route(EACH[name]["no"])
    assert refused.candidates == ()
    host = normal_form(EACH[name]["no"])
    assert isinstance(host, Normal) and name in {rule.id for rule in PACK.rules_for(host.host)}


def test_no_template_names_a_malicious_or_dead_host() -> None:
    """`gone` holds dead hosts, or host/folder where only one service of a host ended."""
    everywhere = set(build.facts("common")["gone"])
    for raw in build.rules():
        rule = RULES[raw["id"]]
        gone = everywhere | (set(raw.get("gone", ())) - set(rule.hosts))
        for text in [mirror.template for mirror in rule.mirrors] + [digest.url for digest in rule.digests]:
            assert not any(PACK.limits.forbids(host) for host in re.findall(r"https?://([^/{]+)", text)), text
            assert not any(text.partition("://")[2].startswith(place + "/") for place in gone), text
    assert "mirrors.163.com" in everywhere


@pytest.mark.parametrize(
    "host",
    [
        "polyfill.io",
        "cdn.polyfill.io",
        "cdn.bootcdn.net",
        "cdn.bootcss.com",
        "cdn.staticfile.org",
        "cdn.staticfile.net",
    ],
)
def test_malicious_hosts_are_never_named(host: str) -> None:
    assert PACK.limits.forbids(host)
    assert not PACK.limits.forbids("not" + host.partition(".")[2])
    rule = RULES["helm"]
    evil = rule._replace(mirrors=(rule.mirrors[0]._replace(template=f"https://{host}/{{path}}"),))
    assert Mapper(PACK.changed({"helm": evil})).route(EACH["helm"]["yes"]).candidates == ()


def test_templates_have_a_literal_host_and_known_names() -> None:
    for rule in RULES.values():
        groups = {name for pattern in rule.patterns for name in PACK.compiled(pattern.regex).groupindex}
        for mirror in rule.mirrors:
            assert template_authority(mirror.template) == mirror.host != ""
            given = groups | set(mirror.needs) | ({mirror.lookup[0]} if mirror.lookup else set())
            for expression in re.findall(r"\{([^}]*)\}", mirror.template):
                assert expression.partition("|")[0] in given, mirror


def test_ids_are_unique_and_patterns_exist() -> None:
    for rule in RULES.values():
        ids = [pattern.id for pattern in rule.patterns]
        assert len(set(ids)) == len(ids)
        for entries in (rule.mirrors, rule.digests):
            names = [entry.id for entry in entries]
            assert len(set(names)) == len(names)
            assert all(set(entry.patterns) <= set(ids) for entry in entries)


def test_classes_and_defaults() -> None:
    for rule in RULES.values():
        for mirror in rule.mirrors:
            assert mirror.trust in CLASSES
            if mirror.trust == "third-party":
                assert not mirror.enabled
            if mirror.trust != "alias":
                assert mirror.digest_required


def hosts_of(regex: str) -> set[str]:
    """The hosts that a pattern accepts, "*" for a class of letters. Knows what the host parts of the pack use."""

    def texts(place: int) -> tuple[set[str], int]:
        """What the alternatives from `place` to the end of their group can be."""
        done: set[str] = set()
        current = {""}
        while place < len(regex) and regex[place] != ")":
            if regex[place] == "|":
                done, current, place = done | current, {""}, place + 1
                continue
            piece, place = one(place)
            if regex[place : place + 1] == "?":
                piece, place = piece | {""}, place + 1
            current = {text + more for text in current for more in piece}
        return done | current, place

    def one(place: int) -> tuple[set[str], int]:
        if regex.startswith("(?:", place):
            inner, end = texts(place + 3)
            return inner, end + 1
        if regex[place] == "\\":
            return {regex[place + 1]}, place + 2
        if regex[place] == "[":
            end = regex.index("]", place) + 1
            return {"*"}, regex.index("}", end) + 1 if regex[end] == "{" else end
        return {regex[place]}, place + 1

    regex = regex.replace("https?://", "").replace("https://", "").split("(?P<")[0]
    found, _ = texts(0)
    return {text.partition("/")[0] for text in found}


def test_hosts_of_patterns_are_in_the_index() -> None:
    """A pattern whose host no index names would never be asked; a host without a pattern would be asked in vain."""
    assert hosts_of(r"https?://(?:(?:[a-z]{2}\.)?archive|security)\.example\.org/x") == {
        "*.archive.example.org",
        "archive.example.org",
        "security.example.org",
    }
    for rule in RULES.values():
        accepted = {host for pattern in rule.patterns for host in hosts_of(pattern.regex)}
        assert accepted == set(rule.hosts), rule.id


def test_no_pattern_hangs() -> None:
    """Long texts that nearly match: the time must not explode. A hanging pattern would stop the whole suite."""
    for rule in RULES.values():
        base = EACH[rule.id]["yes"].split("?")[0]
        for filling in ("a", "-1", "/a", ".a", "a-", "1.", "%20", "@", "-1.a", "/a.tar.gz", "a/-/"):
            long = (base[: base.rindex("/") + 1] + filling * 2048)[:2040] + "!"
            MAPPER.route(long)
            for pattern in rule.patterns:
                PACK.compiled(pattern.regex).fullmatch(long)
            if rule.skip:
                PACK.compiled(rule.skip).search(long)
            for digest in rule.digests:
                for when in digest.when:
                    PACK.compiled(when.regex).fullmatch((filling * 2048)[:2040] + "!")


def test_look_ups_go_over_tls_to_hosts_of_the_rule() -> None:
    """A digest is worth what the connection to its publisher is worth."""
    for case in EACH.values():
        for look in MAPPER.route(case["yes"]).digests:
            for url in (look.url, *look.alternatives):
                assert url.startswith("https://") and "{" not in url, look


# --- the cases of the facts ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES["mapped"], ids=lambda case: case["url"][-60:])
def test_mapped(case: dict[str, Any]) -> None:
    route = MAPPER.route(case["url"])
    assert route.ecosystem == case["rule"]
    found = {candidate.url: (candidate.trust, candidate.enabled) for candidate in route.candidates}
    for url, trust, enabled in case.get("sources", ()):
        assert found.get(url) == (trust, enabled)
    assert not {candidate.host for candidate in route.candidates} & set(case.get("hosts_without", ()))
    digest = case.get("digest")
    if digest and "value" in digest:
        assert route.embedded is not None
        assert (route.embedded.hex, route.embedded.algorithm) == (digest["value"], digest["algorithm"])
    elif digest:
        assert (digest["url"], digest["algorithm"]) in {(look.url, look.algorithm) for look in route.digests}


@pytest.mark.parametrize("case", CASES["not_mapped"], ids=lambda case: ascii(case["url"][:70]))
def test_not_mapped(case: dict[str, Any]) -> None:
    route = MAPPER.route(case["url"], private=case.get("secret", False))
    assert route.candidates == ()
    assert route.why
    if case.get("secret"):
        assert route.digests == () and route.rule is None
        open_route = MAPPER.route(case["url"])
        verdicts = judge_sources(open_route, None, False, "any", "prefer", True, frozenset(), "auto")
        assert not any(verdict.allowed for verdict in verdicts)


def test_all_cases_are_there() -> None:
    assert (len(CASES["mapped"]), len(CASES["not_mapped"])) == (90, 75)


def test_mapped_hosts_are_those_of_the_templates() -> None:
    hosts = {mirror.host for rule in RULES.values() for mirror in rule.mirrors}
    for case in CASES["mapped"]:
        assert {candidate.host for candidate in MAPPER.route(case["url"]).candidates} <= hosts


def test_the_mirror_function_knows_its_limits() -> None:
    rule: Rule = RULES["github-release"]
    by_name = {mirror.id: mirror for mirror in rule.mirrors}
    names = {"owner": "git-for-windows", "repo": "git", "tag": "v1", "asset": "a.exe"}
    assert mirror_url(by_name["tuna"], names) is None  # its folder is the release's name, which must be asked for
    assert mirror_url(by_name["tuna"], {**names, "release_name": "Git 1"}) == (
        "https://mirrors.tuna.tsinghua.edu.cn/github-release/git-for-windows/git/Git%201/a.exe"
    )
    for hostile in ("..", "a/../b", "\x00", "%2f", "a\nb", "x?y", "x#y", "@evil.example"):
        url = mirror_url(by_name["tuna"], {**names, "release_name": hostile})
        assert url is None or url.startswith("https://mirrors.tuna.tsinghua.edu.cn/github-release/git-for-windows/git/")
        assert url is None or not any(part in url for part in ("/../", "\n", "?", "#", "@"))
