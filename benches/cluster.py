"""What a Dask cluster makes of a list, with a real scheduler and worker processes on this machine.

    python -m benches.cluster [--runs 3] [--quick]

Two questions. Four workers, each held to 50 Mbit a second by its own limit, against one such worker: how much of four
times as fast is left? And with no limit at all: what does the cluster cost beside one process with the same list?
Every run begins with nothing and is checked; medians are printed, with the least and the most.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benches.files import check_many, make_many, serving
from benches.machine import memory_folder
from benches.peers import SOURCE
from benches.text import KIB

FILES = 400
SIZE = 1024 * KIB
RATE = 50_000_000 // 8  # bytes a second of one worker
GOAL = 3.6  # times one worker
START = 60.0  # seconds that a process may take to be there


class Bench:
    """One list on one server, and folders for what is downloaded."""

    def __init__(self, root: Path, url: str, folder: Path, files: int) -> None:
        self.root = root
        self.folder = folder
        self.names = make_many(root, files, SIZE)
        self.list = folder / "list.txt"
        self.list.write_text("".join(f"{url}/{name}\n" for name in self.names), encoding="utf-8")
        self._count = 0

    def run(self, *more: str) -> float:
        """Seconds of one run, from the command to its end."""
        self._count += 1
        out = self.folder / f"out{self._count}"
        words = [sys.executable, "-m", "fastdl", "get", "-q", "-i", str(self.list), "-d", str(out), *more]
        begin = time.perf_counter()
        subprocess.run(words, check=True, env=environment(self.folder))
        seconds = time.perf_counter() - begin
        check_many("the run", out, self.root, self.names)
        for name in self.names:
            (out / name).unlink()
        return seconds


def environment(home: Path, **more: str) -> dict[str, str]:
    """Of every process: fastdl from this clone, and nobody's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FASTDL_")}
    return kept | {"PYTHONPATH": str(SOURCE), "HOME": str(home), "XDG_STATE_HOME": str(home / "state")} | more


@contextmanager
def cluster(folder: Path, workers: int, rate: int | None) -> Iterator[str]:
    """A scheduler and so many workers, each held to `rate`; the scheduler's address."""
    from distributed import Client

    folder.mkdir()
    address = folder / "scheduler.json"
    limit = {} if rate is None else {"FASTDL_LIMIT_RATE": str(rate)}
    with ExitStack() as stack:

        def start(what: str, *words: str) -> None:
            log = stack.enter_context(open(folder / f"{what}.log", "ab"))
            whole = (sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard", *words)
            process = subprocess.Popen(whole, stdout=log, stderr=log, env=environment(folder, **limit))
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(address))
        until = time.monotonic() + START
        while not address.exists():
            if time.monotonic() > until:
                raise TimeoutError("the scheduler did not start")
            time.sleep(0.05)
        for number in range(workers):
            start(
                "worker", "--scheduler-file", str(address), "--no-nanny", "--nthreads", "1",
                "--local-directory", str(folder / f"worker{number}"),
            )  # fmt: skip
        with Client(scheduler_file=str(address), set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=START)
            found = client.scheduler.address
        yield found


def measure(bench: Bench, runs: int) -> dict[str, list[float]]:
    """Seconds of every task, in turns, so that a slow minute of the machine meets all of them."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = bench.folder
        one = stack.enter_context(cluster(folder / "one", 1, RATE))
        four = stack.enter_context(cluster(folder / "four", 4, RATE))
        free = stack.enter_context(cluster(folder / "free", 4, None))
        tasks: dict[str, tuple[str, ...]] = {
            "one worker of 50 Mbit": ("--cluster", one),
            "four workers of 50 Mbit": ("--cluster", four),
            "no limit, one process": (),
            "no limit, four workers": ("--cluster", free),
        }
        for _ in range(runs):
            for name, words in tasks.items():
                tell(name)
                found.setdefault(name, []).append(bench.run(*words))
    tell("")
    return found


def table(found: dict[str, list[float]], size: int) -> str:
    """The figures for people, with the two answers."""
    rows = ["| task | median | least | most | Mbit/s |", "|---|---:|---:|---:|---:|"]
    middle = {name: statistics.median(times) for name, times in found.items()}
    for name, times in found.items():
        rate = size * 8 / middle[name] / 1e6
        rows.append(f"| {name} | {middle[name]:.2f} s | {min(times):.2f} s | {max(times):.2f} s | {rate:.0f} |")
    gain = middle["one worker of 50 Mbit"] / middle["four workers of 50 Mbit"]
    cost = middle["no limit, four workers"] - middle["no limit, one process"]
    rows += ["", f"four workers / one worker: {gain:.2f} times (goal: {GOAL})"]
    rows.append(f"the cluster beside one process, no limit: {cost:+.2f} s for this list, connecting to it included")
    return "\n".join(rows)


def tell(text: str) -> None:
    """What is being done, at a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 1 where the goal is missed."""
    options = argparse.ArgumentParser(prog="python -m benches.cluster", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--runs", type=int, default=3, help="runs of every task (3)")
    options.add_argument("--quick", action="store_true", help="a quarter of the files: a look")
    chosen = options.parse_args(argv)
    files = FILES // 4 if chosen.quick else FILES
    # In memory where there is some: what a device makes of many flushes at once is no matter of the cluster.
    with (
        tempfile.TemporaryDirectory(prefix="fastdl-bench-", dir=memory_folder()) as name,
        serving(Path(name)) as (server, root),
    ):
        folder = Path(name) / "run"
        folder.mkdir()
        bench = Bench(root / "n", server.url("n"), folder, files)
        found = measure(bench, max(1, chosen.runs))
    print(f"{files} files of {SIZE // KIB} KiB\n\n{table(found, files * SIZE)}")
    times = {name: statistics.median(seconds) for name, seconds in found.items()}
    return 0 if times["one worker of 50 Mbit"] / times["four workers of 50 Mbit"] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
