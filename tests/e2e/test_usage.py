"""Wrong command lines: exit 2, one line that names the part, before any network access."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner

_U = "URL"  # stands for a URL that works

# arguments, and words of which one must be in the message
_WRONG: list[tuple[list[str], tuple[str, ...]]] = [
    ([], ("url",)),
    (["--no-such-option", _U], ("--no-such-option",)),
    (["example.org/file.bin"], ("https://example.org/file.bin",)),
    (["ftp://example.org/x"], ("scheme", "ftp")),
    (["file:///etc/passwd"], ("scheme", "file")),
    (["http://"], ("host",)),
    (["http:///x"], ("host",)),
    (["http://exa mple.org/"], ("host", "space")),
    (["http://example.org:port/"], ("port",)),
    (["http://example.org:0/"], ("port",)),
    (["http://example.org:99999/"], ("port",)),
    (["http://[::1/"], ("host", "bracket", "address")),
    (["http://exa\x01mple.org/"], ("control", "host")),
    (["http://example.org/a\nb"], ("control",)),
    (["--checksum", "sha256:12", _U], ("checksum", "sha256", "digits")),
    (["--checksum", "sha256:" + "z" * 64, _U], ("checksum", "hex")),
    (["--checksum", "crc32:12345678", _U], ("crc32",)),
    (["--checksum", "nonsense", _U], ("checksum", "nonsense")),
    (["--checksum", "sha512-!!!!", _U], ("checksum", "base64", "sha512")),
    (["-x", "0", _U], ("connections", "-x")),
    (["-x", "many", _U], ("connections", "many")),
    (["-j", "-1", _U], ("jobs", "-1")),
    (["--per-host", "0", _U], ("per-host",)),
    (["-k", "1Q", _U], ("min-split", "1Q")),
    (["--max-size", "huge", _U], ("max-size", "huge")),
    (["-r", "fast", _U], ("limit-rate", "fast")),
    (["--timeout", "soon", _U], ("timeout", "soon")),
    (["--timeout", "-1", _U], ("timeout",)),
    (["--timeout", "nan", _U], ("timeout",)),
    (["--connect-timeout", "x", _U], ("connect-timeout",)),
    (["--retries", "some", _U], ("retries",)),
    (["--retries", "-2", _U], ("retries",)),
    (["-H", "no colon here", _U], ("header",)),
    (["-H", "Na me: x", _U], ("header",)),
    (["-H", "X: a\r\nEvil: b", _U], ("header", "control", "line")),
    (["-H", "X: a\x00b", _U], ("header", "control", "null", "nul")),
    (["-A", "a\nb", _U], ("user-agent", "control", "line")),
    (["--proxy", "gopher://127.0.0.1:1", _U], ("proxy", "gopher")),
    (["--proxy", "http://", _U], ("proxy",)),
    (["--connect-to", "a:b", _U], ("connect-to",)),
    (["--http", "3", _U], ("http",)),
    (["--progress", "pink", _U], ("progress", "pink")),
    (["-o", "a", _U, _U], ("-o", "--output", "one URL")),
    (["-o", "", _U], ("-o", "output", "name")),
    (["-m", "not a url", _U], ("not a url", "scheme", "mirror")),
    (["--cacert", "missing.pem", _U], ("cacert", "missing.pem")),
    (["--cert", "missing.pem", _U], ("cert", "missing.pem")),
    (["-b", "missing.txt", _U], ("cookies", "missing.txt")),
    (["--netrc-file", "missing", _U], ("netrc", "missing")),
    (["--bearer-env", "NOT_SET_ANYWHERE", _U], ("NOT_SET_ANYWHERE",)),
    (["--overwrite", "--skip-existing", _U], ("--overwrite", "--skip-existing")),
    (["--overwrite", "--auto-rename", _U], ("--overwrite", "--auto-rename")),
    (["-4", "-6", _U], ("-4", "-6", "ipv4", "ipv6")),
]
if sys.platform == "win32":  # a NUL or a line break cannot be put into an argument there
    _WRONG = [row for row in _WRONG if not any(set("\n\r\0") & set(word) for word in row[0])]
_WRONG = [row for row in _WRONG if not any("\0" in word for word in row[0])]  # nor here


@pytest.mark.parametrize(
    ("arguments", "words"), [pytest.param(*row, id=" ".join(row[0])[:50] or "nothing") for row in _WRONG]
)
def test_usage_errors(fastdl: Runner, serve: Serve, arguments: list[str], words: tuple[str, ...]) -> None:
    server = serve(FileApp(size=1000))
    result = fastdl.get(*(server.url() if word == _U else word for word in arguments), expected=[])
    assert result.code == 2, result.err
    assert len(result.err.splitlines()) == 1, "one line, without a drawn box"
    assert any(word.lower() in result.error.lower() for word in words), result.error
    assert server.accepted == 0, "nothing was contacted"
    assert result.files == set()


def test_a_wrong_url_among_good_ones(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    result = fastdl.get(server.url(), "http://", expected=[])
    assert result.code == 2
    assert server.accepted == 0


def test_a_missing_scheme_with_a_port(fastdl: Runner) -> None:
    result = fastdl("localhost:8080/file.bin")
    assert result.code == 2
    assert "localhost:8080/file.bin" in result.error


@pytest.mark.parametrize(
    ("name", "value"), [("FASTDL_CONNECTIONS", "many"), ("FASTDL_RETRIES", "-5"), ("FASTDL_TIMEOUT", "x")]
)
def test_wrong_variable(fastdl: Runner, serve: Serve, name: str, value: str) -> None:
    server = serve(FileApp(size=1000))
    result = fastdl.get(server.url(), env={name: value}, expected=[])
    assert result.code == 2
    assert name in result.error
    assert server.accepted == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('retries = "x"\n', ("retries", ":1", "line 1")),
        ("\nno_such_key = 1\n", ("no_such_key", "no-such-key")),
        ("retries = \n", ("line 1", ":1")),
        ("[section]\nretries = 1\n", ("section",)),
    ],
    ids=["value", "key", "syntax", "table"],
)
def test_wrong_config(fastdl: Runner, serve: Serve, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    server = serve(FileApp(size=1000))
    config = tmp_path / "fastdl.toml"
    config.write_text(text, "utf-8")
    result = fastdl.get(server.url(), env={"FASTDL_CONFIG": str(config)}, expected=[])
    assert result.code == 2, result.err
    assert "fastdl.toml" in result.error and any(word in result.error for word in words)
    assert server.accepted == 0


def test_config_and_variable_and_option(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    """The command line beats the environment, which beats the config."""
    server = serve(FileApp(size=1000))
    config = tmp_path / "fastdl.toml"
    config.write_text('user-agent = "from-config"\nreferer = "http://config.example/"\n', "utf-8")
    env = {"FASTDL_CONFIG": str(config)}
    assert fastdl.get("-o", "1", server.url(), env=env).code == 0
    assert fastdl.get("-o", "2", server.url(), env=env | {"FASTDL_USER_AGENT": "from-env"}).code == 0
    assert fastdl.get("-o", "3", "-A", "from-line", server.url(), env=env | {"FASTDL_USER_AGENT": "from-env"}).code == 0
    assert [exchange.request.get("user-agent") for exchange in server.log] == ["from-config", "from-env", "from-line"]
    assert {exchange.request.get("referer") for exchange in server.log} == {"http://config.example/"}


def test_version_and_help(fastdl: Runner) -> None:
    version = fastdl("--version")
    assert version.code == 0 and version.out.startswith("fastdl ")
    for arguments in (["--help"], ["get", "--help"], ["resume", "--help"], ["demo", "--help"]):
        shown = fastdl(*arguments)
        assert shown.code == 0 and "Usage" in shown.out
