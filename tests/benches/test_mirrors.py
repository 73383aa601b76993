"""The bench of mirrors: what it starts, how it judges a run, and that its tables say what was measured."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import pytest

from benches import mirrors
from benches.harness import Run, RunFailed
from benches.mirrors import ARIA2, EVEN, GIVEN, MAPPED, SUM, Case, Outcome, Place, Server, Tool
from benches.sources import Source
from benches.text import MIB

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")
FILE = b"the right bytes"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place whose servers do not run: tools are stand-ins."""
    running = {}
    for number, server in enumerate(dict.fromkeys(server for case in mirrors.CASES for server in case.servers)):
        running[server] = source = Source(1, None)
        source.url = f"http://127.0.0.1:{9000 + number}/file.bin"
        source.secure_url = f"https://127.0.0.1:{9500 + number}/file.bin"
    return Place(len(FILE), hashlib.sha256(FILE).hexdigest(), tmp_path, tmp_path / "tls", running)


def stand_in(code: str, name: str = "tool") -> Tool:
    """A program that does `code` with the target's path in `target`."""
    head = "import sys; target = sys.argv[1]; "
    return Tool(name, (sys.executable, "-I", "-S", "-c", head + code), lambda place, case: [str(place.target)])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


WRITE = "open(target, 'wb').write({!r})"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (WRITE.format(FILE), "right"),
        (WRITE.format(FILE[:-1] + b"x"), "WRONG FILE, exit 0"),
        ("pass", "NO FILE, exit 0"),
        ("sys.exit(5)", "exit 5"),
        (WRITE.format(b"wrong") + "; sys.exit(32)", "exit 32, wrong file left"),
        (WRITE.format(FILE) + "; sys.exit(7)", "exit 7"),
    ],
)
def test_only_exit_0_with_the_right_bytes_is_right(code: str, outcome: str, place: Place) -> None:
    assert mirrors.one_run(stand_in(code), EVEN[1], place)[1] == outcome
    if outcome != "right":
        with pytest.raises(RunFailed, match=re.escape(outcome)):
            mirrors.one_run(stand_in(code), EVEN[0], place)


def test_each_run_starts_from_nothing_and_all_take_turns(place: Place) -> None:
    log = place.home / "log"
    write = f"import os; {WRITE.format(FILE)}; left = os.listdir(os.environ['HOME']); "
    tools = [stand_in(f"{write}open({str(log)!r}, 'a').write({name + ' '!r})", name) for name in "ab"]
    results = mirrors.measure_all(tools, EVEN[:2], place, 3)
    assert log.read_text().split() == ["a", "b"] * 6
    assert [len(outcome.runs) for outcome in results.values()] == [3] * 4
    assert {outcome.verdict for outcome in results.values()} == {"right"}


def test_all_tools_are_given_the_same_servers(place: Place) -> None:
    urls = place.urls(EVEN[1])
    assert len(urls) == 4
    given, aria2, mapped = (tool.options(place, EVEN[1]) for tool in (GIVEN, ARIA2, MAPPED))
    assert [word for word in given if word.startswith("http")] == [*urls[1:], urls[0]]
    assert [word for word in aria2 if word.startswith("http")] == urls
    assert f"sha256:{place.digest}" in given
    assert f"--checksum=sha-256={place.digest}" in aria2
    ports = re.findall(r"(\w+)\.example\.org:443:127\.0\.0\.1:(\d+)", " ".join(mapped))
    secure = [place.running[server].secure_url for server in EVEN[1].servers]
    assert [f"https://127.0.0.1:{port}/file.bin" for _, port in ports] == secure
    assert place.digest not in " ".join(mapped)


def test_the_rule_leads_to_every_mirror_and_to_the_digest(tmp_path: Path) -> None:
    from fastdl import config
    from fastdl.io.rules_file import mapper_of

    path = tmp_path / "config.toml"
    path.write_text(mirrors.rule_of(EVEN[1]), encoding="utf-8")
    settings = config.load({}, {}, str(path))
    route = mapper_of(settings).route("https://origin.example.org/file.bin")
    hosts = [candidate.url.split("/")[2] for candidate in route.candidates]
    assert hosts[-3:] == ["one.example.org", "two.example.org", "liar.example.org"]
    assert [digest.url for digest in route.digests] == ["https://origin.example.org/file.bin.sha256"]


def test_the_sum_is_that_of_all_servers() -> None:
    results = {("tool", "sum"): Outcome([Run(wall, 0, 1, 1, 0) for wall in (8.0, 6.4, 9.0)], ["right"] * 3)}
    head, _, line = mirrors.sum_table([stand_in("", "tool")], SUM, results, 64 * MIB).splitlines()
    assert dict(zip(cells(head), cells(line), strict=True))["of the sum"] == "80 %"
    assert "8.00" in line


def test_a_run_that_failed_gets_no_ratio() -> None:
    runs = [Run(2.0, 0, 1, 1, 0), Run(4.0, 0, 1, 1, 0)]
    results = {
        ("a", EVEN[0].name): Outcome(runs, ["right", "right"]),
        ("a", EVEN[1].name): Outcome([Run(3.75, 0, 1, 1, 0)], ["right"]),
        ("a", EVEN[2].name): Outcome([Run(1.0, 0, 1, 1, 0), Run(1.0, 0, 1, 1, 5)], ["right", "exit 5"]),
    }
    line = mirrors.liar_table([stand_in("", "a")], EVEN, results).splitlines()[2]
    honest, liar, failed = cells(line)[:3], cells(line)[3:7], cells(line)[7:]
    assert honest == ["a", "3.00", "2.00-4.00"]
    assert liar == ["3.75", "3.75-3.75", "1.25", "right"]
    assert failed == ["1.00", "1.00-1.00", "n/a", "exit 5"]


def test_real_servers_and_a_real_download(tmp_path: Path) -> None:
    case = Case("small", (Server("origin", 64 * MIB), Server("one", 64 * MIB)))
    with mirrors.workplace([case], 3 * MIB) as place:
        home = place.home
        assert mirrors.one_run(GIVEN, case, place)[1] == "right"
        assert mirrors.one_run(MAPPED, case, place)[1] == "right"
    assert not home.exists()


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fast = tuple(Server(server.name, 512 * MIB, server.conduct) for server in EVEN[1].servers)
    even = (Case(EVEN[0].name, fast[:3]), Case(EVEN[1].name, fast, EVEN[0].name))
    total = Case("sum", fast[:2])
    monkeypatch.setattr(mirrors, "SUM", total)
    monkeypatch.setattr(mirrors, "EVEN", even)
    monkeypatch.setattr(mirrors, "QUICK", (total, *even))
    record = tmp_path / "record.json"
    assert mirrors.main(["--quick", "--size", "2M", "--json", str(record)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("| fastdl -m") == 2
    rows = json.loads(record.read_text())["rows"]
    assert {row["verdict"] for row in rows if row["case"] in ("sum", "4+4+4")} == {"right"}
    assert all(len(row["wall"]) == 1 for row in rows)


def test_a_bench_that_cannot_run_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert mirrors.main(["--runs", "0"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "mirrors: --runs must be 1 or more\n")
