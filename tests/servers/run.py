"""Runs fastdl as a user does: another process, an empty home, no proxies, a folder of its own.

What is true of every run is checked after each: no traceback, no control characters, no file that nobody asked for."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT = 60.0  # seconds; a run that takes longer hangs
PARTS = (".fastdl", ".fastdl.journal")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
_KEPT = (
    "PATH",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "LD_LIBRARY_PATH",
)


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended: exit code, stdout and stderr as bytes, and the folder in which it ran."""

    code: int
    stdout: bytes
    stderr: bytes
    cwd: Path
    home: Path

    @property
    def out(self) -> str:
        """stdout as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def err(self) -> str:
        """stderr as text."""
        return self.stderr.decode("utf-8", "replace")

    @property
    def files(self) -> set[str]:
        """Everything in the folder, by name."""
        return {str(path.relative_to(self.cwd)) for path in self.cwd.rglob("*") if not path.is_dir()}

    @property
    def json(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> str:
        """The one error line on stderr; fails where there are more or fewer."""
        lines = [line for line in self.err.splitlines() if line.startswith("fastdl: error: ")]
        assert len(lines) == 1, f"one error line expected, got {self.err!r}"
        return lines[0]


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a user without any history: every folder that fastdl could use lies in `home`."""
    spec = importlib.util.find_spec("fastdl")
    assert spec is not None and spec.origin is not None, "fastdl cannot be imported: install it or set PYTHONPATH"
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    places = {
        "HOME": home,
        "USERPROFILE": home,
        "XDG_CONFIG_HOME": home / "config",
        "XDG_STATE_HOME": home / "state",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_DATA_HOME": home / "data",
        "XDG_RUNTIME_DIR": home / "run",
        "APPDATA": home / "roaming",
        "LOCALAPPDATA": home / "local",
        "PYTHONPATH": Path(spec.origin).parents[1],
    }
    fixed = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
    return kept | {name: str(place) for name, place in places.items()} | fixed | dict(extra or {})


def command(*args: str | os.PathLike[str]) -> list[str]:
    """The command line of `fastdl ARGS`."""
    return [sys.executable, "-m", "fastdl", *(os.fspath(arg) for arg in args)]


def check(result: Result, expected: Iterable[str] | None = None) -> Result:
    """What is true of every run; `expected` are all files that may be in the folder besides partial ones."""
    assert b"Traceback" not in result.stderr, result.err
    assert result.code != 1, f"exit 1 is a bug: {result.err}"
    found = _CONTROL.search(result.stderr)
    assert found is None, f"control character in {result.stderr!r}"
    if expected is not None:
        wanted = set(expected)
        strangers = {name for name in result.files - wanted if not name.endswith(PARTS)}
        assert not strangers, f"unexpected files {strangers}"
    return result


@dataclass(slots=True)
class Runner:
    """Runs fastdl in `cwd` with `home`; both are made when first needed. `get` puts the word `get` in front."""

    cwd: Path
    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *args: str | os.PathLike[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = LIMIT,
        stdin: bytes = b"",
        expected: Iterable[str] | None = None,
        through: Sequence[str] = (),
    ) -> Result:
        """Run to the end; a run that outlives `timeout` is killed and fails the test. `through` is a command that
        runs the command line which follows it."""
        with self.start(*args, cwd=cwd, env=env, through=through) as process:
            try:
                out, err = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(
                    f"still running after {timeout} s: {args}\n{err.decode(errors='replace')}"
                ) from None
        return check(Result(process.returncode, out, err, cwd or self.cwd, self.home), expected)

    def get(self, *args: str | os.PathLike[str], **more: Any) -> Result:
        """`fastdl get ARGS`."""
        return self("get", *args, **more)

    def start(
        self,
        *args: str | os.PathLike[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start and give the process, for tests that kill or signal it."""
        place = cwd or self.cwd
        place.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        flags = subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0
        return subprocess.Popen(
            [*through, *command(*args)],
            cwd=place,
            env=environment(self.home, self.env | dict(env or {})),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=flags,
        )


def everything_written(*folders: Path) -> bytes:
    """All bytes of all files below some folders, names included: where a secret could have ended up."""
    blobs = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            blobs.append(str(path).encode())
            if path.is_file():
                blobs.append(path.read_bytes())
    return b"\n".join(blobs)


def scratch(prefix: str = "fastdl-test-") -> tempfile.TemporaryDirectory[str]:
    """A folder outside pytest's own, removed at the end even on Windows where a file may still be open."""
    return tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
