"""Starts the emulator and tells it what to do: `with Wan([Link(100)]) as wan: ...`.

The namespaces have no names and live only as long as the emulator, and the emulator only as long as its standard input:
however the bench ends, killed or not, nothing of a network stays behind, and any number of them run side by side.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from benches.wan.link import Count, Link, parse_counts

PROGRAM = Path(__file__).with_name("emulator.c")
CLIENT = -1
_POLL = 0.02


class WanFailed(Exception):
    """The emulator could not be built or started, or died; the text says why."""


def unavailable() -> str:
    """Why no network can be made here, or nothing."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs /dev/net/tun"
    if shutil.which("ip") is None:
        return "needs ip (iproute2)"
    return "" if compiler() else "needs a C compiler"


def compiler() -> str | None:
    """The system's C compiler."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@functools.lru_cache(maxsize=1)
def _built() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """The compiled emulator, once a process; its folder is removed when the process ends."""
    cc = compiler()
    if cc is None:
        raise WanFailed("no C compiler (cc, gcc, clang) is installed")
    folder = tempfile.TemporaryDirectory(prefix="fastdl-wan-")
    program = Path(folder.name) / "emulator"
    done = subprocess.run(
        [cc, "-O2", "-o", str(program), str(PROGRAM), "-lm"], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        folder.cleanup()
        raise WanFailed(f"the emulator could not be compiled: {done.stderr.strip().splitlines()[-1:]}")
    return folder, program


class Wan:
    """A client and, behind each link, a server, each in a network namespace of its own. Links are counted from 0."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        self._process: subprocess.Popen[str] | None = None
        self._spaces: dict[int, str] = {}
        self._program = Path()
        self._one = threading.Lock()
        self._before: Callable[[int, FrameType | None], object] | int | None = None

    def __enter__(self) -> Wan:
        missing = unavailable()
        if missing:
            raise WanFailed(missing)
        self._program = _built()[1]
        words = [word for link in self.links for word in link.words()]
        self._process = subprocess.Popen(
            [str(self._program), "run", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the bench, which ends it
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        if said[:1] != ["ready"]:
            raise WanFailed(self._died())
        for number, file in enumerate(said[1:], CLIENT):
            self._spaces[number] = f"/proc/{self._process.pid}/fd/{file}"
        try:
            self._set_congestion()
        except WanFailed:
            self.__exit__(None, None, None)
            raise
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGTERM)
            if self._before == signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _leave)  # the system's own way would skip every clean-up
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()

    def _died(self) -> str:
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        _, messages = process.communicate()
        return f"the emulator ended: {messages.strip() or 'it said nothing'}"

    def _set_congestion(self) -> None:
        """By the route, not by the system's setting: a namespace may not choose every algorithm there."""
        for number, link in enumerate(self.links):
            device = f"wan{number + 1}"
            route = ["ip", "route", "replace", f"10.77.{number + 1}.1", "dev", device, "src", self.address(number)]
            command = [*self.inside(number), *route, "congctl", link.congestion]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
            if done.returncode != 0:
                raise WanFailed(f"{link.congestion} cannot be used here: {done.stderr.strip() or 'ip failed'}")

    def address(self, link: int) -> str:
        """Of the server behind a link."""
        return f"10.77.{link + 1}.2"

    def inside(self, place: int) -> list[str]:
        """What to put before a command so that it runs at a server (the link's number) or at the client (CLIENT). Such
        a process is ended with the thread that started it."""
        return [str(self._program), "enter", self._spaces[place]]

    def reset(self) -> None:
        """Connections are numbered from 1 again, all faults end, all counters are zero. Before each run."""
        self._expect("reset")

    def fault(self, link: int, flow: int, rate: float, after: int) -> None:
        """Once `after` bytes have gone down a link, its connection number `flow` (from 1 in the order of their opening;
        0: all that there are and will be) gets `rate` bytes a second; 0: silence in both directions."""
        self._expect(f"fault {link} {flow} {rate:.0f} {after}")

    def counts(self) -> list[Count]:
        """What has gone down each link since the reset."""
        return self._counts()[0]

    def lateness(self) -> float:
        """Seconds by which the emulator itself was late at worst since the reset: a busy machine shows here."""
        return self._counts()[1]

    def _counts(self) -> tuple[list[Count], float]:
        return parse_counts(self._tell("count"), len(self.links))

    def when(self, link: int, after: int, action: Callable[[], None]) -> threading.Event:
        """Call `action` from a thread once `after` bytes have gone down a link; setting the answer calls it off."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_POLL):
                try:
                    reached = self.counts()[link].bytes >= after
                except WanFailed:
                    return
                if reached:
                    action()
                    return

        threading.Thread(target=watch, daemon=True).start()
        return over

    def _expect(self, line: str) -> None:
        answer = self._tell(line)
        if answer != "ok":
            raise ValueError(f"{line}: {answer}")

    def _tell(self, line: str) -> str:
        with self._one:
            process = self._process
            if process is None or process.poll() is not None:
                raise WanFailed("the emulator is not running")
            assert process.stdin is not None
            assert process.stdout is not None
            print(line, file=process.stdin, flush=True)
            return process.stdout.readline().strip()

    def wait_quiet(self, seconds: float = 0.25, most: float = 5.0) -> None:
        """Until nothing has gone down any link for `seconds` (no longer than `most`): what an ended program had asked
        for is still on its way for a while."""
        end = time.monotonic() + most
        last, since = [count.packets for count in self.counts()], time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < seconds:
            time.sleep(_POLL)
            now = [count.packets for count in self.counts()]
            if now != last:
                last, since = now, time.monotonic()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
