"""A Chocolatey feed on loopback: minchoc, a Django application, in a process of its own, with a database of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .real import unavailable

# What Django is told; it listens on a port that the system chooses, and says which.
_SERVER = """
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
import django
from django.conf import settings
folder, key = Path(sys.argv[1]), sys.argv[2]
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"], ALLOW_PACKAGE_DELETION=False, ROOT_URLCONF="feed_urls", SECRET_KEY=key,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "feed.sqlite3")}},
    DATA_UPLOAD_MAX_MEMORY_SIZE=None, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", MEDIA_ROOT=str(folder),
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "minchoc"], USE_TZ=True,
)
django.setup()
import types
from django.urls import include, path
urls = types.ModuleType("feed_urls")
urls.urlpatterns = [path("api/v2/", include("minchoc.urls"))]
sys.modules["feed_urls"] = urls
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from minchoc.models import NugetUser
User.objects.create_user("feed")
NugetUser.objects.update_or_create(base=User.objects.get(username="feed"), defaults={"token": key})
from django.core.wsgi import get_wsgi_application
class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
server = make_server("127.0.0.1", 0, get_wsgi_application(), Server, WSGIRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a feed is, the key that lets push to it, and its log."""

    url: str
    key: str
    log: Path


@contextlib.contextmanager
def feed(folder: Path) -> Iterator[Feed]:
    """A feed that keeps what it has in `folder`."""
    if importlib.util.find_spec("minchoc") is None:
        unavailable("minchoc is not installed")
    key, log = str(uuid.uuid4()), folder / "feed.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(folder), key], stdout=subprocess.PIPE, stderr=errors
        )
        try:
            assert process.stdout is not None
            port = process.stdout.readline().decode().strip()
            assert port, log.read_text()
            yield Feed(f"http://127.0.0.1:{port}/api/v2/", key, log)
        finally:
            process.kill()
            process.communicate()
