"""The pack as it is loaded, and the user's own rules: what they can change, and how a wrong one is told."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fastdl.core.config_table import line_of
from fastdl.errors import UsageError
from fastdl.io.rules_file import load_pack, open_mapper

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HELM = "https://get.helm.sh/helm-v3.9.1-linux-amd64.tar.gz"
COMPANY = """
[rules.tools]
match = "https://tools.example.org/releases/{version}/{path...}"
mutable = ["https://tools.example.org/releases/latest/{path...}"]
title = "our tools"

[rules.tools.mirrors.berlin]
url = "https://artifactory.example.com:8443/artifactory/tools/{version}/{path}"
operator = "Example Ltd"
region = "DE"

[rules.tools.mirrors.twin]
url = "https://tools2.example.org/releases/{version}/{path}"
trust = "alias"

[rules.tools.digests.sums]
url = "https://tools.example.org/releases/{version}/SHA512SUMS"
kind = "sums_file"
algorithm = "sha512"
"""


def with_rules(text: str) -> Any:
    return open_mapper(tomllib.loads(text).get("rules", {}), text, "config.toml")


def urls(mapper: Any, url: str) -> list[str]:
    return [candidate.url for candidate in mapper.route(url).candidates]


# --- changes ---------------------------------------------------------------------------------------------


def test_a_rule_of_ones_own() -> None:
    mapper = with_rules(COMPANY)
    route = mapper.route("https://tools.example.org/releases/1.2/linux/tool.tgz")
    assert (route.rule, route.ecosystem, route.mutable) == ("tools/match-1", "tools", False)
    twin, berlin = route.candidates
    assert twin.url == "https://tools2.example.org/releases/1.2/linux/tool.tgz"
    assert (twin.trust, twin.digest_required, twin.own) == ("alias", False, True)
    assert berlin.url == "https://artifactory.example.com:8443/artifactory/tools/1.2/linux/tool.tgz"
    assert (berlin.host, berlin.operator, berlin.region) == ("artifactory.example.com", "Example Ltd", "DE")
    assert berlin.digest_required and berlin.enabled
    (look,) = route.digests
    assert (look.kind, look.algorithm, look.entry) == ("sums_file", "sha512", "tool.tgz")
    assert look.url == "https://tools.example.org/releases/1.2/SHA512SUMS"
    moving = mapper.route("https://tools.example.org/releases/latest/tool.tgz")
    assert moving.mutable and moving.candidates == ()


def test_the_rest_of_the_pack_stays() -> None:
    assert urls(with_rules(COMPANY), HELM) == urls(open_mapper(), HELM) != []


def test_one_more_mirror() -> None:
    text = '[rules.helm.mirrors.company]\nurl = "https://nexus.example.com/repository/helm/{path}"'
    found = urls(with_rules(text), HELM)
    before = urls(open_mapper(), HELM)
    assert found == [*before, "https://nexus.example.com/repository/helm/helm-v3.9.1-linux-amd64.tar.gz"]


def test_mirrors_and_rules_switched_off_and_on() -> None:
    def enabled(text: str) -> dict[str, bool]:
        return {candidate.mirror_id: candidate.enabled for candidate in with_rules(text).route(HELM).candidates}

    assert enabled("") == {"helm/daocloud-files": True}
    assert enabled("[rules.helm.mirrors.daocloud-files]\nenabled = false") == {"helm/daocloud-files": False}
    assert enabled("[rules.helm]\nenabled = false") == {}
    assert enabled("[rules.helm]\nbuiltin-mirrors = false") == {"helm/daocloud-files": False}
    text = '[rules.helm]\nbuiltin_mirrors = false\n[rules.helm.mirrors.own]\nurl = "https://m.example.com/{path}"'
    assert enabled(text) == {"helm/daocloud-files": False, "helm/own": True}
    text = "[rules.github-release.mirrors.xget]\nenabled = true"
    route = with_rules(text).route("https://github.com/o/r/releases/download/v1/x.zip")
    (xget,) = [candidate for candidate in route.candidates if candidate.mirror_id == "github-release/xget"]
    assert xget.enabled and xget.trust == "third-party" and xget.digest_required


def test_a_mirror_and_a_rule_replaced() -> None:
    text = '[rules.helm.mirrors.daocloud-files]\nurl = "https://m.example.com/{path|basename}"'
    assert urls(with_rules(text), HELM) == ["https://m.example.com/helm-v3.9.1-linux-amd64.tar.gz"]
    text = '[rules.helm]\nmatch = "https://get.helm.sh/{file}"'
    route = with_rules(text).route(HELM)
    assert route.rule == "helm/match-1" and route.candidates == () and route.digests == ()


def test_a_mirror_for_the_patterns_that_have_its_names() -> None:
    text = '[rules.jsdelivr.mirrors.own]\nurl = "https://m.example.com/{pkg}/{version}/{path}"'
    mapper = with_rules(text)
    assert "https://m.example.com/jquery/3.7.1/a.js" in urls(mapper, "https://cdn.jsdelivr.net/npm/jquery@3.7.1/a.js")
    assert not [url for url in urls(mapper, "https://cdn.jsdelivr.net/gh/o/r@1.2.3/a.js") if "m.example.com" in url]


def test_globs_match_in_full_and_never_hang() -> None:
    text = '[rules.x]\nmatch = "https://x.example.org/{a}-{b}/v{c}.{d}/{rest...}.zip"'
    text += '\n[rules.x.mirrors.m]\nurl = "https://m.example.com/{a}/{b}/{c}/{d}/{rest}"'
    mapper = with_rules(text)
    assert urls(mapper, "https://x.example.org/a-b/v1.2/x/y.zip") == ["https://m.example.com/a/b/1/2/x/y"]
    assert urls(mapper, "https://x.example.org/a-b/v1.2/x/y.zip.exe") == []
    assert urls(mapper, "https://xyexample.org/a-b/v1.2/x/y.zip") == []
    for filling in ("-", "a-", "/", "v1.", "-/v.", ".zip"):
        mapper.route(("https://x.example.org/" + filling * 2000)[:2040] + "!")


# --- errors ----------------------------------------------------------------------------------------------

DIGEST = "[rules.helm.digests.d]\nurl = 'https://m.example.com/{path}'\n"
D = "rules.helm.digests.d"
HEAD = "[rules.helm.mirrors.new]\nurl = "
NEW = "rules.helm.mirrors.new.url"
RULE = '[rules.x]\nmatch = "https://x.example.org/{path...}"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        ("[rules.x]\nenabled = true", 1, "rules.x", "needs match"),
        ("[rules.x]\nenabled = false", 2, "rules.x.enabled", "no such rule"),
        ('[rules.helm]\nenabled = "no"', 2, "rules.helm.enabled", "neither true nor false"),
        ("# one\n\n[rules.helm]\ntitle = 'x'\ncolour = 1", 5, "rules.helm.colour", "no such key"),
        ("[rules.helm]\nbuiltin-mirrors = false\nbuiltin_mirrors = false", 2, "rules.helm.builtin_mirrors", "twice"),
        ("[rules.helm]\nmutable = 'https://get.helm.sh/x'", 2, "rules.helm.mutable", "belongs to a rule with match"),
        ("[rules.helm]\ntitle = ''", 2, "rules.helm.title", "not a line of text"),
        ("[rules]\nhelm = 1", 2, "rules.helm", "not a table"),
        ("[rules.'a b']\nenabled = false", 1, "rules.a b", "other signs"),
        ("[rules.helm]\nmirrors = 1", 2, "rules.helm.mirrors", "not a table"),
        ("[rules.helm.mirrors.new]\nregion = 'DE'", 1, "rules.helm.mirrors.new", "needs url"),
        (HEAD + "'http://m.example.com/{path}'", 2, NEW, "https://"),
        (HEAD + "'https://u:p@m.example.com/{path}'", 2, NEW, "user name"),
        (HEAD + "'https://{path}/x'", 2, NEW, "https://"),
        (HEAD + "'https://cdn.bootcdn.net/{path}'", 2, NEW, "malicious"),
        (HEAD + "'https://m.example.com/{file}'", 2, NEW, "not a name"),
        (HEAD + "'https://m.example.com/{path|up}'", 2, NEW, "filter"),
        (HEAD + "'https://m.example.com/../{path}'", 2, NEW, "normal form"),
        (HEAD + "'https://m.example.com/{path}?a=1'", 2, NEW, "query"),
        (HEAD + "'https://m.example.com/{path'", 2, NEW, "normal form"),
        ("[rules.helm.mirrors.daocloud-files]\ntrust = 'full'", 2, "rules.helm.mirrors.daocloud-files.trust", "values"),
        ("[rules.helm.digests.d]\nkind = 'side_file'", 1, D, "needs url"),
        (DIGEST + "kind = 'oracle'", 3, D + ".kind", "values"),
        (DIGEST + "algorithm = 'crc'", 3, D + ".algorithm", "values"),
        ("[rules.x]\nmatch = 'http://x.example.org/{p}'", 2, "rules.x.match", "https://"),
        ("[rules.x]\nmatch = 'https://x.example.org:1/{p}'", 2, "rules.x.match", "public name"),
        ("[rules.x]\nmatch = 'https://X.example.org/{p}'", 2, "rules.x.match", "public name"),
        ("[rules.x]\nmatch = 'https://cdn.polyfill.io/{p}'", 2, "rules.x.match", "malicious"),
        ("[rules.x]\nmatch = 'https://x.example.org/{p}{q}'", 2, "rules.x.match", "braces"),
        ("[rules.x]\nmatch = 'https://x.example.org/{p}/{p}'", 2, "rules.x.match", "different words"),
        ("[rules.x]\nmatch = 'https://x.example.org/{a...}/{b...}'", 2, "rules.x.match", "too many"),
        ("[rules.x]\nmatch = 'https://x.example.org/{a}-{b}-{c}'", 2, "rules.x.match", "too many"),
        ("[rules.x]\nmatch = 'https://x.example.org/a?b={p}'", 2, "rules.x.match", "query"),
        ("[rules.x]\nmatch = 'https://x.example.org/a//{p}'", 2, "rules.x.match", "normal form"),
        ("[rules.x]\nmatch = []", 2, "rules.x.match", "empty"),
        ("[rules.x]\nmatch = 1", 2, "rules.x.match", "neither a text nor a list"),
        (RULE + "[rules.x.mirrors.m]\nurl = 'https://m.example.com/{file}'", 4, "rules.x.mirrors.m.url", "has: path"),
        ("rules.helm.mirrors.new.url = 'ftp://x'", 1, NEW, "https://"),
        ("[rules]\nhelm = { enabled = 3 }", 2, "rules.helm.enabled", "neither"),
    ],
)  # fmt: skip
def test_a_wrong_rule_names_file_line_and_key(text: str, line: int, key: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_rules(text)
    message = str(caught.value)
    assert message.startswith(f"config.toml, line {line}, key {key}: ")
    assert why in message and "\n" not in message


def test_credentials_of_a_wrong_url_are_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        with_rules(HEAD + "'https://u:geheim@m.example.com/{path}'")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("tables", [[], 1, "x", {"helm": []}, {"helm": {"mirrors": {"m": 1}}}, {"": {}}])
def test_other_shapes_are_usage_errors(tables: Any) -> None:
    with pytest.raises(UsageError):
        load_pack().with_user_rules(tables, "", "")


def test_lines() -> None:
    text = 'a = 1\n[x."y.z"] # note\nb-c = 2\nd.e = 3\n[[list]]\nb_c = 4\n'
    assert line_of(text, ("a",)) == 1
    assert line_of(text, ("x", "y.z")) == 2
    assert line_of(text, ("x", "y.z", "b_c")) == 3
    assert line_of(text, ("x", "y.z", "d", "e")) == 4
    assert line_of(text, ("x", "y.z", "other")) == 2
    assert line_of(text, ("list", "b-c")) == 6
    assert line_of(text, ("nowhere",)) == 1


# --- loading ---------------------------------------------------------------------------------------------


def test_nothing_heavy_is_loaded_for_one_url() -> None:
    """cachetools alone would take as long as everything else of a look-up."""
    code = (
        "import sys; from fastdl.io.rules_file import open_mapper; "
        f"assert open_mapper().route({HELM!r}).candidates; "
        "heavy = {'cachetools', 'httpx', 'importlib.resources', 'tomllib', 'fastdl.core.user_rules'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"


def test_only_the_rules_of_the_host_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastdl.core import rules

    parsed: list[str] = []
    whole = rules.rule_of
    monkeypatch.setattr(rules, "rule_of", lambda raw, operators: parsed.append(raw["id"]) or whole(raw, operators))
    mapper = open_mapper()
    assert mapper.route(HELM).candidates and mapper.route("https://example.org/x").candidates == ()
    assert parsed == ["helm"]
    assert len(mapper.pack._compiled) == 1


def test_many_urls_get_a_cache() -> None:
    mapper = open_mapper(many=True)
    assert mapper.route(HELM) == mapper.route(HELM)
    assert mapper.cache is not None and mapper.cache.hits == 1
