"""What a run imports, as sets: start-up time is made of them, and a set does not waver as a time does.

A module that is new in one of these lists is a decision: it costs each download 0.2 ms and more.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner, environment
from servers.tls import Certificates

SIZE = 1 << 20

# Slow to import, and without use in a download by plain HTTP. (ctypes is of use: the rename that replaces nothing.)
SLOW = {
    "asyncio", "concurrent", "csv", "dataclasses", "decimal", "email", "hashlib", "http",
    "importlib.metadata", "importlib.resources", "inspect", "ipaddress", "locale", "logging", "mmap", "pathlib",
    "random", "shutil", "ssl",
    "subprocess", "tempfile", "tokenize", "tomllib", "typing", "unicodedata", "urllib.parse", "urllib.request", "uuid",
    "xml", "zipfile", "encodings.idna",
}  # fmt: skip
NEEDED_BY_TLS = {"ssl", "ipaddress", "pathlib", "urllib.parse", "unicodedata", "encodings.idna", "typing"}
SYSTEMS = {"mmap", "shutil", "subprocess"}  # what other systems than Linux are asked with

# Of fastdl itself, by package: all that a download by plain HTTP may import.
_OWN = {
    "": "__main__ batch cli combinations config core engine errors events io options result settings ui values",
    "cli": "crash get parse profiling session",
    "core": (
        "cookies credentials dates digests dispatch flow head health hints history journal mapper naming "
        "news normal_form orders outlook pack pattern plain plan quantity queue ranges record redirect response retry "
        "route scheduler servers sharing shown state tracker urls verify"
    ),
    "core.digests": "base fields reading",
    "engine": (
        "accounts attempt blame digesting download evidence existing first intake job landing private proof sinks "
        "sourcing target transfer watch worker"
    ),
    "io": (
        "boot channel chunked contact data_file database decoding dial disk dns files heads history http journal_file "
        "lookup partial phases pipe pool proxy publisher rules_file secrets servers session settling store strain "
        "tls_kind validators wire writers"
    ),
    "ui": "progress report text",
}
OWN = {"fastdl"} | {
    f"fastdl.{package}.{name}".replace("..", ".") for package, names in _OWN.items() for name in names.split()
}

CODE = """
import sys
before = set(sys.modules)
from fastdl.__main__ import main
code = main(sys.argv[2:])
with open(sys.argv[1], "w", encoding="utf-8") as file:
    for name in sorted(set(sys.modules) - before):
        path = getattr(sys.modules[name], "__file__", None) or ""
        file.write(("third-party " if "site-packages" in path else "- ") + name + "\\n")
sys.exit(code)
"""


@pytest.fixture
def loaded(fastdl: Runner, tmp_path: Path) -> Loaded:
    return Loaded(fastdl, tmp_path / "modules")


class Loaded:
    """Runs fastdl in a fresh interpreter and reads what it imported."""

    def __init__(self, runner: Runner, told: Path) -> None:
        self._runner = runner
        self._told = told
        self.third: set[str] = set()
        self.own: set[str] = set()
        self.standard: set[str] = set()

    def after(self, *args: str) -> Loaded:
        command = [sys.executable, "-c", CODE, str(self._told), *args]
        source = str(Path(__file__).parents[2] / "src")
        environ = environment(self._runner.home, {"PYTHONPATH": source})
        ended = subprocess.run(command, env=environ, cwd=self._runner.cwd, capture_output=True, check=False, timeout=60)
        assert ended.returncode == 0, ended.stderr
        rows = [line.split(" ", 1) for line in self._told.read_text(encoding="utf-8").splitlines()]
        self.third = {name.partition(".")[0] for kind, name in rows if kind == "third-party"}
        names = {name for kind, name in rows if kind == "-"}
        self.own = {name for name in names if name.partition(".")[0] == "fastdl"}
        self.standard = names - self.own
        return self


def test_version(loaded: Loaded) -> None:
    loaded.after("--version")
    assert loaded.own == {"fastdl", "fastdl.__main__"}
    assert loaded.third == set()
    assert loaded.standard <= {"__future__", "gc"}


def test_get(loaded: Loaded, serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))
    loaded.after("get", server.url())
    assert loaded.third == set()
    assert loaded.standard & SLOW <= (set() if sys.platform == "linux" else SYSTEMS)
    assert loaded.own - OWN == set(), "is it needed by every download? If so, it joins the list"


def test_get_of_a_name(loaded: Loaded, serve: Serve) -> None:
    """A name has to be looked up, and the answer kept."""
    server = serve(FileApp(size=SIZE))
    loaded.after("get", server.url().replace("127.0.0.1", "localhost"))
    assert loaded.third == {"cachetools"}
    assert loaded.own - OWN == set()


def test_get_over_tls(loaded: Loaded, serve: Serve, certificates: Certificates) -> None:
    server = serve(FileApp(size=SIZE), tls=certificates.context())
    loaded.after("get", "--cacert", str(certificates.ca), server.url())
    assert loaded.third == set()
    if sys.platform == "linux":
        assert loaded.standard & SLOW <= NEEDED_BY_TLS
    assert loaded.own - OWN <= {"fastdl.io.trust_store"}
