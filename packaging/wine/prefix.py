"""A wine prefix: a drive C: with a Windows in it, and the way to run programs there.

WINEPREFIX is honoured: a prefix that is there is used as it is, one that is not is made. Without it the prefix is
build/wine/prefix. Other settings of wine's in the environment hold too (WINEDLLOVERRIDES of a prefix with DLLs of its
own, WINEESYNC, without which a server that runs with it is not spoken to). Nothing of wine's is mended, because what
fastdl takes along needs nothing that wine 8 lacks.

What has to be minded with wine 8: the first program of a session starts its services, which keep open what that program
writes to, so the end of a pipe is no sign of a program's end; a program's stdout must be a pipe or a terminal, since it
cannot write to a file that it inherits; and without a display there must be none at all, or every program waits for it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath

from pack import venvs
from pack.steps import StepFailed

WORK = venvs.WORK / "wine"
PLACES = ("/usr/lib/wine", "/usr/lib64/wine", "/usr/local/bin")  # Debian has wine64 outside of PATH
Words = Sequence["str | Path"]
PATIENCE = 120.0  # seconds for wine's server
SETTLING = 30.0  # seconds in which a new prefix is complete: it takes five
PACKAGES = "wine wine64"  # of Debian
SETTINGS = {"WINEARCH": "win64", "WINEDEBUG": "-all", "LC_ALL": "C.UTF-8"}  # its messages are about itself
UNWANTED = ("mscoree", "mshtml")  # the .NET and the HTML engine, which wine asks to install in a new prefix


def find() -> tuple[str, str]:
    """The paths of wine and of its server. Raises StepFailed where it is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *PLACES])
    loaders = [os.environ.get("WINELOADER", ""), "wine64", "wine"]
    servers = [os.environ.get("WINESERVER", ""), "wineserver", "wineserver64"]
    loader, server = (
        next((found for found in (shutil.which(name, path=path) for name in names if name) if found), None)
        for names in (loaders, servers)
    )
    if loader is None or server is None:
        raise StepFailed(f"wine is not installed; Debian has it in the packages {PACKAGES}")
    return loader, server


def overrides(given: str) -> str:
    """WINEDLLOVERRIDES that keeps what is given and leaves out what is unwanted, if nothing is said of that."""
    said = {name.strip().lower() for part in given.split(";") for name in part.partition("=")[0].split(",")}
    left = [name for name in UNWANTED if name not in said]
    return ";".join(part for part in (given.strip("; "), f"{','.join(left)}=" if left else "") if part)


def windows_path(path: Path | str) -> str:
    """How programs in wine call a file of this system, whose root is their drive Z:."""
    return "Z:" + os.path.abspath(path).replace("/", "\\")


def read_to_its_end(process: subprocess.Popen[bytes], timeout: float) -> tuple[bytes, bytes]:
    """What a process writes to its two pipes until it ends, whoever else holds them open. Not longer than `timeout`
    seconds."""
    assert process.stdout is not None and process.stderr is not None
    taken: dict[int, bytes] = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    limit = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for number in taken:
            selector.register(number, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None  # asked first: what it wrote lies in the pipe by then
            ready = selector.select(0 if ended else 0.05) if selector.get_map() else []
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                taken[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
            if (ended and not ready) or time.monotonic() > limit:
                break
            if not selector.get_map() and not ended:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, limit - time.monotonic()))
    out, err = taken.values()
    return out, err


class Wine:
    """Programs in one prefix, which is made when it is first needed."""

    def __init__(self, prefix: Path, loader: str, server: str) -> None:
        self.prefix = prefix
        self.loader = loader
        self.server = server

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The variables of a program in the prefix. Nothing of this system's Python reaches that of Windows, and no
        setting of fastdl's."""
        mine = ("PYTHON", "FASTDL_", "DISPLAY", "WAYLAND_DISPLAY", "VIRTUAL_ENV", "LC_", "LANG")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
        own = {"WINEPREFIX": str(self.prefix), "WINEDLLOVERRIDES": overrides(kept.get("WINEDLLOVERRIDES", ""))}
        return {**kept, **SETTINGS, **own, **(extra or {})}

    def command(self, program: Path | str, *arguments: str) -> list[str]:
        """The words that start a Windows program."""
        return [self.loader, str(program), *arguments]

    def run(
        self,
        words: Words,
        *,
        folder: Path | None = None,
        extra: Mapping[str, str] | None = None,
        timeout: float = 600.0,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a Windows program to its end, its output in pipes. Raises StepFailed where it does not end."""
        program, *arguments = (str(word) for word in words)
        command = self.command(program, *arguments)
        with subprocess.Popen(
            command,
            cwd=folder,
            env=self.environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                out, err = read_to_its_end(process, timeout)
            finally:
                process.kill()
        if process.returncode < 0:
            raise StepFailed(f"{program} in wine does not end within {timeout:.0f} s")
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def checked(
        self,
        words: Words,
        *,
        folder: Path | None = None,
        extra: Mapping[str, str] | None = None,
        timeout: float = 600.0,
    ) -> str:
        """Runs a Windows program; what it wrote. Raises StepFailed where it fails, with the end of what it said."""
        done = self.run(words, folder=folder, extra=extra, timeout=timeout)
        if done.returncode:
            said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()[-30:]
            raise StepFailed(f"{words[0]} in wine ended with {done.returncode}:\n" + "\n".join(said))
        return done.stdout.decode("utf-8", "replace")

    def prepare(self) -> None:
        """Makes the prefix where there is none. Raises StepFailed."""
        if (self.prefix / "system.reg").is_file():
            return
        for words in (["wineboot", "-i"], ["winecfg", "-v", "win10"]):
            self.checked(words)
            # What is being set up goes on behind the command that asked for it. A server that the caller has told to
            # stay is not waited for.
            with contextlib.suppress(StepFailed):
                self._server("-w", patience=SETTLING)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Wine's server and services run meanwhile, so that no program has to start them: one that waits keeps them
        there. They end by themselves some seconds after the last program, whoever has started it. Raises StepFailed."""
        with subprocess.Popen(
            self.command("cmd", "/c", "set /p line="),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as waiting:
            try:
                self.checked(["cmd", "/c", "exit"])  # what is slow at the first program of a session is done with it
                yield
            finally:
                assert waiting.stdin is not None
                waiting.stdin.close()
                try:
                    waiting.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    waiting.kill()

    def stop(self) -> None:
        """Ends what still runs in the prefix, and waits until nothing does."""
        self._server("-k")
        self._server("-w")

    def _server(self, *arguments: str, patience: float = PATIENCE) -> None:
        """Speaks to wine's server. `-w` waits until it ends, which it does soon after the last program."""
        try:
            subprocess.run(
                [self.server, *arguments],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=patience,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise StepFailed(f"wine's server does not answer {' '.join(arguments)} in {patience:.0f} s") from error

    @property
    def drive(self) -> Path:
        """Drive C:."""
        return self.prefix / "drive_c"

    def here(self, path: str) -> Path:
        """Where a file of drive C: lies on this system."""
        return self.drive.joinpath(*PureWindowsPath(path).parts[1:])


@contextlib.contextmanager
def opened() -> Iterator[Wine]:
    """The prefix, ready for programs. It may be opened several times at once: the last to leave ends what still runs
    there, but for a prefix that the caller brought. Raises StepFailed."""
    import fcntl  # Windows has none, and needs no wine

    given = os.environ.get("WINEPREFIX", "")
    wine = Wine(Path(given or WORK / "prefix").absolute(), *find())
    try:
        wine.prefix.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StepFailed(f"cannot make {wine.prefix}: {error.strerror}") from error
    # One at a time comes or goes; who is there holds the other lock, together with all others that are.
    with open(wine.prefix / ".fastdl-door", "wb") as door, open(wine.prefix / ".fastdl-users", "wb") as users:
        fcntl.flock(door, fcntl.LOCK_EX)
        wine.prepare()
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            with wine.awake():
                fcntl.flock(door, fcntl.LOCK_UN)
                yield wine
        finally:
            fcntl.flock(door, fcntl.LOCK_EX)
            with contextlib.suppress(BlockingIOError):  # somebody else is still there
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not given:
                    wine.stop()
