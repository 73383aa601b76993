"""`mirrors`: the list of what is in force."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastdl.__main__ import main
from fastdl.io.rules_file import load_pack
from fastdl.io.store import Store
from mirrored import RULES, URL, Say, mirror
from mirrored import say as say
from mirrored import store as store
from mirrored import text as text

pytestmark = pytest.mark.usefixtures("config")


# --- the list --------------------------------------------------------------------------------------------


def test_every_rule_and_mirror_is_listed(say: Say) -> None:
    told = say()
    rules = list(load_pack().rules())
    assert [rule["id"] for rule in told["rules"]] == [rule.id for rule in rules]
    for said, rule in zip(told["rules"], rules, strict=True):
        assert said["enabled"] and not said["own"]
        assert said["hosts"] == list(rule.hosts)
        assert {each["url"] for each in said["mirrors"]} == {each.template for each in rule.mirrors}
        for each in said["mirrors"]:
            assert each["why"]
            assert each["trust"] in ("alias", "official", "third-party")
            assert not (each["trust"] == "third-party" and each["allowed"])


def test_the_short_list_has_a_line_for_each(text: Callable[..., list[str]]) -> None:
    lines = text()
    rules = list(load_pack().rules())
    total = sum(len(rule.mirrors) for rule in rules)
    assert lines[0].startswith(f"{len(rules)} ecosystems, {total} mirrors; ")
    assert [line.split()[0] for line in lines[4:]] == [rule.id for rule in rules]
    assert max(map(len, lines)) <= 120
    helm = next(line for line in lines if line.startswith("helm "))
    assert helm.split() == ["helm", "1", "0", "sha256", "get.helm.sh"]


@pytest.mark.parametrize("word", ["helm", "HELM", "get.helm.sh", "helm.sh", "Helm bin"])
def test_a_rule_is_found_by_name_host_and_title(word: str, say: Say) -> None:
    assert [rule["id"] for rule in say(word)["rules"]] == ["helm"]


def test_the_host_of_a_mirror_shows_what_it_has(config: Path, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    (rule,) = say("good.example.com")["rules"]
    assert [each["id"] for each in rule["mirrors"]] == ["good"]
    (rule,) = say("example.com")["rules"]
    assert len(rule["mirrors"]) == 5


def test_a_label_that_may_be_anything(say: Say) -> None:
    wild = next(rule for rule in load_pack().rules() if any("*" in host for host in rule.hosts))
    host = next(host for host in wild.hosts if "*" in host)
    assert wild.id in [rule["id"] for rule in say(host.replace("*", "fr"))["rules"]]


def test_ones_own_rules_and_what_is_switched_off(config: Path, say: Say, text: Callable[..., list[str]]) -> None:
    other = "\n[rules.helm]\nenabled = false\n[rules.k8s-dl]\nbuiltin-mirrors = false\n"
    config.write_text(RULES + other, encoding="utf-8")
    told = say()
    assert told["rules"][0]["id"] == "tools" and told["rules"][0]["own"]
    good, stranger = mirror(told, "good"), mirror(told, "stranger")
    assert (good["allowed"], good["operator"], good["region"], good["own"]) == (True, "Example Ltd", "DE", True)
    assert (stranger["allowed"], stranger["why"]) == (False, "switched off in the config")
    helm = told["rules"][-1]
    assert (helm["id"], helm["enabled"]) == ("helm", False)
    assert {each["why"] for each in helm["mirrors"]} == {"its rule is switched off in the config"}
    (kubernetes,) = say("k8s-dl")["rules"]
    assert {each["why"] for each in kubernetes["mirrors"]} == {"switched off in the config by builtin-mirrors"}
    lines = text()
    assert any(line.startswith("tools ") and line.endswith("(your own rule)") for line in lines)
    assert any(line.startswith("helm ") and line.endswith("(switched off in the config)") for line in lines)


@pytest.mark.parametrize(
    ("args", "allowed", "why"),
    [
        ([], False, "a third party that is not enabled in the config"),
        (["--trust", "any"], True, "with a strong digest of the publisher's"),
        (["--trust", "official"], False, "a third party, and only official sources are wanted"),
        (["--no-cdn"], False, "mapping is switched off"),
    ],
)
def test_the_list_obeys_the_options_of_get(args: list[str], allowed: bool, why: str, say: Say) -> None:
    (rule,) = say("github-release", *args)["rules"]
    for each in rule["mirrors"]:
        if each["trust"] == "third-party":
            assert each["allowed"] == allowed
            assert each["why"] == why


def test_a_mirror_that_wants_a_token_is_no_help(say: Say) -> None:
    assert {each["why"] for each in say("oci")["rules"][0]["mirrors"]} == {"it asks for a token of its own"}


def test_what_was_learned_stands_in_the_list(
    config: Path, say: Say, text: Callable[..., list[str]], store: Store
) -> None:
    from fastdl.io.store import Report

    config.write_text(RULES, encoding="utf-8")
    store.learn([Report("good.example.com", bytes=4 << 20, rate=3e6, latency=0.05, connections=4, ranges=True)])
    store.note_lie("bad.example.com", "it sent other bytes")
    store.close()
    told = say("tools")
    assert mirror(told, "good")["known"]["bytes_per_second"] == 3_000_000
    assert not mirror(told, "bad")["allowed"]
    assert mirror(told, "bad")["why"].startswith("it sent altered bytes on 20")
    lines = text("tools", "-v")
    assert any("good.example.com" in line and "2.9 MiB/s" in line and "50 ms" in line for line in lines)
    assert "       https://good.example.com/{version}/{file}" in lines


def test_no_line_has_control_characters(config: Path, text: Callable[..., list[str]]) -> None:
    config.write_text(RULES, encoding="utf-8")
    assert all(line.isprintable() for line in text("-v"))


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["nosuch"], "no rule and no mirror is called 'nosuch'"),
        (["helmm"], "Did you mean helm?"),
        (["helm", "kernel"], "one name"),
        (["test"], "no URL is given"),
        (["test", URL, URL], "one URL"),
        (["test", "example.org/x"], "https://example.org/x"),
        (["--insecure", "helm"], "mirrors test URL"),
        (["-o", "x", "helm"], "no such option"),
        (["--trust", "all"], "--trust"),
    ],
)
def test_usage(args: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirrors", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert part in err
    assert err.count("\n") == 1


def test_the_list_needs_no_network_and_no_database() -> None:
    heavy = ("typer", "httpx", "httpcore", "ssl", "socket", "sqlite3", "numpy", "fastdl.io.session")
    code = (
        "import sys; from fastdl.__main__ import main; assert main(['mirrors', 'helm']) == 0; "
        f"sys.stderr.write(' '.join(set({heavy!r}) & set(sys.modules)))"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
