"""One large file over loopback: fastdl beside curl, aria2c and wget2, plain and TLS, on memory and on a real disk.

    python -m benches.bulk [--size 1G] [--runs 3] [--quick] [--memory] [--tools fastdl,curl] [--disk DIR] [--json FILE]

The tools take turns, and each run starts with another one, so that a machine that gets slower in between is unfair to
all of them alike. Every run is a whole process. The first run of a tool in a case is not counted: it warms the caches
and its file is compared with the original. Before each run what the last one left unwritten is brought to the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benches import machine
from benches.harness import Run, RunFailed, clean_environment, measure
from benches.peers import SOURCE, Job, Peer, find
from benches.report import MIB, Case, Row, memory_table, parse_size, size_text, table
from benches.server import Nginx, ServerFailed

BLOCK = MIB
QUICK_SIZE = 128 * MIB
MEMORY_SIZES = (100 * MIB, 4096 * MIB)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tools write."""

    name: str
    folder: Path
    real_disk: bool


@dataclass(frozen=True, slots=True)
class Source:
    """The file that is served, and its digest."""

    path: Path
    size: int
    digest: bytes


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; exit 1 with one line where a bench cannot run or a tool brings a wrong file."""
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except (RunFailed, ServerFailed, LookupError, OSError, ValueError) as error:
        print(f"bulk: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benches.bulk", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=parse_size, default=1 << 30, help="of the file (1G)")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each tool in each case (3)")
    parser.add_argument("--quick", action="store_true", help="128M and fewer cases: a look, not a measurement")
    parser.add_argument("--memory", action="store_true", help="peak memory for 100M and 4G instead of times")
    parser.add_argument("--tools", help="only these, separated by commas (all that are installed)")
    parser.add_argument("--disk", type=Path, help="folder on a real disk (the one for temporary files)")
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.runs < 1:
        raise ValueError("--runs must be 1 or more")
    peers = find(options.tools.split(",") if options.tools else None)
    with workplace(options.disk) as (home, memory, disk):
        env = clean_environment(home, PYTHONPATH=str(SOURCE))
        result: dict[str, object] = {
            "bench": "bulk",
            "machine": machine.describe(),
            "tools": {peer.name: peer.version(env) for peer in peers},
            "disk": machine.filesystem(disk.folder),
        }
        if options.memory:
            cases = _memory(peers, memory, env, options.runs)
        else:
            size = QUICK_SIZE if options.quick else options.size
            cases = _times(peers, memory, disk, size, options.runs, env, quick=options.quick)
        result["cases"] = [case.as_json() for case in cases]
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def _times(
    peers: Sequence[Peer], memory: Place, disk: Place, size: int, runs: int, env: Mapping[str, str], *, quick: bool
) -> list[Case]:
    kinds = [(False, memory), (True, memory), (False, disk)] + ([] if quick else [(True, disk)])
    cases = []
    with served(memory.folder, size) as (server, source):
        for tls, place in kinds:
            name = f"{size_text(size)}, {'TLS' if tls else 'plain'}, {place.name}"
            url, cacert = server.url(source.path.name, tls=tls), server.cacert if tls else None
            # Only where there is a device to flush to does it matter whether a tool does so.
            chosen = [peer for peer in peers if place.real_disk or not peer.name.endswith("--no-durable")]
            case = measure_case(name, chosen, Job(url, place.folder / "out", cacert), source, runs, env)
            print(f"\n{name}, median of {runs}\n\n{table(case, on_device=place.real_disk)}", flush=True)
            cases.append(case)
    return cases


def _memory(peers: Sequence[Peer], memory: Place, env: Mapping[str, str], runs: int) -> list[Case]:
    chosen = [peer for peer in peers if not peer.name.endswith("--no-durable")]
    cases = []
    for size in MEMORY_SIZES:
        with served(memory.folder, size) as (server, source):
            job = Job(server.url(source.path.name, tls=True), memory.folder / "out", server.cacert)
            cases.append(measure_case(f"memory, {size_text(size)}, TLS", chosen, job, source, runs, env))
    print(f"\nHighest peak memory of {runs}, TLS, {memory.name}\n\n{memory_table(cases)}", flush=True)
    return cases


def measure_case(name: str, peers: Sequence[Peer], job: Job, source: Source, runs: int, env: Mapping[str, str]) -> Case:
    """Let every peer do the job once uncounted and checked, then `runs` times in turns.

    Raises RunFailed where a tool fails or its file is not the source's."""
    for peer in peers:
        one_run(peer, job, env)
        check(peer, job.target, source)
    measured: dict[str, list[Run]] = {peer.name: [] for peer in peers}
    for turn in range(runs):
        for peer in rotated(peers, turn):
            measured[peer.name].append(one_run(peer, job, env))
    clear(job.target)
    return Case(name, source.size, tuple(Row.of(peer.name, measured[peer.name]) for peer in peers))


def one_run(peer: Peer, job: Job, env: Mapping[str, str]) -> Run:
    """One run with nothing there and nothing left to write from the one before."""
    clear(job.target)
    os.sync()
    run = measure(peer.command(job), output=job.target, env=env, name=peer.name)
    if not job.target.exists():
        raise RunFailed(f"{peer.name} ended with 0 and left no file")
    return run


def rotated(peers: Sequence[Peer], turn: int) -> list[Peer]:
    """The order of one turn: each begins with the next tool."""
    start = turn % len(peers)
    return [*peers[start:], *peers[:start]]


def check(peer: Peer, target: Path, source: Source) -> None:
    """Raises RunFailed if `target` is not byte for byte the file that was served."""
    if target.stat().st_size != source.size or digest_of(target) != source.digest:
        raise RunFailed(f"{peer.name} brought a wrong file; its speed means nothing")


def clear(target: Path) -> None:
    """Remove what a run left: the file and anything a tool keeps beside it (its name and more)."""
    for path in target.parent.glob(f"{target.name}*"):
        path.unlink()


def digest_of(path: Path) -> bytes:
    """BLAKE2b of a file, in blocks."""
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.digest()


def make_file(path: Path, size: int) -> Source:
    """A file of `size` bytes that no compression makes smaller, the same at each call."""
    dice, digest, left = random.Random(size), hashlib.blake2b(), size
    with path.open("wb") as file:
        while left > 0:
            block = dice.randbytes(min(BLOCK, left))
            file.write(block)
            digest.update(block)
            left -= len(block)
    return Source(path, size, digest.digest())


@contextmanager
def served(folder: Path, size: int) -> Iterator[tuple[Nginx, Source]]:
    """A file of `size` bytes on its server; both are gone afterwards. Needs twice the size: the tools' file too."""
    if machine.free_space(folder) < 2 * size + 64 * MIB:
        raise ValueError(f"there is no room for two files of {size_text(size)} in {folder}; try --size")
    with tempfile.TemporaryDirectory(dir=folder) as root:
        os.chmod(root, 0o755)  # nginx's workers may be another user
        source = make_file(Path(root) / "file.bin", size)
        with Nginx(Path(root), Path(root) / "nginx") as server:
            yield server, source


@contextmanager
def workplace(disk: Path | None) -> Iterator[tuple[Path, Place, Place]]:
    """An empty home, a place in memory and one on a real disk; all are removed afterwards."""
    real = disk or machine.disk_folder()
    quick = machine.memory_folder()
    with ExitStack() as stack:
        at_disk = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastdl-bench-", dir=real)))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastdl-bench-", dir=quick or real)))
        home = at_disk / "home"
        home.mkdir()
        memory_name = "memory disk" if quick else "temporary folder (this system has no memory disk)"
        yield home, Place(memory_name, place, quick is None), Place(f"disk ({machine.filesystem(real)})", at_disk, True)


if __name__ == "__main__":
    sys.exit(main())
