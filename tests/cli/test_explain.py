"""`explain`: what it says of URLs without asking servers, and what it never tells anybody."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from explained import CASES, HELM, NAME, PLAIN, RULES, SHA, Say, allowed, by_host
from fastdl.__main__ import main

pytestmark = pytest.mark.usefixtures("config")
HEAVY = ("typer", "click", "rich", "tqdm", "httpx", "httpcore", "numpy", "psutil", "cachetools", "ssl", "asyncio",
         "sqlite3", "fastdl.io.session", "fastdl.io.lookup")  # fmt: skip


# --- without asking --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES["mapped"], ids=lambda case: case["url"][-60:])
def test_what_the_rules_know(case: dict[str, Any], offline: Say) -> None:
    told = offline(case["url"])
    assert list(told) == ["url", "rule", "ecosystem", "sources", "digest", "plan"]
    assert told["ecosystem"] == case["rule"]
    assert told["rule"].startswith(case["rule"] + "/")
    origin = told["sources"][0]
    assert (origin["trust"], origin["allowed"]) == ("origin", True)
    for source in told["sources"]:
        assert list(source) == ["url", "host", "operator", "region", "trust", "allowed", "why"]
        assert source["why"] and source["host"] in source["url"]
    found = {source["url"]: source for source in told["sources"][1:]}
    for url, trust, enabled in case.get("sources", ()):
        assert found[url]["trust"] == trust
        assert enabled or not found[url]["allowed"]
    digest = case.get("digest") or {}
    if "value" in digest:
        assert told["digest"] == {**digest, "source": "url", "status": "known"}
    elif digest:
        assert digest["url"] in told["plan"]["digest_lookups"]
        assert told["digest"]["status"] in ("unreachable", "known")


@pytest.mark.parametrize("case", CASES["not_mapped"], ids=lambda case: ascii(case["url"][:70]))
def test_what_is_not_mapped_has_the_origin_alone(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    secret = ["-H", "Authorization: hunter2"] if case.get("secret") else []
    code = main(["explain", "--offline", "--json", *secret, "--", case["url"]])
    out, err = capsys.readouterr()
    if code == 2:
        assert err.startswith("fastdl: error: ")  # no URL that could be downloaded
        return
    told = json.loads(out)
    assert [source["trust"] for source in told["sources"]] == ["origin"]
    assert told["plan"]["mapping"]
    if secret:
        assert "secret" in told["plan"]["mapping"]
        assert told["plan"]["digest_lookups"] == []


def test_a_digest_in_the_url_lets_mirrors_help(offline: Say) -> None:
    case = next(case for case in CASES["mapped"] if "value" in (case.get("digest") or {}) and case.get("sources"))
    told = offline(case["url"])
    assert told["digest"]["value"] == case["digest"]["value"]
    assert {source["trust"] for source in told["sources"] if source["allowed"]} == {"origin", "official"}
    assert told["plan"]["check"] == f"{told['digest']['algorithm']} that stands in the URL"
    assert told["plan"]["steps"][1] == "Nobody is asked for the digest: it is known already."


def test_without_a_digest_mirrors_wait_and_with_one_of_the_users_they_do_not(offline: Say) -> None:
    told = offline(HELM)
    assert told["digest"] == {"algorithm": None, "value": None, "source": None, "status": "unreachable"}
    assert told["plan"]["digest_why"] == "nobody was asked"
    assert told["plan"]["digest_lookups"][0] == HELM + ".sha256"
    assert allowed(told) == ["get.helm.sh"]
    assert {source["why"] for source in told["sources"][1:]} == {"waits for the publisher's digest"}
    told = offline("--checksum", f"sha256:{SHA}", HELM)
    assert told["digest"] == {"algorithm": "sha256", "value": SHA, "source": "user", "status": "known"}
    assert len(allowed(told)) == len(told["sources"]) > 1
    told = offline("--checksum", "md5:" + "0" * 32, HELM)
    assert allowed(told) == ["get.helm.sh"]


def test_a_host_that_no_rule_knows(offline: Say) -> None:
    told = offline(PLAIN, "-m", "https://m.example.com/a.zip")
    assert (told["rule"], told["ecosystem"]) == (None, None)
    assert [(source["host"], source["trust"]) for source in told["sources"]] == [
        ("files.example.org", "origin"),
        ("m.example.com", "origin"),
    ]
    assert told["sources"][1]["why"] == "given with -m"
    assert told["digest"]["status"] == "none"
    assert told["plan"]["path"] == "a.zip"
    assert told["plan"]["size"] is None


@pytest.mark.parametrize("args", [["--no-cdn"], ["--cdn", "off"], ["--cdn=off"]])
def test_mapping_switched_off(args: list[str], offline: Say) -> None:
    told = offline(*args, "--checksum", f"sha256:{SHA}", HELM)
    assert allowed(told) == ["get.helm.sh"]
    assert "switched off" in told["sources"][1]["why"]
    assert told["plan"]["digest_lookups"], "the origin is still asked for its digest"


# --- the user's own rules and choices --------------------------------------------------------------------


def test_rules_of_ones_own(config: Path, offline: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    told = offline(NAME)
    assert (told["rule"], told["ecosystem"]) == ("tools/match-1", "tools")
    sources = by_host(told)
    assert sources["twin.tools.example.org"]["allowed"]
    assert sources["berlin.example.com"] | {"url": "", "why": ""} == {
        "url": "",
        "host": "berlin.example.com",
        "operator": "Example Ltd",
        "region": "DE",
        "trust": "official",
        "allowed": False,
        "why": "",
    }
    assert told["plan"]["digest_lookups"] == ["https://tools.example.org/releases/1.2/SHA256SUMS"]


def test_a_mirror_that_is_given_as_well_is_listed_once(config: Path, offline: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    told = offline(NAME, "-m", "https://berlin.example.com/tools/1.2/tool.tgz")
    assert [source["trust"] for source in told["sources"] if source["host"] == "berlin.example.com"] == ["origin"]


def test_trust_and_region(config: Path, offline: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    digest = ("--checksum", f"sha256:{SHA}")
    assert "stranger.example.net" not in allowed(offline(*digest, NAME))
    assert "stranger.example.net" not in allowed(offline(*digest, "--trust", "any", NAME))  # the user switched it off
    told = offline(*digest, "--trust=official", NAME)
    assert by_host(told)["stranger.example.net"]["why"].startswith("a third party")
    hosts = {
        region: [host for host in allowed(offline(*digest, "--region", region, NAME)) if host.endswith(".com")]
        for region in ("no", "DE")
    }
    assert hosts == {
        "no": ["oslo.example.com", "berlin.example.com"],
        "DE": ["berlin.example.com", "oslo.example.com"],
    }


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("jobs = 1\n\n[rules.tools]\ntitle = 'x'\n", "line 3, key rules.tools"),
        ("rules = 3\n", "line 1, key rules"),
        ("rules = ''\n", "line 1, key rules"),
        ("[rules.helm.mirrors.x]\nurl = 'https://m.example.org/{nonsense}'\n", "line 2, key rules.helm.mirrors.x.url"),
    ],
)
@pytest.mark.parametrize("command", ["explain", "get", "resume"])
def test_a_wrong_rule_ends_every_command(
    command: str, text: str, place: str, config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config.write_text(text, encoding="utf-8")
    assert main([command, str(tmp_path) if command == "resume" else PLAIN]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fastdl: error: {config}, {place}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--cdn", "never", PLAIN], "--cdn"),
        (["--trust", "all", PLAIN], "See --trust in 'fastdl get --help'"),
        (["--region", "D E", PLAIN], "--region"),
        (["--cdn", "prefer", "--no-cdn", PLAIN], "exclude each other"),
        ([PLAIN, PLAIN], "one URL"),
        ([], "no URL"),
        (["example.org/x"], "https://example.org/x"),
        (["--offlin", PLAIN], "did you mean --offline"),
    ],
)
def test_usage(args: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert part in err
    assert err.count("\n") == 1


def test_offline_is_of_explain_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "--offline", PLAIN]) == 2
    assert "no such option" in capsys.readouterr().err
    main(["get", "--help"])
    assert "--offline " not in capsys.readouterr().out
    main(["explain", "--help"])
    assert "--offline " in capsys.readouterr().out


# --- secrets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ["-H", "X-Team: hunter2"],
        ["-u", "me:hunter2"],
        ["-u", "me"],
        ["-e", "https://example.org/hunter2"],
        ["--bearer-env", "TOKEN"],
        ["--netrc"],
        ["-b", "cookies.txt"],
        ["--cert", "cert.pem"],
        ["-m", "https://me:hunter2@m.example.com/f"],
    ],
    ids=lambda args: args[0],
)
def test_a_private_request_is_mapped_nowhere_and_says_so(
    args: list[str], offline: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "hunter2")
    (tmp_path / ".netrc").write_text("machine get.helm.sh login me password hunter2\n", encoding="utf-8")
    (tmp_path / "cookies.txt").write_text("get.helm.sh\tFALSE\t/\tTRUE\t0\tsid\thunter2\n", encoding="utf-8")
    (tmp_path / "cert.pem").write_text("", encoding="utf-8")
    told = offline(*args, HELM)
    assert {source["trust"] for source in told["sources"]} == {"origin"}
    assert told["rule"] is None
    assert "secret" in told["plan"]["mapping"]
    assert told["plan"]["digest_lookups"] == []
    assert "hunter2" not in json.dumps(told)


@pytest.mark.parametrize(
    "url", [f"https://me:hunter2@{HELM[8:]}", f"{HELM}?token=hunter2", f"{HELM}?X-Amz-Signature=hunter2"]
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_url_with_a_secret_is_masked(url: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--offline", *options, url]) == 0
    out, err = capsys.readouterr()
    assert "hunter2" not in out + err
    assert "origin" in out and "official" not in out


# --- as text, and quickly --------------------------------------------------------------------------------


def test_the_text_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--offline", HELM]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["URL", "File", "Rule", "Sources", "Digest", "Plan"]
    assert lines[1] == f"  {HELM}"
    assert "  helm/file: the rule for Helm binaries applies" in lines
    at = lines.index("Sources")
    assert re.fullmatch(r"  first  origin +- +get\.helm\.sh +the URL that was given", lines[at + 2])
    assert lines[at + 3].strip() == HELM
    assert re.fullmatch(r"  waits  official +\S+ +\S+ \(.+\) +waits for the publisher's digest", lines[at + 4])
    assert "  not known: nobody was asked" in lines
    assert f"  it may stand at {HELM}.sha256" in lines
    assert "  1. get.helm.sh begins at once." in lines
    assert err == ""


def test_explaining_offline_loads_no_network() -> None:
    code = (
        "import sys; from fastdl.__main__ import main; "
        f"assert main(['explain', '--offline', '--json', {HELM!r}]) == 0; "
        f"sys.stderr.write(' '.join(set({HEAVY!r}) & set(sys.modules)))"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- what is remembered ----------------------------------------------------------------------------------


def test_liars_and_what_is_known_of_hosts(
    config: Path, offline: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from fastdl.io.store import Report, Store

    config.write_text(RULES, encoding="utf-8")
    store = Store(str(tmp_path / "state"))
    store.learn([Report("oslo.example.com", bytes=8 << 20, rate=5e6, latency=0.02, connections=4, ranges=True)])
    store.note_lie("berlin.example.com", "it sent other bytes")
    store.close()
    digest = ("--checksum", f"sha256:{SHA}")
    told = offline(*digest, NAME)
    berlin = by_host(told)["berlin.example.com"]
    assert not berlin["allowed"]
    assert re.fullmatch(r"it sent altered bytes on 20\d\d-\d\d-\d\d", berlin["why"])
    assert allowed(told)[1] == "oslo.example.com", "who is known to be fast is asked before the operator's other name"
    servers = {server["host"]: server for server in told["plan"]["servers"]}
    assert servers["oslo.example.com"]["bytes_per_second"] == 5_000_000
    assert servers["berlin.example.com"]["lied"] == berlin["why"]
    assert main(["explain", "--offline", *digest, NAME]) == 0
    assert "known from earlier: 4.8 MiB/s a connection, answers in 20 ms, seen 20" in capsys.readouterr().out


@pytest.mark.parametrize("args", [["--offline"], ["--connect-to", ":443:127.0.0.1:1", "--no-proxy"]])
def test_a_damaged_state_file_is_told(args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.sqlite3").write_bytes(b"no database at all" * 100)
    assert main(["explain", "--json", *args, PLAIN]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["plan"]["servers"] == []
    assert err.startswith("fastdl: warning: ") and "damaged" in err and err.count("\n") == 1


# --- the same as get -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"checksum": f"sha256:{SHA}"},
        {"checksum": "md5:" + "0" * 32},
        {"checksum": f"sha256:{SHA}", "trust": "official"},
        {"trust": "any"},
        {"checksum": f"sha256:{SHA}", "cdn": "off"},
        {"insecure": True},
        {"region": "CN"},
        {"headers": [("X-Team", "build")]},
    ],
    ids=str,
)
def test_it_allows_those_whom_get_allows(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anybody was asked; whom the digest lets in is decided by the same function of the trust table."""
    from fastdl.core.urls import parse_url
    from fastdl.core.verify import parse_checksum
    from fastdl.engine.evidence import Evidence
    from fastdl.engine.explaining.explain import explain
    from fastdl.engine.proof import Expected
    from fastdl.engine.sourcing import Sourcing
    from fastdl.io.contact import Place
    from fastdl.io.session import Session
    from fastdl.io.store import Store
    from fastdl.settings import Settings

    urls = [case["url"] for case in CASES["mapped"]]
    liar = next(
        source["url"] for case in CASES["mapped"] for source in _sources(case, Settings(checksum=f"sha256:{SHA}"))
    )
    store = Store(str(tmp_path / "state"))
    store.note_lie(parse_url(liar).netloc, "it sent other bytes")
    store.close()
    settings = Settings(**changes)
    session = Session(settings)
    # as if those who publish the digest had been asked, and not answered yet
    looking = property(lambda self: bool(self.route.digests) and self.proof is None)
    monkeypatch.setattr(Evidence, "looking", looking)
    try:
        for url in urls:
            given = [Expected(parse_checksum(settings.checksum), "user")] if settings.checksum else []
            places = [Place(parse_url(url))]
            evidence = Evidence(session, settings, url, places[0].given, given, print)
            sourcing = Sourcing(session, settings, places, evidence, print)
            if evidence.route.embedded is not None:
                evidence._learn(Expected(evidence.route.embedded, "url"), proves=True)
            closed = settings.cdn == "off" or evidence.private
            joins = [] if closed else [place.given.text for place in sourcing._allowed()]
            told = explain(settings, url, offline=True)
            said = [source["url"] for source in told["sources"][1:] if source["allowed"]]
            assert sorted(said) == sorted(joins), url
            assert liar not in said
    finally:
        session.close()


def _sources(case: dict[str, Any], settings: Any) -> list[dict[str, Any]]:
    from fastdl.engine.explaining.explain import explain

    return [source for source in explain(settings, case["url"], offline=True)["sources"][1:] if source["allowed"]]
