"""`fastdl verify --from`: what the publisher says."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import partial
from typing import Any

import pytest

from ports import refusing
from published import DATA, SHA, SIZE, altered, digest_field, lay_down, published, repair, unharmed
from servers.files import FileApp, site
from servers.raw import RawServer, Serve
from servers.run import Runner
from servers.tls import Certificates


@pytest.fixture
def app() -> FileApp:
    return published()


@pytest.fixture
def put(fastdl: Runner) -> Any:
    return partial(lay_down, fastdl)


# --- what the publisher says -----------------------------------------------------------------------------


def test_a_right_and_a_wrong_file(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    url = serve(app).url()
    put(DATA)
    result = fastdl("verify", "f.bin", "--from", url)
    assert (result.code, result.out) == (0, f"f.bin: OK (sha256 published at {url})\n")
    assert "without verified TLS" in result.err
    put(altered((5, b"x")))
    result = fastdl("verify", "f.bin", "--from", url, "--json")
    assert result.code == 5
    (told,) = result.json
    assert (told["expected"], told["found"]) == (SHA, hashlib.sha256(altered((5, b"x"))).hexdigest())
    assert (told["source"], told["algorithm"], told["ok"], told["exit_code"]) == ("origin", "sha256", False, 5)
    assert SHA in result.error


def test_over_tls_there_is_nothing_to_warn_of(
    fastdl: Runner, serve: Serve, app: FileApp, put: Any, certificates: Certificates
) -> None:
    put(DATA)
    url = serve(app, tls=certificates.context()).url()
    result = fastdl("verify", "f.bin", "--from", url, "--cacert", certificates.ca)
    assert (result.code, result.err) == (0, "")


def test_the_size_counts_too(fastdl: Runner, serve: Serve, put: Any) -> None:
    put(DATA)
    app = FileApp(size=SIZE + 1, data=DATA + b"!", extra=(digest_field(DATA),))
    result = fastdl("verify", "f.bin", "--from", serve(app).url())
    assert result.code == 5
    assert f"{SIZE} bytes instead of {SIZE + 1}" in result.error


def test_all_digests_have_to_agree(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    put(DATA)
    url = serve(app).url()
    wrong = hashlib.md5(b"another").hexdigest()
    assert fastdl("verify", "f.bin", "--from", url, "--checksum", f"sha256:{SHA}").code == 0
    result = fastdl("verify", "f.bin", "--from", url, "--checksum", f"md5:{wrong}", "--json")
    assert result.code == 5
    assert (result.json[0]["algorithm"], result.json[0]["source"]) == ("md5", "user")


@pytest.mark.parametrize("name", ["Digest", "Content-MD5"])
def test_fields_that_only_a_whole_answer_gives_a_meaning(
    fastdl: Runner, serve: Serve, app: FileApp, put: Any, name: str
) -> None:
    algorithm, prefix = ("md5", "") if name == "Content-MD5" else ("sha256", "SHA-256=")
    app.extra = ((name, prefix + b64encode(hashlib.new(algorithm, DATA).digest()).decode()),)
    server = serve(app)
    put(DATA)
    assert fastdl("verify", "f.bin", "--from", server.url()).code == 0
    path = put(altered((100_000, bytes(4096))))
    result = repair(fastdl, server.url())
    assert (result.code, result.json[0]["algorithm"]) == (0, algorithm)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(("extra", "code"), [((), 5), ((("Repr-Digest", "sha-256=:AAAA:"),), 5)])
def test_no_digest_published(fastdl: Runner, serve: Serve, put: Any, extra: Any, code: int) -> None:
    path = put(DATA)
    server = serve(FileApp(size=SIZE, data=DATA, extra=extra))
    result = fastdl("verify", "f.bin", "--repair", "--from", server.url())
    assert result.code == code
    assert "no digest of this file is published" in result.error
    assert "--checksum" in result.error
    unharmed(path, DATA, result)


def test_where_nobody_answers(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    path = put(DATA)
    missing = serve(site({})).url()
    options = ("--retries", "0", "--connect-timeout", "2")
    with refusing() as port:
        result = fastdl("verify", "f.bin", "--from", f"http://127.0.0.1:{port}/f.bin", *options)
    assert result.code == 3
    assert result.out == "f.bin: NOT CHECKED\n"
    assert fastdl("verify", "f.bin", "--from", missing, *options).code == 4
    # what the user said is checked all the same
    result = fastdl("verify", "f.bin", "--from", missing, "--checksum", f"sha256:{SHA}")
    assert result.code == 0
    assert "warning" in result.err
    unharmed(path, DATA, result)


def test_a_missing_file_costs_no_request(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    result = fastdl("verify", "nowhere.bin", "--from", server.url())
    assert result.code == 6
    assert server.log == []


def test_secrets_go_to_the_origin_and_are_not_told(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    put(DATA)
    server = serve(app)
    url = server.url("/file.bin?token=hunter2")
    result = fastdl("verify", "f.bin", "--from", url, "-u", "me:hunter3", "--json", "-v")
    assert result.code == 0
    assert "hunter2" in server.log[0].request.target
    assert server.log[0].request.get("authorization")
    for secret in ("hunter2", "hunter3"):
        assert secret not in result.out + result.err


RULES = """
[rules.tools]
match = "https://tools.example.org/releases/{version}/{file}"

[rules.tools.digests.sums]
url = "https://tools.example.org/releases/{version}/SHA256SUMS"
kind = "sums_file"
"""
TOOL = "https://tools.example.org/releases/1.2/f.bin"


@pytest.fixture
def tools(fastdl: Runner, serve: Serve, certificates: Certificates) -> tuple[RawServer, list[str]]:
    """A publisher that a rule knows, with a list of checksums: its server, and the options that lead there."""
    config = fastdl.home / "config.toml"
    config.write_text(RULES, encoding="utf-8")
    fastdl.env["FASTDL_CONFIG"] = str(config)
    sums = f"{SHA}  f.bin\n".encode()
    routes = {
        "/releases/1.2/f.bin": FileApp(size=SIZE, data=DATA).answer,
        "/releases/1.2/SHA256SUMS": FileApp(size=len(sums), data=sums).answer,
    }
    server = serve(site(routes), tls=certificates.context_for("tools.example.org"))
    return server, ["--cacert", str(certificates.ca), "--connect-to", f":443:127.0.0.1:{server.port}"]


def test_a_list_that_the_rules_know(fastdl: Runner, tools: tuple[RawServer, list[str]], put: Any) -> None:
    server, options = tools
    put(DATA)
    result = fastdl("verify", "f.bin", "--from", TOOL, *options)
    place = "https://tools.example.org/releases/1.2/SHA256SUMS"
    assert (result.code, result.out, result.err) == (0, f"f.bin: OK (sha256 published at {place})\n", "")
    path = put(DATA[: SIZE // 2])
    assert fastdl("verify", "f.bin", "--repair", "--from", TOOL, *options).code == 0
    assert path.read_bytes() == DATA
    assert {exchange.request.get("host") for exchange in server.log} == {"tools.example.org"}


@pytest.mark.parametrize("secret", [("-H", "X-Key: hunter2"), ("-u", "me:hunter2"), ("-b", "cookies.txt")])
def test_with_a_secret_only_the_origin_is_asked(
    fastdl: Runner, tools: tuple[RawServer, list[str]], put: Any, secret: tuple[str, str]
) -> None:
    server, options = tools
    put(DATA)
    cookie = "tools.example.org\tFALSE\t/\tTRUE\t0\tname\thunter2\n"
    (fastdl.cwd / "cookies.txt").write_text("# Netscape HTTP Cookie File\n" + cookie, encoding="utf-8")
    result = fastdl("verify", "f.bin", "--from", TOOL, *options, *secret)
    assert result.code == 5
    assert "no digest of this file is published" in result.error
    assert {exchange.request.target for exchange in server.log} == {"/releases/1.2/f.bin"}
