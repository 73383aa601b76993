"""An nginx at the far end of a link, plain HTTP on port 80 of its own namespace."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import TracebackType

from benches.server import ServerFailed, end, find_nginx, last_words
from benches.wan.network import Wan

_CONFIG = """\
daemon off;
user root;
worker_processes 1;
pid {run}/nginx.pid;
error_log {run}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  limit_rate {limit};
  client_body_temp_path {run}/body;
  proxy_temp_path {run}/proxy;
  fastcgi_temp_path {run}/fastcgi;
  uwsgi_temp_path {run}/uwsgi;
  scgi_temp_path {run}/scgi;
  server {{
    listen 80;
    root {root};
  }}
}}
"""


class FarServer:
    """`with FarServer(wan, 0, root, run) as server`: the files of `root` at `server.url(...)`, as seen by the client.

    `run` is a folder for its configuration and log, `limit` the bytes a second that it gives each connection (0: all
    that there is). Raises ServerFailed."""

    def __init__(self, wan: Wan, link: int, root: Path, run: Path, limit: int = 0) -> None:
        self.wan = wan
        self.link = link
        self.root = root
        self.run = run
        self.limit = limit
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        """The address of the file `name`."""
        return f"http://{self.wan.address(self.link)}/{name}"

    def __enter__(self) -> FarServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._process is not None

    def start(self) -> None:
        """Until it listens. From the thread that will outlive it only: the server ends with its thread."""
        program = find_nginx()
        if program is None:
            raise ServerFailed("nginx is not installed")
        self.run.mkdir(parents=True, exist_ok=True)
        config, pid = self.run / "nginx.conf", self.run / "nginx.pid"
        pid.unlink(missing_ok=True)
        config.write_text(_CONFIG.format(run=self.run, root=self.root, limit=self.limit), encoding="utf-8")
        command = [program, "-e", str(self.run / "error.log"), "-p", str(self.run), "-c", str(config)]
        self._process = subprocess.Popen(
            [*self.wan.inside(self.link), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            if pid.exists():  # it listens before it writes this
                return
            time.sleep(0.01)
        self.stop()
        raise ServerFailed(f"nginx did not start: {last_words(self.run)}")

    def stop(self) -> None:
        """At once; the system closes its connections, and refuses new ones."""
        process, self._process = self._process, None
        end(process)
