"""One file from several servers at once, honest ones and a liar: fastdl beside aria2c with the same URLs.

    python -m benches.mirrors [--runs 3] [--size 64M] [--quick] [--json FILE]

Every server is a process with a rate of its own that all its connections share, so the sum of the rates is the most
that anyone can get. The liar alters bytes and is right in all else. All cases and tools take turns, each round begins
with another one, and every file that a tool calls good is compared with the right digest. fastdl is called in two ways:
with the mirrors on the command line (`-m`) and a digest, and with one URL alone, where a rule of the config file leads
to the mirrors and the origin publishes the digest. State folders are new for each run: nobody knows the liar.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benches import machine
from benches.figures import Spread
from benches.harness import Run, RunFailed, clean_environment, measure
from benches.peers import SOURCE
from benches.sources import NAME, Source
from benches.text import MIB, align, parse_size, size_text
from fastdl.demo_server import Content

DOMAIN = "example.org"


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a case; equal ones of two cases are one process. `rate` is bytes a second."""

    name: str
    rate: int
    conduct: str = "honest"


@dataclass(frozen=True, slots=True)
class Case:
    """A set of servers, the origin first. `alone` is the case that it is compared with: the same without the liar."""

    name: str
    servers: tuple[Server, ...]
    alone: str = ""

    @property
    def rate(self) -> int:
        return sum(server.rate for server in self.servers)


def _with_liars(name: str, honest: tuple[Server, ...], rate: int) -> tuple[Case, ...]:
    kinds = ("altering", "sparse")
    liars = (Case(f"{name}, {kind} liar", (*honest, Server("liar", rate, kind)), name) for kind in kinds)
    return (Case(name, honest), *liars)


SUM = Case("sum", (Server("origin", 2 * MIB), Server("one", 8 * MIB)))
EVEN = _with_liars("4+4+4", (Server("origin", 4 * MIB), Server("one", 4 * MIB), Server("two", 4 * MIB)), 4 * MIB)
SLOW = _with_liars("2+8", (Server("origin", 2 * MIB), Server("one", 8 * MIB)), 8 * MIB)
CASES = (SUM, *EVEN, *SLOW)
QUICK = (SUM, *EVEN)


@dataclass(slots=True)
class Place:
    """What the tools are given: the running servers, the digest, folders."""

    size: int
    digest: str
    home: Path
    tls: Path
    running: dict[Server, Source] = field(default_factory=dict)

    @property
    def target(self) -> Path:
        return self.home / "out" / NAME

    def urls(self, case: Case) -> list[str]:
        return [self.running[server].url for server in case.servers]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program in one way of calling it; `base` is how it is started."""

    name: str
    base: tuple[str, ...]
    options: Callable[[Place, Case], list[str]]


def _given(place: Place, case: Case) -> list[str]:
    origin, *mirrors = place.urls(case)
    named = [word for url in mirrors for word in ("-m", url)]
    return ["get", "-q", "-d", str(place.target.parent), "--checksum", f"sha256:{place.digest}", *named, origin]


def _mapped(place: Place, case: Case) -> list[str]:
    ways = []
    for server in case.servers:
        port = place.running[server].secure_url.split(":")[2].split("/")[0]
        ways += ["--connect-to", f"{server.name}.{DOMAIN}:443:127.0.0.1:{port}"]
    trust = ["--cacert", str(place.tls / "ca.pem")]
    return ["get", "-q", "-d", str(place.target.parent), *trust, *ways, f"https://origin.{DOMAIN}/{NAME}"]


def _aria2(place: Place, case: Case) -> list[str]:
    where = [f"--dir={place.target.parent}", f"--out={NAME}", f"--checksum=sha-256={place.digest}"]
    return ["--no-conf", "-q", "-x8", "-s16", "-k1M", "--file-allocation=falloc", *where, *place.urls(case)]


_OWN = (sys.executable, "-m", "fastdl")
GIVEN = Tool("fastdl -m", _OWN, _given)
MAPPED = Tool("fastdl, rule", _OWN, _mapped)
ARIA2 = Tool("aria2c", ("aria2c",), _aria2)


def rule_of(case: Case) -> str:
    """The config file that maps the origin's file to the mirrors of a case."""
    lines = ["[rules.bench]", f'match = "https://origin.{DOMAIN}/{{path...}}"']
    for server in case.servers[1:]:
        lines += [f"[rules.bench.mirrors.{server.name}]", f'url = "https://{server.name}.{DOMAIN}/{{path}}"']
    lines += ["[rules.bench.digests.beside]", f'url = "https://origin.{DOMAIN}/{{path}}.sha256"', ""]
    return "\n".join(lines)


def one_run(tool: Tool, case: Case, place: Place, tree: Path = SOURCE) -> tuple[Run, str]:
    """One run from nothing of a program, or of the fastdl in `tree`, and what came of it: "right", or what is wrong.
    Raises RunFailed where honest servers do not give the right file."""
    for folder in ("out", "state"):
        shutil.rmtree(place.home / folder, ignore_errors=True)
    place.target.parent.mkdir()
    config = place.home / "config.toml"
    config.write_text(rule_of(case) if tool is MAPPED else "", encoding="utf-8")
    env = clean_environment(
        place.home,
        PYTHONPATH=str(tree),
        FASTDL_CONFIG=str(config),
        FASTDL_STATE_DIR=str(place.home / "state"),
    )
    run = measure([*tool.base, *tool.options(place, case)], env=env, check=False, timeout=180, name=tool.name)
    outcome = judge(run, place)
    if outcome != "right" and not case.alone:
        raise RunFailed(f"{tool.name}, {case.name}: {outcome}: {run.messages.strip()[-300:]}")
    return run, outcome


def judge(run: Run, place: Place) -> str:
    """What a run came to: only exit 0 with the right bytes under the final name is right."""
    there = place.target.exists()
    right = there and hashlib.sha256(place.target.read_bytes()).hexdigest() == place.digest
    if run.exit_code != 0:
        return f"exit {run.exit_code}" + (", wrong file left" if there and not right else "")
    return "right" if right else "WRONG FILE, exit 0" if there else "NO FILE, exit 0"


@dataclass(slots=True)
class Outcome:
    """All runs of one tool in one case."""

    runs: list[Run] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def wall(self) -> Spread:
        """Seconds."""
        return Spread.of([run.wall for run in self.runs])

    @property
    def cpu(self) -> Spread:
        """Seconds."""
        return Spread.of([run.cpu for run in self.runs])

    @property
    def verdict(self) -> str:
        """ "right", or the first that was not."""
        return next((word for word in self.said if word != "right"), "right")


Results = Mapping[tuple[str, str], Outcome]


def measure_all(tools: Sequence[Tool], cases: Sequence[Case], place: Place, rounds: int) -> Results:
    """Each tool in each case `rounds` times, in turns."""
    order = [(tool, case) for case in cases for tool in tools]
    results = {(tool.name, case.name): Outcome() for tool, case in order}
    for turn in range(rounds):
        start = turn * len(tools) % len(order)
        for tool, case in [*order[start:], *order[:start]]:
            run, said = one_run(tool, case, place)
            results[tool.name, case.name].runs.append(run)
            results[tool.name, case.name].said.append(said)
    return results


def sum_table(tools: Sequence[Tool], case: Case, results: Results, size: int) -> str:
    """How much of the sum of the rates each tool got, from its start to its end."""
    lines = [["tool", "wall s", "min-max", "CPU s", "MiB/s", "of the sum"], ["---"] + ["---:"] * 5]
    for tool in tools:
        outcome = results[tool.name, case.name]
        wall = outcome.wall
        rate = size / wall.median
        figures = [f"{wall.median:.2f}", f"{wall.low:.2f}-{wall.high:.2f}", f"{outcome.cpu.median:.2f}"]
        lines.append([tool.name, *figures, f"{rate / MIB:.2f}", f"{100 * rate / case.rate:.0f} %"])
    return align(lines)


def liar_table(tools: Sequence[Tool], cases: Sequence[Case], results: Results) -> str:
    """What the liar costs each tool: `cases` are the honest one and those with a liar."""
    head = ["tool", "honest s", "min-max"]
    for case in cases[1:]:
        head += [f"{case.name.split(', ')[1]} s", "min-max", "/ honest", "file"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for tool in tools:
        base = results[tool.name, cases[0].name].wall
        cells = [tool.name, f"{base.median:.2f}", f"{base.low:.2f}-{base.high:.2f}"]
        for case in cases[1:]:
            outcome = results[tool.name, case.name]
            wall = outcome.wall
            ratio = f"{wall.median / base.median:.2f}" if outcome.verdict == "right" else "n/a"
            cells += [f"{wall.median:.2f}", f"{wall.low:.2f}-{wall.high:.2f}", ratio, outcome.verdict]
        lines.append(cells)
    return align(lines)


@contextmanager
def workplace(cases: Sequence[Case], size: int) -> Iterator[Place]:
    """All servers of the cases, running, and a folder; both are gone afterwards."""
    with ExitStack() as stack:
        folder = machine.memory_folder()
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastdl-bench-", dir=folder)))
        tls = home / "tls"
        tls.mkdir()
        servers = dict.fromkeys(server for case in cases for server in case.servers)
        certify(tls, [f"{name}.{DOMAIN}" for name in sorted({server.name for server in servers})])
        place = Place(size, Content(size).sha256, home, tls)
        for server in servers:
            place.running[server] = stack.enter_context(Source(size, server.rate, server.conduct, tls))
        for source in place.running.values():
            source.wait()
        yield place


def certify(folder: Path, names: Sequence[str]) -> None:
    """`server.pem` and `server.key` for these hosts, signed by the authority in `ca.pem`."""
    import trustme

    authority = trustme.CA()
    leaf = authority.issue_cert(*names)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_pem.write_to_path(folder / "server.key")
    for position, pem in enumerate(leaf.cert_chain_pems):
        pem.write_to_path(folder / "server.pem", append=position > 0)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; exit 1 with one line where the bench cannot run."""
    parser = argparse.ArgumentParser(prog="python -m benches.mirrors", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", type=parse_size, help="of the file (64M)")
    parser.add_argument("--runs", type=int, help="of each tool in each case (3)")
    parser.add_argument("--quick", action="store_true", help="16M, one run, fewer cases: a look, not a measurement")
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    options = parser.parse_args(argv)
    rounds = options.runs if options.runs is not None else 1 if options.quick else 3
    size = options.size or (16 if options.quick else 64) * MIB
    try:
        if rounds < 1:
            raise ValueError("--runs must be 1 or more")
        _run(size, rounds, QUICK if options.quick else CASES, options.json)
    except (RunFailed, OSError, ValueError, ImportError) as error:
        print(f"mirrors: {error}", file=sys.stderr)
        return 1
    return 0


def _run(size: int, rounds: int, cases: Sequence[Case], record: Path | None) -> None:
    tools = [GIVEN, MAPPED, *([ARIA2] if shutil.which("aria2c") else [])]
    with workplace(cases, size) as place:
        results = measure_all(tools, cases, place, rounds)
    told = f"{size_text(size)}, median of {rounds}"
    print(f"\nOrigin 2 MiB/s and mirror 8 MiB/s, {told}\n\n{sum_table(tools, SUM, results, size)}")
    for group, servers in ((EVEN, "origin and two mirrors of 4 MiB/s each"), (SLOW, "origin 2 MiB/s, mirror 8 MiB/s")):
        if group[0] in cases:
            print(f"\nA liar as fast as a mirror beside {servers}, {told}\n\n{liar_table(tools, group, results)}")
    if record is not None:
        rows = [
            {"tool": tool, "case": case, "verdict": outcome.verdict, "wall": [run.wall for run in outcome.runs]}
            for (tool, case), outcome in results.items()
        ]
        data = {"bench": "mirrors", "size": size, "machine": machine.describe(), "rows": rows}
        record.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
