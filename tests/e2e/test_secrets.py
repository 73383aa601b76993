"""A secret goes to the origin that it was given for and nowhere else, and stands in no output, log, journal or file."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from servers.files import FileApp
from servers.raw import RawServer, Serve
from servers.run import Result, Runner, everything_written

_SPLIT = ("-x", "4", "-k", "64k", "--no-proxy")
_PASSWORD = "hunter2-pa55"
_BEARER = "b3arer-t0ken-x"
_HEADER = "api-key-0f1e2d"
_COOKIE = "c00kie-valu3"
_QUERY = "tok-9a8b7c"
_SECRETS = (_PASSWORD, _BEARER, _HEADER, _COOKIE, _QUERY, b64encode(f"me:{_PASSWORD}".encode()).decode())


def _sent_to(server: RawServer) -> bytes:
    """Everything that a server was told."""
    return b"\n".join(exchange.request.raw for exchange in server.log)


def _silent_about(result: Result, *folders: Path, but: tuple[str, ...] = ()) -> None:
    """No secret in the output, nor in any file that fastdl wrote."""
    written = everything_written(*folders) + result.stdout + result.stderr
    for secret in _SECRETS:
        if secret not in but:
            assert secret.encode() not in written, secret


def _leads_to(target: RawServer, path: str = "/file.bin") -> FileApp:
    """An origin that redirects everything to another server."""
    app = FileApp()
    app.hook = lambda connection, request, reply: app.short(302, b"", ("Location", target.url(path)))
    return app


def _options(tmp_path: Path, host: str = "127.0.0.1") -> list[str]:
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(f"# Netscape HTTP Cookie File\n{host}\tFALSE\t/\tFALSE\t0\tsession\t{_COOKIE}\n", "utf-8")
    return ["-u", f"me:{_PASSWORD}", "-H", f"X-Api-Key: {_HEADER}", "-b", str(cookies)]


def test_sent_to_the_origin(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    """First of all they do arrive where they belong, on every request."""
    app = FileApp(size=1_000_000, rate=2e6)
    server = serve(app)
    result = fastdl.get(*_SPLIT, *_options(tmp_path), server.url(f"/file.bin?token={_QUERY}"), expected=["file.bin"])
    assert result.code == 0, result.err
    assert len(server.log) > 1
    for exchange in server.log:
        assert exchange.request.get("authorization") == "Basic " + _SECRETS[-1]
        assert exchange.request.get("x-api-key") == _HEADER
        assert exchange.request.get("cookie") == f"session={_COOKIE}"
        assert exchange.request.target == f"/file.bin?token={_QUERY}"


def test_not_across_a_redirect(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    """Another port is another origin. Cookies go by host, whatever the port (RFC 6265, section 8.5)."""
    target = serve(FileApp(size=1_000_000, rate=2e6))
    origin = serve(_leads_to(target))
    log = tmp_path / "the.log"
    options = [*_options(tmp_path), "-v", "--json", "--log", str(log)]
    url = origin.url(f"/start.bin?token={_QUERY}").replace("//", f"//me:{_PASSWORD}@")
    result = fastdl.get(*_SPLIT, *options, url)
    assert result.code == 0, result.err
    told = _sent_to(target)
    for secret in (_PASSWORD, _HEADER, _QUERY, _SECRETS[-1]):
        assert secret.encode() not in told, secret
    assert b"authorization" not in told.lower() and b"referer" not in told.lower()
    _silent_about(result, fastdl.cwd, fastdl.home)
    assert not [secret for secret in _SECRETS if secret in log.read_text("utf-8")]


def test_not_to_another_host(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    target = serve(FileApp(size=300_000))
    origin = serve(_leads_to(target))
    app = FileApp()
    origin.handler = _redirecting(app, target.url("/file.bin", host="localhost"))
    result = fastdl.get(*_SPLIT, *_options(tmp_path), origin.url("/start.bin"))
    assert result.code == 0, result.err
    told = _sent_to(target)
    assert not [secret for secret in _SECRETS if secret.encode() in told]


def _redirecting(app: FileApp, location: str):  # type: ignore[no-untyped-def]
    app.hook = lambda connection, request, reply: app.short(302, b"", ("Location", location))
    return app.handle


def test_kept_within_the_origin(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    """A redirect to another path of the same origin keeps them: there they belong."""
    app = FileApp(size=300_000)

    def hook(connection, request, reply):  # type: ignore[no-untyped-def]
        return reply if request.target == "/there.bin" else app.short(302, b"", ("Location", "/there.bin"))

    app.hook = hook
    server = serve(app)
    assert fastdl.get(*_SPLIT, *_options(tmp_path), server.url("/start.bin")).code == 0
    assert {exchange.request.get("x-api-key") for exchange in server.log} == {_HEADER}


def test_not_to_a_mirror(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    origin, mirror = serve(FileApp(size=2 << 20, rate=500_000)), serve(FileApp(size=2 << 20, rate=2e6))
    url = origin.url(f"/file.bin?token={_QUERY}")
    mirrored = mirror.url("/m.bin", host="localhost")
    result = fastdl.get(*_SPLIT, *_options(tmp_path), "--json", "-v", "-m", mirrored, url)
    assert result.code == 0, result.err
    told = _sent_to(mirror)
    assert told, "the mirror was asked"
    assert not [secret for secret in _SECRETS if secret.encode() in told]
    _silent_about(result, fastdl.cwd, fastdl.home)


def test_bearer(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    target = serve(FileApp(size=300_000))
    origin = serve(_leads_to(target))
    log = tmp_path / "the.log"
    options = ["--bearer-env", "MY_TOKEN", "-v", "--json", "--log", str(log)]
    result = fastdl.get(*_SPLIT, *options, origin.url(), env={"MY_TOKEN": _BEARER})
    assert result.code == 0, result.err
    assert {exchange.request.get("authorization") for exchange in origin.log} == {f"Bearer {_BEARER}"}
    assert _BEARER.encode() not in _sent_to(target)
    _silent_about(result, fastdl.cwd, fastdl.home)
    assert _BEARER not in log.read_text("utf-8")


def test_netrc_goes_by_its_host(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    server = serve(FileApp(size=1000))
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine other.example login me password {_PASSWORD}\n", "utf-8")
    netrc.chmod(0o600)
    assert fastdl.get(*_SPLIT, "--netrc-file", str(netrc), server.url()).code == 0
    assert server.log[0].request.get("authorization") is None


def test_netrc_only_when_asked(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    for name in (".netrc", "_netrc"):
        (fastdl.home / name).write_text(f"machine 127.0.0.1 login me password {_PASSWORD}\n", "utf-8")
        (fastdl.home / name).chmod(0o600)
    assert fastdl.get("--no-proxy", "-o", "1", server.url()).code == 0
    assert server.log[0].request.get("authorization") is None
    assert fastdl.get("--no-proxy", "--netrc", "-o", "2", server.url()).code == 0
    assert server.log[-1].request.get("authorization") == "Basic " + _SECRETS[-1]


def test_cookies_go_by_their_host(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    server = serve(FileApp(size=1000))
    assert fastdl.get(*_SPLIT, *_options(tmp_path, "other.example"), server.url()).code == 0
    assert server.log[0].request.get("cookie") is None


def test_json_cookies(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    server = serve(FileApp(size=1000))
    path = tmp_path / "cookies.json"
    cookies = [
        {"domain": "127.0.0.1", "name": "session", "value": _COOKIE, "path": "/", "secure": False},
        {"domain": "127.0.0.1", "name": "secure", "value": "x", "path": "/", "secure": True},
        {"domain": "127.0.0.1", "name": "elsewhere", "value": "x", "path": "/private", "secure": False},
        {"domain": "127.0.0.1", "name": "old", "value": "x", "path": "/", "expirationDate": 1000},
    ]
    path.write_text(json.dumps(cookies), "utf-8")
    assert fastdl.get(*_SPLIT, "-b", str(path), server.url()).code == 0
    assert server.log[0].request.get("cookie") == f"session={_COOKIE}"


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "ACCESS_TOKEN",
        "api_key",
        "sig",
        "Signature",
        "X-Amz-Signature",
        "x-goog-credential",
        "se",
        "code",
        "Policy",
    ],
)
def test_query_values_are_masked(fastdl: Runner, serve: Serve, tmp_path: Path, key: str) -> None:
    """In errors as well: the error names the URL with *** in it."""
    app = FileApp(hook=lambda connection, request, reply: FileApp().short(404))
    server = serve(app)
    log = tmp_path / "the.log"
    url = server.url(f"/file.bin?a=1&{key}={_QUERY}")
    result = fastdl.get("--no-proxy", "-v", "--json", "--log", str(log), url)
    assert result.code == 4
    assert result.json[0]["url"] == server.url(f"/file.bin?a=1&{key}=***")
    _silent_about(result, fastdl.cwd, fastdl.home)
    assert _QUERY not in log.read_text("utf-8")


def test_journal_of_a_signed_url(fastdl: Runner, serve: Serve) -> None:
    """An interrupted download of a signed URL leaves no signature on the disk, and the same URL goes on."""
    app = FileApp(size=2 << 20, rate=1e6)
    server = serve(app)
    url = server.url(f"/file.bin?sig={_QUERY}").replace("//", f"//me:{_PASSWORD}@")
    reached = server.alarm(400_000)
    process = fastdl.start("get", *_SPLIT, url)
    assert reached.wait(20)
    process.kill()
    process.communicate()
    left = everything_written(fastdl.cwd, fastdl.home)
    assert (fastdl.cwd / "file.bin.fastdl.journal").exists()
    assert not [secret for secret in _SECRETS if secret.encode() in left]
    result = fastdl.get(*_SPLIT, "--json", url, expected=["file.bin"])
    assert result.code == 0
    assert result.json[0]["resumed_bytes"] > 0


def test_proxy_password(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    """It goes to the proxy alone, and into no output."""
    seen: list[str | None] = []
    app = FileApp(size=1000)

    def hook(connection, request, reply):  # type: ignore[no-untyped-def]
        seen.append(request.get("proxy-authorization"))
        return reply

    app.hook = hook
    proxy = serve(app)
    log = tmp_path / "the.log"
    address = proxy.url("").replace("//", f"//me:{_PASSWORD}@")
    result = fastdl.get("--proxy", address, "-v", "--json", "--log", str(log), "http://origin.test/file.bin")
    assert result.code == 0, result.err
    assert seen[-1] == "Basic " + _SECRETS[-1]
    assert proxy.log[-1].request.target == "http://origin.test/file.bin"
    _silent_about(result, fastdl.cwd, fastdl.home)
    assert _PASSWORD not in log.read_text("utf-8")


def test_set_cookie_does_not_travel(fastdl: Runner, serve: Serve) -> None:
    """A cookie that a server sets is not carried to another origin."""
    target = serve(FileApp(size=1000))
    app = FileApp()
    location = target.url("/file.bin", host="localhost")
    app.hook = lambda connection, request, reply: app.short(
        302, b"", ("Location", location), ("Set-Cookie", f"session={_COOKIE}; Path=/")
    )
    assert fastdl.get("--no-proxy", serve(app).url()).code == 0
    assert target.log[0].request.get("cookie") is None
