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
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
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


def test_a_dry_run_says_what_get_does(
    config: Path, origin: Any, say: Say, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = ("200 OK", f"{SHA}  tool.tgz\n".encode())
    server, options = origin({"/releases/1.2/tool.tgz": whole(), "/releases/1.2/SHA256SUMS": sums})
    assert main(["get", "--dry-run", "--json", *options, "-d", str(tmp_path), NAME]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rule"], told["digest"]["value"]) == ("tools/match-1", SHA)
    assert allowed(told)[2:] == ["berlin.example.com", "oslo.example.com"]
    assert len(told["sources"]) == 5
    assert [entry.request.target for entry in server.log] == ["/releases/1.2/tool.tgz", "/releases/1.2/SHA256SUMS"]
    assert not (tmp_path / "tool.tgz").exists()
    told["plan"]["path"] = "tool.tgz"
    assert say(*options, NAME) == told


def test_a_dry_run_of_a_file_that_cannot_be_had_fails(origin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server, options = origin({})
    assert main(["get", "--dry-run", "--json", *options, NAME]) == 4
    assert "404" in capsys.readouterr().err
    assert len(server.log) == 1


# --- several digests -------------------------------------------------------------------------------------

MD5 = hashlib.md5(FILE).hexdigest()


def test_a_weak_checksum_hides_no_strong_digest(config: Path, origin: Any, say: Say, offline: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = ("200 OK", f"{SHA}  tool.tgz\n".encode())
    _, options = origin({"/releases/1.2/tool.tgz": whole(), "/releases/1.2/SHA256SUMS": sums})
    told = say(*options, "--checksum", f"md5:{MD5}", NAME)
    assert (told["digest"]["value"], told["digest"]["source"]) == (SHA, "origin")
    assert told["plan"]["check"] == "md5 given with --checksum; sha256 published by the origin"
    assert "berlin.example.com" in allowed(told)
    case = next(case for case in CASES["mapped"] if "value" in (case.get("digest") or {}) and case.get("sources"))
    told = offline("--checksum", f"md5:{MD5}", case["url"])
    assert told["digest"]["source"] == "url"
    assert len(allowed(told)) > 1
    assert "md5 given with --checksum; " in told["plan"]["check"]


def test_a_weak_checksum_alone_waits_for_the_publishers(offline: Say) -> None:
    told = offline("--checksum", f"md5:{MD5}", HELM)
    assert (told["digest"]["source"], told["digest"]["status"]) == ("user", "known")
    assert told["plan"]["digest_why"] == "md5 is too weak to let other sources help"
    assert told["sources"][1]["why"] == "waits for the publisher's digest"


def test_both_of_two_strong_digests_are_checked(offline: Say) -> None:
    case = next(case for case in CASES["mapped"] if "value" in (case.get("digest") or {}))
    told = offline("--checksum", f"sha512:{'0' * 128}", case["url"])
    assert told["digest"]["source"] == "user"
    assert told["plan"]["check"].startswith("sha512 given with --checksum; ")
    assert told["plan"]["check"].endswith(" that stands in the URL")


def test_without_verified_tls_no_published_digest_helps(config: Path, origin: Any, say: Say, offline: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    sums = ("200 OK", f"{SHA}  tool.tgz\n".encode())
    _, options = origin({"/releases/1.2/tool.tgz": whole(), "/releases/1.2/SHA256SUMS": sums})
    told = say(*options, "--insecure", NAME)
    assert told["digest"]["value"] == SHA
    assert told["plan"]["check"] == "sha256 published by the origin, for which nobody vouches"
    assert "without verified TLS" in told["plan"]["digest_why"]
    for one in (told, offline("--insecure", NAME)):
        assert "--insecure" in by_host(one)["berlin.example.com"]["why"]
        assert "berlin.example.com" not in allowed(one)
        assert "stranger" in by_host(one)["stranger.example.net"]["host"]
        assert "--insecure" not in by_host(one)["stranger.example.net"]["why"]


# --- sources that the origin's own answer names ----------------------------------------------------------


def linked(*links: str, digest: bool = True) -> tuple[str, bytes]:
    import base64

    value = base64.b64encode(bytes.fromhex(SHA)).decode()
    fields = [f"Repr-Digest: sha-256=:{value}:"] if digest else []
    fields += [f"Link: {link}" for link in links]
    return whole("".join(f"\r\n{field}" for field in fields))


DUPLICATES = (
    '<https://second.example.net/t>; rel=duplicate; pri=2; geo="no"',
    "<https://first.example.net/t>; rel=duplicate; pri=1",
    "<http://plain.example.net/t>; rel=duplicate",
)


def test_duplicates_of_the_origins_answer_are_official(origin: Any, say: Say) -> None:
    _, options = origin({"/releases/1.2/tool.tgz": linked(*DUPLICATES)})
    told = say(*options, NAME)
    found = by_host(told)
    assert allowed(told) == ["tools.example.org", "first.example.net", "second.example.net"]
    assert found["second.example.net"]["trust"] == "official"
    assert found["second.example.net"]["region"] == "no"
    assert found["second.example.net"]["why"] == "named by the publisher; its bytes are checked by sha256"


@pytest.mark.parametrize("args", [["--insecure"], ["--no-cdn"], ["-H", "X-Token: hunter2"]])
def test_duplicates_are_left_alone(args: list[str], origin: Any, say: Say) -> None:
    _, options = origin({"/releases/1.2/tool.tgz": linked(*DUPLICATES)})
    assert allowed(say(*options, *args, NAME)) == ["tools.example.org"]


def test_duplicates_without_a_digest_are_no_sources(origin: Any, say: Say) -> None:
    _, options = origin({"/releases/1.2/tool.tgz": linked(*DUPLICATES, digest=False)})
    assert allowed(say(*options, NAME)) == ["tools.example.org"]


def test_a_metalink_that_the_origin_names_is_read(origin: Any, say: Say) -> None:
    link = "<https://tools.example.org/t.meta4>; rel=describedby; type=application/metalink4+xml"
    metalink = f"""<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="tool.tgz">
        <size>{len(FILE)}</size><hash type="sha-256">{SHA}</hash>
        <pieces length="8192" type="sha-1"><hash>{"0" * 40}</hash><hash>{"0" * 40}</hash></pieces>
        <url location="de">https://listed.example.net/tool.tgz</url></file></metalink>"""
    pages = {"/releases/1.2/tool.tgz": linked(link, digest=False), "/t.meta4": ("200 OK", metalink.encode())}
    _, options = origin(pages)
    told = say(*options, NAME)
    assert (told["digest"]["value"], told["digest"]["source"]) == (SHA, "metalink")
    assert allowed(told) == ["tools.example.org", "listed.example.net"]
    assert "Pieces of 8.0 KiB are checked as they arrive: the Metalink has their digests." in told["plan"]["steps"]


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
    looking = property(lambda self: bool(self.route.digests) and self._proof is None)
    monkeypatch.setattr(Sourcing, "looking", looking)
    try:
        for url in urls:
            given = [Expected(parse_checksum(settings.checksum), "user")] if settings.checksum else []
            sourcing = Sourcing(session, settings, url, [Place(parse_url(url))], given, print, print)
            if sourcing.route.embedded is not None:
                sourcing._learn(Expected(sourcing.route.embedded, "url"), proves=True)
            closed = settings.cdn == "off" or sourcing.private
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


# --- the plan in words -----------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_download() -> None:
    from fastdl.engine import sourcing
    from fastdl.engine.explaining import steps
    from fastdl.io import lookup

    assert steps.LEAST_BYTES == sourcing.WORTH_BYTES
    assert steps.LEAST_SECONDS == sourcing.WORTH_SECONDS
    assert steps.AT_A_TIME == sourcing.TRIALS
    assert steps.MOST == sourcing.MOST_JOINED
    assert steps.SILENCE == sourcing.SILENCE
    assert steps.LOOKUP_SECONDS == lookup.SECONDS


@pytest.mark.parametrize(
    ("args", "part"),
    [
        ([], "Once the publisher's digest is known: while more than 2.0 MiB are left"),
        (["--no-cdn"], "No other source helps: mapping is switched off."),
        (["-x", "1"], "No other source helps: -x 1 allows one connection."),
        (["-o", "-"], "No other source helps: what goes to stdout comes from the given sources."),
        (["-H", "X-Team: build"], "At the end the size is checked; there is no digest to check."),
        (["-m", "https://m.example.com/f"], "get.helm.sh, m.example.com begin at once."),
        (["--cdn", "prefer"], "get.helm.sh begins at once."),
    ],
    ids=" ".join,
)
def test_the_steps(args: list[str], part: str, offline: Say) -> None:
    assert any(part in step for step in offline(*args, HELM)["plan"]["steps"])


def test_who_is_preferred_begins(offline: Say, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--cdn", "prefer", "--checksum", f"sha256:{SHA}", HELM]
    plan = offline(*args)["plan"]
    assert plan["first"] != ["get.helm.sh"]
    assert plan["steps"][0].startswith(f"{plan['first'][0]} begins; get.helm.sh is asked where it fails")
    assert main(["explain", "--offline", *args]) == 0
    out = capsys.readouterr().out
    assert re.search(rf"\n  first  official .*{re.escape(plan['first'][0])}", out)
    assert re.search(r"\n  later  origin ", out)


def test_a_small_file_needs_no_help(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": whole()})
    steps = say(*options, "--checksum", f"sha256:{SHA}", NAME)["plan"]["steps"]
    assert any(step.endswith("may step in: the file is too short to be shared.") for step in steps)


def test_a_server_without_ranges_is_not_helped(config: Path, origin: Any, say: Say) -> None:
    config.write_text(RULES, encoding="utf-8")
    _, options = origin({"/releases/1.2/tool.tgz": ("200 OK", FILE)})
    plan = say(*options, "--checksum", f"sha256:{SHA}", NAME)["plan"]
    assert (plan["ranges"], plan["connections"]) == (False, 1)
    assert any(step.endswith("may step in: it serves no ranges.") for step in plan["steps"])


def test_what_a_server_sends_cannot_move_the_cursor(origin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    head = whole('\r\nContent-Disposition: attachment; filename="a\x9b31mb.bin"\r\nLast-Modified: x\x9b2J')
    _, options = origin({"/releases/1.2/tool.tgz": head})
    main(["explain", *options, NAME])
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
