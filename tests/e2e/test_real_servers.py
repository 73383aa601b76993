"""Downloads through the programs that serve the internet: nginx, Caddy, Apache, HAProxy, Squid, a SOCKS server."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers.real import PASSWORD, USER, Apache, Caddy, Haproxy, Nginx, Server, Socks, Squid, expected
from servers.run import Result, Runner
from servers.tls import Certificates

_QUICK = ("--timeout", "5", "--connect-timeout", "5", "--retries", "3")
_SPLIT = ("-x", "4", "-k", "256k")


def _get(fastdl: Runner, url: str, *options: str, name: str = "large.bin", env: dict[str, str] | None = None) -> Result:
    """Download and compare; exit 0 and nothing but the file."""
    result = fastdl.get(*_QUICK, *options, "--json", url, env=env, expected=[name])
    assert result.code == 0, result.err
    assert (fastdl.cwd / name).read_bytes() == expected(name)
    assert result.files == {name}
    return result


def _lines(server: Server, since: int = 0) -> list[str]:
    """The server's access log."""
    return server.access_log.read_text("utf-8").splitlines()[since:]


@pytest.fixture
def ca(certificates: Certificates) -> tuple[str, str]:
    """The option that trusts the test authority."""
    return "--cacert", str(certificates.ca)


# --- nginx -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small.bin", "large.bin", "empty.bin"])
def test_nginx_plain(fastdl: Runner, nginx: Nginx, name: str) -> None:
    _get(fastdl, f"{nginx.plain}/{name}", name=name)


def test_nginx_several_connections(fastdl: Runner, nginx: Nginx) -> None:
    before = len(_lines(nginx))
    result = _get(fastdl, f"{nginx.plain}/slow/large.bin", *_SPLIT)
    partial = [line for line in _lines(nginx, before) if " 206 " in line]
    assert len(partial) >= 4, "a slow server is asked over several connections"
    assert result.json[0]["sources"][0]["connections"] >= 4


@pytest.mark.parametrize("http", ["1.1", "auto"])
def test_nginx_tls13(fastdl: Runner, nginx: Nginx, ca: tuple[str, str], http: str) -> None:
    before = len(_lines(nginx))
    _get(fastdl, f"{nginx.tls}/slow/large.bin", *ca, *_SPLIT, "--http", http)
    seen = _lines(nginx, before)
    assert seen and all(line.startswith("HTTP/1.1 ") and line.endswith(" TLSv1.3") for line in seen)


@pytest.mark.parametrize(
    ("http", "protocols"), [("2", {"HTTP/2.0"}), ("1.1", {"HTTP/1.1"}), ("auto", {"HTTP/2.0", "HTTP/1.1"})]
)
def test_nginx_http2(fastdl: Runner, nginx: Nginx, ca: tuple[str, str], http: str, protocols: set[str]) -> None:
    before = len(_lines(nginx))
    _get(fastdl, f"{nginx.h2}/large.bin", *ca, "--http", http)
    seen = {line.split()[0] for line in _lines(nginx, before)}
    assert seen and seen <= protocols


def test_nginx_http2_several_connections(fastdl: Runner, nginx: Nginx, ca: tuple[str, str]) -> None:
    _get(fastdl, f"{nginx.h2}/slow/large.bin", *ca, *_SPLIT, "--http", "2")


def test_nginx_untrusted_certificate_is_refused(fastdl: Runner, nginx: Nginx) -> None:
    result = fastdl.get(*_QUICK, f"{nginx.tls}/small.bin", expected=[])
    assert result.code == 3
    assert result.files == set()
    assert "certificate" in result.error.lower() and "--cacert" in result.error


def test_nginx_wrong_name_is_refused(fastdl: Runner, nginx: Nginx, ca: tuple[str, str]) -> None:
    """The certificate is good for localhost only: another name that leads to the same address is not it."""
    url = nginx.tls.replace("localhost", "stranger.test")
    port = nginx.ports[1]
    result = fastdl.get(
        *_QUICK, *ca, "--connect-to", f"stranger.test:{port}:127.0.0.1:{port}", f"{url}/small.bin", expected=[]
    )
    assert result.code == 3
    assert result.files == set()


def test_nginx_insecure(fastdl: Runner, nginx: Nginx) -> None:
    _get(fastdl, f"{nginx.tls}/small.bin", "--insecure", name="small.bin")


def test_nginx_connect_to_keeps_the_name(fastdl: Runner, nginx: Nginx, ca: tuple[str, str]) -> None:
    """Name and certificate stay those of the URL; only the address is another one."""
    port = nginx.ports[1]
    _get(
        fastdl,
        f"https://origin.test:{port}/small.bin",
        *ca,
        "--connect-to",
        f"origin.test::127.0.0.1:{port}",
        name="small.bin",
    )


def test_nginx_limit_conn(fastdl: Runner, nginx: Nginx) -> None:
    """Beyond two requests at a time nginx answers 503: fewer connections, the file all the same."""
    result = _get(fastdl, f"{nginx.plain}/limited/large.bin", "-x", "8", "-k", "128k")
    assert result.json[0]["exit_code"] == 0


def test_nginx_without_validators(fastdl: Runner, nginx: Nginx) -> None:
    _get(fastdl, f"{nginx.plain}/bare/large.bin", *_SPLIT)


def test_nginx_without_ranges(fastdl: Runner, nginx: Nginx) -> None:
    _get(fastdl, f"{nginx.plain}/noranges/large.bin", *_SPLIT)


def test_nginx_redirect(fastdl: Runner, nginx: Nginx) -> None:
    result = _get(fastdl, f"{nginx.plain}/moved/large.bin")
    assert result.json[0]["final_url"] == f"{nginx.plain}/large.bin"


def test_nginx_not_found(fastdl: Runner, nginx: Nginx) -> None:
    result = fastdl.get(*_QUICK, f"{nginx.plain}/nothing.bin", expected=[])
    assert result.code == 4
    assert "404" in result.error


def test_nginx_file_time(fastdl: Runner, nginx: Nginx) -> None:
    _get(fastdl, f"{nginx.plain}/small.bin", name="small.bin")
    served = nginx.places.data / "small.bin"
    assert int((fastdl.cwd / "small.bin").stat().st_mtime) == int(served.stat().st_mtime)


def test_nginx_basic_auth(fastdl: Runner, nginx: Nginx) -> None:
    _get(fastdl, f"{nginx.plain}/auth/large.bin", *_SPLIT, "-u", f"{USER}:{PASSWORD}")


def test_nginx_basic_auth_in_the_url(fastdl: Runner, nginx: Nginx) -> None:
    url = nginx.plain.replace("http://", f"http://{USER}:{PASSWORD}@")
    result = _get(fastdl, f"{url}/auth/small.bin", name="small.bin")
    assert PASSWORD not in result.out + result.err


def test_nginx_basic_auth_from_netrc(fastdl: Runner, nginx: Nginx, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "utf-8")
    netrc.chmod(0o600)
    _get(fastdl, f"{nginx.plain}/auth/small.bin", "--netrc-file", str(netrc), name="small.bin")


def test_nginx_wrong_password(fastdl: Runner, nginx: Nginx) -> None:
    result = fastdl.get(*_QUICK, "-u", f"{USER}:wrong", f"{nginx.plain}/auth/small.bin", expected=[])
    assert result.code == 4
    assert "401" in result.error and "wrong" not in result.error.replace("is wrong", "")


# --- another family --------------------------------------------------------------------------------------


def test_caddy_plain(fastdl: Runner, caddy: Caddy) -> None:
    _get(fastdl, f"{caddy.plain}/large.bin", *_SPLIT)


@pytest.mark.parametrize("http", ["1.1", "2", "auto"])
def test_caddy_tls(fastdl: Runner, caddy: Caddy, ca: tuple[str, str], http: str) -> None:
    _get(fastdl, f"{caddy.tls}/large.bin", *ca, *_SPLIT, "--http", http)


def test_caddy_empty_file(fastdl: Runner, caddy: Caddy) -> None:
    _get(fastdl, f"{caddy.plain}/empty.bin", name="empty.bin")


def test_apache_plain(fastdl: Runner, apache: Apache) -> None:
    _get(fastdl, f"{apache.plain}/large.bin", *_SPLIT)


def test_apache_digest_auth(fastdl: Runner, apache: Apache) -> None:
    before = len(_lines(apache))
    _get(fastdl, f"{apache.plain}/digest/large.bin", *_SPLIT, "-u", f"{USER}:{PASSWORD}")
    assert any(line.endswith(f" {USER}") for line in _lines(apache, before))


def test_apache_digest_auth_wrong_password(fastdl: Runner, apache: Apache) -> None:
    result = fastdl.get(*_QUICK, "-u", f"{USER}:wrong", f"{apache.plain}/digest/small.bin", expected=[])
    assert result.code == 4


def test_apache_basic_auth(fastdl: Runner, apache: Apache) -> None:
    _get(fastdl, f"{apache.plain}/auth/small.bin", "-u", f"{USER}:{PASSWORD}", name="small.bin")


def test_haproxy_plain(fastdl: Runner, haproxy: Haproxy) -> None:
    _get(fastdl, f"{haproxy.plain}/slow/large.bin", *_SPLIT)


@pytest.mark.parametrize("http", ["1.1", "2", "auto"])
def test_haproxy_tls(fastdl: Runner, haproxy: Haproxy, ca: tuple[str, str], http: str) -> None:
    _get(fastdl, f"{haproxy.tls}/large.bin", *ca, *_SPLIT, "--http", http)


def test_two_servers_as_mirrors(fastdl: Runner, nginx: Nginx, caddy: Caddy) -> None:
    """Both serve the same file with other validators; the user's word (-m) and the size bind them."""
    result = _get(fastdl, f"{nginx.plain}/slow/large.bin", "-m", f"{caddy.plain}/large.bin", *_SPLIT)
    assert {source["host"].partition(":")[0] for source in result.json[0]["sources"]} == {"127.0.0.1"}
    assert sum(source["bytes"] for source in result.json[0]["sources"]) >= len(expected("large.bin"))


# --- proxies ---------------------------------------------------------------------------------------------


def _through(squid: Squid, before: int, word: str) -> bool:
    return any(word in line for line in _lines(squid, before))


def test_squid_plain(fastdl: Runner, nginx: Nginx, squid: Squid) -> None:
    before = len(_lines(squid))
    _get(fastdl, f"{nginx.plain}/slow/large.bin", *_SPLIT, "--proxy", squid.plain)
    assert _through(squid, before, f"GET {nginx.plain}/slow/large.bin")


@pytest.mark.parametrize("http", ["1.1", "2", "auto"])
def test_squid_connect(fastdl: Runner, nginx: Nginx, squid: Squid, ca: tuple[str, str], http: str) -> None:
    before = len(_lines(squid))
    _get(fastdl, f"{nginx.h2}/large.bin", *ca, *_SPLIT, "--http", http, "--proxy", squid.plain)
    assert _through(squid, before, f"CONNECT localhost:{nginx.ports[2]}")


def test_squid_from_the_environment(fastdl: Runner, nginx: Nginx, squid: Squid, ca: tuple[str, str]) -> None:
    before = len(_lines(squid))
    env = {"http_proxy": squid.plain, "HTTPS_PROXY": squid.plain}
    _get(fastdl, f"{nginx.plain}/small.bin", name="small.bin", env=env)
    (fastdl.cwd / "small.bin").unlink()
    _get(fastdl, f"{nginx.tls}/small.bin", *ca, name="small.bin", env=env)
    assert _through(squid, before, "GET ") and _through(squid, before, "CONNECT ")


@pytest.mark.parametrize("way", ["option", "variable"])
def test_squid_left_out(fastdl: Runner, nginx: Nginx, squid: Squid, way: str) -> None:
    before = len(_lines(squid))
    env = {"http_proxy": squid.plain} | ({"no_proxy": "127.0.0.1"} if way == "variable" else {})
    _get(fastdl, f"{nginx.plain}/small.bin", *(["--no-proxy"] if way == "option" else []), name="small.bin", env=env)
    assert not _through(squid, before, "GET ")


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_plain(fastdl: Runner, nginx: Nginx, socks: Socks, scheme: str) -> None:
    proxy = socks.url.replace("socks5", scheme)
    host = "localhost" if scheme == "socks5h" else "127.0.0.1"
    _get(fastdl, f"http://{host}:{nginx.port}/slow/large.bin", *_SPLIT, "--proxy", proxy)


@pytest.mark.parametrize("http", ["1.1", "2", "auto"])
def test_socks_tls(fastdl: Runner, nginx: Nginx, socks: Socks, ca: tuple[str, str], http: str) -> None:
    _get(fastdl, f"{nginx.h2}/large.bin", *ca, "--http", http, "--proxy", socks.url.replace("socks5", "socks5h"))


def test_socks_from_the_environment(fastdl: Runner, nginx: Nginx, socks: Socks) -> None:
    _get(fastdl, f"{nginx.plain}/small.bin", name="small.bin", env={"ALL_PROXY": socks.url})


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_dead_proxy(fastdl: Runner, nginx: Nginx, scheme: str) -> None:
    """A proxy that is not there is named; nothing goes around it."""
    before = len(_lines(nginx))
    result = fastdl.get(
        *_QUICK, "--retries", "0", "--proxy", f"{scheme}://127.0.0.1:1", f"{nginx.plain}/small.bin", expected=[]
    )
    assert result.code == 3
    assert "proxy" in result.error.lower()
    assert len(_lines(nginx)) == before
