"""kill -9 after each step that a list takes on the disk, and the same command again: it just goes on, also where the
server says nothing by which a file could be known again."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import servers.steps
from servers.files import OLD_DATE, FileApp, site
from servers.raw import Serve
from servers.run import Result, Runner

_LARGE = 300_000  # bytes: more than comes whole with a first answer
_SPARED = {"create"}  # steps that are no different from those before them


class Killed:
    """Runs of one list, with or without a lock, from a server with this ETag and time, which the files do not get."""

    def __init__(self, fastdl: Runner, serve: Serve, etag: str | None, modified: str | None, *, lock: bool) -> None:
        self.fastdl, self.files = fastdl, {"small.bin": 2_000, "named.bin": 3_000, "large.bin": _LARGE}
        named = (("Content-Disposition", 'attachment; filename="named.bin"'),)
        self.apps = {
            "/small.bin": FileApp(2_000, 1, etag, modified),
            "/chosen": FileApp(3_000, 2, etag, modified, extra=named),
            "/large.bin": FileApp(_LARGE, 3, etag, modified),
        }
        server = serve(site({path: app.answer for path, app in self.apps.items()}))
        folder = fastdl.home.parent
        (folder / "list").write_text("".join(f"{server.url(path)}\n" for path in self.apps), "utf-8")
        self.told, self.lock = folder / "steps", folder / "lock" if lock else None
        self.args = ["get", "--no-proxy", "-q", "--no-remote-time", "-j", "1", "-i", str(folder / "list")]
        self.args += ["--lock", str(self.lock)] if lock else []

    def run(self, step: int | str) -> Result:
        """Run it from nothing, to the end or to a step, which has a number or a name."""
        for place in (self.fastdl.cwd, self.fastdl.home):
            shutil.rmtree(place)
            place.mkdir()
        for path in (self.told, self.lock, Path(f"{self.lock}.fastdl")):
            if path is not None:
                path.unlink(missing_ok=True)
        env = {"STEP": str(step), "STEPS": str(self.told)}
        return self.fastdl(*self.args, env=env, through=[sys.executable, servers.steps.__file__])

    @property
    def steps(self) -> list[str]:
        return self.told.read_text("utf-8").splitlines()

    def goes_on(self) -> Result:
        """The same command once more, which has to end well."""
        result = self.fastdl(*self.args)
        found = {path.name: path.read_bytes() for path in self.fastdl.cwd.iterdir()}
        wanted = {name: app.bytes() for name, app in zip(self.files, self.apps.values(), strict=True)}
        assert (result.code, found) == (0, wanted), f"killed after {self.steps}: {result.err}"
        if self.lock is not None:
            assert len(self.lock.read_text("utf-8").splitlines()) == 1 + len(wanted)
        return result


@pytest.mark.parametrize(("etag", "lock"), [(None, True), ('"v1"', False)], ids=["lock", "etag"])
def test_after_every_step(fastdl: Runner, serve: Serve, etag: str | None, lock: bool) -> None:
    killed = Killed(fastdl, serve, etag, None, lock=lock)
    assert killed.run(0).code == 0
    steps = killed.steps
    assert {"write_at", "rename", "remove", "write"} <= set(steps)
    first = steps.index("rename")
    for step in range(first, len(steps) + 1):
        if steps[step - 1] not in _SPARED:
            assert killed.run(step).code == 9 or len(killed.steps) < step, "a run may take fewer steps than another"
            killed.goes_on()


@pytest.mark.parametrize(
    ("etag", "modified", "lock"),
    [(None, None, True), ('"v1"', None, False), (None, OLD_DATE, False)],
    ids=["lock", "etag", "time"],
)
def test_when_a_journal_has_just_gone(
    fastdl: Runner, serve: Serve, etag: str | None, modified: str | None, lock: bool
) -> None:
    killed = Killed(fastdl, serve, etag, modified, lock=lock)
    assert killed.run("remove").code == 9
    assert (fastdl.cwd / "large.bin").exists()
    killed.goes_on()
