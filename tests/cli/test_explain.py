"""`explain`: what it says of URLs without and with asking servers, and what it never tells anybody."""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from fastdl.__main__ import main
from servers.raw import Connection, RawServer, Request

CASES = json.loads((Path(__file__).parents[1] / "data/cases.json").read_text(encoding="utf-8"))
HELM = "https://get.helm.sh/helm-v3.9.1-linux-amd64.tar.gz"
PLAIN = "https://files.example.org/a.zip"
NAME = "https://tools.example.org/releases/1.2/tool.tgz"
FILE = b"the whole tool" * 1000
SHA = hashlib.sha256(FILE).hexdigest()
RULES = """
[rules.tools]
match = "https://tools.example.org/releases/{version}/{file}"

[rules.tools.mirrors.berlin]
url = "https://berlin.example.com/tools/{version}/{file}"
operator = "Example Ltd"
region = "DE"

[rules.tools.mirrors.oslo]
url = "https://oslo.example.com/tools/{version}/{file}"
region = "NO"

[rules.tools.mirrors.twin]
url = "https://twin.tools.example.org/releases/{version}/{file}"
trust = "alias"

[rules.tools.mirrors.stranger]
url = "https://stranger.example.net/{version}/{file}"
trust = "third-party"
enabled = false

[rules.tools.digests.sums]
url = "https://tools.example.org/releases/{version}/SHA256SUMS"
kind = "sums_file"
"""
HEAVY = ("typer", "click", "rich", "tqdm", "httpx", "httpcore", "numpy", "psutil", "cachetools", "ssl", "asyncio",
         "sqlite3", "fastdl.io.session", "fastdl.io.lookup")  # fmt: skip
Say = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty config file; nothing of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("FASTDL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    monkeypatch.setenv("FASTDL_CONFIG", str(path))
    return path


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """The object of `explain --json ARGS`."""

    def run(*args: str) -> dict[str, Any]:
        assert main(["explain", "--json", *args]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        told: dict[str, Any] = json.loads(out)
        return told

    return run


@pytest.fixture
def offline(say: Say) -> Say:
    return lambda *args: say("--offline", *args)


def by_host(told: dict[str, Any]) -> dict[str, Any]:
    return {source["host"]: source for source in told["sources"]}


def allowed(told: dict[str, Any]) -> list[str]:
    return [source["host"] for source in told["sources"] if source["allowed"]]


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
    assert told["plan"]["mirrors"] == "not used yet by this version"


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


@pytest.mark.parametrize("args", [["--no-cdn"], ["--cdn", "off"], ["--cdn=off", "--no-cdn"]])
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
    assert "stranger.example.net" in allowed(offline(*digest, "--trust", "any", NAME))
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
        (["--trust", "all", PLAIN], "See --trust in 'fastdl explain --help'"),
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


@pytest.mark.parametrize("args", [["--offline"], ["--no-cdn"], ["--cdn=off"], ["--trust=any"], ["--region=DE"]])
def test_get_has_none_of_these_yet(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", *args, PLAIN]) == 2
    assert "no such option" in capsys.readouterr().err
    main(["get", "--help"])
    assert args[0].split("=")[0] + " " not in capsys.readouterr().out
    main(["explain", "--help"])
    assert args[0].split("=")[0] + " " in capsys.readouterr().out


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
    assert lines[:3] == [f"url: {HELM}", "rule: helm/file", f"source: {HELM} [origin] (the URL that was given)"]
    assert re.fullmatch(
        r"source: https://\S+ \[official, not used, .+\] \(waits for the publisher's digest\)", lines[3]
    )
    assert "digest: unreachable" in lines
    assert f"digest lookups: {HELM}.sha256" in lines
    assert "mirrors: not used yet by this version" in lines
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


# --- asking ----------------------------------------------------------------------------------------------

Pages = dict[str, "tuple[str, bytes]"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def origin(authority: trustme.CA, tmp_path: Path) -> Iterator[Callable[[Pages], tuple[RawServer, list[str]]]]:
    """Serves pages (path to head and body) over TLS as tools.example.org; gives the server and the options to get
    there. Whoever else is asked for refuses the connection."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("tools.example.org").configure_cert(context)
    servers: list[RawServer] = []

    def start(pages: Pages) -> tuple[RawServer, list[str]]:
        def handler(connection: Connection) -> None:
            while (request := connection.receive()) is not None:
                send(connection, request)

        def send(connection: Connection, request: Request) -> None:
            head, body = pages.get(request.target, ("404 Not Found", b""))
            connection.send(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

        server = RawServer(handler, tls=context)
        servers.append(server.__enter__())
        to = ["--connect-to", f"tools.example.org:443:127.0.0.1:{server.port}", "--connect-to", ":443:127.0.0.1:1"]
        return server, ["--cacert", str(tmp_path / "ca.pem"), "--no-proxy", *to]

    yield start
    for server in servers:
        server.close()


def whole(extra: str = "") -> tuple[str, bytes]:
    partial = f'206 Partial Content\r\nContent-Range: bytes 0-{len(FILE) - 1}/{len(FILE)}\r\nETag: "one"'
    return partial + extra, FILE


def test_the_origin_and_its_digest(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = "/releases/1.2/SHA256SUMS"
    server, options = origin({"/releases/1.2/tool.tgz": whole(), sums: ("200 OK", f"{SHA}  tool.tgz\n".encode())})
    told = say(*options, NAME)
    assert told["digest"] == {"algorithm": "sha256", "value": SHA, "source": "origin", "status": "known"}
    assert allowed(told) == [
        "tools.example.org",
        "twin.tools.example.org",
        "berlin.example.com",
        "oslo.example.com",
    ]
    plan = told["plan"]
    assert plan["digest_url"] == f"https://tools.example.org{sums}"
    assert (plan["size"], plan["ranges"], plan["etag"]) == (len(FILE), True, '"one"')
    assert (plan["final_url"], plan["path"]) == (NAME, "tool.tgz")
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz", sums]
    assert {entry.request.method for entry in server.log} == {"GET"}


def test_with_the_users_digest_no_publisher_is_asked(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    server, options = origin({"/releases/1.2/tool.tgz": whole()})
    told = say(*options, "--checksum", f"sha256:{SHA}", NAME)
    assert told["digest"]["source"] == "user"
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz"]


def test_no_publisher_has_one(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": whole()})
    told = say(*options, NAME)
    assert told["digest"] == {"algorithm": None, "value": None, "source": None, "status": "none"}
    assert told["plan"]["digest_tried"] == [
        {"url": "https://tools.example.org/releases/1.2/SHA256SUMS", "why": "it answered 404"}
    ]
    assert by_host(told)["berlin.example.com"]["why"] == "no digest of the publisher is known"


def test_the_origins_own_answer_may_hold_the_digest(config: Path, origin: Any, say: Say) -> None:
    import base64

    config.write_text(RULES, encoding="utf-8")
    value = base64.b64encode(bytes.fromhex(SHA)).decode()
    _, options = origin({"/releases/1.2/tool.tgz": whole(f"\r\nRepr-Digest: sha-256=:{value}:")})
    told = say(*options, NAME)
    assert (told["digest"]["value"], told["digest"]["source"]) == (SHA, "origin")
    assert "berlin.example.com" in allowed(told)
    told = say(*options, "--insecure", NAME)
    assert told["digest"]["value"] == SHA
    assert "berlin.example.com" not in allowed(told), "nobody vouches for this digest"


def test_a_private_request_asks_the_origin_alone(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    server, options = origin({"/releases/1.2/tool.tgz": whole()})
    told = say(*options, "-H", "X-Token: hunter2", NAME)
    assert len(told["sources"]) == 1
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz"]
    assert server.log[0].request.get("x-token") == "hunter2"
    assert "hunter2" not in json.dumps(told)


@pytest.mark.parametrize(("status", "code"), [("404 Not Found", 4), ("", 3)])
def test_an_origin_that_does_not_answer_is_explained_too(
    status: str, code: int, config: Path, origin: Any, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": (status, b"")})
    if not status:
        options = ["--no-proxy", "--connect-to", ":443:127.0.0.1:1"]
    told = say(*options, NAME)
    assert told["rule"] == "tools/match-1"
    assert told["plan"]["exit_code"] == code
    assert told["plan"]["error"]
    assert told["plan"]["size"] is None
    assert told["digest"]["status"] == ("none" if status else "unreachable")
    assert main(["explain", *options, NAME]) == 0
    assert "error: " in capsys.readouterr().out


def test_a_dry_run_says_what_get_does_today(
    config: Path, origin: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config.write_text(RULES, encoding="utf-8")
    server, options = origin({"/releases/1.2/tool.tgz": whole()})
    assert main(["get", "--dry-run", "--json", *options, "-d", str(tmp_path), NAME]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rule"], told["digest"]["status"]) == ("tools/match-1", "none")
    assert allowed(told) == ["tools.example.org"]
    assert {source["why"] for source in told["sources"][1:]} == {"not used yet by this version"}
    assert len(told["sources"]) == 5
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz"]
    assert not (tmp_path / "tool.tgz").exists()
