"""An nginx of the bench's own: loopback, free ports, one folder served by sendfile, a certificate made for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

HOST = "127.0.0.1"
_CONFIG = """\
daemon off;
{user}worker_processes auto;
pid {run}/nginx.pid;
error_log {run}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  etag on;
  client_body_temp_path {run}/body;
  proxy_temp_path {run}/proxy;
  fastcgi_temp_path {run}/fastcgi;
  uwsgi_temp_path {run}/uwsgi;
  scgi_temp_path {run}/scgi;
  ssl_certificate {run}/server.pem;
  ssl_certificate_key {run}/server.key;
  server {{
    listen {host}:{plain};
    listen {host}:{tls} ssl;
    root {root};
  }}
  server {{
    listen {host}:{http2} ssl http2;
    root {root};
  }}
}}
"""


class ServerFailed(Exception):
    """nginx is missing or did not start; the text says which and why."""


class Nginx:
    """`with Nginx(root, run) as server`: the files of `root` at `server.url(...)`, until the block ends.

    `run` is an empty folder for its configuration, its certificate and its log. Raises ServerFailed."""

    def __init__(self, root: Path, run: Path) -> None:
        self.root = root
        self.run = run
        self.cacert = run / "ca.pem"
        self._ports = (0, 0, 0)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str, *, tls: bool = False, http2: bool = False) -> str:
        """The address of the file `name`; with `http2` on a port that offers HTTP/2 over TLS."""
        plain, secure, offering = self._ports
        if tls or http2:
            return f"https://{HOST}:{offering if http2 else secure}/{name}"
        return f"http://{HOST}:{plain}/{name}"

    def __enter__(self) -> Nginx:
        program = find_nginx()
        if program is None:
            raise ServerFailed("nginx is not installed")
        self.run.mkdir(parents=True, exist_ok=True)
        _make_certificate(self.run)
        for _ in range(5):  # a free port may be taken by another program before nginx gets it
            if self._start(program):
                return self
        raise ServerFailed(f"nginx did not start: {last_words(self.run)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self, program: str) -> bool:
        self._ports = _free_ports()
        config = self.run / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""  # else its workers could not read a private folder
        ports = dict(zip(("plain", "tls", "http2"), self._ports, strict=True))
        text = _CONFIG.format(user=user, run=self.run, root=self.root, host=HOST, **ports)
        config.write_text(text, encoding="utf-8")
        command = [program, "-e", str(self.run / "error.log"), "-p", str(self.run), "-c", str(config)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            if all(_answers(port) for port in self._ports):
                return True
            time.sleep(0.02)
        self._stop()
        return False

    def _stop(self) -> None:
        process, self._process = self._process, None
        end(process)


def end(process: subprocess.Popen[bytes] | None) -> None:
    """End an nginx at once, if there is one: the master takes its workers with it."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_words(run: Path) -> str:
    """The last line of the log in the folder of an nginx."""
    log = run / "error.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "its log is empty"


def find_nginx() -> str | None:
    """The path of nginx; Debian keeps it where a user's PATH does not reach."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def _make_certificate(run: Path) -> None:
    try:
        import trustme
    except ImportError:
        raise ServerFailed("the package trustme is not installed (pip install '.[test]')") from None
    authority = trustme.CA()
    leaf = authority.issue_cert(HOST)
    authority.cert_pem.write_to_path(run / "ca.pem")
    leaf.private_key_pem.write_to_path(run / "server.key")
    for position, pem in enumerate(leaf.cert_chain_pems):
        pem.write_to_path(run / "server.pem", append=position > 0)


def _free_ports() -> tuple[int, int, int]:
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for taken in (one, two, three):
            taken.bind((HOST, 0))
        return one.getsockname()[1], two.getsockname()[1], three.getsockname()[1]


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
