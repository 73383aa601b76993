"""`fastdl get --from-curl`: the request that goes out is the one that curl would send, and its secrets stay there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from curl import quoting
from pages.sandbox import needs_bash
from servers.files import FileApp
from servers.raw import RawServer, Request, Serve
from servers.real import find as find_program
from servers.run import Runner, everything_written

OURS = {"host", "range", "accept-encoding", "connection"}
SIZE = 20_000


def user_headers(request: Request) -> list[tuple[str, str]]:
    return sorted(pair for pair in request.headers if pair[0] not in OURS)


def browser(
    url: str, quote: Callable[[str], str] = quoting.chrome_bash, joint: str = " \\\n  ", name: str = "curl"
) -> str:
    """What a browser copies for a file behind a login."""
    headers = {
        "accept": "text/html,*/*;q=0.8",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "de-DE,de;q=0.9",
        "authorization": "Bearer t0ken-s3cret",
        "if-none-match": 'W/"v1"',
        "if-modified-since": "Tue, 02 Jan 2024 03:04:05 GMT",
        "priority": "u=0, i",
        "range": "bytes=100-",
        "if-range": '"v1"',
        "referer": "https://example.org/it's?a=50%",
        "sec-ch-ua": '"Not A;Brand";v="8", "Chromium";v="140"',
        "sec-fetch-mode": "navigate",
        "upgrade-insecure-requests": "1",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Safari/537.36",
        "x-empty": "",
    }
    spelled = [f"-H {quote(f'{key}: {value}' if value else f'{key};')}" for key, value in headers.items()]
    parts = [quote(url), *spelled, f"-b {quote('sid=c00kie-s3cret; theme=a&b')}", "--compressed"]
    return f"{name} " + joint.join(parts)


@pytest.fixture
def server(serve: Serve) -> RawServer:
    return serve(FileApp(size=SIZE, etag='"v2"'))


STYLES = {
    "chrome": (quoting.chrome_bash, " \\\n  ", "curl"),
    "firefox": (quoting.firefox_bash, " \\\n  ", "curl"),
    "chrome, cmd": (quoting.chrome_cmd, " ^\r\n  ", "curl"),
    "firefox, cmd": (quoting.firefox_cmd, " ^\r\n  ", "curl.exe"),
    "powershell": (quoting.powershell, " `\r\n  ", "curl.exe"),
    "one line": (quoting.chrome_bash, "   ", "curl"),
}


@needs_bash
@pytest.mark.parametrize("style", STYLES)
def test_the_same_request_as_curls(style: str, fastdl: Runner, server: RawServer) -> None:
    url = server.url("/file.bin?a=1&b=%20%41!")
    find_program("curl")
    script = f"curl() {{ command curl --disable --silent --output /dev/null --noproxy '*' \"$@\"; }}\n{browser(url)}"
    subprocess.run([find_program("bash"), "-c", script], check=True)
    result = fastdl.get("--from-curl", "-", stdin=browser(url, *STYLES[style]).encode(), expected={"file.bin"})
    assert result.code == 0, result.err
    assert len((fastdl.cwd / "file.bin").read_bytes()) == SIZE
    theirs, ours = (each.request for each in server.log)
    assert ours.target == theirs.target
    gone = {"if-none-match", "if-modified-since", "if-range", "accept-encoding", "range"}
    assert user_headers(ours) == [pair for pair in user_headers(theirs) if pair[0] not in gone]
    assert (ours.get("accept-encoding"), ours.get("host")) == ("identity", theirs.get("host"))
    assert ours.range == (0, None)


@needs_bash
@pytest.mark.parametrize(
    "options",
    [
        "-G -d a=b --data-urlencode 'c=d e/é~*' --data-urlencode '=f g' -d h",
        "--url-query 'a=b c' --url-query '+d=%20'",
        "-A me/1 -e 'http://r.example.org/;auto'",
        "-b 'a=b; c=d' -b e=f",
        "-b a=b -H 'cookie: own=1'",
        "-u 'me:pa:ss'",
        "-u me:pass -H 'Authorization: Bearer own'",
        "--oauth2-bearer t0ken",
        "-H 'X-Empty;' -H 'X-Gone:' -H 'accept: a/b' -H 'ACCEPT-Language: de' -HX-Glued:1",
        "-H 'Referer;' -H 'X-A: 1'",
        "-H 'X-Twice: 1' -H 'X-Twice: 2' -H 'User-Agent:'",
        "-H 'Host: virtual.example.org'",
        "-X GET -H $'X-Quote: it\\'s \\u00e9 \\xe9 \"b\"'",
        "--max-time 20 --retry 1 -sSkLg --http1.1",
    ],
)
def test_options_make_the_same_request_as_curls(options: str, fastdl: Runner, server: RawServer) -> None:
    text = f"curl '{server.url('/file.bin')}' {options}"
    find_program("curl")
    script = f"curl() {{ command curl --disable --silent --output /dev/null --noproxy '*' \"$@\"; }}\n{text}"
    subprocess.run([find_program("bash"), "-c", script], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    result = fastdl.get("--from-curl", "-", stdin=text.encode(), expected={"file.bin"})
    assert result.code == 0, result.err
    theirs, ours = (each.request for each in server.log)
    assert ours.target.lower() == theirs.target.lower()  # curl's hex digits are of either case, by its version
    assert ours.get("host") == theirs.get("host")
    agents = [dict(user_headers(request)).get("user-agent", "none").split("/")[0] for request in (theirs, ours)]
    assert agents[0] == agents[1] or agents == ["curl", "fastdl"]
    expected = [pair for pair in user_headers(theirs) if pair[0] != "user-agent"]
    assert [pair for pair in user_headers(ours) if pair[0] != "user-agent"] == expected


def test_nothing_of_its_secrets_is_written_down(fastdl: Runner, serve: Serve) -> None:
    other = serve(FileApp(size=SIZE))
    app = FileApp(size=SIZE)
    moved = app.short(302, b"", ("Location", other.url("/moved.bin").replace("127.0.0.1", "localhost")))
    app.hook = lambda connection, request, reply: moved
    server = serve(app)
    (fastdl.cwd / "copied.txt").write_text(browser(server.url()), encoding="utf-8")
    result = fastdl.get("--from-curl", "copied.txt", "-v", "--log", "log.txt", "--json")
    assert result.code == 0, result.err
    (request,) = (each.request for each in other.log)
    assert request.get("cookie") is None and request.get("authorization") is None
    assert request.get("user-agent") == "Mozilla/5.0 (X11; Linux x86_64) Safari/537.36"
    (fastdl.cwd / "copied.txt").unlink()
    assert b"s3cret" not in everything_written(fastdl.cwd, fastdl.home) + result.stdout + result.stderr


def test_the_command_line_beside_it_wins(fastdl: Runner, server: RawServer) -> None:
    text = f"curl '{server.url()}' -H 'X-A: theirs' -H 'X-B: theirs' -b 'a=b' -A theirs -o theirs.bin -u them:selves"
    given = ("-H", "x-a: mine", "-A", "mine", "-o", "mine.bin", "-u", "me:myself")
    result = fastdl.get("--from-curl", "-", *given, stdin=text.encode(), expected={"mine.bin"})
    assert result.code == 0, result.err
    (request,) = (each.request for each in server.log)
    assert (request.get("x-a"), request.get("x-b"), request.get("user-agent")) == ("mine", "theirs", "mine")
    assert request.get("cookie") == "a=b"
    assert request.get("authorization") == "Basic bWU6bXlzZWxm"


def test_a_login_of_the_command_line_takes_the_place_of_theirs(fastdl: Runner, server: RawServer) -> None:
    text = f"curl '{server.url()}' -H 'Authorization: Bearer theirs' -H 'Cookie: a=theirs'"
    (fastdl.cwd / "jar").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\ta\tmine\n", encoding="utf-8")
    given = ("--bearer-env", "TOKEN", "-b", "jar")
    result = fastdl.get("--from-curl", "-", *given, stdin=text.encode(), env={"TOKEN": "mine"})
    assert result.code == 0, result.err
    (request,) = (each.request for each in server.log)
    assert (request.get("authorization"), request.get("cookie")) == ("Bearer mine", "a=mine")


def test_several_commands_each_with_its_own_headers(fastdl: Runner, server: RawServer) -> None:
    text = "".join(f"curl '{server.url(f'/{n}.bin')}' -H 'X-N: {n}' ;\n" for n in range(3))
    result = fastdl.get("--from-curl", "-", stdin=text.encode(), expected={"0.bin", "1.bin", "2.bin"})
    assert result.code == 0, result.err
    sent = sorted((each.request.target, each.request.get("x-n")) for each in server.log)
    assert sent == [(f"/{n}.bin", str(n)) for n in range(3)]


def test_a_file_from_the_environment_and_utf_16(fastdl: Runner, server: RawServer) -> None:
    (fastdl.cwd / "copied.txt").write_text(f"curl.exe '{server.url()}' `\r\n -H 'A: b'", encoding="utf-16")
    result = fastdl.get(env={"FASTDL_FROM_CURL": "copied.txt"}, expected={"copied.txt", "file.bin"})
    assert result.code == 0, result.err
    assert server.log[0].request.get("a") == "b"


def test_bytes_in_a_header_go_out_as_they_are(fastdl: Runner, server: RawServer) -> None:
    text = f"curl '{server.url()}' -H $'A: \\xe9' -H 'B: é'".encode()
    assert fastdl.get("--from-curl", "-", stdin=text).code == 0
    assert (server.log[0].request.get("a"), server.log[0].request.get("b")) == ("\xe9", "é".encode().decode("latin-1"))


def test_what_is_left_out_is_a_warning(fastdl: Runner, server: RawServer) -> None:
    result = fastdl.get("--from-curl", "-", stdin=f"curl {server.url()} -r 0-9".encode(), expected={"file.bin"})
    assert result.code == 0
    assert "fastdl: warning: curl's --range is left out" in result.err
    assert (fastdl.cwd / "file.bin").stat().st_size == SIZE


@pytest.mark.parametrize(
    ("text", "args", "told"),
    [
        ("curl http://127.0.0.1:9/f -X POST", (), "the request is POST"),
        ("curl http://127.0.0.1:9/f --data-raw 's3cret'", (), "Only GET can be done"),
        ("curl http://127.0.0.1:9/f --frobnicate", (), "'--frobnicate' is no option of curl"),
        ("curl http://127.0.0.1:9/f -H 'Bad Name: s3cret'", (), "the name of a header is not valid"),
        ("curl http://127.0.0.1:9/f --limit-rate s3cret", (), "stdin, line 1: curl's option for --limit-rate"),
        ("curl ftp://127.0.0.1:9/f", (), "stdin, line 1: "),
        ("curl http://127.0.0.1:9/f", ("http://127.0.0.1:9/g",), "--from-curl and a URL exclude each other"),
        ("curl http://127.0.0.1:9/f", ("-i", "list"), "--from-curl and --input-file exclude each other"),
        ("curl http://127.0.0.1:9/f --next http://127.0.0.1:9/g -k", (), "commands differ in what is --insecure"),
        ("curl http://127.0.0.1:9/f http://127.0.0.1:9/g", ("-o", "one"), "--output is for one URL"),
        ("curl http://127.0.0.1:9/f -b s3cret", (), "the file of curl's --cookie is missing"),
        ("", (), "error: stdin: there is no curl command"),
        ("\0\1\2", (), "this is no curl command"),
    ],
)  # fmt: skip
def test_what_is_refused_contacts_nobody(fastdl: Runner, text: str, args: tuple[str, ...], told: str) -> None:
    result = fastdl.get("--from-curl", "-", *args, stdin=text.encode(), expected=())
    assert result.code == 2
    assert told in result.err
    assert len(result.err.splitlines()) == 1
    assert "s3cret" not in result.err.replace("'s3cret'", "")


def test_what_is_too_long_for_a_copy_is_not_read(fastdl: Runner) -> None:
    result = fastdl.get("--from-curl", "-", stdin=b"curl http://127.0.0.1:9/f " + b"s3cret" * 1_000_000, expected=())
    assert (result.code, "larger than 4 MiB" in result.err, "s3cret" in result.err) == (2, True, False)


def test_a_file_that_is_not_there(fastdl: Runner, tmp_path: Path) -> None:
    result = fastdl.get("--from-curl", "missing.txt")
    assert (result.code, "missing.txt cannot be read" in result.err) == (2, True)


@pytest.mark.parametrize(
    "secret", ["-b sid=1", "-H 'cookie: sid=1'", "-H 'x-key: 1'", "-u me:pass", "--oauth2-bearer 1"]
)
def test_with_a_secret_nothing_is_mapped(secret: str, fastdl: Runner) -> None:
    url = "https://github.com/o/r/releases/download/v1/tool.tar.gz"
    told = []
    for options in ("-A me", secret):
        text = f"curl {url} {options}".encode()
        result = fastdl("explain", "--offline", "--json", "--from-curl", "-", stdin=text)
        assert result.code == 0, result.err
        told.append(json.loads(result.out))
    assert len(told[0]["sources"]) > 1
    assert [source["host"] for source in told[1]["sources"]] == ["github.com"]
    assert told[1]["digest"]["source"] is None


def test_a_dry_run_shows_no_secret(fastdl: Runner, server: RawServer) -> None:
    text = browser(server.url("/file.bin?token=s3cret"))
    for options in ((), ("--json",)):
        result = fastdl.get(
            "--from-curl", "-", "--dry-run", "-o", "named.bin", *options, stdin=text.encode(), expected=()
        )
        assert result.code == 0, result.err
        assert "named.bin" in result.out
        assert "s3cret" not in result.out + result.err


def test_explain_takes_it_too(fastdl: Runner) -> None:
    text = "curl https://files.example.org/f -H 'Cookie: a=b'"
    result = fastdl("explain", "--offline", "--json", "--from-curl", "-", stdin=text.encode())
    assert result.code == 0, result.err
    assert '"https://files.example.org/f"' in result.out
