"""Real servers on free loopback ports: nginx, Caddy, Apache, HAProxy, Squid, microsocks.

What runs on the internet is these programs, not a model of them. Each runs in the foreground, in a folder of its own,
and is ended with the session. One that is not installed skips its tests; with FASTDL_REQUIRE_SERVERS=1 it fails them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import shutil
import signal
import socket
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from .content import content
from .tls import Certificates

_MORE_PATH = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/homebrew/sbin")
_TRIES = 4  # a port may be taken between its choice and its use
_UP_WITHIN = 10.0  # seconds
FILES = {"small.bin": (11, 100_003), "large.bin": (12, (6 << 20) + 321), "empty.bin": (13, 0)}
USER, PASSWORD, REALM = "alice", "s3cret-pa55", "vault"


class Places:
    """The folder tree of all real servers: `data` is what they serve, each has `make(name)` for its own files."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.folder = folder
        self.certificates = certificates
        folder.chmod(0o755)  # Apache and Squid give up root and must still be able to read
        self.data = folder / "data"
        for sub in ("", "slow", "limited", "auth", "digest", "bare", "noranges"):
            (self.data / sub).mkdir(parents=True, exist_ok=True)
            for name, (seed, size) in FILES.items():
                (self.data / sub / name).write_bytes(content(seed, 0, size))

    def make(self, name: str) -> Path:
        """A folder that a server may write to, whoever it runs as."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        return folder


def expected(name: str) -> bytes:
    """The bytes of one of FILES."""
    seed, size = FILES[name]
    return content(seed, 0, size)


def find(program: str) -> str:
    """The path of an installed server; skips (or fails) the test where there is none."""
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_MORE_PATH]))
    if path is None:
        unavailable(f"{program} is not installed")
    assert path is not None
    return path


def package(module: str) -> Any:
    """An imported module of the `test` extra; skips (or fails) the test, or the whole file, where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        unavailable(f"{error.name} is not installed (pip install -e '.[test]')")


def unavailable(reason: str) -> None:
    """Skip the test, or fail it where FASTDL_REQUIRE_SERVERS=1 asks for everything."""
    if os.environ.get("FASTDL_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def free_port() -> int:
    """A port that is free right now on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One foreground process that listens on `ports`. Subclasses say how many ports they need and write the config."""

    program = ""
    wanted = 1

    def __init__(self, places: Places) -> None:
        self.places = places
        self.folder = places.make(type(self).__name__.lower())
        self.ports: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.binary = find(self.program)

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]

    @property
    def plain(self) -> str:
        """http://127.0.0.1:PORT of the first port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def access_log(self) -> Path:
        """Where the server logs requests."""
        return self.folder / "access.log"

    def arguments(self) -> list[str]:
        """Write the config for `self.ports` and give the arguments that start the server in the foreground."""
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until every port accepts; another try with other ports where one was taken."""
        for _ in range(_TRIES):
            self.ports = [free_port() for _ in range(self.wanted)]
            output = self.folder / "output.log"
            with output.open("wb") as sink:
                self.process = subprocess.Popen(
                    [self.binary, *self.arguments()],
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=self._environment(),
                    start_new_session=True,
                )
            if self._up(self.process):
                return
            self.stop()
        raise RuntimeError(f"{self.program} does not start: {output.read_text('utf-8', 'replace')[-2000:]}")

    def _environment(self) -> dict[str, str]:
        home = {name: str(self.folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR")}
        return {"PATH": os.environ.get("PATH", ""), **home}

    def _up(self, process: subprocess.Popen[bytes]) -> bool:
        for _ in range(int(_UP_WITHIN / 0.05)):
            if process.poll() is not None:
                return False
            if all(_accepts(port) for port in self.ports):
                return True
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        return False

    def stop(self) -> None:
        """End the process and all its children."""
        process, self.process = self.process, None
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait(5)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.terminate()
    except (ProcessLookupError, PermissionError):
        pass


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


Kind = TypeVar("Kind", bound=Server)


def lazily(make: Callable[..., Kind], *args: object) -> Iterator[Kind]:
    """The body of a session fixture: start, hand out, stop."""
    server = make(*args)
    try:
        server.start()
        yield server
    finally:
        server.stop()


# --- the servers -----------------------------------------------------------------------------------------


class Nginx(Server):
    """Plain on the first port, TLS 1.3 with HTTP/1.1 on the second, TLS with HTTP/2 on the third.

    /slow/ gives 1 MB/s per connection, /limited/ allows two requests at a time (503 beyond), /auth/ wants Basic,
    /bare/ sends no validator, /noranges/ ignores Range."""

    program = "nginx"
    wanted = 3

    @property
    def tls(self) -> str:
        """https://localhost:PORT, HTTP/1.1 only."""
        return f"https://localhost:{self.ports[1]}"

    @property
    def h2(self) -> str:
        """https://localhost:PORT, HTTP/2 and HTTP/1.1."""
        return f"https://localhost:{self.ports[2]}"

    def arguments(self) -> list[str]:
        """See the class."""
        seen = subprocess.run([self.binary, "-v"], capture_output=True, check=False).stderr.decode()
        version = tuple(int(part) for part in re.findall(r"\d+", seen)[:3])
        modern = version >= (1, 25, 1)
        (self.folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n", "utf-8")
        (self.folder / "users").chmod(0o644)
        temporary = "\n".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi"))
        temporary += f"\nuwsgi_temp_path {self.folder}/uwsgi;\nscgi_temp_path {self.folder}/scgi;"
        certificates = self.places.certificates
        tls = f"ssl_certificate {certificates.cert}; ssl_certificate_key {certificates.key}; ssl_protocols TLSv1.3;"
        places = """
            location /slow/ { limit_rate 1000k; }
            location /limited/ { limit_conn each 2; limit_rate 1500k; }
            location /auth/ { auth_basic "vault"; auth_basic_user_file users; }
            location /bare/ { etag off; add_header Last-Modified ""; }
            location /noranges/ { max_ranges 0; }
            location = /moved/large.bin { return 302 /large.bin; }
        """
        config = f"""
            daemon off; master_process off; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log;
            events {{ worker_connections 256; }}
            http {{
                {temporary}
                default_type application/octet-stream; keepalive_timeout 30;
                limit_conn_zone $binary_remote_addr zone=each:1m;
                log_format line '$server_protocol $request_method $request_uri $status $body_bytes_sent '
                    '"$http_range" $ssl_protocol';
                access_log {self.access_log} line;
                root {self.places.data};
                server {{ listen 127.0.0.1:{self.ports[0]}; {places} }}
                server {{ listen 127.0.0.1:{self.ports[1]} ssl; {tls} {places} }}
                server {{
                    listen 127.0.0.1:{self.ports[2]} ssl{"" if modern else " http2"}; {"http2 on;" if modern else ""}
                    {tls} {places}
                }}
            }}
        """
        path = self.folder / "nginx.conf"
        path.write_text(config, "utf-8")
        return ["-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", str(path)]


class Caddy(Server):
    """Plain on the first port, TLS with HTTP/2 on the second."""

    program = "caddy"
    wanted = 2

    @property
    def tls(self) -> str:
        """https://localhost:PORT."""
        return f"https://localhost:{self.ports[1]}"

    def arguments(self) -> list[str]:
        """See the class."""
        certificates = self.places.certificates
        site = f"bind 127.0.0.1\nroot * {self.places.data}\nfile_server"
        config = (
            "{\nadmin off\nauto_https off\ndefault_sni localhost\n"
            "servers {\nprotocols h1 h2\n}\n}\n"
            f"http://:{self.ports[0]} {{\n{site}\n}}\n"
            f"https://:{self.ports[1]} {{\ntls {certificates.cert} {certificates.key}\n{site}\n}}\n"
        )
        path = self.folder / "Caddyfile"
        path.write_text(config, "utf-8")
        return ["run", "--adapter", "caddyfile", "--config", str(path)]


class Apache(Server):
    """Plain; /digest/ wants Digest, /auth/ wants Basic."""

    program = "apache2" if shutil.which("apache2", path="/usr/sbin") else "httpd"

    _modules = ("mpm_event", "unixd", "log_config", "authn_core", "authz_core", "authn_file", "authz_user")
    _modules += ("auth_basic", "auth_digest")
    _folders = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2")

    def _load(self) -> str:
        listed = subprocess.run([self.binary, "-l"], capture_output=True, check=False).stdout.decode()
        folder = next((Path(place) for place in self._folders if Path(place).is_dir()), None)
        if folder is None:
            unavailable("Apache's modules are not where they are looked for")
        wanted = [name for name in self._modules if f"mod_{name}.c" not in listed and f"{name}.c" not in listed]
        return "\n".join(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in wanted)

    def arguments(self) -> list[str]:
        """See the class."""
        secret = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode()).hexdigest()
        (self.folder / "digest").write_text(f"{USER}:{REALM}:{secret}\n", "utf-8")
        sha = b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
        (self.folder / "basic").write_text(f"{USER}:{{SHA}}{sha}\n", "utf-8")
        for name in ("digest", "basic"):
            (self.folder / name).chmod(0o644)
        user = "User www-data\nGroup www-data\n" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
        config = f"""
            ServerRoot {self.folder}
            {self._load()}
            {user}
            ServerName localhost
            Listen 127.0.0.1:{self.port}
            PidFile {self.folder}/apache.pid
            Mutex file:{self.folder} default
            ErrorLog {self.folder}/error.log
            LogFormat "%H %m %U %>s %b \\"%{{Range}}i\\" %u" line
            CustomLog {self.access_log} line
            DocumentRoot {self.places.data}
            <Directory {self.places.data}>
                Require all granted
            </Directory>
            <Location /digest/>
                AuthType Digest
                AuthName {REALM}
                AuthDigestProvider file
                AuthUserFile {self.folder}/digest
                Require valid-user
            </Location>
            <Location /auth/>
                AuthType Basic
                AuthName {REALM}
                AuthBasicProvider file
                AuthUserFile {self.folder}/basic
                Require valid-user
            </Location>
        """
        path = self.folder / "apache.conf"
        path.write_text("\n".join(line.strip() for line in config.splitlines()), "utf-8")
        return ["-D", "FOREGROUND", "-f", str(path)]


class Haproxy(Server):
    """In front of a plain server: plain on the first port, TLS with HTTP/2 on the second."""

    program = "haproxy"
    wanted = 2

    def __init__(self, places: Places, behind: str) -> None:
        super().__init__(places)
        self.behind = behind.removeprefix("http://")

    @property
    def tls(self) -> str:
        """https://localhost:PORT."""
        return f"https://localhost:{self.ports[1]}"

    def arguments(self) -> list[str]:
        """See the class."""
        chain = self.places.certificates.chain
        config = f"""
global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind 127.0.0.1:{self.ports[0]}
    bind 127.0.0.1:{self.ports[1]} ssl crt {chain} alpn h2,http/1.1
    default_backend back
backend back
    server one {self.behind}
"""
        path = self.folder / "haproxy.cfg"
        path.write_text(config, "utf-8")
        return ["-db", "-f", str(path)]


class Squid(Server):
    """A forward proxy that lets everything through and keeps nothing."""

    program = "squid"

    def arguments(self) -> list[str]:
        """See the class."""
        config = f"""
http_port 127.0.0.1:{self.port}
http_access allow all
cache deny all
access_log stdio:{self.access_log}
cache_log {self.folder}/cache.log
pid_filename {self.folder}/squid.pid
coredump_dir {self.folder}
shutdown_lifetime 0 seconds
visible_hostname localhost
"""
        path = self.folder / "squid.conf"
        path.write_text(config, "utf-8")
        return ["-N", "-f", str(path), "-n", f"fastdl{self.port}"]


class Socks(Server):
    """A SOCKS5 server without authentication."""

    program = "microsocks"

    @property
    def url(self) -> str:
        """socks5://127.0.0.1:PORT."""
        return f"socks5://127.0.0.1:{self.port}"

    def arguments(self) -> list[str]:
        """See the class."""
        return ["-i", "127.0.0.1", "-p", str(self.port)]
